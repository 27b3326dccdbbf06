# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter preflight_report: what the checks of cluster and database found, as one list and as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.failing import Failing, failing_from
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding import (
    OPTIONS,
    UNSEEN,
    Finding,
    finding_result,
    severest_first,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding_lines import (
    Detail,
    failure_message,
    finding_lines,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.references import DATABASE_ROLE

__all__ = ["FilterModule", "preflight_report"]

DOCUMENTATION = r"""
name: preflight_report
short_description: Put the findings of the checks before a job together
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Takes the registered results of M(opendatahub.model_registry.model_registry_preflight) and
    M(opendatahub.model_registry.mysql_auth_check), and gives their findings as one list and as lines to show.
  - A check that fails for another reason than its findings adds the finding C(not_checked). It is a blocker if the check ended
    before it had any result, such as one with options that are refused.
  - An unknown value of O(fail_on) or O(accept) is the finding C(option_invalid), a blocker.
positional: _input, fail_on
options:
  _input:
    description: The results, as C(cluster) and C(database). One of a task that was skipped has no findings.
    type: dict
    required: true
  fail_on:
    description: The findings that count as failing, as O(opendatahub.model_registry.mysql_auth_check#module:fail_on).
    type: list
    elements: str
    default: [blocker]
  accept:
    description: The codes of findings that do not, as O(opendatahub.model_registry.mysql_auth_check#module:accept).
    type: list
    elements: str
    default: []
  detail:
    description: V(full) shows remedies with the rules of a Role to paste. V(auto) does with O(verbosity) above 0 only.
    type: str
    choices: [auto, full]
    default: auto
  verbosity:
    description: Above 0, findings for information are shown, too, not only their codes.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show what both checks found
  opendatahub.model_registry.show:
    lines: "{{ ({'cluster': cluster, 'database': database} | opendatahub.model_registry.preflight_report).lines }}"
"""

RETURN = r"""
_value:
  description:
    - C(lines), to show; C(findings), the most severe first; C(failing), those that make the job fail; and C(message), which says
      what they are and what to do.
  type: dict
"""

Object = dict[str, Any]


def preflight_report(
    results: Mapping[str, Mapping[str, Any]],
    fail_on: Sequence[str] | str = ("blocker",),
    accept: Sequence[str] | str = (),
    detail: str = "auto",
    verbosity: int = 0,
) -> Object:
    """Return the findings of the checks, with lines and a message."""
    failing, wrong = _failing(_names(fail_on), _names(accept))
    found: dict[tuple[str, str], Object] = {}
    for finding in (*wrong, *(one for name, result in results.items() for one in _findings(name, result))):
        # Each check reads the Secrets and certificates: do not repeat their findings.
        found.setdefault((finding["code"], finding["what"]), finding)
    findings = severest_first(_without_idle_rights(found.values(), is_unchanged=_is_unchanged(results)))
    cluster = results.get("cluster", {})
    name = (cluster.get("facts") or {}).get("name")
    what, bad = f"Preflight of {name}" if name else "Preflight", failing.of(findings)
    shown = Detail(is_whole=detail == "full" or verbosity > 0, has_all=verbosity > 0)
    return {
        "findings": findings,
        "lines": finding_lines(what, findings, list(_passed(results)), failing, shown),
        "failing": bad,
        "message": failure_message(what, bad),
    }


def _without_idle_rights(findings: Iterable[Object], *, is_unchanged: bool) -> list[Object]:
    """Return the findings without missing rights for a check that is not due, or that another finding calls impossible."""
    kept = list(findings)
    is_repeated = any(finding["code"] == "not_checked" and DATABASE_ROLE in finding["remedy"] for finding in kept)
    if not is_repeated and not is_unchanged:
        return kept
    return [
        finding for finding in kept if finding["code"] != "rights_limited" or DATABASE_ROLE not in finding["remedy"]
    ]


def _names(given: Sequence[str] | str) -> list[str]:
    """Return the names in a list, or in a text with commas between them, as options of modules take them."""
    return [name.strip() for name in given.split(",") if name.strip()] if isinstance(given, str) else list(given)


def _failing(fail_on: Sequence[str], accept: Sequence[str]) -> tuple[Failing, list[Object]]:
    """Return the rule for what fails, and a finding if the options for it are wrong."""
    try:
        return failing_from(fail_on, accept), []
    except InvalidInput as error:
        wrong = Finding("option_invalid", "blocker", error.what, error.why, error.next_step, OPTIONS)
        return Failing(), [finding_result(wrong, checked_as="", path="")]


def _findings(check: str, result: Mapping[str, Any]) -> list[Object]:
    """Return the findings of a check, and one more if it did not finish. check: cluster or database."""
    found = list(result.get("findings") or ())
    words = "" if result.get("skipped") else str(result.get("msg") or "")
    # A check that fails because of its findings names them in its message.
    if not words or any(f"[{finding['code']}]" in words for finding in found):
        return found
    why, remedy = f"the check did not finish: {words}", "Correct that, then run the check again."
    severity = "warning" if "findings" in result else "blocker"
    return [
        *found,
        finding_result(Finding("not_checked", severity, check, why, remedy, UNSEEN), checked_as="", path=""),
    ]


def _is_unchanged(results: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether the database was not checked because the job changes nothing about it."""
    facts = results.get("cluster", {}).get("facts") or {}
    return bool(results.get("database", {}).get("skipped")) and facts.get("database_changed") is False


def _passed(results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what passed, the database's first."""
    cluster, database = results.get("cluster", {}), results.get("database", {})
    yield from database.get("passed") or ()
    if _is_unchanged(results):
        yield "database unchanged"
    yield from cluster.get("passed") or ()


class FilterModule:
    """The entry point for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"preflight_report": preflight_report}
