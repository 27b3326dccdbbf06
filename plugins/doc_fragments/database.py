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
      - The database that the registry keeps its data in. A new registry needs it.
      - For a registry that exists, give only what shall change.
    type: dict
    suboptions:
      type:
        description:
          - The kind of server. MariaDB counts as V(mysql).
          - The default for a new registry is V(mysql). A registry that exists keeps the type of its database.
        type: str
        choices: [mysql, postgres]
      host:
        description:
          - Host name or address of the server.
          - A name without dots is that of a Service in the registries namespace. For one in another namespace, give
            V(<service>.<namespace>.svc.cluster.local).
        type: str
      host_address:
        description:
          - IPv4 address of a PostgreSQL server, instead of O(database.host), which takes an IPv6 address in brackets.
        type: str
      port:
        description:
          - Port of the server. The API's defaults are 3306 for MySQL and 5432 for PostgreSQL.
        type: int
      name:
        description:
          - The database on that server. It must exist, with the character set V(utf8mb4) on MySQL, and it is never
            created or deleted by a registry.
        type: str
      username:
        description:
          - The account to log in with.
        type: str
      password:
        description:
          - The account's password. It is kept in a Secret of the registry's own, C(<name>-db-password), or in the one
            that the dashboard has made.
          - When it changes, the registry's pods are restarted.
          - An account that logs in with a client certificate alone needs none.
          - It must be the account's password already. The database itself is not changed.
        type: str
      password_secret:
        description:
          - An existing Secret in the registries namespace that holds the account's password, instead of
            O(database.password). It is not read, changed or deleted.
          - For a check of the database, its password is sent to the database. If a registry uses the Secret, that is only done for
            the host, port and account of that registry. Otherwise nobody logs in, and a finding says so.
          - The Secret that the registry had of its own, made by this collection, is deleted after the rollout.
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
          - The operator chooses everything about it but the image. Its database is C(model_registry) and its account
            C(modelregistry), whatever is asked for.
          - Needs a cluster whose API version v1beta1 has the field, which is so since operator v0.3.2.
        type: bool
      image:
        description:
          - With O(database.generate), the image of that server, for clusters that cannot pull the operator's own.
          - An empty text goes back to the operator's own.
        type: str
      tls:
        description:
          - How the connection to the database is encrypted. Without it, a new registry connects in plain text.
          - With it, the connection must be encrypted in the end, by what is given here and what the registry has already. Otherwise
            it is refused, an empty dictionary too. V(enabled=false) and V(mode=disable) ask for plain text.
          - For MySQL that takes a certificate authority, a client certificate, O(database.tls.cipher) or
            O(database.tls.verify=true), since the API has no field that says just to encrypt.
          - For PostgreSQL it takes a certificate authority, O(database.tls.enabled=true), O(database.tls.verify) or
            O(database.tls.mode). A client certificate alone does not encrypt.
        type: dict
        suboptions:
          enabled:
            description:
              - V(false) takes certificates and verification away from a registry that has them.
              - With V(true) and no certificate authority, a connection to PostgreSQL is encrypted and not verified. It is not
                enough for MySQL.
            type: bool
          ca_bundle:
            description:
              - A certificate authority in the bundle that the platform puts into each namespace.
              - V(cluster) is the cluster-wide bundle, V(openshift_ai) the one of OpenShift AI or Open Data Hub.
            type: str
            choices: [cluster, openshift_ai]
          ca_config_map:
            description:
              - An existing ConfigMap in the registries namespace that holds the certificate authority.
            type: dict
            suboptions: *ref
          ca_secret:
            description:
              - An existing Secret in the registries namespace that holds the certificate authority.
            type: dict
            suboptions: *ref
          ca_pem:
            description:
              - The certificate authority itself, one or more certificates in PEM form. It is kept in a ConfigMap of the
                registry's own, C(<name>-db-credential).
              - Line ends, indentation, byte order marks and blanks instead of line breaks are put right, and text between the
                certificates is left out, since the registry server reads plain PEM only. What is stored already stays as it is
                if the registry server reads the same certificates in it.
              - All else than certificates is refused, and so is a text without an authority's certificate that is valid now.
            type: str
          verify:
            description:
              - Whether the server's certificate must be signed by the certificate authority and fit the host.
              - If a certificate authority is given, the default is V(true).
              - V(true) without an authority, for MySQL only, verifies with the authorities of the registry server's own image, which
                are those that everybody knows.
              - For PostgreSQL with an authority, the registry server verifies the signature in any case and the host's name in none.
            type: bool
          client_certificate_secret:
            description:
              - An existing Secret in the registries namespace that holds a client certificate.
            type: dict
            suboptions: *ref
          client_key_secret:
            description:
              - An existing Secret in the registries namespace that holds the client certificate's key.
            type: dict
            suboptions: *ref
          mode:
            description:
              - PostgreSQL's C(sslmode), in place of O(database.tls.verify).
              - With a certificate authority, the registry server takes each of them as V(verify-ca), so V(disable) is refused with
                one.
            type: str
            choices: [disable, allow, prefer, require, verify-ca, verify-full]
          cipher:
            description:
              - The cipher suites that are allowed for a connection to MySQL, by Go's names with colons between them, such as
                V(TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256). They count up to TLS 1.2; those of TLS 1.3 cannot be chosen.
              - Without a certificate authority, a client certificate and O(database.tls.verify), they encrypt the connection
                and do not verify the server. An empty text takes them away.
            type: str
"""
