# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local port that leads libpq to a database leads no other process there, and does not outlive the login."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database, Tls
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.credentials import Credentials
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres import client
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.client import (
    _Bridge,
    _files,
    gather,
    is_own,
)

STRANGER = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as sock:
    sock.settimeout(5)
    sock.sendall(b"hello")
    try:
        sys.exit(len(sock.recv(10)))
    except ConnectionError:
        pass
"""


@pytest.fixture
def opened() -> Iterator[tuple[_Bridge, list[socket.socket]]]:
    """Yield a bridge, and the far ends of the connections that it opens."""
    far_ends: list[socket.socket] = []

    def open_socket(_timeout: float) -> socket.socket:
        near, far = socket.socketpair()
        far_ends.append(far)
        return near

    with _Bridge(open_socket, 10) as bridge:
        yield bridge, far_ends
    for far in far_ends:
        far.close()


def echo(bridge: _Bridge, far_ends: list[socket.socket]) -> bytes:
    """Return the echo over a connection of this process."""
    before = len(far_ends)
    with socket.create_connection(("127.0.0.1", bridge.port), 5) as sock:
        sock.sendall(b"ping")
        while len(far_ends) == before:
            pass
        far_ends[-1].sendall(far_ends[-1].recv(10))
        return sock.recv(10)


def test_another_process_is_let_in_nowhere(opened: tuple[_Bridge, list[socket.socket]]) -> None:
    bridge, far_ends = opened
    done = subprocess.run([sys.executable, "-c", STRANGER, str(bridge.port)], timeout=20, check=False)
    assert done.returncode == 0 and not far_ends
    assert echo(bridge, far_ends) == b"ping"
    assert echo(bridge, far_ends) == b"ping", "libpq tries twice with some modes"


def test_nothing_listens_after_the_login(opened: tuple[_Bridge, list[socket.socket]]) -> None:
    bridge, far_ends = opened
    with socket.create_connection(("127.0.0.1", bridge.port), 5) as sock:
        sock.sendall(b"ping")
        while not far_ends:
            pass
        bridge.stop_listening()
        with contextlib.suppress(ConnectionError), pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", bridge.port), 5)
        far_ends[0].sendall(far_ends[0].recv(10))
        assert sock.recv(10) == b"ping", "the connection that is there goes on"


def test_the_ends_of_a_connection_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = listener.getsockname()
        with socket.create_connection(here) as mine, listener.accept()[0]:
            assert is_own(mine.getsockname(), here)
        assert not is_own(("127.0.0.1", 1), here)


def test_libpq_takes_nothing_out_of_the_home_of_its_user(tmp_path: object) -> None:
    """An authority, certificate or password there would make the check differ from what a registry does."""
    from pathlib import Path

    folder = Path(str(tmp_path))
    options = _files(folder, Credentials(ca_pem="PEM"))
    assert set(options) >= {"sslrootcert", "sslcert", "sslkey", "passfile"}
    assert all(file.startswith(str(folder)) for file in options.values())
    assert [name for name, file in options.items() if Path(file).exists()] == ["sslrootcert"]


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
@pytest.mark.parametrize("pem", [None, "PEM"])
def test_without_an_authority_this_machines_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, mode: str, pem: str | None
) -> None:
    """The value of libpq for them does not exist before 16, is refused with verify-ca, and fails in psycopg's wheel."""
    asked: dict[str, Any] = {}

    def connect(**options: Any) -> None:
        asked.update(options)
        raise psycopg.OperationalError("no")

    file = f"{tmp_path}/authorities.pem"
    paths = ssl.get_default_verify_paths()._replace(cafile=file)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(psycopg, "connect", connect)
    database = Database(type="postgres", host="pg.invalid", port=1, name="d", username="u", tls=Tls(mode=mode))
    gather(lambda _timeout: socket.socketpair()[0], database, Credentials(ca_pem=pem), 1)
    assert asked["sslmode"] == mode
    assert (asked["sslrootcert"] == file) is (pem is None)


def test_a_login_that_libpq_does_not_end_by_itself_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server chooses how often the password is hashed (RFC 5802): libpq reacts to nothing else until that is done."""
    folders: list[Path] = []

    def connect(**options: Any) -> None:
        folders.append(Path(options["sslkey"]).parent)
        time.sleep(30)

    monkeypatch.setattr("psycopg.connect", connect)
    database = Database("postgres", "db", 5432, "d", "u")
    begun = time.monotonic()
    facts = gather(lambda _timeout: socket.socketpair()[0], database, Credentials(b"p", client_key="key"), 1)
    assert facts.refusal == "it did not answer within 1 s"
    assert time.monotonic() - begun < 1 + client.GRACE + 2
    assert not folders[0].exists(), "a client's key is not left behind"
