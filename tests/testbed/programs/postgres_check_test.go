// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package programs

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// A server that answers is ready; one that hangs up, and none at all, are not.
func TestCheckPostgres(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		ready  bool
	}{"answers": {"N", true}, "hangs up": {"", false}} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			asked := make(chan []byte, 1)
			go func() {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				defer connection.Close()
				question := make([]byte, 8)
				_, _ = io.ReadFull(connection, question)
				asked <- question
				_, _ = connection.Write([]byte(test.answer))
			}()
			if err := checkPostgres(listener.Addr().String()); (err == nil) != test.ready {
				t.Errorf("got %v", err)
			}
			if question := <-asked; !bytes.Equal(question, sslRequest) {
				t.Errorf("asked %v", question)
			}
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	if checkPostgres(address) == nil {
		t.Error("ready where nothing listens")
	}
}
