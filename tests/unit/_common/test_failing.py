# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which findings make a task fail: a table of options."""

from __future__ import annotations

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.failing import failing_from

FOUND = [
    {"code": code, "severity": severity}
    for code, severity in (
        ("name_exists", "info"),
        ("plaintext", "warning"),
        ("access_denied", "warning"),
        ("charset", "blocker"),
        ("schema_dirty", "blocker"),
    )
]
BLOCKERS, WARNINGS = ["charset", "schema_dirty"], ["plaintext", "access_denied"]


@pytest.mark.parametrize(
    ("fail_on", "accept", "expected"),
    [
        (["blocker"], [], BLOCKERS),
        ([], [], BLOCKERS),
        (["warning"], [], [*BLOCKERS, *WARNINGS]),
        (["info"], [], [*BLOCKERS, *WARNINGS, "name_exists"]),
        (["never"], [], []),
        (["access_denied"], [], [*BLOCKERS, "access_denied"]),
        (["name_exists", "blocker"], [], [*BLOCKERS, "name_exists"]),
        (["blocker"], ["charset"], ["schema_dirty"]),
        (["warning"], ["plaintext", "schema_dirty"], ["charset", "access_denied"]),
        (["blocker"], ["limits"], BLOCKERS),
        (["never"], ["charset"], []),
    ],
)
def test_what_fails(fail_on: list[str], accept: list[str], expected: list[str]) -> None:
    assert [finding["code"] for finding in failing_from(fail_on, accept).of(FOUND)] == expected


UNKNOWN = "is not a severity or the code of a finding."


@pytest.mark.parametrize(
    ("fail_on", "accept", "message"),
    [
        (["acess_denied"], [], f"fail_on: 'acess_denied' {UNKNOWN} Did you mean access_denied?"),
        (["blockers"], [], f"fail_on: 'blockers' {UNKNOWN} Did you mean blocker?"),
        (["Access-Denied"], [], f"fail_on: 'Access-Denied' {UNKNOWN} Did you mean access_denied?"),
        ([], ["plain_text"], "accept: 'plain_text' is not the code of a finding. Did you mean plaintext?"),
        ([], ["zzz"], "accept: 'zzz' is not the code of a finding. See https://"),
        ([], ["blocker"], "accept: 'blocker' is not the code of a finding."),
        (["never", "charset"], [], "fail_on: never cannot be combined with others. Give never alone, or leave it out."),
        (["charset"], ["charset"], "accept: fail_on has charset, too. Give each code in one of them."),
    ],
)
def test_wrong_options_name_the_closest(fail_on: list[str], accept: list[str], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        failing_from(fail_on, accept)
    assert str(refused.value).startswith(message)
