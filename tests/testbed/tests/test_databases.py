# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database servers: reached as a cluster's are, with options and certificates of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import trustme
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, ROOT_PASSWORD
from testbed_fixtures import Servers

TLS_OPTIONS = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key", "--require-secure-transport=ON"]


@dataclass(frozen=True)
class Secured:
    """A server that takes TLS only, and who signed its certificate."""

    service: str
    authority: trustme.CA


@pytest.fixture(scope="module")
def secured(servers: Servers) -> Secured:
    """A MariaDB server: of those here, the one whose TLS the real registry server takes."""
    authority = trustme.CA()
    leaf = authority.issue_cert(f"mariadb-tls.{NAMESPACE}.svc.cluster.local")
    files = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    return Secured(servers("mariadb-10.11", name="mariadb-tls", options=TLS_OPTIONS, files=files), authority)


def give_authority(registries: Registries, kind: str, name: str, authority: trustme.CA) -> dict[str, str]:
    """Store a certificate authority in the registries namespace; give the reference to it."""
    meta = {"name": name, "namespace": registries.namespace}
    field = "data" if kind == "ConfigMap" else "stringData"
    pem = authority.cert_pem.bytes().decode()
    registries.api.apply({"apiVersion": "v1", "kind": kind, "metadata": meta, field: {"ca.crt": pem}})
    return {"name": name, "key": "ca.crt"}


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_tls_with_a_verified_name(registries: Registries, secured: Secured, kind: str) -> None:
    name = f"tls-{kind.lower()}"
    registries.make_database(name, service=secured.service)
    registries.make_secret(name)
    reference = give_authority(registries, kind, f"{name}-ca", secured.authority)
    mysql = {f"sslRootCertificate{kind}": reference, "verifyServerCert": True}
    registries.create(registries.body(name, service=secured.service, **mysql))
    registries.available(name)
    assert registries.rest(name, "GET", "/readyz/health")[0] == 200


@pytest.mark.parametrize(
    ("name", "right_authority", "host", "words"),
    [
        ("wrong-ca", False, None, "x509: certificate signed by unknown authority"),
        ("wrong-name", True, "address", r"x509: cannot validate certificate for 10\.88\.\d+\.\d+"),
        ("plaintext", None, None, r"Error 1045 \(28000\): Access denied"),
    ],
)
def test_tls_that_fails(
    registries: Registries, secured: Secured, name: str, right_authority: bool | None, host: str | None, words: str
) -> None:
    registries.make_database(name, service=secured.service)
    registries.make_secret(name)
    mysql: dict[str, object] = {}
    if right_authority is not None:
        authority = secured.authority if right_authority else trustme.CA()
        reference = give_authority(registries, "ConfigMap", f"{name}-ca", authority)
        mysql = {"sslRootCertificateConfigMap": reference, "verifyServerCert": True}
    if host:
        mysql["host"] = registries.bed.address(secured.service, NAMESPACE)
    registries.create(registries.body(name, service=secured.service, **mysql))
    registries.bed.until(words, lambda: re.search(words, registries.log(name)))


def test_plaintext_to_a_mysql_server_that_takes_tls_only(registries: Registries, servers: Servers) -> None:
    service = servers("mysql-8.0", name="mysql-tls", options=["--require-secure-transport=ON"])
    registries.make("tls-required", service=service)
    words = r"Error 3159 \(HY000\): Connections using insecure transport are prohibited"
    registries.bed.until(words, lambda: re.search(words, registries.log("tls-required")))


def test_go_refuses_the_tls_of_this_old_mysql(registries: Registries, servers: Servers) -> None:
    """8.0.12 offers no ECDHE: the words that users of old servers see."""
    service = servers("mysql-8.0", name="mysql-tls", options=["--require-secure-transport=ON"])
    registries.make_database("old-tls", service=service)
    registries.make_secret("old-tls")
    reference = give_authority(registries, "ConfigMap", "old-tls-ca", trustme.CA())
    registries.create(registries.body("old-tls", service=service, sslRootCertificateConfigMap=reference))
    registries.bed.until("refused", lambda: "remote error: tls: handshake failure" in registries.log("old-tls"))


def test_accounts_are_matched_by_the_pods_address(registries: Registries) -> None:
    """A connection to the database comes from the pod itself, so an account's host part means what it says."""
    for name, network in (("near", "10.88.%"), ("far", "192.0.2.%")):
        registries.make_database(name)
        registries.make_secret(name)
        registries.sql(f"RENAME USER '{name}'@'%' TO '{name}'@'{network}'")
        registries.create(registries.body(name))
    registries.available("near")
    registries.bed.until(
        "refused", lambda: "Error 1045 (28000): Access denied for user 'far'@" in registries.log("far")
    )


def test_port_forward_to_the_service(bed: Testbed) -> None:
    """A database is reached from outside as any Service is: through the Kubernetes API."""
    with bed.forward("service/mysql-80", 3306, NAMESPACE) as port, bed.connect("127.0.0.1", port) as client:
        client.settimeout(10)
        greeting = client.recv(100)
    assert greeting[4:5] == b"\x0a", "MySQL's protocol version comes first"
    assert b"8.0.12" in greeting


def test_a_registry_on_postgres(registries: Registries, servers: Servers) -> None:
    """On the server's own administrator and database: this is about the server, not about rights."""
    service = servers("postgres-16")
    registries.make_secret("on-postgres", ROOT_PASSWORD.replace(" ", "%20"))
    body = registries.body("on-postgres")
    body["spec"]["postgres"] = {**body["spec"].pop("mysql"), "host": f"{service}.{NAMESPACE}.svc.cluster.local"}
    body["spec"]["postgres"].update(database="postgres", username="postgres", sslMode="disable")
    registries.create(body)
    registries.available("on-postgres")
    assert registries.rest("on-postgres", "GET", "/readyz/health")[0] == 200
