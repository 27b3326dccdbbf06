// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// What the real operator's Deployment, Service and NetworkPolicy look like, number by number.

package operator

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// built is a registry on MySQL as it is built from, with the proxy of the name or without any.
func built(proxy string) *registry {
	r := registryWith("mysql", databaseSpec{Host: "h", Port: 3306, Username: "u", Database: "d"})
	spec := &proxySpec{
		Port: 8443, RoutePort: 443, Domain: "apps.example", ServiceRoute: enabled,
		TLSCertificateSecret: &keyRef{"s", "tls.crt"}, TLSKeySecret: &keyRef{"s", "tls.key"},
	}
	switch proxy {
	case kubeRBACProxy:
		r.Spec.KubeRBACProxy = spec
	case oauthProxy:
		r.Spec.OAuthProxy = spec
	}
	return r
}

// describe is a probe as "path delay/period/failures".
func describe(p *corev1.Probe) string {
	if p == nil {
		return "none"
	}
	what := "tcp"
	if p.HTTPGet != nil {
		what = fmt.Sprintf("%s at %s", p.HTTPGet.Path, p.HTTPGet.Port.String())
	}
	return fmt.Sprintf("%s %d/%d/%d", what, p.InitialDelaySeconds, p.PeriodSeconds, p.FailureThreshold)
}

func TestDeploymentsContainers(t *testing.T) {
	const server = "rest-container http-api:8080 startup /readyz/isDirty at http-api 10/5/6, " +
		"ready /readyz/health at http-api 5/10/3, live /readyz/isDirty at http-api 30/10/3"
	const metadata = "grpc-container grpc-api:9090 startup none, ready tcp 3/5/3, live tcp 30/5/3"
	for name, test := range map[string]struct {
		flavour, proxy string
		want           []string
	}{
		"server alone": {"plain", "", []string{server}},
		"kube-rbac-proxy": {"current", kubeRBACProxy, []string{server,
			"kube-rbac-proxy https-proxy:8443 proxy-healthz:8888 startup none, ready /healthz at proxy-healthz 5/5/3, live /healthz at proxy-healthz 30/5/3"}},
		"with ML Metadata": {"2.19", "", []string{server, metadata}},
		"with ML Metadata and the OAuth proxy": {"transition", oauthProxy, []string{server, metadata,
			"oauth-proxy oauth2-proxy:8443 startup none, ready /oauth/healthz at oauth2-proxy 5/5/3, live /oauth/healthz at oauth2-proxy 30/5/3"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployment(built(test.proxy), rulesOf(t, test.flavour).Flavour)
			if got := *d.Spec.Replicas; got != 1 {
				t.Errorf("%d replicas", got)
			}
			for key, value := range podLabels("x") {
				if d.Spec.Selector.MatchLabels[key] != value || d.Spec.Template.Labels[key] != value {
					t.Errorf("label %s: selected %q, set %q", key, d.Spec.Selector.MatchLabels[key], d.Spec.Template.Labels[key])
				}
			}
			got := []string{}
			for _, c := range d.Spec.Template.Spec.Containers {
				words := []string{c.Name}
				for _, port := range c.Ports {
					words = append(words, fmt.Sprintf("%s:%d", port.Name, port.ContainerPort))
				}
				got = append(got, fmt.Sprintf("%s startup %s, ready %s, live %s",
					strings.Join(words, " "), describe(c.StartupProbe), describe(c.ReadinessProbe), describe(c.LivenessProbe)))
			}
			if print(t, got) != print(t, test.want) {
				t.Errorf("\n got %s\nwant %s", print(t, got), print(t, test.want))
			}
		})
	}
}

// The server listens on all addresses: its arguments before those of the database.
func TestServersArguments(t *testing.T) {
	c := restServer(built(""))
	got := strings.Join(append(c.Command, c.Args[:3]...), " ")
	if want := "/model-registry proxy --hostname=0.0.0.0 --port=8080 --embedmd-database-type=mysql"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Behind a proxy the server itself is not offered, nor admitted by the NetworkPolicy.
func TestServicePorts(t *testing.T) {
	for _, test := range []struct{ flavour, proxy, ports, admitted string }{
		{"plain", "", "http-api:8080", "8080"},
		{"2.19", "", "http-api:8080 grpc-api:9090", "8080"},
		{"transition", oauthProxy, "https-api:8443", "8443"},
		{"current", kubeRBACProxy, "https-api:8443", "8443"},
	} {
		r := built(test.proxy)
		s := service(r, rulesOf(t, test.flavour).Flavour)
		var ports []string
		for _, port := range s.Spec.Ports {
			if port.TargetPort.IntVal != port.Port {
				t.Errorf("%s: port %d leads to %d", test.flavour, port.Port, port.TargetPort.IntVal)
			}
			ports = append(ports, fmt.Sprintf("%s:%d", port.Name, port.Port))
		}
		if got := strings.Join(ports, " "); got != test.ports {
			t.Errorf("%s: service got %s, want %s", test.flavour, got, test.ports)
		}
		policy := networkPolicy(r)
		if policy.Name != "x-https-route" || len(policy.Spec.Ingress) != 1 || len(policy.Spec.Ingress[0].Ports) != 1 {
			t.Fatalf("%s: policy %s", test.flavour, print(t, policy))
		}
		if got := policy.Spec.Ingress[0].Ports[0].Port.String(); got != test.admitted {
			t.Errorf("%s: policy admits %s, want %s", test.flavour, got, test.admitted)
		}
	}
}
