# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role preflight makes of the results of its two checks."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.filter.preflight_report import preflight_report
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.references import DATABASE_ROLE

Object = dict[str, Any]


def shown(severity: str, code: str = "c") -> dict[str, str]:
    return {"severity": severity, "code": code, "what": "it", "why": "is wrong", "remedy": "Fix it."}


def codes(report: Object, part: str = "findings") -> list[str]:
    return [finding["code"] for finding in report[part]]


CLUSTER: Object = {"findings": [shown("info", "name_exists")], "passed": ["name free"], "facts": {"name": "fraud"}}
SKIPPED: Object = {"skipped": True, "msg": "skipped", "skip_reason": "Conditional result was False"}


def test_both_checks_in_one() -> None:
    """A check that fails because of its findings adds none, and what both find is there once."""
    found = [shown("blocker", "charset"), shown("info", "name_exists")]
    database = {"findings": found, "msg": "cannot: [charset] it: is wrong", "passed": ["utf8mb4"]}
    report = preflight_report({"cluster": CLUSTER, "database": database})
    assert codes(report) == ["charset", "name_exists"] and codes(report, "failing") == ["charset"]
    assert report["message"].startswith("Preflight of fraud failed. charset: it: is wrong. Fix it.")
    assert report["lines"][0] == "Preflight of fraud: 1 blocker, 0 warnings"
    assert "passed: utf8mb4 · name free" in report["lines"]
    assert preflight_report({"cluster": CLUSTER, "database": SKIPPED})["findings"] == CLUSTER["findings"]
    assert preflight_report({"cluster": CLUSTER})["message"] == ""
    assert preflight_report({})["lines"] == ["Preflight: 0 blockers, 0 warnings"]


def test_a_finding_of_both_checks_is_there_once_and_as_the_cluster_check_has_it() -> None:
    first = {"findings": [shown("blocker", "a"), shown("info", "b")]}
    report = preflight_report({"cluster": first, "database": {"findings": [shown("info", "a")]}})
    assert [(one["code"], one["severity"]) for one in report["findings"]] == [("a", "blocker"), ("b", "info")]


def test_the_rights_for_a_check_are_said_once() -> None:
    """Those for the path to the database are with the check that was not made; others stay."""
    limited = {**shown("info", "rights_limited"), "what": "databases", "remedy": f"Apply {DATABASE_ROLE}."}
    others = shown("info", "rights_limited")
    unchecked = {**shown("warning", "not_checked"), "remedy": f"Apply {DATABASE_ROLE}."}
    cluster = {"findings": [limited, others]}
    assert codes(preflight_report({"cluster": cluster})) == ["rights_limited", "rights_limited"]
    report = preflight_report({"cluster": cluster, "database": {"findings": [unchecked]}})
    assert codes(report) == ["not_checked", "rights_limited"] and others in report["findings"]
    unchanged = {**cluster, "facts": {"database_changed": False}}
    assert preflight_report({"cluster": unchanged, "database": SKIPPED})["findings"] == [others], (
        "nothing is to be checked"
    )


@pytest.mark.parametrize("check", ["cluster", "database"])
@pytest.mark.parametrize(
    ("result", "severity"),
    [
        ({"findings": [], "msg": "no PyMySQL"}, "warning"),
        ({"findings": [shown("warning", "plaintext")], "msg": "no PyMySQL"}, "warning"),
        ({"msg": "no PyMySQL", "failed": False, "failed_when_result": False}, "blocker"),
    ],
)
def test_a_check_that_did_not_finish_is_named(check: str, result: Object, severity: str) -> None:
    """One that had no result at all may have been refused its options: then the job stops."""
    report = preflight_report({"cluster": CLUSTER, "database": SKIPPED, check: result})
    (lost,) = [finding for finding in report["findings"] if finding["code"] == "not_checked"]
    assert (lost["what"], lost["severity"]) == (check, severity) and "no PyMySQL" in lost["why"]
    assert "plaintext" not in str(result) or "plaintext" in codes(report)


@pytest.mark.parametrize(
    ("fail_on", "accept", "failing"),
    [
        ("blocker", (), ["charset"]),
        ("plaintext, blocker", (), ["charset", "plaintext"]),
        (["plaintext"], "", ["charset", "plaintext"]),
        ("never", (), []),
        ("warning", "charset,limits", ["plaintext"]),
        ("blockers", (), ["option_invalid", "charset"]),
        ("never", "char_set", ["option_invalid", "charset"]),
    ],
)
def test_what_fails(fail_on: Any, accept: Any, failing: list[str]) -> None:
    """Wrong options are a blocker themselves, so that no misspelling lets a job through."""
    found = {"findings": [shown("warning", "plaintext"), shown("blocker", "charset")]}
    report = preflight_report({"database": found}, fail_on, accept)
    assert codes(report, "failing") == failing
    assert bool(report["message"]) is bool(failing)


@pytest.mark.parametrize(
    ("changed", "result", "expected"),
    [(False, SKIPPED, True), (False, {"findings": []}, False), (True, SKIPPED, False), (None, SKIPPED, False)],
)
def test_a_database_that_was_not_checked_again(changed: bool | None, result: Object, expected: bool) -> None:
    cluster = {"findings": [], "facts": {"name": "fraud", "database_changed": changed}}
    report = preflight_report({"cluster": cluster, "database": result})
    assert ("passed: database unchanged" in report["lines"]) is expected


def test_verbosity_shows_information_with_its_remedy() -> None:
    brief, loud = (preflight_report({"cluster": CLUSTER}, verbosity=verbosity)["lines"] for verbosity in (0, 1))
    assert "INFO name_exists: it: is wrong.\n  Fix it." in loud
    assert "for information: name_exists; --verbose (-v) shows more" in brief
