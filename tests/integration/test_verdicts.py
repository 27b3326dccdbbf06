# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict is right: for each cell of a table, the check says beforehand what the real registry server does then.

A cell is a server, an account, TLS, a character set and privileges. Its database is checked first, and then a registry is
created on that very database: it becomes ready, or it does not. A blocker has to mean that it does not, for the reason that
the blocker names, and no blocker that it does.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from typing import Any

import pytest
import trustme
from checker import checked
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from registries import Registries
from testbed.api import Object
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, ROOT_PASSWORD, connect_mysql
from testbed_fixtures import Servers
from waiter import Told, waiter

BATCH = 8
"""Registries of one batch."""
AT_ONCE = 3
"""Batches that are under way: while one waits for its registries, another prepares its databases and is checked."""
SECONDS = 90.0
"""Until a registry that is not ready by then counts as one that will not be."""
SLOW = ("operator_silent", "proxy_certificate")
"""Reasons that say nothing of a database: the operator, or what makes the proxies' certificates, has not come to it yet."""
VITAL = ("CREATE", "SELECT", "INSERT", "DELETE")
MIGRATIONS = "CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE"
NEW, OLD, MARIADB, NEWEST, SECURE = "mysql-80", "mysql-57", "mariadb-1011", "mysql-9", "mariadb-tls"
TLS9, EXPIRED9, NAME9, SELF9 = "mysql-9-good", "mysql-9-expired", "mysql-9-name", "mysql-9-self"
"""Those of MySQL 9 with certificates. SELF9 takes no writes, which is seen without TLS only."""
KEYS9, KEYSM = "mysql-9-keys", "mariadb-keys"
"""Those that refuse tables without a primary key."""
POSTGRES = "postgres-16"
FILES = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key", "--ssl-ca=/etc/testbed/ca.crt"]
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
CA = {"sslRootCertificateConfigMap": {"name": "verdicts-ca", "key": "ca.crt"}}
VERIFIED = {**CA, "verifyServerCert": True}
FOREIGN = {"sslRootCertificateConfigMap": {"name": "verdicts-stranger", "key": "ca.crt"}}
CLIENT = {
    "sslCertificateSecret": {"name": "verdicts-client", "key": "tls.crt"},
    "sslKeySecret": {"name": "verdicts-client", "key": "tls.key"},
}
SAYS = {
    "access_denied": r"Error 1045 |SQLSTATE 28P01",
    "account_connections": r"Error (1203|1226) ",
    "password_expired": r"Error (1820|1862) ",
    "account_locked": r"Error (3118|4151) ",
    "ca_unknown": r"x509: certificate signed by unknown authority",
    "certificate_expired": r"x509: certificate has expired",
    "certificate_name": r"x509: (certificate is (valid for|not valid)|cannot validate certificate)",
    "charset": r"Error 1267 |Dirty database version",
    "database_denied": r"Error 1044 ",
    "database_missing": r"Error 1049 |SQLSTATE 3D000",
    "password_breaks_dsn": r"cannot parse|failed to parse|invalid (port|userinfo|URL escape)|SQLSTATE 28P01|no such host|lookup ",
    "plugin_missing": r"Error 1524 ",
    "primary_key_required": r"Error (3750|1173) |Dirty database version",
    "privileges_missing": r"Error 1142 |SQLSTATE 42501",
    "read_only": r"Error (1290|1836) ",
    "schema_dirty": r"Dirty database version",
    "tls_handshake": r"tls: handshake failure",
    "tls_not_offered": r"server refused TLS connection",
    "tls_required": r"Error 3159 ",
}
"""The words of a registry, or of the server behind it, that fit each blocker."""


@dataclass(frozen=True)
class Cell:
    """One way to prepare a database for a registry."""

    name: str
    server: str
    charset: str = "utf8mb4"
    grant: str = "ALL"
    after: tuple[str, ...] = ()
    """Statements of the administrator, with {name} for the name of account and database."""
    password: str | None = None
    """That the registry gives, where it is not the account's."""
    tls: Any = None
    """Fields of spec.mysql beside host, database and account."""
    database: str = ""
    """One that an earlier cell's registry has made its tables in, instead of a new one."""
    username: str = "{name}"
    """The account's name, if it is not the cell's."""
    holds: bool = False
    """Whether the account's only connection is in use."""


def same_for_all() -> Iterator[tuple[str, dict[str, Any]]]:
    """Accounts, character sets and privileges that every server knows."""
    yield "all", {}
    yield "nine", {"grant": MIGRATIONS}
    # With these four it works, so with any others beside them, too; and without any of the four it does not.
    yield "vital", {"grant": ", ".join(VITAL)}
    for left in VITAL:
        kept = ", ".join(one for one in MIGRATIONS.split(", ") if one != left)
        yield f"no-{left.lower()}", {"grant": kept}
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


BY = "ALTER USER '{name}'@'%' IDENTIFIED WITH"
PASSWORD = "BY '{name}-password'"
NOTHING = "REVOKE ALL ON `{name}`.* FROM '{name}'@'%'"
TLS_ONLY = "ALTER USER '{name}'@'%' REQUIRE SSL"


def role(privileges: str) -> tuple[str, ...]:
    """Grant these by a role alone, which is not active yet."""
    return (
        NOTHING,
        "DROP ROLE IF EXISTS '{name}-role'",
        "CREATE ROLE '{name}-role'",
        f"GRANT {privileges} ON `{{name}}`.* TO '{{name}}-role'",
        "GRANT '{name}-role' TO '{name}'@'%'",
    )


ACTIVE = "SET DEFAULT ROLE ALL TO '{name}'@'%'"


def two(general: str, special: str) -> tuple[str, ...]:
    """Two accounts of one name with these passwords: the one for the pods' addresses is preferred."""
    return (
        "DROP USER IF EXISTS '{name}'@'10.88.%'",
        f"ALTER USER '{{name}}'@'%' IDENTIFIED BY '{general}'",
        f"CREATE USER '{{name}}'@'10.88.%' IDENTIFIED BY '{special}'",
        "GRANT ALL ON `{name}`.* TO '{name}'@'10.88.%'",
    )


def own() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return the cells that only one server has."""
    yield NEW, "native", {"after": (f"{BY} mysql_native_password {PASSWORD}",)}
    yield NEW, "sha256", {"after": (f"{BY} sha256_password {PASSWORD}",)}
    yield NEW, "role", {"after": (*role("ALL"), ACTIVE)}
    yield NEW, "idle-role", {"after": role("ALL")}
    yield NEW, "tls", {"tls": CA}
    yield SECURE, "plain", {}
    yield SECURE, "verified", {"tls": VERIFIED}
    yield SECURE, "unverified", {"tls": CA}
    yield SECURE, "stranger", {"tls": {**FOREIGN, "verifyServerCert": True}}
    yield SECURE, "lax", {"tls": FOREIGN}
    yield TLS9, "plain", {}
    yield TLS9, "verified", {"tls": VERIFIED}
    yield TLS9, "unverified", {"tls": CA}
    yield TLS9, "stranger", {"tls": {**FOREIGN, "verifyServerCert": True}}
    yield TLS9, "lax", {"tls": FOREIGN}
    yield EXPIRED9, "verified", {"tls": VERIFIED}
    yield EXPIRED9, "lax", {"tls": CA}
    yield NAME9, "verified", {"tls": VERIFIED}
    yield NAME9, "lax", {"tls": CA}
    yield SELF9, "verified", {"tls": VERIFIED}
    only = ("ALTER USER '{name}'@'%' REQUIRE X509",)
    yield TLS9, "client", {"tls": {**VERIFIED, **CLIENT}, "after": only}
    yield TLS9, "no-client", {"tls": VERIFIED, "after": only}
    yield NEWEST, "role", {"after": (*role("ALL"), ACTIVE)}
    yield NEWEST, "general", {"after": two("{name}-password", "another")}
    yield NEWEST, "special", {"after": two("another", "{name}-password")}
    yield NEWEST, "empty", {"after": ("ALTER USER '{name}'@'%' IDENTIFIED BY ''",), "password": ""}
    lost = "UPDATE mysql.user SET plugin = 'mysql_native_password' WHERE user = '{name}'"
    yield NEWEST, "unloaded", {"after": (lost, "FLUSH PRIVILEGES")}
    yield SELF9, "reader", {}
    yield SELF9, "unbound", {"after": ("GRANT CONNECTION_ADMIN ON *.* TO '{name}'@'%'",)}
    yield NEWEST, "full", {"after": ("ALTER USER '{name}'@'%' WITH MAX_USER_CONNECTIONS 1",), "holds": True}


ODD_PASSWORD = "YBc($4+s76a$(HOSTNAME)b$$?@:/#%&="
ODD_DATABASE = "v-a@b#c:d e"


def named() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Names and passwords that a connection string, or Kubernetes, could stumble over, and servers that want primary keys."""
    for number, username in enumerate(("svc-{name}@corp.example", "{name}@a#b%c/d e", "{name}$a$", "{name}%41")):
        rename = (f"DROP USER IF EXISTS '{username}'@'%'", f"RENAME USER '{{name}}'@'%' TO '{username}'@'%'")
        yield NEW, f"user-{number}", {"username": username, "after": rename}
    own_password = f"ALTER USER '{{name}}'@'%' IDENTIFIED BY '{ODD_PASSWORD}'"
    for server in COLUMNS:
        yield server, f"password-{server}", {"password": ODD_PASSWORD, "after": (own_password,)}
    made = ("DROP DATABASE IF EXISTS `{database}`", "CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
    yield NEW, "database", {"database": ODD_DATABASE, "after": made}
    for server in (KEYS9, KEYSM):
        yield server, f"keys-{server}", {}


def crossed() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Several of account, TLS, character set and privileges at once."""
    less = MIGRATIONS.removeprefix("CREATE, ")
    here = ("DROP USER IF EXISTS '{name}'@'10.88.%'", "RENAME USER '{name}'@'%' TO '{name}'@'10.88.%'")
    yield TLS9, "tls-nine-utf8", {"tls": VERIFIED, "grant": MIGRATIONS, "charset": "utf8"}
    yield TLS9, "tls-latin1", {"tls": VERIFIED, "charset": "latin1"}
    yield TLS9, "required-nine", {"tls": VERIFIED, "grant": MIGRATIONS, "after": (TLS_ONLY,)}
    yield TLS9, "required-less", {"tls": VERIFIED, "grant": less, "after": (TLS_ONLY,)}
    yield TLS9, "required-plain-latin1", {"charset": "latin1", "after": (TLS_ONLY,)}
    yield TLS9, "here-nine-tls", {"tls": VERIFIED, "grant": MIGRATIONS, "after": here}
    yield TLS9, "wrong-tls", {"tls": VERIFIED, "password": "another"}
    yield TLS9, "locked-tls", {"tls": VERIFIED, "after": ("ALTER USER '{name}'@'%' ACCOUNT LOCK",)}
    yield TLS9, "role-tls", {"tls": VERIFIED, "after": (*role(MIGRATIONS), ACTIVE)}
    yield NEWEST, "role-less", {"after": (*role(less), ACTIVE)}
    yield EXPIRED9, "expired-latin1", {"tls": VERIFIED, "charset": "latin1"}
    yield (
        NEW,
        "native-nine-utf8",
        {
            "charset": "utf8",
            "grant": MIGRATIONS,
            "after": (f"{BY} mysql_native_password {PASSWORD}",),
        },
    )
    yield NEW, "role-utf8", {"charset": "utf8", "after": (*role("ALL"), ACTIVE)}
    yield NEW, "sha256-latin1", {"charset": "latin1", "after": (f"{BY} sha256_password {PASSWORD}",)}
    yield OLD, "wildcard-latin1", {"charset": "latin1", "after": (NOTHING, "GRANT ALL ON `v%`.* TO '{name}'@'%'")}
    yield OLD, "none-latin1", {"charset": "latin1", "after": (NOTHING,)}
    yield SECURE, "latin1-nine-tls", {"tls": VERIFIED, "charset": "latin1", "grant": MIGRATIONS}
    yield SECURE, "lax-required", {"tls": FOREIGN, "after": (TLS_ONLY,)}


def again() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Databases that a registry has made its tables in."""
    dirty = "UPDATE `{database}`.schema_migrations SET dirty = 1"
    for server, number in ((NEW, 0), (OLD, 1), (MARIADB, 2), (NEWEST, 3)):
        yield server, f"migrated-{number}", {"database": f"v{number}-all"}
        work = "SELECT, INSERT, UPDATE, DELETE"
        yield server, f"works-{number}", {"database": f"v{number}-all", "grant": work}
        yield server, f"dirty-{number}", {"database": f"v{number}-nine", "after": (dirty,)}
    yield NEWEST, "reads", {"database": "v3-all", "grant": "SELECT"}
    yield KEYS9, "own-keys", {"after": ("SET GLOBAL sql_generate_invisible_primary_key = ON",)}


COLUMNS = (NEW, OLD, MARIADB, NEWEST)
POSTGRES_PASSWORD = "ALTER ROLE \"{{name}}\" PASSWORD '{password}'"
FIRST = [
    *(
        Cell(f"v{number}-{name}", server, **more)
        for number, server in enumerate(COLUMNS)
        for name, more in same_for_all()
    ),
    *(Cell(f"o{number}-{name}", server, **more) for number, (server, name, more) in enumerate(own())),
    *(Cell(f"x-{name}", server, **more) for server, name, more in crossed()),
    *(Cell(f"n-{name}", server, **more) for server, name, more in named()),
    *(Cell(f"p-{mode}", POSTGRES, tls={"sslMode": mode}) for mode in ("allow", "prefer", "require", "verify-full")),
    *(
        Cell(f"p-password-{number}", POSTGRES, password=password, after=(POSTGRES_PASSWORD.format(password=password),))
        for number, password in enumerate(("a+b$(X)$$", "a/b", "a%b", "a?b", "a#b", "a@b", "a:b", "a b"))
    ),
    Cell("p-good", POSTGRES),
    Cell("p-wrong", POSTGRES, password="another"),
    Cell("p-missing", POSTGRES, after=('DROP DATABASE "{name}"',)),
    Cell("p-no-create", POSTGRES, after=('ALTER DATABASE "{name}" OWNER TO postgres',)),
]
SECOND = [Cell(f"a-{name}", server, **more) for server, name, more in again()]

POSTGRES_ACCOUNT = (
    'DROP DATABASE IF EXISTS "{name}"',
    'DROP ROLE IF EXISTS "{name}"',
    "CREATE ROLE \"{name}\" LOGIN PASSWORD '{name}-password'",
    'CREATE DATABASE "{name}" OWNER "{name}"',
)
STATEMENTS = """
import json, sys, psycopg
with psycopg.connect(host=sys.argv[1], user="postgres", password=sys.argv[2], dbname="postgres", autocommit=True) as it:
    for statement in json.loads(sys.argv[3]):
        it.execute(statement)
"""
"""Run inside the testbed, where the server's address leads somewhere."""


def pems(leaf: trustme.LeafCert) -> tuple[bytes, bytes]:
    """Certificate and key."""
    return leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()


def self_signed(addresses: Sequence[str]) -> tuple[bytes, bytes]:
    """Return a self-signed certificate for these addresses, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self")]), datetime.now(timezone.utc)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address)) for address in addresses])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=300))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), secret


def started(servers: Servers) -> None:
    """Servers beside the one that is always there. An address is only known once a pod runs: certificates name a network's."""
    names = [f"10.88.1.{number}" for number in range(1, 255)]
    past = datetime.now(timezone.utc) - timedelta(days=1)
    good, own_name = AUTHORITY.issue_cert(*names), AUTHORITY.issue_cert("other.example.com")
    over = AUTHORITY.issue_cert(*names, not_after=past)
    pairs = {
        SECURE: ("mariadb-10.11", *pems(good)),
        TLS9: ("mysql-9", *pems(good)),
        EXPIRED9: ("mysql-9", *pems(over)),
        NAME9: ("mysql-9", *pems(own_name)),
        SELF9: ("mysql-9", *self_signed(names)),
    }
    only = {SECURE: ["--require-secure-transport=ON"], SELF9: ["--read-only=ON"]}
    keys = {
        KEYS9: ("mysql-9", "--sql-require-primary-key=ON"),
        KEYSM: ("mariadb-10.11", "--innodb-force-primary-key=ON"),
    }
    with ThreadPoolExecutor(3) as pool:
        started = [pool.submit(servers, name) for name in ("mysql-5.7", "mariadb-10.11", "mysql-9", POSTGRES)]
        for name, (server, certificate, key) in pairs.items():
            files = {"tls.crt": certificate, "tls.key": key, "ca.crt": AUTHORITY.cert_pem.bytes()}
            options = [*FILES, *only.get(name, [])]
            started.append(pool.submit(servers, server, name=name, options=options, files=files))
        for name, (server, option) in keys.items():
            started.append(pool.submit(servers, server, name=name, options=[option]))
        for one in started:
            one.result()


@pytest.fixture(scope="module")
def table(bed: Testbed, servers: Servers) -> Iterator[None]:
    """All servers, the authorities, and a client's certificate."""
    started(servers)
    registries = Registries(bed)
    certificate, key = pems(AUTHORITY.issue_cert("client@example.com"))
    pair = {"tls.crt": certificate.decode(), "tls.key": key.decode()}
    kept = [("Secret", "verdicts-client", "stringData", pair)]
    for name, authority in (("verdicts-ca", AUTHORITY), ("verdicts-stranger", STRANGER)):
        kept.append(("ConfigMap", name, "data", {"ca.crt": authority.cert_pem.bytes().decode()}))
    for kind, name, field, data in kept:
        meta = {"name": name, "namespace": registries.namespace}
        registries.api.apply({"apiVersion": "v1", "kind": kind, "metadata": meta, field: data})
    yield
    for name in (SECURE, TLS9, EXPIRED9, NAME9, SELF9, KEYS9, KEYSM):
        registries.api.delete("apps/v1", "Deployment", name, NAMESPACE)


def prepared(registries: Registries, cell: Cell) -> Object:
    """Make the cell's account, database and Secret; give its registry, which is not created yet."""
    name, bed = cell.name, registries.bed
    host = bed.address(cell.server, NAMESPACE)
    secret = {"database-password": f"{name}-password" if cell.password is None else cell.password}
    meta = {"name": f"{name}-db", "namespace": registries.namespace}
    registries.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": secret})
    if cell.server == POSTGRES:
        statements = [statement.format(name=name) for statement in (*POSTGRES_ACCOUNT, *cell.after)]
        bed.run([sys.executable, "-c", STATEMENTS, host, ROOT_PASSWORD, json.dumps(statements)], check=True)
        body = registries.body(name, host=host)
        body["spec"]["postgres"] = {**body["spec"].pop("mysql"), "sslMode": "disable", **(cell.tls or {})}
        return body
    registries.make_database(name, service=cell.server, charset=cell.charset, grant=cell.grant)
    database = cell.database or name
    grant = f"GRANT {cell.grant} ON `{database}`.* TO '{name}'@'%'" if cell.database else "SELECT 1"
    after = (statement.format(name=name, database=database) for statement in cell.after)
    registries.sql(grant, *after, service=cell.server)
    username = cell.username.format(name=name)
    return registries.body(name, host=host, database=database, username=username, **(cell.tls or {}))


def ended(bed: Testbed, names: set[str]) -> dict[str, Told]:
    """Return the status of the registries. An operator that is only slow, with so many at a time, is no verdict."""
    found: dict[str, Told] = {}
    deadline = time.monotonic() + SECONDS
    while names and time.monotonic() < deadline:
        with waiter(bed, seconds=deadline - time.monotonic()) as waiting:
            found.update(waiting.last(*sorted(names)))
        names = {name for name in names if found[name]["reason"] in SLOW}
    return found


def disagreement(cell: Cell, findings: Sequence[Object], seen: Told) -> str:
    """How verdict and registry disagree; empty where they do not."""
    blockers = sorted({one["code"] for one in findings if one["severity"] == "blocker"})
    line = f"{cell.server:15} {cell.name:22} {seen['state']:8} {','.join(blockers) or '-':30} {seen['message'][:90]}"
    print(line, flush=True)
    if bool(blockers) == (seen["state"] == "ready"):
        return line
    fits = not blockers or any(re.search(SAYS[code], seen["message"]) for code in blockers)
    return "" if fits else f"{line} (another reason)"


def judged(bed: Testbed, batch: Sequence[Cell]) -> list[str]:
    """Check the cells of a batch, create their registries, and say where they disagree."""
    registries = Registries(bed)
    bodies = {cell.name: prepared(registries, cell) for cell in batch}
    with contextlib.ExitStack() as stack:
        for cell in batch:
            if cell.holds:
                stack.enter_context(connect_mysql(bed, cell.server, cell.name, f"{cell.name}-password"))
        verdicts = checked(bed, bodies.values())
        for body in bodies.values():
            registries.create(body)
        told = ended(bed, set(bodies))
    registries.remove()
    lines = (disagreement(cell, verdicts[cell.name]["findings"], told[cell.name]) for cell in batch)
    return [line for line in lines if line]


@pytest.mark.usefixtures("table")
def test_the_verdict_is_right(bed: Testbed) -> None:
    cells = [*FIRST, *SECOND]
    assert len(cells) >= 60 and len({cell.name for cell in cells}) == len(cells)
    began, disagreements = time.monotonic(), []
    for stage in (FIRST, SECOND):
        # Cells that will fail and cells that will work are mixed: a batch is as slow as its slowest.
        number = -(-len(stage) // BATCH)
        batches = [stage[start::number] for start in range(number)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for found in pool.map(lambda batch: judged(bed, batch), batches):
                disagreements += found
    print(f"{len(cells)} cells in {time.monotonic() - began:.0f} s, {len(disagreements)} disagreements")
    assert not disagreements, "\n".join(disagreements)
