# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PyMySQL's connection, with limits to what it reads and sends; and what it raises as failures."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..._common.errors import RegistryError
from ..._common.text import printable
from .facts import Failure
from .tls import NO_TLS, CheckEnded, Context, verify_reason

OLDEST, TOO_NEW = (1, 2), (2,)
"""Of PyMySQL. Older releases log in without TLS to a server that offers none, even if TLS is required."""
OVERRIDDEN = (
    "_request_authentication",
    "_get_auth_plugin_handler",
    "_read_bytes",
    "_force_close",
    "_sock",
    "connect",
    "write_packet",
    "select_db",
)
"""What this file overrides or uses of PyMySQL's connection. If one is missing, secrets that are withheld would be sent."""


def unfit(version: tuple[Any, ...], connection: type) -> str:
    """Return why this PyMySQL cannot be used; empty if it can."""
    numbers = tuple(version[:2])
    if not OLDEST <= numbers < TOO_NEW:
        return f"version {'.'.join(map(str, version[:3]))} is installed"
    lost = [name for name in OVERRIDDEN if not hasattr(connection, name)]
    return f"its Connection has no {lost[0]}" if lost else ""


try:
    import pymysql
    from pymysql.constants import CLIENT
except ImportError:
    UNFIT = "it is not installed"
    """Why no MySQL server can be queried; empty if one can."""
    BASE: Any = object
    ERRORS: tuple[type[Exception], ...] = ()
else:
    UNFIT = unfit(pymysql.VERSION, pymysql.connections.Connection)
    BASE = pymysql.connections.Connection
    ERRORS = (pymysql.err.MySQLError,)

try:
    from cryptography.exceptions import UnsupportedAlgorithm
except ImportError:
    # Certificates are then not read, and no password is encrypted with a server's key.
    pass
else:
    ERRORS = (*ERRORS, UnsupportedAlgorithm)

__all__ = ["OVERRIDDEN", "UNFIT", "Connection", "as_failure", "require_pymysql", "unfit"]

LARGEST_PACKET = 1024 * 1024
"""Bytes of one packet. The expected answers have a few hundred."""
MOST_BYTES = 4 * LARGEST_PACKET
"""Bytes of one connection."""
PROTOCOL_ERRORS: tuple[type[Exception], ...] = (
    *ERRORS,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""PyMySQL's own errors, and those it raises on bytes that are not MySQL's, since it trusts servers."""
UTF8MB4 = 45
"""The number of the collation utf8mb4_general_ci."""
NO_TLS_CODE = 2026
"""PyMySQL's code for a server that offers no TLS."""
NEEDS = re.compile(r"'(cryptography|pynacl)' package is required")
"""PyMySQL's message if the library that an account's plugin needs is missing."""
REFUSED_PLUGINS = ("mysql_clear_password", "mysql_old_password", "dialog", "authentication_openid_connect_client")
"""Plugins that would send the password in plain text, or hardly hidden, to any server that asks."""


def require_pymysql() -> None:
    """Raise RegistryError if the MySQL client is not installed here, or is a release that must not be used."""
    if UNFIT:
        why = f"{UNFIT} for {sys.executable}, the Python that runs this module, and 1.2 or newer, below 2, is needed"
        raise RegistryError("PyMySQL", why, f"Run: {sys.executable} -m pip install 'PyMySQL[rsa]>=1.2,<2'")


class _Refusal:
    """Ends a login rather than reveal the password."""

    def __init__(self, connection: Any) -> None:
        """Ignore the connection that PyMySQL passes."""

    def authenticate(self, _packet: Any) -> None:
        """Raise an error."""
        raise pymysql.err.OperationalError(
            2059, "a registry server does not support the account's authentication plugin"
        )


class _Greeted(Exception):
    """Leaves PyMySQL's connect() before the login."""


class Connection(BASE):  # type: ignore[misc]
    """A connection that limits what is read: PyMySQL itself reads whatever length a server announces."""

    _sock: Any
    _read_so_far = 0
    _only_greets = False
    plugin = ""
    """The authentication plugin that the server named last: the account's, once it has logged in."""

    @classmethod
    def to(cls, host: str, username: str, password: bytes, context: Context | None) -> Connection:
        """Return a connection that is not open yet; it is encrypted if there is a context."""
        return cls(
            host=host,
            user=username.encode(),
            password=password,
            charset="utf8mb4",
            ssl=context,
            ssl_disabled=context is None,
            auth_plugin_map=dict.fromkeys(REFUSED_PLUGINS, _Refusal),
            defer_connect=True,
            autocommit=None,
        )

    def greet(self, sock: socket.socket) -> None:
        """Read the server's greeting, and do the TLS handshake if the connection is to be encrypted. Do not log in."""
        self._only_greets = True
        with contextlib.suppress(_Greeted):
            self.connect(sock)

    @property
    def offers_tls(self) -> bool:
        """Whether the server's greeting offers TLS."""
        return bool(getattr(self, "server_capabilities", 0) & CLIENT.SSL)

    @property
    def socket(self) -> object:
        """The socket in use now."""
        return self._sock

    def _request_authentication(self) -> None:
        if not self._only_greets:
            super()._request_authentication()
            return
        if self.ssl:
            self._start_tls()
        raise _Greeted

    def _start_tls(self) -> None:
        """Do what PyMySQL does before it sends the login (MySQL's documentation, Protocol::SSLRequest)."""
        if not self.offers_tls:
            raise CheckEnded(NO_TLS)
        flags = self.client_flag | CLIENT.SSL
        self.write_packet(struct.pack("<iIB23x", flags, LARGEST_PACKET, UTF8MB4))
        self._sock = self.ctx.wrap_socket(self._sock, server_hostname=self.host)

    def _get_auth_plugin_handler(self, plugin_name: Any) -> Any:
        name = plugin_name.decode("ascii", "replace") if isinstance(plugin_name, bytes) else str(plugin_name)
        self.plugin = printable(name) or self.plugin
        return super()._get_auth_plugin_handler(plugin_name)

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._read_so_far += num_bytes
        if num_bytes > LARGEST_PACKET or self._read_so_far > MOST_BYTES:
            self._force_close()
            raise CheckEnded(Failure("greeting", f"a packet of {num_bytes} bytes was announced", reason="no_mysql"))
        data: bytes = super()._read_bytes(num_bytes)
        return data


@contextlib.contextmanager
def as_failure(stage: str, deadline: float | None = None) -> Iterator[None]:
    """Turn any error of a server or the network into CheckEnded."""
    try:
        yield
    except CheckEnded as ended:
        if ended.failure.stage == "greeting" and stage != "greeting":
            raise CheckEnded(replace(ended.failure, stage=stage)) from None
        raise
    except ssl.SSLError as error:
        raise CheckEnded(_tls_failure(error, deadline)) from None
    except (OSError, EOFError) as error:
        raise CheckEnded(_network(stage, error)) from None
    except PROTOCOL_ERRORS as error:
        raise CheckEnded(_mysql_failure(stage, error, deadline)) from None


def _network(stage: str, error: BaseException) -> Failure:
    reasons = (
        (socket.gaierror, "unresolved"),
        (ConnectionRefusedError, "refused"),
        (TimeoutError, "timeout"),
        (socket.timeout, "timeout"),
        (ConnectionError, "reset"),
        (EOFError, "reset"),
    )
    reason = next((reason for kind, reason in reasons if isinstance(error, kind)), "network")
    return Failure(stage, printable(error) or "the connection was closed", reason=reason)


def _tls_failure(error: ssl.SSLError, deadline: float | None) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure("tls", printable(error.verify_message), reason=verify_reason(error.verify_code))
    if isinstance(error, ssl.SSLEOFError) and deadline is not None and time.monotonic() >= deadline:
        return Failure("tls", "the server did not answer in time", reason="timeout")
    return Failure("tls", printable(error.reason or error), reason="handshake")


def _mysql_failure(stage: str, error: Exception, deadline: float | None) -> Failure:
    """Return the failure. PyMySQL raises its own errors for a server's messages, any other if it is not MySQL."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLError):
        return _tls_failure(cause, deadline)
    known = isinstance(error, pymysql.err.MySQLError) and len(error.args) > 1 and isinstance(error.args[0], int)
    if known and not 2000 <= error.args[0] < 2059:
        return Failure(stage, printable(error.args[1]), error.args[0])
    if deadline is not None and time.monotonic() >= deadline:
        return Failure(stage, "the server did not answer in time", reason="timeout")
    if known and error.args[0] == NO_TLS_CODE:
        return NO_TLS
    if known:
        return Failure(stage, printable(error.args[1]), reason="reset")
    lacks = NEEDS.search(str(error)) if stage == "login" else None
    if lacks:
        return Failure(stage, f"the account's plugin needs the package {lacks[1]}", reason=f"no_{lacks[1]}")
    return Failure(stage, f"the answer is not MySQL's protocol ({type(error).__name__})", reason="no_mysql")
