# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding: what is wrong, how severe it is, how to fix it, and which rule says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TypeVar

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
    "finding_result",
    "severest_first",
]

PAGE = "docs/findings.md"
"""It has a section for each code."""
SEVERITIES = ("blocker", "warning", "info")
"""blocker: the registry cannot work. warning: it works, at a risk. info: good to know."""

# Sources of the rules.
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
    """A problem, a risk or a note."""

    code: str
    severity: str
    """One of SEVERITIES."""
    what: str
    """The object, setting or account that it is about."""
    why: str
    remedy: str
    """What to do; for a database in SQL, ready to be pasted."""
    rule: str
    """The source of the rule."""


T = TypeVar("T", Finding, Object)


def severest_first(findings: Iterable[T]) -> list[T]:
    """Sort findings, or their results, by severity; those of one severity keep their order."""
    return sorted(findings, key=_rank)


def _rank(finding: Finding | Object) -> int:
    return SEVERITIES.index(finding.severity if isinstance(finding, Finding) else finding["severity"])


def finding_result(found: Finding, **more: str) -> Object:
    """Return the finding as results list it, with a link to its explanation and further fields."""
    return {**asdict(found), "page": f"{PAGE}#{found.code}", **more}
