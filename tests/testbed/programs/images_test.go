// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package programs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var testFamily = mysqlFamily{prefixes: []string{"MARIADB", "MYSQL"}, emptyRoot: []string{"ALLOW_EMPTY"}}

func TestMySQLAccounts(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		want        accounts
		fault       string
	}{
		"all": {
			environment: map[string]string{
				"MYSQL_ROOT_PASSWORD": "r", "MYSQL_DATABASE": "d", "MYSQL_USER": "u", "MARIADB_PASSWORD": "p",
			},
			want: accounts{rootPassword: "r", database: "d", user: "u", password: "p"},
		},
		"empty root password": {environment: map[string]string{"ALLOW_EMPTY": "yes"}},
		"no root password": {
			fault: "database is uninitialized and password option is not specified: MARIADB_ROOT_PASSWORD or ALLOW_EMPTY",
		},
		"root as user": {
			environment: map[string]string{"ALLOW_EMPTY": "1", "MYSQL_USER": "root", "MYSQL_PASSWORD": "p"},
			fault:       "MARIADB_USER=\"root\": MARIADB_USER and MARIADB_PASSWORD are for a regular user, not for root",
		},
		"user without password": {
			environment: map[string]string{"ALLOW_EMPTY": "1", "MYSQL_USER": "u"},
			fault:       "MARIADB_USER and MARIADB_PASSWORD go together",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := testFamily.accounts(fakeSettings(test.environment, nil))
			if got != test.want || faultOf(err) != test.fault {
				t.Errorf("got %+v, %v; want %+v, %q", got, err, test.want, test.fault)
			}
		})
	}
}

func TestPostgresAccount(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		want        postgresAccount
		directory   string
		fault       string
	}{
		"password alone": {
			environment: map[string]string{"POSTGRES_PASSWORD": "p"},
			want:        postgresAccount{"postgres", "p", "postgres"},
			directory:   "/var/lib/postgresql/data",
		},
		"database like user": {
			environment: map[string]string{"POSTGRES_PASSWORD": "p", "POSTGRES_USER": "u", "PGDATA": "/d"},
			want:        postgresAccount{"u", "p", "u"},
			directory:   "/d",
		},
		"sclorg": {
			environment: map[string]string{
				"POSTGRESQL_PASSWORD": "p", "POSTGRESQL_USER": "u", "POSTGRESQL_DATABASE": "d",
			},
			want:      postgresAccount{"u", "p", "d"},
			directory: "/var/lib/pgsql/data/userdata",
		},
		"no password": {
			directory: "/var/lib/postgresql/data",
			fault:     "database is uninitialized and superuser password is not specified: POSTGRES_PASSWORD",
		},
		"line break": {
			environment: map[string]string{"POSTGRES_PASSWORD": "p\nq"},
			directory:   "/var/lib/postgresql/data",
			fault:       "a line break in POSTGRES_PASSWORD or POSTGRES_DB",
		},
	} {
		t.Run(name, func(t *testing.T) {
			from := fakeSettings(test.environment, nil)
			got, err := readPostgresAccount(from)
			if got != test.want || faultOf(err) != test.fault {
				t.Errorf("got %+v, %v; want %+v, %q", got, err, test.want, test.fault)
			}
			if directory, err := postgresDirectory(from); directory != test.directory || err != nil {
				t.Errorf("got %s, %v; want %s", directory, err, test.directory)
			}
		})
	}
}

func TestCreateDatabase(t *testing.T) {
	if got, want := createDatabase(`a"b`), `CREATE DATABASE "a""b";`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHomeArgument(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []string
		home      string
		rest      []string
		fault     bool
	}{
		"two words": {arguments: []string{"--home", "/h", "--home", "x"}, home: "/h", rest: []string{"--home", "x"}},
		"one word":  {arguments: []string{"--home=/h/../i"}, home: "/i"},
		"missing":   {arguments: []string{"--port=1", "--home=/h"}, fault: true},
		"cut off":   {arguments: []string{"--home"}, fault: true},
	} {
		t.Run(name, func(t *testing.T) {
			home, rest, err := homeArgument(test.arguments)
			if home != test.home || !slices.Equal(rest, test.rest) || (err != nil) != test.fault {
				t.Errorf("got %s, %q, %v", home, rest, err)
			}
		})
	}
}

func TestDataDirectory(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		first bool
		left  []string
	}{
		"absent":       {first: true, left: []string{firstStart}},
		"unfinished":   {files: []string{firstStart, "half"}, first: true, left: []string{firstStart}},
		"finished":     {files: []string{firstStart, "half", "proof"}, left: []string{"half", "proof"}},
		"served again": {files: []string{"half", "proof"}, left: []string{"half", "proof"}},
		"another's":    {files: []string{"theirs"}, left: []string{"theirs"}},
	} {
		t.Run(name, func(t *testing.T) {
			directory := dataDirectory{filepath.Join(t.TempDir(), "data"), "proof"}
			for _, file := range test.files {
				path := filepath.Join(directory.path, file)
				if err := os.MkdirAll(directory.path, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			first, err := directory.needsFirstStart(func() error { return nil })
			entries, _ := os.ReadDir(directory.path)
			var left []string
			for _, entry := range entries {
				left = append(left, entry.Name())
			}
			if first != test.first || err != nil || !slices.Equal(left, test.left) {
				t.Errorf("got %v, %v, %q", first, err, left)
			}
		})
	}
}

func TestBadSettingsLeaveTheDataDirectoryAlone(t *testing.T) {
	directory := dataDirectory{t.TempDir(), "proof"}
	if _, err := directory.needsFirstStart(func() error { return os.ErrInvalid }); err != os.ErrInvalid {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(directory.path); len(entries) != 0 {
		t.Errorf("got %v", entries)
	}
}
