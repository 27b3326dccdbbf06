// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file is the helper that becomes a container's program: it builds the container's root,
// enters it and executes the program. The node runs it as process 1 of new namespaces.

package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// Descriptors that the node hands to the helper.
const (
	taskFD   = 3
	resultFD = 4
	netnsFD  = 5
)

// containSpec is the helper's task.
type containSpec struct {
	Root         string            // an empty directory of the host, to mount the new root on
	Hidden       string            // a directory of the host that must not be visible
	Hostname     string            // empty: the host's
	OwnNetwork   bool              // join the namespace of descriptor 5
	Argv         []string          // program and arguments
	Env          []string          // environment
	Dir          string            // working directory
	Etc          map[string]string // files of /etc and their content
	Programs     []string          // paths of the host that the program needs where they are
	Mounts       []bindMount       // volumes
	ReadOnlyRoot bool
}

// bindMount puts a file or directory of the host into the container.
type bindMount struct {
	Source, Target string
	ReadOnly       bool
}

// containError is the helper's answer when it fails. Program says that the program is at fault.
type containError struct {
	Message string
	Program bool
}

// ContainCommand is the helper's command line; only the node calls it.
func ContainCommand() *cobra.Command {
	return &cobra.Command{
		Use:           "contain",
		Short:         "Become a container's program (internal)",
		Args:          cobra.NoArgs,
		Hidden:        true,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			// Namespaces belong to threads; the one that enters them must be the one that executes the program.
			runtime.LockOSThread()
			failure := contain()
			unix.CloseOnExec(resultFD)
			return json.NewEncoder(os.NewFile(resultFD, "result")).Encode(failure)
		},
	}
}

// contain returns only when it fails.
func contain() containError {
	var spec containSpec
	task := os.NewFile(taskFD, "task")
	if err := json.NewDecoder(task).Decode(&spec); err != nil {
		return containError{Message: err.Error()}
	}
	task.Close()
	unix.CloseOnExec(resultFD)
	if err := enter(spec); err != nil {
		return containError{Message: err.Error()}
	}
	path, err := findProgram(spec.Argv[0], spec.Env)
	if err != nil {
		return containError{Message: err.Error(), Program: true}
	}
	// Container runtimes make a missing working directory; where that is impossible Chdir fails.
	_ = os.MkdirAll(spec.Dir, 0o755)
	if err := os.Chdir(spec.Dir); err != nil {
		return containError{Message: err.Error(), Program: true}
	}
	unix.Umask(0o022)
	err = unix.Exec(path, spec.Argv, spec.Env)
	return containError{Message: fmt.Sprintf("exec %s: %v", path, err), Program: true}
}

func enter(spec containSpec) error {
	if spec.OwnNetwork {
		if err := unix.Setns(netnsFD, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("network namespace: %w", err)
		}
		unix.Close(netnsFD)
	}
	if spec.Hostname != "" {
		if err := unix.Sethostname([]byte(spec.Hostname)); err != nil {
			return fmt.Errorf("hostname: %w", err)
		}
	}
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	r := rootBuilder{spec.Root}
	if err := r.build(spec); err != nil {
		return err
	}
	return pivot(spec.Root)
}

// pivot makes root the root of the mount namespace and drops the old one.
func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	// The same path twice stacks the old root on the new one, so no directory is needed for it.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the old root: %w", err)
	}
	return os.Chdir("/")
}

// ownDirs are the top directories that a container gets anew; all others are the host's, read-only.
var ownDirs = []string{"/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/var"}

// hostEtc is what programs of the host need of its /etc.
var hostEtc = []string{
	"alternatives", "ca-certificates", "crypto-policies", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
	"localtime", "mime.types", "pki", "protocols", "services", "ssl", "terminfo",
}

// devices are those of every container.
var devices = []string{"full", "null", "random", "tty", "urandom", "zero"}

// rootBuilder builds a container's root below a directory.
type rootBuilder struct{ root string }

func (r rootBuilder) build(spec containSpec) error {
	if err := mount("tmpfs", r.root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return err
	}
	// Unbindable, so that binding the host's directories does not copy this tree into itself.
	if err := mount("", r.root, "", unix.MS_UNBINDABLE, ""); err != nil {
		return err
	}
	steps := []func() error{
		func() error { return r.hostDirs("/", r.needed(spec)) },
		r.system,
		func() error { return r.etc(spec.Etc) },
		func() error { return r.hide(spec.Hidden) },
		func() error { return r.programs(spec.Programs) },
		func() error { return r.volumes(spec.Mounts) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if spec.ReadOnlyRoot {
		return setReadOnly(r.root, 0)
	}
	return nil
}

// needed are the places that must come into being: what lies in a directory of the host and is
// not there cannot be made, since that directory is read-only.
func (r rootBuilder) needed(spec containSpec) []string {
	var missing []string
	for _, m := range spec.Mounts {
		if own(m.Target) {
			continue
		}
		if place, err := securejoin.SecureJoin("/", m.Target); err == nil {
			if _, err := os.Lstat(place); err != nil && !own(place) {
				missing = append(missing, place)
			}
		}
	}
	return missing
}

func own(path string) bool {
	return slices.ContainsFunc(ownDirs, func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") })
}

// hostDirs binds the entries of a directory of the host read-only. A directory on the way to a
// needed place is made anew and its entries are bound instead.
func (r rootBuilder) hostDirs(dir string, needed []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		onTheWay := slices.ContainsFunc(needed, func(place string) bool { return strings.HasPrefix(place, path+"/") })
		switch {
		case own(path):
		case entry.Type() == os.ModeSymlink:
			err = r.copyLink(path)
		case entry.IsDir() && onTheWay:
			if err = os.Mkdir(r.root+path, 0o755); err == nil {
				err = r.hostDirs(path, needed)
			}
		case entry.IsDir() || entry.Type().IsRegular() && dir != "/":
			err = r.bind(bindMount{path, path, true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r rootBuilder) copyLink(path string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	return os.Symlink(target, r.root+path)
}

// system makes /dev, /proc, /sys and the writable directories.
func (r rootBuilder) system() error {
	for _, dir := range []string{"/dev/shm", "/etc", "/proc", "/run/lock", "/sys", "/tmp", "/var/cache", "/var/lib", "/var/log", "/var/tmp"} {
		if err := os.MkdirAll(r.root+dir, 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/dev/shm", "/tmp", "/var/tmp"} {
		if err := os.Chmod(r.root+dir, 0o1777); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"/var/run": "/run", "/var/lock": "/run/lock", "/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, r.root+link); err != nil {
			return err
		}
	}
	for _, device := range devices {
		if err := r.bind(bindMount{"/dev/" + device, "/dev/" + device, false}); err != nil {
			return err
		}
	}
	if err := r.bind(bindMount{"/sys", "/sys", true}); err != nil {
		return err
	}
	return mount("proc", r.root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

func (r rootBuilder) etc(files map[string]string) error {
	for name, content := range files {
		if err := os.WriteFile(r.root+"/etc/"+name, []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, name := range hostEtc {
		path := "/etc/" + name
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := r.bind(bindMount{path, path, true}); err != nil {
			return err
		}
	}
	return nil
}

// hide covers a directory of the host that would be visible.
func (r rootBuilder) hide(dir string) error {
	if info, err := os.Stat(r.root + dir); err != nil || !info.IsDir() {
		return nil
	}
	return mount("tmpfs", r.root+dir, "tmpfs", unix.MS_RDONLY, "size=4k")
}

// programs binds what lies in a directory that the container got anew.
func (r rootBuilder) programs(paths []string) error {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		// Resolved inside the new root: its symbolic links must not lead back to the host's.
		inside, err := securejoin.SecureJoin(r.root, path)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(inside); err == nil {
			continue
		}
		if err := r.bind(bindMount{path, path, true}); err != nil {
			return err
		}
	}
	return nil
}

// volumes mounts outer places before inner ones.
func (r rootBuilder) volumes(mounts []bindMount) error {
	depth := func(m bindMount) int { return strings.Count(filepath.Clean(m.Target), "/") }
	slices.SortStableFunc(mounts, func(a, b bindMount) int { return depth(a) - depth(b) })
	for _, m := range mounts {
		if err := r.bind(m); err != nil {
			return err
		}
	}
	return nil
}

// bind makes the place and mounts the source there. It is recursive because the kernel forbids
// to uncover what other mounts hide.
func (r rootBuilder) bind(m bindMount) error {
	target, err := securejoin.SecureJoin(r.root, m.Target)
	if err != nil {
		return err
	}
	info, err := os.Stat(m.Source)
	if err != nil {
		return fmt.Errorf("mount on %s: %w", m.Target, err)
	}
	if err := makePlace(target, info.IsDir()); err != nil {
		return fmt.Errorf("mount on %s: %w", m.Target, err)
	}
	if err := mount(m.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if m.ReadOnly {
		return setReadOnly(target, unix.AT_RECURSIVE)
	}
	return nil
}

func makePlace(path string, dir bool) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if dir {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o644)
}

// setReadOnly keeps all other flags of the mounts, as an ordinary user must.
func setReadOnly(path string, flags uint) error {
	if err := unix.MountSetattr(unix.AT_FDCWD, path, flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make %s read-only: %w", path, err)
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}
