// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// These tests hold how an image and a command become a program of the host.

package node

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestFindImage(t *testing.T) {
	images := []image{{Image: "opendatahub/model-registry"}, {Image: "mysql"}, {Image: "mysql:8.0"}, {Image: "quay.io/a/b"}}
	for ref, want := range map[string]struct {
		image string
		err   error
	}{
		"opendatahub/model-registry":                  {image: "opendatahub/model-registry"},
		"opendatahub/model-registry:v1":               {image: "opendatahub/model-registry"},
		"docker.io/opendatahub/model-registry:latest": {image: "opendatahub/model-registry"},
		"mysql:8.0":                   {image: "mysql:8.0"},
		"docker.io/library/mysql:8.0": {image: "mysql:8.0"},
		"mysql:9":                     {image: "mysql"},
		"quay.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": {image: "quay.io/a/b"},
		"a/b":            {err: errUnknownImage},
		"quay.io/mysql":  {err: errUnknownImage},
		"Not A Ref::::1": {err: errInvalidImageName},
	} {
		t.Run(ref, func(t *testing.T) {
			got, err := findImage(images, ref)
			if got.Image != want.image || !errors.Is(err, want.err) {
				t.Errorf("got %q, %v; want %q, %v", got.Image, err, want.image, want.err)
			}
		})
	}
}

func TestPullFailure(t *testing.T) {
	want := `rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/no/such:latest": ` +
		`failed to resolve reference "docker.io/no/such:latest": docker.io/no/such:latest: not found`
	if got := pullFailure("no/such"); got != want {
		t.Errorf("got %s", got)
	}
}

func TestCommandLine(t *testing.T) {
	i := image{Entrypoint: []string{"/server", "-v"}, Programs: map[string][]string{"/server": {"/host/bin", "server"}}}
	for name, test := range map[string]struct{ command, args, want []string }{
		"entrypoint":           {nil, nil, []string{"/host/bin", "server", "-v"}},
		"arguments":            {nil, []string{"a"}, []string{"/host/bin", "server", "-v", "a"}},
		"command":              {[]string{"/server"}, []string{"a"}, []string{"/host/bin", "server", "a"}},
		"a plain host command": {[]string{"sh", "-c"}, []string{"true"}, []string{"sh", "-c", "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := i.onHost(i.commandLine(test.command, test.args)); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := (image{}).onHost(nil); len(got) != 0 {
		t.Errorf("an image without entrypoint gives %q", got)
	}
}

func TestImagePaths(t *testing.T) {
	i := image{Mounts: []string{"/m"}, Programs: map[string][]string{"/e": {"/bin/p", "mysql", "--home=/h/", "--name=x", "-v"}}}
	if got, want := i.paths(), []string{"/m", "/bin/p", "/h"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestImageTableIsReread(t *testing.T) {
	table := imageTable{path: filepath.Join(t.TempDir(), "images.yaml")}
	write := func(text string, modified time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(table.path, []byte(text), 0o600), os.Chtimes(table.path, modified, modified)); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	write("images: [{image: a, env: {K: V}}]", now)
	if got, err := table.find("a:1"); err != nil || got.Env["K"] != "V" {
		t.Fatalf("got %v, %v", got, err)
	}
	write("images: [{image: b, env: {K: V}}]", now.Add(time.Second))
	if _, err := table.find("a:1"); !errors.Is(err, errUnknownImage) {
		t.Errorf("a removed image is still found: %v", err)
	}
	write("images: [{imagine: b}]", now.Add(2*time.Second))
	if _, err := table.find("b"); err == nil {
		t.Error("an unknown key is accepted")
	}
}
