# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings as a person reads them: which lines, in which order, and what the first bytes of a failure have."""

from __future__ import annotations

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import BlockerFound
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.failing import Failing
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding_lines import (
    Detail,
    check_findings,
    failure_message,
    finding_lines,
)

Finding = dict[str, str]
WHAT = "Preflight of fraud"
BLOCKERS, BRIEF = Failing(), Detail()
RULES = "\n".join(
    ["Apply it there, or give the user a Role with these rules:", *(f"- {{verbs: [{n}]}}" for n in range(9))]
)
LONG = "word " * 60


def shown(severity: str, code: str = "c", remedy: str = "Fix it.", why: str = "is wrong") -> Finding:
    return {"severity": severity, "code": code, "what": "it", "why": why, "remedy": remedy}


def lines(*findings: Finding, failing: Failing = BLOCKERS, detail: Detail = BRIEF) -> list[str]:
    return finding_lines(WHAT, findings, [], failing, detail)


def test_the_sum_first_then_one_entry_for_each_that_matters() -> None:
    found = [
        shown("info", "name_exists"),
        shown("warning", "plaintext", "Give ca_source."),
        shown("info", "operator_unchecked"),
        shown("blocker", "charset", "To fix it:\nALTER DATABASE `fraud` CHARACTER SET utf8mb4;"),
        shown("info", "rights_limited", RULES),
    ]
    assert finding_lines(WHAT, found, ["logged in to MySQL 8.0.12 as fraud@%", "name free"], BLOCKERS, BRIEF) == [
        "Preflight of fraud: 1 blocker, 1 warning",
        "BLOCKER charset: it: is wrong.\n  To fix it:\n  ALTER DATABASE `fraud` CHARACTER SET utf8mb4;",
        "WARNING plaintext: it: is wrong.\n  Give ca_source.",
        "passed: logged in to MySQL 8.0.12 as fraud@% · name free",
        "2 things could not be checked: operator_unchecked, rights_limited; --verbose (-v) shows more",
        "for information: name_exists",
    ]


def test_nothing_found() -> None:
    total = "Preflight of fraud: 0 blockers, 0 warnings"
    assert lines() == [total]
    assert lines(shown("info", "name_exists")) == [total, "for information: name_exists; --verbose (-v) shows more"]
    assert lines(shown("info", "name_unchecked"))[1].startswith("1 thing could not be checked: name_unchecked;")


def test_detail() -> None:
    """Rules are shown in full if asked for, exactly as they are pasted; information with --verbose alone."""
    found = [shown("blocker", "rights_missing", RULES), shown("info", "name_exists")]
    short, whole, loud = (
        lines(*found, detail=Detail(*given)) for given in ((False, False), (True, False), (True, True))
    )
    assert short[1].splitlines()[1:] == [
        "  Apply it there, or give the user a Role with these rules; --verbose (-v) shows them."
    ]
    assert whole[1].splitlines()[1:] == [f"  {line}" for line in RULES.splitlines()] == loud[1].splitlines()[1:]
    assert whole[2].startswith("for information: name_exists")
    assert loud[2:] == ["INFO name_exists: it: is wrong.\n  Fix it."]


def test_an_entry_is_never_wrapped_nor_broken_by_others_words() -> None:
    (_, entry) = lines(shown("warning", why=f"says\n{LONG}\x1b[2K\u202e{{{{ x }}}}"))
    assert len(entry.splitlines()) == 2 and LONG.strip() in entry and "{{ x }}" in entry
    assert all(line.isprintable() for line in entry.splitlines())


def test_accepted_findings_are_shown_as_such() -> None:
    accepting = Failing(accepted=frozenset({"charset", "plaintext", "name_exists"}))
    found = [shown("blocker", "charset"), shown("warning", "plaintext"), shown("warning", "limits")]
    assert lines(*found, failing=accepting) == [
        "Preflight of fraud: 0 blockers, 1 warning, 2 accepted",
        "BLOCKER (accepted) charset: it: is wrong.",
        "WARNING limits: it: is wrong.\n  Fix it.",
        "accepted: plaintext",
    ]


def test_the_message_of_a_failure() -> None:
    message = failure_message(WHAT, [shown("blocker", "charset", "To fix it:\nALTER DATABASE `d`;")])
    expected = "Preflight of fraud failed. charset: it: is wrong. To fix it: ALTER DATABASE `d`; More: https://"
    assert message.startswith(expected) and message.endswith("docs/findings.md#charset")
    assert failure_message("Preflight", []) == ""


def test_a_message_is_as_whole_as_fits() -> None:
    """First the rest of a reason goes, then the reason; what to do stays."""
    whole, first, none = (
        failure_message(WHAT, [shown("blocker", why=why)]) for why in ("a. b", f"a. {LONG * 2}", LONG * 2)
    )
    assert "c: it: a. b. Fix it. More" in whole and "c: it: a. Fix it. More" in first and "c: it. Fix it. More" in none


@pytest.mark.parametrize("why", ["is wrong", LONG])
def test_blockers_and_remedies_come_first(why: str) -> None:
    """In the first 500 bytes, whatever else there is to say, and without a reference to what may not be shown."""
    found = [shown("blocker", f"code_{n}", RULES if n == 0 else f"Fix number {n}.", why) for n in range(5)]
    message = failure_message(WHAT, found)
    begin = message.encode()[:500].decode()
    assert all(f"code_{n}:" in begin and f"Fix number {n}." in begin for n in range(1, 5))
    assert "code_0" in begin and "above" not in message and "\n" not in message


def test_the_error_of_a_module() -> None:
    check_findings("it", [shown("warning")], BLOCKERS)
    with pytest.raises(BlockerFound, match=r"it: \[c\] it: is wrong\. Fix it\. Fix these"):
        check_findings("it", [shown("blocker")], BLOCKERS)
