// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// What the real operator's objects look like, number by number.

package operator

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
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
	switch {
	case p.Exec != nil:
		what = strings.Join(p.Exec.Command, " ")
	case p.HTTPGet != nil:
		what = fmt.Sprintf("%s at %s", p.HTTPGet.Path, p.HTTPGet.Port.String())
	}
	return fmt.Sprintf("%s %d/%d/%d", what, p.InitialDelaySeconds, p.PeriodSeconds, p.FailureThreshold)
}

func TestDeploymentsContainers(t *testing.T) {
	const server = "rest-container http-api:8080 startup /readyz/isDirty at http-api 10/5/6, " +
		"ready /readyz/health at http-api 5/10/3, live /readyz/isDirty at http-api 30/10/3"
	const older = "rest-container http-api:8080 startup none, ready tcp 15/5/3, live tcp 30/5/3"
	const metadata = "grpc-container grpc-api:9090 startup none, ready tcp 3/5/3, live tcp 30/5/3"
	for name, test := range map[string]struct {
		flavour, proxy string
		want           []string
	}{
		"server alone": {"plain", "", []string{server}},
		"kube-rbac-proxy": {"current", kubeRBACProxy, []string{server,
			"kube-rbac-proxy https-proxy:8443 proxy-healthz:8888 startup none, ready /healthz at proxy-healthz 5/5/3, live /healthz at proxy-healthz 30/5/3"}},
		"with ML Metadata": {"2.19", "", []string{older, metadata}},
		"with ML Metadata and the OAuth proxy": {"transition", oauthProxy, []string{older, metadata,
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
	c = olderRestServer(built(""))
	got = strings.Join(append(c.Command, c.Args...), " ")
	if want := "/model-registry proxy --hostname=0.0.0.0 --port=8080 --mlmd-hostname=localhost --mlmd-port=9090"; got != want || len(c.Env) != 0 {
		t.Errorf("got %q and %d variables, want %q and none", got, len(c.Env), want)
	}
}

// Behind a proxy the server itself is not offered.
func TestServicePorts(t *testing.T) {
	for _, test := range []struct{ flavour, proxy, ports string }{
		{"plain", "", "http-api:8080"},
		{"2.19", "", "http-api:8080 grpc-api:9090"},
		{"transition", oauthProxy, "https-api:8443"},
		{"current", kubeRBACProxy, "https-api:8443"},
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
		if got := print(t, s.Spec.Selector); got != print(t, podLabels("x")) {
			t.Errorf("%s: selects %s", test.flavour, got)
		}
	}
}

// What a registry has by its proxy.
func TestProxyParts(t *testing.T) {
	for name, test := range map[string]struct {
		flavour, proxy, route string
		want                  string
	}{
		"kube-rbac-proxy":             {"current", kubeRBACProxy, enabled, "x-kube-rbac-proxy-config x-auth-delegator x-https-route"},
		"kube-rbac-proxy, no Route":   {"current", kubeRBACProxy, disabled, "x-kube-rbac-proxy-config x-auth-delegator"},
		"kube-rbac-proxy, Kubernetes": {"plain", kubeRBACProxy, enabled, "x-kube-rbac-proxy-config x-auth-delegator"},
		"OAuth proxy":                 {"transition", oauthProxy, enabled, "x-auth-delegator"},
		"none":                        {"current", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := built(test.proxy)
			if proxy := r.proxy(); proxy != nil {
				proxy.ServiceRoute = test.route
			}
			var got []string
			for _, part := range proxyParts(r, rulesOf(t, test.flavour).Flavour) {
				if part.wanted {
					got = append(got, part.object.GetName())
				}
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

// The longest name that works behind a proxy has 48 characters, since its binding's own name is a label there.
func TestLongestName(t *testing.T) {
	for length, refused := range map[int]string{48: "", 49: "auth-delegator"} {
		r := built(kubeRBACProxy)
		r.Name = strings.Repeat("a", length)
		var got []string
		for _, part := range proxyParts(r, rulesOf(t, "current").Flavour) {
			if len(validation.IsValidLabelValue(part.object.GetLabels()["app.kubernetes.io/instance"])) > 0 {
				got = append(got, strings.TrimPrefix(part.object.GetName(), r.Name+"-"))
			}
		}
		if text := strings.Join(got, " "); text != refused {
			t.Errorf("%d characters: refused %q, want %q", length, text, refused)
		}
	}
}

func TestNetworkPolicies(t *testing.T) {
	const admitted = `{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"network.openshift.io/policy-group":"ingress"}}},` +
		`{"namespaceSelector":{"matchLabels":{"opendatahub.io/generated-namespace":"true"}}}],"ports":[{"port":8443,"protocol":"TCP"}]}],` +
		`"podSelector":{"matchLabels":{"app":"x","app.kubernetes.io/name":"x","component":"model-registry"}},"policyTypes":["Ingress"]}`
	const database = `{"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"x","app.kubernetes.io/name":"x","component":"model-registry"}}}],` +
		`"ports":[{"port":5432,"protocol":"TCP"}]}],` +
		`"podSelector":{"matchLabels":{"app":"x","app.kubernetes.io/name":"x-postgres","component":"model-registry"}},"policyTypes":["Ingress"]}`
	r := built(kubeRBACProxy)
	for _, test := range []struct {
		policy *networkingv1.NetworkPolicy
		want   string
	}{{networkPolicy(r), admitted}, {postgresPolicy(r), database}} {
		object, err := toUnstructured(test.policy)
		if err != nil {
			t.Fatal(err)
		}
		if got := print(t, object.Object["spec"]); got != test.want {
			t.Errorf("\n got %s\nwant %s", got, test.want)
		}
	}
}

// The generated database: its pod is told from the server's by one label, and is asked by a command.
func TestGeneratedPostgres(t *testing.T) {
	r := registryWith("postgres", databaseSpec{GenerateDeployment: true})
	d := postgresDeployment(r, &databaseSpec{Database: postgresDatabase, Image: "i"})
	if got := print(t, d.Spec.Template.Labels); got != `{"app":"x","app.kubernetes.io/name":"x-postgres","component":"model-registry"}` {
		t.Errorf("pod labels %s", got)
	}
	if got := d.Labels["app.kubernetes.io/component"] + " " + d.Labels["component"]; got != "database model-registry-postgres" {
		t.Errorf("labels %s", got)
	}
	c := d.Spec.Template.Spec.Containers[0]
	var env []string
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			value = e.ValueFrom.SecretKeyRef.Name + "/" + e.ValueFrom.SecretKeyRef.Key
		}
		env = append(env, e.Name+"="+value)
	}
	want := "POSTGRESQL_DATABASE=model_registry POSTGRESQL_USER=x-postgres-credentials/username POSTGRESQL_PASSWORD=x-postgres-credentials/password"
	if got := strings.Join(env, " "); got != want {
		t.Errorf("environment %s", got)
	}
	if got := describe(c.ReadinessProbe) + ", " + describe(c.LivenessProbe); got != "/usr/libexec/check-container 5/10/3, /usr/libexec/check-container --live 30/10/3" {
		t.Errorf("probes %s", got)
	}
	if got := c.Resources.Limits.Cpu().String(); got != "500m" {
		t.Errorf("cpu %s", got)
	}
}
