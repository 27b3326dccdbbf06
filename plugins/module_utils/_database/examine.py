# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Query a database over an open path, and report findings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from datetime import datetime, timezone
from typing import Any

from .._common.errors import RegistryError
from .._common.finding import UNSEEN, Finding, finding_result
from .._common.model import Database, Object, Tls
from .._common.text import printable
from .connection import Path
from .credentials import Credentials
from .effective import verifies
from .mysql.client import UNFIT, Target, gather
from .mysql.confidence import CheckContext
from .mysql.facts import MOST_NAMES, MysqlFacts
from .mysql.rules import mysql_findings
from .plugin_requirement import Requirement
from .postgres import client as postgres
from .postgres import rules as postgres_rules

__all__ = ["inspect_database", "psycopg_missing", "require_pymysql"]


def require_pymysql(database: Database) -> None:
    """Raise RegistryError if the MySQL client is not installed here, or is a release that must not be used."""
    if database.type == "mysql" and UNFIT:
        why = f"{UNFIT} for {sys.executable}, the Python that runs this module, and 1.2 or newer, below 2, is needed"
        raise RegistryError("PyMySQL", why, f"Run: {sys.executable} -m pip install 'PyMySQL[rsa]>=1.2,<2'")


def psycopg_missing(database: Database) -> Finding | None:
    """Return a finding if a PostgreSQL server cannot be queried because its client is not installed here."""
    if database.type == "mysql" or postgres.MISSING is None:
        return None
    what = f"database {database.name} on {database.host}"
    why = f"it was not checked: psycopg 3 is not installed for {sys.executable}, the Python that runs this module"
    step = f"Run: {sys.executable} -m pip install 'psycopg[binary]'"
    return Finding("not_checked", "warning", what, why, step, UNSEEN)


def inspect_database(
    database: Database, credentials: Credentials, path: Path, requirement: Requirement, how: tuple[str, int]
) -> tuple[Object, list[Object]]:
    """Return facts and findings in the form of results. how: the path's name, and the seconds allowed."""
    if database.type != "mysql":
        return _inspect_postgres(database, credentials, path, how)
    target = _target(database, credentials)
    facts = gather(path.open_socket, target, how[1])
    subject = CheckContext(
        target.username,
        target.database,
        target.server_name,
        target.encrypted,
        verifies(database.tls or Tls()),
        requirement.plugin,
        how[0],
        datetime.now(timezone.utc),
    )
    found = [
        finding_result(one, checked_as=facts.account.matched, path=how[0]) for one in mysql_findings(facts, subject)
    ]
    words = printable(path.words()) if facts.failure else ""
    if words and found:
        found[0]["why"] += f"; the relay says: {words}"
    return _plain(_few_names(facts)), found


def _few_names(facts: MysqlFacts) -> MysqlFacts:
    """Return the facts with only as many of a certificate's names as a result should list; all of them were compared."""
    shown = facts.tls.certificate
    if shown is None:
        return facts
    return replace(facts, tls=replace(facts.tls, certificate=replace(shown, names=shown.names[:MOST_NAMES])))


def _target(database: Database, credentials: Credentials) -> Target:
    tls = database.tls or Tls()
    # Without the authority, nothing can be verified; no login is attempted then.
    verified = verifies(tls) and not (tls.ca and credentials.ca_pem is None)
    return Target(
        username=str(database.username),
        database=str(database.name),
        server_name=str(database.host).strip("[]"),
        password=credentials.password,
        encrypted=bool(verifies(tls) or tls.ca or credentials.ca_pem or credentials.client_certificate or tls.cipher),
        verified=verified,
        ca_pem=credentials.ca_pem,
        client_certificate=credentials.client_certificate,
        client_key=credentials.client_key,
        logs_in=not credentials.lacks,
    )


def _inspect_postgres(
    database: Database, credentials: Credentials, path: Path, how: tuple[str, int]
) -> tuple[Object, list[Object]]:
    opened, asked = path.open_socket, postgres.asked_of(database)
    facts = (
        postgres.probe_server(opened, asked, how[1])
        if credentials.lacks
        else postgres.gather(opened, database, credentials, how[1])
    )
    found = [
        finding_result(one, checked_as=facts.account, path=how[0])
        for one in postgres_rules.postgres_findings(facts, asked, how[0])
    ]
    return _plain(facts), found


def _plain(value: Any) -> Any:
    """Return facts in the form of JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
