# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can use a registry: read from RoleBindings, roles and a Group, and returned as options."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import Forbidden, NotFound
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Grant, Object
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.reviews import Answer
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.bindings import wanted_binding
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.effective_access import (
    Entry,
    RbacSnapshot,
    access_entry,
    effective_access,
    permissions,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.read_access import (
    read_rbac,
    review_entries,
)

ANN, BOB = Grant("User", "", "ann"), Grant("User", "", "bob")
TEAM, PEOPLE = Grant("Group", "", "team"), Grant("Group", "", "fraud-users")
PROJECT, RUNNER = Grant("Project", "", "shop"), Grant("ServiceAccount", "shop", "runner")
GETS_ALL = [{"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]}]
"""The rules of a role that lets its subjects use all registries."""


def listed(name: str, grant: Grant, registry: str = "fraud") -> Object:
    """Return a RoleBinding as the dashboard makes it."""
    body = wanted_binding(registry, None, grant)
    body["metadata"]["name"] = name
    return body


def bare(name: str, role: str, *subjects: tuple[str, str], kind: str = "Role") -> Object:
    """Return a RoleBinding as written by hand."""
    found = [{"kind": kind_of, "name": subject} for kind_of, subject in subjects]
    return {"metadata": {"name": name}, "roleRef": {"kind": kind, "name": role}, "subjects": found}


def operators() -> Object:
    """Return the operator's RoleBinding."""
    body = bare("fraud-users", "registry-user-fraud", ("Group", "fraud-users"))
    body["metadata"]["ownerReferences"] = [{"kind": "ModelRegistry", "name": "fraud"}]
    return body


def role(name: str, rules: list[Object]) -> Object:
    return {"metadata": {"name": name}, "rules": rules}


def lines(around: RbacSnapshot) -> list[tuple[str, str, bool]]:
    """List each subject, its path to access, and whether the dashboard shows it."""
    return [(str(one.grant), " ".join(one.granted_by), one.dashboard) for one in effective_access("fraud", around)]


def test_each_kind_of_subject() -> None:
    around = RbacSnapshot(tuple(listed(f"b{i}", grant) for i, grant in enumerate((RUNNER, PROJECT, TEAM, ANN))))
    assert lines(around) == [
        ("Group team", "RoleBinding b2", True),
        ("Project shop", "RoleBinding b1", True),
        ("ServiceAccount shop/runner", "RoleBinding b0", False),
        ("User ann", "RoleBinding b3", True),
    ]


def test_what_the_dashboard_does_not_list_gives_access_too() -> None:
    several = bare("several", "registry-user-fraud", ("User", "ann"), ("User", "bob"))
    around = RbacSnapshot((several, listed("one", ANN), listed("elsewhere", BOB, "other")))
    assert lines(around) == [
        ("User ann", "RoleBinding one", True),
        ("User ann", "RoleBinding several", False),
        ("User bob", "RoleBinding several", False),
    ]


@pytest.mark.parametrize(
    ("rules", "can"),
    [
        (GETS_ALL, True),
        ([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}], True),
        ([{"apiGroups": [""], "resources": ["services"], "verbs": ["get"], "resourceNames": ["fraud"]}], True),
        ([{"apiGroups": [""], "resources": ["services"], "verbs": ["get"], "resourceNames": ["other"]}], False),
        ([{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}], False),
        ([{"apiGroups": ["apps"], "resources": ["services"], "verbs": ["get"]}], False),
        ([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}], False),
        ([], False),
        (None, False),
    ],
)
@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_other_roles_count_where_they_let_the_service_be_got(kind: str, rules: Any, can: bool) -> None:
    binding = bare("helpers", "helper", ("User", "ann"), kind=kind)
    around = RbacSnapshot((binding,), {(kind, "helper"): role("helper", rules)})
    expected = [Entry(ANN, ("RoleBinding", "helpers"), f"{kind} helper")] if can else []
    assert effective_access("fraud", around) == expected
    assert permissions("fraud", around)["users"] == [], "what another role gives is nobody's permission"


def test_a_role_and_a_cluster_role_of_one_name_are_told_apart() -> None:
    binding = bare("helpers", "helper", ("User", "ann"), kind="Role")
    assert (
        effective_access("fraud", RbacSnapshot((binding,), {("ClusterRole", "helper"): role("helper", GETS_ALL)})) == []
    )


def test_members_come_through_their_group() -> None:
    group = {"metadata": {"name": "fraud-users"}, "users": ["bob", "ann"]}
    around = RbacSnapshot((operators(),), {}, {"fraud": group})
    assert lines(around) == [
        ("Group fraud-users", "RoleBinding fraud-users", False),
        ("User ann", "Group fraud-users", False),
        ("User bob", "Group fraud-users", False),
    ]
    assert permissions("fraud", around) == {
        "users": [],
        "groups": [],
        "projects": [],
        "service_accounts": [],
        "members": ["bob", "ann"],
    }


def test_members_of_a_group_without_access_are_left_out() -> None:
    group = {"metadata": {"name": "fraud-users"}, "users": ["bob"]}
    assert lines(RbacSnapshot((), {}, {"fraud": group})) == []


def test_permissions_are_the_modules_options() -> None:
    grants = (RUNNER, PROJECT, TEAM, BOB, ANN)
    around = RbacSnapshot((operators(), *(listed(f"b{i}", grant) for i, grant in enumerate(grants))))
    assert permissions("fraud", around) == {
        "users": ["ann", "bob"],
        "groups": ["team"],
        "projects": ["shop"],
        "service_accounts": [{"namespace": "shop", "name": "runner"}],
    }


def test_verified_is_the_answer_about_the_one_or_his_group() -> None:
    member, other = Entry(ANN, ("Group", "fraud-users")), Entry(RUNNER, ("RoleBinding", "b"), "Role r", True)
    answers = {PEOPLE: Answer(True), RUNNER: Answer(False)}
    assert access_entry(member, answers) == {
        "kind": "User",
        "name": "ann",
        "through": {"kind": "Group", "name": "fraud-users"},
        "dashboard": False,
        "verified": True,
    }
    assert access_entry(other, answers) == {
        "kind": "ServiceAccount",
        "namespace": "shop",
        "name": "runner",
        "through": {"kind": "RoleBinding", "name": "b", "role": "Role r"},
        "dashboard": True,
        "verified": False,
    }
    assert access_entry(other, {})["verified"] is None


class FakeCluster(Cluster):
    """Has those objects of the cluster, or refuses to show a kind; counts the requests."""

    def __init__(self, *objects: Object, refuses: tuple[str, ...] = (), lacks: tuple[str, ...] = ()) -> None:
        self.objects, self.refuses, self.lacks = objects, refuses, lacks
        self.asked: list[str] = []

    def get(self, kind: str, namespace: str | None, name: str) -> Object | None:  # noqa: ARG002
        self.asked.append(f"get {kind} {name}")
        self._refuse(kind)
        return next((one for one in self.objects if (one["kind"], one["metadata"]["name"]) == (kind, name)), None)

    get_many = Cluster.get_many

    def list(self, kind: str, *_scope: Any, **_selectors: Any) -> tuple[list[Object], str]:
        self.asked.append(f"list {kind}")
        self._refuse(kind)
        if kind in self.lacks:
            raise NotFound(kind, "no such kind", "")
        return [one for one in self.objects if one["kind"] == kind], "1"

    def review(self, kind: str, namespace: str | None, spec: Object) -> Answer:  # noqa: ARG002
        self.asked.append(f"create {kind}")
        self._refuse(kind)
        return Answer(spec.get("user") == "ann")

    def _refuse(self, kind: str) -> None:
        if kind in self.refuses:
            raise Forbidden(kind, f"{kind} is forbidden", f"The user needs the rule for {kind}.")


VIEWERS = bare("viewers", "view", ("User", "ann"), kind="ClusterRole")


def group_of(registry: str) -> Object:
    return {"kind": "Group", "metadata": {"name": f"{registry}-users"}, "users": ["ann"]}


def of_operator(registry: str) -> Object:
    return bare(f"{registry}-users", f"registry-user-{registry}", ("Group", f"{registry}-users"))


def test_only_what_matters_is_read() -> None:
    cluster = FakeCluster(group_of("fraud"), {"kind": "ClusterRole", **role("view", GETS_ALL)})
    around, warnings = read_rbac(cluster, ["fraud", "other"], [operators(), VIEWERS], [role("helper", [])])
    assert cluster.asked == ["get ClusterRole view", "get Group fraud-users"] and warnings == []
    assert set(around.roles) == {("Role", "helper"), ("ClusterRole", "view")}
    assert around.groups == {"fraud": group_of("fraud")}
    nothing = FakeCluster()
    assert read_rbac(nothing, ["fraud"], [listed("b", ANN)], []) == (RbacSnapshot((listed("b", ANN),)), [])
    assert nothing.asked == []


def test_many_groups_are_one_list() -> None:
    names = [f"r{i}" for i in range(20)]
    cluster = FakeCluster(*map(group_of, names), group_of("foreign"))
    around, _ = read_rbac(cluster, names, [*map(of_operator, names)], [])
    assert cluster.asked == ["list Group"] and set(around.groups) == set(names)


@pytest.mark.parametrize("number", [1, 20])
def test_a_cluster_without_groups_has_no_members(number: int) -> None:
    """An external identity provider, or no OpenShift: no reason to warn."""
    names = [f"r{i}" for i in range(number)]
    around, warnings = read_rbac(FakeCluster(lacks=("Group",)), names, [*map(of_operator, names)], [])
    assert (around.groups, warnings) == ({}, [])


def test_what_may_not_be_read_is_said_with_the_rule() -> None:
    cluster = FakeCluster(refuses=("Group", "ClusterRole"))
    around, warnings = read_rbac(cluster, ["fraud"], [operators(), VIEWERS], [])
    assert around.groups == {"fraud": None} and permissions("fraud", around)["members"] is None
    assert len(warnings) == 2
    assert "ClusterRole view gives" in warnings[0] and "the rule for ClusterRole" in warnings[0]
    assert "The members of the Group fraud-users" in warnings[1] and "the rule for Group" in warnings[1]


def test_each_is_asked_about_once() -> None:
    around = RbacSnapshot((listed("a", ANN), listed("b", ANN), listed("c", BOB)))
    cluster = FakeCluster()
    found, warnings = review_entries(cluster, "registries", "fraud", effective_access("fraud", around))
    assert {grant: bool(answer) for grant, answer in found.items()} == {ANN: True, BOB: False} and warnings == []
    assert cluster.asked == ["create LocalSubjectAccessReview"] * 2


def test_without_the_right_to_ask_nothing_is_verified() -> None:
    cluster = FakeCluster(refuses=("LocalSubjectAccessReview", "SubjectAccessReview"))
    found, (warning,) = review_entries(cluster, "registries", "fraud", [Entry(ANN, ("RoleBinding", "a"))])
    assert found == {} and warning.startswith("Access was not verified")
