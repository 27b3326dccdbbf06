# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real handshake on loopback shows, and how odd certificates affect it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
import trustme
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.facts import TlsHandshake
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.tls import (
    CheckEnded,
    ClearLimit,
    Context,
    is_encrypted,
    is_verified,
    load_authority,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CA = trustme.CA()
MANY = [f"host-{number}.example" for number in range(80)]


@contextlib.contextmanager
def shaken(context: ssl.SSLContext, leaf: trustme.LeafCert | bytes, name: str) -> Iterator[ssl.SSLSocket]:
    """Yield the client's end of a handshake with a server that has this certificate, over a socket with a limit."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(leaf, bytes):
        with trustme.Blob(leaf).tempfile() as path:
            server.load_cert_chain(path)
    else:
        leaf.configure_cert(server)
    near, far = socket.socketpair()

    def serve() -> None:
        with contextlib.suppress(OSError), server.wrap_socket(far, server_side=True) as there:
            there.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with context.wrap_socket(ClearLimit.over(near), server_hostname=name) as wrapped:
            yield wrapped
    finally:
        thread.join(5)


def seen(context: Context) -> TlsHandshake:
    assert context.tls is not None
    return context.tls


@pytest.mark.parametrize(("name", "fits"), [(MANY[0], True), (MANY[-1], True), ("other.example", False)])
def test_all_names_of_a_certificate_count(name: str, fits: bool) -> None:
    context = Context.like_go(verify=False)
    with shaken(context, CA.issue_cert(*MANY), name):
        tls = seen(context)
    assert tls.names_host is fits
    assert tls.certificate is not None and len(tls.certificate.names) == len(MANY)


@pytest.mark.parametrize("verify", [True, False])
def test_verified_is_what_the_socket_has_verified(verify: bool) -> None:
    context = Context.like_go(verify)
    if verify:
        load_authority(context, CA.cert_pem.bytes().decode())
    with shaken(context, CA.issue_cert("db.example"), "db.example") as wrapped:
        assert is_encrypted(wrapped)
        assert is_verified(wrapped) is seen(context).verified is verify


def test_the_name_belongs_to_the_verification() -> None:
    context = Context.like_go(verify=True)
    load_authority(context, CA.cert_pem.bytes().decode())
    context.check_hostname = False
    with shaken(context, CA.issue_cert("other.example"), "db.example") as wrapped:
        assert is_encrypted(wrapped) and not is_verified(wrapped)


def test_a_socket_without_tls_is_neither() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert not is_encrypted(near) and not is_verified(near)


def odd(name: bytes) -> bytes:
    """Return a certificate and its key, as PEM, with this as the subject's value: four bytes after tag and length."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ABCD")])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=100))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("db.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    der = made.public_bytes(Encoding.DER).replace(b"\x0c\x04ABCD", name)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ssl.DER_cert_to_PEM_cert(der).encode() + secret


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        pytest.param(b"\x13\x04\xff\xfe\xff\xfe", None, id="no printable string"),
        pytest.param(b"\x16\x04\xff\xfe\xff\xfe", "an unreadable name", id="no ASCII"),
        pytest.param(b"\x03\x04\x00BCD", "an unreadable name", id="bits"),
    ],
)
def test_a_subject_that_cannot_be_read_is_no_failure(name: bytes, subject: str | None) -> None:
    """OpenSSL accepts each, and cryptography raises over the whole certificate, or over its subject."""
    context = Context.like_go(verify=False)
    with shaken(context, odd(name), "db.example"):
        tls = seen(context)
    assert tls.version and (tls.certificate.subject if tls.certificate else None) == subject


def test_without_cryptography_the_handshake_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.x509", None)
    context = Context.like_go(verify=True)
    load_authority(context, CA.cert_pem.bytes().decode())
    with shaken(context, CA.issue_cert("db.example"), "db.example"):
        tls = seen(context)
    assert tls.verified and tls.certificate is None and tls.names_host is None


@pytest.mark.parametrize("send", ["send", "sendall"])
def test_no_more_in_clear_than_the_request_for_tls(send: str) -> None:
    near, far = socket.socketpair()
    with far, ClearLimit.over(near) as limited:
        getattr(limited, send)(b"r" * 36)
        with pytest.raises(CheckEnded, match="does not offer TLS"):
            getattr(limited, send)(b"p")
        assert far.recv(100) == b"r" * 36
