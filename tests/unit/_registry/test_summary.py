# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about a run for one registry: the result first, then what changed, and what a failure leaves."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import Change
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.summary import (
    Outcome,
    absent_summary,
    aftermath,
    present_summary,
)

URL = "https://fraud-rest.apps.example.com"
SECRET = "fraud-db-password"  # the name of an object
BEFORE = {
    "name": "fraud",
    "uid": "1",
    "display_name": "Fraud",
    "database": {"type": "mysql", "host": "old", "port": 3306, "tls": {"verify": False}},
}
AFTER = {
    "name": "fraud",
    "uid": "2",
    "url": URL,
    "description": "Two\nlines \x1b[2J" + "x" * 80,
    "display_name": "Fraud",
    "database": {"type": "mysql", "host": "new", "port": 3306, "tls": {"ca_bundle": "cluster", "verify": True}},
}


def change(kind: str, action: str, name: str = "fraud", **body: Any) -> Change:
    return Change(kind, "registries", name, action, body)


PASSWORD = change("Secret", "patch", SECRET, data={"database-password": "c2VjcmV0"})
MARK = change("Secret", "patch", SECRET, metadata={"annotations": {"ansible.opendatahub.io/restart-pending": None}})
RESTART = change("Deployment", "restart")
EDIT = change("ModelRegistry", "patch", spec={"mysql": {"host": "new"}})
CREATION = [change("Secret", "create", SECRET), change("ModelRegistry", "create")]


def outcome(**facts: Any) -> Outcome:
    return Outcome(**{"name": "fraud", "namespace": "registries", "changes": [], "seconds": 0.4, **facts})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            {"changes": CREATION, "seconds": 17.6, "after": AFTER},
            [f"fraud is created and ready after 18 s: {URL}", f"  password: stored in Secret {SECRET}"],
        ),
        (
            {"changes": CREATION, "seconds": 17.6},
            ["fraud is created and ready after 18 s", f"  password: stored in Secret {SECRET}"],
        ),
        ({"before": AFTER, "after": AFTER}, [f"fraud is unchanged and ready: {URL}"]),
        ({"before": AFTER, "after": AFTER, "seconds": 12.0}, [f"fraud is unchanged and ready after 12 s: {URL}"]),
        ({"before": AFTER, "after": AFTER, "seconds": None}, ["fraud is unchanged, and not waited for (wait: false)"]),
        (
            {"before": AFTER, "after": AFTER, "check_mode": True},
            ["fraud would stay unchanged (check mode: nothing is written)"],
        ),
        (
            {"changes": CREATION, "check_mode": True},
            ["fraud would be created (check mode: nothing is written)", f"  password: stored in Secret {SECRET}"],
        ),
        (
            {"changes": [PASSWORD, RESTART, MARK], "before": AFTER, "after": AFTER, "seconds": 11.0},
            [
                f"fraud is changed and ready after 11 s: {URL}",
                f"  password: changed in Secret {SECRET}",
                "  pods: restarted",
            ],
        ),
        (
            {"changes": [EDIT], "before": BEFORE, "after": AFTER, "seconds": 3.0},
            [
                f"fraud is changed and ready after 3 s: {URL}",
                "  database.host: 'old' -> 'new'",
                "  database.tls.verify: false -> true",
                "  database.tls.ca_bundle: not set -> 'cluster'",
                f"  description: not set -> 'Two\\nlines \\x1b[2J{'x' * 42}…'",
            ],
        ),
        (
            {"changes": [change("Secret", "delete", SECRET)], "before": AFTER, "after": AFTER, "seconds": 3.0},
            [f"fraud is changed and ready after 3 s: {URL}", f"  Secret {SECRET}: deleted, since it is no longer used"],
        ),
    ],
)
def test_present(facts: dict[str, Any], expected: list[str]) -> None:
    assert present_summary(outcome(**facts)) == expected


GONE = [change("ModelRegistry", "delete"), change("Secret", "delete", SECRET)]
STAYS = [{"kind": "Database", "name": "fraud on db:3306", "reason": "mysql data is never deleted"}]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            {"existing": ["fraud", "risk"], "changes": GONE, "seconds": 2.7, "retained": STAYS},
            [
                "fraud is deleted after 3 s",
                "  deleted: ModelRegistry fraud",
                f"  deleted: Secret {SECRET}",
                "  stays: Database fraud on db:3306 (mysql data is never deleted)",
            ],
        ),
        ({"existing": ["fraud"], "check_mode": True}, ["fraud would be deleted (check mode: nothing is written)"]),
        ({"existing": ["fraud"], "seconds": None}, ["fraud is being deleted, and not waited for (wait: false)"]),
        ({}, ["There is no registry fraud in namespace registries. It has no registries."]),
        ({"existing": ["risk", "churn"]}, ["There is no registry fraud in namespace registries. It has churn, risk."]),
        (
            {"existing": [f"r{number:02}" for number in range(20)]},
            [
                "There is no registry fraud in namespace registries. It has "
                + ", ".join(f"r{n:02}" for n in range(12))
                + " and others."
            ],
        ),
    ],
)
def test_absent(facts: dict[str, Any], expected: list[str]) -> None:
    assert absent_summary(outcome(**facts)) == expected


def test_a_failure_says_what_it_leaves() -> None:
    assert aftermath("fraud", BEFORE, AFTER, [], is_serving=True) == ""
    created = aftermath("fraud", None, AFTER, CREATION, is_serving=False)
    assert f"What this run created stays: Secret {SECRET} and ModelRegistry fraud." in created
    assert "run the same again to go on, or delete ModelRegistry fraud with state: absent." in created
    edited = aftermath("fraud", BEFORE, AFTER, [EDIT, RESTART], is_serving=True)
    assert edited.startswith("The pod from before still serves, with the previous values. ")
    assert "database.host: 'old' -> 'new'" in edited and "pods: restarted" in edited
    assert "still serves" not in aftermath("fraud", BEFORE, AFTER, [EDIT], is_serving=False)


def test_no_secret_is_in_it() -> None:
    said = [
        *present_summary(outcome(changes=[PASSWORD], before=AFTER, after=AFTER)),
        aftermath("fraud", AFTER, AFTER, [PASSWORD], is_serving=True),
    ]
    assert "c2VjcmV0" not in " ".join(said) and "secret" not in " ".join(said).replace("Secret", "")
