// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The entry point of the PostgreSQL image, for a server unpacked into a directory.

package programs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// nobody is the user that PostgreSQL sees itself run as, since it refuses to be root. It must have a name:
// every distribution's passwd file gives this one.
const nobody = 65534

// postgresServer is one server: a program, its data directory and the container's arguments.
type postgresServer struct {
	home      string
	directory dataDirectory
	arguments []string
}

// postgresAccount is what a PostgreSQL image makes at its first start.
type postgresAccount struct {
	user, password, database string
}

// PostgresCommand is the "postgres" program: what the official image's entry point does. The variables of
// the sclorg image (POSTGRESQL_USER, …_PASSWORD, …_DATABASE) mean the same, with that image's data directory.
//
// The server that servers.py fetches is built without TLS.
func PostgresCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "postgres --home DIR [ARGUMENT ...]",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, arguments []string) error {
			home, rest, err := homeArgument(arguments)
			if err != nil {
				return err
			}
			directory, err := postgresDirectory(containerSettings())
			if err != nil {
				return err
			}
			if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
				rest = rest[1:] // the image's own command, "postgres"
			}
			return postgresServer{home, dataDirectory{directory, "PG_VERSION"}, rest}.start(containerSettings())
		},
	}
}

// postgresDirectory is the data directory: PGDATA, or the default of the image whose variables are used.
func postgresDirectory(s settings) (string, error) {
	directory, err := s.first("PGDATA")
	if err != nil || directory != "" {
		return directory, err
	}
	if s.lookup("POSTGRESQL_USER") != "" {
		return "/var/lib/pgsql/data/userdata", nil
	}
	return "/var/lib/postgresql/data", nil
}

// readPostgresAccount reads what the first start has to make; the database is named like the user by default.
func readPostgresAccount(s settings) (postgresAccount, error) {
	var a postgresAccount
	for name, value := range map[string]*string{"USER": &a.user, "PASSWORD": &a.password} {
		var err error
		if *value, err = s.first("POSTGRES_"+name, "POSTGRESQL_"+name); err != nil {
			return postgresAccount{}, err
		}
	}
	var err error
	if a.database, err = s.first("POSTGRES_DB", "POSTGRESQL_DATABASE"); err != nil {
		return postgresAccount{}, err
	}
	if a.password == "" {
		return postgresAccount{}, errors.New(
			"database is uninitialized and superuser password is not specified: POSTGRES_PASSWORD")
	}
	if a.user == "" {
		a.user = "postgres"
	}
	if a.database == "" {
		a.database = a.user
	}
	if strings.ContainsAny(a.password+a.database, "\r\n") {
		return postgresAccount{}, errors.New("a line break in POSTGRES_PASSWORD or POSTGRES_DB")
	}
	return a, nil
}

// start initialises an empty data directory, runs the server and ends as it ends.
func (s postgresServer) start(from settings) error {
	// A child's parent-death signal is bound to the thread that started it.
	runtime.LockOSThread()
	var account postgresAccount
	first, err := s.directory.needsFirstStart(func() (err error) {
		account, err = readPostgresAccount(from)
		return err
	})
	if err != nil {
		return err
	}
	if first {
		if err := s.initialise(account); err != nil {
			return fmt.Errorf("initialising %s: %w", s.directory.path, err)
		}
	}
	// A killed server leaves this file; the process number in it would soon be another process', or a thread's, of
	// this container's namespace, and the new server would take that for the old one.
	if err := os.RemoveAll(filepath.Join(s.directory.path, "postmaster.pid")); err != nil {
		return err
	}
	server := s.program("postgres", s.line()...)
	if err := server.Start(); err != nil {
		return err
	}
	forward(server.Process)
	err = server.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exitCode(exit.ProcessState))
	}
	return err
}

// exitCode is a process' exit code as a shell gives it: 128 + n for one that signal n ended.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// forward passes signals on to the server. SIGTERM becomes SIGINT, the stop signal of the official image:
// PostgreSQL's "fast" shutdown, where SIGTERM would wait for all clients to leave.
func forward(server *os.Process) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		for received := range signals {
			if received == syscall.SIGTERM {
				received = syscall.SIGINT
			}
			if err := server.Signal(received); err != nil {
				fmt.Fprintf(os.Stderr, "forwarding %s: %v\n", received, err)
			}
		}
	}()
}

// initialise makes the cluster in a directory inside the data directory, which may be a mount, and moves it into
// place with the proof last.
func (s postgresServer) initialise(a postgresAccount) error {
	fresh := filepath.Join(s.directory.path, ".testbed-new")
	password, err := inheritedFile([]byte(a.password + "\n"))
	if err != nil {
		return err
	}
	initdb := s.program("initdb", "--pgdata="+fresh, "--username="+a.user, "--pwfile="+password,
		"--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	if err := initdb.Run(); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	if err := appendLine(filepath.Join(fresh, "pg_hba.conf"), "host all all all scram-sha-256"); err != nil {
		return err
	}
	if a.database != "postgres" {
		create := s.program("postgres", "--single", "-D", fresh, "-c", "fsync=off", "postgres")
		create.Stdin = strings.NewReader(createDatabase(a.database) + "\n")
		if err := create.Run(); err != nil {
			return fmt.Errorf("creating database %s: %w", a.database, err)
		}
	}
	return s.directory.adopt(fresh)
}

// createDatabase is one line, as the single-user server reads it.
func createDatabase(name string) string {
	return `CREATE DATABASE "` + strings.ReplaceAll(name, `"`, `""`) + `";`
}

// adopt moves everything of a directory below this one up into it, the proof last, and takes off the mark.
func (d dataDirectory) adopt(fresh string) error {
	entries, err := os.ReadDir(fresh)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == d.proof {
			continue
		}
		if err := os.Rename(filepath.Join(fresh, entry.Name()), filepath.Join(d.path, entry.Name())); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(fresh, d.proof), filepath.Join(d.path, d.proof)); err != nil {
		return err
	}
	if err := os.Remove(fresh); err != nil {
		return err
	}
	return os.Remove(filepath.Join(d.path, firstStart))
}

// line is the server's arguments: for little memory, then the container's, which win. There is no Unix socket:
// after a kill its lock file would stop a server that keeps its /tmp.
// Without fsync the data of a killed server are whole; only a crash of the machine would lose them.
func (s postgresServer) line() []string {
	own := []string{
		"-D", s.directory.path, "-c", "listen_addresses=0.0.0.0", "-c", "unix_socket_directories=",
		"-c", "shared_buffers=16MB", "-c", "fsync=off", "-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB",
	}
	return append(own, s.arguments...)
}

// program is one of PostgreSQL's programs with its output on standard error. As root it runs in a user namespace
// of its own, as nobody, who is the same user outside: files keep their owner. It dies with this process.
func (s postgresServer) program(name string, arguments ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.home, "bin", name), arguments...)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(s.home, "lib"))
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		command.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
	}
	return command
}

// appendLine adds a line to a text file.
func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, line)
	return errors.Join(err, file.Close())
}
