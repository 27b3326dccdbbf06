// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file is a pod's life on the node: one worker for each pod brings it from its network and
// volumes to running containers, reports its status and takes it down again.

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	podutil "k8s.io/kubernetes/pkg/util/pod"
)

const (
	// apiTimeout limits one request, so that a pod's containers are looked after while the API server is away.
	apiTimeout = 10 * time.Second
	// retryFirst and retryMost limit the pause before volumes, network or status are tried again.
	retryFirst = 500 * time.Millisecond
	retryMost  = 10 * time.Second
	// forcedGrace is the time to end of a pod whose object is already gone.
	forcedGrace = 2 * time.Second
)

// podWorker is one pod. What stands above the empty line is shared and
// does not change; the rest belongs to the goroutine of run.
type podWorker struct {
	agent           *agent
	uid             types.UID
	namespace, name string
	sources         map[source]bool
	dir             string
	mail            mailbox
	done            chan struct{}

	pod        *corev1.Pod
	gone       bool // the API has no such object any more
	deleted    bool // the worker's task is over
	startTime  metav1.Time
	sandbox    *sandbox
	podIP      string
	volumes    *volumeSet
	mounted    bool         // all volumes have been set up once
	stale      bool         // a volume's source changed
	over       bool         // no container will run again
	containers []*container // init containers first

	next    time.Time // when to look again without an event
	retries int       // failures in a row of what is retried
	retryAt time.Time
	// publishAt is when a failed report is tried again, deleteAt a failed deletion.
	publishAt, deleteAt time.Time
}

func newPodWorker(a *agent, pod *corev1.Pod) *podWorker {
	w := &podWorker{
		agent: a, uid: pod.UID, namespace: pod.Namespace, name: pod.Name, sources: sourcesOf(pod),
		dir: filepath.Join(a.podsDir(), string(pod.UID)), pod: pod,
		mail: newMailbox(), done: make(chan struct{}), startTime: metav1.Now(),
	}
	w.volumes = newVolumeSet(a, w.dir)
	w.podIP = pod.Status.PodIP
	hasInit := len(pod.Spec.InitContainers) > 0
	for i := range pod.Spec.InitContainers {
		w.containers = append(w.containers, newContainer(&pod.Spec.InitContainers[i], true, hasInit))
	}
	for i := range pod.Spec.Containers {
		w.containers = append(w.containers, newContainer(&pod.Spec.Containers[i], false, hasInit))
	}
	w.adopt()
	return w
}

// adopt takes over a pod that an earlier node ran.
func (w *podWorker) adopt() {
	w.over = w.pod.Status.Phase == corev1.PodSucceeded || w.pod.Status.Phase == corev1.PodFailed
	old := map[string]corev1.ContainerStatus{}
	for _, statuses := range [][]corev1.ContainerStatus{w.pod.Status.InitContainerStatuses, w.pod.Status.ContainerStatuses} {
		for _, status := range statuses {
			old[status.Name] = status
		}
	}
	lost := false
	for _, c := range w.containers {
		status, known := old[c.spec.Name]
		if !known || status.ContainerID == "" {
			continue
		}
		lost = true
		c.adopt(status, time.Now())
		if c.init && !w.over {
			// A new network means that init containers run again.
			c.setWaiting(reasonInitializing, "")
		}
	}
	if lost && !w.over && w.pod.DeletionTimestamp == nil {
		w.agent.recorder.Event(w.pod, corev1.EventTypeNormal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
	}
}

// run is the worker's loop. When ctx ends the node ends, and the containers with it.
func (w *podWorker) run(ctx context.Context) {
	defer close(w.done)
	defer w.release()
	for {
		w.next = time.Time{}
		w.publish(ctx)
		if w.step(ctx) {
			w.handleMail()
			continue
		}
		if w.deleted {
			if err := os.RemoveAll(w.dir); err != nil {
				klog.ErrorS(err, "Files of a pod stay", "pod", klog.KObj(w.pod))
			}
			return
		}
		if !w.wait(ctx) {
			w.killAll()
			return
		}
		w.handleMail()
	}
}

// wait blocks until there is mail or the time to look again; false means that the node ends.
func (w *podWorker) wait(ctx context.Context) bool {
	var alarm <-chan time.Time
	if !w.next.IsZero() {
		timer := time.NewTimer(time.Until(w.next))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-w.mail.ready:
	case <-alarm:
	}
	return true
}

func (w *podWorker) handleMail() {
	for _, message := range w.mail.take() {
		message()
	}
}

func (w *podWorker) wakeAt(t time.Time) {
	if w.next.IsZero() || t.Before(w.next) {
		w.next = t
	}
}

// retryLater tells whether something that failed must still wait.
func (w *podWorker) retryLater() bool {
	if time.Now().Before(w.retryAt) {
		w.wakeAt(w.retryAt)
		return true
	}
	return false
}

func (w *podWorker) failed() {
	pause := min(retryFirst<<min(w.retries, 10), retryMost)
	w.retries++
	w.retryAt = time.Now().Add(w.agent.scaled(pause))
	w.wakeAt(w.retryAt)
}

func (w *podWorker) succeeded() { w.retries, w.retryAt = 0, time.Time{} }

// step does the next thing that is due and tells whether there may be more to do at once.
func (w *podWorker) step(ctx context.Context) bool {
	switch {
	case w.gone || w.pod.DeletionTimestamp != nil:
		return w.stepDeletion(ctx)
	case w.over:
		w.release()
		return false
	case w.sandbox == nil:
		return w.setUpNetwork()
	case !w.mounted:
		return w.setUpVolumes(ctx)
	}
	w.refreshVolumes(ctx)
	w.killOverdue()
	return w.stepContainers(ctx)
}

func (w *podWorker) setUpNetwork() bool {
	if w.retryLater() {
		return false
	}
	if w.pod.Spec.HostNetwork {
		w.sandbox = &sandbox{ip: w.agent.network.gateway}
	} else {
		made, err := w.agent.network.add(w.uid)
		if err != nil {
			w.agent.recorder.Eventf(w.pod, corev1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: %v", err)
			w.failed()
			return false
		}
		w.sandbox = made
	}
	w.podIP = w.sandbox.ip.String()
	w.succeeded()
	return true
}

// setUpVolumes mounts all volumes for the first time; no container starts before.
func (w *podWorker) setUpVolumes(ctx context.Context) bool {
	if !w.stale && w.retryLater() {
		return false
	}
	w.stale = false
	if err := w.volumes.setUp(ctx, w.podWithAddresses()); err != nil {
		w.agent.recorder.Event(w.pod, corev1.EventTypeWarning, "FailedMount", err.Error())
		w.failed()
		return false
	}
	w.mounted = true
	w.succeeded()
	return true
}

// refreshVolumes brings changed sources into running containers. What is missing now stays as it was.
func (w *podWorker) refreshVolumes(ctx context.Context) {
	renewal := w.volumes.renewal()
	due := w.stale || !renewal.IsZero() && time.Now().After(renewal)
	if due && !w.retryLater() {
		if err := w.volumes.setUp(ctx, w.podWithAddresses()); err != nil {
			w.agent.recorder.Event(w.pod, corev1.EventTypeWarning, "FailedMount", err.Error())
			w.failed()
		} else {
			w.stale = false
			w.succeeded()
		}
	}
	if renewal := w.volumes.renewal(); !renewal.IsZero() {
		w.wakeAt(renewal)
	}
}

// stepContainers starts init containers one after the other, then all others at once.
func (w *podWorker) stepContainers(ctx context.Context) bool {
	progress, over := false, true
	for _, c := range w.containers {
		if c.init && c.completed() {
			continue
		}
		progress = w.advance(ctx, c) || progress
		over = over && c.settled(w.pod.Spec.RestartPolicy)
		if c.init {
			break
		}
	}
	if over && !progress {
		w.over = true
		return true
	}
	return progress
}

// killOverdue kills containers that did not end within their grace time.
func (w *podWorker) killOverdue() {
	for _, c := range w.containers {
		switch {
		case c.process == nil || c.killAt.IsZero():
		case time.Now().Before(c.killAt):
			w.wakeAt(c.killAt)
		default:
			c.process.kill()
		}
	}
}

// stepDeletion ends all containers, then the pod's object, then the worker.
func (w *podWorker) stepDeletion(ctx context.Context) bool {
	grace := forcedGrace
	if !w.gone {
		grace = graceTime(w.pod.DeletionGracePeriodSeconds)
	}
	running := false
	for _, c := range w.containers {
		if c.process == nil {
			continue
		}
		running = true
		if c.killAt.IsZero() {
			w.tell(c, "Killing", "Stopping container %s", c.spec.Name)
			c.end(grace)
		} else if deadline := time.Now().Add(grace); deadline.Before(c.killAt) {
			c.killAt = deadline
		}
	}
	w.killOverdue()
	if running {
		return false
	}
	w.over = true
	w.release()
	if time.Now().Before(w.deleteAt) {
		w.wakeAt(w.deleteAt)
		return false
	}
	w.publish(ctx)
	if err := w.deleteObject(ctx); err != nil {
		klog.ErrorS(err, "Pod is not deleted yet", "pod", klog.KObj(w.pod))
		w.deleteAt = time.Now().Add(time.Second)
		w.wakeAt(w.deleteAt)
		return false
	}
	w.deleted = true
	return false
}

func (w *podWorker) deleteObject(ctx context.Context) error {
	if w.gone {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	now := int64(0)
	err := w.agent.client.CoreV1().Pods(w.pod.Namespace).Delete(ctx, w.pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &w.uid},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// release gives the pod's network back; its address stays in the status.
func (w *podWorker) release() {
	if w.sandbox != nil {
		w.agent.network.remove(w.sandbox)
		w.sandbox = nil
	}
}

// killAll ends all containers at once, when the node ends.
func (w *podWorker) killAll() {
	for _, c := range w.containers {
		if c.process != nil {
			c.stopProbes()
			c.process.kill()
		}
	}
	for _, c := range w.containers {
		if c.process != nil {
			<-c.process.ended
		}
	}
}

// publish writes the pod's status if it changed. A failure is tried again, and holds nothing else up.
func (w *podWorker) publish(ctx context.Context) {
	if w.gone {
		return
	}
	if time.Now().Before(w.publishAt) {
		w.wakeAt(w.publishAt)
		return
	}
	status := deriveStatus(w.pod, w.facts(), metav1.Now())
	limited, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	written, _, unchanged, err := podutil.PatchPodStatus(limited, w.agent.client, w.pod.Namespace, w.pod.Name, w.uid, w.pod.Status, status)
	switch {
	case err != nil && ctx.Err() == nil:
		klog.V(2).InfoS("Pod status not written yet", "pod", klog.KObj(w.pod), "err", err)
		w.publishAt = time.Now().Add(time.Second)
		w.wakeAt(w.publishAt)
	case err == nil && !unchanged:
		w.pod = written
	}
}

func (w *podWorker) facts() podFacts {
	facts := podFacts{
		hostIP: w.agent.address, podIP: w.podIP, startTime: w.startTime,
		sandboxReady: w.sandbox != nil, final: w.over,
	}
	for _, c := range w.containers {
		if c.init {
			facts.init = append(facts.init, c.status)
		} else {
			facts.main = append(facts.main, c.status)
		}
	}
	return facts
}

// podWithAddresses is the pod as its own containers see it.
func (w *podWorker) podWithAddresses() *corev1.Pod {
	pod := w.pod.DeepCopy()
	pod.Status.PodIP = w.podIP
	pod.Status.HostIP = w.agent.address
	return pod
}

// fullName is how a kubelet's messages name a pod.
func (w *podWorker) fullName() string {
	return fmt.Sprintf("%s_%s(%s)", w.pod.Name, w.pod.Namespace, w.uid)
}

// updated takes a newer state of the object.
func (w *podWorker) updated(pod *corev1.Pod) {
	w.mail.put(func() {
		if newer(pod, w.pod) {
			w.pod = pod
		}
	})
}

// newer is false for what the worker itself wrote and then learnt again.
func newer(a, b *corev1.Pod) bool {
	order, err := resourceVersionOrder(a.ResourceVersion, b.ResourceVersion)
	return err != nil || order > 0
}

// forgotten says that the API has no such pod any more.
func (w *podWorker) forgotten() { w.mail.put(func() { w.gone = true }) }

// sourceChanged says that a Secret or ConfigMap that the pod names came or changed.
func (w *podWorker) sourceChanged() {
	w.mail.put(func() {
		w.stale = true
		for _, c := range w.containers {
			if waiting := c.status.State.Waiting; waiting != nil && waiting.Reason == reasonConfigError {
				c.retryAt = time.Time{}
			}
		}
	})
}

// errPodGone is the answer for a pod whose worker has ended.
var errPodGone = errors.New("pod is gone")

// ask runs f on the worker's goroutine and waits for it.
func (w *podWorker) ask(ctx context.Context, f func()) error {
	answered := make(chan struct{})
	w.mail.put(func() {
		f()
		close(answered)
	})
	select {
	case <-answered:
		return nil
	case <-w.done:
		return errPodGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *podWorker) tell(c *container, reason, format string, args ...any) {
	w.agent.recorder.Eventf(w.reference(c), corev1.EventTypeNormal, reason, format, args...)
}

func (w *podWorker) warn(c *container, reason, format string, args ...any) {
	w.agent.recorder.Eventf(w.reference(c), corev1.EventTypeWarning, reason, format, args...)
}

// reference names the container in events.
func (w *podWorker) reference(c *container) *corev1.ObjectReference {
	field := "containers"
	if c.init {
		field = "initContainers"
	}
	return &corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: w.pod.Namespace, Name: w.pod.Name, UID: w.uid,
		ResourceVersion: w.pod.ResourceVersion, FieldPath: fmt.Sprintf("spec.%s{%s}", field, c.spec.Name),
	}
}

// mailbox is an unbounded queue: whoever puts something in never waits.
type mailbox struct {
	ready chan struct{}
	state *struct {
		sync.Mutex
		queue []func()
	}
}

func newMailbox() mailbox {
	return mailbox{ready: make(chan struct{}, 1), state: &struct {
		sync.Mutex
		queue []func()
	}{}}
}

func (m mailbox) put(message func()) {
	m.state.Lock()
	m.state.queue = append(m.state.queue, message)
	m.state.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

func (m mailbox) take() []func() {
	m.state.Lock()
	defer m.state.Unlock()
	queue := m.state.queue
	m.state.queue = nil
	return queue
}
