// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Creates and repairs objects: a three-way comparison as the real operator's object matcher makes it.

package operator

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// result is what became of an object; of several, the greatest counts, as creation of any part
// makes the real operator report creation.
type result int

const (
	unchanged result = iota
	updated
	created
)

// lastAppliedAnnotation holds, as the real operator's does, what was written last: a field that is
// in it and no longer wanted is removed, a field that somebody else added is no difference.
const lastAppliedAnnotation = "banzaicloud.com/last-applied"

// apply brings one object to desired. Nothing is written where nothing of the operator's own
// differs, so that a restart annotation of somebody else stays; where something does, the whole
// object is replaced and foreign fields go, which is how the real operator updates, too.
func (r *reconciler) apply(ctx context.Context, owner *unstructured.Unstructured, desired client.Object) (result, error) {
	wanted, err := toUnstructured(desired)
	if err != nil {
		return unchanged, err
	}
	if wanted.GetNamespace() != "" && len(wanted.GetOwnerReferences()) == 0 {
		if err := controllerutil.SetControllerReference(owner, wanted, scheme.Scheme); err != nil {
			return unchanged, err
		}
	}
	plain, err := annotateLastApplied(wanted)
	if err != nil {
		return unchanged, err
	}
	if wanted.GroupVersionKind() == groupKind {
		// OpenShift writes a list that is not there as null.
		wanted.Object["users"] = nil
	}
	current := r.empty(wanted.GroupVersionKind())
	err = r.client.Get(ctx, client.ObjectKeyFromObject(wanted), current)
	switch {
	case errors.IsNotFound(err):
		return created, r.client.Create(ctx, wanted)
	case isMissingGroupAPI(err, wanted):
		return unchanged, nil
	case err != nil:
		return unchanged, err
	}
	same, err := matches(current, plain)
	if err != nil || same {
		return unchanged, err
	}
	wanted.SetResourceVersion(current.GetResourceVersion())
	err = r.client.Update(ctx, wanted)
	if _, ok := desired.(*appsv1.Deployment); ok && isImmutable(err) {
		// The real operator deletes the Deployment and makes it anew the next time.
		return updated, r.client.Delete(ctx, current)
	}
	return updated, err
}

// annotateLastApplied notes in the object what is written, and gives that as JSON.
func annotateLastApplied(wanted *unstructured.Unstructured) ([]byte, error) {
	plain, err := json.Marshal(wanted.Object)
	if err != nil {
		return nil, err
	}
	annotations := maps.Clone(wanted.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[lastAppliedAnnotation] = string(plain)
	wanted.SetAnnotations(annotations)
	return plain, nil
}

// isImmutable tells an update that no repetition can make succeed, as the real operator tells it.
func isImmutable(err error) bool {
	return errors.IsForbidden(err) || errors.IsInvalid(err) && strings.Contains(err.Error(), "field is immutable")
}

// isMissingGroupAPI tells a cluster with an external identity provider, which has no Groups.
func isMissingGroupAPI(err error, object *unstructured.Unstructured) bool {
	return meta.IsNoMatchError(err) && object.GroupVersionKind() == groupKind
}

// ensure creates an object whose content is made once and then left alone.
func ensure(ctx context.Context, writer client.Client, desired client.Object) error {
	wanted, err := toUnstructured(desired)
	if err != nil {
		return err
	}
	err = writer.Get(ctx, client.ObjectKeyFromObject(wanted), wanted.DeepCopy())
	if !errors.IsNotFound(err) {
		return err
	}
	return writer.Create(ctx, wanted)
}

// remove deletes an object if it is there, without a request that could not change anything.
func (r *reconciler) remove(ctx context.Context, object client.Object) error {
	target, err := toUnstructured(object)
	if err != nil {
		return err
	}
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(target), target); err != nil {
		return client.IgnoreNotFound(err)
	}
	return client.IgnoreNotFound(r.client.Delete(ctx, target))
}

// matches tells whether current has all that wanted says and nothing that it said before.
func matches(current *unstructured.Unstructured, wanted []byte) (bool, error) {
	last := []byte(current.GetAnnotations()[lastAppliedAnnotation])
	live := current.DeepCopy()
	annotations := live.GetAnnotations()
	delete(annotations, lastAppliedAnnotation)
	live.SetAnnotations(annotations)
	unstructured.RemoveNestedField(live.Object, "status")
	now, err := json.Marshal(live.Object)
	if err != nil {
		return false, err
	}
	patch, err := difference(current, last, wanted, now)
	return string(patch) == "{}", err
}

func difference(current *unstructured.Unstructured, last, wanted, now []byte) ([]byte, error) {
	typed, err := scheme.Scheme.New(current.GroupVersionKind())
	if err != nil {
		return jsonmergepatch.CreateThreeWayJSONMergePatch(last, wanted, now)
	}
	fields, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return nil, err
	}
	return strategicpatch.CreateThreeWayMergePatch(last, wanted, now, fields, true)
}

// toUnstructured is object as it is written: without status and with its kind.
func toUnstructured(object client.Object) (*unstructured.Unstructured, error) {
	kind, err := apiutil.GVKForObject(object, scheme.Scheme)
	if err != nil {
		return nil, err
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	delete(fields, "status")
	dropNulls(fields)
	wanted := &unstructured.Unstructured{Object: fields}
	wanted.SetGroupVersionKind(kind)
	return wanted, nil
}

// dropNulls removes fields such as creationTimestamp that the typed form writes as null.
func dropNulls(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			if field == nil {
				delete(value, key)
			}
			dropNulls(field)
		}
	case []any:
		for _, item := range value {
			dropNulls(item)
		}
	}
}
