// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Whether a database's data directory is new, whole, or left by a first start that was cut off.

package programs

import (
	"fmt"
	"os"
	"path/filepath"
)

type dataState int

const (
	dataEmpty      dataState = iota
	dataUnfinished           // a first start began here and did not finish: to be cleared and begun again
	dataComplete             // to be served as it is, also where another program made it
)

// firstStart is the file that marks a directory in which a first start is under way; servers ignore dot files.
const firstStart = ".testbed-first-start"

// dataDirectory is a directory of a database server, with the file that shows that its first start finished.
type dataDirectory struct {
	path  string
	proof string // relative to path
}

// state inspects the directory, which is made where it is absent, and takes off a mark that has served.
func (d dataDirectory) state() (dataState, error) {
	if err := os.MkdirAll(d.path, 0o750); err != nil {
		return dataEmpty, err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil || len(entries) == 0 {
		return dataEmpty, err
	}
	mark := filepath.Join(d.path, firstStart)
	if _, err := os.Lstat(mark); os.IsNotExist(err) {
		return dataComplete, nil
	}
	if _, err := os.Stat(filepath.Join(d.path, d.proof)); os.IsNotExist(err) {
		return dataUnfinished, nil
	}
	return dataComplete, os.Remove(mark)
}

// begin empties the directory, which may be a mount, and marks it. The mark is there before anything else and
// stays until the last old entry is gone, so that a kill at any moment is recognised.
func (d dataDirectory) begin() error {
	if err := os.WriteFile(filepath.Join(d.path, firstStart), nil, 0o600); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() != firstStart {
			if err := os.RemoveAll(filepath.Join(d.path, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// needsFirstStart tells whether this start is the first one; if so, the directory is empty and marked.
// prepare is called before anything is touched: an error of it (a bad setting) leaves the directory as it was.
func (d dataDirectory) needsFirstStart(prepare func() error) (bool, error) {
	state, err := d.state()
	if err != nil || state == dataComplete {
		return false, err
	}
	if err := prepare(); err != nil {
		return false, err
	}
	if state == dataUnfinished {
		fmt.Fprintf(os.Stderr, "%s: the first start was cut off, beginning again\n", d.path)
	}
	return true, d.begin()
}
