// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The proxies before the registry server and the objects they need.

package operator

import (
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Names of the proxies, in containers, volumes and secrets.
const (
	kubeRBACProxy = "kube-rbac-proxy"
	oauthProxy    = "oauth-proxy"
)

func kubeRBACProxyContainer(r *registry) corev1.Container {
	proxy := r.Spec.KubeRBACProxy
	return corev1.Container{
		Name:  kubeRBACProxy,
		Image: proxy.Image,
		Args: []string{
			fmt.Sprintf("--secure-listen-address=0.0.0.0:%d", proxy.Port),
			fmt.Sprintf("--upstream=http://127.0.0.1:%d/", r.Spec.Rest.Port),
			"--proxy-endpoints-port=8888",
			"--logtostderr=true",
			"--v=0",
			"--config-file=/etc/kube-rbac-proxy/config-file.yaml",
			"--tls-cert-file=/etc/tls/private-cert/" + proxy.TLSCertificateSecret.Key,
			"--tls-private-key-file=/etc/tls/private-key/" + proxy.TLSKeySecret.Key,
		},
		Ports: []corev1.ContainerPort{
			{Name: "https-proxy", ContainerPort: proxy.Port, Protocol: corev1.ProtocolTCP},
			{Name: "proxy-healthz", ContainerPort: 8888, Protocol: corev1.ProtocolTCP},
		},
		LivenessProbe:  proxyProbe("/healthz", "proxy-healthz", 30),
		ReadinessProbe: proxyProbe("/healthz", "proxy-healthz", 5),
		Resources:      proxyResources(),
		VolumeMounts: append(certificateMounts(kubeRBACProxy),
			corev1.VolumeMount{Name: "kube-rbac-proxy-config", MountPath: "/etc/kube-rbac-proxy"}),
	}
}

func oauthProxyContainer(r *registry) corev1.Container {
	proxy := r.Spec.OAuthProxy
	return corev1.Container{
		Name:  oauthProxy,
		Image: proxy.Image,
		Args: []string{
			fmt.Sprintf("--https-address=:%d", proxy.Port),
			"--provider=openshift",
			"--openshift-service-account=" + r.Name,
			fmt.Sprintf("--upstream=http://localhost:%d", r.Spec.Rest.Port),
			"--tls-cert=/etc/tls/private-cert/" + proxy.TLSCertificateSecret.Key,
			"--tls-key=/etc/tls/private-key/" + proxy.TLSKeySecret.Key,
			"--cookie-secret-file=/cookie-secret/cookie-secret.txt",
			fmt.Sprintf("--cookie-name=_%s_oauth_proxy", r.Name),
			fmt.Sprintf(`--openshift-delegate-urls={"/":{"group":"","resource":"services","verb":"get","name":"%s","namespace":"%s"}}`,
				r.Name, r.Namespace),
			"--skip-auth-regex='(^/metrics|^/oauth/healthz)'",
		},
		Ports:          []corev1.ContainerPort{{Name: "oauth2-proxy", ContainerPort: proxy.Port, Protocol: corev1.ProtocolTCP}},
		LivenessProbe:  proxyProbe("/oauth/healthz", "oauth2-proxy", 30),
		ReadinessProbe: proxyProbe("/oauth/healthz", "oauth2-proxy", 5),
		Resources:      proxyResources(),
		VolumeMounts: append(certificateMounts(oauthProxy),
			corev1.VolumeMount{Name: "oauth-proxy-cookie-secret", MountPath: "/cookie-secret"}),
	}
}

func proxyProbe(path, port string, delay int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromString(port), Scheme: corev1.URISchemeHTTPS,
		}},
		InitialDelaySeconds: delay,
		TimeoutSeconds:      1,
		PeriodSeconds:       5,
		SuccessThreshold:    1,
		FailureThreshold:    3,
	}
}

func proxyResources() corev1.ResourceRequirements {
	memory := resource.MustParse("256Mi")
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: memory},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: memory},
	}
}

func certificateMounts(proxy string) []corev1.VolumeMount {
	return []corev1.VolumeMount{
		{Name: proxy + "-cert", MountPath: "/etc/tls/private-cert"},
		{Name: proxy + "-key", MountPath: "/etc/tls/private-key"},
	}
}

func proxyVolumes(r *registry) []corev1.Volume {
	proxy := r.proxy()
	if proxy == nil {
		return nil
	}
	name := r.proxyName()
	all := []corev1.Volume{
		secretVolume(name+"-cert", proxy.TLSCertificateSecret.Name),
		secretVolume(name+"-key", proxy.TLSKeySecret.Name),
	}
	if r.Spec.OAuthProxy != nil {
		return append(all, secretVolume("oauth-proxy-cookie-secret", cookieSecretName(r)))
	}
	config := configMapVolume("kube-rbac-proxy-config", proxyConfigName(r))
	config.ConfigMap.DefaultMode = nil
	return append(all, config)
}

// proxyPart is an object that a registry has or lacks, by its proxy.
type proxyPart struct {
	object client.Object
	wanted bool
}

func proxyParts(r *registry, f Flavour) []proxyPart {
	proxy := r.Spec.KubeRBACProxy
	return []proxyPart{
		{proxyConfig(r), proxy != nil},
		{authDelegator(r), r.proxy() != nil},
		{networkPolicy(r), proxy != nil && proxy.ServiceRoute == enabled && f.OpenShift},
	}
}

func proxyConfigName(r *registry) string { return r.Name + "-kube-rbac-proxy-config" }

// proxyConfig lets through whoever may get the registry's Service.
func proxyConfig(r *registry) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: sharedMeta(r, proxyConfigName(r)),
		Data: map[string]string{"config-file.yaml": fmt.Sprintf(`authorization:
  resourceAttributes:
    apiVersion: v1
    resource: services
    verb: get
    namespace: %s
    name: %s
`, r.Namespace, r.Name)},
	}
}

// authDelegator allows the proxy to ask the API server about tokens and rights. It has no owner, so it outlives the registry.
func authDelegator(r *registry) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: clusterMeta(r, r.Name+"-auth-delegator"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: r.Name, Namespace: r.Namespace}},
	}
}

func cookieSecretName(r *registry) string { return r.Name + "-oauth-cookie-secret" }

func cookieSecret(r *registry) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: sharedMeta(r, cookieSecretName(r)),
		Data:       map[string][]byte{"cookie-secret.txt": []byte(rand.Text()[:24])},
	}
}
