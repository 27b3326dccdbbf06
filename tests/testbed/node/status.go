// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file derives a pod's status from its containers' statuses, as a kubelet does.

package node

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podFacts is what the node knows about a pod.
type podFacts struct {
	hostIP       string
	podIP        string // empty before the pod has a network
	startTime    metav1.Time
	sandboxReady bool
	init, main   []corev1.ContainerStatus
	// final: no container will run again, whatever the restart policy says.
	final bool
}

// deriveStatus gives the pod's new status; what others wrote into the old one stays.
func deriveStatus(pod *corev1.Pod, f podFacts, now metav1.Time) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.ObservedGeneration = pod.Generation
	status.HostIP = f.hostIP
	status.HostIPs = []corev1.HostIP{{IP: f.hostIP}}
	if f.podIP != "" {
		status.PodIP = f.podIP
		status.PodIPs = []corev1.PodIP{{IP: f.podIP}}
	}
	if status.StartTime == nil {
		status.StartTime = &f.startTime
	}
	status.InitContainerStatuses = f.init
	status.ContainerStatuses = f.main
	status.Phase = podPhase(&pod.Spec, f)

	started := corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: conditionStatus(f.sandboxReady)}
	initialized := initializedCondition(f, status.Phase)
	containersReady := readyCondition(f.main, status.Phase)
	ready := containersReady
	ready.Type = corev1.PodReady
	for _, condition := range []corev1.PodCondition{started, initialized, ready, containersReady} {
		condition.ObservedGeneration = pod.Generation
		status.Conditions = setCondition(status.Conditions, condition, now)
	}
	return status
}

func conditionStatus(value bool) corev1.ConditionStatus {
	if value {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}

// setCondition keeps the time of the last transition of an unchanged status.
func setCondition(all []corev1.PodCondition, c corev1.PodCondition, now metav1.Time) []corev1.PodCondition {
	c.LastTransitionTime = now
	i := slices.IndexFunc(all, func(old corev1.PodCondition) bool { return old.Type == c.Type })
	if i < 0 {
		return append(all, c)
	}
	if all[i].Status == c.Status {
		c.LastTransitionTime = all[i].LastTransitionTime
	}
	all[i] = c
	return all
}

// podPhase follows the kubelet's getPhase: pending until initialized and every container has
// begun, then running until all have ended for good.
func podPhase(spec *corev1.PodSpec, f podFacts) corev1.PodPhase {
	if initFailed(spec, f.init) || f.final && !allInitialized(f.init) {
		return corev1.PodFailed
	}
	if !allInitialized(f.init) && !anyStarted(f.main) {
		return corev1.PodPending
	}
	var waiting, running, stopped, succeeded int
	for _, c := range f.main {
		switch {
		case c.State.Running != nil:
			running++
		case c.State.Terminated != nil || c.LastTerminationState.Terminated != nil:
			stopped++
			if c.State.Terminated != nil && c.State.Terminated.ExitCode == 0 {
				succeeded++
			}
		default:
			waiting++
		}
	}
	switch {
	case f.final && waiting == 0 && stopped == succeeded:
		return corev1.PodSucceeded
	case f.final:
		return corev1.PodFailed
	case waiting > 0:
		return corev1.PodPending
	case running > 0 || spec.RestartPolicy == corev1.RestartPolicyAlways:
		return corev1.PodRunning
	case stopped == succeeded:
		return corev1.PodSucceeded
	case spec.RestartPolicy == corev1.RestartPolicyNever:
		return corev1.PodFailed
	}
	return corev1.PodRunning
}

func initFailed(spec *corev1.PodSpec, init []corev1.ContainerStatus) bool {
	return spec.RestartPolicy == corev1.RestartPolicyNever && slices.ContainsFunc(init, func(c corev1.ContainerStatus) bool {
		return c.State.Terminated != nil && c.State.Terminated.ExitCode != 0
	})
}

func allInitialized(init []corev1.ContainerStatus) bool {
	return !slices.ContainsFunc(init, func(c corev1.ContainerStatus) bool { return !c.Ready })
}

func anyStarted(main []corev1.ContainerStatus) bool {
	return slices.ContainsFunc(main, func(c corev1.ContainerStatus) bool { return c.ContainerID != "" })
}

func initializedCondition(f podFacts, phase corev1.PodPhase) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	switch {
	case phase == corev1.PodSucceeded:
		c.Reason = "PodCompleted"
	case !allInitialized(f.init) && !anyStarted(f.main):
		c.Status, c.Reason = corev1.ConditionFalse, "ContainersNotInitialized"
		c.Message = fmt.Sprintf("containers with incomplete status: [%s]", strings.Join(notReady(f.init), " "))
	}
	return c
}

func readyCondition(main []corev1.ContainerStatus, phase corev1.PodPhase) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}
	unready := notReady(main)
	switch {
	case phase == corev1.PodSucceeded:
		c.Reason = "PodCompleted"
	case phase == corev1.PodFailed:
		c.Reason = "PodFailed"
	case len(unready) > 0:
		c.Reason = "ContainersNotReady"
		c.Message = fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " "))
	default:
		c.Status = corev1.ConditionTrue
	}
	return c
}

func notReady(statuses []corev1.ContainerStatus) []string {
	var names []string
	for _, c := range statuses {
		if !c.Ready {
			names = append(names, c.Name)
		}
	}
	return names
}

// shouldRestart says whether a container that ended with exitCode runs again.
func shouldRestart(policy corev1.RestartPolicy, init bool, exitCode int32) bool {
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return exitCode != 0
	}
	return !init || exitCode != 0
}
