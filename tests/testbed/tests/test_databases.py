# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database servers: reached like those of a cluster, with options and certificates of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import trustme
from registries import Registries, condition
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, ROOT_PASSWORD
from testbed_fixtures import Servers

TLS_OPTIONS = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key", "--require-secure-transport=ON"]
SECURED = "mariadb-tls"
"""The Service of a MariaDB server that requires TLS: the only server here whose TLS the real registry server accepts."""
OLD_TLS = "mysql-tls"
"""The Service of a MySQL server from before ECDHE that requires TLS."""


@pytest.fixture(scope="module")
def made(bed: Testbed, servers: Servers) -> Iterator[Registries]:
    """Make all registries of this module at once: good ones take hardly longer than one."""
    registries = Registries(bed)
    authority = trustme.CA()
    _make_secured(registries, servers, authority)
    _make_old_tls(registries, servers)
    for name, network in (("near", "10.88.%"), ("far", "192.0.2.%")):
        registries.make_database(name)
        registries.make_secret(name)
        registries.sql(f"RENAME USER '{name}'@'%' TO '{name}'@'{network}'")
        registries.create(registries.body(name))
    _make_on_postgres(registries, servers("postgres-16"))
    yield registries
    registries.remove()


def _make_secured(registries: Registries, servers: Servers, authority: trustme.CA) -> None:
    """Make two with the right CA, in a ConfigMap and in a Secret, and three that cannot connect."""
    leaf = authority.issue_cert(f"{SECURED}.{NAMESPACE}.svc.cluster.local")
    files = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    servers("mariadb-10.11", name=SECURED, options=TLS_OPTIONS, files=files)
    address = registries.bed.address(SECURED, NAMESPACE)
    for name, kind, signer, host in (
        ("tls-configmap", "ConfigMap", authority, {}),
        ("tls-secret", "Secret", authority, {}),
        ("wrong-ca", "ConfigMap", trustme.CA(), {}),
        ("wrong-name", "ConfigMap", authority, {"host": address}),
    ):
        registries.make_database(name, service=SECURED)
        registries.make_secret(name)
        reference = give_authority(registries, kind, f"{name}-ca", signer)
        tls = {f"sslRootCertificate{kind}": reference, "verifyServerCert": True}
        registries.create(registries.body(name, service=SECURED, **tls, **host))
    registries.make("no-tls", service=SECURED)


def _make_old_tls(registries: Registries, servers: Servers) -> None:
    servers("mysql-8.0", name=OLD_TLS, options=["--require-secure-transport=ON"])
    registries.make_database("old-tls", service=OLD_TLS)
    registries.make_secret("old-tls")
    reference = give_authority(registries, "ConfigMap", "old-tls-ca", trustme.CA())
    registries.create(registries.body("old-tls", service=OLD_TLS, sslRootCertificateConfigMap=reference))


def _make_on_postgres(registries: Registries, service: str) -> None:
    """Make one on the server's own administrator and database: this is about the server, not about permissions."""
    registries.make_secret("on-postgres", ROOT_PASSWORD.replace(" ", "%20"))
    body = registries.body("on-postgres")
    body["spec"]["postgres"] = {**body["spec"].pop("mysql"), "host": f"{service}.{NAMESPACE}.svc.cluster.local"}
    body["spec"]["postgres"].update(database="postgres", username="postgres", sslMode="disable")
    registries.create(body)


def give_authority(registries: Registries, kind: str, name: str, authority: trustme.CA) -> dict[str, str]:
    """Store a certificate authority in the registries namespace; return the reference to it."""
    meta = {"name": name, "namespace": registries.namespace}
    field = "data" if kind == "ConfigMap" else "stringData"
    pem = authority.cert_pem.bytes().decode()
    registries.api.apply({"apiVersion": "v1", "kind": kind, "metadata": meta, field: {"ca.crt": pem}})
    return {"name": name, "key": "ca.crt"}


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_tls_with_a_verified_name(made: Registries, kind: str) -> None:
    """The CA belongs to the user: it stays when the registry goes."""
    name = f"tls-{kind.lower()}"
    made.available(name)
    assert made.rest(name, "GET", "/readyz/health")[0] == 200
    made.api.delete(made.version, "ModelRegistry", name, made.namespace)
    made.bed.until(f"{name} gone", lambda: not made.get(name) and not made.pods(name))
    assert made.api.get("v1", kind, f"{name}-ca", made.namespace)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong-ca", "x509: certificate signed by unknown authority"),
        ("wrong-name", r"x509: cannot validate certificate for 10\.88\.\d+\.\d+"),
        ("no-tls", r"Error 1045 \(28000\): Access denied"),
        # 8.0.12 offers no ECDHE: the words that users of old servers see.
        ("old-tls", "remote error: tls: handshake failure"),
    ],
)
def test_tls_that_fails(made: Registries, name: str, words: str) -> None:
    made.bed.until(words, lambda: re.search(words, made.log(name)))
    assert condition(made.get(name))[:2] == ("False", "DeploymentUnavailable")


def test_accounts_are_matched_by_the_pods_address(made: Registries) -> None:
    """A connection to the database comes from the pod itself, so an account's host part means what it says."""
    made.available("near")
    made.bed.until("refused", lambda: "Error 1045 (28000): Access denied for user 'far'@" in made.log("far"))


def test_port_forward_to_the_service(bed: Testbed) -> None:
    """A database is reached from outside as any Service is: through the Kubernetes API."""
    with bed.forward("service/mysql-80", 3306, NAMESPACE) as port, bed.connect("127.0.0.1", port) as client:
        client.settimeout(10)
        greeting = client.recv(100)
    assert greeting[4:5] == b"\x0a", "MySQL's protocol version comes first"
    assert b"8.0.12" in greeting


def test_a_registry_on_postgres(made: Registries) -> None:
    made.available("on-postgres")
    assert made.rest("on-postgres", "GET", "/readyz/health")[0] == 200
