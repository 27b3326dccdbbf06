# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option database, shared by modules."""

from __future__ import annotations


class ModuleDocFragment:
    """The database of a registry."""

    DOCUMENTATION = r"""
options:
  database:
    description:
      - The database in which the registry keeps its data. A new registry needs it.
      - For an existing registry, set only what is to change.
    type: dict
    suboptions:
      type:
        description:
          - The type of database server. MariaDB counts as V(mysql).
          - The default for a new registry is V(mysql). An existing registry keeps the type of its database.
        type: str
        choices: [mysql, postgres]
      host:
        description:
          - Host name or address of the server.
          - A name without dots is the name of a Service in the registries namespace. For a Service in another namespace, use
            V(<service>.<namespace>.svc.cluster.local).
        type: str
      host_address:
        description:
          - IPv4 address of a PostgreSQL server, instead of O(database.host). An IPv6 address goes into O(database.host), in
            brackets.
        type: str
      port:
        description:
          - Port of the server. The API's defaults are 3306 for MySQL and 5432 for PostgreSQL.
        type: int
      name:
        description:
          - Name of the database on that server. The database must exist, with the character set V(utf8mb4) on MySQL. It is
            never created or deleted with a registry.
        type: str
      username:
        description:
          - The account to log in with.
        type: str
      password:
        description:
          - The account's password. It is stored in a Secret of the registry's own, C(<name>-db-password), or in the Secret that
            the dashboard created.
          - If it changes, the registry's pods are restarted.
          - An account that logs in with a client certificate alone needs none.
          - The account must already have this password. It is not changed in the database.
        type: str
      update_password:
        description:
          - V(always) stores O(database.password) if it is not the stored one. This is the default.
          - V(on_create) uses it only for a registry that does not exist yet. A registry that exists keeps what it has, and a warning
            says so if that is another password. A check of the database then uses the stored one, too.
        type: str
        choices: [always, on_create]
      password_secret:
        description:
          - An existing Secret in the registries namespace with the account's password, instead of O(database.password). It is
            not changed or deleted, and read only for a check.
          - A check of the database sends the password to the database. If a registry uses the Secret, the password is sent only
            to the host and port, and for the account, of that registry. Otherwise there is no login, and a finding says so.
          - If the registry had a Secret of its own that this collection created, that Secret is deleted after the rollout.
        type: dict
        suboptions: &ref
          name:
            description:
              - Name of the object.
            type: str
            required: true
          key:
            description:
              - Key in its data.
            type: str
            required: true
      generate:
        description:
          - Whether the operator runs a PostgreSQL server for this registry. Its data is deleted with the registry.
          - The operator chooses everything about the server but the image. The database is C(model_registry) and the account
            C(modelregistry). Options that ask for something else are refused.
          - The cluster's API version v1beta1 must have the field, as it does since operator v0.3.2.
        type: bool
      image:
        description:
          - With O(database.generate), the image of that server, for clusters that cannot pull the operator's own.
          - An empty string restores the operator's own.
        type: str
      tls:
        description:
          - How the connection to the database is encrypted. A new registry without this option connects in plain text.
          - If the option is set, even to an empty dictionary, the resulting connection must be encrypted, by what is given here
            or what the registry already has. Otherwise the task fails. V(enabled=false) and V(mode=disable) ask for plain text.
          - MySQL needs a certificate authority, a client certificate, O(database.tls.cipher) or O(database.tls.verify=true),
            since the API has no field that only encrypts.
          - PostgreSQL needs a certificate authority, O(database.tls.enabled=true), O(database.tls.verify) or
            O(database.tls.mode). A client certificate alone does not encrypt.
        type: dict
        suboptions:
          enabled:
            description:
              - V(false) removes certificates and verification from a registry that has them.
              - V(true) without a certificate authority encrypts a connection to PostgreSQL, and does not verify the server. It
                is not enough for MySQL.
            type: bool
          ca_bundle:
            description:
              - A certificate authority in the bundle that the platform puts into each namespace.
              - V(cluster) is the cluster-wide bundle, V(openshift_ai) the bundle of OpenShift AI or Open Data Hub.
            type: str
            choices: [cluster, openshift_ai]
          ca_config_map:
            description:
              - An existing ConfigMap in the registries namespace with the certificate authority.
            type: dict
            suboptions: *ref
          ca_secret:
            description:
              - An existing Secret in the registries namespace with the certificate authority.
            type: dict
            suboptions: *ref
          ca_pem:
            description:
              - The certificate authority itself, one or more certificates in PEM format. It is stored in a ConfigMap of the
                registry's own, C(<name>-db-credential).
              - Line endings, indentation, byte order marks and blanks instead of line breaks are corrected, and text between the
                certificates is removed, since the registry server reads plain PEM only. A stored value stays as it is if the
                registry server reads the same certificates in it.
              - Anything but certificates is refused, and so is a value without an authority's certificate that is valid now.
            type: str
          verify:
            description:
              - Whether the server's certificate must be signed by the certificate authority and match the host.
              - If a certificate authority is given, the default is V(true).
              - V(true) without an authority, for MySQL only, verifies with the public authorities in the registry server's image.
              - For PostgreSQL with an authority, the registry server always verifies the signature, and never the host name.
            type: bool
          client_certificate_secret:
            description:
              - An existing Secret in the registries namespace with a client certificate.
            type: dict
            suboptions: *ref
          client_key_secret:
            description:
              - An existing Secret in the registries namespace with the client certificate's key.
            type: dict
            suboptions: *ref
          mode:
            description:
              - PostgreSQL's C(sslmode), instead of O(database.tls.verify).
              - With a certificate authority, the registry server treats each value as V(verify-ca). V(disable) is therefore
                refused with one.
            type: str
            choices: [disable, allow, prefer, require, verify-ca, verify-full]
          cipher:
            description:
              - The cipher suites that are allowed for a connection to MySQL, by Go's names and separated by colons, such as
                V(TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256). They apply up to TLS 1.2. Those of TLS 1.3 cannot be chosen.
              - Without a certificate authority, a client certificate and O(database.tls.verify), they encrypt the connection
                and do not verify the server. An empty string removes them.
            type: str
"""
