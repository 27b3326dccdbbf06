// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file starts the containers of a pod and keeps their statuses.

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Waiting reasons of a kubelet.
const (
	reasonCreating          = "ContainerCreating"
	reasonInitializing      = "PodInitializing"
	reasonConfigError       = "CreateContainerConfigError"
	reasonCreateError       = "CreateContainerError"
	reasonCrashLoop         = "CrashLoopBackOff"
	reasonImagePull         = "ErrImagePull"
	reasonImagePullBackOff  = "ImagePullBackOff"
	reasonImageNeverPull    = "ErrImageNeverPull"
	reasonInvalidImageName  = "InvalidImageName"
	containerIDPrefix       = "process://"
	exitCodeStartError      = 128
	exitCodeLost            = 255
	configRetry             = 10 * time.Second
	imagePullBackOffVisible = time.Second
)

// container is one container of a pod. Only the pod's worker touches it.
type container struct {
	spec    *corev1.Container
	init    bool
	status  corev1.ContainerStatus
	process *process // nil when none runs
	image   image
	// killAt is when a container that was asked to end is killed; zero when it was not asked.
	killAt     time.Time
	stopProbes context.CancelFunc

	restarts    backOff
	pulls       backOff
	pullFailure string
	retryAt     time.Time
}

func newContainer(spec *corev1.Container, init, hasInit bool) *container {
	reason := reasonCreating
	if hasInit {
		reason = reasonInitializing
	}
	started := false
	return &container{spec: spec, init: init, stopProbes: func() {}, status: corev1.ContainerStatus{
		Name: spec.Name, Image: spec.Image, Started: &started,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}},
	}}
}

// adopt continues what an earlier node left: its containers ended with it, as at a reboot.
func (c *container) adopt(old corev1.ContainerStatus, now time.Time) {
	c.status.RestartCount = old.RestartCount
	c.status.ContainerID = old.ContainerID
	c.status.ImageID = old.ImageID
	c.status.LastTerminationState = old.LastTerminationState
	switch {
	case old.State.Running != nil:
		c.status.State = terminated(exitCodeLost, "Unknown", "", old.State.Running.StartedAt.Time, now, old.ContainerID)
	case old.State.Terminated != nil:
		c.status.State = old.State
	}
}

func terminated(code int32, reason, message string, started, finished time.Time, id string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, Message: message, ContainerID: id,
		StartedAt: metav1.NewTime(started), FinishedAt: metav1.NewTime(finished),
	}}
}

// setState keeps an end as the last one when something follows it.
func (c *container) setState(state corev1.ContainerState) {
	if ended := c.status.State.Terminated; ended != nil && state.Terminated == nil {
		c.status.LastTerminationState = corev1.ContainerState{Terminated: ended}
	}
	c.status.State = state
}

func (c *container) setWaiting(reason, message string) {
	c.setState(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}})
}

// lastEnd is how the latest instance ended, nil when there was none or it runs.
func (c *container) lastEnd() *corev1.ContainerStateTerminated {
	switch {
	case c.status.State.Terminated != nil:
		return c.status.State.Terminated
	case c.status.State.Waiting != nil:
		return c.status.LastTerminationState.Terminated
	}
	return nil
}

// completed says that an init container has done its work.
func (c *container) completed() bool {
	return c.status.State.Terminated != nil && c.status.State.Terminated.ExitCode == 0
}

// settled says that the container will not run again.
func (c *container) settled(policy corev1.RestartPolicy) bool {
	ended := c.status.State.Terminated
	return c.process == nil && ended != nil && !shouldRestart(policy, c.init, ended.ExitCode)
}

// advance starts the container when it is due. It tells whether anything changed.
func (w *podWorker) advance(ctx context.Context, c *container) bool {
	if c.process != nil || c.settled(w.pod.Spec.RestartPolicy) {
		return false
	}
	now := time.Now()
	if end := c.lastEnd(); end != nil {
		if until := c.restarts.until(end.FinishedAt.Time, w.agent.timeFactor); now.Before(until) {
			return w.backOffRestart(c, until)
		}
	}
	if now.Before(c.retryAt) {
		w.wakeAt(c.retryAt)
		return false
	}
	if end := c.lastEnd(); end != nil && c.restarts.updated.Before(end.FinishedAt.Time) {
		c.restarts.next(end.FinishedAt.Time, now, w.agent.timeFactor)
	}
	w.start(ctx, c)
	return true
}

func (w *podWorker) backOffRestart(c *container, until time.Time) bool {
	w.wakeAt(until)
	if c.status.State.Waiting != nil && c.status.State.Waiting.Reason == reasonCrashLoop {
		return false
	}
	w.warn(c, "BackOff", "Back-off restarting failed container %s in pod %s", c.spec.Name, w.fullName())
	c.setWaiting(reasonCrashLoop, fmt.Sprintf("back-off %s restarting failed container=%s pod=%s",
		c.restarts.delay, c.spec.Name, w.fullName()))
	return true
}

// start tries once to start the container; what goes wrong becomes its state.
func (w *podWorker) start(ctx context.Context, c *container) {
	if !w.pull(c) {
		return
	}
	spec, err := w.containSpec(ctx, c)
	if err != nil {
		w.warn(c, "Failed", "Error: %s", err)
		c.setWaiting(reasonConfigError, err.Error())
		c.retryAt = time.Now().Add(w.agent.scaled(configRetry))
		return
	}
	id := newContainerID()
	log, err := w.newLog(c, id)
	if err != nil {
		w.createFailed(c, err)
		return
	}
	w.tell(c, "Created", "Created container: %s", c.spec.Name)
	p, err := startProcess(id, spec, w.sandbox, log)
	if p == nil {
		log.close()
	}
	var refused *startError
	switch {
	case errors.As(err, &refused):
		w.warn(c, "Failed", "Error: %s", err)
		w.newInstance(c, id)
		c.setState(terminated(exitCodeStartError, "StartError", err.Error(), time.Unix(0, 0), time.Now(), c.status.ContainerID))
	case err != nil:
		w.createFailed(c, err)
	default:
		w.tell(c, "Started", "Started container %s", c.spec.Name)
		w.newInstance(c, id)
		w.runs(ctx, c, p)
	}
}

func (w *podWorker) createFailed(c *container, err error) {
	w.warn(c, "Failed", "Error: %s", err)
	c.setWaiting(reasonCreateError, err.Error())
	c.retryAt = time.Now().Add(w.agent.scaled(configRetry))
}

// newInstance counts the instance; the first one is no restart.
func (w *podWorker) newInstance(c *container, id string) {
	if c.status.ContainerID != "" {
		c.status.RestartCount++
	}
	c.status.ContainerID = containerIDPrefix + id
	c.status.ImageID = containerIDPrefix + c.spec.Image
}

// runs records a started instance, watches for its end and begins its probes.
func (w *podWorker) runs(ctx context.Context, c *container, p *process) {
	c.process, c.killAt = p, time.Time{}
	c.setState(corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(p.started)}})
	go func() {
		<-p.ended
		w.mail.put(func() { w.ended(c, p) })
	}()
	probing, cancel := context.WithCancel(ctx)
	c.stopProbes = cancel
	if c.spec.StartupProbe != nil && !c.init {
		w.probe(probing, c, startupProbe, c.spec.StartupProbe)
		return
	}
	w.hasStarted(probing, c)
}

// hasStarted is the point from which a container may be ready and is watched for being alive.
func (w *podWorker) hasStarted(probing context.Context, c *container) {
	started := true
	c.status.Started = &started
	if c.init {
		return
	}
	c.status.Ready = c.spec.ReadinessProbe == nil
	if c.spec.ReadinessProbe != nil {
		w.probe(probing, c, readinessProbe, c.spec.ReadinessProbe)
	}
	if c.spec.LivenessProbe != nil {
		w.probe(probing, c, livenessProbe, c.spec.LivenessProbe)
	}
}

func (w *podWorker) probe(ctx context.Context, c *container, kind probeKind, spec *corev1.Probe) {
	instance := c.process
	p := &prober{
		kind: kind, spec: spec, container: c.spec, image: c.image, process: instance, podIP: w.sandbox.ip.String(), factor: w.agent.timeFactor,
		warn: func(reason, message string) {
			w.mail.put(func() { w.warn(c, reason, "%s", message) })
		},
		verdict: func(success bool) {
			w.mail.put(func() {
				if c.process == instance && c.killAt.IsZero() {
					w.judged(ctx, c, kind, spec, success)
				}
			})
		},
	}
	go p.run(ctx)
}

// judged acts on a probe's verdict.
func (w *podWorker) judged(probing context.Context, c *container, kind probeKind, spec *corev1.Probe, success bool) {
	switch {
	case kind == readinessProbe:
		c.status.Ready = success
	case !success:
		w.tell(c, "Killing", "Container %s failed %s probe, will be restarted", c.spec.Name, strings.ToLower(string(kind)))
		grace := w.pod.Spec.TerminationGracePeriodSeconds
		if spec.TerminationGracePeriodSeconds != nil {
			grace = spec.TerminationGracePeriodSeconds
		}
		c.end(graceTime(grace))
	case kind == startupProbe:
		w.hasStarted(probing, c)
	}
}

// end asks the container to end within the grace time.
func (c *container) end(grace time.Duration) {
	c.stopProbes()
	c.killAt = time.Now().Add(grace)
	c.process.terminate()
}

// graceTime is at least one second, as the kubelet has it.
func graceTime(seconds *int64) time.Duration {
	const kubeletDefault = 30
	if seconds == nil {
		return kubeletDefault * time.Second
	}
	return max(time.Duration(*seconds)*time.Second, time.Second)
}

// ended records how an instance ended.
func (w *podWorker) ended(c *container, p *process) {
	c.stopProbes()
	c.process, c.killAt = nil, time.Time{}
	reason := "Completed"
	if p.exitCode != 0 {
		reason = "Error"
	}
	c.setState(terminated(p.exitCode, reason, "", p.started, p.finished, containerIDPrefix+p.id))
	started := false
	c.status.Started = &started
	c.status.Ready = c.init && p.exitCode == 0
}

// pull finds the image. When it cannot be had, that becomes the container's state.
func (w *podWorker) pull(c *container) bool {
	found, err := w.agent.images.find(c.spec.Image)
	if err == nil {
		if c.spec.ImagePullPolicy == corev1.PullAlways {
			w.tell(c, "Pulling", "Pulling image %q", c.spec.Image)
			w.tell(c, "Pulled", "Successfully pulled image %q in 1ms (1ms including waiting). Image size: 1 bytes.", c.spec.Image)
		} else {
			w.tell(c, "Pulled", "Container image %q already present on machine", c.spec.Image)
		}
		c.image = found
		return true
	}
	now := time.Now()
	again := c.pulls.until(c.pulls.updated, w.agent.timeFactor)
	switch {
	case errors.Is(err, errInvalidImageName):
		message := fmt.Sprintf("Failed to apply default image tag %q: couldn't parse image name %q: invalid reference format", c.spec.Image, c.spec.Image)
		w.warn(c, "InspectFailed", "%s", message)
		w.imageFails(c, reasonInvalidImageName, message, now.Add(w.agent.scaled(configRetry)))
	case c.spec.ImagePullPolicy == corev1.PullNever:
		message := fmt.Sprintf("Container image %q is not present with pull policy of Never", c.spec.Image)
		w.warn(c, "ErrImageNeverPull", "%s", message)
		w.imageFails(c, reasonImageNeverPull, message, now.Add(w.agent.scaled(configRetry)))
	case now.Before(again):
		message := fmt.Sprintf("Back-off pulling image %q", c.spec.Image)
		w.tell(c, "BackOff", "%s", message)
		w.imageFails(c, reasonImagePullBackOff, message+": "+reasonImagePull+": "+c.pullFailure, again)
	default:
		c.pullFailure = err.Error()
		if errors.Is(err, errUnknownImage) {
			c.pullFailure = pullFailure(c.spec.Image)
		}
		w.tell(c, "Pulling", "Pulling image %q", c.spec.Image)
		w.warn(c, "Failed", "Failed to pull image %q: %s", c.spec.Image, c.pullFailure)
		c.pulls.next(now, now, w.agent.timeFactor)
		w.imageFails(c, reasonImagePull, c.pullFailure, now.Add(w.agent.scaled(imagePullBackOffVisible)))
	}
	return false
}

func (w *podWorker) imageFails(c *container, reason, message string, again time.Time) {
	w.warn(c, "Failed", "Error: %s", reason)
	c.setWaiting(reason, message)
	c.retryAt = again
}

// containSpec gathers all that a container needs. Errors are those of the state CreateContainerConfigError.
func (w *podWorker) containSpec(ctx context.Context, c *container) (containSpec, error) {
	pod := w.podWithAddresses()
	services := visibleServices(w.agent.cluster.allServices(), pod, w.agent.apiHost, w.agent.apiPort)
	env, err := environment{w.agent, pod, c.image.Env, services}.of(ctx, c.spec)
	if err != nil {
		return containSpec{}, err
	}
	mounts, err := w.volumes.mounts(c.spec, env)
	if err != nil {
		return containSpec{}, err
	}
	argv := c.image.onHost(c.image.commandLine(expandAll(c.spec.Command, env), expandAll(c.spec.Args, env)))
	if len(argv) == 0 {
		return containSpec{}, errors.New("no command specified")
	}
	spec := containSpec{
		Root: w.agent.rootDir(), Hidden: w.agent.state,
		Argv: argv, Env: environ(env), Dir: c.spec.WorkingDir,
		Etc:      etcFiles(pod, pod.Status.PodIP, w.agent.address),
		Programs: c.image.paths(), Mounts: mounts,
	}
	if spec.Dir == "" {
		spec.Dir = "/"
	}
	if !pod.Spec.HostNetwork {
		spec.Hostname = podHostname(pod)
	}
	if security := c.spec.SecurityContext; security != nil {
		spec.ReadOnlyRoot = isTrue(security.ReadOnlyRootFilesystem)
	}
	return spec, nil
}

// newLog opens the log of a new instance; only that of the one before is kept with it.
func (w *podWorker) newLog(c *container, id string) (*logFile, error) {
	path := w.logPath(c.spec.Name, id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	var previous string
	if end := c.lastEnd(); end != nil {
		previous = w.logPath(c.spec.Name, strings.TrimPrefix(end.ContainerID, containerIDPrefix))
	}
	old, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.log"))
	if err != nil {
		return nil, err
	}
	for _, file := range old {
		if file != previous {
			_ = os.Remove(file)
		}
	}
	return createLog(path)
}

func (w *podWorker) logPath(container, id string) string {
	return filepath.Join(w.dir, "logs", container, id+".log")
}
