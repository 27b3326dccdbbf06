// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file maps a container's image and command to a program of the host.

package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"sigs.k8s.io/yaml"
)

// image says which programs of the host stand for an image.
type image struct {
	// Image is a reference; without a tag it stands for every tag.
	Image      string   `json:"image"`
	Entrypoint []string `json:"entrypoint"`
	// Programs maps an executable's path inside the image to the host's program and its first arguments.
	Programs map[string][]string `json:"programs"`
	Env      map[string]string   `json:"env"`
	// Mounts are more paths of the host that the programs need, read-only.
	Mounts []string `json:"mounts"`
}

// imageTable is the file of known images, reread when it changes.
type imageTable struct {
	path string

	mu       sync.Mutex
	modified time.Time
	size     int64
	images   []image
}

// errUnknownImage is what a registry without the image answers.
var errUnknownImage = errors.New("not found")

// errInvalidImageName is the kubelet's state for a reference that cannot be parsed.
var errInvalidImageName = errors.New("InvalidImageName")

// find returns the entry for an image reference.
// Errors: errInvalidImageName, errUnknownImage, or what reading the file says.
func (t *imageTable) find(ref string) (image, error) {
	images, err := t.load()
	if err != nil {
		return image{}, err
	}
	return findImage(images, ref)
}

func (t *imageTable) load() ([]image, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.path)
	if err != nil {
		return nil, err
	}
	if info.ModTime().Equal(t.modified) && info.Size() == t.size {
		return t.images, nil
	}
	data, err := os.ReadFile(t.path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Images []image `json:"images"`
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", t.path, err)
	}
	t.images, t.modified, t.size = file.Images, info.ModTime(), info.Size()
	return t.images, nil
}

// findImage prefers the entry with the reference's own tag or digest to one without any.
func findImage(images []image, ref string) (image, error) {
	wanted, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return image{}, errInvalidImageName
	}
	full := reference.TagNameOnly(wanted).String()
	fallback := -1
	for i, candidate := range images {
		named, err := reference.ParseNormalizedNamed(candidate.Image)
		switch {
		case err != nil || named.Name() != wanted.Name():
		case reference.IsNameOnly(named):
			fallback = i
		case named.String() == full:
			return candidate, nil
		}
	}
	if fallback < 0 {
		return image{}, errUnknownImage
	}
	return images[fallback], nil
}

// pullFailure words a missing image as containerd does.
func pullFailure(ref string) string {
	full := ref
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		full = reference.TagNameOnly(named).String()
	}
	return fmt.Sprintf("rpc error: code = NotFound desc = failed to pull and unpack image %q: failed to resolve reference %q: %s: not found", full, full, full)
}

// paths are all paths of the host that the image's programs name, in options too.
func (i image) paths() []string {
	found := slices.Clone(i.Mounts)
	for _, program := range i.Programs {
		for _, word := range program {
			if _, value, isOption := strings.Cut(word, "="); isOption && strings.HasPrefix(word, "-") {
				word = value
			}
			if filepath.IsAbs(word) {
				found = append(found, filepath.Clean(word))
			}
		}
	}
	return found
}

// commandLine joins a container's command and arguments with the image's entrypoint: the
// command replaces the entrypoint, arguments follow either.
func (i image) commandLine(command, args []string) []string {
	if len(command) == 0 {
		command = i.Entrypoint
	}
	return slices.Concat(command, args)
}

// onHost replaces an executable of the image by the host's program; others stay as they are.
func (i image) onHost(argv []string) []string {
	if len(argv) == 0 {
		return argv
	}
	if program, ok := i.Programs[argv[0]]; ok {
		return slices.Concat(program, argv[1:])
	}
	return argv
}
