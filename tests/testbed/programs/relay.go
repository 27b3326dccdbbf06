// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// A TCP relay: a pod of it makes a database reachable that lives elsewhere.

package programs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// dialTimeout bounds the wait for a target that does not answer at all.
const dialTimeout = 10 * time.Second

// RelayCommand is the "relay" program: it copies each connection to --listen to a new one to --to.
func RelayCommand() *cobra.Command {
	var listen, to string
	command := &cobra.Command{
		Use:  "relay --listen [HOST]:PORT --to HOST:PORT",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return serveTCP(command.Context(), listen, func(client *net.TCPConn) error {
				return relay(client, to)
			})
		},
	}
	command.Flags().StringVar(&listen, "listen", "", "address to listen on")
	command.Flags().StringVar(&to, "to", "", "address to connect to")
	for _, name := range []string{"listen", "to"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return command
}

// serveTCP gives every connection to handle in a goroutine, closes it afterwards and logs what failed.
// It ends with an error only where it cannot listen or accept.
func serveTCP(ctx context.Context, address string, handle func(*net.TCPConn) error) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	log.Printf("listening on %s", listener.Addr())
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			if err := handle(connection.(*net.TCPConn)); err != nil {
				log.Printf("connection from %s: %v", connection.RemoteAddr(), err)
			}
		}()
	}
}

// relay copies both ways until both sides have ended; an end of one side is passed on as an end (half-close).
func relay(client *net.TCPConn, to string) error {
	connection, err := net.DialTimeout("tcp", to, dialTimeout)
	if err != nil {
		return err
	}
	defer connection.Close()
	target := connection.(*net.TCPConn)

	var back error
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		back = copyAndClose(client, target)
	}()
	forth := copyAndClose(target, client)
	done.Wait()
	return errors.Join(forth, back)
}

// copyAndClose copies until from ends, then ends to's sending side. On an error both directions stop:
// a reset is passed on by the closing of both connections.
func copyAndClose(to, from *net.TCPConn) error {
	if _, err := io.Copy(to, from); err != nil {
		return errors.Join(fmt.Errorf("relaying: %w", err), to.Close(), from.Close())
	}
	if err := to.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
