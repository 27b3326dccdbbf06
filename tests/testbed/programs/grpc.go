// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// A double of ML Metadata's server, the grpc-container of registries up to OpenShift AI 2.22, and of the registry server
// that works through it. It logs in to the database, and then tells the server beside it how to do so itself.

package programs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
)

// mlmdDatabase is ML Metadata's configuration: mysql_config_… and postgres_config_… alike.
type mlmdDatabase struct {
	kind, host, user, password, sslmode string
	port                                uint16
	database, dbname                    string
	certificate, key, authority         string
}

// access is what the double answers: how to reach the database, and the files for that, by the option that names them.
type access struct {
	Arguments []string
	Files     map[string][]byte
}

// mlmdPatience is how long a server waits for ML Metadata, and how long that tries its database.
const mlmdPatience = 30 * time.Second

// GRPCCommand is the "grpc" program. It speaks no gRPC: to each connection it writes an access. Other flags of the real
// server are accepted and ignored.
func GRPCCommand() *cobra.Command {
	var port uint16
	var db mlmdDatabase
	command := &cobra.Command{
		Use:                "grpc [--grpc_port PORT] [--metadata_source_config_type mysql]",
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		SilenceUsage:       true,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := db.login(command.Context()); err != nil {
				return errors.New(failure(err))
			}
			found, err := db.access()
			if err != nil {
				return err
			}
			return serveTCP(command.Context(), fmt.Sprintf(":%d", port), func(client *net.TCPConn) error {
				_ = json.NewEncoder(client).Encode(found) // a probe does not listen
				return nil
			})
		},
	}
	flags := command.Flags()
	flags.Uint16Var(&port, "grpc_port", 9090, "port to listen on")
	flags.StringVar(&db.kind, "metadata_source_config_type", "", "mysql or postgresql")
	for _, prefix := range []string{"mysql_config_", "postgres_config_"} {
		flags.StringVar(&db.host, prefix+"host", "", "of the database")
		flags.Uint16Var(&db.port, prefix+"port", 0, "of the database")
		flags.StringVar(&db.user, prefix+"user", "", "to log in as")
		flags.StringVar(&db.password, prefix+"password", "", "to log in with")
		flags.StringVar(&db.sslmode, prefix+"sslmode", "", "PostgreSQL's")
		flags.StringVar(&db.certificate, prefix+"sslcert", "", "file of a client certificate")
		flags.StringVar(&db.key, prefix+"sslkey", "", "file of its key")
		flags.StringVar(&db.authority, prefix+"sslrootcert", "", "file of a certificate authority")
	}
	flags.StringVar(&db.database, "mysql_config_database", "", "name of the database")
	flags.StringVar(&db.dbname, "postgres_config_dbname", "", "name of the database")
	return command
}

// dsn is the database as the registry server takes it.
func (d mlmdDatabase) dsn() string {
	if d.kind == "mysql" {
		return fmt.Sprintf("%s:%s@tcp(%s:%d)/%s?charset=utf8mb4", d.user, d.password, d.host, d.port, d.database)
	}
	return fmt.Sprintf("postgresql://%s:%s@%s:%d/%s?sslmode=%s", d.user, d.password, d.host, d.port, d.dbname, cmp.Or(d.sslmode, "disable"))
}

func (d mlmdDatabase) access() (access, error) {
	kind := "postgres"
	if d.kind == "mysql" {
		kind = "mysql"
	}
	found := access{[]string{"--embedmd-database-type=" + kind, "--embedmd-database-dsn=" + d.dsn()}, map[string][]byte{}}
	for option, path := range map[string]string{"cert": d.certificate, "key": d.key, "root-cert": d.authority} {
		if path == "" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return access{}, err
		}
		found.Files["--embedmd-database-ssl-"+option] = content
	}
	return found, nil
}

// login is nil where the database lets this account in.
func (d mlmdDatabase) login(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mlmdPatience)
	defer cancel()
	if d.kind != "mysql" {
		connection, err := pgx.Connect(ctx, d.dsn())
		if err != nil {
			return err
		}
		return connection.Close(ctx)
	}
	config, err := mysql.ParseDSN(d.dsn())
	if err != nil {
		return err
	}
	if config.TLS, err = d.tls(); err != nil {
		return err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	connection, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	return connection.Close()
}

// tls encrypts where any certificate is given; the authority is checked, the server's name is not.
func (d mlmdDatabase) tls() (*tls.Config, error) {
	if d.authority == "" && d.certificate == "" {
		return nil, nil
	}
	config := &tls.Config{InsecureSkipVerify: true}
	if d.certificate != "" {
		pair, err := tls.LoadX509KeyPair(d.certificate, d.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if d.authority == "" {
		return config, nil
	}
	pem, err := os.ReadFile(d.authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		certificate, err := x509.ParseCertificate(raw[0])
		if err == nil {
			_, err = certificate.Verify(x509.VerifyOptions{Roots: roots})
		}
		return err
	}
	return config, nil
}

// failure is a login's as ML Metadata writes it, whatever the database is.
func failure(err error) string {
	return fmt.Sprintf("Check failed: absl::OkStatus() == status (OK vs. INTERNAL: mysql_real_connect failed: errno: %d, error: %s "+
		"[mysql-error-info='']) MetadataStore cannot be created with the given connection config.", errorNumber(err), errorText(err))
}

// errorNumber is MySQL's; 2003 is its client's own for a server that is not reached.
func errorNumber(err error) uint16 {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		return refused.Number
	}
	return 2003
}

func errorText(err error) string {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		return refused.Message
	}
	var denied *pgconn.PgError
	if errors.As(err, &denied) {
		return denied.Message
	}
	// One line, and without the parentheses at which the operator would stop reading.
	return strings.NewReplacer("\n", " ", "(", "", ")", "").Replace(err.Error())
}
