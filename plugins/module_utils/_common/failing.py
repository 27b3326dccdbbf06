# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which findings make a task fail, as the options fail_on and accept say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from .errors import InvalidInput
from .finding import CODES, SEVERITIES, severest_first
from .model import Object
from .references import findings_page
from .text import quoted

__all__ = ["NEVER", "Failing", "failing_from"]

NEVER = "never"


@dataclass(frozen=True)
class Failing:
    """The findings that make a task fail."""

    severities: tuple[str, ...] = ("blocker",)
    codes: frozenset[str] = frozenset()
    """Whatever their severity."""
    accepted: frozenset[str] = frozenset()
    """Codes of findings that do not, whatever their severity."""

    def accepts(self, finding: Object) -> bool:
        """Return whether the user accepts the finding."""
        return finding["code"] in self.accepted

    def of(self, findings: Iterable[Object]) -> list[Object]:
        """Return the findings that make a task fail, the most severe first."""
        return [
            finding
            for finding in severest_first(findings)
            if (finding["severity"] in self.severities or finding["code"] in self.codes) and not self.accepts(finding)
        ]


def failing_from(fail_on: Sequence[str], accept: Sequence[str] = ()) -> Failing:
    """Build the rule from options. Blockers fail beside whatever is listed, except with never alone.

    Raises InvalidInput for an unknown code, and for one that both lists have.
    """
    _check("fail_on", fail_on, (*SEVERITIES, NEVER, *CODES), "a severity or the code of a finding")
    _check("accept", accept, CODES, "the code of a finding")
    if NEVER in fail_on and set(fail_on) != {NEVER}:
        raise InvalidInput("fail_on", "never cannot be combined with others", "Give never alone, or leave it out.")
    both = sorted(set(fail_on) & set(accept))
    if both:
        raise InvalidInput("accept", f"fail_on has {', '.join(both)}, too", "Give each code in one of them.")
    least = max((SEVERITIES.index(name) for name in fail_on if name in SEVERITIES), default=0)
    severities = () if NEVER in fail_on else SEVERITIES[: least + 1]
    return Failing(severities, frozenset(fail_on) - {*SEVERITIES, NEVER}, frozenset(accept))


def _check(option: str, given: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in given:
        if name not in known:
            near = get_close_matches(name.strip().lower().replace("-", "_"), known, 1)
            step = f"Did you mean {near[0]}?" if near else f"See {findings_page()} for all codes."
            if name in (*SEVERITIES, NEVER):
                step = f"Give codes, such as plaintext: fail_on takes severities. {findings_page()} lists all codes."
            elif any(mark in name.strip() for mark in "; |\t"):
                step = "Put commas between several names."
            raise InvalidInput(option, f"{quoted(name)} is not {what}", step)
