# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS to a database as the registry server does it, and what a handshake shows."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

from ..._common.certificates import as_go_reads, names_host, read_certificate
from ..._common.text import printable
from .facts import Failure, TlsHandshake

__all__ = [
    "NO_TLS",
    "CheckEnded",
    "ClearLimit",
    "Context",
    "is_encrypted",
    "is_verified",
    "load_authority",
    "load_client",
    "verify_reason",
]

GO_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
"""What Go offers under TLS 1.2 (documentation of crypto/tls, since Go 1.22): no key exchange but ECDHE."""
PARTIAL_CHAIN = 0x80000
"""X509_V_FLAG_PARTIAL_CHAIN: trust any given certificate, an intermediate one too, as Go does."""
VERIFY_CODES = {
    10: "expired",
    9: "not_yet_valid",
    18: "self_signed",
    19: "unknown_ca",
    20: "unknown_ca",
    21: "unknown_ca",
}
"""OpenSSL's codes (its documentation, X509_STORE_CTX_get_error)."""
NAME_CODES = (62, 64)
LONGEST_CHAIN = 10
"""How many certificates of a chain are read."""
TLS_REQUEST = 36
"""Bytes of MySQL's TLS request, with the packet's header (MySQL's documentation, Protocol::SSLRequest). A login is longer."""
NO_TLS = Failure("tls", "the server does not offer TLS", reason="no_tls")


class CheckEnded(Exception):
    """Carries a failure to the facts."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.words)
        self.failure = failure


class ClearLimit(socket.socket):
    """A socket that sends nothing but the TLS request in plain text: all else goes over TLS, or not at all.

    TLS takes the descriptor over, and with it what is sent. So this holds whatever the library above does.
    """

    _left = TLS_REQUEST

    @classmethod
    def over(cls, sock: socket.socket) -> ClearLimit:
        """Return such a socket in place of ``sock``, which is closed."""
        return cls(sock.family, sock.type, sock.proto, fileno=sock.detach())

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send the TLS request. Raises CheckEnded for more."""
        self._spend(len(data))
        super().sendall(data, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send the TLS request. Raises CheckEnded for more."""
        self._spend(len(data))
        return super().send(data, flags)

    def _spend(self, number: int) -> None:
        if number > self._left:
            raise CheckEnded(NO_TLS)
        self._left -= number


def is_encrypted(sock: object) -> bool:
    """Return whether a socket really uses TLS: its handshake is complete, and there is a cipher."""
    return isinstance(sock, ssl.SSLSocket) and sock.cipher() is not None


def is_verified(sock: object) -> bool:
    """Return whether a socket has verified its peer's certificate, name included."""
    if not isinstance(sock, ssl.SSLSocket) or not is_encrypted(sock):
        return False
    is_asked = sock.context.verify_mode is ssl.CERT_REQUIRED and sock.context.check_hostname
    return is_asked and bool(sock.getpeercert())


def verify_reason(code: int) -> str:
    """Return OpenSSL's reason for refusing a certificate, as failures name it."""
    return "name" if code in NAME_CODES else VERIFY_CODES.get(code, "certificate")


class Context(ssl.SSLContext):
    """Keeps the result of a handshake."""

    tls: TlsHandshake | None = None

    @classmethod
    def like_go(cls, verify: bool) -> Context:
        """Return a context that offers what Go's client does (documentation of crypto/tls)."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(GO_CIPHERS)
        context.check_hostname = verify
        context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        context.verify_flags |= PARTIAL_CHAIN
        context.hostname_checks_common_name = False
        return context

    def wrap_socket(self, *arguments: Any, **options: Any) -> Any:
        """Wrap a socket as the base class does."""
        wrapped = super().wrap_socket(*arguments, **options)
        cipher = wrapped.cipher() or ("", "", 0)
        shown = [found for found in map(read_certificate, _chain(wrapped)) if found is not None]
        self.tls = TlsHandshake(
            True,
            wrapped.version() or "",
            cipher[0],
            shown[0] if shown else None,
            tuple(shown[1:]),
            names_host(shown[0].names, wrapped.server_hostname or "") if shown else None,
            verified=is_verified(wrapped),
        )
        return wrapped


def load_authority(context: ssl.SSLContext, pem: str | None) -> None:
    """Trust what Go can read of the given text, or this machine's authorities. Raises CheckEnded if that is nothing."""
    if pem is None:
        context.load_default_certs()
        return
    known = as_go_reads(pem)
    if not known:
        words = "the registry server, a Go program, cannot read a certificate in it"
        raise CheckEnded(Failure("tls", words, reason="authority"))
    context.load_verify_locations(cadata=known)


def load_client(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client's certificate. OpenSSL needs a file: make one that no other user can read, and remove it at once."""
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{certificate}\n{key}\n")
        context.load_cert_chain(path)
    except ssl.SSLError as error:
        raise CheckEnded(Failure("tls", printable(error.reason or error), reason="client")) from None
    finally:
        Path(path).unlink()


def _chain(wrapped: Any) -> list[bytes]:
    """Return the certificates that the server shows, its own first. Before Python 3.13, it is the only one."""
    show = getattr(wrapped, "get_unverified_chain", None)
    chain: list[bytes] = show() if show is not None else [wrapped.getpeercert(binary_form=True)]
    return chain[:LONGEST_CHAIN]
