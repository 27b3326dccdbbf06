// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Package node is a kubelet stand-in: it runs each container of a pod as a local process in
// namespaces of its own, without a container runtime and without root.
//
// It differs from a kubelet in this: no resource limits, no lifecycle hooks, no termination
// messages, no terminals, no init containers that go on running, no readiness gates; containers
// run as root of the node's user namespace whatever the security context says; Services resolve to
// endpoints and cluster IPs refuse connections; any client certificate of the CA is let in.
//
// This file holds the command line and starts the parts: network, DNS, HTTP server, node
// registration and pod workers.
package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	genericapiserver "k8s.io/apiserver/pkg/server"
)

// options are the command line.
type options struct {
	kubeconfig string
	name       string
	address    string
	bridge     string
	podNetwork string
	images     string
	state      string
	tlsCert    string
	tlsKey     string
	clientCA   string
	timeFactor float64
}

// agent holds what all parts of the node share.
type agent struct {
	options
	apiHost, apiPort string
	client           kubernetes.Interface
	images           *imageTable
	network          *network
	cluster          *clusterView
	recorder         record.EventRecorder
	pods             *podManager
}

// Command is the node's command line.
func Command() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:          "node",
		Short:        "Run the pods of one Kubernetes node as local processes",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			return run(genericapiserver.SetupSignalContext(), o)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the API server")
	flags.StringVar(&o.name, "name", "testbed", "name of the node")
	flags.StringVar(&o.address, "address", "10.88.0.1", "address of the node: kubelet API on port 10250, DNS on port 53, the pods' gateway")
	flags.StringVar(&o.bridge, "bridge", "tb0", "network bridge of the pods, made when absent")
	flags.StringVar(&o.podNetwork, "pod-network", "10.88.0.0/16", "network of the bridge; pods get addresses from its 256th on")
	flags.StringVar(&o.images, "images", "", "YAML file that maps images to local programs; reread when it changes")
	flags.StringVar(&o.state, "state", "", "directory for volumes and logs")
	flags.StringVar(&o.tlsCert, "tls-cert", "", "certificate of the kubelet API")
	flags.StringVar(&o.tlsKey, "tls-key", "", "key of the kubelet API")
	flags.StringVar(&o.clientCA, "client-ca", "", "CA of the clients that may use the kubelet API")
	flags.Float64Var(&o.timeFactor, "time-factor", 1, "multiplies delays and periods of probes and back-off times")
	for _, name := range []string{"kubeconfig", "images", "state", "tls-cert", "tls-key", "client-ca"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return command
}

// scaled multiplies d by the time factor.
func (o options) scaled(d time.Duration) time.Duration {
	return scale(d, o.timeFactor)
}

// run starts the node and blocks until ctx ends; then all containers are killed.
func run(ctx context.Context, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, err := newAgent(o)
	if err != nil {
		return err
	}
	defer a.pods.stop()

	tlsConfig, err := serverTLS(o)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(o.address, "10250"), tlsConfig)
	if err != nil {
		return fmt.Errorf("kubelet API: %w", err)
	}
	server := &http.Server{Handler: a.handler(), ReadHeaderTimeout: 30 * time.Second}
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			klog.ErrorS(err, "Kubelet API ended")
			cancel()
		}
	}()
	defer server.Close()

	stopDNS, err := serveDNS(o.address, a.cluster)
	if err != nil {
		return fmt.Errorf("DNS: %w", err)
	}
	defer stopDNS()

	if err := a.cluster.start(ctx); err != nil {
		return err
	}
	go a.network.refuseClusterIPs(ctx, a.client)
	go a.register(ctx)
	a.pods.start(ctx)
	klog.InfoS("Node runs", "name", o.name, "address", o.address)
	<-ctx.Done()
	return nil
}

// newAgent prepares the directories, the network and the clients; nothing runs yet.
func newAgent(o options) (*agent, error) {
	state, err := filepath.Abs(o.state)
	if err != nil {
		return nil, err
	}
	o.state = state
	for _, dir := range []string{o.podsDir(), o.rootDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, err
	}
	// Dozens of pods start at once: the client's default of 5 requests a second would be the bottleneck.
	config.QPS, config.Burst = 200, 400
	config.UserAgent = "kubelet/" + kubeletVersion
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	a := &agent{options: o, client: client, images: &imageTable{path: o.images}}
	if a.apiHost, a.apiPort, err = apiAddress(config); err != nil {
		return nil, err
	}
	if a.network, err = newNetwork(o); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	a.recorder = broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: o.name})
	a.pods = newPodManager(a)
	a.cluster = newClusterView(informers.NewSharedInformerFactory(client, 0), a.pods.objectChanged)
	return a, nil
}

func (o options) podsDir() string { return filepath.Join(o.state, "pods") }

// rootDir is where each container mounts its root before it makes it its own; empty for all others.
func (o options) rootDir() string { return filepath.Join(o.state, "root") }

// apiAddress is what pods find in KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: cluster
// addresses are not routed here.
func apiAddress(config *rest.Config) (host, port string, err error) {
	u, err := url.Parse(config.Host)
	if err != nil {
		return "", "", err
	}
	if port = u.Port(); port == "" {
		port = "443"
	}
	return u.Hostname(), port, nil
}
