// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// A double of ML Metadata's server, the grpc-container of registries up to OpenShift AI 2.22: its port is open.

package programs

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"
)

// GRPCCommand is the "grpc" program. It accepts and closes connections, which is what TCP probes see; it neither
// speaks gRPC nor opens a database. Other flags of the real server (mysql_config_…) are accepted and ignored.
func GRPCCommand() *cobra.Command {
	var port uint16
	command := &cobra.Command{
		Use:                "grpc [--grpc_port PORT]",
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(command *cobra.Command, _ []string) error {
			return serveTCP(command.Context(), fmt.Sprintf(":%d", port), func(*net.TCPConn) error { return nil })
		},
	}
	command.Flags().Uint16Var(&port, "grpc_port", 9090, "port to listen on")
	return command
}
