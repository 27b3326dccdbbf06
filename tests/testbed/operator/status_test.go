// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Tables of what Deployments, pods and logs say and how the registry's status words it.

package operator

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestAvailability(t *testing.T) {
	now := metav1.Now()
	longAgo := metav1.NewTime(now.Add(-time.Minute))
	of := func(kind appsv1.DeploymentConditionType, value corev1.ConditionStatus, since metav1.Time, message string) appsv1.DeploymentCondition {
		return appsv1.DeploymentCondition{Type: kind, Status: value, LastTransitionTime: since, Message: message}
	}
	for name, test := range map[string]struct {
		status appsv1.DeploymentStatus
		want   string
	}{
		"nothing known": {appsv1.DeploymentStatus{}, "DeploymentUnavailable: Deployment is unavailable: "},
		"just available": {appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
			of(appsv1.DeploymentAvailable, corev1.ConditionTrue, now, "")}},
			"DeploymentCooldown: Deployment only recently available"},
		"available": {appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
			of(appsv1.DeploymentAvailable, corev1.ConditionTrue, longAgo, "")}},
			"DeploymentAvailable: Deployment is available"},
		"old pod serves while the new one fails": {appsv1.DeploymentStatus{UnavailableReplicas: 1, Conditions: []appsv1.DeploymentCondition{
			of(appsv1.DeploymentAvailable, corev1.ConditionTrue, longAgo, "")}},
			"DeploymentAvailable: Deployment is available"},
		"not progressing": {appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
			of(appsv1.DeploymentAvailable, corev1.ConditionTrue, longAgo, ""),
			of(appsv1.DeploymentProgressing, corev1.ConditionFalse, longAgo, "too slow")}},
			"DeploymentUnavailable: Deployment is unavailable: too slow"},
		"refused": {appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
			of(appsv1.DeploymentReplicaFailure, corev1.ConditionTrue, longAgo, "quota"),
			of(appsv1.DeploymentAvailable, corev1.ConditionTrue, longAgo, "")}},
			"DeploymentUnavailable: Deployment is unavailable: quota"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reconciler{client: endpoints{Subsets: ready}}
			got := r.availability(context.Background(), &registry{}, &appsv1.Deployment{Status: test.status})
			if text := got.Reason + ": " + got.Message; text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
			if (got.Status == metav1.ConditionTrue) != (got.Reason == reasonDeploymentAvailable) {
				t.Errorf("status %s with reason %s", got.Status, got.Reason)
			}
		})
	}
}

// endpoints are what every Service leads to.
type endpoints struct {
	client.Client
	Subsets []corev1.EndpointSubset
}

var ready = []corev1.EndpointSubset{{Addresses: []corev1.EndpointAddress{{IP: "10.0.0.1"}}}}

func (e endpoints) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	object.(*corev1.Endpoints).Subsets = e.Subsets
	return nil
}

func TestEndpointsProblem(t *testing.T) {
	const none = "Service endpoints not ready - no ready addresses available"
	starting := []corev1.EndpointSubset{{NotReadyAddresses: ready[0].Addresses}}
	for name, test := range map[string]struct {
		flavour string
		subsets []corev1.EndpointSubset
		want    string
	}{
		"none":               {"current", nil, none},
		"none is ready":      {"plain", starting, none},
		"ready":              {"current", ready, ""},
		"not asked in those": {"transition", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reconciler{client: endpoints{Subsets: test.subsets}, rules: rulesOf(t, test.flavour)}
			if got := r.endpointsProblem(context.Background(), &registry{}); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// The proxy's condition while the registry is not available.
func TestFrontOfAnUnavailableRegistry(t *testing.T) {
	unavailable := metav1.Condition{Type: conditionAvailable, Status: metav1.ConditionFalse, Message: "why"}
	for name, test := range map[string]struct {
		flavour, proxy, want string
	}{
		"kube-rbac-proxy":                {"current", kubeRBACProxy, "KubeRBACProxyAvailable False ResourcesUnavailable why"},
		"kube-rbac-proxy before v0.3.14": {"earlier", kubeRBACProxy, ""},
		"OAuth proxy":                    {"transition", oauthProxy, ""},
		"none":                           {"current", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reconciler{rules: rulesOf(t, test.flavour)}
			fronts, err := r.frontConditions(context.Background(), built(test.proxy), unavailable)
			var got []string
			for _, c := range fronts {
				got = append(got, strings.Join([]string{c.Type, string(c.Status), c.Reason, c.Message}, " "))
			}
			if text := strings.Join(got, "; "); err != nil || text != test.want {
				t.Errorf("got %q (%v), want %q", text, err, test.want)
			}
			if after := withFront(unavailable, fronts); after != unavailable {
				t.Errorf("Available became %v", after)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	for _, test := range []struct {
		flavour string
		outcome result
		want    string
	}{
		{"current", created, "True CreatingDeployment Creating deployment"},
		{"current", updated, "True UpdatingDeployment Updating deployment"},
		{"current", unchanged, "False CreatedDeployment Deployment was successfully created"},
		{"2.19", created, "False CreatingDeployment Creating deployment"},
		{"2.19", unchanged, "True CreatedDeployment Deployment was successfully created"},
	} {
		c := rulesOf(t, test.flavour).progress(test.outcome)
		if got := strings.Join([]string{string(c.Status), c.Reason, c.Message}, " "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.flavour, got, test.want)
		}
	}
}

func TestPodProblem(t *testing.T) {
	waiting := corev1.ContainerStatus{Name: "rest-container", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: `secret "s" not found`}}}
	ended := corev1.ContainerStatus{Name: "grpc-container", State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{Reason: "Error", Message: "bad"}}}
	running := corev1.ContainerStatus{Name: "rest-container", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	for name, test := range map[string]struct {
		status corev1.PodStatus
		want   string
	}{
		"nothing known": {corev1.PodStatus{}, ""},
		"missing secret": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting}},
			`pod p has unready containers [rest-container: {waiting: {reason: CreateContainerConfigError, message: secret "s" not found}}]`},
		"two containers": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting, ended}},
			`pod p has unready containers [rest-container: {waiting: {reason: CreateContainerConfigError, message: secret "s" not found}}, ` +
				`grpc-container: {terminated: {reason: Error, message: bad}}]`},
		"running but not ready": {corev1.PodStatus{
			ContainerStatuses: []corev1.ContainerStatus{running},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse,
				Reason: "ContainersNotReady", Message: "containers with unready status: [rest-container]"}}},
			"pod p containers not ready: {reason: ContainersNotReady, message: containers with unready status: [rest-container]}"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: test.status}
			if got := podProblem(pod); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestLogFailure(t *testing.T) {
	const mlmd = "F Check failed: absl::OkStatus() == status (OK vs. INTERNAL: no) MetadataStore cannot be created\n"
	for name, test := range map[string]struct{ flavour, text, reason, message string }{
		"nothing known": {"current", "Error 1045 (28000): Access denied\n", "", ""},
		"alert": {"current", "starting\nF {{ALERT}} error connecting to datastore: Error 1142\n",
			reasonResourcesAlert, "rest container alert: F {{ALERT}} error connecting to datastore: Error 1142"},
		"ML Metadata": {"transition", mlmd,
			reasonConfigurationError, "metadata database configuration error: MetadataStore cannot be created: INTERNAL: no"},
		"newer words": {"current", mlmd,
			reasonConfigurationError, "database configuration error: MetadataStore cannot be created: INTERNAL: no"},
	} {
		t.Run(name, func(t *testing.T) {
			reason, message := rulesOf(t, test.flavour).logFailure(strings.NewReader(test.text), "rest")
			if reason != test.reason || message != test.message {
				t.Errorf("got %q %q", reason, message)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	r := &registry{Name: "x", Namespace: "n"}
	inside := "x.n.svc.cluster.local,x.n,x"
	for domain, want := range map[string]string{"apps.example": "x-rest.apps.example,", "": "x-rest.,"} {
		r.Spec.KubeRBACProxy = &proxySpec{ServiceRoute: enabled, Domain: domain}
		if got := strings.Join(hosts(r), ","); got != want+inside {
			t.Errorf("with domain %q: %s", domain, got)
		}
	}
	r.Spec.KubeRBACProxy.ServiceRoute = disabled
	if got := strings.Join(hosts(r), ","); got != inside {
		t.Errorf("without a route: %s", got)
	}
}
