# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about the connection to a MySQL server: the network, the protocol, and TLS."""

from __future__ import annotations

from collections.abc import Iterator

from ..._common.certificates import EXPIRES_SOON
from ..._common.finding import MYSQL, PRODUCT, UNSEEN, Finding
from .confidence import CheckContext
from .facts import MOST_NAMES, Failure, MysqlFacts

__all__ = ["NETWORK", "TLS", "broken", "certificate", "transport"]

RSA_PLUGINS = ("caching_sha2_password", "sha256_password")
"""Plugins that ask the server for its RSA key if there is no TLS (MySQL's documentation, Pluggable Authentication)."""
NETWORK = {
    "unresolved": ("host_unresolved", "Correct database.host."),
    "refused": ("port_closed", "Correct database.host and database.port, and check that the server runs."),
    "timeout": (
        "database_silent",
        "Check that database.port is MySQL's, that the server is not overloaded, and that no firewall drops the packets.",
    ),
    "reset": (
        "connection_closed",
        "Check the server's log, its bind address, and firewalls and proxies on the way.",
    ),
    "network": ("unreachable", "Check that the host can be reached from here and from the cluster."),
    "no_mysql": ("wrong_protocol", "Correct database.host and database.port."),
}
_LIBRARIES = {
    "no_cryptography": "Install PyMySQL[rsa], or give database.tls, with which the login does not need it.",
    "no_pynacl": "Install PyMySQL[ed25519].",
}
"""Libraries that PyMySQL needs for the account's plugin (its documentation, installation)."""
TLS = {
    "no_tls": ("tls_not_offered", "Give the server a certificate (ssl_cert, ssl_key), or leave database.tls out."),
    "handshake": (
        "tls_handshake",
        "The registry server offers TLS 1.2 with ECDHE, and TLS 1.3. Allow one in the server (tls_version, ssl_cipher), or update it.",
    ),
    "expired": ("certificate_expired", "Renew the server's certificate."),
    "not_yet_valid": ("certificate_invalid", "Correct the clocks, or renew the server's certificate."),
    "self_signed": ("ca_unknown", "Give the server's certificate itself as the authority, or have it signed by one."),
    "unknown_ca": ("ca_unknown", "Give the authority that signed it in database.tls."),
    "name": (
        "certificate_name",
        "Renew it with this host among its subject alternative names, or use one of its names.",
    ),
    "certificate": ("certificate_invalid", "Renew the server's certificate."),
    "authority": ("ca_invalid", "Give database.tls the certificate of the authority, as PEM."),
    "client": ("client_certificate", "Store a matching certificate and key as PEM."),
}


def broken(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    """Yield findings about failures below MySQL."""
    failure = facts.failure or Failure("", "")
    if failure.code or not failure.reason:
        return
    what, why = f"server at {context.host}", failure.words
    if failure.reason in _LIBRARIES:
        why = f"the login was not checked: {why}, which is not installed for the Python that runs this module"
        yield Finding("not_checked", "warning", f"account {context.username}", why, _LIBRARIES[failure.reason], UNSEEN)
        return
    if failure.reason in TLS:
        code, remedy = TLS[failure.reason]
        certificate = facts.tls.certificate
        if certificate is not None:
            why += f" (certificate of {certificate.subject}, until {certificate.expires:%Y-%m-%d})"
        yield Finding(code, "blocker", what, why, remedy, MYSQL)
        return
    code, remedy = NETWORK.get(failure.reason, NETWORK["network"])
    yield Finding(code, "blocker", what, f"{failure.stage}: {why}", remedy, MYSQL)


def transport(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    what = f"server at {context.host}"
    if facts.failure and facts.failure.stage in ("connect", "greeting", "tls"):
        return
    if not context.encrypted:
        if not facts.account.matched:
            return
        offers = "offers TLS" if facts.tls.offered else "offers no TLS"
        what_is_seen = "the password and the models are sent in plain text"
        if facts.account.plugin in RSA_PLUGINS:
            what_is_seen = (
                "the models are sent in plain text. The password is encrypted with an RSA key that the server sends: without "
                "TLS nothing proves whose key it is, so any server at the host's address can read the password"
            )
        why = f"{what_is_seen}. The server {offers}"
        yield Finding("plaintext", "warning", what, why, "Give database.tls.", PRODUCT)
    elif not context.verified:
        why = "the connection is encrypted, but the certificate is not verified"
        yield Finding("unverified", "warning", what, why, "Leave database.tls.verify at true.", PRODUCT)


def certificate(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    """Yield findings about the certificate. A login that verifies it proves it valid; without a login, check it here."""
    shown, what = facts.tls.certificate, f"server at {context.host}"
    if shown is None or not context.verified or (facts.failure and facts.failure.stage == "tls"):
        return
    is_unlooked = facts.failure is None and not facts.account.matched and not facts.tls.verified
    day = f"{shown.expires:%Y-%m-%d}"
    why = f"the certificate of {shown.subject} expires on {day}"
    if is_unlooked and context.now >= shown.expires:
        why = f"the certificate of {shown.subject} expired on {day}"
        yield Finding("certificate_expired", "blocker", what, why, TLS["expired"][1], MYSQL)
    elif context.now < shown.expires < context.now + EXPIRES_SOON:
        yield Finding("certificate_expires_soon", "warning", what, why, "Renew the server's certificate.", MYSQL)
    if is_unlooked and facts.tls.names_host is False:
        left = len(shown.names) - MOST_NAMES
        others = f" and {left} others" if left > 0 else ""
        why = f"its certificate is for {', '.join(shown.names[:MOST_NAMES]) or 'no host'}{others}"
        yield Finding("certificate_name", "blocker", what, why, TLS["name"][1], MYSQL)
