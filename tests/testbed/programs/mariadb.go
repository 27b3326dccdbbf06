// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The entry point of the MariaDB image, for a server unpacked into a directory.

package programs

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// MariaDBCommand is the "mariadb" program: what the official image's entry point does.
func MariaDBCommand() *cobra.Command {
	return mysqlFamily{
		name:     "mariadb",
		prefixes: []string{"MARIADB", "MYSQL"},
		emptyRoot: []string{
			"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD", "MYSQL_ALLOW_EMPTY_PASSWORD",
		},
		server: "bin/mariadbd",
		options: []string{
			"--aria-pagecache-buffer-size=8M",
			// As in the configuration file that the image comes with; the server's own default is latin1.
			"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
		},
		initialise: bootstrapMariaDB,
	}.command()
}

// bootstrapMariaDB makes the system tables as mariadb-install-db does, without help texts and test database.
func bootstrapMariaDB(s mysqlServer) error {
	input := []string{"CREATE DATABASE IF NOT EXISTS mysql;", "USE mysql;", "SET @auth_root_socket=NULL;"}
	for _, name := range []string{
		"mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data",
		"maria_add_gis_sp_bootstrap", "mysql_sys_schema",
	} {
		content, err := os.ReadFile(filepath.Join(s.home, "share", name+".sql"))
		if err != nil {
			return err
		}
		input = append(input, string(content))
	}
	// Root accounts without a password, which the image does not have either.
	for _, table := range []string{"global_priv", "proxies_priv"} {
		input = append(input, "DELETE FROM mysql."+table+" WHERE Host <> 'localhost';")
	}
	return s.run(strings.Join(input, "\n"),
		"--bootstrap", "--max-allowed-packet=8M", "--net-buffer-length=16K", "--log-warnings=0")
}
