# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of uploaded certificate authorities: what a database connection would stumble over is said beforehand."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .errors import InvalidInput

__all__ = ["EXPIRES_SOON", "check_ca_pem"]

EXPIRES_SOON = timedelta(days=30)
"""Long enough to have a certificate renewed."""
LARGEST = 1024 * 1024
"""Bytes: the limit of a ConfigMap (Kubernetes' documentation)."""
EXAMPLE = "-----BEGIN CERTIFICATE-----"
BASIC_CONSTRAINTS = bytes([0x55, 0x1D, 0x13])
"""The object identifier 2.5.29.19 in DER (RFC 5280, section 4.2.1.9)."""
BOOLEAN, IDENTIFIER, UTC_TIME, VERSION, EXTENSIONS = 0x01, 0x06, 0x17, 0xA0, 0xA3
"""DER tags: universal ones (X.690), and the optional fields of a certificate (RFC 5280, section 4.1)."""


@dataclass(frozen=True)
class _Certificate:
    """What is looked at in an X.509 certificate."""

    not_after: datetime
    is_ca: bool | None
    """None where the certificate does not say (version 1, or no basic constraints)."""


def check_ca_pem(text: str, now: datetime, option: str = "database.tls.ca_pem") -> None:
    """Raise InvalidInput unless the text is one or more CA certificates in PEM form, one of which is valid now."""
    if "PRIVATE KEY" in text:
        raise InvalidInput(option, "it holds a private key", "Give the certificate of the authority, never its key.")
    if len(text.encode()) > LARGEST:
        raise InvalidInput(option, "it is larger than the 1 MiB that a ConfigMap may have", "Give fewer certificates.")
    blocks = re.findall(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", text, re.DOTALL)
    if not blocks:
        raise InvalidInput(option, "there is no certificate in PEM form in it", f"Give text that has {EXAMPLE} in it.")
    certificates = []
    for label, body in blocks:
        if label not in ("CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"):
            raise InvalidInput(option, f"it holds a {label.lower()}", "Give the certificate of the authority.")
        certificates.append(_parse(body, option))
    if all(certificate.is_ca is False for certificate in certificates):
        why = "no certificate in it is one of an authority: their basic constraints say CA:FALSE"
        raise InvalidInput(
            option, why, "Give the certificate that has signed the database server's, not the server's own."
        )
    if all(certificate.not_after < now for certificate in certificates):
        last = max(certificate.not_after for certificate in certificates)
        raise InvalidInput(option, f"it expired on {last:%Y-%m-%d}", "Give the authority's current certificate.")


def _parse(body: str, option: str) -> _Certificate:
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
        return _certificate(der)
    except (binascii.Error, ValueError, IndexError, StopIteration):
        why = "a certificate in it is damaged: it is no base64 of an X.509 certificate"
        raise InvalidInput(option, why, "Copy the whole file again, with its line breaks.") from None


def _certificate(der: bytes) -> _Certificate:
    """Read a certificate as RFC 5280, section 4.1, lays it out."""
    to_be_signed = _first(_first(der))
    fields = [element for element in _elements(to_be_signed) if element[0] != VERSION]
    # serial number, signature, issuer, validity, subject, key, and extensions where there are any
    end_tag, end = list(_elements(fields[3][1]))[1]
    is_ca = None
    for tag, content in fields[6:]:
        if tag == EXTENSIONS:
            is_ca = _says_ca(content)
    return _Certificate(_time(end_tag, end.decode("ascii")), is_ca)


def _says_ca(extensions: bytes) -> bool | None:
    for element in _elements(_first(extensions)):
        parts = list(_elements(element[1]))
        if parts[0] == (IDENTIFIER, BASIC_CONSTRAINTS):
            constraints = _first(parts[-1][1])
            return any(tag == BOOLEAN and value != b"\x00" for tag, value in _elements(constraints))
    return None


def _first(data: bytes) -> bytes:
    """The content of the first element."""
    return next(_elements(data))[1]


def _time(tag: int, text: str) -> datetime:
    """Two-digit years from 50 on are of the 20th century (RFC 5280, section 4.1.2.5.1)."""
    if tag == UTC_TIME:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each DER element in turn (X.690, section 8.1)."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        content = data[position : position + length]
        if len(content) != length:
            raise ValueError("cut short")
        yield tag, content
        position += length
