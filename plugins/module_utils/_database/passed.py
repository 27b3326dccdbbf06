# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check of a database has seen to be right, in a few words each."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .mysql.facts import MysqlFacts
from .postgres.facts import PostgresFacts

__all__ = ["mysql_passed", "postgres_passed"]


def mysql_passed(facts: MysqlFacts, codes: Collection[str]) -> Iterator[str]:
    """Yield what passed in a check of a MySQL server. codes: of the findings."""
    server, account, schema = facts.server, facts.account, facts.schema
    if not account.matched:
        return
    yield f"logged in to {server.kind} {server.version} as {account.matched}"
    if facts.tls.used:
        yield f"{facts.tls.version.replace('TLSv', 'TLS ') or 'TLS'}{', certificate verified' if facts.tls.verified else ''}"
    if schema.exists and schema.charset == "utf8mb4":
        yield schema.charset
    if schema.exists and facts.grants.known is not None and "privileges_missing" not in codes:
        yield "privileges complete"


def postgres_passed(facts: PostgresFacts, codes: Collection[str]) -> Iterator[str]:
    """Yield what passed in a check of a PostgreSQL server. codes: of the findings."""
    if facts.refusal or not facts.account:
        return
    number = f"{facts.version // 10000}.{facts.version % 10000}"
    yield f"logged in to PostgreSQL {number} as {facts.account}"
    if facts.encrypted:
        yield "TLS"
    if "charset" not in codes:
        yield facts.encoding
    if facts.may_create:
        yield "privileges complete"
