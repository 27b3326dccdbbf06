// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// runc-fit runs runc, but never asks it for a capability that this machine does
// not give. Docker's --privileged asks for every capability there is; where the
// machine's bounding set lacks one (CAP_SYS_RESOURCE, say), runc then refuses
// to start the container. Here the container simply goes without it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// In the order of the kernel's numbers.
var names = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID
SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER
SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE
SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN
SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

func main() {
	runc, err := exec.LookPath("runc")
	if err == nil {
		err = fit(os.Args[1:])
	}
	if err == nil {
		err = syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "runc-fit:", err)
	os.Exit(1)
}

// fit edits the file that says how a process is to run: the bundle's
// config.json for create and run, the --process file for exec.
func fit(args []string) error {
	for i := 0; i+1 < len(args); i++ {
		switch args[i] {
		case "--bundle", "-b":
			return edit(filepath.Join(args[i+1], "config.json"), true)
		case "--process", "-p":
			return edit(args[i+1], false)
		}
	}
	return nil
}

func edit(path string, whole bool) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// Only the capabilities are decoded; all else passes through as it is.
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	process := doc
	if whole {
		process = nil
		if doc["process"] == nil {
			return nil
		}
		if err := json.Unmarshal(doc["process"], &process); err != nil {
			return err
		}
	}
	var sets map[string][]string
	if raw := process["capabilities"]; raw == nil {
		return nil
	} else if err := json.Unmarshal(raw, &sets); err != nil {
		return err
	}
	have, err := bounding()
	if err != nil {
		return err
	}
	for set, caps := range sets {
		kept := []string{}
		for _, c := range caps {
			if have[c] {
				kept = append(kept, c)
			}
		}
		sets[set] = kept
	}
	if process["capabilities"], err = json.Marshal(sets); err != nil {
		return err
	}
	if whole {
		if doc["process"], err = json.Marshal(process); err != nil {
			return err
		}
	}
	if data, err = json.Marshal(doc); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// bounding is the set of capabilities this process may ever have.
func bounding() (map[string]bool, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	var mask uint64
	for _, line := range strings.Split(string(status), "\n") {
		if v, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			if _, err := fmt.Sscanf(strings.TrimSpace(v), "%x", &mask); err != nil {
				return nil, err
			}
		}
	}
	have := map[string]bool{}
	for i, n := range names {
		have["CAP_"+n] = mask>>i&1 == 1
	}
	return have, nil
}
