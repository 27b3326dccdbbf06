// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// kindnetd gives the pods of a kind node their network: it writes the CNI
// configuration for this node's pod range, routes the other nodes' pod ranges
// to them, and hides pod addresses from the world outside the cluster. IPv4.
//
// It reads NODE_NAME, POD_SUBNET and CONTROL_PLANE_ENDPOINT (host:port, which
// kind adds so that the network can come up before kube-proxy).
func kindnetd() {
	config, err := rest.InClusterConfig()
	if err != nil {
		fatal(err)
	}
	if endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT"); endpoint != "" {
		config.Host = "https://" + endpoint
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		fatal(err)
	}
	for {
		if err := setUpNetwork(client, os.Getenv("NODE_NAME"), os.Getenv("POD_SUBNET")); err != nil {
			fmt.Fprintln(os.Stderr, "kindnetd:", err)
			time.Sleep(time.Second)
			continue
		}
		time.Sleep(10 * time.Second)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "kindnetd:", err)
	os.Exit(1)
}

func setUpNetwork(client kubernetes.Interface, self, podSubnet string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if node.Spec.PodCIDR == "" {
			if node.Name == self {
				return fmt.Errorf("node %s has no pod range yet", self)
			}
			continue
		}
		if node.Name == self {
			err = writeCNIConfig("/etc/cni/net.d/10-kindnet.conflist", node.Spec.PodCIDR)
		} else {
			err = routeTo(node)
		}
		if err != nil {
			return err
		}
	}
	rule := []string{"POSTROUTING", "-s", podSubnet, "!", "-d", podSubnet,
		"-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", "MASQUERADE"}
	if exec.Command("iptables", append([]string{"-w", "-t", "nat", "-C"}, rule...)...).Run() == nil {
		return nil
	}
	if out, err := exec.Command("iptables", append([]string{"-w", "-t", "nat", "-A"}, rule...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("iptables: %v: %s", err, out)
	}
	return nil
}

func routeTo(node v1.Node) error {
	_, dst, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return err
	}
	for _, a := range node.Status.Addresses {
		if a.Type == v1.NodeInternalIP {
			if ip := net.ParseIP(a.Address).To4(); ip != nil {
				return netlink.RouteReplace(&netlink.Route{Dst: dst, Gw: ip})
			}
		}
	}
	return fmt.Errorf("node %s has no IPv4 address", node.Name)
}

func writeCNIConfig(path, podCIDR string) error {
	type object = map[string]any
	config, err := json.MarshalIndent(object{
		"cniVersion": "0.3.1",
		"name":       "kindnet",
		"plugins": []object{
			{
				"type":   "ptp",
				"ipMasq": false,
				"mtu":    1500,
				"ipam": object{
					"type":    "host-local",
					"dataDir": "/run/cni-ipam-state",
					"routes":  []object{{"dst": "0.0.0.0/0"}},
					"ranges":  [][]object{{{"subnet": podCIDR}}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && string(old) == string(config) {
		return nil
	}
	// Write beside it and rename: the runtime must never read half a file.
	tmp := filepath.Join(filepath.Dir(path), ".kindnet.tmp")
	if err := os.WriteFile(tmp, config, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
