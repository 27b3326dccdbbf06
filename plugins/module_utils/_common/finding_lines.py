# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings as a person reads them: one entry for each that matters, one line for the others, and the error of a failed task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .errors import BlockerFound
from .failing import Failing
from .finding import SEVERITIES, severest_first
from .model import Object
from .references import findings_page
from .text import printable_message, sentence

__all__ = ["Detail", "check_findings", "failure_message", "finding_entry", "finding_lines"]

RULE = "- "
"""How a line of a remedy begins that is a rule of a Role, to be pasted."""
MOST_BYTES = 500
"""Of a failure's message: what comes after may be cut off, as AWX does after 1,024 bytes with colours and frame."""
UNCHECKED = ("_unchecked", "_limited", "_unproven")
"""How codes end that only say what was not checked."""


@dataclass(frozen=True)
class Detail:
    """How much of the findings to show."""

    is_whole: bool = False
    """Whether to show the rules of a Role in remedies."""
    has_all: bool = False
    """Whether to show each finding that is for information, instead of its code alone."""


def finding_lines(
    what: str, findings: Iterable[Object], passed: Sequence[str], failing: Failing, detail: Detail
) -> list[str]:
    """Return the sum, one entry for each finding that matters, then one for what passed and for each kind of the rest.

    what: what was checked. An entry has several lines if a remedy belongs to it.
    """
    ordered = severest_first(findings)
    accepted = [finding for finding in ordered if failing.accepts(finding)]
    others = [finding for finding in ordered if not failing.accepts(finding)]
    shown = [finding for finding in others if finding["severity"] != "info" or detail.has_all]
    blockers = [f"BLOCKER (accepted) {_why(finding)}" for finding in accepted if finding["severity"] == "blocker"]
    return [
        f"{what}: {_sum(others, len(accepted))}",
        *blockers,
        *(finding_entry(finding, detail) for finding in shown),
        *([f"passed: {' · '.join(map(_line, passed))}"] if passed else []),
        *_rest([finding for finding in others if finding not in shown]),
        *_codes("accepted", [finding for finding in accepted if finding["severity"] != "blocker"]),
    ]


def _sum(findings: Iterable[Object], accepted: int) -> str:
    """Return how many blockers and warnings there are."""
    severities = [finding["severity"] for finding in findings]
    parts = [
        f"{severities.count(severity)} {severity}{'s' * (severities.count(severity) != 1)}"
        for severity in SEVERITIES[:2]
    ]
    return ", ".join([*parts, *([f"{accepted} accepted"] if accepted else [])])


def finding_entry(finding: Object, detail: Detail) -> str:
    """Return a finding, and its remedy under it as it can be pasted, in several lines."""
    steps: list[str] = []
    for line in printable_message(finding["remedy"]).strip("\n").splitlines():
        if detail.is_whole or not line.startswith(RULE):
            steps.append(f"  {line}")
        elif steps and steps[-1].endswith(":"):
            steps[-1] = f"{steps[-1][:-1]}; --verbose (-v) shows them."
    return "\n".join([f"{finding['severity'].upper()} {_why(finding)}", *steps])


def _why(finding: Object) -> str:
    return _line(sentence(": ".join(filter(None, (finding["code"], finding["what"], finding["why"].strip())))))


def _line(text: str) -> str:
    """Return a text on one line. A condition's or a webhook's own words can be in it."""
    return printable_message(" ".join(text.split()))


def _rest(findings: Iterable[Object]) -> Iterator[str]:
    """Yield the codes of what was not checked, and of what is only good to know."""
    rest = list(findings)
    unchecked = [finding for finding in rest if finding["code"].endswith(UNCHECKED)]
    known = [finding for finding in rest if finding not in unchecked]
    things = "1 thing" if len(unchecked) == 1 else f"{len(unchecked)} things"
    see = "; --verbose (-v) shows more"
    yield from (f"{line}{see}" for line in _codes(f"{things} could not be checked", unchecked))
    yield from (f"{line}{'' if unchecked else see}" for line in _codes("for information", known))


def _codes(begin: str, findings: Iterable[Object]) -> list[str]:
    codes = list(dict.fromkeys(_line(finding["code"]) for finding in findings))
    return [f"{begin}: {', '.join(codes)}"] if codes else []


def failure_message(what: str, failing: Sequence[Object]) -> str:
    """Return the error of a task that stops because of findings; empty without any.

    Each is there with what to do, and with as much of why as leaves the message short: it is the one output that is always seen.
    """
    if not failing:
        return ""
    codes = list(dict.fromkeys(finding["code"] for finding in failing))
    # A single one is named by its own text.
    begin = f"{what} found {', '.join(codes)}." if len(codes) > 1 else f"{what} failed."
    # The rules of a Role leave no room for others.
    ordered = sorted(failing, key=lambda finding: f"\n{RULE}" in finding["remedy"])
    for shorten in (str, _first_sentence, _nothing):
        told = [
            f"{_why({**finding, 'why': shorten(finding['why'])})} {_line(finding['remedy'])}" for finding in ordered
        ]
        message = " ".join([begin, *told])
        if len(message.encode()) <= MOST_BYTES:
            break
    return f"{message} More: {findings_page(ordered[0]['code'])}"


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0]


def _nothing(_text: str) -> str:
    return ""


def check_findings(what: str, findings: Iterable[Object], failing: Failing) -> None:
    """Raise BlockerFound, which lists them, if findings make a task fail."""
    bad = failing.of(findings)
    if bad:
        why = " ".join(f"[{found['code']}] {found['what']}: {found['why']}. {found['remedy']}" for found in bad)
        raise BlockerFound(what, why, "Fix these, then run the task again.")
