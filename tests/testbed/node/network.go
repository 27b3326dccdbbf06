// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file gives pods their network: a bridge with the node's address, and for each pod a
// network namespace with an address of its own.

package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// network is the bridge and the pods' address pool.
type network struct {
	bridge  netlink.Link
	gateway netip.Addr
	prefix  netip.Prefix
	// lastFile remembers the last address given, so that none is reused soon, not even by the next node.
	lastFile string

	mu   sync.Mutex
	last netip.Addr
	used map[netip.Addr]bool
}

// sandbox is the network of one pod. A pod on the host's network has no namespace of its own.
type sandbox struct {
	ip   netip.Addr
	ns   netns.NsHandle
	link string
}

func (s *sandbox) hostNetwork() bool { return s.link == "" }

// share gives a second handle on the pod's network that stays valid when the pod ends.
func (s *sandbox) share() (*sandbox, error) {
	if s == nil {
		return nil, errors.New("network namespace is closed")
	}
	shared := *s
	if s.hostNetwork() {
		return &shared, nil
	}
	duplicate, err := unix.FcntlInt(uintptr(s.ns), unix.F_DUPFD_CLOEXEC, 0)
	shared.ns = netns.NsHandle(duplicate)
	return &shared, err
}

// close gives back a handle from share.
func (s *sandbox) close() {
	if !s.hostNetwork() {
		_ = s.ns.Close()
	}
}

// newNetwork makes the bridge when it is absent and gives it the node's address.
func newNetwork(o options) (*network, error) {
	prefix, err := netip.ParsePrefix(o.podNetwork)
	if err != nil {
		return nil, err
	}
	gateway, err := netip.ParseAddr(o.address)
	if err != nil {
		return nil, err
	}
	if !prefix.Contains(gateway) {
		return nil, fmt.Errorf("address %s is not in pod network %s", gateway, prefix)
	}
	bridge, err := ensureBridge(o.bridge, netip.PrefixFrom(gateway, prefix.Bits()))
	if err != nil {
		return nil, err
	}
	n := &network{bridge: bridge, gateway: gateway, prefix: prefix.Masked(),
		lastFile: filepath.Join(o.state, "last-address"), used: map[netip.Addr]bool{}}
	n.last = n.beforeFirst()
	if data, err := os.ReadFile(n.lastFile); err == nil {
		if last, err := netip.ParseAddr(strings.TrimSpace(string(data))); err == nil && n.prefix.Contains(last) {
			n.last = last
		}
	}
	return n, nil
}

// NetworkCommand makes the node's own network before the node runs: the API server needs its address.
func NetworkCommand() *cobra.Command {
	var bridge, address string
	command := &cobra.Command{
		Use:   "network",
		Short: "Bring up loopback and the bridge of the pods, with the node's address",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			prefix, err := netip.ParsePrefix(address)
			if err == nil {
				_, err = ensureBridge(bridge, prefix)
			}
			return err
		},
	}
	command.Flags().StringVar(&bridge, "bridge", "tb0", "network bridge of the pods, made when absent")
	command.Flags().StringVar(&address, "address", "10.88.0.1/16", "address of the node, with the length of the pods' network")
	return command
}

func ensureBridge(name string, address netip.Prefix) (netlink.Link, error) {
	if lo, err := netlink.LinkByName("lo"); err == nil {
		if err := netlink.LinkSetUp(lo); err != nil {
			return nil, err
		}
	}
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = name
		if err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes}); err == nil {
			link, err = netlink.LinkByName(name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", name, err)
	}
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(address)}); err != nil {
		return nil, fmt.Errorf("address %s on %s: %w", address, name, err)
	}
	// A bridge takes the hardware address of a port, which changes as pods come and go, unless one is set.
	if err := netlink.LinkSetHardwareAddr(link, link.Attrs().HardwareAddr); err != nil {
		return nil, fmt.Errorf("hardware address of %s: %w", name, err)
	}
	return link, netlink.LinkSetUp(link)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// beforeFirst is the address before the pods' first one: those below are the node's and its owner's.
func (n *network) beforeFirst() netip.Addr {
	bytes := n.prefix.Addr().As4()
	bytes[2]++
	return netip.AddrFrom4(bytes)
}

// allocate gives the next address that no pod has.
func (n *network) allocate() (netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ip := n.last
	for wrapped := 0; wrapped < 2; {
		ip = ip.Next()
		// The network's last address is its broadcast address.
		if !n.prefix.Contains(ip) || !n.prefix.Contains(ip.Next()) {
			ip = n.beforeFirst()
			wrapped++
			continue
		}
		if !n.used[ip] && ip != n.gateway {
			n.used[ip], n.last = true, ip
			return ip, os.WriteFile(n.lastFile, []byte(ip.String()+"\n"), 0o600)
		}
	}
	return netip.Addr{}, fmt.Errorf("no free address in %s", n.prefix)
}

func (n *network) free(ip netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.used, ip)
}

// add makes the network of a pod: lo, eth0 with an address, a default route to the node.
func (n *network) add(uid types.UID) (*sandbox, error) {
	ip, err := n.allocate()
	if err != nil {
		return nil, err
	}
	ns, err := newNetNS()
	if err != nil {
		n.free(ip)
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	sum := sha256.Sum256([]byte(uid))
	s := &sandbox{ip: ip, ns: ns, link: "veth" + hex.EncodeToString(sum[:5])}
	if err := n.connect(s); err != nil {
		n.remove(s)
		return nil, err
	}
	return s, nil
}

func (n *network) connect(s *sandbox) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = s.link
	attributes.MasterIndex = n.bridge.Attrs().Index
	attributes.Flags = net.FlagUp
	pair := &netlink.Veth{LinkAttrs: attributes, PeerName: "eth0", PeerNamespace: netlink.NsFd(s.ns)}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("veth pair: %w", err)
	}
	inside, err := netlink.NewHandleAt(s.ns, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer inside.Close()
	lo, err := inside.LinkByName("lo")
	if err != nil {
		return err
	}
	eth0, err := inside.LinkByName("eth0")
	if err != nil {
		return err
	}
	address := netip.PrefixFrom(s.ip, n.prefix.Bits())
	return errors.Join(
		inside.LinkSetUp(lo),
		inside.AddrAdd(eth0, &netlink.Addr{IPNet: ipNet(address)}),
		inside.LinkSetUp(eth0),
		inside.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: n.gateway.AsSlice()}),
	)
}

// remove takes a pod's network away. The namespace itself ends with its last process and handle.
func (n *network) remove(s *sandbox) {
	if s.hostNetwork() {
		return
	}
	// Deleting this end at once frees the name and stops late packets from an address that is free again.
	if link, err := netlink.LinkByName(s.link); err == nil {
		if err := netlink.LinkDel(link); err != nil {
			klog.ErrorS(err, "Pod's network link stays", "link", s.link)
		}
	}
	if err := s.ns.Close(); err != nil {
		klog.ErrorS(err, "Pod's network namespace stays open", "link", s.link)
	}
	n.free(s.ip)
}

// refuseClusterIPs makes the node the owner of all cluster IPs, on which nothing listens: a
// connection to a Service without endpoints is refused, as kube-proxy does.
func (n *network) refuseClusterIPs(ctx context.Context, client kubernetes.Interface) {
	err := wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		list, err := client.NetworkingV1().ServiceCIDRs().List(ctx, metav1.ListOptions{})
		if err != nil || len(list.Items) == 0 {
			return false, nil
		}
		for _, item := range list.Items {
			for _, cidr := range item.Spec.CIDRs {
				if err := addLocalRoute(cidr); err != nil {
					return false, err
				}
			}
		}
		return true, nil
	})
	if err != nil && ctx.Err() == nil {
		klog.ErrorS(err, "Connections to cluster IPs will time out instead of being refused")
	}
}

func addLocalRoute(cidr string) error {
	_, destination, err := net.ParseCIDR(cidr)
	if err != nil || destination.IP.To4() == nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.RouteReplace(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: destination,
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST})
}

func newNetNS() (ns netns.NsHandle, err error) {
	onThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			ns, err = netns.GetFromPath("/proc/thread-self/ns/net")
		}
	})
	return ns, err
}

// dial connects to a TCP address as seen from inside the pod.
func (s *sandbox) dial(address string) (conn net.Conn, err error) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if s.hostNetwork() {
		return dialer.Dial("tcp", address)
	}
	onThread(func() {
		if err = netns.Set(s.ns); err == nil {
			conn, err = dialer.Dial("tcp", address)
		}
	})
	return conn, err
}

// onThread runs f on a thread that ends with it, so that f may change the thread's namespaces.
// It is never the main thread: that one cannot end, and /proc/self describes it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			onThread(f)
			return
		}
		f()
	}()
	<-done
}
