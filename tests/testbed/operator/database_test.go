// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Tables of databases and the arguments, environment and files that they become.

package operator

import (
	"slices"
	"testing"

	"k8s.io/utils/ptr"
)

func registryWith(kind string, db databaseSpec) *registry {
	r := &registry{Name: "x", Namespace: "n"}
	r.Spec.Rest.Port = 8080
	r.Spec.GRPC.Port = 9090
	if kind == "mysql" {
		r.Spec.MySQL = &db
	} else {
		r.Spec.Postgres = &db
	}
	return r
}

func TestDatabaseArgs(t *testing.T) {
	password := &keyRef{Name: "s", Key: "database-password"}
	for name, test := range map[string]struct {
		kind string
		db   databaseSpec
		want []string
	}{
		"mysql without password": {"mysql",
			databaseSpec{Host: "h", Port: 3306, Username: "u", Database: "d"},
			[]string{
				"--embedmd-database-type=mysql",
				"--embedmd-database-dsn=u@tcp(h:3306)/d?charset=utf8mb4",
			}},
		"mysql with password, CA from a ConfigMap, verified": {"mysql",
			databaseSpec{Host: "h", Port: 3307, Username: "u", Database: "d", PasswordSecret: password,
				SSLRootCertificateConfigMap: &keyRef{"c", "ca.crt"}, VerifyServerCert: ptr.To(true)},
			[]string{
				"--embedmd-database-type=mysql",
				"--embedmd-database-dsn=u:$(MYSQL_PASSWORD)@tcp(h:3307)/d?charset=utf8mb4",
				"--embedmd-database-ssl-root-cert=/etc/mysql_ssl_rootcert/ca.crt",
				"--embedmd-database-ssl-verify-server-cert=true",
			}},
		"mysql with client certificate, CA from a Secret, cipher, unverified": {"mysql",
			databaseSpec{Host: "h", Port: 3306, Username: "u", Database: "d",
				SSLCertificateSecret: &keyRef{"c", "tls.crt"}, SSLKeySecret: &keyRef{"k", "tls.key"},
				SSLRootCertificateSecret: &keyRef{"r", "ca.pem"}, SSLCipher: "X", VerifyServerCert: ptr.To(false)},
			[]string{
				"--embedmd-database-type=mysql",
				"--embedmd-database-dsn=u@tcp(h:3306)/d?charset=utf8mb4",
				"--embedmd-database-ssl-cert=/etc/mysql_ssl_cert/tls.crt",
				"--embedmd-database-ssl-key=/etc/mysql_ssl_key/tls.key",
				"--embedmd-database-ssl-root-cert=/etc/mysql_ssl_rootcert/ca.pem",
				"--embedmd-database-ssl-cipher=X",
				"--embedmd-database-ssl-verify-server-cert=false",
			}},
		"mysql with the broken list of CAs": {"mysql",
			databaseSpec{Host: "h", Port: 3306, Username: "u", Database: "d", SSLRootCertificatesSecretName: "all"},
			[]string{
				"--embedmd-database-type=mysql",
				"--embedmd-database-dsn=u@tcp(h:3306)/d?charset=utf8mb4",
				"--embedmd-database-ssl-ca=/etc/mysql_ssl_rootcerts/",
			}},
		"postgres": {"postgres",
			databaseSpec{Host: "h", Port: 5432, Username: "u", Database: "d", PasswordSecret: password, SSLMode: "verify-full",
				SSLRootCertificateConfigMap: &keyRef{"c", "ca.crt"}},
			[]string{
				"--embedmd-database-type=postgres",
				"--embedmd-database-dsn=postgresql://u:$(POSTGRES_PASSWORD)@h:5432/d?sslmode=verify-full",
				"--embedmd-database-ssl-root-cert=/etc/postgres_ssl_rootcert/ca.crt",
			}},
		"postgres by address without password": {"postgres",
			databaseSpec{HostAddress: "10.0.0.1", Port: 5432, Username: "u", Database: "d"},
			[]string{
				"--embedmd-database-type=postgres",
				"--embedmd-database-dsn=postgresql://u@10.0.0.1:5432/d",
			}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := databaseArgs(registryWith(test.kind, test.db)); !slices.Equal(got, test.want) {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestDatabaseFiles(t *testing.T) {
	r := registryWith("mysql", databaseSpec{
		SSLCertificateSecret:        &keyRef{"c", "tls.crt"},
		SSLKeySecret:                &keyRef{"k", "tls.key"},
		SSLRootCertificateConfigMap: &keyRef{"m", "ca.crt"},
	})
	var got []string
	for i, volume := range databaseVolumes(r) {
		mount := databaseMounts(r)[i]
		source := ""
		switch {
		case volume.Secret != nil:
			source = "secret " + volume.Secret.SecretName
		case volume.ConfigMap != nil:
			source = "configmap " + volume.ConfigMap.Name
		}
		if mount.Name != volume.Name || !mount.ReadOnly {
			t.Errorf("volume %s is mounted as %s, read-only %t", volume.Name, mount.Name, mount.ReadOnly)
		}
		got = append(got, source+" at "+mount.MountPath)
	}
	want := []string{
		"secret c at /etc/mysql_ssl_cert",
		"secret k at /etc/mysql_ssl_key",
		"configmap m at /etc/mysql_ssl_rootcert",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDatabaseEnv(t *testing.T) {
	db := databaseSpec{PasswordSecret: &keyRef{"s", "p"}, SSLPasswordSecret: &keyRef{"t", "q"}}
	for kind, want := range map[string][]string{
		"mysql":    {"MYSQL_PASSWORD=s/p"},
		"postgres": {"POSTGRES_PASSWORD=s/p", "POSTGRES_SSLPASSWORD=t/q"},
	} {
		var got []string
		for _, variable := range databaseEnv(registryWith(kind, db)) {
			ref := variable.ValueFrom.SecretKeyRef
			got = append(got, variable.Name+"="+ref.Name+"/"+ref.Key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
	}
}

func TestGRPCArgs(t *testing.T) {
	got := grpcArgs(registryWith("mysql", databaseSpec{
		Host: "h", Port: 3306, Username: "u", Database: "d", PasswordSecret: &keyRef{"s", "p"},
	}))
	want := []string{
		"--grpc_port=9090",
		"--metadata_source_config_type=mysql",
		"--mysql_config_host=h",
		"--mysql_config_port=3306",
		"--mysql_config_database=d",
		"--mysql_config_user=u",
		"--mysql_config_password=$(MYSQL_PASSWORD)",
		"--mysql_config_skip_db_creation=false",
		"--enable_database_upgrade=true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func TestNoDatabase(t *testing.T) {
	r := &registry{Name: "x"}
	if len(databaseArgs(r))+len(databaseEnv(r))+len(databaseVolumes(r))+len(databaseMounts(r))+len(grpcArgs(r)) != 0 {
		t.Error("a registry without a database has traces of one")
	}
}
