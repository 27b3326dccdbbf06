// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The loop: brings everything that belongs to one registry to where its spec wants it.

package operator

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

type reconciler struct {
	client client.Client
	// world writes what others than the operator write on a real cluster: OpenShift's router and its service CA.
	world  client.Client
	logs   kubernetes.Interface
	events record.EventRecorder
	rules
}

// ownedKinds are watched, by their metadata alone, so that a change to an owned object is
// answered at once. Pods are not among them: their states are read when the loop comes round.
func ownedKinds() []client.Object {
	return []client.Object{
		&corev1.Service{}, &corev1.ServiceAccount{}, &appsv1.Deployment{},
		&rbacv1.Role{}, &rbacv1.RoleBinding{}, &networkingv1.NetworkPolicy{},
	}
}

// cacheOptions keep the watches small: metadata of what bears the operator's label.
func cacheOptions(flavour Flavour) cache.Options {
	mine := cache.ByObject{Label: k8slabels.SelectorFromSet(k8slabels.Set{createdByLabel: operatorName})}
	objects := map[client.Object]cache.ByObject{&rbacv1.ClusterRoleBinding{}: mine}
	if flavour.OpenShift {
		objects[metadataOf(routeKind)] = mine
	}
	for _, kind := range ownedKinds() {
		objects[kind] = mine
	}
	return cache.Options{ByObject: objects}
}

func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	return object
}

func (r *reconciler) setup(manager ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(manager).Named("modelregistry").For(r.empty(r.registryKind()))
	for _, kind := range ownedKinds() {
		b = b.Owns(kind, builder.OnlyMetadata)
	}
	b = b.Watches(&rbacv1.ClusterRoleBinding{}, handler.EnqueueRequestsFromMapFunc(registryByLabels), builder.OnlyMetadata)
	if r.OpenShift {
		b = b.Watches(metadataOf(routeKind), handler.EnqueueRequestsFromMapFunc(registryByLabels))
	}
	return b.Complete(r)
}

func (*reconciler) empty(kind schema.GroupVersionKind) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	return object
}

// registryByLabels finds the registry of an object that it may not own.
func registryByLabels(_ context.Context, object client.Object) []ctrl.Request {
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = object.GetLabels()[namespaceLabel]
	}
	name := object.GetLabels()["app"]
	if name == "" || namespace == "" {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// Reconcile runs once for each change and, as in the real operator, again and again with growing
// pauses while the registry is not available.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := r.empty(r.registryKind())
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if object.GetDeletionTimestamp() != nil {
		return r.finalize(ctx, object)
	}
	if controllerutil.AddFinalizer(object, finalizerName) {
		if err := r.client.Update(ctx, object); err != nil {
			return ctrl.Result{}, err
		}
	}
	migrated, err := r.migrate(ctx, object)
	if err != nil || migrated {
		return ctrl.Result{Requeue: migrated}, err
	}
	stored := specOf(object)
	if !r.Webhooks {
		known, _, _ := unstructured.NestedString(object.Object, "status", "specDefaults")
		r.applyDefaults(stored, r.Version, known)
		object.Object["spec"] = stored
		if err := r.validate(object); err != nil {
			return ctrl.Result{}, err
		}
	}
	spec := r.withRuntimeDefaults(object.GetName(), stored)
	registry, err := newRegistry(object, spec)
	if err != nil {
		return ctrl.Result{}, err
	}
	result, err := r.applyAll(ctx, object, registry)
	if err != nil {
		return ctrl.Result{}, r.report(ctx, object, err)
	}
	r.announce(object, result)
	wait, err := r.updateStatus(ctx, object, registry, result)
	if err != nil {
		return ctrl.Result{}, r.report(ctx, object, err)
	}
	if wait.RequeueAfter == 0 && result != unchanged {
		wait.Requeue = true
	}
	return wait, nil
}

// migrate stores the migrations of proxies for a registry that came past the webhook.
func (r *reconciler) migrate(ctx context.Context, object *unstructured.Unstructured) (bool, error) {
	spec := specOf(object)
	istio, oauth := spec["istio"], spec["oauthProxy"]
	if !r.Istio {
		migrateIstio(spec)
	}
	if r.KubeRBACProxy {
		migrateOAuthProxy(spec)
	}
	if (istio == nil) == (spec["istio"] == nil) && (oauth == nil) == (spec["oauthProxy"] == nil) {
		return false, nil
	}
	object.Object["spec"] = spec
	return true, r.client.Update(ctx, object)
}

// applyAll makes the objects in the real operator's order: where one is refused, those after it
// are missing.
func (r *reconciler) applyAll(ctx context.Context, owner *unstructured.Unstructured, registry *registry) (result, error) {
	total := unchanged
	if pg := registry.Spec.Postgres; pg != nil && pg.GenerateDeployment {
		if err := r.applyPostgres(ctx, owner, registry, &total); err != nil {
			return total, err
		}
	}
	steps := []client.Object{
		serviceAccount(registry),
		service(registry, r.Flavour),
		deployment(registry, r.Flavour),
		userRole(registry),
	}
	if r.OpenShift {
		steps = append(steps, userGroup(registry), userRoleBinding(registry))
	}
	for _, desired := range steps {
		one, err := r.apply(ctx, owner, desired)
		if err != nil {
			return total, err
		}
		total = max(total, one)
	}
	if r.OpenShift {
		if err := r.applyRoute(ctx, owner, registry, httpRoute(registry), registry.Spec.Rest.ServiceRoute == enabled, &total); err != nil {
			return total, err
		}
	}
	return total, r.applyProxy(ctx, owner, registry, &total)
}

// applyProxy makes what only a registry with a proxy needs and removes it from one without.
func (r *reconciler) applyProxy(ctx context.Context, owner *unstructured.Unstructured, registry *registry, total *result) error {
	for _, part := range proxyParts(registry, r.Flavour) {
		if !part.wanted {
			if err := r.remove(ctx, part.object); err != nil {
				return err
			}
			continue
		}
		one, err := r.apply(ctx, owner, part.object)
		if err != nil {
			return err
		}
		*total = max(*total, one)
	}
	if registry.proxy() == nil || !r.OpenShift {
		return r.removeRoute(ctx, registry)
	}
	if registry.Spec.OAuthProxy != nil {
		secret := cookieSecret(registry)
		if err := controllerutil.SetControllerReference(owner, secret, scheme.Scheme); err != nil {
			return err
		}
		if err := ensure(ctx, r.client, secret); err != nil {
			return err
		}
	}
	if registry.OwnCertificate {
		if err := r.ensureServingCertificate(ctx, registry); err != nil {
			return err
		}
	}
	return r.applyRoute(ctx, owner, registry, httpsRoute(registry), registry.proxy().ServiceRoute == enabled, total)
}

// report writes err into the registry's status, where its user sees it, and hands it back so that
// the loop tries again.
func (r *reconciler) report(ctx context.Context, object *unstructured.Unstructured, err error) error {
	writeErr := r.writeStatus(ctx, object, func(status *status) {
		status.set(conditionAvailable, metav1.ConditionFalse, reasonDeploymentUnavailable,
			fmt.Sprintf("unexpected reconcile error: %v", err))
	})
	if writeErr != nil {
		log.FromContext(ctx).Error(writeErr, "status not written")
	}
	return err
}

func (r *reconciler) announce(object *unstructured.Unstructured, outcome result) {
	switch outcome {
	case created:
		r.events.Eventf(object, corev1.EventTypeNormal, "ServiceCreated",
			"Created service for custom resource %s in namespace %s", object.GetName(), object.GetNamespace())
	case updated:
		r.events.Eventf(object, corev1.EventTypeNormal, "ServiceUpdated",
			"Updated service for custom resource %s in namespace %s", object.GetName(), object.GetNamespace())
	}
}

// ignoreGone is nil for an object that vanished or changed while it was being deleted.
func ignoreGone(err error) error {
	if errors.IsNotFound(err) || errors.IsConflict(err) {
		return nil
	}
	return err
}
