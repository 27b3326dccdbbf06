// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The OpenShift Routes to a registry, and the part of the router that tests can see: admission.

package operator

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// routeHost is the name under which the proxy's route answers.
func routeHost(r *registry) string {
	return fmt.Sprintf("%s-rest.%s", r.Name, r.proxy().Domain)
}

// httpsRoute leads to the proxy, with its own encryption towards the pod.
func httpsRoute(r *registry) *unstructured.Unstructured {
	return route(r, r.Name+"-https", map[string]any{
		"host":           routeHost(r),
		"to":             map[string]any{"kind": "Service", "name": r.Name},
		"port":           map[string]any{"targetPort": "https-api"},
		"tls":            map[string]any{"termination": "reencrypt"},
		"wildcardPolicy": "None",
	})
}

// httpRoute leads to the registry server itself, where spec.rest.serviceRoute asks for it.
func httpRoute(r *registry) *unstructured.Unstructured {
	return route(r, r.Name+"-http", map[string]any{
		"to":   map[string]any{"kind": "Service", "name": r.Name},
		"port": map[string]any{"targetPort": "http-api"},
	})
}

func route(r *registry, name string, spec map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	object.SetGroupVersionKind(routeKind)
	object.SetName(name)
	object.SetNamespace(r.Namespace)
	object.SetLabels(labels(r.Name, name))
	return object
}

func (r *reconciler) applyRoute(ctx context.Context, owner *unstructured.Unstructured, registry *registry,
	desired *unstructured.Unstructured, wanted bool, total *result) error {
	if !wanted {
		return r.remove(ctx, desired)
	}
	one, err := r.apply(ctx, owner, desired)
	if err != nil {
		return err
	}
	*total = max(*total, one)
	return r.admitRoute(ctx, registry, desired)
}

// removeRoute takes away the route of a proxy that is gone.
func (r *reconciler) removeRoute(ctx context.Context, registry *registry) error {
	if !r.OpenShift {
		return nil
	}
	return r.remove(ctx, route(registry, registry.Name+"-https", nil))
}

// admitRoute writes what OpenShift's router writes into a route that it serves. There is no
// router in the testbed, so the double does it.
func (r *reconciler) admitRoute(ctx context.Context, registry *registry, desired *unstructured.Unstructured) error {
	live := r.empty(routeKind)
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(desired), live); err != nil {
		return err
	}
	condition := map[string]any{"type": "Admitted", "status": "True"}
	if message, found := registry.Annotations[rejectedRouteAnnotation]; found {
		condition = map[string]any{"type": "Admitted", "status": "False", "reason": "HostAlreadyClaimed", "message": message}
	}
	if routeAdmission(live)["status"] == condition["status"] && routeAdmission(live)["message"] == condition["message"] {
		return nil
	}
	condition["lastTransitionTime"] = time.Now().UTC().Format(time.RFC3339)
	host, _, _ := unstructured.NestedString(live.Object, "spec", "host")
	live.Object["status"] = map[string]any{"ingress": []any{map[string]any{
		"host": host, "routerName": "default", "wildcardPolicy": "None", "conditions": []any{condition},
	}}}
	return r.world.Status().Update(ctx, live)
}

// routeAdmission is the first condition of the first router, empty where no router has spoken yet.
func routeAdmission(live *unstructured.Unstructured) map[string]any {
	ingresses, _, _ := unstructured.NestedSlice(live.Object, "status", "ingress")
	if len(ingresses) == 0 {
		return nil
	}
	fields, _ := ingresses[0].(map[string]any)
	conditions, _, _ := unstructured.NestedSlice(fields, "conditions")
	if len(conditions) == 0 {
		return nil
	}
	condition, _ := conditions[0].(map[string]any)
	return condition
}
