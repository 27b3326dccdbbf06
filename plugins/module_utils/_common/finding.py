# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding: what was found, how severe it is, what mends it, and by which rule it is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from .model import Object

__all__ = [
    "CONFIG_OBJECTS",
    "DNS",
    "MIGRATIONS",
    "MYSQL",
    "NAMES",
    "OPTIONS",
    "PAGE",
    "PRODUCT",
    "RBAC",
    "SEVERITIES",
    "UNSEEN",
    "Finding",
    "severest_first",
    "shown",
]

PAGE = "docs/findings.md"
"""It has a section for each code."""
SEVERITIES = ("blocker", "warning", "info")
"""blocker: the registry cannot work so. warning: it works, at a risk. info: good to know."""

# Where rules are laid down.
CONFIG_OBJECTS = "Kubernetes documentation, Secrets and ConfigMaps"
DNS = "Kubernetes documentation, DNS for Services and Pods"
MIGRATIONS = "the registry server's own migrations"
MYSQL = "MySQL documentation"
NAMES = "Kubernetes documentation, Object Names and IDs"
OPTIONS = "documentation of the module's options"
PRODUCT = "product documentation, managing model registries"
RBAC = "Kubernetes documentation, Using RBAC Authorization"
UNSEEN = "What cannot be seen is not judged"


@dataclass(frozen=True)
class Finding:
    """Something to look at."""

    code: str
    severity: str
    """One of SEVERITIES."""
    what: str
    """The object, setting or account that it is about."""
    why: str
    remedy: str
    """What to do; for a database in SQL, ready to be pasted."""
    rule: str
    """Where it is laid down that this is so."""


def severest_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by severity; those of one severity stay in their order."""
    return sorted(findings, key=lambda found: SEVERITIES.index(found.severity))


def shown(found: Finding, **more: str) -> Object:
    """As results list it, with the section that explains it, and with more that is known of it."""
    return {**asdict(found), "page": f"{PAGE}#{found.code}", **more}
