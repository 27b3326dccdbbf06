# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server tells, and which findings it gives; and a check that ends, whatever the server does."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.model import (
    CaSource,
    Database,
    KeyRef,
    Tls,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.postgres_rules import (
    Asked,
    PostgresFacts,
    judge,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._credentials import Credentials
from ansible_collections.opendatahub.model_registry.plugins.module_utils._postgres import (
    asked_of,
    gather,
    read,
    words_of,
)

ASKED = Asked("pg.example.com", "fraud", 'fr"aud', "verify-full")
GOOD = PostgresFacts("", 160003, "fraud", "UTF8", "public", True, False, True, 50, None)
DATABASE = Database(type="postgres", host="pg", port=5432, name="fraud", username="fraud")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, []),
        ({"version": 110022}, ["warning server_old"]),
        ({"encoding": "LATIN1"}, ["warning charset"]),
        ({"may_create": False}, ["blocker privileges"]),
        ({"schema": "", "may_create": False}, ["blocker privileges"]),
        ({"read_only": True}, ["blocker read_only"]),
        ({"encrypted": False}, ["warning plaintext"]),
        ({"connections_left": 1}, ["warning limits"]),
        ({"dirty_version": 7}, ["blocker schema_dirty"]),
        ({"refusal": 'FATAL: password authentication failed for user "fraud"'}, ["blocker access_denied"]),
        ({"refusal": 'FATAL: role "fraud" is not permitted to log in'}, ["blocker access_denied"]),
        ({"refusal": 'FATAL: database "fraud" does not exist'}, ["blocker database_missing"]),
        ({"refusal": 'FATAL: no pg_hba.conf entry for host "10.0.0.1"'}, ["blocker host_denied"]),
        ({"refusal": "FATAL: sorry, too many connections already"}, ["blocker too_many_connections"]),
        ({"refusal": "SSL error: certificate verify failed"}, ["blocker ca_unknown"]),
        ({"refusal": "server does not support SSL, but SSL was required"}, ["blocker tls_missing"]),
        ({"refusal": "received invalid response to SSL negotiation: H"}, ["blocker not_postgres"]),
        ({"refusal": "FATAL: Passwort-Authentifizierung fehlgeschlagen"}, ["blocker unreachable"]),
    ],
)
def test_findings(facts: dict[str, object], expected: list[str]) -> None:
    found = judge(replace(GOOD, **facts), ASKED, "relay")  # type: ignore[arg-type]  # values of a table
    assert [f"{finding.severity} {finding.code}" for finding in found] == expected
    assert all(finding.what and finding.why and finding.remedy for finding in found)


def test_unverified_encryption() -> None:
    (found,) = judge(GOOD, replace(ASKED, mode="require"), "relay")
    assert found.code == "unverified"


def test_names_are_quoted_in_statements() -> None:
    (found,) = judge(PostgresFacts(refusal='database "fraud" does not exist'), ASKED, "relay")
    assert '"fr""aud"' in found.remedy


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (None, "disable"),
        (Tls(enabled=True), "require"),
        (Tls(enabled=False), "disable"),
        (Tls(mode="prefer"), "prefer"),
        (Tls(ca_pem="x"), "verify-full"),
        (Tls(ca=CaSource("ConfigMap", KeyRef("a", "b")), verify=False), "require"),
    ],
)
def test_mode_is_the_registrys(tls: Tls | None, expected: str) -> None:
    assert asked_of(replace(DATABASE, tls=tls)).mode == expected


def test_silent_server_ends_in_time() -> None:
    """A server that accepts and says nothing costs the time that was given, and leaves no thread."""
    kept: list[socket.socket] = []

    def silent(_timeout: float) -> socket.socket:
        near, far = socket.socketpair()
        kept.append(far)
        return near

    before, start = threading.active_count(), time.monotonic()
    facts = gather(silent, DATABASE, Credentials(b"canary"), 1)
    assert time.monotonic() - start < 3
    assert "has not answered" in facts.refusal and "canary" not in facts.refusal
    assert threading.active_count() == before
    kept[0].close()


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_something_else_answers(greeting: bytes) -> None:
    def other(_timeout: float) -> socket.socket:
        near, far = socket.socketpair()
        far.sendall(greeting)
        far.close()
        return near

    facts = gather(other, DATABASE, Credentials(b"canary"), 2)
    assert facts.refusal and judge(facts, ASKED, "relay")[0].severity == "blocker"


def test_path_that_cannot_be_opened() -> None:
    def refused(_timeout: float) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    assert "refused" in gather(refused, DATABASE, Credentials(b"x"), 2).refusal


@pytest.mark.parametrize(
    ("words", "path", "expected"),
    [
        ("no pg_hba.conf entry", "direct", "warning host_denied"),
        ("no pg_hba.conf entry", "port_forward", "warning host_denied"),
        ("connection refused", "direct", "warning unreachable"),
        ("connection refused", "port_forward", "blocker unreachable"),
        ("password authentication failed", "direct", "blocker access_denied"),
    ],
)
def test_what_depends_on_the_address_of_the_check(words: str, path: str, expected: str) -> None:
    (found,) = judge(PostgresFacts(refusal=words), ASKED, path)
    assert f"{found.severity} {found.code}" == expected
    assert ("via: relay" in found.remedy) is (found.severity == "warning")


class FakeConnection:
    """Gives these rows, one after the other, whatever is asked."""

    def __init__(self, *rows: tuple[object, ...] | None) -> None:
        self._rows = list(rows)

    def execute(self, _statement: str) -> FakeConnection:
        return self

    def fetchone(self) -> tuple[object, ...] | None:
        return self._rows.pop(0) if self._rows else None


ROW = (160003, "o\x1b[2Jdd", "UTF8", "pub\x1blic", True, False, True, 50)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ROW, (False,)], ""),
        ([None], "no answer to what was asked"),
        ([ROW[:3]], "no answer to what was asked"),
        ([(b"x", *ROW[1:]), (False,)], "no answer to what was asked"),
        ([ROW, None], "no answer to what was asked"),
        ([ROW, (True,), ("\u00b2",)], "no answer to what was asked"),
    ],
)
def test_odd_answers(rows: list[tuple[object, ...] | None], words: str) -> None:
    """Whatever a server answers that has let one in: facts that can be shown, or why there are none."""
    facts = read(FakeConnection(*rows))
    assert words in facts.refusal and bool(words) == bool(facts.refusal)
    assert "\x1b" not in repr(facts.account + facts.schema + facts.refusal)


def test_a_refusal_is_escaped() -> None:
    assert "\x1b" not in words_of(Exception("connection failed: FATAL: \x1b[2J" + "x" * 5000))
    assert len(words_of(Exception("x" * 5000))) < 400
