# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about a stored certificate authority: a registry's own, or one that is to be used."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from .._common.certificates import EXPIRES_SOON, Bundle, problem_of
from .._common.finding import Finding

__all__ = ["authority_findings"]

CERTIFICATES = "RFC 5280, validity of certificates"
GO_READS = "documentation of Go's crypto/x509, AppendCertsFromPEM"
SHOWN = 10
"""How many lines a text names, at most."""


def authority_findings(bundle: Bundle, what: str, verified: bool, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with a bundle, or soon will be.

    what: the key that it is in. verified: whether the database's certificate is verified with it.
    """
    problem = problem_of(bundle, now)
    if problem is not None:
        severity = "blocker" if verified or problem.code == "ca_invalid" else "warning"
        yield Finding(problem.code, severity, what, problem.why, problem.next_step, CERTIFICATES)
    elif problem_of(bundle, now + EXPIRES_SOON) is not None:
        last = max(one.expires for one in bundle.authorities if one.begins <= now)
        why = f"the certificate authority in it expires on {last:%Y-%m-%d}"
        step = "Give the authority's new certificate with database.tls."
        yield Finding("ca_expires_soon", "warning", what, why, step, CERTIFICATES)
    if bundle.unreadable and (bundle.authorities or bundle.others):
        lines = ", ".join(map(str, bundle.unreadable[:SHOWN])) + (", …" if len(bundle.unreadable) > SHOWN else "")
        why = f"the registry server, a Go program, ignores what begins at line {lines} of it"
        step = (
            "Correct it if its authority is needed: plain PEM, one certificate in each block, BEGIN and END on lines of their "
            "own, no critical extension that Go does not know."
        )
        yield Finding("ca_unreadable", "warning", what, why, step, GO_READS)
