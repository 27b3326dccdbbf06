// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The registry server as it was when it worked through ML Metadata: today's, with the database that the double names.

package programs

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// OlderRegistry is the registry server's program. Arguments of ML Metadata are replaced by those of its database, for
// which it waits; others are left to the server.
func OlderRegistry(execute func()) func() {
	return func() {
		arguments, err := withoutMLMD(os.Args, mlmdPatience)
		if err != nil {
			fmt.Fprintln(os.Stderr, "Error:", err)
			os.Exit(1)
		}
		os.Args = arguments
		execute()
	}
}

// withoutMLMD replaces --mlmd-hostname and --mlmd-port by what the double at that place says.
func withoutMLMD(arguments []string, patience time.Duration) ([]string, error) {
	var host, port string
	rest := slices.DeleteFunc(slices.Clone(arguments), func(word string) bool {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "--mlmd-hostname":
			host = value
		case "--mlmd-port":
			port = value
		default:
			return false
		}
		return true
	})
	if host == "" {
		return rest, nil
	}
	found, err := askMLMD(net.JoinHostPort(host, port), patience)
	if err != nil {
		return nil, fmt.Errorf("error dialing connection to mlmd server %s:%s: %w", host, port, err)
	}
	rest = append(rest, found.Arguments...)
	for option, content := range found.Files {
		path := filepath.Join(os.TempDir(), strings.TrimLeft(option, "-"))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
		rest = append(rest, option+"="+path)
	}
	return rest, nil
}

// askMLMD asks until there is an answer or time is up; then the error is the last one.
func askMLMD(address string, patience time.Duration) (access, error) {
	deadline := time.Now().Add(patience)
	for {
		var found access
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			err = json.NewDecoder(connection).Decode(&found)
			connection.Close()
		}
		if err == nil || time.Now().After(deadline) {
			return found, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
