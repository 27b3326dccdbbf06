// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// How a database image reads its settings: environment variables, or files that they name.

package programs

import (
	"fmt"
	"os"
	"strings"
)

// settings reads a container's environment as the official database images do.
type settings struct {
	lookup func(name string) string
	read   func(path string) ([]byte, error)
}

// containerSettings reads the environment and the files of this process.
func containerSettings() settings {
	return settings{lookup: os.Getenv, read: os.ReadFile}
}

// first is the value of the first of these variables that has one; "" where none has.
// NAME_FILE names a file with the value of NAME; an empty variable counts as absent, and both at once
// are an error, as in the images.
func (s settings) first(names ...string) (string, error) {
	for _, name := range names {
		value, path := s.lookup(name), s.lookup(name+"_FILE")
		switch {
		case value != "" && path != "":
			return "", fmt.Errorf("both %s and %s_FILE are set (but are exclusive)", name, name)
		case value != "":
			return value, nil
		case path != "":
			content, err := s.read(path)
			if err != nil {
				return "", fmt.Errorf("%s_FILE: %w", name, err)
			}
			return strings.TrimRight(string(content), "\n"), nil
		}
	}
	return "", nil
}
