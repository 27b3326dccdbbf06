// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The entry point of the MySQL image, for a server unpacked into a directory.

package programs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// initScripts is where an image's user puts SQL for the first start.
const initScripts = "/docker-entrypoint-initdb.d"

// mysqlFamily is what differs between MySQL and MariaDB.
type mysqlFamily struct {
	name       string   // of the command
	prefixes   []string // of the environment variables; the first one that is set wins
	emptyRoot  []string // variables that allow an empty root password
	server     string   // the server program, below the home
	options    []string // for little memory; the container's arguments come later and win
	initialise func(s mysqlServer) error
}

// mysqlServer is one server: a program, its data directory and the container's arguments.
type mysqlServer struct {
	family    mysqlFamily
	home      string
	directory dataDirectory
	arguments []string
}

// MySQLCommand is the "mysql" program: what the official image's entry point does.
func MySQLCommand() *cobra.Command {
	return mysqlFamily{
		name:      "mysql",
		prefixes:  []string{"MYSQL"},
		emptyRoot: []string{"MYSQL_ALLOW_EMPTY_PASSWORD"},
		server:    "bin/mysqld",
		options: []string{
			"--loose-mysqlx=OFF", "--skip-log-bin", "--performance-schema=OFF",
			"--host-cache-size=0", "--table-definition-cache=400",
		},
		initialise: func(s mysqlServer) error { return s.run("", "--initialize-insecure") },
	}.command()
}

// smallMemory serves both families; the data of a killed server are whole without fsync, since the kernel keeps
// what was written, and only a crash of the machine would lose them.
var smallMemory = []string{
	"--innodb-buffer-pool-size=32M", "--innodb-log-buffer-size=2M", "--innodb-log-file-size=8M",
	"--innodb-flush-method=nosync", "--key-buffer-size=1M", "--table-open-cache=200",
	"--skip-name-resolve", "--bind-address=0.0.0.0", "--socket=/tmp/mysql.sock",
}

// command takes "--home DIR" first; all that follows is the container's, in the server's own syntax.
func (f mysqlFamily) command() *cobra.Command {
	return &cobra.Command{
		Use:                f.name + " --home DIR [ARGUMENT ...]",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, arguments []string) error {
			home, rest, err := homeArgument(arguments)
			if err != nil {
				return err
			}
			directory, err := containerSettings().first(f.variables("DATADIR")...)
			if err != nil {
				return err
			}
			if directory == "" {
				directory = "/var/lib/mysql"
			}
			if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
				rest = rest[1:] // the image's own command, such as "mysqld"
			}
			proof := filepath.Join("mysql", completed+".MYI")
			return mysqlServer{f, home, dataDirectory{directory, proof}, rest}.start(containerSettings())
		},
	}
}

// homeArgument cuts "--home DIR" (or --home=DIR) off the front; DIR is made absolute.
func homeArgument(arguments []string) (home string, rest []string, err error) {
	switch {
	case len(arguments) > 1 && arguments[0] == "--home":
		home, rest = arguments[1], arguments[2:]
	case len(arguments) > 0 && strings.HasPrefix(arguments[0], "--home="):
		home, rest = strings.TrimPrefix(arguments[0], "--home="), arguments[1:]
	default:
		return "", nil, errors.New("the first argument must be --home DIR, where the server is unpacked")
	}
	home, err = filepath.Abs(home)
	return home, rest, err
}

// variables are the names of one setting, newest first.
func (f mysqlFamily) variables(setting string) []string {
	names := make([]string, 0, len(f.prefixes))
	for _, prefix := range f.prefixes {
		names = append(names, prefix+"_"+setting)
	}
	return names
}

// accounts reads what the first start has to make, under the image's own rules.
func (f mysqlFamily) accounts(s settings) (accounts, error) {
	var a accounts
	for setting, value := range map[string]*string{
		"ROOT_PASSWORD": &a.rootPassword, "DATABASE": &a.database, "USER": &a.user, "PASSWORD": &a.password,
	} {
		var err error
		if *value, err = s.first(f.variables(setting)...); err != nil {
			return accounts{}, err
		}
	}
	empty, err := s.first(f.emptyRoot...)
	switch {
	case err != nil:
		return accounts{}, err
	case a.rootPassword == "" && empty == "":
		return accounts{}, fmt.Errorf(
			"database is uninitialized and password option is not specified: %s_ROOT_PASSWORD or %s",
			f.prefixes[0], f.emptyRoot[0])
	case a.user == "root":
		return accounts{}, fmt.Errorf(
			"%[1]s_USER=\"root\": %[1]s_USER and %[1]s_PASSWORD are for a regular user, not for root", f.prefixes[0])
	case (a.user == "") != (a.password == ""):
		return accounts{}, fmt.Errorf("%[1]s_USER and %[1]s_PASSWORD go together", f.prefixes[0])
	}
	return a, nil
}

// start initialises an empty data directory and becomes the server; it returns on errors only.
func (s mysqlServer) start(from settings) error {
	var sql []byte
	first, err := s.directory.needsFirstStart(func() error {
		a, err := s.family.accounts(from)
		if err != nil {
			return err
		}
		scripts, err := readScripts(initScripts)
		if err != nil {
			return err
		}
		sql, err = firstStartSQL(a, scripts)
		return err
	})
	if err != nil {
		return err
	}
	// The loader finds here the libraries that are unpacked with the server.
	if err := os.Setenv("LD_LIBRARY_PATH", filepath.Join(s.home, "lib")); err != nil {
		return err
	}
	var initFile []string
	if first {
		if err := s.family.initialise(s); err != nil {
			return fmt.Errorf("initialising %s: %w", s.directory.path, err)
		}
		path, err := inheritedFile(sql)
		if err != nil {
			return err
		}
		initFile = []string{"--init-file=" + path}
	}
	program := filepath.Join(s.home, s.family.server)
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, s.line(initFile...), os.Environ()))
}

// line is the server's argument vector.
func (s mysqlServer) line(more ...string) []string {
	share := filepath.Join(s.home, "share")
	line := []string{
		s.family.name + "d", "--no-defaults", "--basedir=" + s.home, "--datadir=" + s.directory.path,
		"--lc-messages-dir=" + share, "--character-sets-dir=" + filepath.Join(share, "charsets"),
	}
	if os.Getuid() == 0 {
		line = append(line, "--user=root") // or it refuses to run as root, which is a mapped user here
	}
	return slices.Concat(line, smallMemory, s.family.options, s.arguments, more)
}

// run runs the server to its end in one of its initialising modes, with input on its standard input.
func (s mysqlServer) run(input string, mode ...string) error {
	server := exec.Command(filepath.Join(s.home, s.family.server))
	server.Args = s.line(mode...)
	server.Stdin = strings.NewReader(input)
	server.Stdout, server.Stderr = os.Stderr, os.Stderr
	return server.Run()
}

// readScripts reads *.sql of a directory in the order of their names; an absent directory holds none.
func readScripts(directory string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*.sql"))
	if err != nil {
		return nil, err
	}
	scripts := make([]string, 0, len(paths))
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		scripts = append(scripts, string(content))
	}
	return scripts, nil
}

// inheritedFile puts content into an anonymous file that lives on in the program that this process becomes,
// and returns its path there: passwords never reach a disk.
func inheritedFile(content []byte) (string, error) {
	descriptor, err := unix.MemfdCreate("first-start.sql", 0)
	if err != nil {
		return "", fmt.Errorf("memfd_create: %w", err)
	}
	path := fmt.Sprintf("/proc/self/fd/%d", descriptor)
	return path, os.WriteFile(path, content, 0)
}
