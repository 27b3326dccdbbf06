// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// One binary that holds every program of the testbed; its first argument picks the program, or else the name
// that it is called by, which is how it stands in images.
// The Kubernetes control plane, etcd and the registry server are the real ones.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	registry "github.com/kubeflow/model-registry/cmd"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"opendatahub.io/model-registry-testbed/node"
	"opendatahub.io/model-registry-testbed/operator"
	"opendatahub.io/model-registry-testbed/programs"
)

func command(build func() *cobra.Command) func() {
	return func() { os.Exit(cli.Run(build())) }
}

var table = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          command(apiserver.NewAPIServerCommand),
	"kube-controller-manager": command(controllers.NewControllerManagerCommand),
	"kube-scheduler":          command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"model-registry":          programs.OlderRegistry(registry.Execute),
	"operator":                command(operator.Command),
	"node":                    command(node.Command),
	"contain":                 command(node.ContainCommand),
	"network":                 command(node.NetworkCommand),
	"kube-rbac-proxy":         command(programs.ProxyCommand),
	"relay":                   command(programs.RelayCommand),
	"grpc":                    command(programs.GRPCCommand),
	"oauth-proxy":             command(programs.OAuthCommand),
	"mysql":                   command(programs.MySQLCommand),
	"mariadb":                 command(programs.MariaDBCommand),
	"postgres":                command(programs.PostgresCommand),
	"postgres-check":          command(programs.PostgresCheckCommand),
}

func main() {
	if len(os.Args) > 1 {
		if run, ok := table[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			run()
			return
		}
	}
	// Later than the argument: a program of the testbed that starts itself anew as another one is called by its own name.
	if run, ok := table[filepath.Base(os.Args[0])]; ok {
		run()
		return
	}
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "usage: %s PROGRAM [ARGUMENT ...]\nprograms: %s\n", os.Args[0], strings.Join(names, ", "))
	os.Exit(2)
}
