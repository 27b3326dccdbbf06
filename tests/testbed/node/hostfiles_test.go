// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// These tests hold the pod's resolv.conf and hosts.

package node

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

func TestResolvConf(t *testing.T) {
	config := &corev1.PodDNSConfig{Nameservers: []string{"1.2.3.4"}, Searches: []string{"x.y"},
		Options: []corev1.PodDNSConfigOption{{Name: "timeout", Value: ptr.To("1")}, {Name: "rotate"}}}
	for name, test := range map[string]struct {
		policy corev1.DNSPolicy
		config *corev1.PodDNSConfig
		want   string
	}{
		"cluster": {corev1.DNSClusterFirst, nil,
			"search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.88.0.1\noptions ndots:5\n"},
		"cluster and more": {corev1.DNSClusterFirst, config,
			"search ns.svc.cluster.local svc.cluster.local cluster.local x.y\nnameserver 10.88.0.1\nnameserver 1.2.3.4\noptions ndots:5 timeout:1 rotate\n"},
		"none": {corev1.DNSNone, config, "search x.y\nnameserver 1.2.3.4\noptions timeout:1 rotate\n"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := testPod()
			pod.Spec.DNSPolicy, pod.Spec.DNSConfig = test.policy, test.config
			if got := resolvConf(pod, "10.88.0.1"); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestHostsFile(t *testing.T) {
	pod := testPod()
	pod.Spec.HostAliases = []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"a", "b"}}}
	got := hostsFile(pod, "10.88.1.9", podHostname(pod))
	for _, line := range []string{"127.0.0.1\tlocalhost\n", "10.88.1.9\tpod-1\n", "10.0.0.1\ta\tb\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q lacks %q", got, line)
		}
	}
}

func TestPodHostname(t *testing.T) {
	pod := testPod()
	pod.Name = strings.Repeat("a", 62) + "-" + "bcd"
	if got := podHostname(pod); got != strings.Repeat("a", 62) {
		t.Errorf("got %q", got)
	}
}
