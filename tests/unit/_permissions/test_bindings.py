# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grants as a set: for any start and any request, against a fake API server that decides access as RBAC does."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    NotReady,
    PermissionsNotEffective,
    Refused,
    RegistryError,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Grant
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.api_errors import (
    Operation,
    error_from_response,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.reviews import Answer
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.run import Run
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.access_review import (
    lets_use,
    review_of,
    sources,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.bindings import (
    DesiredGrants,
    binding_name,
    binding_warnings,
    entries,
    grants_in,
    read_bindings,
    target_grants,
    wanted_binding,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.group_members import (
    wanted_members,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.reconcile import (
    DesiredPermissions,
    PermissionsResult,
    ensure_permissions,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.subjects import (
    grant_of,
    grants_from,
    subject_of,
)
from fake_permissions import NAMESPACE, OWNER, FakeCluster, Turns, role
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from wishes import (
    ANN,
    BOB,
    EVE,
    EVERYBODY,
    LABELS,
    PROJECT,
    RUNNER,
    SOME,
    STATES,
    TEAM,
    WISHES,
    any_bindings,
    binding,
    blocked,
)

Object = dict[str, Any]


def cluster_with(*bindings: Object) -> FakeCluster:
    return FakeCluster(OWNER, role(), role("other"), *bindings)


def ensure(cluster: Any, wish: DesiredGrants, **more: Any) -> PermissionsResult:
    """Run the engine once."""
    outcome = PermissionsResult()
    check_mode = more.pop("check_mode", False)
    run = Run(cluster, NAMESPACE, check_mode, 5)
    ensure_permissions(run, DesiredPermissions(wish, **more), outcome, sleep=lambda _: None)
    return outcome


def granted(cluster: FakeCluster) -> frozenset[Grant]:
    return grants_in(read_bindings(cluster.bindings(), "demo"))


@settings(max_examples=400, deadline=None)
@for_all(any_bindings(), WISHES)
def test_any_wish_from_any_start(bindings: list[Object], wish: DesiredGrants) -> None:
    """One run reaches the desired state, a second does nothing; other owners' objects stay as they were."""
    cluster = cluster_with(*bindings)
    start, others = granted(cluster), [one for one in cluster.bindings() if not is_own(one)]
    goal = target_grants(wish, read_bindings(cluster.bindings(), "demo"))
    try:
        ensure(cluster, wish, verify=False)
    except Refused:
        assert blocked(bindings, wish)
        return
    assert granted(cluster) == goal
    if wish.state == "present":
        assert goal == start | wish.grants
    elif wish.state == "absent":
        assert goal == start - wish.grants
    else:
        assert goal == wish.grants
    found = read_bindings(cluster.bindings(), "demo")
    listed = [one.grants[0] for one in found if one.is_dashboard_form and one.grants]
    # Another client has added others to a RoleBinding with a requested grant's name.
    odd = {one.name for one in found if one.grants and not one.is_dashboard_form}
    bent = {grant for grant in wish.grants if binding_name("demo", grant) in odd}
    if wish.state != "absent":
        assert wish.grants - bent <= set(listed) and (not bent or wish.state == "present")
    if wish.state == "exact":
        assert sorted(listed) == sorted(goal) and all(one.is_dashboard_form for one in found if one.grants)
    if wish.state == "present" and wish.adopt:
        assert all(sum(one.grants.count(grant) for one in found) == 1 for grant in wish.grants)
    mine = {binding_name("demo", grant) for grant in SOME}
    assert [one for one in others if one["metadata"]["name"] not in mine] == [
        one for one in cluster.bindings() if not is_own(one) and one["metadata"]["name"] not in mine
    ]
    written = len(cluster.writes)
    assert not ensure(cluster, wish, verify=False).record.done and len(cluster.writes) == written


def is_own(one: Object) -> bool:
    return bool(one["roleRef"]["name"] == "registry-user-demo")


class Watched(FakeCluster):
    """Records the grants after each write."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.history: list[frozenset[Grant]] = []

    def store(self, item: Object) -> Object:
        stored = super().store(item)
        if hasattr(self, "history"):
            self.history.append(granted(self))
        return stored


@settings(max_examples=200, deadline=None)
@for_all(any_bindings(), WISHES)
def test_nobody_loses_access_in_between(bindings: list[Object], wish: DesiredGrants) -> None:
    """A subject that has access and keeps it has it after each single write."""
    cluster = Watched(OWNER, role(), role("other"), *bindings)
    stays = granted(cluster) & target_grants(wish, read_bindings(cluster.bindings(), "demo"))
    try:
        ensure(cluster, wish, verify=False)
    except Refused:
        return
    assert all(stays <= seen for seen in cluster.history)


@settings(max_examples=200, deadline=None)
@for_all(any_bindings(), WISHES)
def test_check_mode_predicts(bindings: list[Object], wish: DesiredGrants) -> None:
    """A dry run writes nothing, and predicts the real run."""
    cluster = cluster_with(*bindings)
    before = copy.deepcopy(cluster.objects)
    try:
        predicted = ensure(cluster, wish, check_mode=True)
    except Refused:
        return
    assert cluster.objects == before and not cluster.writes
    real = ensure(cluster, wish, verify=False)
    assert sorted(map(str, keys(predicted))) == sorted(map(str, keys(real)))
    assert predicted.grants == real.grants and predicted.warnings == real.warnings


def keys(outcome: PermissionsResult) -> list[tuple[str, str]]:
    return [(done.change.action, done.change.name) for done in outcome.record.done]


@settings(max_examples=300, deadline=None)
@for_all(any_bindings(), WISHES, WISHES, st.lists(st.sampled_from("AB"), max_size=60))
def test_two_runs_at_once(
    bindings: list[Object], first: DesiredGrants, second: DesiredGrants, order: list[str]
) -> None:
    """Whatever the order of their requests, the end is that of one run after the other."""
    ends, shown = [], []
    for one, other in ((first, second), (second, first)):
        cluster = cluster_with(*bindings)
        try:
            ensure(cluster, one, verify=False)
            ensure(cluster, other, verify=False)
        except Refused:
            return
        ends.append(granted(cluster))
        shown.append(times_shown(cluster))
    cluster = cluster_with(*bindings)
    errors = Turns(cluster, order).run(
        A=lambda seen: ensure(seen, first, verify=False),
        B=lambda seen: ensure(seen, second, verify=False),
    )
    assert not errors
    assert granted(cluster) in ends
    assert all(count <= max(1, *(end[grant] for end in shown)) for grant, count in times_shown(cluster).items())


def times_shown(cluster: FakeCluster) -> Counter[Grant]:
    """Count the proper RoleBindings of each grant."""
    return Counter(
        one.grants[0] for one in read_bindings(cluster.bindings(), "demo") if one.is_dashboard_form and one.grants
    )


def test_what_a_grant_looks_like() -> None:
    """As the dashboard makes it, under a name that follows from the subject alone."""
    cluster = cluster_with()
    outcome = ensure(cluster, DesiredGrants("demo", frozenset({PROJECT, RUNNER})))
    (made, other) = sorted(cluster.bindings(), key=lambda one: str(one["subjects"][0]["kind"]))
    assert made["metadata"]["name"] == binding_name("demo", PROJECT)
    assert made["metadata"]["labels"] == {**LABELS, "opendatahub.io/rb-project-subject": "true"}
    (reference,) = made["metadata"]["ownerReferences"]
    assert reference == {"apiVersion": OWNER["apiVersion"], "kind": "ModelRegistry", "name": "demo", "uid": "owner"}
    assert made["roleRef"]["name"] == "registry-user-demo" and made["roleRef"]["kind"] == "Role"
    assert made["subjects"][0]["name"] == "system:serviceaccounts:fraud"
    assert other["subjects"] == [{"kind": "ServiceAccount", "namespace": "fraud", "name": "runner"}]
    assert [(one["kind"], one["dashboard"], one["verified"]) for one in outcome.grants] == [
        ("Project", True, True),
        ("ServiceAccount", False, True),
    ]
    assert outcome.grants[1]["hidden"] == "the dashboard does not list single service accounts"
    assert not binding_warnings("demo", read_bindings(cluster.bindings(), "demo")), "nothing could show it"
    assert outcome.verified and outcome.before == frozenset() and outcome.after == {PROJECT, RUNNER}


def test_names_do_not_run_into_each_other() -> None:
    """Nor do registries: each has its own name for the same subject."""
    subjects = [Grant("User", "", "a"), Grant("Group", "", "a"), Grant("Project", "", "a")]
    subjects += [Grant("ServiceAccount", "a", "b"), Grant("ServiceAccount", "", "a/b"), Grant("User", "a", "")]
    names = {binding_name(registry, subject) for registry in ("demo", "demo2") for subject in subjects}
    assert len(names) == 2 * len(subjects)


@pytest.mark.parametrize(
    ("subject", "grant"),
    [
        ({"kind": "Group", "name": "system:serviceaccounts:fraud"}, PROJECT),
        ({"kind": "User", "name": "system:serviceaccount:fraud:runner"}, RUNNER),
        ({"kind": "ServiceAccount", "namespace": "fraud", "name": "runner"}, RUNNER),
        ({"kind": "Group", "name": "system:serviceaccounts"}, Grant("Group", "", "system:serviceaccounts")),
        (
            {"kind": "Group", "name": "system:serviceaccounts:Not One"},
            Grant("Group", "", "system:serviceaccounts:Not One"),
        ),
        ({"kind": "User", "name": "system:serviceaccount:fraud"}, Grant("User", "", "system:serviceaccount:fraud")),
        ({"kind": "User", "name": "ann", "namespace": "ignored"}, ANN),
        *(
            (subject, Grant("User", "", f"system:serviceaccount:{namespace}:{name}"))
            for namespace, name in (
                ("dev", "{{ x }}"),
                ("{{ x }}", "builder"),
                ("dev", "Builder"),
                ("dev", "a:b"),
                ("dev", ""),
                ("", "builder"),
                ("dev", "builder\n"),
                ("dev\n", "builder"),
                ("dev", "-x"),
                ("dev", "x" * 254),
                ("d" * 64, "x"),
                ("dév", "x"),
            )
            for subject in (
                {"kind": "User", "name": f"system:serviceaccount:{namespace}:{name}"},
                {"kind": "ServiceAccount", "namespace": namespace, "name": name},
            )
        ),
        *(
            (
                {"kind": "Group", "name": f"system:serviceaccounts:{name}"},
                Grant("Group", "", f"system:serviceaccounts:{name}"),
            )
            for name in ("{{ x }}", "", "a:b", "dev\n", "d" * 64)
        ),
    ],
)
def test_meaning_of_a_subject(subject: Object, grant: Grant) -> None:
    assert grant_of(subject) == grant
    assert grant_of(subject_of(grant)) == grant


STRANGE = (
    "system:admin",
    "kube:admin",
    "a:b:c",
    "Ann Smith",
    "ANN@EXAMPLE.COM",
    "CN=ann,OU=people,DC=example",
    "IAM#ann",
    "x" * 253,
    "y" * 2000,
    "Zoë 張",
    "نامه\u200cای",
    "👩\u200d🔬 😀",
    '"; delete',
    "../../secrets",
    "${HOME} {{ lookup }} \\",
)


@pytest.mark.parametrize("name", STRANGE)
def test_names_are_granted_as_they_are(name: str) -> None:
    """And stand in the subject alone: name and labels of the RoleBinding are not made of them."""
    wished = grants_from({"users": [name], "groups": [name]})
    assert wished == {Grant("User", "", name), Grant("Group", "", name)}
    for grant in wished:
        made = wanted_binding("demo", OWNER, grant)
        assert [subject["name"] for subject in made.pop("subjects")] == [name]
        assert name not in str(made) and made["metadata"]["labels"] == LABELS
        name_of_it = binding_name("demo", grant)
        assert len(name_of_it) == 42 and name_of_it.isascii() and set(name_of_it[22:]) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("options", "place", "rule"),
    [
        ({"users": [""]}, "users", "is empty"),
        ({"users": [" "]}, "users", "is empty"),
        ({"groups": [" team"]}, "groups", "white space"),
        ({"groups": ["team\n"]}, "groups", "white space"),
        ({"groups": ["a\nb"]}, "groups", "control character"),
        ({"groups": ["a\x00b"]}, "groups", "control character"),
        ({"users": ["a\udcffb"]}, "users", "half a character"),
        ({"users": ["a\u2028b"]}, "users", "a line break"),
        ({"users": ["ann\u200b"]}, "users", "contains an invisible character: U+200B"),
        ({"groups": ["\ufeffteam"]}, "groups", "contains an invisible character: U+FEFF"),
        ({"groups": ["a\u202eb\u2066c\u00ad"]}, "groups", "contains an invisible character: U+00AD, U+202E, U+2066"),
        ({"users": ["{'name': 'ann'}"]}, "users", "not a name"),
        ({"users": ["*"]}, "users", "system:authenticated"),
        ({"projects": ["Fraud"]}, "projects", "lowercase"),
        ({"projects": ["a" * 64]}, "projects", "63"),
        ({"projects": ["system:serviceaccounts:fraud"]}, "projects", "lowercase"),
        ({"service_accounts": [{"namespace": "a b", "name": "c"}]}, "service_accounts.namespace", "lowercase"),
        ({"service_accounts": [{"namespace": "a", "name": "c:d"}]}, "service_accounts.name", "253"),
    ],
)
def test_names_that_are_refused(options: Object, place: str, rule: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        grants_from(options)
    assert refused.value.what == place and rule in str(refused.value)


def test_a_grant_of_the_dashboards_is_kept() -> None:
    """Recognised by its content. Its label for projects is optional."""
    made = binding("dashboard-permissions-k3j9x2ab", ANN)
    cluster = cluster_with(made)
    for state in ("present", "exact"):
        assert not ensure(cluster, DesiredGrants("demo", frozenset({ANN}), state)).record.done


def test_a_drifted_grant_takes_one_write() -> None:
    cluster = cluster_with()
    wish = DesiredGrants("demo", frozenset({ANN, BOB}))
    ensure(cluster, wish)
    name = binding_name("demo", ANN)
    del cluster.objects["RoleBinding", name]["metadata"]["labels"]["component"]
    outcome = ensure(cluster, wish)
    assert keys(outcome) == [("patch", name)]
    assert cluster.objects["RoleBinding", name]["metadata"]["labels"] == LABELS


def test_a_former_registrys_grants_are_owned_anew() -> None:
    """The cluster is about to delete them with the former registry; the dashboard's, too, if they are requested."""
    mine, dashboards, other = (
        binding(binding_name("demo", ANN), ANN),
        binding("dashboard-permissions-b", BOB),
        binding("x", EVE),
    )
    for one in (mine, dashboards, other):
        one["metadata"]["ownerReferences"][0]["uid"] = "former"
    keeper = {"apiVersion": "v1", "kind": "ConfigMap", "name": "keeper", "uid": "k"}
    dashboards["metadata"]["ownerReferences"].append(keeper)
    cluster = cluster_with(mine, dashboards, other)
    wish = DesiredGrants("demo", frozenset({ANN, BOB}))
    outcome = ensure(cluster, wish)
    assert keys(outcome) == [("patch", binding_name("demo", ANN)), ("patch", "dashboard-permissions-b")]
    owners = {
        name: one["metadata"]["ownerReferences"] for (_, name), one in cluster.objects.items() if "subjects" in one
    }
    assert [one["uid"] for one in owners[binding_name("demo", ANN)]] == ["owner"]
    assert [one["uid"] for one in owners["dashboard-permissions-b"]] == ["k", "owner"]
    assert [one["uid"] for one in owners["x"]] == ["former"], "nobody has wished for it"
    assert not ensure(cluster, wish).record.done
    without = binding("dashboard-permissions-c", EVE)
    del without["metadata"]["ownerReferences"]
    assert not ensure(cluster_with(without), DesiredGrants("demo", frozenset({EVE}))).record.done, (
        "those without an owner stay"
    )


HIDDEN = binding("team-access", ANN, BOB, component=None)
TWICE = binding("dashboard-permissions-00000000", EVE)
SAME = binding("dashboard-permissions-11111111", EVE)


def test_hidden_and_double_grants_are_reported() -> None:
    """And left unchanged unless more is requested. A requested one gets a RoleBinding that the dashboard lists."""
    cluster = cluster_with(HIDDEN, TWICE, SAME)
    outcome = ensure(cluster, DesiredGrants("demo", frozenset({ANN})))
    assert cluster.writes == [("create", "RoleBinding", binding_name("demo", ANN))]
    hidden, double = outcome.warnings
    assert "team-access (it has 2 subjects instead of one and no label component=model-registry)" in hidden
    assert "User eve through dashboard-permissions-00000000, dashboard-permissions-11111111" in double
    assert "adopt" in hidden and "User ann through" in double


def test_adopt_folds_them() -> None:
    """New ones first, so that access has no gap. Subjects that are not named stay where they are."""
    cluster = cluster_with(HIDDEN, TWICE, SAME)
    outcome = ensure(cluster, DesiredGrants("demo", frozenset({ANN, BOB, EVE}), "present", adopt=True))
    assert granted(cluster) == {ANN, BOB, EVE} and not outcome.warnings
    assert [request[0] for request in cluster.writes] == ["create", "create", "delete", "delete"]
    cluster = cluster_with(HIDDEN)
    outcome = ensure(cluster, DesiredGrants("demo", frozenset({ANN}), "present", adopt=True))
    assert [(one["name"], one["dashboard"]) for one in outcome.grants] == [("ann", True), ("bob", False)]
    assert len(outcome.warnings) == 1


def test_adopt_keeps_a_subject_once() -> None:
    """Also if it is there twice in its own binding, beside another one that stays."""
    cluster = cluster_with(binding(binding_name("demo", BOB), ANN, BOB, BOB))
    ensure(cluster, DesiredGrants("demo", frozenset({BOB}), "present", adopt=True))
    (left,) = read_bindings(cluster.bindings(), "demo")
    assert left.grants == (ANN, BOB)
    ensure(cluster, DesiredGrants("demo", frozenset({BOB}), "present", adopt=True))
    assert len(cluster.writes) == 1


def test_others_in_a_grants_own_binding_stay() -> None:
    """A user who adds a subject to it by hand means it; the dashboard does not list it then."""
    cluster = cluster_with(binding(binding_name("demo", ANN), ANN, BOB))
    outcome = ensure(cluster, DesiredGrants("demo", frozenset({ANN}), "present", adopt=True))
    assert not outcome.record.done and granted(cluster) == {ANN, BOB} and "2 subjects" in outcome.warnings[0]
    ensure(cluster, DesiredGrants("demo", frozenset({ANN}), "exact"))
    assert [request[0] for request in cluster.writes] == ["patch"] and granted(cluster) == {ANN}


def test_only_the_subject_that_must_go_goes() -> None:
    for state, wished in (("absent", {ANN}), ("exact", {BOB})):
        cluster = cluster_with(HIDDEN)
        ensure(cluster, DesiredGrants("demo", frozenset(wished), state))
        assert granted(cluster) == {BOB}
    cluster = cluster_with(HIDDEN)
    ensure(cluster, DesiredGrants("demo", frozenset({ANN}), "absent"))
    assert cluster.writes == [("patch", "RoleBinding", "team-access")]


def operators(*more: Grant) -> Object:
    """Return the RoleBinding that the operator makes."""
    group = Grant("Group", "", "demo-users")
    unlabelled: Object = {"opendatahub.io/dashboard": None}
    return binding("demo-users", group, *more, **unlabelled)


def test_the_operators_own_is_not_judged() -> None:
    cluster = cluster_with(operators())
    outcome = ensure(cluster, DesiredGrants("demo", frozenset(), "exact"))
    assert not outcome.record.done and not outcome.warnings and not outcome.grants
    cluster = cluster_with(operators(ANN))
    assert binding_warnings("demo", read_bindings(cluster.bindings(), "demo"))
    ensure(cluster, DesiredGrants("demo", frozenset(), "exact"))
    assert cluster.objects["RoleBinding", "demo-users"]["subjects"] == [subject_of(Grant("Group", "", "demo-users"))]


def test_a_wrong_role_is_replaced_where_the_name_is_the_grants() -> None:
    """A roleRef cannot be changed: delete and create. A RoleBinding without the registry's labels is not replaced."""
    taken = binding(binding_name("demo", ANN), ANN, registry="other")
    taken["metadata"]["labels"] = dict(LABELS)
    cluster = cluster_with(taken)
    predicted = ensure(cluster, DesiredGrants("demo", frozenset({ANN})), check_mode=True)
    assert [(done.change.action, done.validated) for done in predicted.record.done] == [
        ("delete", True),
        ("create", False),
    ]
    ensure(cluster, DesiredGrants("demo", frozenset({ANN})))
    assert [request[0] for request in cluster.writes] == ["delete", "create"]
    foreign = binding(binding_name("demo", ANN), ANN, registry="other")
    with pytest.raises(Refused, match="gives the role registry-user-other and does not have the registry's labels"):
        ensure(cluster_with(foreign), DesiredGrants("demo", frozenset({ANN})))


def astray(
    name: str, *grants: Grant, role_name: str = "registry-users-demo", kind: str = "Role", **labels: Any
) -> Object:
    """Return a RoleBinding to a role that does not exist."""
    made = binding(name, *grants, **labels)
    made["roleRef"] = {**made["roleRef"], "kind": kind, "name": role_name}
    return made


UNLABELLED: Object = dict.fromkeys(LABELS)
"""Labels of a RoleBinding without any."""


@pytest.mark.parametrize(
    "given_by",
    [
        astray("by-hand", ANN, BOB, **UNLABELLED),
        astray("dashboard-permissions-abcd", ANN, BOB),
        astray("mistyped", ANN, BOB, role_name="registry-user-dem"),
        astray("of-the-cluster", ANN, BOB, kind="ClusterRole", role_name="registry-user-demo", **UNLABELLED),
    ],
    ids=lambda one: str(one["metadata"]["name"]),
)
@pytest.mark.parametrize(
    ("wish", "left", "access"),
    [
        (DesiredGrants("demo", frozenset({ANN})), [ANN, BOB], {ANN}),
        (DesiredGrants("demo", frozenset({ANN}), adopt=True), [BOB], {ANN}),
        (DesiredGrants("demo", frozenset({ANN, BOB}), adopt=True), None, {ANN, BOB}),
        (DesiredGrants("demo", frozenset({ANN}), "exact"), None, {ANN}),
        (DesiredGrants("demo", frozenset({ANN}), "absent"), [BOB], set()),
        (DesiredGrants("demo", frozenset({EVE}), adopt=True), [ANN, BOB], {EVE}),
    ],
)
def test_a_role_that_does_not_exist(
    given_by: Object, wish: DesiredGrants, left: list[Grant] | None, access: set[Grant]
) -> None:
    """It gives no access. Named subjects get RoleBindings of their own first, then leave the RoleBinding to it."""
    cluster = cluster_with(given_by)
    assert granted(cluster) == frozenset()
    outcome = ensure(cluster, wish)
    assert granted(cluster) == outcome.after == access and outcome.before == frozenset()
    kept = cluster.objects.get(("RoleBinding", given_by["metadata"]["name"]))
    assert (None if kept is None else [grant_of(one) for one in kept["subjects"]]) == left
    actions = [request[0] for request in cluster.writes]
    assert actions == sorted(actions, key=["create", "patch", "delete"].index), "what gives comes first"
    told = [text for text in outcome.warnings if "their role does not exist" in text]
    assert bool(told) is (left is not None) and all(given_by["roleRef"]["name"] in text for text in told)
    written = len(cluster.writes)
    assert not ensure(cluster, wish).record.done and len(cluster.writes) == written
    before = cluster_with(given_by)
    foreseen = ensure(before, wish, check_mode=True)
    assert [done.change.key for done in foreseen.record.done] == [done.change.key for done in outcome.record.done]


def test_a_role_of_another_name_that_exists_is_not_the_registrys_matter() -> None:
    """Nor is one that the user may not see."""
    existing = {"kind": "Role", "metadata": {"name": "registry-users-demo"}, "rules": []}
    made = astray("by-hand", ANN)
    cluster = cluster_with(made)
    cluster.store(existing)
    assert not ensure(cluster, DesiredGrants("demo", frozenset({ANN}), "absent")).record.done

    class Blind(FakeCluster):
        def get(self, kind: str, _namespace: str | None, name: str) -> Object | None:
            if kind == "ClusterRole":
                raise Forbidden("ClusterRole", "no", "")
            return super().get(kind, _namespace, name)

    unseen = Blind(OWNER, role(), astray("x", ANN, kind="ClusterRole", role_name="registry-user-demo"))
    outcome = ensure(unseen, DesiredGrants("demo", frozenset({ANN}), "absent"))
    assert not outcome.record.done and not outcome.warnings


def test_entries() -> None:
    found = read_bindings([HIDDEN, TWICE, binding("z", RUNNER)], "demo")
    several = "it has 2 subjects instead of one and no label component=model-registry"
    assert entries(found) == [
        {
            "kind": "ServiceAccount",
            "name": "runner",
            "namespace": "fraud",
            "bindings": ["z"],
            "dashboard": False,
            "hidden": "the dashboard does not list single service accounts",
        },
        {"kind": "User", "name": "ann", "bindings": ["team-access"], "dashboard": False, "hidden": several},
        {"kind": "User", "name": "bob", "bindings": ["team-access"], "dashboard": False, "hidden": several},
        {"kind": "User", "name": "eve", "bindings": ["dashboard-permissions-00000000"], "dashboard": True},
    ]


def test_proof_that_access_is_gone() -> None:
    """A subject with another way in is an error for absent, and none if exact requests that way."""
    cluster = cluster_with(binding("a", ANN), binding("b", EVERYBODY))
    with pytest.raises(
        PermissionsNotEffective, match=r'User ann still may use it: RBAC: allowed by RoleBinding "b/ns"'
    ):
        ensure(cluster, DesiredGrants("demo", frozenset({ANN}), "absent"))
    cluster = cluster_with(binding("a", ANN), binding("b", EVERYBODY))
    assert ensure(cluster, DesiredGrants("demo", frozenset({EVERYBODY}), "exact")).verified
    admin = {**binding("c", ANN), "roleRef": {"kind": "Role", "name": "registry-user-other"}}
    wide = role("other")
    wide["rules"][0]["resourceNames"] = ["demo"]
    cluster = FakeCluster(OWNER, role(), wide, admin, binding("a", ANN))
    with pytest.raises(PermissionsNotEffective, match='RoleBinding "c/ns"'):
        ensure(cluster, DesiredGrants("demo", frozenset(), "exact"))


def test_proof_that_access_follows() -> None:
    """If it does not, the missing rule of the Role is named; the outcome holds the writes."""
    poor = role()
    poor["rules"] = poor["rules"][1:]
    outcome = PermissionsResult()
    with pytest.raises(
        PermissionsNotEffective, match=r"User ann may not use it: the Role registry-user-demo lacks the rule {"
    ) as no:
        ensure_permissions(
            Run(FakeCluster(OWNER, poor), NAMESPACE, False, 5),  # type: ignore[arg-type]  # a fake
            DesiredPermissions(DesiredGrants("demo", frozenset({ANN}))),
            outcome,
            sleep=lambda _: None,
        )
    assert "resources: [services], resourceNames: [demo], verbs: [get]" in str(no.value)
    assert outcome.record.done and not outcome.verified and not outcome.grants[0]["verified"]


def elsewhere(*grants: Grant) -> list[Object]:
    """Return another role of the namespace that lets its subjects use the registry, and a RoleBinding to it."""
    wide = role("x")
    wide["metadata"]["name"] = "wide"
    wide["rules"][0]["resourceNames"] = ["demo"]
    return [wide, {**binding("wide", *grants), "roleRef": {"kind": "Role", "name": "wide"}}]


def test_who_else_may_is_said_each_time() -> None:
    """With exact, only the registry's role goes. A subject with access left is an error, then one of others."""
    cluster = cluster_with(binding("a", ANN), *elsewhere(ANN, BOB), binding("c", EVE, registry="other"))
    with pytest.raises(
        PermissionsNotEffective, match='User ann still may use it: RBAC: allowed by RoleBinding "wide/ns"'
    ):
        ensure(cluster, DesiredGrants("demo", frozenset(), "exact"))
    for _ in range(2):
        outcome = ensure(cluster, DesiredGrants("demo", frozenset({TEAM}), "exact"))
        assert outcome.verified and set(outcome.other_access or ()) == {ANN, BOB}
    assert ("review", "LocalSubjectAccessReview", "eve") not in cluster.requests, (
        "other registries' are not asked about"
    )
    assert ensure(cluster, DesiredGrants("demo", frozenset({EVERYBODY}), "exact")).other_access == {}, "all are meant"
    assert ensure(cluster, DesiredGrants("demo", frozenset())).other_access is None
    for _ in range(2):
        with pytest.raises(PermissionsNotEffective, match="User ann still may"):
            ensure(cluster, DesiredGrants("demo", frozenset({ANN}), "absent"))


class Rival(FakeCluster):
    """Has another client act before the first access review."""

    def __init__(self, act: Callable[[FakeCluster], object], *objects: Object) -> None:
        super().__init__(*objects)
        self._act = act
        self.slept = 0.0

    def review(self, kind: str, namespace: str | None, spec: Object) -> Answer:
        act, self._act = self._act, lambda _: None
        act(self)
        return super().review(kind, namespace, spec)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def proven_against(cluster: Rival, wish: DesiredGrants, **more: Any) -> PermissionsResult:
    outcome = PermissionsResult()
    with pytest.raises(
        PermissionsNotEffective, match=r"another client changed them meanwhile.*Run the task again"
    ) as error:
        ensure_permissions(Run(cluster, NAMESPACE, False, 5), DesiredPermissions(wish, **more), outcome, cluster.sleep)  # type: ignore[arg-type]
    assert cluster.slept < 1 and not outcome.verified
    outcome.warnings.append(str(error.value))
    return outcome


def test_what_another_run_has_undone_is_said() -> None:
    """Soon, and instead of blaming the Role."""
    wish, ann = frozenset({ANN, BOB}), binding_name("demo", ANN)
    rival = Rival(lambda cluster: cluster.objects.pop(("RoleBinding", ann)), OWNER, role())
    outcome = proven_against(rival, DesiredGrants("demo", wish))
    assert "meanwhile: another client removed the grant of User ann." in outcome.warnings[-1]
    assert [one["name"] for one in outcome.grants] == ["bob"] and outcome.after == {BOB}
    for state in ("absent", "exact"):
        rival = Rival(lambda cluster: cluster.store(binding("b", ANN)), OWNER, role(), binding("a", ANN))
        named = wish if state == "absent" else frozenset({BOB})
        assert (
            "another client granted User ann again"
            in proven_against(rival, DesiredGrants("demo", named, state)).warnings[-1]
        )


def test_a_member_that_another_run_has_removed() -> None:
    """A subject that is reviewed as a user, and is in the Group again."""
    body = group("ann")
    rival = Rival(lambda cluster: cluster.store(body), OWNER, role(), operators(), group("ann"), *elsewhere(ANN))
    outcome = proven_against(rival, DesiredGrants("demo", frozenset(), "absent"), members=("ann",))
    assert "another client granted User ann again" in outcome.warnings[-1] and outcome.members == ["ann"]


@pytest.mark.parametrize("order", ["AAABBBAB", "ABABABAB", "AAABBBBBAA"])
def test_both_make_the_same(order: str) -> None:
    """The second run gets 409, for an object that exists or has changed, observes again, and finds all done."""
    cluster = FakeCluster(OWNER, role(), operators(), group("eve"))
    told: list[str] = []

    class Told(Turns):
        def ask(self, run: str, method: str, *arguments: Any) -> Any:
            try:
                return super().ask(run, method, *arguments)
            except (AlreadyExists, Conflict) as error:
                told.append(type(error).__name__)
                raise

    wishes = {"A": {"ann", "eve"}, "B": {"bob", "eve"}}
    errors = Told(cluster, order).run(
        **{
            name: lambda seen, people=people: ensure(
                seen, DesiredGrants("demo", frozenset({EVE})), members=tuple(sorted(people)), verify=False
            )
            for name, people in wishes.items()
        }
    )
    assert not errors and told
    assert granted(cluster) == {EVE} and len(cluster.bindings()) == 2
    assert sorted(cluster.objects["Group", "demo-users"]["users"]) == ["ann", "bob", "eve"]


@pytest.mark.parametrize(
    ("grant", "user", "groups"),
    [
        (ANN, "ann", ["system:authenticated"]),
        (TEAM, None, ["team", "system:authenticated"]),
        (EVERYBODY, None, ["system:authenticated"]),
        (Grant("User", "", "system:anonymous"), "system:anonymous", ["system:unauthenticated"]),
        (Grant("Group", "", "system:unauthenticated"), None, ["system:unauthenticated"]),
        (Grant("Group", "", "system:serviceaccounts"), None, ["system:serviceaccounts", "system:authenticated"]),
        (
            grant_of({"kind": "User", "name": "system:serviceaccount:dev:{{ x }}"}),
            "system:serviceaccount:dev:{{ x }}",
            ["system:authenticated"],
        ),
        (
            PROJECT,
            "system:serviceaccount:fraud:default",
            ["system:serviceaccounts", "system:serviceaccounts:fraud", "system:authenticated"],
        ),
        (
            RUNNER,
            "system:serviceaccount:fraud:runner",
            ["system:serviceaccounts", "system:serviceaccounts:fraud", "system:authenticated"],
        ),
    ],
    ids=str,
)
def test_reviews(grant: Grant, user: str | None, groups: list[str]) -> None:
    spec = review_of(grant, "demo", "ns")
    assert (spec.get("user"), spec["groups"]) == (user, groups)
    asked = {"namespace": "ns", "verb": "get", "group": "", "resource": "services", "name": "demo"}
    assert spec["resourceAttributes"] == asked
    assert grant in sources(grant) and (PROJECT in sources(RUNNER)) and (EVERYBODY in sources(ANN))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"apiGroups": [""], "resources": ["services"], "resourceNames": ["demo"], "verbs": ["get"]}, True),
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, True),
        ({"apiGroups": [""], "resources": ["services"], "resourceNames": ["other"], "verbs": ["get"]}, False),
        ({"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}, False),
        ({"apiGroups": ["apps"], "resources": ["services"], "verbs": ["get"]}, False),
        ({"nonResourceURLs": ["/"], "verbs": ["get"]}, False),
    ],
)
def test_lets_use(rule: Object, expected: bool) -> None:
    assert lets_use([rule], "demo") is expected


def test_the_role_is_waited_for() -> None:
    """Only after the API server says that it does not exist, and not for ever."""
    cluster = FakeCluster(OWNER)
    run, outcome = Run(cluster, NAMESPACE, False, 30), PermissionsResult()  # type: ignore[arg-type]  # a fake
    demand = DesiredPermissions(DesiredGrants("demo", frozenset({ANN})))

    def operator_works(_: float) -> None:
        cluster.store(role())

    ensure_permissions(run, demand, outcome, sleep=operator_works)
    assert cluster.writes[0][0] == "create" and outcome.verified
    cluster = FakeCluster(OWNER)
    run = Run(cluster, NAMESPACE, False, None)  # type: ignore[arg-type]  # a fake
    with pytest.raises(NotReady, match="Role registry-user-demo: it does not exist: the operator creates it"):
        ensure_permissions(run, demand, PermissionsResult(), sleep=lambda _: None)


def test_an_administrator_of_the_cluster_waits_for_the_role_too() -> None:
    """The API server lets an administrator grant one that does not exist, so that only the proof shows it."""
    cluster = FakeCluster(OWNER)
    cluster.as_admin = True
    slept: list[float] = []

    def operator_is_slow(seconds: float) -> None:
        slept.append(seconds)
        if sum(slept) > 20:
            cluster.store(role())

    outcome = PermissionsResult()
    run = Run(cluster, NAMESPACE, False, 60)  # type: ignore[arg-type]  # a fake
    ensure_permissions(
        run, DesiredPermissions(DesiredGrants("demo", frozenset({ANN}))), outcome, sleep=operator_is_slow
    )
    assert outcome.verified and 20 < sum(slept) < 22 and len(cluster.writes) == 1
    cluster = FakeCluster(OWNER)
    cluster.as_admin = True
    with pytest.raises(NotReady, match="Role registry-user-demo: it does not exist after 0.1 s"):
        ensure_permissions(
            Run(cluster, NAMESPACE, False, 0.1),  # type: ignore[arg-type]  # a fake
            DesiredPermissions(DesiredGrants("demo", frozenset({ANN}))),
            outcome,
            sleep=lambda _: None,
        )


def test_one_is_tried_before_all() -> None:
    """If the Role does not exist yet, hundreds of refusals would say no more."""
    cluster = FakeCluster(OWNER)
    run = Run(cluster, NAMESPACE, False, 30)  # type: ignore[arg-type]  # a fake
    people = frozenset(Grant("User", "", f"user-{number}") for number in range(50))

    def operator_works(_: float) -> None:
        cluster.store(role())

    ensure_permissions(
        run, DesiredPermissions(DesiredGrants("demo", people)), PermissionsResult(), sleep=operator_works
    )
    assert len(cluster.writes) == 1 + 50 and granted(cluster) == people


def test_check_mode_before_the_role_and_the_registry_are_there() -> None:
    for cluster, warning in (
        (FakeCluster(OWNER), "Some access could not be checked"),
        (FakeCluster(), "The registry does not exist. Check mode assumes"),
    ):
        outcome = ensure(cluster, DesiredGrants("demo", frozenset({ANN})), check_mode=True)
        assert [(done.change.action, done.validated) for done in outcome.record.done] == [("create", False)]
        assert any(warning in text for text in outcome.warnings) and not cluster.writes
        assert [(one["kind"], one["name"]) for one in outcome.grants] == [("User", "ann")]


def test_a_registry_that_is_not_there() -> None:
    """Access cannot be granted; what is left of its grants can be removed."""
    wish = DesiredGrants("demo", frozenset({ANN}))
    with pytest.raises(NotFound, match="there is no registry of that name in namespace ns"):
        ensure(FakeCluster(), wish)
    cluster = FakeCluster(binding("a", ANN))
    ensure(cluster, DesiredGrants("demo", frozenset({ANN}), "absent"))
    assert not cluster.bindings()
    going = copy.deepcopy(OWNER)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    with pytest.raises(Refused, match="being deleted"):
        ensure(FakeCluster(going, role()), wish)


def group(*users: str) -> Object:
    return {"kind": "Group", "metadata": {"name": "demo-users"}, "users": list(users) or None}


@settings(max_examples=200, deadline=None)
@for_all(
    st.lists(st.sampled_from("abcd"), unique=True, max_size=4), st.lists(st.sampled_from("abcd"), max_size=4), STATES
)
def test_members(now: list[str], names: list[str], state: str) -> None:
    """They are a set, too; members that stay keep their order."""
    cluster = FakeCluster(OWNER, role(), operators(), group(*now))
    demand: Object = {"members": tuple(names), "verify": False}
    outcome = ensure(cluster, DesiredGrants("demo", frozenset(), state), **demand)
    expected = {"present": set(now) | set(names), "absent": set(now) - set(names), "exact": set(names)}[state]
    assert set(outcome.members or ()) == expected and len(outcome.members or ()) == len(expected)
    assert [one for one in outcome.members or () if one in now] == [one for one in now if one in expected]
    assert set(cluster.objects["Group", "demo-users"]["users"] or ()) == expected
    again = ensure(cluster, DesiredGrants("demo", frozenset(), state), **demand)
    assert not again.record.done and again.members == outcome.members
    assert len(cluster.writes) == (0 if set(now) == expected else 1)


def test_nothing_to_ask_about() -> None:
    """Neither confirmed nor refuted."""
    assert ensure(FakeCluster(OWNER, role(), operators(), group()), DesiredGrants("demo", frozenset())).verified is None


def test_members_are_proven_by_their_group() -> None:
    cluster = FakeCluster(OWNER, role(), operators(), group())
    assert ensure(cluster, DesiredGrants("demo", frozenset()), members=("ann",)).verified
    cluster = FakeCluster(OWNER, role(), group())
    with pytest.raises(PermissionsNotEffective, match="Group demo-users may not use it"):
        ensure(cluster, DesiredGrants("demo", frozenset()), members=("ann",))


@pytest.mark.parametrize(("state", "named"), [("absent", ("ann", "bob")), ("exact", ("eve",))])
def test_those_who_are_members_no_more_are_asked_about(state: str, named: tuple[str, ...]) -> None:
    """As users: that the Group lets its members in does not matter then."""
    wish, start = DesiredGrants("demo", frozenset(), state), (OWNER, role(), operators(), group("ann", "bob"))
    cluster = FakeCluster(*start)
    assert ensure(cluster, wish, members=named).verified
    asked = {user for verb, _, user in cluster.requests if verb == "review"}
    assert asked >= {"ann", "bob"}
    with pytest.raises(
        PermissionsNotEffective, match='User ann still may use it: RBAC: allowed by RoleBinding "wide/ns"'
    ):
        ensure(FakeCluster(*start, *elsewhere(ANN)), wish, members=named)


def test_a_member_with_a_grant() -> None:
    """Outside the Group, she still has access by a grant that was not to be removed; exact keeps it if it names her."""
    start = (OWNER, role(), operators(), group("ann"), binding("a", ANN))
    with pytest.raises(PermissionsNotEffective, match='User ann still may use it: RBAC: allowed by RoleBinding "a/ns"'):
        ensure(FakeCluster(*start), DesiredGrants("demo", frozenset(), "absent"), members=("ann",))
    assert ensure(FakeCluster(*start), DesiredGrants("demo", frozenset({ANN}), "exact"), members=()).verified
    assert ensure(FakeCluster(*start), DesiredGrants("demo", frozenset(), "exact"), members=("ann",)).verified


def test_no_groups_on_this_cluster() -> None:
    cluster = cluster_with()
    cluster.served.clear()
    with pytest.raises(NotFound, match=r"external identity provider .* Name the users with users, or a group"):
        ensure(cluster, DesiredGrants("demo", frozenset()), members=("ann",))
    assert ensure(cluster, DesiredGrants("demo", frozenset(), "exact"), members=()).members == []
    assert wanted_members(["a", "a"], [], "present") == ["a"]


def test_existence() -> None:
    """New and unknown subjects are named once; with must_exist they are an error, and nothing is written."""
    users = [{"kind": kind, "metadata": {"name": name}} for kind, name in (("User", "ann"), ("Namespace", "fraud"))]
    wish = DesiredGrants(
        "demo", frozenset({ANN, BOB, TEAM, PROJECT, RUNNER, EVERYBODY, Grant("User", "", "kube:admin")})
    )
    cluster = cluster_with(*users)
    with pytest.raises(NotFound, match="users: the cluster does not know bob"):
        ensure(cluster, wish, must_exist=True)
    assert not cluster.writes
    outcome = ensure(cluster, wish)
    assert [text.split(".")[0] for text in outcome.warnings] == [
        "users: the cluster does not know bob",
        "groups: the cluster does not know team",
    ]
    assert not ensure(cluster, wish).warnings
    cluster.served.clear()
    with pytest.raises(NotFound, match="this cluster has no list of users"):
        ensure(cluster, wish, must_exist=True)


@pytest.mark.parametrize("name", ["../groups", "a/b", "%2e", "..", "."])
def test_names_are_no_paths(name: str) -> None:
    """An invalid object name is not requested."""
    cluster = cluster_with()
    outcome = ensure(cluster, DesiredGrants("demo", frozenset({Grant("User", "", name)})))
    assert f"does not know {name}" in outcome.warnings[0]
    assert ("get", "User", name) not in cluster.requests


def test_existence_that_may_not_be_seen() -> None:
    class Namespaced(FakeCluster):
        def get(self, kind: str, _namespace: str | None, name: str) -> Object | None:
            if kind in ("User", "Group", "Namespace"):
                raise Forbidden(kind, "users is forbidden", "The user needs this rule.")
            return super().get(kind, _namespace, name)

    outcome = ensure(Namespaced(OWNER, role()), DesiredGrants("demo", frozenset({ANN})))
    assert "their existence was not checked" in outcome.warnings[0]
    assert "playbooks/files/registry-admin-cluster.yaml" in outcome.warnings[0]
    with pytest.raises(Forbidden):
        ensure(Namespaced(OWNER, role()), DesiredGrants("demo", frozenset({ANN})), must_exist=True)


@pytest.mark.parametrize("allowed", ["SubjectAccessReview", "none"])
def test_the_review_that_is_allowed_is_asked(allowed: str) -> None:
    """If neither is, the missing right is named, after the writes."""

    class Choosy(FakeCluster):
        def review(self, kind: str, namespace: str | None, spec: Object) -> Answer:
            if kind != allowed:
                raise Forbidden(kind, f"{kind} is forbidden", f"The user needs this rule: {kind}.")
            return super().review(kind, namespace, spec)

    cluster = Choosy(OWNER, role())
    if allowed == "none":
        with pytest.raises(Forbidden, match=r"rule: LocalSubjectAccessReview\. Or set verify to false"):
            ensure(cluster, DesiredGrants("demo", SOME_USERS))
    else:
        assert ensure(cluster, DesiredGrants("demo", SOME_USERS)).verified
    assert granted(cluster) == SOME_USERS


SOME_USERS = frozenset({ANN, BOB})


def test_escalation_is_explained() -> None:
    """With the rules to add, from the API server's own words."""
    words = (
        'rolebindings.rbac.authorization.k8s.io \\"x\\" is forbidden: user \\"u\\" (groups=[\\"\\" \\"g\\"]) is attempting '
        'to grant RBAC permissions not currently held:\\n{APIGroups:[\\"\\"], Resources:[\\"endpoints\\" \\"services\\"], '
        'ResourceNames:[\\"demo\\"], Verbs:[\\"get\\"]}'
    )
    operation = Operation("create", "RoleBinding", "ns", "x")
    error: RegistryError = error_from_response(
        operation, 403, f'{{"kind": "Status", "message": "{words}", "reason": "Forbidden"}}'
    )
    assert isinstance(error, Forbidden) and "a Role in namespace ns" in error.next_step
    rule = '{apiGroups: [""], resources: [endpoints, services], resourceNames: [demo], verbs: [get]}'
    assert rule in error.next_step
