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
			"DeploymentCooldown: Deployment is available, waiting for it to stay available"},
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
			got := (&reconciler{}).availability(context.Background(), &registry{}, &appsv1.Deployment{Status: test.status})
			if text := got.Reason + ": " + got.Message; text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
			if (got.Status == metav1.ConditionTrue) != (got.Reason == reasonDeploymentAvailable) {
				t.Errorf("status %s with reason %s", got.Status, got.Reason)
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
	for name, test := range map[string]struct{ text, reason, message string }{
		"nothing known": {"Error 1045 (28000): Access denied\n", "", ""},
		"alert": {"starting\nF {{ALERT}} error connecting to datastore: Error 1142\n",
			reasonResourcesAlert, "rest container alert: F {{ALERT}} error connecting to datastore: Error 1142"},
		"ML Metadata": {"F Check failed: absl::OkStatus() == status (OK vs. INTERNAL: no) MetadataStore cannot be created\n",
			reasonConfigurationError, "metadata database configuration error: MetadataStore cannot be created: INTERNAL: no"},
	} {
		t.Run(name, func(t *testing.T) {
			reason, message := logFailure(strings.NewReader(test.text), "rest")
			if reason != test.reason || message != test.message {
				t.Errorf("got %q %q", reason, message)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	r := &registry{Name: "x", Namespace: "n"}
	r.Spec.KubeRBACProxy = &proxySpec{ServiceRoute: enabled, Domain: "apps.example"}
	inside := "x.n.svc.cluster.local,x.n,x"
	if got := strings.Join(hosts(r, true), ","); got != "x-rest.apps.example,"+inside {
		t.Errorf("with a route: %s", got)
	}
	if got := strings.Join(hosts(r, false), ","); got != inside {
		t.Errorf("without OpenShift: %s", got)
	}
}
