# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict is right: for each cell of a table, the check says beforehand what the real registry server does then.

A cell is a server, an account, TLS, a character set and privileges. Its database is checked first, and then a registry is
created on that very database: it becomes ready, or it does not. A blocker has to mean that it does not, and no blocker
that it does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trustme
from checker import checked
from registries import Registries
from testbed.api import Object
from testbed.bed import Testbed
from testbed.databases import NAMESPACE
from testbed_fixtures import Servers
from waiter import Told, waiter

BATCH = 20
"""Registries at a time."""
SECONDS = 75.0
"""Until a registry that is not ready by then counts as one that will not be."""
MIGRATIONS = "CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE"
NEW, OLD, MARIADB, SECURE = "mysql-80", "mysql-57", "mariadb-1011", "mariadb-tls"
TLS_OPTIONS = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key", "--require-secure-transport=ON"]
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()


@dataclass(frozen=True)
class Cell:
    """One way to prepare a database for a registry."""

    name: str
    server: str
    plugin: str = ""
    charset: str = "utf8mb4"
    grant: str = "ALL"
    after: tuple[str, ...] = ()
    """Statements of the administrator, with {name} for the name of database and account."""
    password: str | None = None
    """That the registry gives, where it is not the account's."""
    tls: Any = None
    """Fields of spec.mysql beside host, database and account."""
    host: str | None = None


def same_for_all() -> Iterator[tuple[str, dict[str, Any]]]:
    """Accounts, character sets and privileges that every server knows."""
    yield "all", {}
    yield "nine", {"grant": MIGRATIONS}
    for left in ("CREATE", "ALTER", "DROP", "INDEX", "REFERENCES", "INSERT", "DELETE", "UPDATE", "SELECT"):
        kept = ", ".join(one for one in MIGRATIONS.split(", ") if one != left)
        yield f"no-{left.lower()}", {"grant": kept}
    yield "five", {"grant": "CREATE, SELECT, INSERT, UPDATE, DELETE"}
    yield "select", {"grant": "SELECT"}
    yield "none", {"after": ("REVOKE ALL ON `{name}`.* FROM '{name}'@'%'",)}
    yield "everything", {"after": ("GRANT ALL ON *.* TO '{name}'@'%'", "REVOKE ALL ON `{name}`.* FROM '{name}'@'%'")}
    wildcard = ("REVOKE ALL ON `{name}`.* FROM '{name}'@'%'", "GRANT ALL ON `v%`.* TO '{name}'@'%'")
    yield "wildcard", {"after": wildcard}
    yield "absent", {"after": ("GRANT ALL ON *.* TO '{name}'@'%'", "DROP DATABASE `{name}`")}
    yield "latin1", {"charset": "latin1"}
    yield "utf8", {"charset": "utf8"}
    yield "wrong", {"password": "another"}
    yield "ssl", {"after": ("ALTER USER '{name}'@'%' REQUIRE SSL",)}
    yield (
        "here",
        {
            "after": (
                "DROP USER IF EXISTS '{name}'@'10.88.%'",
                "RENAME USER '{name}'@'%' TO '{name}'@'10.88.%'",
            )
        },
    )
    yield (
        "far",
        {
            "after": (
                "DROP USER IF EXISTS '{name}'@'192.0.2.%'",
                "RENAME USER '{name}'@'%' TO '{name}'@'192.0.2.%'",
            )
        },
    )
    yield "locked", {"after": ("ALTER USER '{name}'@'%' ACCOUNT LOCK",)}
    yield "expired", {"after": ("ALTER USER '{name}'@'%' PASSWORD EXPIRE",)}


def own() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What one server alone has."""
    by = "ALTER USER '{name}'@'%' IDENTIFIED WITH"
    yield NEW, "native", {"after": (f"{by} mysql_native_password BY '{{name}}-password'",)}
    yield NEW, "sha256", {"after": (f"{by} sha256_password BY '{{name}}-password'",)}
    role = (
        "REVOKE ALL ON `{name}`.* FROM '{name}'@'%'",
        "DROP ROLE IF EXISTS '{name}-role'",
        "CREATE ROLE '{name}-role'",
        "GRANT ALL ON `{name}`.* TO '{name}-role'",
        "GRANT '{name}-role' TO '{name}'@'%'",
    )
    yield NEW, "role", {"after": (*role, "SET DEFAULT ROLE ALL TO '{name}'@'%'")}
    yield NEW, "idle-role", {"after": role}
    authority = {"sslRootCertificateConfigMap": {"name": "verdicts-ca", "key": "ca.crt"}}
    yield NEW, "tls", {"tls": authority}
    yield SECURE, "plain", {}
    yield SECURE, "verified", {"tls": {**authority, "verifyServerCert": True}}
    yield SECURE, "unverified", {"tls": authority}
    stranger = {"sslRootCertificateConfigMap": {"name": "verdicts-stranger", "key": "ca.crt"}}
    yield SECURE, "stranger", {"tls": {**stranger, "verifyServerCert": True}}
    yield SECURE, "lax", {"tls": stranger}


CELLS = [
    *(
        Cell(f"v{number}-{name}", server, **options)
        for number, server in enumerate((NEW, OLD, MARIADB))
        for name, options in same_for_all()
    ),
    *(Cell(f"v{(NEW, SECURE).index(server) + 3}-{name}", server, **options) for server, name, options in own()),
]


@pytest.fixture(scope="module")
def table(bed: Testbed, servers: Servers) -> Registries:
    """All servers, and the authorities."""
    servers("mysql-5.7")
    servers("mariadb-10.11")
    registries = Registries(bed)
    # The address is only known once the pod runs: so the certificate holds for a network's worth of them.
    names = [f"10.88.1.{number}" for number in range(1, 255)]
    leaf = AUTHORITY.issue_cert(*names)
    files = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    servers("mariadb-10.11", name=SECURE, options=TLS_OPTIONS, files=files)
    for name, authority in (("verdicts-ca", AUTHORITY), ("verdicts-stranger", STRANGER)):
        meta = {"name": name, "namespace": registries.namespace}
        data = {"ca.crt": authority.cert_pem.bytes().decode()}
        registries.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    return registries


def prepared(registries: Registries, cell: Cell) -> Object:
    """Make the cell's account, database and Secret; give its registry, which is not created yet."""
    registries.make_database(cell.name, service=cell.server, charset=cell.charset, grant=cell.grant)
    registries.sql(
        *(statement.format(name=cell.name) for statement in cell.after or ("SELECT 1",)), service=cell.server
    )
    registries.make_secret(cell.name, cell.password)
    host = registries.bed.address(cell.server, NAMESPACE)
    return registries.body(cell.name, host=host, **(cell.tls or {}))


def ended(bed: Testbed, names: set[str]) -> dict[str, Told]:
    """What has become of the registries. An operator that is only slow, with so many at a time, is no verdict."""
    found: dict[str, Told] = {}
    deadline = time.monotonic() + SECONDS
    while names and time.monotonic() < deadline:
        with waiter(bed, seconds=deadline - time.monotonic()) as waiting:
            found.update(waiting.last(*sorted(names)))
        names = {name for name in names if found[name]["reason"] == "operator_silent"}
    return found


def test_the_verdict_is_right(bed: Testbed, table: Registries) -> None:
    assert len(CELLS) >= 60 and len({cell.name for cell in CELLS}) == len(CELLS)
    disagreements = []
    for start in range(0, len(CELLS), BATCH):
        batch = CELLS[start : start + BATCH]
        bodies = {cell.name: prepared(table, cell) for cell in batch}
        verdicts = checked(bed, bodies.values())
        for body in bodies.values():
            table.create(body)
        told = ended(bed, set(bodies))
        table.remove()
        for cell in batch:
            blockers = sorted({one["code"] for one in verdicts[cell.name]["findings"] if one["severity"] == "blocker"})
            seen = told[cell.name]
            line = f"{cell.server:12} {cell.name:16} {seen['state']:8} {','.join(blockers) or '-':40} {seen['message'][:90]}"
            print(line, flush=True)
            if bool(blockers) == (seen["state"] == "ready"):
                disagreements.append(line)
    print(f"{len(CELLS)} cells, {len(disagreements)} disagreements")
    assert not disagreements, "\n".join(disagreements)
