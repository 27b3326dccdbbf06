// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The SQL that makes a new MySQL or MariaDB server's accounts, in the form that --init-file takes.

package programs

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// accounts are what a database image makes at its first start.
type accounts struct {
	rootPassword             string
	database, user, password string
}

// completed is a table whose file shows that a first start's SQL ran to its end, since it is made last.
// MyISAM keeps it in a file of its own whatever the options of InnoDB are.
const completed = "testbed_first_start_completed"

// quoteString writes a string literal for a session without NO_BACKSLASH_ESCAPES, on one line.
func quoteString(s string) string {
	return "'" + strings.NewReplacer(
		"\\", "\\\\", "'", "''", "\n", "\\n", "\r", "\\r", "\x00", "\\0", "\x1a", "\\Z",
	).Replace(s) + "'"
}

// quoteName writes an identifier; in backticks nothing but a backtick has a meaning, in every SQL mode.
func quoteName(s string) string {
	return "`" + strings.ReplaceAll(s, "`", "``") + "`"
}

// quoteGrantPattern writes a database's name for GRANT, where _ and % would be wildcards.
func quoteGrantPattern(s string) string {
	return quoteName(strings.NewReplacer("_", "\\_", "%", "\\%").Replace(s))
}

// firstStartSQL is the whole init file: accounts, then the user's scripts, one statement a line.
//
// Accounts are made under an empty SQL mode, where quoteString is right; the scripts run under the server's
// own, with the new database selected, as the images do.
// A script's error ends the init file (the server logs it and goes on), so the proof at its end stays away.
func firstStartSQL(a accounts, scripts []string) ([]byte, error) {
	if strings.ContainsAny(a.database, "\x00\r\n") {
		return nil, errors.New("the database's name contains a line break")
	}
	statements := append([]string{"SET NAMES utf8mb4", "SET SESSION sql_mode = ''"}, a.statements()...)
	statements = append(statements, "SET SESSION sql_mode = @@GLOBAL.sql_mode")
	if a.database != "" {
		statements = append(statements, "USE "+quoteName(a.database))
	}
	for _, script := range scripts {
		more, err := splitSQL(script)
		if err != nil {
			return nil, err
		}
		statements = append(statements, more...)
	}
	statements = append(statements, "CREATE TABLE mysql."+completed+" (x INT) ENGINE=MyISAM")
	return []byte(strings.Join(statements, ";\n") + ";\n"), nil
}

// statements make the accounts; an empty root password is what the server starts with for root@localhost.
func (a accounts) statements() []string {
	root := quoteString(a.rootPassword)
	statements := []string{
		"CREATE USER 'root'@'%' IDENTIFIED BY " + root,
		"GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION",
		"ALTER USER 'root'@'localhost' IDENTIFIED BY " + root,
	}
	if a.database != "" {
		statements = append(statements, "CREATE DATABASE IF NOT EXISTS "+quoteName(a.database))
	}
	if a.user != "" {
		user := quoteString(a.user) + "@'%'"
		statements = append(statements, "CREATE USER "+user+" IDENTIFIED BY "+quoteString(a.password))
		if a.database != "" {
			statements = append(statements, "GRANT ALL ON "+quoteGrantPattern(a.database)+".* TO "+user)
		}
	}
	return statements
}

// delimiter is the mysql client's own command, which no server knows.
var delimiter = regexp.MustCompile(`(?i)^delimiter\b`)

// splitSQL cuts a script into its statements, each on one line and without comments.
// What a server executes inside /*! */ stays. The server reads at most some 20,000 bytes a statement.
func splitSQL(script string) ([]string, error) {
	var statements []string
	var current strings.Builder
	finish := func() error {
		statement := strings.TrimSpace(current.String())
		current.Reset()
		if delimiter.MatchString(statement) {
			return errors.New("DELIMITER is a command of the mysql client, not of the server")
		}
		if statement != "" {
			statements = append(statements, statement)
		}
		return nil
	}
	for rest := script; rest != ""; {
		token, kind := nextToken(rest)
		rest = rest[len(token):]
		switch kind {
		case tokenEnd:
			if err := finish(); err != nil {
				return nil, err
			}
		case tokenSpace:
			current.WriteByte(' ')
		case tokenBroken:
			return nil, fmt.Errorf("unterminated quote or comment: %.40q", token)
		case tokenQuoted:
			if token[0] == '`' && strings.ContainsAny(token, "\r\n") {
				return nil, fmt.Errorf("a name with a line break: %.40q", token)
			}
			current.WriteString(lineBreaks.Replace(token))
		case tokenText:
			current.WriteString(token)
		}
	}
	return statements, finish()
}

// lineBreaks writes the line breaks of a string literal as escapes; an escaped one stands for itself.
var lineBreaks = strings.NewReplacer("\\\\", "\\\\", "\\\n", "\\n", "\\\r", "\\r", "\n", "\\n", "\r", "\\r")

type tokenKind int

const (
	tokenText   tokenKind = iota // one byte that means nothing here
	tokenSpace                   // a line break or a comment
	tokenQuoted                  // a string or a quoted name
	tokenEnd                     // the semicolon after a statement
	tokenBroken                  // a quote or comment without an end
)

var (
	quotes = map[byte]*regexp.Regexp{
		'\'': regexp.MustCompile(`(?s)^'(?:[^'\\]|\\.)*'`),
		'"':  regexp.MustCompile(`(?s)^"(?:[^"\\]|\\.)*"`),
		'`':  regexp.MustCompile("(?s)^`[^`]*`"),
	}
	lineComment  = regexp.MustCompile(`^(?:#[^\n]*|--(?:[^\S\n][^\n]*)?(?:\n|$))`)
	blockComment = regexp.MustCompile(`(?s)^/\*.*?\*/`)
	executed     = regexp.MustCompile(`^/\*(?:M?!|\+)`)
)

// nextToken is the token that a non-empty text begins with; a doubled quote is two quoted tokens in a row.
func nextToken(text string) (string, tokenKind) {
	if quoted, ok := quotes[text[0]]; ok {
		if token := quoted.FindString(text); token != "" {
			return token, tokenQuoted
		}
		return text, tokenBroken
	}
	if comment := lineComment.FindString(text); comment != "" {
		return comment, tokenSpace
	}
	if strings.HasPrefix(text, "/*") && !executed.MatchString(text) {
		if comment := blockComment.FindString(text); comment != "" {
			return comment, tokenSpace
		}
		return text, tokenBroken
	}
	switch text[0] {
	case ';':
		return text[:1], tokenEnd
	case '\n', '\r':
		return text[:1], tokenSpace
	}
	return text[:1], tokenText
}
