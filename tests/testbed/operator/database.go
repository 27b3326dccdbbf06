// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// How a database of the spec becomes arguments, environment and files of the servers.

package operator

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// database is the one the servers use: postgres where both are given, as the real operator has it;
// nil for a registry without any, which only a registry past the webhook can be.
func (r *registry) database() (kind string, db *databaseSpec) {
	if r.Spec.Postgres != nil {
		return "postgres", r.Spec.Postgres
	}
	return "mysql", r.Spec.MySQL
}

func databaseArgs(r *registry) []string {
	kind, db := r.database()
	if db == nil {
		return nil
	}
	dsn := mysqlDSN
	if kind == "postgres" {
		dsn = postgresDSN
	}
	args := []string{
		"--embedmd-database-type=" + kind,
		"--embedmd-database-dsn=" + dsn(db),
	}
	if ref := db.SSLCertificateSecret; ref != nil {
		args = append(args, fmt.Sprintf("--embedmd-database-ssl-cert=/etc/%s_ssl_cert/%s", kind, ref.Key))
	}
	if ref := db.SSLKeySecret; ref != nil {
		args = append(args, fmt.Sprintf("--embedmd-database-ssl-key=/etc/%s_ssl_key/%s", kind, ref.Key))
	}
	if ref := cmp.Or(db.SSLRootCertificateConfigMap, db.SSLRootCertificateSecret); ref != nil {
		args = append(args, fmt.Sprintf("--embedmd-database-ssl-root-cert=/etc/%s_ssl_rootcert/%s", kind, ref.Key))
	}
	if cmp.Or(db.SSLRootCertificatesConfigMapName, db.SSLRootCertificatesSecretName) != "" {
		// The server knows no such flag and refuses to start: broken in the real operator, too.
		args = append(args, "--embedmd-database-ssl-ca=/etc/mysql_ssl_rootcerts/")
	}
	if db.SSLCipher != "" {
		args = append(args, "--embedmd-database-ssl-cipher="+db.SSLCipher)
	}
	if db.VerifyServerCert != nil {
		args = append(args, fmt.Sprintf("--embedmd-database-ssl-verify-server-cert=%t", *db.VerifyServerCert))
	}
	return args
}

func mysqlDSN(db *databaseSpec) string {
	user := db.Username
	if db.PasswordSecret != nil {
		user += ":$(MYSQL_PASSWORD)"
	}
	return fmt.Sprintf("%s@tcp(%s:%d)/%s?charset=utf8mb4", user, db.Host, db.Port, db.Database)
}

// postgresDSN puts the password into a URL unescaped, as the real operator does.
func postgresDSN(db *databaseSpec) string {
	user := db.Username
	if db.PasswordSecret != nil {
		user += ":$(POSTGRES_PASSWORD)"
	}
	dsn := fmt.Sprintf("postgresql://%s@%s:%d/%s", user, cmp.Or(db.Host, db.HostAddress), db.Port, db.Database)
	if db.SSLMode != "" {
		dsn += "?sslmode=" + db.SSLMode
	}
	return dsn
}

// grpcArgs are ML Metadata's own names for the same database.
func grpcArgs(r *registry) []string {
	kind, db := r.database()
	if db == nil {
		return nil
	}
	flag := func(name string, value any) string { return fmt.Sprintf("--%s_config_%s=%v", kind, name, value) }
	name, source, password := "database", "mysql", "$(MYSQL_PASSWORD)"
	if kind == "postgres" {
		name, source, password = "dbname", "postgresql", "$(POSTGRES_PASSWORD)"
	}
	args := []string{
		fmt.Sprintf("--grpc_port=%d", r.Spec.GRPC.Port),
		"--metadata_source_config_type=" + source,
		flag("host", cmp.Or(db.Host, db.HostAddress)),
		flag("port", db.Port),
		flag(name, db.Database),
		flag("user", db.Username),
	}
	if db.PasswordSecret != nil {
		args = append(args, flag("password", password))
	}
	args = append(args, flag("skip_db_creation", db.SkipDBCreation))
	if kind == "postgres" {
		args = append(args, flag("sslmode", db.SSLMode))
	}
	if ref := db.SSLCertificateSecret; ref != nil {
		args = append(args, flag("sslcert", fmt.Sprintf("/etc/%s_ssl_cert/%s", kind, ref.Key)))
	}
	if ref := db.SSLKeySecret; ref != nil {
		args = append(args, flag("sslkey", fmt.Sprintf("/etc/%s_ssl_key/%s", kind, ref.Key)))
	}
	if ref := cmp.Or(db.SSLRootCertificateConfigMap, db.SSLRootCertificateSecret); ref != nil {
		args = append(args, flag("sslrootcert", fmt.Sprintf("/etc/%s_ssl_rootcert/%s", kind, ref.Key)))
	}
	return append(args, "--enable_database_upgrade=true")
}

func databaseEnv(r *registry) []corev1.EnvVar {
	kind, db := r.database()
	if db == nil {
		return nil
	}
	if kind == "mysql" {
		return secretEnv("MYSQL_PASSWORD", db.PasswordSecret)
	}
	return append(secretEnv("POSTGRES_PASSWORD", db.PasswordSecret), secretEnv("POSTGRES_SSLPASSWORD", db.SSLPasswordSecret)...)
}

func secretEnv(name string, ref *keyRef) []corev1.EnvVar {
	if ref == nil {
		return nil
	}
	return []corev1.EnvVar{{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Key: ref.Key,
	}}}}
}

// databaseVolumes hold the certificates, each object as a directory of its own.
func databaseVolumes(r *registry) []corev1.Volume {
	kind, db := r.database()
	if db == nil {
		return nil
	}
	var all []corev1.Volume
	if ref := db.SSLCertificateSecret; ref != nil {
		all = append(all, secretVolume(kind+"-ssl-cert", ref.Name))
	}
	if ref := db.SSLKeySecret; ref != nil {
		all = append(all, secretVolume(kind+"-ssl-key", ref.Name))
	}
	if ref := db.SSLRootCertificateConfigMap; ref != nil {
		all = append(all, configMapVolume(kind+"-ssl-rootcert", ref.Name))
	} else if ref := db.SSLRootCertificateSecret; ref != nil {
		all = append(all, secretVolume(kind+"-ssl-rootcert", ref.Name))
	}
	if name := db.SSLRootCertificatesConfigMapName; name != "" {
		all = append(all, configMapVolume(kind+"-ssl-rootcerts", name))
	} else if name := db.SSLRootCertificatesSecretName; name != "" {
		all = append(all, secretVolume(kind+"-ssl-rootcerts", name))
	}
	return all
}

// databaseMounts put every volume of the database where the arguments look for it.
func databaseMounts(r *registry) []corev1.VolumeMount {
	kind, _ := r.database()
	var all []corev1.VolumeMount
	for _, volume := range databaseVolumes(r) {
		part := volume.Name[len(kind+"-ssl-"):]
		all = append(all, corev1.VolumeMount{Name: volume.Name, MountPath: fmt.Sprintf("/etc/%s_ssl_%s", kind, part), ReadOnly: true})
	}
	return all
}

func secretVolume(name, secret string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: secret, DefaultMode: ptr.To(int32(0o600)),
	}}}
}

func configMapVolume(name, configMap string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: configMap}, DefaultMode: ptr.To(int32(0o600)),
	}}}
}
