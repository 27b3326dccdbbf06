# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spellings of certificates in PEM form, with what Go's crypto/x509 reads in each and how they are stored here."""

from __future__ import annotations

import base64
import textwrap
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def certificate(name: str, begins: int = -10, ends: int = 400, is_ca: bool | None = True, **options: Any) -> str:
    """Return a self-signed certificate. begins, ends: days from NOW. is_ca: None leaves the constraint out."""
    key = ec.generate_private_key(options.get("curve", ec.SECP256R1()))
    subject = options.get("subject") or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW + begins * DAY).not_valid_after(NOW + ends * DAY)
    if is_ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    for extension in options.get("extensions", ()):
        builder = builder.add_extension(extension, critical=options.get("critical", False))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


A, B = certificate("a"), certificate("b")
LEAF = certificate("leaf", is_ca=False)
KEY = trustme.CA().private_key_pem.bytes().decode()
BODY = A.split("-----")[2].strip()
DER = base64.b64decode(BODY)
RAW = "".join(BODY.split())


def block(label: str, body: str = BODY) -> str:
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def wrapped(der: bytes) -> str:
    return block("CERTIFICATE", "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64)))


@dataclass(frozen=True)
class Case:
    text: str
    by_go: str
    """The certificates that AppendCertsFromPEM takes (seen with Go 1.26), of A and B."""
    stored: str
    """What is stored: certificates of A and B, or the words of the refusal."""


CASES: dict[str, Case] = {
    "canonical": Case(A, "A", "A"),
    "two": Case(A + B, "AB", "AB"),
    "the same twice": Case(A + A, "A", "A"),
    "no line break at the end": Case(A.rstrip(), "A", "A"),
    "blank lines and comments": Case(f"# one\n\n{A}\n\nsubject=CN = b\n{B}", "AB", "AB"),
    "CRLF": Case(A.replace("\n", "\r\n"), "A", "A"),
    "CR alone": Case(A.replace("\n", "\r"), "", "A"),
    "byte order mark": Case("\ufeff" + A, "", "A"),
    "byte order marks in a joined file": Case(f"\ufeff{A}\ufeff{B}", "", "AB"),
    "indented": Case(textwrap.indent(A, "    "), "", "A"),
    "indented after the first line": Case(textwrap.indent(A, "    ").lstrip(), "", "A"),
    "the body alone indented": Case(A.replace("\n", "\n  ").replace("\n  -----", "\n-----").strip(), "A", "A"),
    "blanks for line breaks": Case(A.replace("\n", " "), "", "A"),
    "two with blanks for line breaks": Case((A + B).replace("\n", " "), "", "AB"),
    "nothing for line breaks": Case((A + B).replace("\n", ""), "", "AB"),
    "backslash n for line breaks": Case(A.replace("\n", "\\n"), "", "A"),
    "body on one line": Case(block("CERTIFICATE", RAW), "A", "A"),
    "blanks at the ends of lines": Case(A.replace("\n", " \t\n"), "A", "A"),
    "text before BEGIN on its line": Case(f"ca: {A}", "", "A"),
    "text before the second BEGIN": Case(f"{A}and {B}", "A", "AB"),
    "text after END on its line": Case(f"{A.rstrip()} # mine\n{B}", "B", "AB"),
    "text after BEGIN on its line": Case(A.replace("CERTIFICATE-----\n", "CERTIFICATE----- mine\n", 1), "", "damaged"),
    "trusted certificate": Case(block("TRUSTED CERTIFICATE"), "", "openssl x509"),
    "a good one and a trusted one": Case(A + block("TRUSTED CERTIFICATE"), "A", "openssl x509"),
    "old label": Case(block("X509 CERTIFICATE"), "", "A"),
    "headers": Case(block("CERTIFICATE", f"Comment: mine\n\n{BODY}"), "", "header lines"),
    "a good one and one with headers": Case(B + block("CERTIFICATE", f"Proc-Type: 4\n\n{BODY}"), "B", "header lines"),
    "request": Case(block("CERTIFICATE REQUEST"), "", "certificate request"),
    "revocation list beside it": Case(A + block("X509 CRL"), "A", "x509 crl"),
    "cut at the end": Case(A + B[:200], "A", "damaged"),
    "cut at the end, with END": Case(A + B[:200] + "\n-----END CERTIFICATE-----\n", "A", "damaged"),
    "cut at the start": Case(A + B[40:], "A", "damaged"),
    "no END between two": Case(A.replace("-----END CERTIFICATE-----\n", "") + B, "B", "damaged"),
    "no BEGIN of the second": Case(A + B.replace("-----BEGIN CERTIFICATE-----\n", ""), "A", "damaged"),
    "no marker of the second": Case(A + "\n".join(B.splitlines()[1:-1]), "A", "damaged"),
    "lower case marker": Case(A + B.replace("BEGIN CERTIFICATE", "begin certificate"), "A", "damaged"),
    "long dashes": Case(A + B.replace("-----", "\u2013" * 5), "A", "damaged"),
    "four dashes": Case(A + B.replace("-----", "----"), "A", "damaged"),
    "labels differ": Case(A + B.replace("END CERTIFICATE", "END X509 CERTIFICATE"), "A", "damaged"),
    "a wrong character": Case(A.replace("MII", "M!I"), "", "damaged"),
    "no base64 padding": Case(block("CERTIFICATE", RAW.rstrip("=")[:-1]), "", "damaged"),
    "empty block": Case(A + block("CERTIFICATE", ""), "A", "damaged"),
    "bytes after the certificate": Case(wrapped(DER + b"\x00"), "", "damaged"),
    "two certificates in one block": Case(wrapped(DER + DER), "", "damaged"),
    "a curve that Go does not know": Case(A + certificate("c", curve=ec.SECP256K1()), "A", "damaged"),
    "private key": Case(A + KEY, "A", "private key"),
    "encrypted private key": Case(A + block("ENCRYPTED PRIVATE KEY"), "A", "private key"),
    "private key of OpenSSH": Case(A + block("OPENSSH PRIVATE KEY"), "A", "private key"),
    "private key in lower case": Case(A + block("PRIVATE KEY").lower(), "A", "private key"),
    "private key without END": Case(A + KEY.split("-----END")[0], "A", "private key"),
    "private key without BEGIN": Case(A + KEY.partition("\n")[2], "A", "private key"),
    "private key of PGP": Case(A + block("PGP PRIVATE KEY BLOCK"), "A", "private key"),
    "private key in blanks for line breaks": Case((A + KEY).replace("\n", " "), "", "private key"),
    "public key": Case(A + block("PUBLIC KEY"), "A", "public key"),
    "parameters": Case(A + block("EC PARAMETERS", "BggqhkjOPQMBBw=="), "A", "ec parameters"),
    "a key's bytes in a certificate's block": Case(A + KEY.replace("PRIVATE KEY", "CERTIFICATE").replace("RSA ", "").replace("EC ", ""), "A", "damaged"),
    "nothing": Case("", "", "no certificate in PEM form"),
    "text": Case("certificate", "", "no certificate in PEM form"),
    "base64 alone": Case(RAW, "", "no certificate in PEM form"),
}  # fmt: skip
