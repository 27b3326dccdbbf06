# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about the access to a registry."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.summary import permissions_summary

ALICE = {"kind": "User", "name": "alice\x1b[2J"}
RUNNER = {"kind": "ServiceAccount", "namespace": "data-science", "name": "runner"}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            {"changed": True, "verified": True, "granted": [ALICE], "grants": [ALICE, RUNNER], "members": ["bob, jr."]},
            [
                "access to fraud is changed, and access reviews confirm it",
                "  granted: User alice\\x1b[2J",
                "  may use it: User alice\\x1b[2J",
                "  may use it: ServiceAccount data-science/runner",
                "  member of Group fraud-users: bob, jr.",
            ],
        ),
        (
            {
                "changed": False,
                "verified": None,
                "grants": [],
                "other_access": [{"kind": "Group", "name": "admins", "reason": "…"}],
            },
            [
                "access to fraud is unchanged",
                "  may use it: no subject, by grants",
                "  may use it by other roles: Group admins",
            ],
        ),
    ],
)
def test_summary(result: dict[str, Any], expected: list[str]) -> None:
    assert permissions_summary("fraud", result, check_mode=False) == expected


@pytest.mark.parametrize(("changed", "would"), [(True, "be changed"), (False, "stay unchanged")])
def test_check_mode(changed: bool, would: str) -> None:
    (head, *rest) = permissions_summary(
        "fraud", {"changed": changed, "verified": True, "grants": [RUNNER]}, check_mode=True
    )
    assert head == f"access to fraud would {would} (check mode: nothing is written)"
    assert rest == ["  may use it: ServiceAccount data-science/runner"]


def test_many_are_counted() -> None:
    many = [{"kind": "User", "name": f"u{number:03}"} for number in range(100)]
    lines = permissions_summary("fraud", {"changed": False, "verified": True, "grants": many}, check_mode=False)
    assert len(lines) == 32 and lines[-1] == "  may use it: 70 more"
