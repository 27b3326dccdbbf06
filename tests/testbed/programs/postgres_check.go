// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Whether a PostgreSQL server takes connections, as its image's check asks it.

package programs

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"
)

// sslRequest asks a server whether it speaks TLS: length 8, then the protocol's number for that question.
// Any answer shows a server that reads.
var sslRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// PostgresCheckCommand is the "postgres-check" program: /usr/libexec/check-container of the sclorg image.
// Its --live is accepted; ready and alive are the same here.
func PostgresCheckCommand() *cobra.Command {
	command := &cobra.Command{
		Use:          "postgres-check [--live]",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE:         func(*cobra.Command, []string) error { return checkPostgres("127.0.0.1:5432") },
	}
	command.Flags().Bool("live", false, "ask whether it is alive, not whether it is ready")
	return command
}

// checkPostgres is nil where the server at the address answers within two seconds.
func checkPostgres(address string) error {
	const patience = 2 * time.Second
	connection, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := connection.Write(sslRequest); err != nil {
		return err
	}
	if _, err := io.ReadFull(connection, make([]byte, 1)); err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	return nil
}
