// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// These tests hold the pod status that follows from containers' statuses.

package node

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func runningStatus(name string, ready bool) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, Ready: ready, ContainerID: "process://1",
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
}

func endedStatus(name string, code int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, ContainerID: "process://1",
		State: terminated(code, "", "", time.Time{}, time.Time{}, "process://1")}
}

func waitingStatus(name, reason string, last *corev1.ContainerStateTerminated) corev1.ContainerStatus {
	status := corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}
	if last != nil {
		status.ContainerID = "process://1"
		status.LastTerminationState.Terminated = last
	}
	return status
}

func TestDeriveStatus(t *testing.T) {
	crashed := &corev1.ContainerStateTerminated{ExitCode: 1}
	initDone := endedStatus("init", 0)
	initDone.Ready = true
	for name, test := range map[string]struct {
		policy             corev1.RestartPolicy
		facts              podFacts
		phase              corev1.PodPhase
		ready, initialized corev1.ConditionStatus
		reason, message    string
	}{
		"creating": {facts: podFacts{main: []corev1.ContainerStatus{waitingStatus("rest-container", reasonCreating, nil)}},
			phase: corev1.PodPending, ready: "False", initialized: "True",
			reason: "ContainersNotReady", message: "containers with unready status: [rest-container]"},
		"config error": {facts: podFacts{main: []corev1.ContainerStatus{waitingStatus("c", reasonConfigError, nil), runningStatus("d", true)}},
			phase: corev1.PodPending, ready: "False", initialized: "True",
			reason: "ContainersNotReady", message: "containers with unready status: [c]"},
		"ready": {facts: podFacts{main: []corev1.ContainerStatus{runningStatus("c", true)}},
			phase: corev1.PodRunning, ready: "True", initialized: "True"},
		"two unready": {facts: podFacts{main: []corev1.ContainerStatus{runningStatus("a", false), runningStatus("b", false)}},
			phase: corev1.PodRunning, ready: "False", initialized: "True",
			reason: "ContainersNotReady", message: "containers with unready status: [a b]"},
		"crash loop": {facts: podFacts{main: []corev1.ContainerStatus{waitingStatus("c", reasonCrashLoop, crashed)}},
			phase: corev1.PodRunning, ready: "False", initialized: "True",
			reason: "ContainersNotReady", message: "containers with unready status: [c]"},
		"succeeded": {policy: corev1.RestartPolicyNever, facts: podFacts{main: []corev1.ContainerStatus{endedStatus("c", 0)}},
			phase: corev1.PodSucceeded, ready: "False", initialized: "True", reason: "PodCompleted"},
		"failed": {policy: corev1.RestartPolicyNever, facts: podFacts{main: []corev1.ContainerStatus{endedStatus("c", 0), endedStatus("d", 2)}},
			phase: corev1.PodFailed, ready: "False", initialized: "True", reason: "PodFailed"},
		"one of two ended": {policy: corev1.RestartPolicyNever, facts: podFacts{main: []corev1.ContainerStatus{endedStatus("c", 0), runningStatus("d", true)}},
			phase: corev1.PodRunning, ready: "False", initialized: "True",
			reason: "ContainersNotReady", message: "containers with unready status: [c]"},
		"failed on failure restarts": {policy: corev1.RestartPolicyOnFailure, facts: podFacts{main: []corev1.ContainerStatus{endedStatus("c", 1)}},
			phase: corev1.PodRunning, ready: "False", initialized: "True",
			reason: "ContainersNotReady", message: "containers with unready status: [c]"},
		"deleted": {facts: podFacts{final: true, main: []corev1.ContainerStatus{endedStatus("c", 137)}},
			phase: corev1.PodFailed, ready: "False", initialized: "True", reason: "PodFailed"},
		"initializing": {facts: podFacts{init: []corev1.ContainerStatus{runningStatus("init", false)},
			main: []corev1.ContainerStatus{waitingStatus("c", reasonInitializing, nil)}},
			phase: corev1.PodPending, ready: "False", initialized: "False",
			reason: "ContainersNotReady", message: "containers with unready status: [c]"},
		"initialized": {facts: podFacts{init: []corev1.ContainerStatus{initDone}, main: []corev1.ContainerStatus{runningStatus("c", true)}},
			phase: corev1.PodRunning, ready: "True", initialized: "True"},
		"init failed for good": {policy: corev1.RestartPolicyNever, facts: podFacts{init: []corev1.ContainerStatus{endedStatus("init", 1)},
			main: []corev1.ContainerStatus{waitingStatus("c", reasonInitializing, nil)}},
			phase: corev1.PodFailed, ready: "False", initialized: "False", reason: "PodFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := testPod()
			pod.Spec.RestartPolicy = test.policy
			if test.policy == "" {
				pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
			}
			got := deriveStatus(pod, test.facts, metav1.Now())
			if got.Phase != test.phase {
				t.Errorf("phase %s, want %s", got.Phase, test.phase)
			}
			for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady} {
				c := condition(t, got, kind)
				if c.Status != test.ready || c.Reason != test.reason || c.Message != test.message {
					t.Errorf("%s is %s %q %q", kind, c.Status, c.Reason, c.Message)
				}
			}
			if c := condition(t, got, corev1.PodInitialized); c.Status != test.initialized {
				t.Errorf("Initialized is %s, want %s", c.Status, test.initialized)
			}
		})
	}
}

func condition(t *testing.T, status corev1.PodStatus, kind corev1.PodConditionType) corev1.PodCondition {
	t.Helper()
	for _, c := range status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	t.Fatalf("no condition %s", kind)
	return corev1.PodCondition{}
}

func TestDeriveStatusKeepsWhatOthersWrote(t *testing.T) {
	before, now := metav1.NewTime(time.Unix(1, 0)), metav1.NewTime(time.Unix(9, 0))
	pod := testPod()
	pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	pod.Status.QOSClass = corev1.PodQOSBurstable
	pod.Status.StartTime = &before
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: "True", LastTransitionTime: before},
		{Type: corev1.PodReady, Status: "False", LastTransitionTime: before},
		{Type: corev1.ContainersReady, Status: "True", LastTransitionTime: before},
	}
	facts := podFacts{podIP: "10.88.1.2", hostIP: "10.88.0.1", startTime: now, main: []corev1.ContainerStatus{runningStatus("c", true)}}
	got := deriveStatus(pod, facts, now)
	if got.QOSClass != corev1.PodQOSBurstable || *got.StartTime != before || got.PodIPs[0].IP != "10.88.1.2" {
		t.Errorf("got %+v", got)
	}
	for kind, want := range map[corev1.PodConditionType]metav1.Time{
		corev1.PodScheduled: before, corev1.PodReady: now, corev1.ContainersReady: before} {
		if c := condition(t, got, kind); c.LastTransitionTime != want {
			t.Errorf("%s changed at %s, want %s", kind, c.LastTransitionTime, want)
		}
	}
}

func TestShouldRestart(t *testing.T) {
	for _, test := range []struct {
		policy corev1.RestartPolicy
		init   bool
		code   int32
		want   bool
	}{
		{corev1.RestartPolicyAlways, false, 0, true}, {corev1.RestartPolicyAlways, true, 0, false},
		{corev1.RestartPolicyAlways, true, 1, true}, {corev1.RestartPolicyOnFailure, false, 0, false},
		{corev1.RestartPolicyOnFailure, false, 1, true}, {corev1.RestartPolicyNever, false, 1, false},
	} {
		if got := shouldRestart(test.policy, test.init, test.code); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

func TestAdopt(t *testing.T) {
	ended := &corev1.ContainerStateTerminated{ExitCode: 1, ContainerID: "process://old"}
	for name, test := range map[string]struct {
		old    corev1.ContainerStatus
		reason string
		code   int32
	}{
		"ran":             {runningStatus("c", true), "Unknown", exitCodeLost},
		"had ended":       {endedStatus("c", 3), "", 3},
		"was backing off": {waitingStatus("c", reasonCrashLoop, ended), "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(&corev1.Container{Name: "c"}, false, false)
			test.old.RestartCount = 4
			c.adopt(test.old, time.Now())
			end := c.lastEnd()
			if end == nil || end.Reason != test.reason || end.ExitCode != test.code || c.status.RestartCount != 4 {
				t.Errorf("got %+v", c.status)
			}
		})
	}
}
