# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""RoleBindings as users, the dashboard and this collection leave them, and what can be requested of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Grant
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.bindings import (
    DesiredGrants,
    binding_name,
    wanted_binding,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.subjects import subject_of
from fake_permissions import NAMESPACE, OWNER
from hypothesis import strategies as st

__all__ = [
    "ANN",
    "BOB",
    "EVE",
    "EVERYBODY",
    "LABELS",
    "PROJECT",
    "RUNNER",
    "SOME",
    "STATES",
    "TEAM",
    "WISHES",
    "any_bindings",
    "binding",
    "blocked",
]

Object = dict[str, Any]
ANN, BOB, EVE = (Grant("User", "", name) for name in ("ann", "bob", "eve"))
TEAM = Grant("Group", "", "team")
EVERYBODY = Grant("Group", "", "system:authenticated")
PROJECT = Grant("Project", "", "fraud")
RUNNER = Grant("ServiceAccount", "fraud", "runner")
SOME = (ANN, BOB, TEAM, EVERYBODY, PROJECT, RUNNER)
LABELS = wanted_binding("demo", None, ANN)["metadata"]["labels"]


def binding(name: str, *grants: Grant, registry: str = "demo", **labels: Any) -> Object:
    """Return a RoleBinding of another client; a label that is None is not there."""
    wanted = wanted_binding(registry, OWNER, grants[0] if grants else ANN)
    wanted["metadata"].update(name=name, namespace=NAMESPACE)
    kept = {**wanted["metadata"]["labels"], **labels}
    wanted["metadata"]["labels"] = {key: value for key, value in kept.items() if value is not None}
    wanted["subjects"] = [subject_of(grant) for grant in grants]
    return wanted


def blocked(bindings: Iterable[Object], wish: DesiredGrants) -> bool:
    """Check whether another owner's object has the name of a requested grant, so that the request is refused."""
    names = {binding_name("demo", grant) for grant in wish.grants}
    return any(
        one["metadata"]["name"] in names
        and one["roleRef"]["name"] != "registry-user-demo"
        and not LABELS.items() <= one["metadata"]["labels"].items()
        for one in bindings
    )


GRANTS = st.sets(st.sampled_from(SOME)).map(frozenset)
NAMES = st.sampled_from(
    [*(binding_name("demo", grant) for grant in SOME[:4]), "team-access", "dashboard-permissions-abcd"]
)
STATES = st.sampled_from(["present", "absent", "exact"])
WISHES = st.builds(DesiredGrants, st.just("demo"), GRANTS, STATES, st.booleans())


@st.composite
def any_bindings(draw: st.DrawFn) -> list[Object]:
    """Draw RoleBindings as the dashboard, this collection and kubectl users make and edit them: one per name."""
    made = []
    for name in draw(st.lists(NAMES, unique=True, max_size=5)):
        subjects = draw(st.lists(st.sampled_from(SOME), max_size=3))
        bent: Object = draw(st.sampled_from([{}, {}, {"component": None}, {"opendatahub.io/dashboard": "false"}]))
        one = binding(name, *subjects, registry=draw(st.sampled_from(["demo", "demo", "demo", "other"])), **bent)
        if one["roleRef"]["name"].endswith("other") and draw(st.booleans()):
            one["metadata"]["labels"] = dict(LABELS)
        if draw(st.booleans()):
            del one["metadata"]["ownerReferences"]
        made.append(one)
    return made
