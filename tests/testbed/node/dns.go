// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file is the cluster's DNS server. Names of Services lead straight to their ready
// endpoints: cluster IPs are not routed, and a connection keeps the pod's own address.

package node

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

const (
	clusterDomain = "cluster.local"
	// dnsTTL is short, seconds: endpoints change whenever a pod does.
	dnsTTL = 1
)

// clusterNames is what DNS answers come from.
type clusterNames interface {
	// service gives nil for one that does not exist.
	service(namespace, name string) *corev1.Service
	endpoints(namespace, name string) []netip.Addr
}

// serveDNS answers on port 53 by UDP and TCP until stop is called.
func serveDNS(address string, names clusterNames) (stop func(), err error) {
	endpoint := net.JoinHostPort(address, "53")
	packets, err := net.ListenPacket("udp", endpoint)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", endpoint)
	if err != nil {
		return nil, errors.Join(err, packets.Close())
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := answerDNS(names, query)
		if w.RemoteAddr().Network() == "udp" {
			reply.Truncate(dns.MinMsgSize)
		}
		if err := w.WriteMsg(reply); err != nil {
			klog.V(2).InfoS("DNS answer lost", "err", err)
		}
	})
	servers := []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: listener, Handler: handler}}
	for _, server := range servers {
		go func() {
			if err := server.ActivateAndServe(); err != nil {
				klog.ErrorS(err, "DNS server ended")
			}
		}()
	}
	return func() {
		for _, server := range servers {
			_ = server.Shutdown()
		}
	}, nil
}

// answerDNS never fails: what is not a Service does not exist.
func answerDNS(names clusterNames, query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative = true
	reply.RecursionAvailable = true
	if len(query.Question) != 1 || query.Opcode != dns.OpcodeQuery {
		return reply.SetRcode(query, dns.RcodeNotImplemented)
	}
	question := query.Question[0]
	service, known := lookUpService(names, question.Name)
	switch {
	case !known:
		reply.Rcode = dns.RcodeNameError
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		reply.Answer = externalName(names, question, service)
	case question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY:
		reply.Answer = addressRecords(question.Name, serviceAddresses(names, service))
	}
	if len(reply.Answer) == 0 {
		reply.Ns = []dns.RR{startOfAuthority()}
	}
	return reply
}

// lookUpService knows names of the form SERVICE.NAMESPACE.svc.cluster.local.
func lookUpService(names clusterNames, name string) (*corev1.Service, bool) {
	relative, inside := strings.CutSuffix(strings.ToLower(name), ".svc."+clusterDomain+".")
	labels := strings.Split(relative, ".")
	if !inside || len(labels) != 2 {
		return nil, false
	}
	service := names.service(labels[1], labels[0])
	return service, service != nil
}

// serviceAddresses falls back to the cluster IP, where connections are refused, so that a Service
// without endpoints resolves as it does elsewhere.
func serviceAddresses(names clusterNames, service *corev1.Service) []netip.Addr {
	addresses := names.endpoints(service.Namespace, service.Name)
	if len(addresses) > 0 {
		return addresses
	}
	if address, err := netip.ParseAddr(service.Spec.ClusterIP); err == nil && address.Is4() {
		return []netip.Addr{address}
	}
	return nil
}

// externalName answers with the alias, and with its addresses when it is a name of the cluster.
func externalName(names clusterNames, question dns.Question, service *corev1.Service) []dns.RR {
	target := dns.Fqdn(service.Spec.ExternalName)
	records := []dns.RR{&dns.CNAME{Hdr: header(question.Name, dns.TypeCNAME), Target: target}}
	if aim, known := lookUpService(names, target); known && question.Qtype == dns.TypeA {
		records = append(records, addressRecords(target, serviceAddresses(names, aim))...)
	}
	return records
}

func addressRecords(name string, addresses []netip.Addr) []dns.RR {
	var records []dns.RR
	for _, address := range addresses {
		records = append(records, &dns.A{Hdr: header(name, dns.TypeA), A: address.AsSlice()})
	}
	return records
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: dnsTTL}
}

func startOfAuthority() dns.RR {
	return &dns.SOA{Hdr: header(clusterDomain+".", dns.TypeSOA), Ns: "ns.dns." + clusterDomain + ".",
		Mbox: "hostmaster." + clusterDomain + ".", Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: dnsTTL}
}
