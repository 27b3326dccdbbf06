# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings as a person reads them: as a table, and as the error of a task that fails because of them."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable

from .errors import BlockerFound
from .finding import SEVERITIES, severest_first
from .model import Object
from .text import printable_message, sentence

__all__ = ["check_findings", "failing", "findings_table"]

WIDTH = 116
"""Characters of a line: what fits beside the indent and the quotes of Ansible's output."""

FAILING: dict[str, tuple[str, ...]] = {"blocker": ("blocker",), "warning": ("blocker", "warning"), "never": ()}
"""The severities that each value of fail_on stands for."""


def findings_table(findings: Iterable[Object]) -> list[str]:
    """Return the lines: each finding with what is wrong and what to do, then the counts."""
    found = severest_first(findings)
    first = max((len(one["code"]) for one in found), default=0)
    lines = []
    for one in found:
        start = f"{one['severity'].upper():<7}  {one['code']:<{first}}  "
        lines += _wrapped(f"{one['what']}: {sentence(one['why'])}", start, " " * len(start))
        for line in one["remedy"].splitlines():
            lines += _wrapped(line, " " * len(start) + "> ", " " * len(start) + "  ")
    counts = Counter(one["severity"] for one in found)
    total = ", ".join(f"{counts[severity]} {severity}{'s' * (counts[severity] != 1)}" for severity in SEVERITIES[:2])
    return [*lines, f"{total}, {counts['info']} for information"]


def _wrapped(text: str, start: str, rest: str) -> list[str]:
    # A condition's or a webhook's own words can be in it.
    shown = printable_message(text)
    return textwrap.wrap(
        shown, WIDTH, initial_indent=start, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def failing(findings: Iterable[Object], fail_on: str) -> list[Object]:
    """Return the findings that make a task fail."""
    return [one for one in severest_first(findings) if one["severity"] in FAILING[fail_on]]


def check_findings(what: str, findings: Iterable[Object], fail_on: str) -> None:
    """Raise BlockerFound, which lists them, if findings make a task fail."""
    bad = failing(findings, fail_on)
    if bad:
        why = " ".join(f"[{found['code']}] {found['what']}: {found['why']}. {found['remedy']}" for found in bad)
        raise BlockerFound(what, why, "Fix these, then run the task again.")
