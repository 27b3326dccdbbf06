// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package programs

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// Every failure of a login is one that the operator can read; this is its pattern.
func TestFailure(t *testing.T) {
	pattern := regexp.MustCompile(`Check failed: absl::OkStatus\(\) == status \(OK vs\. ([^)]+)\) (.*)`)
	for want, err := range map[string]error{
		"errno: 1045, error: Access denied (using password: YES": &mysql.MySQLError{Number: 1045, Message: "Access denied (using password: YES)"},
		"error: password authentication failed":                  &pgconn.PgError{Message: "password authentication failed"},
		"error: h:1 1.2.3.4: connection refused":                 errors.New("h:1 (1.2.3.4):\nconnection refused"),
	} {
		found := pattern.FindStringSubmatch(failure(err))
		if found == nil || !strings.Contains(found[1], want) {
			t.Errorf("%v: got %q, want %q", err, found, want)
		}
	}
}
