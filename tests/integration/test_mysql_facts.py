# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers and accounts of many kinds: the check finds in time what blocks a registry from each, nothing else."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pymysql
import pytest
import trustme
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding import Finding
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.connection import OpenSocket
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.client import Target, gather
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.confidence import CheckContext
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.facts import (
    MysqlFacts,
    privileges_on,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.rules import mysql_findings
from cryptography.x509 import load_pem_x509_certificate
from plays import Servers
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, connect_mysql

TIMEOUT = 10.0
"""Seconds for a check. It must end within one more."""
HOST = "db.example.com"
OLD, NEW, NEWEST, MARIADB = "mysql-57", "mysql-80", "mysql-9", "mariadb-1011"
LOWER = "mariadb-lower"
SECURE, EXPIRED, SELF_SIGNED = "mariadb-secure", "mariadb-expired", "mariadb-self"
TLS_ONLY, OLD_TLS = "mysql-9-tls", "mysql-57-tls"
EXPIRED9, SELF9 = "mysql-9-over", "mysql-9-own"
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
NO_RIGHTS = "REVOKE ALL ON `{name}`.* FROM '{name}'@'%'"
WITH = "ALTER USER '{name}'@'%' IDENTIFIED WITH"
BY = "BY '{name}-password'"
VERIFIED: dict[str, Any] = {
    "encrypted": True,
    "verified": True,
    "ca_pem": AUTHORITY.cert_pem.bytes().decode(),
}
UNTRUSTED = {**VERIFIED, "ca_pem": STRANGER.cert_pem.bytes().decode()}


@dataclass(frozen=True)
class Cell:
    """A server, what its administrator does to a good account and database, and what a check must find."""

    name: str
    server: str
    blockers: str = ""
    """Codes."""
    after: tuple[str, ...] = ()
    """With {name} for the name of database and account."""
    target: dict[str, Any] = field(default_factory=dict)
    """Fields of Target that differ."""
    plugin: str = ""
    """The plugin that the facts must name."""
    required: str = "any"


def everywhere(server: str) -> Iterator[tuple[str, str, tuple[str, ...], dict[str, Any]]]:
    """Yield the cases of all servers; MariaDB and MySQL 9 convert what older ones call an illegal mix of collations."""
    yield "good", "", (), {}
    yield "wrong", "access_denied", (), {"password": b"wrong"}
    yield "no-password", "access_denied", (), {"password": b""}
    yield "nobody", "access_denied", (), {"username": "nobody-of-that-name"}
    yield "empty", "", ("ALTER USER '{name}'@'%' IDENTIFIED BY ''",), {"password": b""}
    everything = "GRANT ALL ON *.* TO '{name}'@'%'"
    yield "missing", "database_missing", (everything, "DROP DATABASE `{name}`"), {}
    yield "denied", "database_denied", (NO_RIGHTS,), {}
    yield (
        "latin1",
        "" if server in (MARIADB, NEWEST) else "charset",
        ("ALTER DATABASE `{name}` CHARACTER SET latin1",),
        {},
    )
    yield "no-create", "privileges_missing", ("REVOKE CREATE ON `{name}`.* FROM '{name}'@'%'",), {}
    yield "wildcard", "", (NO_RIGHTS, "GRANT ALL ON `f_-wild%`.* TO '{name}'@'%'"), {}
    yield "global", "", (everything, NO_RIGHTS), {}
    yield "ssl", "access_denied", ("ALTER USER '{name}'@'%' REQUIRE SSL",), {}
    yield "locked", "account_locked", ("ALTER USER '{name}'@'%' ACCOUNT LOCK",), {}
    yield "expired", "password_expired", ("ALTER USER '{name}'@'%' PASSWORD EXPIRE",), {}


CELLS = [
    *(
        Cell(f"f{number}-{name}", server, blockers, after, target)
        for number, server in enumerate((OLD, NEW, NEWEST, MARIADB))
        for name, blockers, after, target in everywhere(server)
    ),
    Cell("native57", OLD, plugin="mysql_native_password", required="native"),
    Cell("native", NEW, "", (f"{WITH} mysql_native_password {BY}",), plugin="mysql_native_password", required="native"),
    Cell("nativemaria", MARIADB, plugin="mysql_native_password", required="native"),
    Cell("sha2", NEW, "", (f"{WITH} caching_sha2_password {BY}",), plugin="caching_sha2_password"),
    Cell("sha2-native", NEW, "plugin_native", plugin="caching_sha2_password", required="native"),
    Cell("sha2-newest", NEWEST, "plugin_native", plugin="caching_sha2_password", required="native"),
    Cell("sha256", NEW, "", (f"{WITH} sha256_password {BY}",), plugin="sha256_password"),
    Cell("sha256-9", NEWEST, "", (f"{WITH} sha256_password {BY}",), plugin="sha256_password"),
    # This build has no key pair for the exchange of a password in plaintext.
    Cell("sha256-57", OLD, "access_denied", (f"{WITH} sha256_password {BY}",)),
    Cell(
        "unloaded",
        NEWEST,
        "plugin_missing",
        ("UPDATE mysql.user SET plugin = 'mysql_native_password' WHERE user = '{name}'", "FLUSH PRIVILEGES"),
    ),
    Cell("socket", NEWEST, "access_denied", (f"{WITH} auth_socket",)),
    Cell("unixsocket", MARIADB, "access_denied", ("ALTER USER '{name}'@'%' IDENTIFIED VIA unix_socket",)),
    Cell("no-ecdhe", NEW, "tls_handshake", target=VERIFIED),
    Cell("no-tls", OLD, "tls_not_offered", target=VERIFIED),
    Cell("old-tls", OLD_TLS, "tls_handshake", target=VERIFIED),
    Cell("secure", SECURE, target=VERIFIED),
    Cell("other-name", SECURE, "certificate_name", target={**VERIFIED, "server_name": "other.example.com"}),
    Cell("stranger", SECURE, "ca_unknown", target=UNTRUSTED),
    Cell("lax", SECURE, target={**UNTRUSTED, "verified": False}),
    Cell("expired-cert", EXPIRED, "certificate_expired", target=VERIFIED),
    Cell("self-signed", SELF_SIGNED, "ca_unknown", target=VERIFIED),
    Cell("newest-name", TLS_ONLY, "certificate_name", target={**VERIFIED, "server_name": "other.example.com"}),
    Cell("newest-expired", EXPIRED9, "certificate_expired", target=VERIFIED),
    Cell("newest-self", SELF9, "ca_unknown", target=VERIFIED),
    Cell("newest-stranger", TLS_ONLY, "ca_unknown", target=UNTRUSTED),
    Cell("newest-tls", TLS_ONLY, target=VERIFIED, plugin="caching_sha2_password"),
    Cell("plaintext", TLS_ONLY, "tls_required"),
]
ROLE = ("DROP ROLE IF EXISTS '{name}-role'", "CREATE ROLE '{name}-role'", "GRANT ALL ON `{name}`.* TO '{name}-role'")
ROLES = (NO_RIGHTS, *ROLE, "GRANT '{name}-role' TO '{name}'@'%'")
CELLS += [
    Cell(f"role-{server}", server, "", (*ROLES, "SET DEFAULT ROLE ALL TO '{name}'@'%'")) for server in (NEW, NEWEST)
]
CELLS.append(Cell("role-maria", MARIADB, "", (*ROLES, "SET DEFAULT ROLE '{name}-role' FOR '{name}'@'%'")))
CELLS += [Cell(f"idle-{server}", server, "database_denied", ROLES) for server in (NEW, NEWEST, MARIADB)]


@pytest.fixture(scope="module")
def ready(bed: Testbed, servers: Servers) -> Iterator[Registries]:
    """Start all servers. Those with certificates are removed afterwards: another run has other authorities."""
    for server in ("mysql-5.7", "mysql-9", "mariadb-10.11"):
        servers(server)
    past = datetime.now(timezone.utc) - timedelta(days=1)
    good, over = AUTHORITY.issue_cert(HOST), AUTHORITY.issue_cert(HOST, not_after=past)
    rsa = AUTHORITY.issue_cert(HOST, key_type=trustme.KeyType.RSA)
    shown = {
        SECURE: ("mariadb-10.11", good.cert_chain_pems[0], good.private_key_pem),
        TLS_ONLY: ("mysql-9", good.cert_chain_pems[0], good.private_key_pem),
        EXPIRED: ("mariadb-10.11", over.cert_chain_pems[0], over.private_key_pem),
        EXPIRED9: ("mysql-9", over.cert_chain_pems[0], over.private_key_pem),
        SELF9: ("mysql-9", STRANGER.cert_pem, STRANGER.private_key_pem),
        OLD_TLS: ("mysql-5.7", rsa.cert_chain_pems[0], rsa.private_key_pem),
        SELF_SIGNED: ("mariadb-10.11", STRANGER.cert_pem, STRANGER.private_key_pem),
    }
    for name, (server, certificate, key) in shown.items():
        files = {"tls.crt": certificate.bytes(), "tls.key": key.bytes()}
        options = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key"]
        only = ["--require-secure-transport=ON"] if name == TLS_ONLY else []
        servers(server, name=name, options=[*options, *only], files=files)
    made = Registries(bed)
    with contextlib.suppress(Exception):  # a second run on one testbed
        made.sql("INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'", service=NEWEST)
    yield made
    for name in shown:
        made.api.delete("apps/v1", "Deployment", name, NAMESPACE)


class Proxy:
    """Sits between a check and its server: it keeps what the server says, and may be slow to pass it on."""

    def __init__(self, bed: Testbed, server: str, delay: float = 0.0) -> None:
        self._bed, self._address, self._delay = bed, bed.address(server, NAMESPACE), delay
        self.said = b""

    def open(self, timeout: float) -> socket.socket:
        """Open a connection through it."""
        near, inner = socket.socketpair()
        far = self._bed.connect(self._address, 3306, timeout)
        threading.Thread(target=self._serve, args=(inner, far), daemon=True).start()
        return near

    def _serve(self, inner: socket.socket, far: socket.socket) -> None:
        with inner, far:
            forth = threading.Thread(target=self._pass, args=(inner, far, False), daemon=True)
            forth.start()
            self._pass(far, inner, True)
            forth.join()

    def _pass(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_answer:
                    self.said += data
                    time.sleep(self._delay)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def checked(
    bed: Testbed, cell: Cell, open_socket: OpenSocket | None = None, timeout: float = TIMEOUT
) -> tuple[MysqlFacts, tuple[Finding, ...]]:
    """Check within the available time."""
    given = {"username": cell.name, "password": f"{cell.name}-password".encode(), "server_name": HOST, **cell.target}
    target = Target(database=cell.name, **given)
    address = bed.address(cell.server, NAMESPACE)
    started = time.monotonic()
    facts = gather(open_socket or (lambda left: bed.connect(address, 3306, left)), target, timeout)
    assert time.monotonic() - started < timeout + 1
    now = datetime.now(timezone.utc)
    subject = CheckContext(
        target.username, cell.name, HOST, target.encrypted, target.verified, cell.required, "relay", now
    )
    return facts, mysql_findings(facts, subject)


def prepare(registries: Registries, cell: Cell) -> None:
    registries.make_database(cell.name, service=cell.server)
    for statement in cell.after:
        registries.sql(statement.format(name=cell.name), service=cell.server)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_right_finding(bed: Testbed, ready: Registries, cell: Cell) -> None:
    if cell.server != OLD_TLS:  # whose TLS the administrator's client does not support either
        prepare(ready, cell)
    # The second time, caching_sha2_password knows the account already.
    for _ in range(2):
        facts, found = checked(bed, cell)
        blockers = {told.code for told in found if told.severity == "blocker"}
        assert blockers == set(cell.blockers.split()), (facts, found)
        assert cell.plugin in ("", facts.account.plugin)
        for told in found:
            assert told.what and told.why and told.remedy and told.rule
        assert not re.search(rf"{cell.name}-password|\*[0-9A-F]{{40}}", repr((facts, found))), "password or hash"


def test_connection_limits(bed: Testbed, ready: Registries) -> None:
    """The account may have one connection, and it is taken."""
    for server in (OLD, NEW, NEWEST, MARIADB):
        cell = Cell(f"limit-{server}", server, after=("ALTER USER '{name}'@'%' WITH MAX_USER_CONNECTIONS 1",))
        prepare(ready, cell)
        with connect_mysql(bed, server, cell.name, f"{cell.name}-password"):
            _, found = checked(bed, cell)
        assert "account_connections" in {told.code for told in found}, (server, found)


@pytest.mark.parametrize("server", [OLD, NEW, NEWEST])
def test_a_server_without_a_connection_left(bed: Testbed, ready: Registries, server: str) -> None:
    """Its administrator holds the only one; the extra one that MySQL has is for administrators."""
    cell = Cell(f"last-{server}", server)
    prepare(ready, cell)
    with connect_mysql(bed, server) as root, root.cursor() as cursor:
        cursor.execute("SET GLOBAL max_connections = 1")
        try:
            facts, found = checked(bed, cell)
        finally:
            cursor.execute("SET GLOBAL max_connections = 151")
    assert [told.code for told in found] == ["too_many_connections"], (facts, found)
    assert "error 1040" in found[0].why


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("server", [OLD_TLS, NEW])
def test_a_server_that_takes_encrypted_connections_only(bed: Testbed, server: str) -> None:
    cell = Cell("only", server)
    # It stays open: switching it off again would take a login with TLS, and current clients do not support theirs.
    with connect_mysql(bed, server, ssl_disabled=True) as root, root.cursor() as cursor:
        for statement in ("DROP USER IF EXISTS 'only'@'%'", "CREATE USER 'only'@'%' IDENTIFIED BY 'only-password'"):
            cursor.execute(statement)
        cursor.execute("SET GLOBAL require_secure_transport = ON")
        try:
            _, found = checked(bed, cell)
        finally:
            cursor.execute("SET GLOBAL require_secure_transport = OFF")
    assert [told.code for told in found] == ["tls_required"] and "database.tls" in found[0].remedy


def test_what_a_certificate_shows(bed: Testbed, ready: Registries) -> None:
    """Issuer, names, and whether it is for the host, with and without verification."""
    for target, matches in ((VERIFIED, True), ({"encrypted": True, "server_name": "x.example.com"}, False)):
        cell = Cell("shown", TLS_ONLY, target=target)
        prepare(ready, cell)
        facts, _ = checked(bed, cell)
        shown = facts.tls.certificate
        assert shown is not None and shown.names == (HOST,) and facts.tls.names_host is matches
        issuer = AUTHORITY.cert_pem.bytes()
        assert shown.issuer == load_pem_x509_certificate(issuer).subject.rfc4514_string()
        looked, _ = checked(bed, replace(cell, target={**target, "logs_in": False}))
        assert looked.failure is None and looked.tls.certificate == shown and not looked.account.matched


@pytest.mark.parametrize("server", [NEW, NEWEST])
def test_a_password_that_the_server_has_in_its_cache(bed: Testbed, ready: Registries, server: str) -> None:
    """caching_sha2_password requires the whole password at first, and after FLUSH PRIVILEGES; its answer tells."""
    cell = Cell(f"cache-{server}", server)
    prepare(ready, cell)

    def answer() -> bytes:
        proxy = Proxy(bed, server)
        facts, _ = checked(bed, cell, proxy.open)
        assert facts.failure is None and facts.account.plugin == "caching_sha2_password"
        # A packet of two bytes: more data, then 3 for the cache, and 4 if the whole password is required.
        (told,) = re.findall(rb"\x02\0\0.\x01([\x03\x04])", proxy.said[:2000], re.DOTALL)
        return bytes(told)

    assert (answer(), answer()) == (b"\x04", b"\x03")
    ready.sql("FLUSH PRIVILEGES", service=server)
    assert answer() == b"\x04"


def test_a_slow_server(bed: Testbed, ready: Registries) -> None:
    """It is as good as a fast one while there is time, and no reason to wait longer than that."""
    cell = Cell("slow", NEW)
    prepare(ready, cell)
    facts, found = checked(bed, cell, Proxy(bed, NEW, 0.1).open)
    assert facts.failure is None and [told.code for told in found] == ["plaintext"]
    assert facts.server.latency is not None and facts.server.latency >= 0.1
    late, found = checked(bed, cell, Proxy(bed, NEW, 0.4).open, timeout=1.0)
    assert late.failure is not None and late.failure.reason == "timeout" and found[0].code == "database_silent"


def test_accounts_of_one_name(bed: Testbed, ready: Registries) -> None:
    """A user with permission to look sees whether the pods could get another account than the checked one."""
    for server in (OLD, NEW, NEWEST, MARIADB):
        cell = Cell(f"same-{server}", server)
        prepare(ready, cell)
        assert checked(bed, cell)[0].account.hosts is None, "it may not look"
        ready.sql(f"GRANT SELECT ON mysql.* TO '{cell.name}'@'%'", service=server)
        alone = checked(bed, cell)[0].account
        assert alone.is_for_all, (server, alone.hosts)
        other = f"'{cell.name}'@'192.0.2.%'"
        ready.sql(f"DROP USER IF EXISTS {other}", f"CREATE USER {other}", service=server)
        both = checked(bed, cell)[0].account
        ready.sql(f"DROP USER {other}", service=server)
        assert both.hosts and {"%", "192.0.2.%"} <= set(both.hosts) and not both.is_for_all, server


def test_what_is_known_of_a_good_one(bed: Testbed, ready: Registries) -> None:
    """The facts of each server, as it reports them itself."""
    for server, kind in ((OLD, "MySQL"), (NEW, "MySQL"), (NEWEST, "MySQL"), (MARIADB, "MariaDB")):
        cell = Cell(f"facts-{server}", server)
        prepare(ready, cell)
        facts, found = checked(bed, cell)
        ((version, most),) = ready.sql("SELECT VERSION(), @@max_connections", service=server)
        assert (facts.server.kind, facts.server.version) == (kind, version)
        assert facts.server.variables["max_connections"] == str(most) and facts.server.connections
        assert facts.account.matched == f"{cell.name}@%" and facts.account.seen_from.startswith("10.88.")
        assert facts.schema.exists and facts.schema.charset == "utf8mb4"
        assert [grant.privileges for grant in facts.grants.known or ()] == [("USAGE",), ("ALL PRIVILEGES",)]
        assert [told.code for told in found] == ["plaintext"]
        assert facts.server.latency is not None and facts.server.plugins


SPECIFIC = {
    "wide": ("GRANT ALL ON `k%`.* TO {account}", "GRANT SELECT ON `k{number}-13%`.* TO {account}"),
    "narrow": ("GRANT SELECT ON `k%`.* TO {account}", "GRANT ALL ON `k{number}-13%`.* TO {account}"),
    "loose": ("GRANT ALL ON `k_-13\\_abc`.* TO {account}", "GRANT SELECT ON `k{number}-13%`.* TO {account}"),
    "exact": ("GRANT ALL ON `k%`.* TO {account}", "GRANT SELECT ON `k{number}-13\\_abc`.* TO {account}"),
    "global": ("GRANT CREATE ON *.* TO {account}", "GRANT SELECT ON `k{number}-13\\_abc`.* TO {account}"),
}
"""Grants that overlap, on a database k0-13_abc."""


@pytest.mark.parametrize("has_role", [False, True], ids=["account", "role"])
@pytest.mark.parametrize("case", SPECIFIC)
def test_which_of_several_grants_counts(bed: Testbed, ready: Registries, case: str, has_role: bool) -> None:
    """The server allows what the check reads from the grants. Which of a role's grants counts, MySQL alone knows."""
    for number, server in enumerate((OLD, NEW, NEWEST, MARIADB)):
        if has_role and server == OLD:
            continue
        cell = Cell(f"k{number}-13_abc", server, after=(NO_RIGHTS,))
        account = "'{name}-role'" if has_role else "'{name}'@'%'"
        given = [text.format(account=account, number=number) for text in SPECIFIC[case]]
        if has_role:
            default = "'{name}-role' FOR" if server == MARIADB else "ALL TO"
            given = [
                *ROLE[:2],
                *given,
                "GRANT '{name}-role' TO '{name}'@'%'",
                f"SET DEFAULT ROLE {default} '{{name}}'@'%'",
            ]
        prepare(ready, replace(cell, after=(*cell.after, *given)))
        facts, _ = checked(bed, cell)
        says = "CREATE" in (has := privileges_on(cell.name, facts.grants, facts.server.kind, False)) or (
            "ALL PRIVILEGES" in has
        )
        with connect_mysql(bed, server, cell.name, f"{cell.name}-password") as mine, mine.cursor() as cursor:
            try:
                cursor.execute(f"CREATE TABLE `{cell.name}`.made (a INT)")
                may = True
            except pymysql.err.OperationalError:
                may = False
        is_exact = not has_role or server == MARIADB
        assert says == may if is_exact else says >= may, (server, facts.grants)


def test_names_in_capitals(bed: Testbed, ready: Registries, servers: Servers) -> None:
    """If the server keeps names in lower case, a database asked for in capitals is the one of the grant."""
    servers("mariadb-10.11", name=LOWER, options=["--lower-case-table-names=1"])
    try:
        ready.make_database("lowered", service=LOWER)
        cell = Cell("LOWERED", LOWER, target={"username": "lowered", "password": b"lowered-password"})
        facts, found = checked(bed, cell)
    finally:
        ready.api.delete("apps/v1", "Deployment", LOWER, NAMESPACE)
    assert facts.server.variables["lower_case_table_names"] == "1" and facts.schema.exists
    assert [told.code for told in found] == ["plaintext"], found
