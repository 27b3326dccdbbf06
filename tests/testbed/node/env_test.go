// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// These tests hold the environment's rules: sources, order, expansion, and a kubelet's error texts.

package node

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// fakeObjects is Secrets and ConfigMaps by name.
type fakeObjects struct{ secrets, configMaps map[string]map[string]string }

func (f fakeObjects) secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	data, found := f.secrets[name]
	if !found {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	secret := &corev1.Secret{Data: map[string][]byte{}}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	return secret, nil
}

func (f fakeObjects) configMap(_ context.Context, _, name string) (*corev1.ConfigMap, error) {
	data, found := f.configMaps[name]
	if !found {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name)
	}
	return &corev1.ConfigMap{Data: data}, nil
}

func fromSecret(name, key string, optional bool) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key, Optional: &optional}}
}

func fromConfigMap(name, key string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}}
}

func fromField(path string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
}

func testPod() *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "pod-1", UID: "u-1", Labels: map[string]string{"app": "x"}, Annotations: map[string]string{"note": "n"}}}
	pod.Spec.NodeName, pod.Spec.ServiceAccountName = "testbed", "sa"
	pod.Status.PodIP, pod.Status.HostIP = "10.88.1.9", "10.88.0.1"
	return pod
}

func TestEnvironment(t *testing.T) {
	store := fakeObjects{
		secrets:    map[string]map[string]string{"db": {"password": "p$(A)w", "not a name": "x"}},
		configMaps: map[string]map[string]string{"cm": {"k": "v"}},
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "my-db"}}
	service.Spec.ClusterIP = "10.96.0.9"
	service.Spec.Ports = []corev1.ServicePort{{Port: 3306, Protocol: corev1.ProtocolTCP}}

	for name, test := range map[string]struct {
		env  []corev1.EnvVar
		from []corev1.EnvFromSource
		want map[string]string
		err  string
	}{
		"plain, and an image's default overridden": {
			env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "IMG", Value: "own"}}, want: map[string]string{"A": "1", "IMG": "own"}},
		"defaults": {want: map[string]string{"IMG": "default", "PATH": defaultPath, "HOSTNAME": "pod-1"}},
		"a secret is expanded into others but not itself": {
			env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "P", ValueFrom: fromSecret("db", "password", false)},
				{Name: "DSN", Value: "u:$(P)@h $(NOPE) $$(A)"}},
			want: map[string]string{"P": "p$(A)w", "DSN": "u:p$(A)w@h $(NOPE) $(A)"}},
		"later entries are not seen": {
			env:  []corev1.EnvVar{{Name: "B", Value: "$(C)"}, {Name: "C", Value: "2"}},
			want: map[string]string{"B": "$(C)", "C": "2"}},
		"services": {
			env: []corev1.EnvVar{{Name: "H", Value: "$(MY_DB_SERVICE_HOST)"}},
			want: map[string]string{"H": "10.96.0.9", "MY_DB_SERVICE_PORT": "3306",
				"KUBERNETES_SERVICE_HOST": "10.88.0.1", "KUBERNETES_SERVICE_PORT": "6443"}},
		"fields": {
			env: []corev1.EnvVar{
				{Name: "N", ValueFrom: fromField("metadata.name")}, {Name: "NS", ValueFrom: fromField("metadata.namespace")},
				{Name: "U", ValueFrom: fromField("metadata.uid")}, {Name: "L", ValueFrom: fromField("metadata.labels['app']")},
				{Name: "NO", ValueFrom: fromField("metadata.annotations['note']")}, {Name: "IP", ValueFrom: fromField("status.podIP")},
				{Name: "HIP", ValueFrom: fromField("status.hostIP")}, {Name: "NODE", ValueFrom: fromField("spec.nodeName")},
				{Name: "SA", ValueFrom: fromField("spec.serviceAccountName")}},
			want: map[string]string{"N": "pod-1", "NS": "ns", "U": "u-1", "L": "x", "NO": "n", "IP": "10.88.1.9",
				"HIP": "10.88.0.1", "NODE": "testbed", "SA": "sa"}},
		"envFrom with prefix, names that are none left out": {
			from: []corev1.EnvFromSource{
				{Prefix: "S_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}}},
				{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "cm"}}}},
			want: map[string]string{"S_password": "p$(A)w", "k": "v"}},
		"optional":                 {env: []corev1.EnvVar{{Name: "O", ValueFrom: fromSecret("none", "x", true)}}, want: map[string]string{}},
		"optional key":             {env: []corev1.EnvVar{{Name: "O", ValueFrom: fromSecret("db", "x", true)}}, want: map[string]string{}},
		"missing Secret":           {env: []corev1.EnvVar{{Name: "O", ValueFrom: fromSecret("none", "x", false)}}, err: `secret "none" not found`},
		"missing key":              {env: []corev1.EnvVar{{Name: "O", ValueFrom: fromSecret("db", "x", false)}}, err: "couldn't find key x in Secret ns/db"},
		"missing ConfigMap":        {env: []corev1.EnvVar{{Name: "O", ValueFrom: fromConfigMap("none", "x")}}, err: `configmap "none" not found`},
		"missing key of ConfigMap": {env: []corev1.EnvVar{{Name: "O", ValueFrom: fromConfigMap("cm", "x")}}, err: "couldn't find key x in ConfigMap ns/cm"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := testPod()
			e := environment{store, pod, map[string]string{"IMG": "default"},
				visibleServices([]*corev1.Service{service}, pod, "10.88.0.1", "6443")}
			got, err := e.of(context.Background(), &corev1.Container{Env: test.env, EnvFrom: test.from})
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Fatalf("error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for key, value := range test.want {
				if got[key] != value {
					t.Errorf("%s is %q, want %q", key, got[key], value)
				}
			}
			if _, set := got["O"]; set {
				t.Error("an absent optional value is set")
			}
		})
	}
}

func TestVisibleServices(t *testing.T) {
	var all []*corev1.Service
	for _, name := range []string{"ns/b", "ns/a", "other/c", "default/kubernetes"} {
		namespace, short, _ := strings.Cut(name, "/")
		all = append(all, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: short}})
	}
	off := false
	for name, test := range map[string]struct {
		links *bool
		want  []string
	}{
		"links by default":   {nil, []string{"a", "b", "kubernetes"}},
		"links switched off": {&off, []string{"kubernetes"}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := testPod()
			pod.Spec.EnableServiceLinks = test.links
			var got []string
			for _, service := range visibleServices(all, pod, "h", "1") {
				got = append(got, service.Name)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestExpandAll(t *testing.T) {
	got := expandAll([]string{"--dsn=$(U):$(P)@h", "$(U)", "$$(U)", "$(X)"}, map[string]string{"U": "u", "P": "$(U)"})
	want := []string{"--dsn=u:$(U)@h", "u", "$(U)", "$(X)"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnviron(t *testing.T) {
	got := environ(map[string]string{"B": "2=3", "A": ""})
	if want := []string{"A=", "B=2=3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
