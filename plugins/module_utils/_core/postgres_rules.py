# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Will a registry be able to use this PostgreSQL database? From facts to findings, each with what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .hosts import DIRECT, RELAY, Trouble

__all__ = ["Asked", "PostgresFacts", "judge"]

POSTGRES = "PostgreSQL documentation"
SERVER = "the registry server's own migrations"
OLDEST = 120000
"""server_version_num: older servers get no more corrections from their makers."""
REFUSALS = (
    ("password authentication failed", "access_denied"),
    ('role "', "access_denied"),
    ("no password supplied", "access_denied"),
    ("no pg_hba.conf entry", "host_denied"),
    ("pg_hba.conf rejects", "host_denied"),
    ('database "', "database_missing"),
    ("permission denied for database", "database_denied"),
    ("too many connections", "too_many_connections"),
    ("remaining connection slots", "too_many_connections"),
    ("certificate verify failed", "ca_unknown"),
    ("does not match host name", "ca_unknown"),
    ("root certificate file", "ca_unknown"),
    ("server does not support ssl", "tls_missing"),
    ("is starting up", "unreachable"),
    ("received invalid response", "not_postgres"),
)
"""What is in the words of a refusal, as libpq and the server have it in English, and what that means."""


@dataclass(frozen=True)
class Asked:
    """The database that was asked for, as the registry will name it."""

    host: str
    name: str
    username: str
    mode: str
    """sslmode."""


@dataclass(frozen=True)
class PostgresFacts:
    """What a server tells of itself, of the account and of the database."""

    refusal: str = ""
    """Why nobody could log in, in the server's own words; the rest is empty then."""
    version: int = 0
    """server_version_num, such as 160003."""
    account: str = ""
    encoding: str = ""
    schema: str = ""
    """The one that tables are made in; empty where none of the search path is there."""
    may_create: bool = False
    """In that schema."""
    read_only: bool = False
    """A standby, or a database whose transactions are read-only by default."""
    encrypted: bool = False
    connections_left: int | None = None
    dirty_version: int | None = None
    """Of schema_migrations, where a migration has died half-way."""


def judge(facts: PostgresFacts, asked: Asked, path: str) -> list[Trouble]:
    """The findings. What the address that the check came from may have caused is a blocker from where the pods are only."""
    if facts.refusal:
        found = _refused(facts.refusal, asked)
        is_proven = path == RELAY or not (found.code == "host_denied" or (found.code, path) == ("unreachable", DIRECT))
        remedy = f"Check with via: relay. {found.remedy}"
        return [found if is_proven else replace(found, severity="warning", remedy=remedy)]
    return [finding for check in _CHECKS for finding in check(facts, asked)]


def _refused(words: str, asked: Asked) -> Trouble:
    found = next((code for text, code in REFUSALS if text in words.lower()), "unreachable")
    name, account = _quoted(asked.name), _quoted(asked.username)
    what, remedy = {
        "access_denied": (
            f"account {asked.username}",
            f"Correct database.username or password. To make it: CREATE ROLE {account} LOGIN; then \\password {account}.",
        ),
        "host_denied": (
            f"server {asked.host}",
            "Add a line to pg_hba.conf for the addresses of the registry's pods.",
        ),
        "database_missing": (f"database {asked.name}", f"CREATE DATABASE {name} OWNER {account} ENCODING 'UTF8';"),
        "database_denied": (f"database {asked.name}", f"GRANT CONNECT ON DATABASE {name} TO {account};"),
        "too_many_connections": (
            f"server {asked.host}",
            "Raise max_connections, or the limit of the role or database.",
        ),
        "ca_unknown": (
            f"certificate of {asked.host}",
            "Give database.tls the authority that has signed it, and the host that it names.",
        ),
        "tls_missing": (f"server {asked.host}", "Set ssl = on there, or choose another database.tls.mode."),
        "not_postgres": (f"server {asked.host}", "Correct database.host and database.port."),
    }.get(found, (f"server {asked.host}", "Check database.host and database.port, and that the server runs."))
    return Trouble(found, "blocker", what, words, remedy, POSTGRES)


def _version(facts: PostgresFacts, asked: Asked) -> Iterator[Trouble]:
    if facts.version < OLDEST:
        why = f"it is PostgreSQL {facts.version // 10000}, which gets no more corrections"
        yield Trouble("server_old", "warning", f"server {asked.host}", why, "Use a newer one.", POSTGRES)


def _encoding(facts: PostgresFacts, asked: Asked) -> Iterator[Trouble]:
    if facts.encoding != "UTF8":
        why = f"its encoding is {facts.encoding}: names and descriptions in other scripts cannot be stored"
        remedy = (
            f"An encoding cannot be changed: CREATE DATABASE {_quoted(asked.name + '_utf8')} OWNER "
            f"{_quoted(asked.username)} ENCODING 'UTF8' TEMPLATE template0;"
        )
        yield Trouble("charset", "warning", f"database {asked.name}", why, remedy, POSTGRES)


def _create(facts: PostgresFacts, asked: Asked) -> Iterator[Trouble]:
    if facts.may_create:
        return
    schema = facts.schema or "public"
    why = f"{facts.account} may not create tables in its schema {schema}; since PostgreSQL 15 only the owner may"
    remedy = f"In database {asked.name}: GRANT USAGE, CREATE ON SCHEMA {_quoted(schema)} TO {_quoted(facts.account)};"
    yield Trouble("privileges", "blocker", f"database {asked.name}", why, remedy, SERVER)


def _read_only(facts: PostgresFacts, asked: Asked) -> Iterator[Trouble]:
    if facts.read_only:
        why = "it takes no writes: it is a standby, or default_transaction_read_only is on"
        yield Trouble("read_only", "blocker", f"server {asked.host}", why, "Give the host of the primary.", POSTGRES)


def _tls(facts: PostgresFacts, asked: Asked) -> Iterator[Trouble]:
    what = f"connection to {asked.host}"
    if not facts.encrypted:
        why = "it is in plain text, password and models included"
        yield Trouble(
            "plaintext", "warning", what, why, "Set database.tls.mode to verify-full, with an authority.", POSTGRES
        )
    elif asked.mode not in ("verify-ca", "verify-full"):
        why = "it is encrypted, but anybody who answers at the host's address is believed to be the database"
        yield Trouble("unverified", "warning", what, why, "Set database.tls.mode to verify-full.", POSTGRES)


def _limits(facts: PostgresFacts, asked: Asked) -> Iterator[Trouble]:
    if facts.connections_left is not None and facts.connections_left < 5:
        why = f"it has {facts.connections_left} connections left"
        yield Trouble("limits", "warning", f"server {asked.host}", why, "Raise max_connections.", POSTGRES)


def _migrations(facts: PostgresFacts, asked: Asked) -> Iterator[Trouble]:
    if facts.dirty_version is not None:
        why = (
            f"a migration of the registry server has died at version {facts.dirty_version}: schema_migrations is dirty"
        )
        remedy = "If the database holds nothing of worth, drop its tables; otherwise restore a backup."
        yield Trouble("schema_dirty", "blocker", f"database {asked.name}", why, remedy, SERVER)


def _quoted(name: str) -> str:
    """An identifier as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


_CHECKS = (_version, _encoding, _create, _read_only, _tls, _limits, _migrations)
