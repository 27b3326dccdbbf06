// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The conditions of what stands before the registry server: proxy and route, or Istio.

package operator

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// frontConditions are looked at only while the Deployment is available. Otherwise they stay as they were, but for that of
// kube-rbac-proxy, which newer operators make unavailable, too.
func (r *reconciler) frontConditions(ctx context.Context, registry *registry, available metav1.Condition) ([]metav1.Condition, error) {
	if available.Status != metav1.ConditionTrue {
		if registry.Spec.KubeRBACProxy == nil || !r.AddsProxy {
			return nil, nil
		}
		return []metav1.Condition{{Type: conditionKubeRBACProxy, Status: metav1.ConditionFalse,
			Reason: reasonResourcesUnavailable, Message: available.Message}}, nil
	}
	if registry.proxy() != nil {
		condition, err := r.proxyCondition(ctx, registry)
		return []metav1.Condition{condition}, err
	}
	if registry.Spec.Istio == nil {
		return nil, nil
	}
	// There is no Istio in the testbed: what the real operator would find is taken as given.
	fronts := []metav1.Condition{{Type: conditionIstio, Status: metav1.ConditionTrue,
		Reason: reasonResourcesAvailable, Message: "Istio resources are available"}}
	if registry.Spec.Istio.Gateway != nil {
		fronts = append(fronts, metav1.Condition{Type: conditionGateway, Status: metav1.ConditionTrue,
			Reason: reasonResourcesAvailable, Message: "Istio Gateway resources are available"})
	}
	return fronts, nil
}

// staleFronts are the conditions that do not fit the registry's spec any more.
func (r *reconciler) staleFronts(registry *registry) []string {
	var stale []string
	if registry.Spec.OAuthProxy == nil {
		stale = append(stale, conditionOAuthProxy)
	}
	if registry.Spec.KubeRBACProxy == nil {
		stale = append(stale, conditionKubeRBACProxy)
	}
	if registry.Spec.Istio == nil {
		stale = append(stale, conditionIstio, conditionGateway)
	}
	return stale
}

func (r *reconciler) proxyCondition(ctx context.Context, registry *registry) (metav1.Condition, error) {
	names := frontNames(registry)
	condition := metav1.Condition{Type: names.condition, Status: metav1.ConditionTrue,
		Reason: reasonResourcesAvailable, Message: names.text + " was successfully created"}
	problem, err := r.proxyProblem(ctx, registry, names)
	if problem != "" {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, reasonResourcesUnavailable, problem
	}
	return condition, err
}

// proxyProblem is empty where every pod has the proxy and its route is admitted.
func (r *reconciler) proxyProblem(ctx context.Context, registry *registry, names front) (string, error) {
	pods := &corev1.PodList{}
	err := r.client.List(ctx, pods, client.InNamespace(registry.Namespace), client.MatchingLabels(podLabels(registry.Name)))
	if err != nil {
		return "Failed to find Pods: " + err.Error(), nil
	}
	if len(pods.Items) == 0 {
		return "No Pods found for Deployment " + registry.Name, nil
	}
	expected := len(containers(registry, r.Flavour))
	for _, pod := range pods.Items {
		if len(pod.Spec.Containers) != expected {
			return fmt.Sprintf("%s proxy unavailable in Pod %s", names.pod, pod.Name), nil
		}
	}
	if registry.proxy().ServiceRoute != enabled || !r.OpenShift {
		return "", nil
	}
	admitted, detail, err := r.routeState(ctx, registry)
	if err != nil || admitted {
		return "", err
	}
	return fmt.Sprintf("%s Route %s-https is unavailable: %s", names.route, registry.Name, detail), nil
}

// front is how the real operator writes a proxy's name in the different places.
type front struct{ condition, text, pod, route string }

func frontNames(registry *registry) front {
	if registry.Spec.KubeRBACProxy != nil {
		return front{conditionKubeRBACProxy, kubeRBACProxy, kubeRBACProxy, "KubeRBACProxy"}
	}
	return front{conditionOAuthProxy, "OAuth Proxy", "OAuth", "OAuthProxy"}
}

// routeState tells whether the router has admitted the proxy's route.
func (r *reconciler) routeState(ctx context.Context, registry *registry) (bool, string, error) {
	route := r.empty(routeKind)
	key := client.ObjectKey{Namespace: registry.Namespace, Name: registry.Name + "-https"}
	if err := r.client.Get(ctx, key, route); err != nil {
		return false, "", client.IgnoreNotFound(err)
	}
	ingresses, _, _ := unstructured.NestedSlice(route.Object, "status", "ingress")
	for _, ingress := range ingresses {
		fields, _ := ingress.(map[string]any)
		conditions, _, _ := unstructured.NestedSlice(fields, "conditions")
		for _, condition := range conditions {
			c, _ := condition.(map[string]any)
			if c["type"] != "Admitted" {
				continue
			}
			detail := fmt.Sprintf("Host %v in Route %s is unavailable: {reason: %v, message: %v}",
				fields["host"], route.GetName(), c["reason"], c["message"])
			return c["status"] == "True", strings.ReplaceAll(detail, "<nil>", ""), nil
		}
	}
	return false, "", nil
}
