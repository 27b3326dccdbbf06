# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Will a registry be able to use this PostgreSQL database? From facts to findings, each with its fix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ..._common.finding import MIGRATIONS, PRODUCT, Finding
from ..host import DIRECT, OF_ROUTE, RELAY
from .facts import Asked, PostgresFacts

__all__ = ["postgres_findings"]

POSTGRES = "PostgreSQL documentation"
OF_ADDRESS = ("access_denied", "host_denied")
"""Codes that may differ for another address."""
OF_ROLE = r'password authentication failed for user |role ".*" (does not exist|is not permitted to log in)'
"""The beginning of refusals that hold for every address: a role has one password, and no host."""
OLDEST = 120000
"""server_version_num: PostgreSQL no longer fixes older servers."""
STATES = {
    "28P01": "access_denied",
    "3D000": "database_missing",
    "42501": "database_denied",
    "53300": "too_many_connections",
    "57P03": "database_starting",
}
"""SQLSTATEs (PostgreSQL's documentation, Error Codes) that mean one thing. libpq gives none before a login."""
REFUSALS = (
    (r"password authentication failed for user ", "access_denied"),
    (r'role ".*" (does not exist|is not permitted to log in)', "access_denied"),
    (r"(fe_sendauth: )?no password supplied", "access_denied"),
    (r"no pg_hba\.conf entry for ", "host_denied"),
    (r"pg_hba\.conf rejects ", "host_denied"),
    (r"permission denied for database ", "database_denied"),
    (r'database ".*" does not exist', "database_missing"),
    (r'too many connections for role "', "account_connections"),
    (r'too many connections for database "', "too_many_connections"),
    (r"sorry, too many clients already", "too_many_connections"),
    (r"remaining connection slots are reserved", "too_many_connections"),
    (r"SSL error: certificate verify failed", "ca_unknown"),
    (r'root certificate file ".*" ', "ca_unknown"),
    (r'server certificate for ".*" .*does not match host name', "certificate_name"),
    (r"server does not support SSL", "tls_not_offered"),
    (r"the database system is ", "database_starting"),
    (r"received invalid response to SSL negotiation", "wrong_protocol"),
    (r"expected authentication request from server", "wrong_protocol"),
    (r"invalid message length|.*protocol error|.*more than \d+ bytes", "wrong_protocol"),
    (r"could not translate host name|\[Errno -\d+\] ", "host_unresolved"),
    (r"(\[Errno \d+\] )?[Cc]onnection refused", "port_closed"),
    (r"it did not answer within |(connection )?(timeout expired|timed out)", "database_silent"),
    (r"the connection was closed|server closed the connection|(\[Errno \d+\] )?Connection reset", "connection_closed"),
)
"""The beginning of libpq's and the server's messages in English, and what it means. The rest of a message can contain
arbitrary names, so it means nothing."""


def postgres_findings(facts: PostgresFacts, asked: Asked, path: str) -> list[Finding]:
    """Return the findings. What the check's own address may cause is a blocker only through a relay.

    pg_hba.conf decides by the client's address who may log in, and whether with a password. The official image accepts
    every user from loopback, where a port-forward comes from.
    """
    if facts.refusal:
        finding = _refused(facts, asked)
        is_elsewhere = path != RELAY and finding.code in OF_ADDRESS and not re.match(OF_ROLE, _words(facts))
        is_proven = not is_elsewhere and not (path == DIRECT and finding.code in (*OF_ROUTE, "database_error"))
        remedy = f"{finding.remedy} If in doubt, check with via: relay and relay_image."
        return [finding if is_proven else replace(finding, severity="warning", remedy=remedy)]
    if facts.is_looked_at:
        return []
    found = [finding for check in _CHECKS for finding in check(facts, asked)]
    return [*found, *(() if path == RELAY else _address(facts, asked))]


def _address(facts: PostgresFacts, asked: Asked) -> Iterator[Finding]:
    """Yield what is not proven for the pods, although the check was able to log in."""
    what, step = f"account {asked.username}", "To be sure, check with via: relay."
    why = "pg_hba.conf decides by the client's address, and the registry's pods have other addresses"
    if facts.asked_password:
        yield Finding("account_host", "info", what, why, step, POSTGRES)
        return
    why = f"the server did not ask for the password, so it is not verified: {why}"
    yield Finding("account_host", "warning", what, why, "Check with via: relay.", POSTGRES)


def _words(facts: PostgresFacts) -> str:
    """Return the message of a refusal without its severity."""
    return re.sub(r"^(FATAL|ERROR): +", "", facts.refusal)


def _refused(facts: PostgresFacts, asked: Asked) -> Finding:
    words = _words(facts)
    # Only a server gives a severity or a state.
    unknown = "unreachable" if words == facts.refusal and not facts.state else "database_error"
    by_state = STATES.get(facts.state, unknown)
    found = next((code for begin, code in REFUSALS if re.match(begin, words)), by_state)
    name, account = _quoted(asked.name), _quoted(asked.username)
    what, remedy = {
        "access_denied": (
            f"account {asked.username}",
            f"Correct database.username or database.password. To create the account:\nCREATE ROLE {account} LOGIN;\nThen:\n\\password {account}",
        ),
        "host_denied": (
            f"server {asked.host}",
            "Add a line to pg_hba.conf for the addresses of the registry's pods.",
        ),
        "database_missing": (f"database {asked.name}", f"CREATE DATABASE {name} OWNER {account} ENCODING 'UTF8';"),
        "database_denied": (f"database {asked.name}", f"GRANT CONNECT ON DATABASE {name} TO {account};"),
        "account_connections": (f"account {asked.username}", f"ALTER ROLE {account} CONNECTION LIMIT -1;"),
        "too_many_connections": (
            f"server {asked.host}",
            "Raise max_connections, or the limit of the database.",
        ),
        "ca_unknown": (
            f"certificate of {asked.host}",
            "Give database.tls the authority that signed it.",
        ),
        "certificate_name": (
            f"certificate of {asked.host}",
            "Renew it with this host among its subject alternative names, or use one of its names.",
        ),
        "tls_not_offered": (f"server {asked.host}", "Set ssl = on there, or choose another database.tls.mode."),
        "database_error": (f"server {asked.host}", "Look the error up in the server's documentation."),
        "database_starting": (f"server {asked.host}", "Wait until the server is up, then check again."),
        "wrong_protocol": (f"server {asked.host}", "Correct database.host and database.port."),
    }.get(found, (f"server {asked.host}", "Check database.host and database.port, and that the server runs."))
    return Finding(found, "blocker", what, facts.refusal, remedy, POSTGRES)


def _version(facts: PostgresFacts, asked: Asked) -> Iterator[Finding]:
    if facts.version < OLDEST:
        why = f"it is PostgreSQL {facts.version // 10000}, which is no longer maintained"
        yield Finding("server_old", "warning", f"server {asked.host}", why, "Use a newer one.", POSTGRES)


def _encoding(facts: PostgresFacts, asked: Asked) -> Iterator[Finding]:
    if facts.encoding != "UTF8":
        why = f"its encoding is {facts.encoding}, which cannot store all names and descriptions"
        remedy = (
            f"An encoding cannot be changed:\nCREATE DATABASE {_quoted(asked.name + '_utf8')} OWNER "
            f"{_quoted(asked.username)} ENCODING 'UTF8' TEMPLATE template0;"
        )
        yield Finding("charset", "warning", f"database {asked.name}", why, remedy, POSTGRES)


def _create(facts: PostgresFacts, asked: Asked) -> Iterator[Finding]:
    if facts.may_create:
        return
    schema = facts.schema or "public"
    why = f"{facts.account} may not create tables in its schema {schema}; since PostgreSQL 15 only the owner may"
    remedy = f"In database {asked.name}:\nGRANT USAGE, CREATE ON SCHEMA {_quoted(schema)} TO {_quoted(facts.account)};"
    yield Finding("privileges_missing", "blocker", f"database {asked.name}", why, remedy, MIGRATIONS)


def _read_only(facts: PostgresFacts, asked: Asked) -> Iterator[Finding]:
    if facts.read_only:
        why = "it takes no writes: it is a standby, or default_transaction_read_only is on"
        yield Finding("read_only", "blocker", f"server {asked.host}", why, "Give the host of the primary.", POSTGRES)


def _tls(facts: PostgresFacts, asked: Asked) -> Iterator[Finding]:
    what = f"connection to {asked.host}"
    if not facts.encrypted:
        why = "the password and the models are sent in plain text"
        yield Finding(
            "plaintext",
            "warning",
            what,
            why,
            "Give database.tls the authority that signed the server's certificate.",
            POSTGRES,
        )
    elif asked.mode not in ("verify-ca", "verify-full"):
        why = "it is encrypted, but any server at the host's address is accepted as the database"
        step = "Give database.tls the authority that signed the server's certificate."
        yield Finding("unverified", "warning", what, why, step, POSTGRES)
    elif asked.mode == "verify-ca":
        why = (
            "the certificate is verified, but not the host's name in it: with an authority, the "
            "registry server takes every mode as verify-ca"
        )
        step = "If that is too little, give an authority that signs only for this database."
        yield Finding("host_unverified", "info", what, why, step, PRODUCT)


def _limits(facts: PostgresFacts, asked: Asked) -> Iterator[Finding]:
    if facts.connections_left is not None and facts.connections_left < 5:
        why = f"it has {facts.connections_left} connections left"
        yield Finding("limits", "warning", f"server {asked.host}", why, "Raise max_connections.", POSTGRES)


def _migrations(facts: PostgresFacts, asked: Asked) -> Iterator[Finding]:
    if facts.dirty_version is not None:
        why = (
            f"a migration of the registry server broke off at version {facts.dirty_version}: schema_migrations is dirty"
        )
        remedy = "If there are no models in it yet, drop its tables; otherwise restore a backup."
        yield Finding("schema_dirty", "blocker", f"database {asked.name}", why, remedy, MIGRATIONS)


def _quoted(name: str) -> str:
    """Return a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


_CHECKS = (_version, _encoding, _create, _read_only, _tls, _limits, _migrations)
