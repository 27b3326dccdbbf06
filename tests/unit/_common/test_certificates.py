# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate authorities: what is stored for each spelling, what Go reads in what is stored, and when it is valid."""

from __future__ import annotations

import base64
import ipaddress
import time
from datetime import datetime

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.certificates import (
    Bundle,
    as_go_reads,
    names_host,
    problem_of,
    read_bundle,
    read_ca_pem,
    stored_form,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pem_cases import CASES, DAY, KEY, LEAF, NOW, A, B, Case, certificate

STORED = {"A": A, "B": B, "AB": A + B}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_stored_is_canonical_or_it_is_refused(case: Case) -> None:
    if case.stored in STORED:
        assert read_ca_pem(case.text, NOW) == STORED[case.stored]
        return
    with pytest.raises(InvalidInput) as caught:
        read_ca_pem(case.text, NOW, "here")
    assert caught.value.what == "here"
    assert case.stored in caught.value.why + caught.value.next_step
    assert caught.value.next_step


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_stored_already_is_read_as_go_reads_it(case: Case) -> None:
    subjects = {one.subject for one in read_bundle(case.text).authorities}
    assert subjects == {f"CN={name.lower()}" for name in case.by_go}
    assert {one.subject for one in read_bundle(as_go_reads(case.text)).authorities} == subjects


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_another_spelling_is_left_only_if_go_reads_the_same_in_it(case: Case) -> None:
    kept = stored_form(case.text, A + B) == case.text
    assert kept == (case.by_go == "AB")
    assert stored_form(case.text + KEY, A) == A, "a private key is not left there"
    assert stored_form(None, A) == stored_form({}, A) == A


@pytest.mark.parametrize(
    ("certificates", "code"),
    [
        (A, None),
        ([(-900, -1, True), (-1, 300, True)], None),
        ([(-900, -1, True), (-1, 300, False)], "ca_expired"),
        ([(300, 600, True)], "ca_not_yet_valid"),
        ([(-900, -1, True), (300, 600, True)], "ca_not_yet_valid"),
        ([(300, 600, True), (-1, 300, False)], "ca_not_yet_valid"),
        ([(-1, 300, False)], "ca_invalid"),
        ([(-1, 300, None)], "ca_invalid"),
        ([], "ca_invalid"),
    ],
)
def test_one_certificate_is_of_an_authority_and_valid_now(certificates: object, code: str | None) -> None:
    text = A if certificates == A else "".join(certificate("x", *one) for one in certificates)  # type: ignore[attr-defined]
    problem = problem_of(read_bundle(text), NOW)
    assert (problem and problem.code) == code
    if code is None:
        assert read_ca_pem(text, NOW)
        return
    with pytest.raises(InvalidInput):
        read_ca_pem(text, NOW)


def _usage(*usages: x509.ObjectIdentifier) -> x509.ExtensionType:
    return x509.ExtendedKeyUsage(usages)


SIGNS = x509.KeyUsage(False, False, False, False, False, True, False, False, False)
ENCRYPTS = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
SERVER, CLIENT, ANY = (
    getattr(ExtendedKeyUsageOID, name) for name in ("SERVER_AUTH", "CLIENT_AUTH", "ANY_EXTENDED_KEY_USAGE")
)


@pytest.mark.parametrize(
    ("is_ca", "extensions", "by_go"),
    [
        (True, [], True),
        (True, [SIGNS], True),
        (True, [ENCRYPTS], False),
        (None, [SIGNS], False),
        (False, [SIGNS], False),
        (True, [_usage(SERVER)], True),
        (True, [_usage(CLIENT, SERVER)], True),
        (True, [_usage(ANY)], True),
        (True, [_usage(CLIENT)], False),
        (True, [SIGNS, _usage(ExtendedKeyUsageOID.CODE_SIGNING)], False),
    ],
)
def test_an_authority_of_servers_by_gos_rules(is_ca: bool, extensions: list[x509.ExtensionType], by_go: bool) -> None:
    """by_go: whether Certificate.Verify accepts a server's certificate that it has signed (seen with Go 1.26)."""
    text = certificate("x", is_ca=is_ca, extensions=extensions)
    assert bool(read_bundle(text).authorities) is by_go
    if not by_go:
        with pytest.raises(InvalidInput, match="for servers"):
            read_ca_pem(text, NOW)


@pytest.mark.parametrize(
    ("extension", "by_go"),
    [
        (SIGNS, True),
        (_usage(SERVER), True),
        (x509.NameConstraints([x509.DNSName("db.example")], None), True),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)]), True),
        (x509.PolicyConstraints(0, None), True),
        (x509.InhibitAnyPolicy(3), True),
        (x509.SubjectKeyIdentifier(b"identifier"), False),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False),
    ],
)
def test_critical_extensions_by_gos_rules(extension: x509.ExtensionType, by_go: bool) -> None:
    """by_go: whether Certificate.Verify accepts a certificate that the authority has signed (seen with Go 1.26)."""
    text = certificate("x", extensions=[extension], critical=True)
    bundle = read_bundle(text)
    assert (len(bundle.authorities), bundle.others, bundle.refused) == (by_go, 0, not by_go)
    assert read_bundle(certificate("x", extensions=[extension])).authorities, "none is refused if it is not critical"
    if by_go:
        return
    problem = problem_of(bundle, NOW)
    assert problem and problem.code == "ca_invalid" and "critical extension" in problem.why
    with pytest.raises(InvalidInput, match="critical extension"):
        read_ca_pem(text, NOW)
    mixed = read_bundle(A + text)
    assert problem_of(mixed, NOW) is None and mixed.unreadable == (A.count("\n") + 1,)


def _general(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def _raw(identifier: str, value: bytes) -> x509.ExtensionType:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), value)


DNS, EMAIL, URI = (
    x509.DNSName("db.example"),
    x509.RFC822Name("example.com"),
    x509.UniformResourceIdentifier("db.example"),
)
MAILBOX, LINK = x509.RFC822Name("a@example.com"), x509.UniformResourceIdentifier("https://db.example")
NETWORK, ADDRESS = (
    x509.IPAddress(ipaddress.ip_network("10.0.0.0/8")),
    x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
)
DIRECTORY = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
OTHER, NUMBER = (
    x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
)
SAN, CONSTRAINTS = x509.SubjectAlternativeName, x509.NameConstraints
READ, REFUSED, UNREADABLE = (1, 0), (0, 1), (0, 0)
CRITICAL: dict[str, tuple[x509.ExtensionType, tuple[int, int]]] = {
    "names: DNS": (SAN([DNS]), READ),
    "names: email": (SAN([MAILBOX]), READ),
    "names: URI": (SAN([LINK]), READ),
    "names: address": (SAN([ADDRESS]), READ),
    "names: directory": (SAN([DIRECTORY]), REFUSED),
    "names: other": (SAN([OTHER]), REFUSED),
    "names: registered": (SAN([NUMBER]), REFUSED),
    "names: directory and DNS": (SAN([DIRECTORY, DNS]), READ),
    "names: none": (_raw("2.5.29.17", _general(0x30, b"")), REFUSED),
    "constraints: DNS": (CONSTRAINTS([DNS], None), READ),
    "constraints: email": (CONSTRAINTS([EMAIL], None), READ),
    "constraints: URI": (CONSTRAINTS([URI], None), READ),
    "constraints: network": (CONSTRAINTS([NETWORK], None), READ),
    "constraints: directory": (CONSTRAINTS([DIRECTORY], None), REFUSED),
    "constraints: other": (CONSTRAINTS([OTHER], None), REFUSED),
    "constraints: directory and DNS": (CONSTRAINTS([DIRECTORY, DNS], None), REFUSED),
    "constraints: DNS excluded": (CONSTRAINTS(None, [DNS]), READ),
    "constraints: directory excluded": (CONSTRAINTS(None, [DIRECTORY]), REFUSED),
    "constraints: DNS, directory excluded": (CONSTRAINTS([DNS], [DIRECTORY]), REFUSED),
    "constraints: none": (_raw("2.5.29.30", _general(0x30, b"")), UNREADABLE),
    "constraints: none permitted": (_raw("2.5.29.30", _general(0x30, _general(0xA0, b""))), UNREADABLE),
    "constraints: an empty subtree": (
        _raw("2.5.29.30", _general(0x30, _general(0xA0, _general(0x30, b"")))),
        UNREADABLE,
    ),
    "policy constraints": (x509.PolicyConstraints(0, None), READ),
    "policy mappings": (_raw("2.5.29.33", bytes.fromhex("300c300a0603550403") + bytes.fromhex("06032a0304")), READ),
    "no mapping": (_raw("2.5.29.33", _general(0x30, b"")), READ),
    "any policy inhibited": (x509.InhibitAnyPolicy(1), READ),
    "issuer's names": (x509.IssuerAlternativeName([DNS]), REFUSED),
}  # fmt: skip


@pytest.mark.parametrize(("extension", "by_go"), CRITICAL.values(), ids=CRITICAL)
def test_what_is_in_a_critical_extension(extension: x509.ExtensionType, by_go: tuple[int, int]) -> None:
    """by_go: whether Go reads the authority, and verifies with it (ParseCertificate, seen with Go 1.26)."""
    bundle = read_bundle(certificate("x", extensions=[extension], critical=True))
    assert (len(bundle.authorities), bundle.refused) == by_go
    assert bool(bundle.unreadable) is (by_go != READ)
    bundle = read_bundle(certificate("x", extensions=[extension]))
    assert (len(bundle.authorities), bundle.refused) == (UNREADABLE if by_go == UNREADABLE else READ)


def test_bytes_of_other_extensions_in_a_value() -> None:
    """They stand for nothing there: what looks critical, basic constraints, and usages for clients."""
    value = b"\x01\x01\xff\x04\x06\x03\x55\x1d\x13\x06\x03\x55\x1d\x25"
    extension = _raw("1.2.3.4", value)
    assert read_bundle(certificate("x", extensions=[extension])).authorities
    assert not read_bundle(certificate("x", is_ca=None, extensions=[SIGNS, extension])).authorities


def test_time_is_linear_in_an_extension() -> None:
    begun = time.process_time()
    trees = b"\x30\x02\x82\x00" * (150 * 1024)
    size = len(trees).to_bytes(3, "big")
    whole = (len(trees) + 5).to_bytes(3, "big")
    extension = _raw("2.5.29.30", b"\x30\x83" + whole + b"\xa0\x83" + size + trees)
    assert read_bundle(certificate("x", extensions=[extension], critical=True)).authorities
    assert time.process_time() - begun < 3, "0.3 s where it was measured"


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (("db.example.com",), "DB.example.com.", True),
        (("*.example.com",), "db.example.com", True),
        (("*.example.com",), "a.db.example.com", False),
        (("*.example.com",), "example.com", False),
        (("10.0.0.1",), "10.0.0.1", True),
        (("::1",), "0:0::1", True),
        (("10.0.0.1",), "10.0.0.2", False),
        ((), "db", False),
    ],
)
def test_a_certificate_for_a_host(names: tuple[str, ...], host: str, expected: bool) -> None:
    assert names_host(names, host) is expected


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (NOW - 11 * DAY, "ca_not_yet_valid"),
        (NOW - 10 * DAY, None),
        (NOW + 400 * DAY, None),
        (NOW + 401 * DAY, "ca_expired"),
    ],
)
def test_when_it_is_valid(moment: datetime, code: str | None) -> None:
    problem = problem_of(read_bundle(A), moment)
    assert (problem and problem.code) == code


def test_each_certificate_is_read_on_its_own() -> None:
    damaged = A.replace("MII", "M!I")
    text = f"{damaged}{A}\ufeff{B}{LEAF}{damaged}{B}"
    bundle = read_bundle(text)
    assert [one.subject for one in bundle.authorities] == ["CN=a", "CN=b"]
    assert bundle.others == 1
    lines = text.split("\n")
    assert len(bundle.unreadable) == 3
    assert all("BEGIN CERTIFICATE" in lines[number - 1] for number in bundle.unreadable)
    assert bundle.unreadable[0] == 1


def test_a_subject_is_shown_as_a_name_and_nothing_else() -> None:
    parts = [(NameOID.ORGANIZATION_NAME, "a, b+c"), (NameOID.COMMON_NAME, "{{ x }}\n\x1b[31m"), (NameOID.USER_ID, "#u")]
    subject = x509.Name([x509.NameAttribute(*part) for part in parts])
    (authority,) = read_bundle(certificate("", subject=subject)).authorities
    assert authority.subject == r"UID=\#u,CN={{ x }}\0a\1b[31m,O=a\, b\+c"


HUGE = {
    "BEGIN": "-----BEGIN A-----",
    "BEGIN on lines": "-----BEGIN CERTIFICATE-----\n",
    "END": "-----END A-----\n",
    "cut BEGIN": "-----BEGIN ",
    "empty blocks": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "headers": "-----BEGIN A-----\na: b\n",
    "dashes": "-",
    "blanks": " ",
    "line breaks": "\n",
    "base64": "A",
    "private": "private ",
    "backslashes": "\\n",
}


@pytest.mark.parametrize("piece", HUGE.values(), ids=HUGE)
def test_time_is_linear_in_the_text(piece: str) -> None:
    begun = time.process_time()
    for text in (piece * (1024 * 1024 // len(piece)), piece * (1000 * 1024 // len(piece)) + "\n-----END A-----\n"):
        with pytest.raises(InvalidInput):
            read_ca_pem(text, NOW)
        assert read_bundle(text).authorities == ()
    assert time.process_time() - begun < 3, "0.5 s where it was measured"


@pytest.mark.parametrize("size", range(0, 300, 7))
def test_no_bytes_at_all_end_the_look(size: int) -> None:
    der = base64.b64decode("".join(A.split("-----")[2].split()))
    for body in (der[:size], der[:size] + b"\xff" + der[size + 1 :], b"\x30" * size):
        text = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(body).decode()}\n-----END CERTIFICATE-----\n"
        assert isinstance(read_bundle(text), Bundle)
