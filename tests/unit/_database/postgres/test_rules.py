# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about a PostgreSQL server and their findings; and a check that ends, whatever the server does."""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
    CaSource,
    Database,
    KeyRef,
    Tls,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.credentials import Credentials
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.client import (
    asked_of,
    gather,
    probe_server,
    read,
    words_of,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.facts import (
    Asked,
    PostgresFacts,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.rules import (
    postgres_findings,
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
        ({"may_create": False}, ["blocker privileges_missing"]),
        ({"schema": "", "may_create": False}, ["blocker privileges_missing"]),
        ({"read_only": True}, ["blocker read_only"]),
        ({"encrypted": False}, ["warning plaintext"]),
        ({"connections_left": 1}, ["warning limits"]),
        ({"dirty_version": 7}, ["blocker schema_dirty"]),
        ({"refusal": 'FATAL: password authentication failed for user "fraud"'}, ["blocker access_denied"]),
        ({"refusal": 'FATAL: role "fraud" is not permitted to log in'}, ["blocker access_denied"]),
        ({"refusal": 'FATAL: role "fraud" does not exist'}, ["blocker access_denied"]),
        ({"refusal": "fe_sendauth: no password supplied"}, ["blocker access_denied"]),
        ({"refusal": 'FATAL: database "fraud" does not exist'}, ["blocker database_missing"]),
        ({"refusal": 'FATAL: database "no pg_hba.conf entry" does not exist'}, ["blocker database_missing"]),
        ({"refusal": 'FATAL: permission denied for database "fraud"'}, ["blocker database_denied"]),
        ({"refusal": 'FATAL: too many connections for database "fraud"'}, ["blocker too_many_connections"]),
        ({"refusal": 'FATAL: too many connections for role "fraud"'}, ["blocker account_connections"]),
        ({"refusal": "FATAL: remaining connection slots are reserved for roles"}, ["blocker too_many_connections"]),
        ({"refusal": "FATAL: the database system is starting up"}, ["blocker database_starting"]),
        ({"refusal": "FATAL: falsch", "state": "28P01"}, ["blocker access_denied"]),
        ({"refusal": 'Datenbank "x" gibt es nicht', "state": "3D000"}, ["blocker database_missing"]),
        ({"refusal": "zu viele", "state": "53300"}, ["blocker too_many_connections"]),
        ({"refusal": 'server certificate for "a" does not match host name "b"'}, ["blocker certificate_name"]),
        ({"refusal": "more than 9 bytes came"}, ["blocker wrong_protocol"]),
        ({"is_looked_at": True, "may_create": False}, []),
        ({"refusal": 'FATAL: no pg_hba.conf entry for host "10.0.0.1"'}, ["blocker host_denied"]),
        ({"refusal": "FATAL: sorry, too many clients already"}, ["blocker too_many_connections"]),
        ({"refusal": "SSL error: certificate verify failed"}, ["blocker ca_unknown"]),
        ({"refusal": "server does not support SSL, but SSL was required"}, ["blocker tls_not_offered"]),
        ({"refusal": "received invalid response to SSL negotiation: H"}, ["blocker wrong_protocol"]),
        ({"refusal": "FATAL: Passwort-Authentifizierung fehlgeschlagen"}, ["blocker database_error"]),
    ],
)
def test_findings(facts: dict[str, object], expected: list[str]) -> None:
    found = postgres_findings(replace(GOOD, **facts), ASKED, "relay")  # type: ignore[arg-type]  # values of a table
    assert [f"{finding.severity} {finding.code}" for finding in found] == expected
    assert all(finding.what and finding.why and finding.remedy and finding.rule for finding in found)


@pytest.mark.parametrize("path", ["direct", "port_forward", "relay"])
@pytest.mark.parametrize(("asked_password", "severity"), [(True, "info"), (False, "warning")])
def test_a_login_is_proven_for_its_address_alone(path: str, asked_password: bool, severity: str) -> None:
    """The official image accepts every login from loopback, where a port-forward comes from."""
    found = postgres_findings(replace(GOOD, asked_password=asked_password), ASKED, path)
    assert [(one.code, one.severity) for one in found] == ([] if path == "relay" else [("account_host", severity)])


def test_unverified_encryption() -> None:
    (found,) = postgres_findings(GOOD, replace(ASKED, mode="require"), "relay")
    assert found.code == "unverified"


def test_with_an_authority_the_host_is_said_to_be_unverified() -> None:
    (found,) = postgres_findings(GOOD, replace(ASKED, mode="verify-ca"), "relay")
    assert (found.code, found.severity) == ("host_unverified", "info")


def test_names_are_quoted_in_statements() -> None:
    (found,) = postgres_findings(PostgresFacts(refusal='database "fraud" does not exist'), ASKED, "relay")
    assert '"fr""aud"' in found.remedy


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (None, "disable"),
        (Tls(enabled=True), "require"),
        (Tls(enabled=False), "disable"),
        (Tls(mode="prefer"), "prefer"),
        (Tls(mode="verify-full"), "verify-full"),
        (Tls(verify=True), "verify-full"),
        (Tls(verify=False), "require"),
        # With an authority, no other mode is kept.
        (Tls(ca_pem="x"), "verify-ca"),
        *(
            (Tls(ca=CaSource("ConfigMap", KeyRef("a", "b")), mode=mode), "verify-ca")
            for mode in (None, "disable", "allow", "prefer", "require", "verify-ca", "verify-full")
        ),
        (Tls(ca=CaSource("ConfigMap", KeyRef("a", "b")), verify=False), "verify-ca"),
    ],
)
def test_mode_is_the_registrys(tls: Tls | None, expected: str) -> None:
    assert asked_of(replace(DATABASE, tls=tls)).mode == expected


def test_silent_server_ends_in_time() -> None:
    """A server that accepts and sends nothing costs the given time, and leaves no thread."""
    kept: list[socket.socket] = []

    def silent(_timeout: float) -> socket.socket:
        near, far = socket.socketpair()
        kept.append(far)
        return near

    before, start = threading.active_count(), time.monotonic()
    facts = gather(silent, DATABASE, Credentials(b"canary"), 1)
    assert time.monotonic() - start < 2
    assert "did not answer" in facts.refusal and "canary" not in facts.refusal
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
    assert facts.refusal and postgres_findings(facts, ASKED, "relay")[0].severity == "blocker"


def test_an_endless_server_ends_in_time_and_little_memory() -> None:
    """It sends notices for ever: the bytes read are bounded, and so is the time."""

    def endless(_timeout: float) -> socket.socket:
        near, far = socket.socketpair()

        def say() -> None:
            with far, contextlib.suppress(OSError):
                far.recv(1024)
                while True:
                    far.sendall(b"N" + struct.pack("!I", 4 + 1024) + b"SNOTICE\0M" + b"x" * 1014 + b"\0\0")

        threading.Thread(target=say, daemon=True).start()
        return near

    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    facts = gather(endless, DATABASE, Credentials(b"canary"), 3)
    assert time.monotonic() - start < 4
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "kilobytes"
    assert postgres_findings(facts, ASKED, "relay")[0].code == "wrong_protocol", facts.refusal


def answering(answer: bytes) -> Callable[[float], socket.socket]:
    """Return a function that opens a socket to a server that answers one request with this, and no more."""

    def opened(_timeout: float) -> socket.socket:
        near, far = socket.socketpair()

        def say() -> None:
            with far:
                far.recv(64)
                far.sendall(answer)

        threading.Thread(target=say, daemon=True).start()
        return near

    return opened


@pytest.mark.parametrize(
    ("answer", "tls", "expected"),
    [
        (b"S", Tls(mode="verify-full"), []),
        (b"N", None, []),
        (b"N", Tls(mode="require"), ["tls_not_offered"]),
        (b"H", None, ["wrong_protocol"]),
        (b"\x1b[2J", None, ["wrong_protocol"]),
        (b"", None, ["wrong_protocol"]),
    ],
)
def test_a_server_is_looked_at_without_a_login(answer: bytes, tls: Tls | None, expected: list[str]) -> None:
    asked = asked_of(replace(DATABASE, tls=tls))
    facts = probe_server(answering(answer), asked, 1)
    assert [one.code for one in postgres_findings(facts, asked, "relay")] == expected
    assert "\x1b" not in facts.refusal


def test_path_that_cannot_be_opened() -> None:
    def refused(_timeout: float) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    assert "refused" in gather(refused, DATABASE, Credentials(b"x"), 2).refusal


@pytest.mark.parametrize(
    ("words", "path", "expected"),
    [
        ("no pg_hba.conf entry for host", "direct", "warning host_denied"),
        ("no pg_hba.conf entry for host", "port_forward", "warning host_denied"),
        ("connection refused", "direct", "warning port_closed"),
        ("connection refused", "port_forward", "blocker port_closed"),
        ("password authentication failed for user u", "direct", "blocker access_denied"),
        ("FATAL:  password authentication failed for user u", "port_forward", "blocker access_denied"),
        ('role "u" does not exist', "port_forward", "blocker access_denied"),
        ("fe_sendauth: no password supplied", "direct", "warning access_denied"),
        ("password authentication failed for user u", "relay", "blocker access_denied"),
        ('database "x" does not exist', "direct", "blocker database_missing"),
    ],
)
def test_what_depends_on_the_address_of_the_check(words: str, path: str, expected: str) -> None:
    (found,) = postgres_findings(PostgresFacts(refusal=words), ASKED, path)
    assert f"{found.severity} {found.code}" == expected
    assert ("via: relay" in found.remedy) is (found.severity == "warning")


class FakeConnection:
    """Returns these rows in turn, whatever the query."""

    def __init__(self, *rows: tuple[object, ...] | None) -> None:
        self._rows = list(rows)

    def execute(self, _statement: str) -> FakeConnection:
        return self

    def fetchone(self) -> tuple[object, ...] | None:
        return self._rows.pop(0) if self._rows else None


ROW = (160003, "o\x1b[2Jdd", "UTF8", "pub\x1blic", True, False, 50)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ROW, (False,)], ""),
        ([None], "did not answer the query"),
        ([ROW[:3]], "did not answer the query"),
        ([(b"x", *ROW[1:]), (False,)], "did not answer the query"),
        ([ROW, None], "did not answer the query"),
        ([ROW, (True,), ("\u00b2",)], "did not answer the query"),
    ],
)
def test_odd_answers(rows: list[tuple[object, ...] | None], words: str) -> None:
    """Whatever a server answers after the login: facts that can be shown, or why there are none."""
    facts = read(FakeConnection(*rows))
    assert words in facts.refusal and bool(words) == bool(facts.refusal)
    assert "\x1b" not in repr(facts.account + facts.schema + facts.refusal)


def test_a_refusal_is_escaped() -> None:
    assert "\x1b" not in words_of(Exception("connection failed: FATAL: \x1b[2J" + "x" * 5000))
    assert len(words_of(Exception("x" * 5000))) < 400
