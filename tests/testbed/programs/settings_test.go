// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package programs

import (
	"errors"
	"testing"
)

// fakeSettings reads from maps instead of the process' environment and files.
func fakeSettings(environment, files map[string]string) settings {
	return settings{
		lookup: func(name string) string { return environment[name] },
		read: func(path string) ([]byte, error) {
			content, ok := files[path]
			if !ok {
				return nil, errors.New(path + ": no such file")
			}
			return []byte(content), nil
		},
	}
}

func TestFirst(t *testing.T) {
	for name, test := range map[string]struct {
		environment, files map[string]string
		want, fault        string
	}{
		"absent":       {},
		"plain":        {environment: map[string]string{"NEW": "a b"}, want: "a b"},
		"older name":   {environment: map[string]string{"OLD": "x"}, want: "x"},
		"newer wins":   {environment: map[string]string{"NEW": "n", "OLD": "o"}, want: "n"},
		"empty is not": {environment: map[string]string{"NEW": "", "OLD": "o"}, want: "o"},
		"file, last newlines cut": {
			environment: map[string]string{"NEW_FILE": "/f"},
			files:       map[string]string{"/f": " p\nq\n\n"},
			want:        " p\nq",
		},
		"both": {
			environment: map[string]string{"NEW": "n", "NEW_FILE": "/f"},
			fault:       "both NEW and NEW_FILE are set (but are exclusive)",
		},
		"no such file": {
			environment: map[string]string{"NEW_FILE": "/f"},
			fault:       "NEW_FILE: /f: no such file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fakeSettings(test.environment, test.files).first("NEW", "OLD")
			if got != test.want || faultOf(err) != test.fault {
				t.Errorf("got %q, %v; want %q, %q", got, err, test.want, test.fault)
			}
		})
	}
}

// faultOf is an error's text, "" for none.
func faultOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
