# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: authorities in PEM form as the registry server, a Go program, reads and stores them, and what servers show.

Go silently skips what it cannot read, and then trusts fewer authorities, or none. So text that the user gives is stored
in the one form that cannot be misread, and text that is already stored is read as Go reads it.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re

# Certificates are decoded by OpenSSL, in memory: no connection is made here.
import ssl  # noqa: TID251
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from .errors import InvalidInput
from .text import printable

__all__ = [
    "EXPIRES_SOON",
    "Authority",
    "Bundle",
    "Certificate",
    "Problem",
    "as_go_reads",
    "names_host",
    "problem_of",
    "read_bundle",
    "read_ca_pem",
    "read_certificate",
    "stored_form",
]

EXPIRES_SOON = timedelta(days=30)
"""Long enough to have a certificate renewed."""
LARGEST = 1024 * 1024
"""Bytes: the limit of a ConfigMap (Kubernetes' documentation)."""
EXAMPLE = "-----BEGIN CERTIFICATE-----"
COPY = "Copy the whole file again, with its line breaks."
ODD = (ValueError, TypeError)
"""What cryptography raises on certificates that OpenSSL and Go may accept."""
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_MARKER = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]{1,60})-----")
_STRAY = re.compile(r"(?<=[-\u2010-\u2015]{3})\s{0,8}(?:BEGIN|END)\b", re.IGNORECASE)
"""The rest of a marker that is cut off or misspelt."""
_LOOSE = re.compile(r"^[ \t]*[A-Za-z0-9+/]{48,}={0,2}[ \t\r]*$", re.MULTILINE)
"""A line of base64 outside any block."""
_KEY = re.compile(r"private\s{1,8}key", re.IGNORECASE)
_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")
"""The second is an old name of the first (OpenSSL's documentation, PEM_read_bio_X509); Go does not know it."""
_SEQUENCE, _BOOLEAN, _VERSION, _EXTENSIONS = 0x30, 0x01, 0xA0, 0xA3
"""Tags in DER (RFC 5280, section 4.1)."""
_EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")
_GO_CURVES = tuple(map(bytes.fromhex, ("2b81040021", "2a8648ce3d030107", "2b81040022", "2b81040023")))
"""Object identifiers: of elliptic curves in general, and of those that Go knows (RFC 5480, section 2.1.1.1)."""
_HANDLED = tuple(bytes((0x55, 0x1D, number)) for number in (15, 17, 19, 30, 31, 32, 33, 36, 37, 54))
"""Object identifiers of the extensions that Go knows if they are critical (processExtensions of crypto/x509)."""
_ALTERNATIVE_NAMES, _CONSTRAINTS, _NAME_CONSTRAINTS, _USAGES = (
    bytes((0x55, 0x1D, number)) for number in (17, 19, 30, 37)
)
_NAMES = frozenset((0x81, 0x82, 0x86, 0x87))
"""Tags of the names that Go knows: email, DNS name, URI and IP address (RFC 5280, section 4.2.1.6)."""
_FOR_SERVERS = (bytes.fromhex("2b06010505070301"), bytes.fromhex("551d2500"))
"""The extended key usage for TLS servers, and the one that stands for any."""
_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""Attribute types by OpenSSL's names, and as RFC 4514, section 3, abbreviates them."""


@dataclass(frozen=True)
class Authority:
    """The certificate of an authority."""

    subject: str
    """The distinguished name (RFC 4514)."""
    expires: datetime
    begins: datetime = EPOCH


@dataclass(frozen=True)
class Bundle:
    """What Go reads in a text with certificates."""

    authorities: tuple[Authority, ...] = ()
    others: int = 0
    """How many certificates are not an authority's."""
    unreadable: tuple[int, ...] = ()
    """The lines, counted from 1, on which a certificate begins that Go skips or refuses."""
    refused: int = 0
    """How many authorities Go reads and never verifies with, because of a critical extension that it does not know."""


@dataclass(frozen=True)
class Certificate:
    """A certificate that a server shows."""

    subject: str
    expires: datetime
    issuer: str = ""
    names: tuple[str, ...] = ()
    """Its subject alternative names: hosts and addresses."""


@dataclass(frozen=True)
class Problem:
    """Why no database's certificate can be verified with a bundle."""

    code: str
    """ca_invalid, ca_expired or ca_not_yet_valid: the code of the finding about it."""
    why: str
    next_step: str


def read_ca_pem(text: str, now: datetime, option: str = "database.tls.ca_pem") -> str:
    """Return the certificates in the text as PEM that every reader accepts: one block each and nothing else.

    Line ends, indentation, byte order marks and blanks instead of line breaks are fixed; text between the certificates
    is removed. Raises InvalidInput if no certificate is an authority's and valid now, or if any block is damaged or is
    not a certificate.
    """
    if len(text.encode(errors="replace")) > LARGEST:
        raise InvalidInput(option, "it is larger than 1 MiB, the limit of a ConfigMap", "Give fewer certificates.")
    if _KEY.search(text):
        raise InvalidInput(option, "it holds a private key", "Give the certificate of the authority, never its key.")
    if not _MARKER.search(text):
        raise InvalidInput(option, "it contains no certificate in PEM form", f"Give text that has {EXAMPLE} in it.")
    certificates = list(dict.fromkeys(_given(text, option)))
    problem = problem_of(_bundle(filter(None, map(_decoded, certificates))), now)
    if problem is not None:
        raise InvalidInput(option, problem.why, problem.next_step)
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates))


def stored_form(stored: object, pem: str) -> str:
    """Return what to store for the certificates in ``pem``: the stored text if Go reads exactly these in it."""
    if not isinstance(stored, str) or _KEY.search(stored) or not _go_ders(stored):
        return pem
    return stored if set(_go_ders(stored)) == set(_go_ders(pem)) else pem


def as_go_reads(text: str) -> str:
    """Return the certificates that Go reads in a text as plain PEM, for readers that would accept more; empty if it reads none."""
    return "".join(map(ssl.DER_cert_to_PEM_cert, _go_ders(text)))


def read_bundle(text: str) -> Bundle:
    """Return what Go reads in a text. Each certificate is read on its own: a bad one does not hide the others."""
    blocks = {start: _decoded(der) for start, der in _go_blocks(text)}
    begins = [
        marker.start() for marker in _MARKER.finditer(text) if marker[1] == "BEGIN" and "CERTIFICATE" in marker[2]
    ]
    lost = [start for start in begins if (block := blocks.get(start)) is None or block.is_refused]
    return replace(_bundle(filter(None, blocks.values())), unreadable=tuple(_lines_of(text, lost)))


def problem_of(bundle: Bundle, now: datetime) -> Problem | None:
    """Return why nothing can be verified with the bundle at that time, or None if one of its authorities is valid."""
    authorities = bundle.authorities
    if any(one.begins <= now <= one.expires for one in authorities):
        return None
    if not authorities and bundle.refused:
        why = "its authority has a critical extension that Go does not know (x509: unhandled critical extension)"
        return Problem("ca_invalid", why, "Give an authority without such an extension.")
    if not authorities and not bundle.others:
        why = "it contains no certificate that the registry server, a Go program, can read"
        return Problem("ca_invalid", why, f"Store PEM in it in which each {EXAMPLE} begins a line of its own.")
    if not authorities:
        why = (
            "it contains no certificate of an authority: none has the basic constraint CA:TRUE (CA:FALSE), may sign "
            "certificates, and may do so for servers"
        )
        step = "Give the certificate that signed the database server's, not the server's own."
        return Problem("ca_invalid", why, step)
    later = [one.begins for one in authorities if one.begins > now]
    if later:
        step = "Check the clock of this machine, or give the authority's current certificate."
        return Problem("ca_not_yet_valid", f"it is not valid before {min(later):%Y-%m-%d}", step)
    last = max(one.expires for one in authorities)
    return Problem("ca_expired", f"it expired on {last:%Y-%m-%d}", "Give the authority's current certificate.")


def _given(text: str, option: str) -> Iterator[bytes]:
    """Yield the certificates of the user's text, in DER. Raises InvalidInput for any other or damaged block."""
    # A line break may have become the two characters that stand for it in JSON and in the shell.
    text = text.replace("\ufeff", "").replace("\\r", "\n").replace("\\n", "\n")
    outside, opened, count = 0, None, 0
    for marker in _MARKER.finditer(text):
        kind, label = marker.groups()
        if opened is None and kind == "BEGIN":
            _check_outside(text[outside : marker.start()], option)
            opened, count = marker, count + 1
            continue
        if opened is None or kind == "BEGIN" or label != opened[2]:
            raise InvalidInput(option, f"block {max(count, 1)} in it is damaged: its BEGIN or END is missing", COPY)
        yield _der(label, text[opened.end() : marker.start()], count, option)
        outside, opened = marker.end(), None
    if opened is not None:
        raise InvalidInput(option, f"block {count} in it is damaged: its END is missing", COPY)
    _check_outside(text[outside:], option)


def _check_outside(text: str, option: str) -> None:
    """Raise InvalidInput if text between blocks is part of a block."""
    if _STRAY.search(text) or _LOOSE.search(text):
        raise InvalidInput(option, "part of it is damaged: a BEGIN or END line is missing or misspelt", COPY)


def _der(label: str, body: str, number: int, option: str) -> bytes:
    """Return a block's content in DER. Raises InvalidInput if Go cannot read it."""
    if label == "TRUSTED CERTIFICATE":
        why = f"block {number} in it is a trusted certificate, which only OpenSSL can read"
        raise InvalidInput(option, why, "Convert it with openssl x509 -in FILE -out FILE.")
    if label not in _LABELS:
        raise InvalidInput(option, f"it holds a {label.lower()}", "Give the certificate of the authority.")
    if ":" in body:
        why = f"block {number} in it has header lines, and the registry server ignores such a block"
        raise InvalidInput(option, why, f"Remove the lines with a colon after {EXAMPLE}.")
    der = _from_base64("".join(body.split()))
    if der is None or _decoded(der) is None:
        raise InvalidInput(
            option, f"certificate {number} in it is damaged: it is no base64 of an X.509 certificate", COPY
        )
    return der


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _go_ders(text: str) -> list[bytes]:
    return [der for _start, der in _go_blocks(text) if _decoded(der)]


def _go_blocks(text: str) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and content of each CERTIFICATE block, as Go finds them (documentation of encoding/pem, crypto/x509).

    BEGIN and END begin lines, and only blanks follow them. Blocks with headers are ignored.
    """
    position, end = 0, -1
    while (start := _line_start(text, "-----BEGIN ", position)) >= 0:
        line, position = _line(text, start)
        headers = False
        while ":" in (following := _line(text, position))[0]:
            headers, position = True, following[1]
        if end < position:
            end = _line_start(text, "-----END ", position)
        if end < 0:
            return
        closing, after = _line(text, end)
        label = line[len("-----BEGIN ") :]
        if not label.endswith("-----") or closing != f"-----END {label}" or text.find("-----", position, end) >= 0:
            continue
        der = _from_base64(re.sub(r"[ \t\r\n]", "", text[position:end]))
        if der is None:
            continue
        position = after
        if label == "CERTIFICATE-----" and not headers:
            yield start, der


def _line_start(text: str, word: str, position: int) -> int:
    """Return the offset of the next line that begins with the word, or -1. The position counts as a line's start."""
    return position if text.startswith(word, position) else text.find("\n" + word, position) + 1 or -1


def _line(text: str, position: int) -> tuple[str, int]:
    """Return the line at the position, without trailing blanks, and the offset of the next line."""
    end = text.find("\n", position)
    line = text[position:] if end < 0 else text[position:end].removesuffix("\r")
    return line.rstrip(" \t"), len(text) if end < 0 else end + 1


def _lines_of(text: str, offsets: Iterable[int]) -> Iterator[int]:
    line, seen = 1, 0
    for offset in offsets:
        line, seen = line + text.count("\n", seen, offset), offset
        yield line


_Element = tuple[int, bytes]
"""Tag and content of an element in DER."""
_Extensions = dict[bytes, tuple[bool, bytes]]
"""By object identifier: whether the extension is critical, and its value."""


@dataclass(frozen=True)
class _Decoded:
    """A certificate that Go can read. authority: None if it is not an authority's, or Go refuses it."""

    authority: Authority | None = None
    is_refused: bool = False


def _bundle(certificates: Iterable[_Decoded]) -> Bundle:
    read = list(certificates)
    authorities, refused = [one.authority for one in read], sum(one.is_refused for one in read)
    return Bundle(tuple(filter(None, authorities)), authorities.count(None) - refused, refused=refused)


@lru_cache(maxsize=2048)
def _decoded(der: bytes) -> _Decoded | None:
    """Decode a certificate. Return None if it is not one that Go reads."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=der)
        fields = _fields(der)
        extensions = _extensions(fields)
        _check_curve(fields)
        is_refused = _is_refused(extensions)
        # OpenSSL lists only authorities.
        listed = context.get_ca_certs()
        if not listed or not _signs_for_go(fields, extensions):
            return _Decoded()
        authority = _authority(listed[0])
        return _Decoded(None if is_refused else authority, is_refused)
    except (ValueError, OverflowError, ssl.SSLError):
        return None


def _authority(listed: object) -> Authority:
    """Return the authority that the ssl module describes. Raises ValueError if Go refuses it."""
    fields = dict(listed) if isinstance(listed, dict) else {}
    if str(fields["serialNumber"]).startswith("-"):
        raise ValueError("a negative serial number")
    begins, expires = (
        EPOCH + timedelta(seconds=ssl.cert_time_to_seconds(fields[key])) for key in ("notBefore", "notAfter")
    )
    # The most specific part comes first in RFC 4514, and last in a certificate.
    parts = ["+".join(f"{_SHORT.get(key, key)}={_escaped(value)}" for key, value in part) for part in fields["subject"]]
    return Authority(",".join(reversed(parts)), expires, begins)


def _escaped(value: str) -> str:
    """Escape characters with a meaning in a distinguished name (RFC 4514, section 2.4)."""
    text = re.sub(r'([,+"\\<>;]|^[ #]| $)', r"\\\1", value)
    return "".join(character if character.isprintable() else f"\\{ord(character):02x}" for character in text)


def _elements(der: bytes) -> Iterator[_Element]:
    """Yield the elements one after another. Raises ValueError if they are not DER as Go reads it (X.690, section 10.1)."""
    position = 0
    while position < len(der):
        head = der[position : position + 6]
        size = head[1] & 0x7F if len(head) > 1 and head[1] & 0x80 else 0
        length = int.from_bytes(head[2 : 2 + size] if size else head[1:2], "big")
        start = position + 2 + size
        position = start + length
        is_shortest = length >> 8 * (size - 1) and length > 0x7F if size else len(head) > 1 and head[1] != 0x80
        if head[0] & 0x1F == 0x1F or size > 4 or not is_shortest or position > len(der):
            raise ValueError("not DER")
        yield head[0], der[start:position]


def _sequence(der: bytes) -> Iterator[_Element]:
    """Return the elements of what is exactly one sequence. Raises ValueError for anything else."""
    ((tag, content),) = _elements(der)
    if tag != _SEQUENCE:
        raise ValueError("not a sequence")
    return _elements(content)


def _fields(der: bytes) -> list[_Element]:
    """Return the fields that a certificate's signature is about. Raises ValueError if it is malformed."""
    (_tag, signed), _algorithm, _signature = _sequence(der)
    return list(_elements(signed))


def _extensions(fields: Iterable[_Element]) -> _Extensions:
    """Return whether each extension is critical, and its value. Raises ValueError if they are malformed or not unique."""
    listed = [one for tag, content in fields if tag == _EXTENSIONS for _tag, one in _sequence(content)]
    found: _Extensions = {}
    for extension in listed:
        (_tag, identifier), *flag, (_tag, value) = _elements(extension)
        if identifier in found or flag not in ([], [(_BOOLEAN, b"\x00")], [(_BOOLEAN, b"\xff")]):
            raise ValueError("a repeated or malformed extension")
        found[identifier] = (flag == [(_BOOLEAN, b"\xff")], value)
    return found


def _signs_for_go(fields: list[_Element], extensions: _Extensions) -> bool:
    """Return whether Go accepts an authority listed by OpenSSL for servers (Certificate.Verify of crypto/x509).

    OpenSSL goes by other extensions if there are no basic constraints. It also lists authorities for clients only.
    """
    has_constraints = fields[0] != (_VERSION, b"\x02\x01\x02") or _CONSTRAINTS in extensions
    if _USAGES not in extensions:
        return has_constraints
    return has_constraints and any(usage in _FOR_SERVERS for _tag, usage in _sequence(extensions[_USAGES][1]))


def _is_refused(extensions: _Extensions) -> bool:
    """Return whether Go refuses every chain with this certificate (UnhandledCriticalExtension of crypto/x509)."""
    handled = [_is_handled(one, value) or not critical for one, (critical, value) in extensions.items()]
    return not all(handled)


def _is_handled(identifier: bytes, value: bytes) -> bool:
    """Return whether Go knows an extension and what is in it. Raises ValueError if Go cannot read it.

    As processExtensions of crypto/x509: one known alternative name is enough, and name constraints are all known ones.
    """
    if identifier == _ALTERNATIVE_NAMES:
        return not _NAMES.isdisjoint([tag for tag, _name in _sequence(value)])
    if identifier == _NAME_CONSTRAINTS:
        trees = [tree for _tag, part in _sequence(value) for _tag, tree in _elements(part)]
        bases = [next(_elements(tree), None) for tree in trees]
        if not bases or None in bases:
            raise ValueError("empty name constraints")
        return _NAMES.issuperset([base[0] for base in bases if base])
    return identifier in _HANDLED


def _check_curve(fields: list[_Element]) -> None:
    """Raise ValueError if the key is on an elliptic curve that Go does not know."""
    key = fields[6 if fields[0][0] == _VERSION else 5][1]
    (_tag, algorithm), _key = _elements(key)
    (_tag, kind), *parameters = _elements(algorithm)
    if kind == _EC_PUBLIC_KEY and not any(curve in _GO_CURVES for _tag, curve in parameters):
        raise ValueError("an unknown curve")


def read_certificate(der: bytes | None) -> Certificate | None:
    """Return a certificate that a server shows; None if it cannot be read, or cryptography is not installed.

    The ssl module describes only certificates that it has verified, so this one is not read with it.
    """
    try:
        from cryptography.x509 import load_der_x509_certificate
    except ImportError:
        return None
    try:
        found = load_der_x509_certificate(der or b"")
        # Releases before 42 have only the end without its time zone.
        end = getattr(found, "not_valid_after_utc", None) or found.not_valid_after.replace(tzinfo=timezone.utc)
    except ODD:
        return None
    return Certificate(_name(found, "subject"), end, _name(found, "issuer"), _names(found))


def _name(found: Any, which: str) -> str:
    """Return the subject or issuer as text."""
    try:
        return printable(getattr(found, which).rfc4514_string())
    except ODD:
        return "an unreadable name"


def _names(found: Any) -> tuple[str, ...]:
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        names = found.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, *ODD):
        return ()
    return tuple(map(printable, [*names.get_values_for_type(DNSName), *map(str, names.get_values_for_type(IPAddress))]))


def names_host(names: Iterable[str], host: str) -> bool:
    """Return whether a certificate with these names is for the host, by Go's rules (documentation of crypto/x509).

    A name's first label may be a ``*``, which stands for one label.
    """
    wanted = host.rstrip(".").lower()
    try:
        address = ipaddress.ip_address(wanted)
    except ValueError:
        return any(name.lower() in (wanted, "*." + wanted.partition(".")[2]) for name in names)
    return str(address) in names
