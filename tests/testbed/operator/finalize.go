// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// What happens on a registry's deletion, before its finalizer is taken off.

package operator

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// finalize ends in the removal of the finalizer, or in another attempt without end where its
// operations fail, as in the real operator.
func (r *reconciler) finalize(ctx context.Context, object *unstructured.Unstructured) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(object, finalizerName) {
		return ctrl.Result{}, nil
	}
	// The trailing space is the real operator's.
	starting := fmt.Sprintf("Performing finalizer operations for the custom resource: %s ", object.GetName())
	if err := r.degrade(ctx, object, metav1.ConditionUnknown, starting); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.finalizerOperations(ctx, object); err != nil {
		log.FromContext(ctx).Error(err, "Failed to do finalizer operations for modelRegistry")
		return ctrl.Result{Requeue: true}, nil
	}
	done := fmt.Sprintf("Finalizer operations for custom resource %s were successfully accomplished", object.GetName())
	if err := r.degrade(ctx, object, metav1.ConditionTrue, done); err != nil {
		return ctrl.Result{}, err
	}
	controllerutil.RemoveFinalizer(object, finalizerName)
	return ctrl.Result{}, ignoreGone(r.client.Update(ctx, object))
}

func (r *reconciler) degrade(ctx context.Context, object *unstructured.Unstructured, value metav1.ConditionStatus, message string) error {
	return ignoreGone(r.writeStatus(ctx, object, func(status *status) {
		status.set(conditionDegraded, value, reasonFinalizing, message)
	}))
}

// finalizerOperations deletes what the registry cannot own: on OpenShift the Group with its
// members. A cluster role binding of the proxy stays, as with the real operator.
func (r *reconciler) finalizerOperations(ctx context.Context, object *unstructured.Unstructured) error {
	if message, found := object.GetAnnotations()[failingFinalizerAnnotation]; found {
		return errors.New(message)
	}
	if r.OpenShift {
		err := r.client.Delete(ctx, userGroup(&registry{Name: object.GetName()}))
		if client.IgnoreNotFound(err) != nil && !meta.IsNoMatchError(err) {
			return err
		}
	}
	r.events.Eventf(object, corev1.EventTypeWarning, "Deleting",
		"Custom Resource %s is being deleted from the namespace %s", object.GetName(), object.GetNamespace())
	return nil
}
