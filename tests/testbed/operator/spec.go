// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The fields of a ModelRegistry's spec that the double reads, one form for both API versions.

package operator

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

type keyRef struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

type serverSpec struct {
	Port         int32                        `json:"port,omitempty"`
	ServiceRoute string                       `json:"serviceRoute,omitempty"`
	Image        string                       `json:"image,omitempty"`
	Resources    *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// databaseSpec is mysql or postgres: the fields that only one of them has stay empty in the other.
type databaseSpec struct {
	Host                             string  `json:"host,omitempty"`
	HostAddress                      string  `json:"hostAddress,omitempty"`
	Port                             int32   `json:"port,omitempty"`
	Username                         string  `json:"username,omitempty"`
	Database                         string  `json:"database,omitempty"`
	PasswordSecret                   *keyRef `json:"passwordSecret,omitempty"`
	SkipDBCreation                   bool    `json:"skipDBCreation,omitempty"`
	GenerateDeployment               bool    `json:"generateDeployment,omitempty"`
	Image                            string  `json:"image,omitempty"`
	SSLMode                          string  `json:"sslMode,omitempty"`
	SSLCertificateSecret             *keyRef `json:"sslCertificateSecret,omitempty"`
	SSLKeySecret                     *keyRef `json:"sslKeySecret,omitempty"`
	SSLPasswordSecret                *keyRef `json:"sslPasswordSecret,omitempty"`
	SSLRootCertificateConfigMap      *keyRef `json:"sslRootCertificateConfigMap,omitempty"`
	SSLRootCertificateSecret         *keyRef `json:"sslRootCertificateSecret,omitempty"`
	SSLRootCertificatesConfigMapName string  `json:"sslRootCertificatesConfigMapName,omitempty"`
	SSLRootCertificatesSecretName    string  `json:"sslRootCertificatesSecretName,omitempty"`
	SSLCipher                        string  `json:"sslCipher,omitempty"`
	VerifyServerCert                 *bool   `json:"verifyServerCert,omitempty"`
}

type proxySpec struct {
	Port                 int32   `json:"port,omitempty"`
	RoutePort            int32   `json:"routePort,omitempty"`
	Domain               string  `json:"domain,omitempty"`
	ServiceRoute         string  `json:"serviceRoute,omitempty"`
	Image                string  `json:"image,omitempty"`
	TLSCertificateSecret *keyRef `json:"tlsCertificateSecret,omitempty"`
	TLSKeySecret         *keyRef `json:"tlsKeySecret,omitempty"`
}

type istioSpec struct {
	Gateway *struct {
		Domain string `json:"domain,omitempty"`
	} `json:"gateway,omitempty"`
}

type registrySpec struct {
	Rest          serverSpec    `json:"rest"`
	GRPC          serverSpec    `json:"grpc"`
	MySQL         *databaseSpec `json:"mysql,omitempty"`
	Postgres      *databaseSpec `json:"postgres,omitempty"`
	Istio         *istioSpec    `json:"istio,omitempty"`
	OAuthProxy    *proxySpec    `json:"oauthProxy,omitempty"`
	KubeRBACProxy *proxySpec    `json:"kubeRBACProxy,omitempty"`
}

// registry is a ModelRegistry as the objects are built from it: with the runtime's defaults.
type registry struct {
	Name        string
	Namespace   string
	Annotations map[string]string
	Spec        registrySpec
	// OwnCertificate: the user named no certificate for the proxy, the platform makes one.
	OwnCertificate bool
	// Generated: Spec.Postgres is the database that the operator runs itself.
	Generated bool
}

// newRegistry reads object with spec instead of its own.
func newRegistry(object *unstructured.Unstructured, spec map[string]any) (*registry, error) {
	r := &registry{
		Name:           object.GetName(),
		Namespace:      object.GetNamespace(),
		Annotations:    object.GetAnnotations(),
		OwnCertificate: !hasProxyCertificate(specOf(object)),
	}
	return r, runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &r.Spec)
}

// proxy is the proxy before the registry server, nil for none.
func (r *registry) proxy() *proxySpec {
	if r.Spec.KubeRBACProxy != nil {
		return r.Spec.KubeRBACProxy
	}
	return r.Spec.OAuthProxy
}

// proxyName is the proxy's part in the names of secrets and containers.
func (r *registry) proxyName() string {
	if r.Spec.KubeRBACProxy != nil {
		return kubeRBACProxy
	}
	return oauthProxy
}

// specOf is the spec of object, empty where it has none.
func specOf(object *unstructured.Unstructured) map[string]any {
	spec, _, _ := unstructured.NestedMap(object.Object, "spec")
	if spec == nil {
		return map[string]any{}
	}
	return spec
}

func hasProxyCertificate(spec map[string]any) bool {
	for _, field := range []string{"kubeRBACProxy", "oauthProxy"} {
		if _, found, _ := unstructured.NestedMap(spec, field, "tlsCertificateSecret"); found {
			return true
		}
	}
	return false
}
