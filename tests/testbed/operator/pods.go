// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Why a registry's pods are not ready, in the real operator's words.

package operator

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const alert = "{{ALERT}}"

// mlmdFailure is what ML Metadata logs when it cannot use its database.
var mlmdFailure = regexp.MustCompile(`Check failed: absl::OkStatus\(\) == status \(OK vs\. ([^)]+)\) (.*)`)

// podFailure is reason and message for the first pod that has a problem.
func (r *reconciler) podFailure(ctx context.Context, registry *registry, missing int32) (reason, message string) {
	pods := &corev1.PodList{}
	err := r.client.List(ctx, pods, client.InNamespace(registry.Namespace),
		client.MatchingLabels{"app": registry.Name, "component": component})
	if err != nil {
		log.FromContext(ctx).Error(err, "pods not listed")
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if reason, message := r.loggedFailure(ctx, pod); reason != "" {
			return reason, message
		}
		if message := podProblem(pod); message != "" {
			return reasonDeploymentUnavailable, "Deployment is unavailable: " + message
		}
	}
	return reasonDeploymentUnavailable, fmt.Sprintf("Deployment is unavailable: %d containers unavailable", missing)
}

// podProblem describes containers that wait or have ended, else the pod's condition Ready.
func podProblem(pod *corev1.Pod) string {
	var failed []string
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.Ready:
		case c.State.Waiting != nil:
			failed = append(failed, fmt.Sprintf("%s: {waiting: {reason: %s, message: %s}}",
				c.Name, c.State.Waiting.Reason, c.State.Waiting.Message))
		case c.State.Terminated != nil:
			failed = append(failed, fmt.Sprintf("%s: {terminated: {reason: %s, message: %s}}",
				c.Name, c.State.Terminated.Reason, c.State.Terminated.Message))
		}
	}
	if len(failed) > 0 {
		return fmt.Sprintf("pod %s has unready containers [%s]", pod.Name, strings.Join(failed, ", "))
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionFalse {
			return fmt.Sprintf("pod %s containers not ready: {reason: %s, message: %s}", pod.Name, c.Reason, c.Message)
		}
	}
	return ""
}

// loggedFailure looks into the logs of containers that wait for their next start: the only time
// at which the real operator does.
func (r *reconciler) loggedFailure(ctx context.Context, pod *corev1.Pod) (reason, message string) {
	for _, c := range pod.Status.ContainerStatuses {
		server := map[string]string{restContainer: "rest", grpcContainer: "grpc"}[c.Name]
		if server == "" || c.Ready || c.State.Waiting == nil || c.State.Waiting.Reason == "ContainerCreating" {
			continue
		}
		stream, err := r.logs.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: c.Name}).Stream(ctx)
		if err != nil {
			log.FromContext(ctx).Info("log not read", "pod", pod.Name, "container", c.Name, "reason", err.Error())
			continue
		}
		reason, message = r.logFailure(stream, server)
		_ = stream.Close()
		if reason != "" {
			return reason, message
		}
	}
	return "", ""
}

// logFailure finds the first line that the real operator knows how to read.
func (r rules) logFailure(text io.Reader, server string) (reason, message string) {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		if strings.Contains(line, alert) {
			return reasonResourcesAlert, fmt.Sprintf("%s container alert: %s", server, line)
		}
		if parts := mlmdFailure.FindStringSubmatch(line); parts != nil {
			what := "database"
			if r.GRPC {
				what = "metadata database" // operators before November 2025
			}
			return reasonConfigurationError, fmt.Sprintf("%s configuration error: %s: %s", what, parts[2], parts[1])
		}
	}
	return "", ""
}
