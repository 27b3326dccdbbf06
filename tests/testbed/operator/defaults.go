// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// What the operator writes into a spec by itself: defaults and migrations.

package operator

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	enabled  = "enabled"
	disabled = "disabled"
)

// applyDefaults changes spec as the real operator's Default() does for an object of API version.
// known is the registry's status.specDefaults: empty on creation.
func (r rules) applyDefaults(spec map[string]any, version, known string) {
	setMissing(spec, disabled, "rest", "serviceRoute")
	dropEmptyDatabases(spec)
	if r.Istio {
		defaultIstio(spec)
	} else {
		migrateIstio(spec)
	}
	if r.KubeRBACProxy && version != "v1alpha1" {
		migrateOAuthProxy(spec)
		if spec["kubeRBACProxy"] == nil && spec["oauthProxy"] == nil && r.OpenShift && r.AddsProxy {
			spec["kubeRBACProxy"] = map[string]any{}
		}
		if spec["kubeRBACProxy"] != nil {
			setMissing(spec, enabled, "kubeRBACProxy", "serviceRoute")
		}
	}
	if known == "" || known == "{}" {
		dropDefaultImage(spec)
	}
}

// dropEmptyDatabases removes a database without a host, except one that the operator runs itself.
func dropEmptyDatabases(spec map[string]any) {
	if mysql, ok := spec["mysql"].(map[string]any); ok && isEmpty(mysql, "host") {
		delete(spec, "mysql")
	}
	postgres, ok := spec["postgres"].(map[string]any)
	if ok && isEmpty(postgres, "host") && isEmpty(postgres, "hostAddress") && postgres["generateDeployment"] != true {
		delete(spec, "postgres")
	}
}

// migrateIstio replaces istio by an oauthProxy, the API's defaults of which follow on storing.
func migrateIstio(spec map[string]any) {
	if spec["istio"] == nil {
		return
	}
	delete(spec, "istio")
	if spec["oauthProxy"] == nil {
		spec["oauthProxy"] = map[string]any{"serviceRoute": enabled}
	}
}

// migrateOAuthProxy turns oauthProxy into a kubeRBACProxy with the same settings but the image.
func migrateOAuthProxy(spec map[string]any) {
	old, ok := spec["oauthProxy"].(map[string]any)
	if !ok || spec["kubeRBACProxy"] != nil {
		return
	}
	proxy := map[string]any{}
	for _, field := range []string{"port", "tlsCertificateSecret", "tlsKeySecret", "serviceRoute", "domain", "routePort"} {
		if value, found := old[field]; found {
			proxy[field] = value
		}
	}
	spec["kubeRBACProxy"] = proxy
	delete(spec, "oauthProxy")
}

// defaultIstio fills in what OpenShift AI 2.19 adds to an istio configuration.
func defaultIstio(spec map[string]any) {
	if spec["istio"] == nil {
		return
	}
	setMissing(spec, "ISTIO_MUTUAL", "istio", "tlsMode")
	if _, found, _ := unstructured.NestedMap(spec, "istio", "gateway"); !found {
		return
	}
	setMissing(spec, "ingressgateway", "istio", "gateway", "istioIngress")
	for _, server := range []string{"rest", "grpc"} {
		port := int64(80)
		if _, found, _ := unstructured.NestedMap(spec, "istio", "gateway", server, "tls"); found {
			port = 443
		}
		setMissing(spec, port, "istio", "gateway", server, "port")
		setMissing(spec, enabled, "istio", "gateway", server, "gatewayRoute")
	}
}

// dropDefaultImage removes an image from the operator's own repository, whatever its tag, and the
// resources with it, so that a later operator is free to choose. Only on a registry's first writes.
func dropDefaultImage(spec map[string]any) {
	image, _, _ := unstructured.NestedString(spec, "rest", "image")
	if image != "" && repository(image) == repository(restImage) {
		unstructured.RemoveNestedField(spec, "rest", "image")
		unstructured.RemoveNestedField(spec, "rest", "resources")
	}
}

// canonicalResources writes amounts as the real webhook does, which decodes the object into typed
// structs and encodes it again: 1024Mi becomes 1Gi, 0.5 becomes 500m, the number 1 a string.
func canonicalResources(spec map[string]any) error {
	for _, server := range []string{"rest", "grpc"} {
		given, found, _ := unstructured.NestedMap(spec, server, "resources")
		if !found {
			continue
		}
		typed := &corev1.ResourceRequirements{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(given, typed); err != nil {
			return err
		}
		canonical, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
		if err != nil {
			return err
		}
		if err := unstructured.SetNestedMap(spec, canonical, server, "resources"); err != nil {
			return err
		}
	}
	return nil
}

// repository is the image's name without its tag.
func repository(image string) string {
	name, _, _ := strings.Cut(image, ":")
	return name
}

// withRuntimeDefaults is a copy of the spec with what the operator decides at run time and does
// not store: images, resources, certificates, domain. The difference is status.specDefaults.
func (r rules) withRuntimeDefaults(name string, stored map[string]any) map[string]any {
	spec := (&unstructured.Unstructured{Object: stored}).DeepCopy().Object
	setMissing(spec, restImage, "rest", "image")
	setMissing(spec, defaultResources(), "rest", "resources")
	if r.GRPC {
		setMissing(spec, grpcImage, "grpc", "image")
		setMissing(spec, defaultResources(), "grpc", "resources")
	}
	if spec["postgres"] != nil && r.KubeRBACProxy {
		setMissing(spec, postgresImage, "postgres", "image")
	}
	for field, proxy := range map[string]struct{ name, image string }{
		"kubeRBACProxy": {kubeRBACProxy, kubeRBACProxyImage},
		"oauthProxy":    {oauthProxy, oauthProxyImage},
	} {
		if spec[field] == nil {
			continue
		}
		secret := name + "-" + proxy.name
		setMissing(spec, map[string]any{"name": secret, "key": "tls.crt"}, field, "tlsCertificateSecret")
		setMissing(spec, map[string]any{"name": secret, "key": "tls.key"}, field, "tlsKeySecret")
		if r.OpenShift {
			setMissing(spec, r.Domain, field, "domain")
		}
		setMissing(spec, proxy.image, field, "image")
	}
	return spec
}

func defaultResources() map[string]any {
	return map[string]any{
		"requests": map[string]any{"cpu": "100m", "memory": "256Mi"},
		"limits":   map[string]any{"memory": "256Mi"},
	}
}

// setMissing sets the field at path where it is absent or empty.
func setMissing(object map[string]any, value any, path ...string) {
	current, found, _ := unstructured.NestedFieldNoCopy(object, path...)
	if found && current != nil && current != "" {
		return
	}
	_ = unstructured.SetNestedField(object, value, path...)
}

func isEmpty(object map[string]any, field string) bool {
	return object[field] == nil || object[field] == ""
}
