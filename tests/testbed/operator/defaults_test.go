// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Tables of specs before and after the operator's defaults and migrations, and of its rules.

package operator

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func rulesOf(t *testing.T, flavour string) rules {
	t.Helper()
	f, err := flavourNamed(flavour)
	if err != nil {
		t.Fatal(err)
	}
	return rules{Flavour: f, RegistriesNamespace: "registries", Domain: "apps.example"}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON([]byte(`{"kind":"ModelRegistry","apiVersion":"modelregistry.opendatahub.io/v1beta1","spec":` + text + `}`)); err != nil {
		t.Fatal(err)
	}
	return specOf(object)
}

func print(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestApplyDefaults(t *testing.T) {
	const off = `"rest":{"serviceRoute":"disabled"}`
	for name, test := range map[string]struct{ flavour, version, known, before, after string }{
		"current adds kubeRBACProxy": {"current", "v1beta1", "",
			`{}`, `{"kubeRBACProxy":{"serviceRoute":"enabled"},` + off + `}`},
		"current keeps a closed route": {"current", "v1beta1", "",
			`{"kubeRBACProxy":{"serviceRoute":"disabled"}}`, `{"kubeRBACProxy":{"serviceRoute":"disabled"},` + off + `}`},
		"current migrates oauthProxy without its image": {"current", "v1beta1", "",
			`{"oauthProxy":{"port":9443,"image":"i","domain":"d"}}`,
			`{"kubeRBACProxy":{"domain":"d","port":9443,"serviceRoute":"enabled"},` + off + `}`},
		"an operator before v0.3.14 adds no proxy": {"earlier", "v1beta1", "", `{}`, `{` + off + `}`},
		"v1alpha1 knows no kubeRBACProxy":          {"current", "v1alpha1", "", `{}`, `{` + off + `}`},
		"plain adds no proxy":                      {"plain", "v1beta1", "", `{}`, `{` + off + `}`},
		"transition migrates istio": {"transition", "v1alpha1", "",
			`{"istio":{"gateway":{}}}`, `{"oauthProxy":{"serviceRoute":"enabled"},` + off + `}`},
		"transition prefers the oauthProxy that is there": {"transition", "v1alpha1", "",
			`{"istio":{},"oauthProxy":{"port":1}}`, `{"oauthProxy":{"port":1},` + off + `}`},
		"2.19 completes istio": {"2.19", "v1alpha1", "",
			`{"istio":{"gateway":{"rest":{"tls":{}},"grpc":{}}}}`,
			`{"istio":{"gateway":{"grpc":{"gatewayRoute":"enabled","port":80},"istioIngress":"ingressgateway",` +
				`"rest":{"gatewayRoute":"enabled","port":443,"tls":{}}},"tlsMode":"ISTIO_MUTUAL"},` + off + `}`},
		"databases without a host vanish": {"plain", "v1beta1", "",
			`{"mysql":{"host":""},"postgres":{"database":"d"}}`, `{` + off + `}`},
		"a generated database stays": {"plain", "v1beta1", "",
			`{"postgres":{"generateDeployment":true}}`, `{"postgres":{"generateDeployment":true},` + off + `}`},
		"the operator's own image vanishes at first": {"plain", "v1beta1", "",
			`{"rest":{"image":"opendatahub/model-registry:v9","resources":{"limits":{}}}}`, `{` + off + `}`},
		"the operator's own image stays later": {"plain", "v1beta1", `{"rest":{}}`,
			`{"rest":{"image":"opendatahub/model-registry:v9"}}`,
			`{"rest":{"image":"opendatahub/model-registry:v9","serviceRoute":"disabled"}}`},
		"a foreign image stays": {"plain", "v1beta1", "",
			`{"rest":{"image":"a/b:c"}}`, `{"rest":{"image":"a/b:c","serviceRoute":"disabled"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			spec := parse(t, test.before)
			rulesOf(t, test.flavour).applyDefaults(spec, test.version, test.known)
			if got, want := print(t, spec), print(t, parse(t, test.after)); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestSpecDefaults(t *testing.T) {
	stored := parse(t, `{"rest":{"image":"a/b:c"},"kubeRBACProxy":{}}`)
	got := specDefaults(stored, rulesOf(t, "current").withRuntimeDefaults("x", stored), &registry{Name: "x"})
	want := `{"kubeRBACProxy":{"domain":"apps.example","image":"opendatahub/kube-rbac-proxy:v0.19.1",` +
		`"tlsCertificateSecret":{"key":"tls.crt","name":"x-kube-rbac-proxy"},` +
		`"tlsKeySecret":{"key":"tls.key","name":"x-kube-rbac-proxy"}},` +
		`"rest":{"resources":{"limits":{"memory":"256Mi"},"requests":{"cpu":"100m","memory":"256Mi"}}}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct{ namespace, spec, want string }{
		"good":            {"registries", `{"mysql":{"host":"h"}}`, ""},
		"both databases":  {"registries", `{"mysql":{"host":"h"},"postgres":{"host":"h"}}`, ""},
		"other namespace": {"elsewhere", `{"mysql":{"host":"h"}}`, "namespace must be registries"},
		"no database":     {"registries", `{}`, "required one of `postgres` or `mysql` database"},
		"generated with host": {"registries", `{"postgres":{"generateDeployment":true,"host":"h"}}`,
			"host should not be set when auto-provisioning is enabled"},
	} {
		t.Run(name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{"spec": parse(t, test.spec)}}
			object.SetNamespace(test.namespace)
			err := rulesOf(t, "current").validate(object)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestValidateUnique(t *testing.T) {
	object, other := unstructured.Unstructured{}, unstructured.Unstructured{}
	object.SetName("x")
	other.SetName("x")
	other.SetNamespace("n")
	err := validateUnique(&object, []unstructured.Unstructured{other})
	if err == nil || !strings.Contains(err.Error(), "registry named x already exists in namespace n") {
		t.Errorf("got %v", err)
	}
	other.SetName("y")
	if err := validateUnique(&object, []unstructured.Unstructured{other}); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestCanonicalResources(t *testing.T) {
	for before, after := range map[string]string{
		`{"rest":{}}`: `{"rest":{}}`,
		`{"rest":{"resources":{"requests":{"cpu":"0.5","memory":"1024Mi"},"limits":{"cpu":1,"memory":"1.5Gi"}}}}`: `{"rest":{"resources":{"limits":{"cpu":"1","memory":"1536Mi"},"requests":{"cpu":"500m","memory":"1Gi"}}}}`,
		`{"grpc":{"resources":{"limits":{"cpu":"1000m"}}}}`:                                                       `{"grpc":{"resources":{"limits":{"cpu":"1"}}}}`,
	} {
		spec := parse(t, before)
		if err := canonicalResources(spec); err != nil {
			t.Fatal(err)
		}
		if got := print(t, spec); got != after {
			t.Errorf("%s\n got %s\nwant %s", before, got, after)
		}
	}
}
