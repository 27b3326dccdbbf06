// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file gives each pod of the node its worker.

package node

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	v1pod "k8s.io/kubernetes/pkg/api/v1/pod"
)

// stopTime is how long the node waits for its containers' end when it ends itself.
const stopTime = 5 * time.Second

// podManager is all workers.
type podManager struct {
	agent *agent

	mu      sync.Mutex
	workers map[types.UID]*podWorker
	running sync.WaitGroup
}

func newPodManager(a *agent) *podManager {
	return &podManager{agent: a, workers: map[types.UID]*podWorker{}}
}

// start watches the node's pods until ctx ends.
func (m *podManager) start(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(m.agent.client, 0,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", m.agent.name).String()
		}))
	informer := factory.Core().V1().Pods().Informer()
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { m.seen(ctx, object) },
		UpdateFunc: func(_, object any) { m.seen(ctx, object) },
		DeleteFunc: m.lost,
	})
	factory.Start(ctx.Done())
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			m.removeStrays()
		}
	}()
}

// seen gives the pod to its worker; a pod of the same name but another uid is another pod.
func (m *podManager) seen(ctx context.Context, object any) {
	pod, ok := object.(*corev1.Pod)
	if !ok || ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if w, known := m.workers[pod.UID]; known {
		w.updated(pod)
		return
	}
	w := newPodWorker(m.agent, pod)
	m.workers[pod.UID] = w
	m.running.Add(1)
	go func() {
		defer m.running.Done()
		w.run(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.workers, pod.UID)
	}()
}

func (m *podManager) lost(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if w, known := m.workers[pod.UID]; known {
		w.forgotten()
	}
}

// stop waits for the end of all workers, which their context has asked for.
func (m *podManager) stop() {
	ended := make(chan struct{})
	go func() {
		m.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopTime):
	}
}

// find gives the worker of a pod that has not ended, nil when there is none.
func (m *podManager) find(namespace, name string) *podWorker {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.workers {
		if w.namespace == namespace && w.name == name {
			return w
		}
	}
	return nil
}

// objectChanged tells the pods that use the object.
func (m *podManager) objectChanged(kind objectKind, namespace, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.workers {
		if w.namespace == namespace && w.sources[source{kind, name}] {
			w.sourceChanged()
		}
	}
}

// source names a Secret or ConfigMap of the pod's namespace.
type source struct {
	kind objectKind
	name string
}

// sourcesOf are the Secrets and ConfigMaps that a pod names.
func sourcesOf(pod *corev1.Pod) map[source]bool {
	found := map[source]bool{}
	v1pod.VisitPodSecretNames(pod, func(name string) bool {
		found[source{secretKind, name}] = true
		return true
	})
	v1pod.VisitPodConfigmapNames(pod, func(name string) bool {
		found[source{configMapKind, name}] = true
		return true
	})
	return found
}

// removeStrays removes the files of pods that ended while no node ran.
func (m *podManager) removeStrays() {
	entries, err := os.ReadDir(m.agent.podsDir())
	if err != nil {
		klog.ErrorS(err, "Files of old pods stay")
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, entry := range entries {
		if m.workers[types.UID(entry.Name())] == nil {
			_ = os.RemoveAll(filepath.Join(m.agent.podsDir(), entry.Name()))
		}
	}
}

// resourceVersionOrder is positive when a is newer than b.
func resourceVersionOrder(a, b string) (int, error) {
	left, err := strconv.ParseUint(a, 10, 64)
	if err != nil {
		return 0, err
	}
	right, err := strconv.ParseUint(b, 10, 64)
	if err != nil {
		return 0, err
	}
	switch {
	case left > right:
		return 1, nil
	case left < right:
		return -1, nil
	}
	return 0, nil
}
