// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// These tests hold what the cluster's DNS answers.

package node

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// fakeNames is Services and endpoints by "namespace/name".
type fakeNames struct {
	services map[string]corev1.ServiceSpec
	ready    map[string][]netip.Addr
}

func (f fakeNames) service(namespace, name string) *corev1.Service {
	spec, found := f.services[namespace+"/"+name]
	if !found {
		return nil
	}
	service := &corev1.Service{Spec: spec}
	service.Namespace, service.Name = namespace, name
	return service
}

func (f fakeNames) endpoints(namespace, name string) []netip.Addr { return f.ready[namespace+"/"+name] }

func TestAnswerDNS(t *testing.T) {
	names := fakeNames{
		services: map[string]corev1.ServiceSpec{
			"ns/db":       {ClusterIP: "10.96.0.7"},
			"ns/idle":     {ClusterIP: "10.96.0.8"},
			"ns/headless": {ClusterIP: corev1.ClusterIPNone},
			"ns/alias":    {Type: corev1.ServiceTypeExternalName, ExternalName: "db.ns.svc.cluster.local"},
			"ns/outside":  {Type: corev1.ServiceTypeExternalName, ExternalName: "db.example.com"},
		},
		ready: map[string][]netip.Addr{"ns/db": {netip.MustParseAddr("10.88.1.2"), netip.MustParseAddr("10.88.1.3")}},
	}
	for name, test := range map[string]struct {
		question string
		kind     uint16
		code     int
		answers  []string
	}{
		"endpoints":           {"db.ns.svc.cluster.local.", dns.TypeA, dns.RcodeSuccess, []string{"10.88.1.2", "10.88.1.3"}},
		"case":                {"DB.ns.SVC.cluster.local.", dns.TypeA, dns.RcodeSuccess, []string{"10.88.1.2", "10.88.1.3"}},
		"no IPv6":             {"db.ns.svc.cluster.local.", dns.TypeAAAA, dns.RcodeSuccess, nil},
		"no endpoints":        {"idle.ns.svc.cluster.local.", dns.TypeA, dns.RcodeSuccess, []string{"10.96.0.8"}},
		"headless and idle":   {"headless.ns.svc.cluster.local.", dns.TypeA, dns.RcodeSuccess, nil},
		"alias":               {"alias.ns.svc.cluster.local.", dns.TypeA, dns.RcodeSuccess, []string{"db.ns.svc.cluster.local.", "10.88.1.2", "10.88.1.3"}},
		"alias of outside":    {"outside.ns.svc.cluster.local.", dns.TypeA, dns.RcodeSuccess, []string{"db.example.com."}},
		"unknown Service":     {"nope.ns.svc.cluster.local.", dns.TypeA, dns.RcodeNameError, nil},
		"another namespace":   {"db.other.svc.cluster.local.", dns.TypeA, dns.RcodeNameError, nil},
		"outside the cluster": {"db.example.com.", dns.TypeA, dns.RcodeNameError, nil},
		"a name below":        {"pod.db.ns.svc.cluster.local.", dns.TypeA, dns.RcodeNameError, nil},
	} {
		t.Run(name, func(t *testing.T) {
			reply := answerDNS(names, new(dns.Msg).SetQuestion(test.question, test.kind))
			if reply.Rcode != test.code {
				t.Errorf("code %s", dns.RcodeToString[reply.Rcode])
			}
			var got []string
			for _, record := range reply.Answer {
				switch r := record.(type) {
				case *dns.A:
					got = append(got, r.A.String())
				case *dns.CNAME:
					got = append(got, r.Target)
				}
			}
			if !slices.Equal(got, test.answers) {
				t.Errorf("got %v, want %v", got, test.answers)
			}
			if len(test.answers) == 0 && len(reply.Ns) != 1 {
				t.Error("an empty answer needs the zone's authority")
			}
		})
	}
}

func TestReadyAddresses(t *testing.T) {
	yes, no := true, false
	slice := &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{
		{Addresses: []string{"10.88.1.9"}, Conditions: discoveryv1.EndpointConditions{Ready: &yes}},
		{Addresses: []string{"10.88.1.8"}, Conditions: discoveryv1.EndpointConditions{Ready: &no}},
		{Addresses: []string{"10.88.1.2", "fd00::1", "10.88.1.9"}},
	}}
	want := []netip.Addr{netip.MustParseAddr("10.88.1.2"), netip.MustParseAddr("10.88.1.9")}
	if got := readyAddresses([]*discoveryv1.EndpointSlice{slice}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
