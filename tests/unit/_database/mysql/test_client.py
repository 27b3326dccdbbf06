# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that misbehave, on loopback: whatever one sends, a check ends in time, in little memory, and with a fact."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.client import Target, gather
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.connection import (
    OVERRIDDEN,
    UNFIT,
    unfit,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.facts import MysqlFacts
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pymysql.constants import CLIENT

Behaviour = Callable[[socket.socket], None]
CAPABILITIES = 0x00000001 | 0x00000200 | 0x00008000 | 0x00080000
PASSWORD = b"canary-never-shown"


def packet(payload: bytes, number: int = 0) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting(version: bytes = b"8.0.99", plugin: bytes = b"mysql_native_password", flags: int = CAPABILITIES) -> bytes:
    return packet(
        b"\x0a"
        + version
        + b"\0"
        + struct.pack("<I", 7)
        + b"scramble\0"
        + struct.pack("<HBHH", flags & 0xFFFF, 45, 2, flags >> 16)
        + b"\x15"
        + b"\0" * 10
        + b"second scrmb\0"
        + plugin
        + b"\0"
    )


@contextlib.contextmanager
def server(
    behave: Behaviour, family: socket.AddressFamily = socket.AF_INET
) -> Iterator[Callable[[float], socket.socket]]:
    """Serve on loopback, with this behaviour on each connection; yield a function that opens one."""
    listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                accepted, _ = listener.accept()
                threading.Thread(target=treat, args=(accepted,), daemon=True).start()

    def treat(accepted: socket.socket) -> None:
        with accepted, contextlib.suppress(OSError):
            behave(accepted)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield lambda timeout: socket.create_connection(listener.getsockname()[:2], timeout)
    finally:
        over.set()
        listener.close()


def asked(behave: Behaviour, timeout: float = 1.0, **target: object) -> MysqlFacts:
    with server(behave) as open_socket:
        return gather(open_socket, Target("u", "d", "db.example.com", PASSWORD, **target), timeout)  # type: ignore[arg-type]


def drain(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def says(data: bytes) -> Behaviour:
    """Send this, then read until the end."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(data)
        drain(sock)

    return behave


def endless(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"\xff\xff\xff\x00" + b"a" * 65536)


def drip(sock: socket.socket) -> None:
    for byte in greeting() * 100:
        sock.sendall(bytes([byte]))
        time.sleep(0.05)


def resets(sock: socket.socket) -> None:
    sock.sendall(greeting()[:20])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def error(code: int, words: bytes) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#HY000" + words


def after_login(*answers: bytes) -> Behaviour:
    """Send a greeting, read the login, then send these packets."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        sock.recv(65536)
        for number, answer in enumerate(answers, 2):
            sock.sendall(packet(answer, number))
        drain(sock)

    return behave


def waits(sock: socket.socket) -> None:
    """HTTP speaks second, and so do MySQL's clients."""
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


CASES: dict[str, tuple[Behaviour, str, int]] = {
    "silent": (drain, "timeout", 0),
    "patient http": (waits, "timeout", 0),
    "drip": (drip, "timeout", 0),
    "reset": (resets, "reset", 0),
    "closed": (lambda _sock: None, "reset", 0),
    "ssh": (says(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "no_mysql", 0),
    "http": (says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), "no_mysql", 0),
    "smtp": (says(b"220 mail.example.com ESMTP\r\n"), "no_mysql", 0),
    "endless": (endless, "no_mysql", 0),
    "huge": (says(b"\xfe\xff\xff\x00"), "no_mysql", 0),
    "empty": (says(packet(b"")), "no_mysql", 0),
    "cut": (says(packet(b"\x0a8.0")), "no_mysql", 0),
    "no version": (says(greeting(version=b"")), "no_mysql", 0),
    "wrong number": (says(b"\x05\x00\x00\x07hello"), "no_mysql", 0),
    "blocked": (says(packet(error(1129, b"Host 'x' is blocked"))), "", 1129),
    "full": (says(packet(error(1040, b"Too many connections"))), "", 1040),
    "denied": (after_login(error(1045, b"Access denied for user 'u'")), "", 1045),
    "not loaded": (after_login(error(1524, b"Plugin 'mysql_native_password' is not loaded")), "", 1524),
    "clear text": (after_login(b"\xfemysql_clear_password\0"), "", 2059),
    "dialog": (after_login(b"\xfedialog\0\x04Password: "), "", 2059),
    "unknown plugin": (after_login(b"\xfeauth_socket\0"), "", 2059),
    "nonsense": (after_login(b"\x77\x66\x55"), "no_mysql", 0),
}


@pytest.mark.parametrize("name", CASES)
def test_misbehaviour(name: str) -> None:
    behave, reason, code = CASES[name]
    tracemalloc.start()
    started = time.monotonic()
    facts = asked(behave)
    took = time.monotonic() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts.failure is not None
    assert (facts.failure.reason, facts.failure.code) == (reason, code), facts.failure
    assert took < 2.0 and peak < 16 * 1024 * 1024
    assert PASSWORD.decode() not in repr(facts)


def after(kind: bytes, *answers: bytes) -> Behaviour:
    """Behave like after_login(), for accounts with this plugin; each packet waits for the client."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting(plugin=kind))
        number = sock.recv(65536)[3] + 1
        for answer in answers:
            sock.sendall(packet(answer, number))
            number = (sock.recv(65536) + b"\0\0\0\0")[3] + 1
        drain(sock)

    return behave


ELLIPTIC = ec.generate_private_key(ec.SECP256R1()).public_key()
KEYS = {
    "elliptic": ELLIPTIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    "none": b"no key",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_public_key_that_is_none(key: str) -> None:
    """caching_sha2_password asks for the server's key before it sends the password."""
    facts = asked(after(b"caching_sha2_password", b"\x01\x04", b"\x01" + KEYS[key]))
    assert facts.failure is not None and facts.failure.reason == "no_mysql", facts.failure


def test_damaged_greetings_and_answers() -> None:
    """Whatever bytes of a good conversation change, the result is a fact."""
    chance = random.Random(20)  # noqa: S311 - the same damage each time
    whole = greeting() + packet(error(1045, b"Access denied"), 2)
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(3, len(damaged))] = chance.randrange(256)
        facts = asked(says(bytes(damaged)), timeout=0.3)
        assert facts.failure is not None, bytes(damaged)


def test_the_password_is_never_sent_in_clear() -> None:
    heard = bytearray()

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        heard.extend(sock.recv(65536))
        sock.sendall(packet(b"\xfemysql_clear_password\0", 2))
        while data := sock.recv(65536):
            heard.extend(data)

    asked(behave)
    assert heard and PASSWORD not in heard


def test_a_servers_words_are_escaped() -> None:
    """Terminal escapes and statements in a version are shown escaped, and their length is limited."""
    facts = asked(says(greeting(version=b"8.0\x1b[2J\x07'; DROP TABLE x; --" + b"a" * 5000)))
    assert "\x1b" not in facts.server.version and "\\x1b[2J" in facts.server.version
    assert len(facts.server.version) < 400
    told = asked(after_login(error(1045, b"\x1b]0;owned\x07no")))
    assert told.failure is not None and told.failure.words.startswith("\\x1b]0;owned")


TLS_OFFERED = CAPABILITIES | 0x00000800


def after_request(answer: bytes) -> Behaviour:
    """Send a greeting that offers TLS, then this as the answer to the request for it."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting(flags=TLS_OFFERED))
        sock.recv(32)
        sock.sendall(answer)
        drain(sock)

    return behave


def endless_records(sock: socket.socket) -> None:
    sock.sendall(greeting(flags=TLS_OFFERED))
    sock.recv(32)
    while True:
        sock.sendall(b"\x16\x03\x03\x40\x00" + b"\x02\x00\x40\x00" + b"a" * 16380)


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (after_request(b"\x15\x03\x03\x00\x02\x02\x28"), "handshake"),
        (after_request(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "handshake"),
        (after_request(packet(error(1045, b"no"), 2)), "handshake"),
        (after_request(b"\x16\x03\x03\xff\xff" + b"\0" * 65535), "handshake"),
        (after_request(bytes(range(256)) * 64), "handshake"),
        (after_request(b""), "timeout"),
        (endless_records, "handshake"),
    ],
    ids=["alert", "http", "mysql", "large record", "noise", "silence", "endless"],
)
def test_hostile_bytes_after_the_request_for_tls(behave: Behaviour, reason: str) -> None:
    tracemalloc.start()
    started = time.monotonic()
    facts = asked(behave, encrypted=True)
    took, peak = time.monotonic() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts.failure is not None and facts.failure.reason == reason, facts.failure
    assert took < 2.0 and peak < 16 * 1024 * 1024 and PASSWORD.decode() not in repr(facts)


def text(value: bytes | None) -> bytes:
    return b"\xfb" if value is None else b"\xfc" + struct.pack("<H", len(value)) + value


def answering(*tables: list[list[bytes | None]]) -> Behaviour:
    """Accept every login, and answer each question with the next of these tables, as texts."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        sock.recv(65536)
        sock.sendall(packet(b"\0" * 7, 2))
        for rows in tables:
            while not sock.recv(65536)[5:].startswith((b"SELECT", b"SHOW")):
                sock.sendall(packet(b"\0" * 7, 1))
            wide = max((len(row) for row in rows), default=1)
            column = b"".join(text(part) for part in (b"def", b"", b"", b"", b"c", b""))
            column += b"\x0c" + struct.pack("<HIBHBxx", 45, 100, 253, 0, 0)
            parts = [bytes([wide]), *[column] * wide, b"\xfe\0\0\2\0", *(b"".join(map(text, row)) for row in rows)]
            parts.append(b"\xfe\0\0\2\0")
            sock.sendall(b"".join(packet(part, number) for number, part in enumerate(parts, 1)))
        drain(sock)

    return behave


ODD: list[bytes | None] = [None, b"", "\u00b2".encode(), b"9" * 5000, b"\x1b[2J", b"-1"]

WIDTHS = (2, 1, 1, 2, 2, 1, 2, 1, 2, 2)
"""Columns of each question."""


def test_hostile_answers() -> None:
    """Whatever a server answers after the login, of whatever width: facts, none of it raw, and no exception."""
    chance = random.Random(21)  # noqa: S311 - the same answers each time
    for _ in range(150):
        tables = [
            [
                [chance.choice([*ODD, b"\xff"])] * chance.choice((width, width, 1, 2, 3))
                for _ in range(chance.choice((1, 1, 1, 0, 2)))
            ]
            for width in WIDTHS
        ]
        facts = asked(answering(*tables), timeout=0.5)
        assert "\x1b[" not in repr(facts) and PASSWORD.decode() not in repr(facts)


def test_odd_values_in_good_rows() -> None:
    """Each question gets a row of the right width, with values that are no number, no name and no time."""
    for odd in ODD:
        facts = asked(answering(*([[odd] * width] for width in WIDTHS)))
        assert facts.failure is None and facts.schema.exists, (odd, facts.failure)
        assert facts.schema.migration is None and facts.server.connections is None and not facts.schema.is_dirty


def test_other_columns_than_were_asked_for() -> None:
    facts = asked(answering([[b"u@%"]]))
    assert facts.failure is not None and (facts.failure.stage, facts.failure.reason) == ("query", "no_mysql")


@pytest.mark.parametrize(
    ("plugin", "answers", "package"),
    [
        (b"caching_sha2_password", [b"\x01\x04", b"\x01key"], "cryptography"),
        (b"sha256_password", [b"\x01key"], "cryptography"),
        (b"mysql_native_password", [b"\xfeclient_ed25519\0" + b"s" * 32], "pynacl"),
    ],
)
def test_a_package_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, plugin: bytes, answers: list[bytes], package: str
) -> None:
    """A missing package that PyMySQL needs for a plugin says nothing about the server."""
    monkeypatch.setattr("pymysql._auth._have_cryptography", False)
    monkeypatch.setitem(sys.modules, "nacl", None)
    facts = asked(after(plugin, *answers))
    assert facts.failure is not None and facts.failure.stage == "login", facts.failure
    assert facts.failure.reason == f"no_{package}" and package in facts.failure.words


def test_words_of_a_server_are_no_missing_package() -> None:
    facts = asked(after_login(error(1045, b"'cryptography' package is required")))
    assert facts.failure is not None and facts.failure.code == 1045


def test_nobody_logs_in_unless_it_is_wanted() -> None:
    """The server is checked without sending it a word; one that is not MySQL is detected all the same."""
    heard = bytearray()

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        while data := sock.recv(65536):
            heard.extend(data)

    facts = asked(behave, logs_in=False)
    assert facts.failure is None and facts.server.version == "8.0.99" and not facts.account.matched and not heard
    for encrypted in (False, True):
        other = asked(says(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), logs_in=False, encrypted=encrypted)
        assert other.failure is not None and other.failure.reason == "no_mysql"
    plain = asked(says(greeting()), logs_in=False, encrypted=True)
    assert plain.failure is not None and plain.failure.reason == "no_tls"


@pytest.mark.parametrize("spelling", ["  {}", "ca: {}", "\ufeff{}"])
def test_an_authority_that_go_does_not_read_is_none(spelling: str) -> None:
    """OpenSSL reads more than the registry server does."""
    pem = spelling.format(trustme.CA().cert_pem.bytes().decode())
    facts = asked(says(greeting()), encrypted=True, verified=True, ca_pem=pem)
    assert facts.failure is not None and (facts.failure.stage, facts.failure.reason) == ("tls", "authority")


@pytest.mark.parametrize("key", ["ca_pem", "client_certificate"])
@pytest.mark.parametrize("pem", ["no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_certificates_of_ours_that_are_none(key: str, pem: str) -> None:
    """That is no fault of the server's TLS."""
    authority = trustme.CA().cert_pem.bytes().decode()
    given: dict[str, Any] = {"ca_pem": authority, "client_key": "k", key: pem}
    facts = asked(says(greeting()), encrypted=True, verified=True, **given)
    assert facts.failure is not None
    assert (facts.failure.stage, facts.failure.reason) == ("tls", "authority" if key == "ca_pem" else "client")


def test_no_tls_where_it_is_wanted() -> None:
    """The password does not go over an unencrypted connection if TLS is required."""
    facts = asked(says(greeting()), encrypted=True)
    assert facts.failure is not None and facts.failure.stage == "tls" and facts.failure.reason == "no_tls"
    assert not facts.tls.offered


def is_tls(data: bytes) -> bool:
    """Return whether this is the request for TLS and then a TLS handshake, with no password in it."""
    return data[:4] == b"\x20\0\0\x01" and data[36:38] == b"\x16\x03" and PASSWORD not in data


@pytest.mark.parametrize("logs_in", [True, False])
@pytest.mark.parametrize("flags", [CAPABILITIES, CAPABILITIES | CLIENT.SSL])
def test_a_library_that_drops_tls_is_stopped_at_the_socket(
    monkeypatch: pytest.MonkeyPatch, flags: int, logs_in: bool
) -> None:
    """PyMySQL before 1.2 logs in silently if no TLS is offered; another library may do so even if it is.

    For the certificate alone, the library's login is not even begun.
    """
    heard: list[bytes] = []
    ended = threading.Semaphore(0)

    def old(self: Any) -> None:
        self.write_packet(b"\0" * 32 + self.user + b"\0" + self.password + b"\0")

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting(flags=flags))
        heard.append(b"".join(iter(lambda: sock.recv(65536), b"")))
        ended.release()

    monkeypatch.setattr("pymysql.connections.Connection._request_authentication", old)
    facts = asked(behave, encrypted=True, verified=True, logs_in=logs_in)
    offered = bool(flags & CLIENT.SSL)
    assert all(ended.acquire(timeout=10) for _connection in range(1 + (offered and logs_in)))
    assert facts.failure is not None and facts.failure.reason == ("timeout" if offered and not logs_in else "no_tls")
    assert [is_tls(data) for data in heard if data] == [True] * offered, "the connection for the certificate"
    assert not facts.tls.used and not facts.tls.verified


def test_a_library_that_believes_it_has_tls_is_stopped_before_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request for TLS goes out, and then the login in clear: the socket keeps it back."""
    heard: list[bytes] = []
    ended = threading.Semaphore(0)

    def lax(self: Any) -> None:
        self.write_packet(b"\0" * 32)
        self._secure = True
        self.write_packet(self.password)

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting(flags=CAPABILITIES | CLIENT.SSL))
        heard.append(b"".join(iter(lambda: sock.recv(65536), b"")))
        ended.release()

    monkeypatch.setattr("pymysql.connections.Connection._request_authentication", lax)
    facts = asked(behave, encrypted=True)
    assert facts.failure is not None and facts.failure.reason == "no_tls"
    # A second connection checks the certificate.
    assert all(ended.acquire(timeout=10) for _connection in range(2))
    assert len(heard[0]) == 36 and PASSWORD not in heard[0] and is_tls(heard[1])


@pytest.mark.parametrize(
    ("version", "lost", "words"),
    [
        ((1, 1, 1, "final"), "", "version 1.1.1 is installed"),
        ((0, 10, 1, "final"), "", "version 0.10.1 is installed"),
        ((2, 0, 0, "final"), "", "version 2.0.0 is installed"),
        ((1, 2, 0, "final"), "", ""),
        ((1, 9, 9, "final"), "", ""),
        *(((1, 3, 0, "final"), name, f"has no {name}") for name in OVERRIDDEN),
    ],
)
def test_which_library_is_fit(version: tuple[Any, ...], lost: str, words: str) -> None:
    """Its version, and overridden methods: under another name it would send what is kept back here."""
    connection = type("Connection", (), dict.fromkeys(name for name in OVERRIDDEN if name != lost))
    found = unfit(version, connection)
    assert words in found and bool(found) == bool(words)
    assert UNFIT == ""


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    facts = gather(lambda timeout: socket.create_connection(address, timeout), Target("u", "d", "localhost"), 1.0)
    assert facts.failure is not None and (facts.failure.stage, facts.failure.reason) == ("connect", "refused")


def test_ipv6() -> None:
    with server(says(packet(error(1040, b"Too many connections"))), socket.AF_INET6) as open_socket:
        facts = gather(open_socket, Target("u", "d", "::1", PASSWORD), 1.0)
    assert facts.failure is not None and facts.failure.code == 1040
