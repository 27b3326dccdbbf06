# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter preflight_report: the findings of several checks, as one list and as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding import (
    PAGE,
    UNSEEN,
    Finding,
    finding_result,
    severest_first,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.findings_table import (
    failing,
    findings_table,
)

__all__ = ["FilterModule", "preflight_report"]

DOCUMENTATION = r"""
name: preflight_report
short_description: Put the findings of several checks together
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Takes the registered results of M(opendatahub.model_registry.model_registry_preflight) and
    M(opendatahub.model_registry.mysql_auth_check), and gives their findings as one list and as a table.
  - A check that fails for another reason than its findings adds the finding C(not_checked).
positional: _input, fail_on
options:
  _input:
    description: The results. One of a task that was skipped has no findings.
    type: list
    elements: dict
    required: true
  fail_on:
    description: The findings that count as failing. V(warning) stands for warnings and blockers.
    type: str
    choices: [blocker, warning, never]
    default: blocker
"""

EXAMPLES = r"""
- name: Show the findings of both checks
  ansible.builtin.debug:
    msg: "{{ ([cluster, database] | opendatahub.model_registry.preflight_report).table }}"
"""

RETURN = r"""
_value:
  description:
    - C(findings), the most severe first; C(table), lines of text; C(failing), the findings that O(fail_on) is about; and
      C(message), which says what they are.
  type: dict
"""


def preflight_report(results: Iterable[Mapping[str, Any]], fail_on: str = "blocker") -> dict[str, Any]:
    """Return the checks' findings, with a table and a message."""
    told: dict[tuple[str, str], dict[str, str]] = {}
    for finding in (finding for result in results for finding in _findings(result)):
        # Each check reads the Secrets and certificates: do not repeat their findings.
        told.setdefault((finding["code"], finding["what"]), finding)
    findings = severest_first(told.values())
    bad = failing(findings, fail_on)
    names = ", ".join(dict.fromkeys(finding["code"] for finding in bad))
    message = f"The preflight found {names}. The table above says what to do about each; {PAGE} says more."
    return {"findings": findings, "table": findings_table(findings), "failing": bad, "message": message if bad else ""}


def _findings(result: Mapping[str, Any]) -> list[dict[str, str]]:
    found = list(result.get("findings") or ())
    words = "" if result.get("skipped") else str(result.get("msg") or "")
    # A check that fails because of its findings names them in its message.
    if not words or any(f"[{finding['code']}]" in words for finding in found):
        return found
    why, remedy = f"the check did not finish: {words}", "Correct that, then run the check again."
    # If a check ends before it has results, only its message tells what it was about.
    what = "database" if "connection" in result else "cluster" if "table" in result else "check"
    lost = Finding("not_checked", "warning", what, why, remedy, UNSEEN)
    return [*found, finding_result(lost, checked_as="", path="")]


class FilterModule:
    """The entry point for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"preflight_report": preflight_report}
