// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Package operator is the double of the model-registry-operator v0.3: this file holds its
// command line and starts its manager.
package operator

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

type options struct {
	kubeconfig          string
	flavour             string
	registriesNamespace string
	domain              string
	webhookAddress      string
	tlsCert             string
	tlsKey              string
	healthProbeAddress  string
	timeFactor          float64
}

// Command is the double's entry in the multi-call binary.
func Command() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:          "operator",
		Short:        "Double of the model-registry-operator",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(ctrl.SetupSignalHandler())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of a cluster administrator")
	flags.StringVar(&o.flavour, "flavour", "current", "generation of the platform: 2.19, transition, earlier, current or plain")
	flags.StringVar(&o.registriesNamespace, "registries-namespace", "", "the only namespace in which registries are allowed; empty: any")
	flags.StringVar(&o.domain, "domain", "apps.testbed.example", "ingress domain of the cluster, for the hosts of routes")
	flags.StringVar(&o.webhookAddress, "webhook-address", "10.88.0.1:9443", "address on which the admission webhooks are served")
	flags.StringVar(&o.tlsCert, "tls-cert", "", "file with the webhooks' serving certificate")
	flags.StringVar(&o.tlsKey, "tls-key", "", "file with the key of the serving certificate")
	flags.StringVar(&o.healthProbeAddress, "health-probe-address", "0", "address of /healthz and /readyz; 0: none")
	flags.Float64Var(&o.timeFactor, "time-factor", 1, "divides the number of requests that it may send in a second, and at once")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	ctrl.SetLogger(klog.Background())
	if o.timeFactor <= 0 {
		return fmt.Errorf("--time-factor is %v: it must be above 0", o.timeFactor)
	}
	flavour, err := flavourNamed(o.flavour)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = -1, -1
	if err := waitForAPIs(ctx, config, flavour); err != nil {
		return err
	}
	manager, err := o.manager(config, flavour)
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

func (o *options) manager(config *rest.Config, flavour Flavour) (ctrl.Manager, error) {
	settings := ctrl.Options{
		Scheme:                 scheme.Scheme,
		Metrics:                metrics.Options{BindAddress: "0"},
		HealthProbeBindAddress: o.healthProbeAddress,
		Cache:                  cacheOptions(flavour),
	}
	if flavour.Webhooks {
		server, err := o.webhookServer()
		if err != nil {
			return nil, err
		}
		settings.WebhookServer = server
	}
	manager, err := ctrl.NewManager(config, settings)
	if err != nil {
		return nil, err
	}
	paced, err := newPacedClient(config, o.timeFactor)
	if err != nil {
		return nil, err
	}
	logs, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	rules := rules{Flavour: flavour, RegistriesNamespace: o.registriesNamespace, Domain: o.domain}
	ready := healthz.Ping
	if flavour.Webhooks {
		registerWebhooks(manager.GetWebhookServer(), rules, paced)
		ready = manager.GetWebhookServer().StartedChecker()
	}
	if err := manager.AddReadyzCheck("webhooks", ready); err != nil {
		return nil, err
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	reconciler := &reconciler{
		client: paced,
		world:  paced.Client,
		logs:   logs,
		events: manager.GetEventRecorderFor("modelregistry-controller"),
		rules:  rules,
	}
	return manager, reconciler.setup(manager)
}

func (o *options) webhookServer() (webhook.Server, error) {
	host, port, err := net.SplitHostPort(o.webhookAddress)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("serving certificate of the webhooks: %w", err)
	}
	return webhook.NewServer(webhook.Options{
		Host: host,
		Port: number,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
		}},
	}), nil
}

// waitForAPIs returns once the API server answers and serves what the flavour needs, so that the
// double may be started before them and after a crash of the whole control plane.
func waitForAPIs(ctx context.Context, config *rest.Config, flavour Flavour) error {
	probe, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	needed := []string{flavour.registryKind().GroupVersion().String()}
	if flavour.OpenShift {
		needed = append(needed, routeKind.GroupVersion().String())
	}
	for _, version := range needed {
		err := wait.PollUntilContextCancel(ctx, 500*time.Millisecond, true, func(context.Context) (bool, error) {
			_, err := probe.ServerResourcesForGroupVersion(version)
			if err != nil {
				klog.Background().Info("waiting for the API", "version", version, "reason", err.Error())
			}
			return err == nil, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
