// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file watches what all pods depend on: Services with their endpoints, and changes of
// Secrets and ConfigMaps.

package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// clusterView is the cluster as the node last saw it.
type clusterView struct {
	factory  informers.SharedInformerFactory
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

type objectKind string

const (
	secretKind    objectKind = "Secret"
	configMapKind objectKind = "ConfigMap"
)

// newClusterView calls changed for each Secret or ConfigMap that comes or changes.
func newClusterView(factory informers.SharedInformerFactory, changed func(kind objectKind, namespace, name string)) *clusterView {
	v := &clusterView{
		factory:  factory,
		services: factory.Core().V1().Services().Lister(),
		slices:   factory.Discovery().V1().EndpointSlices().Lister(),
	}
	watch(factory.Core().V1().Secrets().Informer(), secretKind, changed)
	watch(factory.Core().V1().ConfigMaps().Informer(), configMapKind, changed)
	return v
}

// watch reports changes without keeping the objects' content: it is read when it is needed.
func watch(informer cache.SharedIndexInformer, kind objectKind, changed func(objectKind, string, string)) {
	_ = informer.SetTransform(func(object any) (any, error) {
		if accessor, ok := object.(metav1.Object); ok {
			return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
				Namespace: accessor.GetNamespace(), Name: accessor.GetName(), UID: accessor.GetUID(),
				ResourceVersion: accessor.GetResourceVersion(),
			}}, nil
		}
		return object, nil
	})
	report := func(object any) {
		if accessor, ok := object.(metav1.Object); ok {
			changed(kind, accessor.GetNamespace(), accessor.GetName())
		}
	}
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, isInInitialList bool) {
			if !isInInitialList {
				report(object)
			}
		},
		UpdateFunc: func(old, object any) {
			before, ok1 := old.(metav1.Object)
			after, ok2 := object.(metav1.Object)
			if !ok1 || !ok2 || before.GetResourceVersion() != after.GetResourceVersion() {
				report(object)
			}
		},
	})
}

// start waits for the first complete view.
func (v *clusterView) start(ctx context.Context) error {
	v.factory.Start(ctx.Done())
	for kind, synced := range v.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("stopped before %v were known", kind)
		}
	}
	return nil
}

func (v *clusterView) allServices() []*corev1.Service {
	services, _ := v.services.List(labels.Everything())
	return services
}

// service implements clusterNames.
func (v *clusterView) service(namespace, name string) *corev1.Service {
	service, err := v.services.Services(namespace).Get(name)
	if err != nil {
		return nil
	}
	return service
}

// endpoints implements clusterNames.
func (v *clusterView) endpoints(namespace, name string) []netip.Addr {
	selector := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: name})
	found, _ := v.slices.EndpointSlices(namespace).List(selector)
	return readyAddresses(found)
}

// readyAddresses are the IPv4 addresses of ready endpoints, sorted, each once.
func readyAddresses(found []*discoveryv1.EndpointSlice) []netip.Addr {
	var addresses []netip.Addr
	for _, slice := range found {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
				continue
			}
			for _, text := range endpoint.Addresses {
				if address, err := netip.ParseAddr(text); err == nil && address.Is4() {
					addresses = append(addresses, address)
				}
			}
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}
