// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The registry's status: conditions, hosts and the defaults in use.

package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	conditionAvailable     = "Available"
	conditionProgressing   = "Progressing"
	conditionDegraded      = "Degraded"
	conditionIstio         = "IstioAvailable"
	conditionGateway       = "GatewayAvailable"
	conditionOAuthProxy    = "OAuthProxyAvailable"
	conditionKubeRBACProxy = "KubeRBACProxyAvailable"

	reasonDeploymentCreating    = "CreatingDeployment"
	reasonDeploymentUpdating    = "UpdatingDeployment"
	reasonDeploymentCreated     = "CreatedDeployment"
	reasonDeploymentAvailable   = "DeploymentAvailable"
	reasonDeploymentUnavailable = "DeploymentUnavailable"
	reasonDeploymentCooldown    = "DeploymentCooldown"
	reasonConfigurationError    = "ConfigurationError"
	reasonResourcesAlert        = "ResourcesAlert"
	reasonResourcesAvailable    = "ResourcesAvailable"
	reasonResourcesUnavailable  = "ResourcesUnavailable"
	reasonFinalizing            = "Finalizing"

	// cooldown is how long a Deployment must be available before the registry is.
	cooldown = 5 * time.Second
)

// status has no observedGeneration, as the real one has none: a condition may be about the
// Deployment of an older spec.
type status struct {
	Conditions   []metav1.Condition `json:"conditions,omitempty"`
	Hosts        []string           `json:"hosts,omitempty"`
	HostsStr     string             `json:"hostsStr,omitempty"`
	SpecDefaults string             `json:"specDefaults,omitempty"`
}

func (s *status) set(kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: kind, Status: value, Reason: reason, Message: message})
}

func (s *status) setCondition(condition metav1.Condition) {
	meta.SetStatusCondition(&s.Conditions, condition)
}

// writeStatus changes the status of the registry as it is now and writes it if it differs.
func (r *reconciler) writeStatus(ctx context.Context, object *unstructured.Unstructured, change func(*status)) error {
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return err
	}
	var before status
	fields, _, _ := unstructured.NestedMap(object.Object, "status")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &before); err != nil {
		return err
	}
	after := before
	after.Conditions = append([]metav1.Condition(nil), before.Conditions...)
	change(&after)
	if reflect.DeepEqual(before, after) {
		return nil
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&after)
	if err != nil {
		return err
	}
	object.Object["status"] = fields
	return r.client.Status().Update(ctx, object)
}

// updateStatus writes all of the status and says when to look again: after a second while only
// its Deployment is available, with growing pauses while that is not, either, else only on a change of the Deployment.
func (r *reconciler) updateStatus(ctx context.Context, object *unstructured.Unstructured, registry *registry, outcome result) (ctrl.Result, error) {
	live := &appsv1.Deployment{}
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(object), live); err != nil {
		return ctrl.Result{}, err
	}
	isAvailable, _, _ := deploymentState(live)
	available := r.availability(ctx, registry, live)
	extra, err := r.frontConditions(ctx, registry, available)
	if err != nil {
		return ctrl.Result{}, err
	}
	available = withFront(available, extra)
	err = r.writeStatus(ctx, object, func(s *status) {
		s.Hosts = hosts(registry)
		s.HostsStr = strings.Join(s.Hosts, ",")
		s.SpecDefaults = specDefaults(specOf(object), r.withRuntimeDefaults(registry.Name, specOf(object)), registry)
		s.setCondition(r.progress(outcome))
		s.setCondition(available)
		for _, condition := range extra {
			s.setCondition(condition)
		}
		for _, kind := range r.staleFronts(registry) {
			meta.RemoveStatusCondition(&s.Conditions, kind)
		}
	})
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case isAvailable && available.Status != metav1.ConditionTrue:
		return ctrl.Result{RequeueAfter: time.Second}, nil
	default:
		return ctrl.Result{Requeue: available.Status != metav1.ConditionTrue}, nil
	}
}

// progress is the condition Progressing. Operators before kubeRBACProxy had its values reversed.
func (r rules) progress(outcome result) metav1.Condition {
	busy, idle := metav1.ConditionTrue, metav1.ConditionFalse
	if !r.KubeRBACProxy {
		busy, idle = idle, busy
	}
	condition := metav1.Condition{Type: conditionProgressing, Status: idle,
		Reason: reasonDeploymentCreated, Message: "Deployment was successfully created"}
	switch outcome {
	case created:
		condition.Status, condition.Reason, condition.Message = busy, reasonDeploymentCreating, "Creating deployment"
	case updated:
		condition.Status, condition.Reason, condition.Message = busy, reasonDeploymentUpdating, "Updating deployment"
	}
	return condition
}

// availability is the condition Available as the Deployment and its pods have it. An available
// Deployment counts even while a new pod fails beside the old one.
func (r *reconciler) availability(ctx context.Context, registry *registry, live *appsv1.Deployment) metav1.Condition {
	ok, message, since := deploymentState(live)
	condition := metav1.Condition{Type: conditionAvailable, Status: metav1.ConditionFalse, Reason: reasonDeploymentUnavailable}
	unreached := ""
	if ok {
		unreached = r.endpointsProblem(ctx, registry)
	}
	switch {
	case unreached != "":
		condition.Message = unreached
	case ok && time.Since(since) < cooldown:
		condition.Reason = reasonDeploymentCooldown
		condition.Message = "Deployment only recently available"
	case ok:
		condition.Status = metav1.ConditionTrue
		condition.Reason = reasonDeploymentAvailable
		condition.Message = "Deployment is available"
	case live.Status.UnavailableReplicas != 0:
		condition.Reason, condition.Message = r.podFailure(ctx, registry, live.Status.UnavailableReplicas)
	default:
		condition.Message = "Deployment is unavailable: " + message
	}
	return condition
}

// endpointsProblem tells why the registry's Service leads nowhere, empty where it leads to a ready pod. Operators that
// still have ML Metadata do not ask.
func (r *reconciler) endpointsProblem(ctx context.Context, registry *registry) string {
	if r.GRPC {
		return ""
	}
	//nolint:staticcheck // Endpoints are what the real operator reads.
	endpoints := &corev1.Endpoints{}
	key := client.ObjectKey{Namespace: registry.Namespace, Name: registry.Name}
	if err := r.client.Get(ctx, key, endpoints); err != nil {
		return fmt.Sprintf("Service endpoints not found: %v", err)
	}
	for _, subset := range endpoints.Subsets {
		if len(subset.Addresses) > 0 {
			return ""
		}
	}
	return "Service endpoints not ready - no ready addresses available"
}

// deploymentState reads a Deployment's conditions: whether it is available, since when, or why not.
func deploymentState(live *appsv1.Deployment) (available bool, message string, since time.Time) {
	failed, stuck := false, false
	for _, c := range live.Status.Conditions {
		switch {
		case c.Type == appsv1.DeploymentAvailable && !failed && !stuck:
			available, since = c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
			if !available {
				message = c.Message
			}
		case c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && !failed:
			available, stuck, message = false, true, c.Message
		case c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue:
			available, failed, message = false, true, c.Message
		}
	}
	return available, message, since
}

// withFront makes a registry unavailable whose proxy or gateway is.
func withFront(available metav1.Condition, fronts []metav1.Condition) metav1.Condition {
	if available.Status != metav1.ConditionTrue {
		return available
	}
	for _, front := range fronts {
		if front.Status != metav1.ConditionTrue {
			available.Status, available.Reason, available.Message = front.Status, front.Reason, front.Message
			if front.Type == conditionOAuthProxy {
				available.Message = "OAuth Proxy resources are unavailable"
			}
		}
	}
	return available
}

// hosts are the names under which the registry can be reached, the outermost first.
func hosts(r *registry) []string {
	var all []string
	switch proxy := r.proxy(); {
	case proxy != nil && proxy.ServiceRoute == enabled:
		// Without OpenShift the domain is empty: "x-rest.", as the real operator has it.
		all = append(all, routeHost(r))
	case r.Spec.Istio != nil && r.Spec.Istio.Gateway != nil && r.Spec.Istio.Gateway.Domain != "":
		for _, server := range []string{"rest", "grpc"} {
			all = append(all, fmt.Sprintf("%s-%s.%s", r.Name, server, r.Spec.Istio.Gateway.Domain))
		}
	}
	return append(all,
		fmt.Sprintf("%s.%s.svc.cluster.local", r.Name, r.Namespace),
		fmt.Sprintf("%s.%s", r.Name, r.Namespace),
		r.Name)
}

// specDefaults is the merge patch from the stored spec to the one in use, as JSON text.
func specDefaults(stored, used map[string]any, r *registry) string {
	if r.Generated {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(r.Spec.Postgres)
		if err == nil {
			used["postgres"] = fields
		}
	}
	before, err := json.Marshal(stored)
	if err != nil {
		return ""
	}
	after, err := json.Marshal(used)
	if err != nil {
		return ""
	}
	patch, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return ""
	}
	return string(patch)
}
