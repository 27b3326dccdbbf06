# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is inspected on an open path to a database, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from typing import Any, Callable

from .._common.finding import Finding, finding_result
from .._common.model import Database, Object
from .credentials import Credentials
from .host import RELAY
from .mysql.facts import MysqlFacts
from .passed import mysql_passed, postgres_passed
from .postgres.facts import PostgresFacts

__all__ = ["Inspection", "Subject", "inspection_of"]


@dataclass(frozen=True)
class Subject:
    """What to inspect, and how long at most."""

    database: Database
    credentials: Credentials
    required_plugin: str
    """native or any."""
    timeout: int
    """Seconds."""


@dataclass(frozen=True)
class Inspection:
    """What was seen on a path."""

    facts: Object
    """In the form of JSON, as the findings."""
    findings: list[Object]
    is_doubtful: bool
    """Whether it would be a blocker if a relay had seen the same: it need not hold for the registry's pods."""
    passed: list[str]
    """What was seen to be right, in a few words each."""


def inspection_of(
    facts: MysqlFacts | PostgresFacts, account: str, path: str, findings_on: Callable[[str], Sequence[Finding]]
) -> Inspection:
    """Return facts and findings in the form of results. findings_on: returns the findings from the facts on a path."""
    found, as_of_pod = findings_on(path), findings_on(RELAY)
    shown = [finding_result(finding, checked_as=account, path=path) for finding in found]
    codes = {finding.code for finding in found}
    passed = mysql_passed(facts, codes) if isinstance(facts, MysqlFacts) else postgres_passed(facts, codes)
    return Inspection(_plain(facts), shown, _blockers(found) != _blockers(as_of_pod), list(passed))


def _blockers(findings: Sequence[Finding]) -> set[str]:
    return {finding.code for finding in findings if finding.severity == "blocker"}


def _plain(value: Any) -> Any:
    """Return facts in the form of JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
