# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to a PostgreSQL database: gather facts over sockets that the caller opens. It writes nothing."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..._common.certificates import as_go_reads
from ..._common.finding import UNSEEN, Finding
from ..._common.model import Database, Tls
from ..._common.text import number, printable
from ..._kubernetes.port_forward import within
from ..connection import OpenSocket
from ..connection import Path as OpenPath
from ..credentials import Credentials
from ..inspection import Inspection, Subject, inspection_of
from .facts import Asked, PostgresFacts
from .rules import postgres_findings

try:
    import psycopg
except ImportError:
    MISSING: str | None = traceback.format_exc()
    """Why no PostgreSQL server can be queried: psycopg is not installed."""
else:
    MISSING = None

__all__ = ["asked_of", "gather", "inspect", "probe_server", "psycopg_missing", "read", "words_of"]

CHUNK = 64 * 1024
GRACE = 2.0
"""Seconds for the remaining steps after the bridge has ended a connection."""
FACTS = """
SELECT current_setting('server_version_num')::int,
       current_user::text,
       pg_encoding_to_char(encoding)::text,
       coalesce(current_schema(), '')::text,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
       pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
       current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity)::int
FROM pg_database WHERE datname = current_database()
"""
SSL_REQUEST = struct.pack("!II", 8, 80877103)
"""The query whether a server offers TLS (PostgreSQL's documentation, Message Formats)."""
VERIFIED = ("verify-ca", "verify-full")
ENCRYPTED = ("require", *VERIFIED)
"""Values of sslmode with which nothing is sent in plain text."""
NO_TLS = "server does not support SSL, but SSL was required"
"""libpq's message."""
CONNECTIONS = Path("/proc/net/tcp")
"""All IPv4 connections of this network namespace (proc_net_tcp(5) has the format)."""
OWN_FILES = Path("/proc/self/fd")
MOST_BYTES = 4 * 1024 * 1024
"""From the server, on one connection. The expected answers have a few thousand."""
WHERE = re.compile(
    r'connection to server (?:at|on) "[^"\n]{0,300}"(?: \([^)\n]{0,300}\))?(?:, port \d{1,5})? failed: '
    r"|connection (?:failed|is bad): "
)
"""What libpq and psycopg put before each error message."""
MIGRATIONS = "SELECT to_regclass('schema_migrations') IS NOT NULL"
DIRTY = "SELECT version FROM schema_migrations WHERE dirty"


def psycopg_missing(database: Database) -> Finding | None:
    """Return a finding if a PostgreSQL server cannot be queried because its client is not installed here."""
    if database.type == "mysql" or MISSING is None:
        return None
    what = f"database {database.name} on {database.host}"
    why = f"it was not checked: psycopg 3 is not installed for {sys.executable}, the Python that runs this module"
    step = f"Run: {sys.executable} -m pip install 'psycopg[binary]'"
    return Finding("not_checked", "warning", what, why, step, UNSEEN)


def inspect(subject: Subject, path: OpenPath) -> Inspection:
    """Return what is seen of the database on the path."""
    asked = asked_of(subject.database)
    if subject.credentials.lacks:
        facts = probe_server(path.open_socket, asked, subject.timeout)
    else:
        facts = gather(path.open_socket, subject.database, subject.credentials, subject.timeout)
    return inspection_of(facts, facts.account, path.name, lambda name: postgres_findings(facts, asked, name))


def asked_of(database: Database) -> Asked:
    """Return the database as the registry server will request it.

    With an authority it always sends sslmode require, which its driver takes as verify-ca: no host name is compared.
    """
    tls = database.tls or Tls()
    if tls.ca or tls.ca_pem:
        mode = "verify-ca"
    elif tls.mode is not None or tls.verify is None:
        mode = tls.mode or ("require" if tls.enabled else "disable")
    else:
        mode = "verify-full" if tls.verify else "require"
    return Asked(str(database.host), str(database.name), str(database.username), mode)


def gather(open_socket: OpenSocket, database: Database, credentials: Credentials, timeout: int) -> PostgresFacts:
    """Return what the server reports within ``timeout`` seconds, or why it refuses the login."""
    asked = asked_of(database)
    with contextlib.ExitStack() as stack:
        # These end here, whatever state libpq is in.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bridge = stack.enter_context(_Bridge(open_socket, timeout))
        options: dict[str, Any] = {
            "host": asked.host.strip("[]"),
            "hostaddr": "127.0.0.1",
            "port": bridge.port,
            "dbname": asked.name,
            "user": asked.username,
            "password": credentials.password.decode(errors="replace"),
            "sslmode": asked.mode,
            "gssencmode": "disable",
            "connect_timeout": max(2, timeout),
            "application_name": "opendatahub.model_registry",
            **_files(folder, credentials),
        }
        if credentials.ca_pem is None and asked.mode in VERIFIED:
            # The registry server then verifies with its image's authorities. libpq supports "system" only from 16 on
            # and with verify-full, and looks in the path of its build.
            options["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
        try:
            # The bridge cuts the connection, but libpq notices only between two steps. In one it hashes the password as
            # often as the server says, which can take an hour.
            return within(timeout + GRACE, lambda: _login(options, asked, bridge))
        except TimeoutError:
            return PostgresFacts(refusal=f"it did not answer within {timeout} s")


def _login(options: dict[str, Any], asked: Asked, bridge: _Bridge) -> PostgresFacts:
    """Return what the server reports, or why it refuses the login."""
    try:
        with psycopg.connect(**options, autocommit=True) as connection:
            bridge.stop_listening()
            connection.read_only = True
            # The server's claim to encrypt is not enough: libpq knows the state of this end of the connection.
            is_encrypted = bool(connection.pgconn.ssl_in_use)
            if not is_encrypted and asked.mode in ENCRYPTED:
                return PostgresFacts(refusal=NO_TLS)
            facts = replace(read(connection), encrypted=is_encrypted)
            return replace(facts, asked_password=connection.pgconn.used_password)
    except (psycopg.Error, UnicodeError) as error:
        # psycopg decodes messages by the encoding that the server claims.
        state = getattr(error, "sqlstate", None) or ""
        return PostgresFacts(refusal=printable(bridge.error) or words_of(error), state=state)


def probe_server(open_socket: OpenSocket, asked: Asked, timeout: int) -> PostgresFacts:
    """Return whether a PostgreSQL server answers, and offers TLS if required. It does not log in."""
    deadline = time.monotonic() + timeout
    try:
        with contextlib.closing(open_socket(timeout)) as sock:
            sock.settimeout(max(0.1, deadline - time.monotonic()))
            sock.sendall(SSL_REQUEST)
            answer = sock.recv(1)
    except OSError as error:
        return PostgresFacts(refusal=printable(error) or "the connection was closed")
    if answer not in (b"S", b"N"):
        return PostgresFacts(refusal=f"received invalid response to SSL negotiation: {printable(answer)}")
    if answer == b"N" and asked.mode in ENCRYPTED:
        return PostgresFacts(refusal=NO_TLS)
    return PostgresFacts(is_looked_at=True)


def read(connection: Any) -> PostgresFacts:
    """Return what a server reports after the login. A row of an unexpected form counts as a refusal."""
    try:
        version, account, encoding, schema, may_create, read_only, left = _row(connection, FACTS)
        (has_tables,) = _row(connection, MIGRATIONS)
        dirty = _dirty(connection) if has_tables else None
        counts = _count(version), _count(left)
    except (TypeError, ValueError):
        return PostgresFacts(refusal="the server did not answer the query")
    return PostgresFacts(
        version=counts[0],
        account=printable(account),
        encoding=printable(encoding),
        schema=printable(schema),
        may_create=bool(may_create),
        read_only=bool(read_only),
        connections_left=counts[1],
        dirty_version=dirty,
    )


def _row(connection: Any, question: str) -> tuple[Any, ...]:
    return tuple(connection.execute(question).fetchone())


def _dirty(connection: Any) -> int | None:
    """Return the version whose migration failed, if there is one and the account may read it."""
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        row = connection.execute(DIRTY).fetchone()
        return _count(row[0]) if row else None
    return None


def _count(value: object) -> int:
    text = str(value)
    found, sign = number(text.lstrip("-")), -1 if text.startswith("-") else 1
    if found is None:
        raise ValueError(value)
    return sign * found


def _files(folder: Path, credentials: Credentials) -> dict[str, str]:
    """Write the certificates to files, as libpq requires. Only this user can read them; they go with the folder.

    Without an option, libpq would use what is in the home of the user who runs the check: an authority, a client's
    certificate, a password. The registry has none of these, so each option names a file, and most do not exist.
    """
    texts = {
        "sslrootcert": None if credentials.ca_pem is None else as_go_reads(credentials.ca_pem),
        "sslcert": credentials.client_certificate,
        "sslkey": credentials.client_key,
    }
    for option, text in texts.items():
        if text is not None:
            file = folder / option
            file.touch(0o600)
            file.write_text(text)
    return {option: str(folder / option) for option in (*texts, "passfile", "sslcrl")}


def words_of(error: Exception) -> str:
    """Return the message of libpq and the server in one line, without the address that libpq was given here."""
    line = " ".join(str(error).split())
    return printable(WHERE.split(line)[-1])


def is_own(peer: tuple[str, int], here: tuple[str, int]) -> bool:
    """Return whether this process holds the end ``peer`` of a connection to ``here``; True on systems that do not tell.

    Another user's connection to a forwarded port would reach the database as one from loopback, which the official
    image accepts without a password.
    """
    if not CONNECTIONS.exists():
        return True
    ends = [_as_listed(*peer), _as_listed(*here)]
    for line in CONNECTIONS.read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1:3] == ends:
            return f"socket:[{columns[9]}]" in _own_sockets()
    return False


def _as_listed(address: str, port: int) -> str:
    """Return an end of a connection in the kernel's format: the address as a number in this machine's byte order."""
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"


def _own_sockets() -> Iterator[str]:
    for file in OWN_FILES.iterdir():
        with contextlib.suppress(OSError):
            yield str(file.readlink())


class _Bridge:
    """A local port that leads to the sockets of a path, since libpq accepts no open socket. It ends after its time.

    It serves this process alone, and only until libpq has its connection: with some modes libpq makes two.
    """

    def __init__(self, open_socket: OpenSocket, timeout: float) -> None:
        self._open, self._timeout = open_socket, timeout
        self._deadline = time.monotonic() + timeout
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.error = ""
        """Why the path could not be opened."""
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._alarm = threading.Timer(timeout, self._end)

    def __enter__(self) -> _Bridge:
        self._threads[0].start()
        self._alarm.daemon = True
        self._alarm.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._alarm.cancel()
        self.close()
        for thread in self._threads:
            thread.join(1)

    def stop_listening(self) -> None:
        """Accept no more connections; existing ones continue."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """Close all connections, whatever their state."""
        self.stop_listening()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _end(self) -> None:
        self.error = f"it did not answer within {self._timeout:.0f} s"
        self.close()

    def _serve(self) -> None:
        for near in self._accepted():
            try:
                far = self._open(max(0.1, self._deadline - time.monotonic()))
            except OSError as error:
                self.error = str(error)
                near.close()
                return
            self._ends += [near, far]
            far.settimeout(None)
            ends = ((near, far, 0), (far, near, MOST_BYTES))
            pumps = [threading.Thread(target=self._pump, args=pair, daemon=True) for pair in ends]
            self._threads += pumps
            for pump in pumps:
                pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, most: int) -> None:
        """Pass on data until one side ends. most: bytes that may come; 0 stands for any number."""
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                passed += len(data)
                if most and passed > most:
                    self.error = f"more than {most} bytes came: no PostgreSQL server says so much"
                    self.close()
                    return
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _accepted(self) -> Iterator[socket.socket]:
        with contextlib.suppress(OSError):
            while True:
                near, peer = self._listener.accept()
                if is_own(peer, near.getsockname()):
                    yield near
                else:
                    near.close()
