// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package programs

import (
	"slices"
	"strings"
	"testing"
)

func TestQuoting(t *testing.T) {
	for _, test := range []struct {
		quote    func(string) string
		in, want string
	}{
		{quoteString, "a", "'a'"},
		{quoteString, "it's", "'it''s'"},
		{quoteString, "\\'; DROP", "'\\\\''; DROP'"},
		{quoteString, "a\nb\r\x00\x1a", "'a\\nb\\r\\0\\Z'"},
		{quoteString, "ä€\"`", "'ä€\"`'"},
		{quoteName, "a`b\\", "`a``b\\`"},
		{quoteGrantPattern, "my_d%`", "`my\\_d\\%```"},
	} {
		if got := test.quote(test.in); got != test.want {
			t.Errorf("%q: got %s, want %s", test.in, got, test.want)
		}
	}
}

func TestSplitSQL(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		want   []string
		fault  string
	}{
		"empty":             {script: " \n;;\n"},
		"last unterminated": {script: "SELECT 1;\nSELECT\n 2", want: []string{"SELECT 1", "SELECT  2"}},
		"semicolons quoted": {
			script: "SELECT ';', \"a;\", `b;`; SELECT 'it''s;', '\\';';",
			want:   []string{"SELECT ';', \"a;\", `b;`", "SELECT 'it''s;', '\\';'"},
		},
		"line breaks quoted": {
			script: "SELECT 'a\nb', \"c\\\nd\", 'e\\\\\nf'",
			want:   []string{"SELECT 'a\\nb', \"c\\nd\", 'e\\\\\\nf'"},
		},
		"comments": {
			script: "-- it's\nSELECT 1 # no;\n, 2 /* ; ' */ ;--\nSELECT 3--4",
			want:   []string{"SELECT 1   , 2", "SELECT 3--4"},
		},
		"executed comment": {script: "/*!40101 SET NAMES\nutf8 */;", want: []string{"/*!40101 SET NAMES utf8 */"}},
		"unterminated":     {script: "SELECT 'a;", fault: "unterminated quote or comment: \"'a;\""},
		"open comment":     {script: "/* a;", fault: "unterminated quote or comment: \"/* a;\""},
		"name of lines":    {script: "USE `a\nb`", fault: "a name with a line break: \"`a\\nb`\""},
		"delimiter": {
			script: "delimiter //\nSELECT 1 //",
			fault:  "DELIMITER is a command of the mysql client, not of the server",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := splitSQL(test.script)
			if !slices.Equal(got, test.want) || faultOf(err) != test.fault {
				t.Errorf("got %q, %v; want %q, %q", got, err, test.want, test.fault)
			}
		})
	}
}

func TestFirstStartSQL(t *testing.T) {
	proof := "CREATE TABLE mysql.testbed_first_start_completed (x INT) ENGINE=MyISAM;\n"
	root := "CREATE USER 'root'@'%' IDENTIFIED BY 'r''\\\\';\n" +
		"GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;\n" +
		"ALTER USER 'root'@'localhost' IDENTIFIED BY 'r''\\\\';\n"
	for name, test := range map[string]struct {
		accounts accounts
		scripts  []string
		want     string
		fault    string
	}{
		"root alone": {
			accounts: accounts{rootPassword: "r'\\"},
			want: "SET NAMES utf8mb4;\nSET SESSION sql_mode = '';\n" + root +
				"SET SESSION sql_mode = @@GLOBAL.sql_mode;\n" + proof,
		},
		"all": {
			accounts: accounts{rootPassword: "r'\\", database: "my_db", user: "u", password: "p\n"},
			scripts:  []string{"CREATE TABLE t\n(a INT);", "SELECT 1"},
			want: "SET NAMES utf8mb4;\nSET SESSION sql_mode = '';\n" + root +
				"CREATE DATABASE IF NOT EXISTS `my_db`;\n" +
				"CREATE USER 'u'@'%' IDENTIFIED BY 'p\\n';\n" +
				"GRANT ALL ON `my\\_db`.* TO 'u'@'%';\n" +
				"SET SESSION sql_mode = @@GLOBAL.sql_mode;\nUSE `my_db`;\n" +
				"CREATE TABLE t (a INT);\nSELECT 1;\n" + proof,
		},
		"database of lines": {
			accounts: accounts{database: "a\nb"},
			fault:    "the database's name contains a line break",
		},
		"bad script": {scripts: []string{"'"}, fault: "unterminated quote or comment: \"'\""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := firstStartSQL(test.accounts, test.scripts)
			if string(got) != test.want || faultOf(err) != test.fault {
				t.Errorf("got\n%s%v; want\n%s%s", got, err, test.want, test.fault)
			}
			for line := range strings.Lines(string(got)) {
				if !strings.HasSuffix(line, ";\n") {
					t.Errorf("not a statement: %q", line)
				}
			}
		})
	}
}
