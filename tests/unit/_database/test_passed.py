# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What passed in a check of a database, in a few words each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.facts import (
    Account,
    Failure,
    MysqlFacts,
    MysqlGrants,
    Schema,
    Server,
    TlsHandshake,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.passed import (
    mysql_passed,
    postgres_passed,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.facts import PostgresFacts

MYSQL = MysqlFacts(
    Server("8.0.12", "MySQL"),
    TlsHandshake(True, "TLSv1.3", used=True, verified=True),
    Account("fraud@%"),
    Schema(True, "utf8mb4"),
    MysqlGrants(()),
)
LOGIN = "logged in to MySQL 8.0.12 as fraud@%"
POSTGRES = PostgresFacts(version=160003, account="fraud", encoding="UTF8", may_create=True, encrypted=True)


@pytest.mark.parametrize(
    ("facts", "codes", "expected"),
    [
        (MYSQL, (), [LOGIN, "TLS 1.3, certificate verified", "utf8mb4", "privileges complete"]),
        (MYSQL, ("privileges_missing",), [LOGIN, "TLS 1.3, certificate verified", "utf8mb4"]),
        (replace(MYSQL, tls=TlsHandshake(True, "TLSv1.2", used=True)), (), [LOGIN, "TLS 1.2", "utf8mb4", "privileges complete"]),
        (replace(MYSQL, tls=TlsHandshake(True)), (), [LOGIN, "utf8mb4", "privileges complete"]),
        (replace(MYSQL, schema=Schema(True, "latin1"), tls=TlsHandshake(False), grants=MysqlGrants()), ("charset",), [LOGIN]),
        (replace(MYSQL, schema=Schema(), tls=TlsHandshake(False), failure=Failure("database", "no", 1049)), ("database_missing",), [LOGIN]),
        (replace(MYSQL, account=Account(), failure=Failure("login", "denied", 1045)), ("access_denied",), []),
        (MysqlFacts(), (), []),
    ],
)  # fmt: skip
def test_mysql(facts: MysqlFacts, codes: tuple[str, ...], expected: list[str]) -> None:
    assert list(mysql_passed(facts, codes)) == expected


@pytest.mark.parametrize(
    ("facts", "codes", "expected"),
    [
        (POSTGRES, (), ["logged in to PostgreSQL 16.3 as fraud", "TLS", "UTF8", "privileges complete"]),
        (replace(POSTGRES, encrypted=False, may_create=False, encoding="LATIN1"), ("charset",), ["logged in to PostgreSQL 16.3 as fraud"]),
        (PostgresFacts(refusal="FATAL: no"), ("access_denied",), []),
        (PostgresFacts(is_looked_at=True), (), []),
    ],
)  # fmt: skip
def test_postgres(facts: PostgresFacts, codes: tuple[str, ...], expected: list[str]) -> None:
    assert list(postgres_passed(facts, codes)) == expected
