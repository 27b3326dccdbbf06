// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package programs

import (
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
)

// The database is asked for at ML Metadata's place; a server without that place starts as it is called.
func TestWithoutMLMD(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			_ = json.NewEncoder(client).Encode(access{[]string{"--dsn=d"}, map[string][]byte{"--ca": []byte("pem")}})
			client.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	got, err := withoutMLMD([]string{"model-registry", "proxy", "--mlmd-hostname=127.0.0.1", "--mlmd-port=" + port}, 0)
	if err != nil {
		t.Fatal(err)
	}
	path := os.TempDir() + "/ca"
	if text := strings.Join(got, " "); text != "model-registry proxy --dsn=d --ca="+path {
		t.Errorf("got %s", text)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "pem" {
		t.Errorf("file: %q, %v", content, err)
	}
	if got, err := withoutMLMD([]string{"model-registry", "--port=1"}, 0); err != nil || strings.Join(got, " ") != "model-registry --port=1" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := withoutMLMD([]string{"--mlmd-hostname=127.0.0.1", "--mlmd-port=1"}, 0); err == nil {
		t.Error("no error where nothing listens")
	}
}
