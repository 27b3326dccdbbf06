// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// What the double knows and does in each generation of the platform.

package operator

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

const registryGroup = "modelregistry.opendatahub.io"

var (
	groupKind = schema.GroupVersionKind{Group: "user.openshift.io", Version: "v1", Kind: "Group"}
	routeKind = schema.GroupVersionKind{Group: "route.openshift.io", Version: "v1", Kind: "Route"}
)

// Flavour is one generation of the platform (versions, proxies, containers).
type Flavour struct {
	Name string
	// Version is the stored version of ModelRegistry, the one the double reads and writes.
	Version string
	// OpenShift: there are Groups, Routes and serving certificates.
	OpenShift bool
	// Webhooks: defaults and rules are applied on admission; otherwise in the loop.
	Webhooks bool
	// Istio: the spec's istio is kept as it is; otherwise it becomes oauthProxy.
	Istio bool
	// KubeRBACProxy: oauthProxy becomes kubeRBACProxy, the only proxy there is (since v0.3.2).
	KubeRBACProxy bool
	// AddsProxy: on OpenShift a registry without a proxy gets kubeRBACProxy (since v0.3.14, of July 2026), and while it
	// is unavailable its proxy is, too (since the month after).
	AddsProxy bool
	// GRPC: the registry's pod has the ML Metadata container.
	GRPC bool
}

var flavours = []Flavour{
	{Name: "2.19", Version: "v1alpha1", OpenShift: true, Webhooks: true, Istio: true, GRPC: true},
	{Name: "transition", Version: "v1beta1", OpenShift: true, Webhooks: true, GRPC: true},
	{Name: "earlier", Version: "v1beta1", OpenShift: true, Webhooks: true, KubeRBACProxy: true},
	{Name: "current", Version: "v1beta1", OpenShift: true, Webhooks: true, KubeRBACProxy: true, AddsProxy: true},
	{Name: "plain", Version: "v1beta1", KubeRBACProxy: true, AddsProxy: true},
}

func flavourNamed(name string) (Flavour, error) {
	i := slices.IndexFunc(flavours, func(f Flavour) bool { return f.Name == name })
	if i < 0 {
		return Flavour{}, fmt.Errorf("unknown flavour %q", name)
	}
	return flavours[i], nil
}

func (f Flavour) registryKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: registryGroup, Version: f.Version, Kind: "ModelRegistry"}
}

// rules is a flavour together with what the cluster's administrator set.
type rules struct {
	Flavour
	RegistriesNamespace string
	Domain              string
}
