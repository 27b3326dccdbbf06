# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module model_registry_permissions on a real API server with RBAC: who can really use a registry, before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any

import pytest
from plays import MODULE, PERMISSIONS, ROOT, Played, Start, in_playbook, mysql, play, program, succeeded, task
from registries import Registries
from testbed.bed import Testbed

Options = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
FILTER: Options = {
    "app": "demo",
    "app.kubernetes.io/name": "demo",
    "app.kubernetes.io/component": "model-registry",
    "app.kubernetes.io/part-of": "model-registry",
    "component": "model-registry",
    "opendatahub.io/dashboard": "true",
}
"""What the dashboard requires of the RoleBindings that it lists."""
PROJECT = "opendatahub.io/rb-project-subject"
"""With this label at "true", the dashboard lists a RoleBinding among the projects."""


@pytest.fixture(scope="module")
def sharing(bed: Testbed) -> Iterator[Registries]:
    """Make a registry named demo, with its Role, Service and Group, and two projects."""
    made = Registries(bed)
    for project in ("fraud", "risk"):
        made.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": project}})
        for account in ("default", "runner"):
            meta = {"name": account, "namespace": project}
            made.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    made.make("demo")
    bed.until("the operator's part", lambda: made.api.get("v1", "Service", "demo", made.namespace))
    yield made
    made.remove()


@pytest.fixture
def demo(sharing: Registries) -> Registries:
    """Return the registry, to which no one has access."""
    for one in sharing.api.list(f"{RBAC}/v1", "RoleBinding", sharing.namespace):
        if one["roleRef"]["name"].startswith("registry-user-") and one["metadata"]["name"] != "demo-users":
            sharing.api.delete(f"{RBAC}/v1", "RoleBinding", one["metadata"]["name"], sharing.namespace)
    return sharing


def permit(**options: Any) -> Options:
    """Return a task on the registry."""
    return task(PERMISSIONS, **{"registry": "demo", "namespace": "rhoai-model-registries", **options})


def bindings(registries: Registries) -> dict[str, Options]:
    """Return the RoleBindings to the registry's Role except the operator's."""
    items = registries.api.list(f"{RBAC}/v1", "RoleBinding", registries.namespace)
    return {
        one["metadata"]["name"]: one
        for one in items
        if one["roleRef"]["name"] == "registry-user-demo" and one["metadata"]["name"] != "demo-users"
    }


def bind(
    registries: Registries,
    name: str,
    *users: str,
    role: str = "registry-user-demo",
    owners: Sequence[Options] = (),
    **labels: str,
) -> None:
    """Make a RoleBinding as a user does with kubectl."""
    subjects = [{"apiGroup": RBAC, "kind": "User", "name": user} for user in users]
    body = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": registries.namespace, "labels": labels, "ownerReferences": owners},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role},
        "subjects": subjects,
    }
    registries.api.create(body)


class Visitor:
    """A user who requests the registry's Service, as the proxy in front of the registry server checks access."""

    def __init__(self, bed: Testbed, *arguments: str, user: str = "nobody") -> None:
        self._bed, self._arguments, self._user = bed, arguments, user

    @classmethod
    def account(cls, bed: Testbed, project: str, name: str) -> Visitor:
        """Return a service account, with a token of its own."""
        command = ["kubectl", "create", "token", name, "--namespace", project]
        token = bed.run(command, capture_output=True, check=True).stdout.strip()
        return cls(bed, f"--token={token}")

    @classmethod
    def member(cls, bed: Testbed, user: str, *groups: str) -> Visitor:
        """Return a user whom an identity provider would log in with these groups.

        The user is impersonated, to be in whatever groups a case requires.
        """
        return cls(bed, f"--as={user}", *(f"--as-group={group}" for group in groups), user="admin")

    @classmethod
    def as_openshift_says(cls, bed: Testbed, user: str) -> Visitor:
        """Return a user in those Groups of OpenShift that contain the user now.

        OpenShift's API server looks that up at each login. The testbed's is Kubernetes' own and does not, so the user is
        impersonated with the groups that the Group objects say.
        """
        groups = bed.api().list("user.openshift.io/v1", "Group")
        names = [one["metadata"]["name"] for one in groups if user in (one.get("users") or ())]
        return cls.member(bed, user, "system:authenticated", *names)

    def can(self) -> bool:
        command = ["kubectl", *self._arguments, "get", "service", "demo", "--namespace", "rhoai-model-registries"]
        done = self._bed.run(command, user=self._user, capture_output=True, check=False)
        assert done.returncode == 0 or "(Forbidden)" in done.stderr, done.stderr
        return done.returncode == 0


def test_each_kind_of_subject_really_can(bed: Testbed, demo: Registries) -> None:
    """With a token of its own: no access before, access for each after its own grant, none after that is removed."""
    everybody = "system:authenticated"
    visitors = {
        "user": Visitor(bed),
        "group": Visitor(bed, user="colleague"),
        "default": Visitor.account(bed, "fraud", "default"),
        "runner": Visitor.account(bed, "fraud", "runner"),
        "other": Visitor.account(bed, "risk", "default"),
        "single": Visitor.account(bed, "risk", "runner"),
        "bystander": Visitor.member(bed, "eve", "fraud", everybody),
    }

    def who() -> set[str]:
        return {name for name, visitor in visitors.items() if visitor.can()}

    assert who() == set()
    wish: Options = {
        "users": ["nobody"],
        "groups": ["fraud team"],
        "projects": ["fraud"],
        "service_accounts": [{"namespace": "risk", "name": "runner"}],
    }
    predicted = succeeded(play(bed, permit(**wish, check_mode=True)))
    assert not predicted.writes and who() == set()
    given = succeeded(play(bed, permit(**wish)))
    assert given.result["changes"] == predicted.result["changes"] and given.result["verified"]
    assert who() == {"user", "group", "default", "runner", "single"}
    assert [(one["kind"], one["dashboard"], one["verified"]) for one in given.result["grants"]] == [
        (kind, kind != "ServiceAccount", True) for kind in ("Group", "Project", "ServiceAccount", "User")
    ]
    registry = demo.get("demo")
    assert registry
    projects = {
        made["subjects"][0]["name"]: made["metadata"]["labels"][PROJECT]
        for made in bindings(demo).values()
        if PROJECT in made["metadata"]["labels"]
    }
    assert projects == {"system:serviceaccounts:fraud": "true"}
    for made in bindings(demo).values():
        assert FILTER.items() <= made["metadata"]["labels"].items() and len(made["subjects"]) == 1
        (owner,) = made["metadata"]["ownerReferences"]
        assert owner["uid"] == registry["metadata"]["uid"] and "blockOwnerDeletion" not in owner
    again = succeeded(play(bed, permit(**wish)))
    assert not again.writes and not again.result["changed"]

    one = {name: wish[name] for name in ("users", "projects")}
    taken = succeeded(play(bed, permit(**one, state="absent")))
    assert who() == {"group", "single"} and taken.result["verified"]
    assert [(who["kind"], who["name"]) for who in taken.result["revoked"]] == [("Project", "fraud"), ("User", "nobody")]
    succeeded(play(bed, permit(groups=[everybody], state="exact")))
    assert who() == set(visitors) and len(bindings(demo)) == 1
    refuted = play(bed, permit(users=["nobody"], state="absent")).result
    assert refuted["failed"] and "User nobody still may use it: RBAC: allowed by RoleBinding" in refuted["msg"]
    succeeded(play(bed, permit(state="exact")))
    assert who() == set() and not bindings(demo)


def test_what_others_have_made(bed: Testbed, demo: Registries) -> None:
    """The dashboard's own is kept; what it cannot show is reported, then folded, and other roles are never touched."""
    bind(demo, "dashboard-permissions-k3j9x2ab", "ann", **FILTER)
    bind(demo, "team", "bob", "eve")
    bind(demo, "elsewhere", "zoe", role="model-registry-admin")
    first = succeeded(play(bed, permit(users=["ann", "bob"])))
    assert [write[0] for write in first.writes] == ["create"]
    assert "team (it has 2 subjects instead of one and no label app=demo" in first.output
    assert "is granted more than once: User bob" in first.output
    adopted = succeeded(play(bed, permit(users=["bob"], adopt=True)))
    assert adopted.writes == [("patch", "rolebindings", "team")]
    assert [one["name"] for one in bindings(demo)["team"]["subjects"]] == ["eve"]
    exact = succeeded(play(bed, permit(users=["ann"], state="exact")))
    assert sorted(write[0] for write in exact.writes) == ["delete", "delete"]
    assert list(bindings(demo)) == ["dashboard-permissions-k3j9x2ab"]
    assert demo.api.get(f"{RBAC}/v1", "RoleBinding", "elsewhere", demo.namespace)
    # Only the API server knows that this role, too, lets her use it.
    assert {"kind": "User", "name": "zoe"}.items() <= exact.result["other_access"][-1].items(), exact.result[
        "other_access"
    ]
    refuted = play(bed, permit(users=["zoe"], state="absent")).result
    assert 'RoleBinding "elsewhere/rhoai-model-registries" of Role "model-registry-admin"' in refuted["msg"]
    demo.api.delete(f"{RBAC}/v1", "RoleBinding", "elsewhere", demo.namespace)


STRANGE = [
    "kube:admin",
    "a:b:c",
    "Ann Smith",
    "ANN@EXAMPLE.COM",
    "CN=ann,OU=people,DC=example",
    "x" * 253,
    "Zoë 張",
    "../../secrets",
    '"; delete',
]


def test_strange_names(bed: Testbed, demo: Registries) -> None:
    """Granted unchanged, and verified; platform-admin looks them up, too."""
    done = succeeded(play(bed, permit(users=STRANGE, groups=["system:cluster-readers"]), user="platform-admin"))
    assert done.result["verified"]
    assert sorted(one["name"] for one in done.result["grants"]) == sorted([*STRANGE, "system:cluster-readers"])
    assert sorted(one["subjects"][0]["name"] for one in bindings(demo).values())[1:3] == [
        "../../secrets",
        "ANN@EXAMPLE.COM",
    ]
    assert Visitor.member(bed, "Zoë 張").can() and not Visitor.member(bed, "Zoe").can()
    (warning,) = (words for words in done.result["warnings"] if words.startswith("users: the cluster does not know"))
    assert "kube:admin" not in warning
    refused = play(bed, permit(users=["*"]), permit(projects=["Not One"]), permit(groups=["a\nb"]))
    assert [result["failed"] for result in refused.results] == [True] * 3 and not refused.requests


def test_existence(bed: Testbed, demo: Registries) -> None:
    """A warning, or an error with must_exist; without the optional ClusterRole a clear message."""
    demo.api.apply({"apiVersion": "user.openshift.io/v1", "kind": "User", "metadata": {"name": "ann"}})
    wish: Options = {"users": ["ann", "nobody-knows"], "projects": ["fraud", "nowhere"], "must_exist": True}
    played = play(bed, permit(**wish), permit(**wish, check_mode=True), user="platform-admin")
    for result in played.results:
        assert result["msg"].startswith("users: the cluster does not know nobody-knows.")
    assert not played.writes
    wish["users"] = ["ann"]
    assert (
        "projects: the cluster has none named nowhere" in play(bed, permit(**wish), user="platform-admin").result["msg"]
    )
    refused = play(bed, permit(**wish)).result["msg"]
    assert "their existence was not checked" in refused and "registry-admin-cluster.yaml" in refused
    demo.api.delete("user.openshift.io/v1", "User", "ann")


def test_members(bed: Testbed, demo: Registries) -> None:
    """People in the registry's Group, to which others add, too; the operator's own RoleBinding gives them access."""

    def who() -> list[str]:
        return [user for user in ("ann", "bob", "eve") if Visitor.as_openshift_says(bed, user).can()]

    group: Options = {"apiVersion": "user.openshift.io/v1", "kind": "Group", "metadata": {"name": "demo-users"}}
    demo.api.patch({**group, "users": ["somebody"]})
    predicted = succeeded(play(bed, permit(members=["ann", "bob"], check_mode=True), user="platform-admin"))
    assert predicted.result["members"] == ["somebody", "ann", "bob"] and not predicted.writes and who() == []
    added = succeeded(play(bed, permit(members=["ann", "bob"]), user="platform-admin"))
    assert added.writes == [("patch", "groups", "demo-users")]
    assert added.result["changes"] == predicted.result["changes"] and added.result["verified"]
    assert not bindings(demo) and who() == ["ann", "bob"]
    bind(demo, "by-hand", "ann")
    still = play(bed, permit(members=["ann"], state="absent"), user="platform-admin")
    assert "User ann still may use it: RBAC: allowed by RoleBinding" in still.result["msg"]
    demo.api.delete(f"{RBAC}/v1", "RoleBinding", "by-hand", demo.namespace)
    removed = succeeded(play(bed, permit(members=["ann"], state="absent"), user="platform-admin"))
    assert removed.result["members"] == ["somebody", "bob"] and who() == ["bob"] and removed.result["verified"]
    stored = demo.api.get(group["apiVersion"], "Group", "demo-users")
    assert stored and stored["users"] == ["somebody", "bob"]
    untouched = succeeded(play(bed, permit(state="exact"), user="platform-admin"))
    assert not untouched.writes
    refused = play(bed, permit(members=["ann"])).result["msg"]
    assert "groups" in refused and "registry-admin-cluster.yaml" in refused
    demo.api.patch({**group, "users": None})


def test_five_hundred(bed: Testbed, demo: Registries) -> None:
    """One list, the required writes, and one more list that sees what others did; then no write at all.

    That last list lets two runs at once end as if one came after the other. A second run lists once, and sends at most
    four requests in all, with verify false: otherwise it asks the API server about every requested grant, as it is meant
    to, by one review each.
    """
    users = [f"user-{number}" for number in range(500)]
    first = succeeded(play(bed, permit(users=users, state="exact", verify=False)))
    assert Counter(write[0] for write in first.writes) == {"create": 500}
    assert asked(first)["list rolebindings"] == 2 and sum(asked(first).values()) <= 500 + 6, asked(first)
    assert 3 <= at_once(first, "create") <= 8
    again = succeeded(play(bed, permit(users=users, state="exact", verify=False)))
    assert not again.writes and not again.result["changed"]
    assert asked(again)["list rolebindings"] == 1 and sum(asked(again).values()) <= 4, asked(again)
    proven = succeeded(play(bed, permit(users=users)))
    assert not proven.writes and proven.result["verified"]
    reviews = asked(proven)["create localsubjectaccessreviews"]
    assert reviews == 500 and sum(asked(proven).values()) - reviews <= 4, asked(proven)
    assert 3 <= at_once(proven, "create") <= 8
    fewer = succeeded(play(bed, permit(users=users[:-3], state="exact")))
    assert [write[0] for write in fewer.writes] == ["delete"] * 3
    assert 500 + len(fewer.result["other_access"]) <= asked(fewer)["create localsubjectaccessreviews"] <= 520
    succeeded(play(bed, permit(state="exact", verify=False)))
    assert not bindings(demo)


def at_once(played: Played, verb: str) -> int:
    """Return the largest number of requests with the verb that the API server handled at the same time."""
    mine = [one for one in played.requests if one["verb"] == verb]
    events = [(one["requestReceivedTimestamp"], 1) for one in mine] + [(one["stageTimestamp"], -1) for one in mine]
    return max(accumulate(step for _, step in sorted(events)))


def asked(played: Played) -> Counter[str]:
    """Return the requests by verb and kind, without those of kubernetes.core's client for itself."""
    found = [one for one in played.requests if one["requestURI"].split("?")[0] not in ("/version", "/apis")]
    return Counter(f"{one['verb']} {one.get('objectRef', {}).get('resource', '')}" for one in found)


def test_two_processes_at_once(bed: Testbed, demo: Registries) -> None:
    """Both add members to one Group, and each requests exclusive grants: the end is as one of them requests."""
    wishes = [[f"{name}-{number}" for number in range(12)] for name in ("left", "right")]

    def run(users: list[str]) -> Played:
        only = permit(users=users, state="exact", verify=False)
        return in_playbook(bed, permit(members=users, verify=False), only, only, user="platform-admin")

    with ThreadPoolExecutor(2) as pool:
        for played in pool.map(run, wishes):
            succeeded(played)
    assert sorted(subject["name"] for one in bindings(demo).values() for subject in one["subjects"]) in map(
        sorted, wishes
    )
    group = demo.api.get("user.openshift.io/v1", "Group", "demo-users")
    assert group and sorted(group["users"]) == sorted([*wishes[0], *wishes[1]])
    demo.api.patch(
        {"apiVersion": "user.openshift.io/v1", "kind": "Group", "metadata": group["metadata"], "users": None}
    )


def test_what_a_former_registry_has_left(bed: Testbed, demo: Registries) -> None:
    """Grants whose owner is gone are removed, too, except those that have been granted again meanwhile."""
    owner = {"apiVersion": demo.version, "kind": "ModelRegistry", "name": "demo", "uid": "of-the-former-one"}
    bed.stop("kube-controller-manager")
    try:
        for name, user in (("dashboard-permissions-former01", "ann"), ("dashboard-permissions-former02", "bob")):
            bind(demo, name, user, owners=[owner], **FILTER)
        granted = succeeded(play(bed, permit(users=["ann"])))
    finally:
        bed.start("kube-controller-manager")
    assert granted.writes == [("patch", "rolebindings", "dashboard-permissions-former01")]
    bed.until("the other is deleted", lambda: list(bindings(demo)) == ["dashboard-permissions-former01"])
    assert Visitor.member(bed, "ann").can() and not Visitor.member(bed, "bob").can()
    assert not succeeded(play(bed, permit(users=["ann"]))).writes


def test_an_administrator_of_the_cluster_waits_for_the_role(bed: Testbed, demo: Registries) -> None:
    """An administrator may grant a missing Role: the write succeeds, and the verification waits for it all the same."""
    bed.stop("operator")
    try:
        demo.api.delete(f"{RBAC}/v1", "Role", "registry-user-demo", demo.namespace)
        late = play(bed, permit(users=["ann"], wait_timeout=1), user="admin").result
    finally:
        bed.start("operator")
    assert "Role registry-user-demo: it does not exist after 1 s" in late["msg"] and len(late["changes"]) == 1
    done = succeeded(play(bed, permit(users=["ann"]), user="admin"))
    assert done.result["verified"] and not done.result["changed"]


def test_any_wish_and_two_runs_at_once(bed: Testbed, demo: Registries) -> None:
    """The properties of the unit tests, with fewer examples, on the real API server."""
    rules = [{"apiGroups": [""], "resources": ["services"], "resourceNames": ["other"], "verbs": ["get"]}]
    meta = {"name": "registry-user-other", "namespace": demo.namespace}
    demo.api.apply({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules})
    arguments = ("12", demo.namespace, "registry-admin")
    done = program(bed, "permissions_runs.py", *arguments, paths=(ROOT / "tests" / "unit",))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_registry_that_has_only_just_been_created(bed: Testbed, registries: Registries) -> None:
    """Create and grant in one play, also in check mode; the deletion leaves no grant behind."""
    registries.make_database("fresh")
    create: Options = {**mysql("fresh", password="fresh-password"), "wait": False}
    grant: Options = {"registry": "fresh", "users": ["nobody"]}
    predicted = play(bed, task(**create, check_mode=True), permit(**grant, check_mode=True))
    assert [change["validated"] for change in predicted.results[1]["changes"]] == [False] and not predicted.writes
    assert "assumes that an earlier task would have created it" in predicted.output
    missing = play(bed, permit(**grant)).result
    assert missing["failed"] and "Create it first" in missing["msg"]
    made = succeeded(play(bed, task(**create), permit(**grant)))
    assert made.results[1]["verified"]
    bind(registries, "by-hand", "ann", "bob", role="registry-user-fresh")
    old = {**FILTER, "app": "fresh", "app.kubernetes.io/name": "fresh"}
    bind(registries, "dashboard-permissions-older001", "eve", role="registry-user-fresh", **old)
    succeeded(play(bed, task(MODULE, name="fresh", state="absent")))
    bed.until(
        "no grant left",
        lambda: (
            not [
                one
                for one in registries.api.list(f"{RBAC}/v1", "RoleBinding", registries.namespace)
                if one["roleRef"]["name"] == "registry-user-fresh"
            ]
        ),
    )


def test_escalation_is_explained(bed: Testbed, demo: Registries) -> None:
    """To a user who may make RoleBindings but not use registries."""
    rules = [
        {"apiGroups": [RBAC], "resources": ["rolebindings"], "verbs": ["get", "list", "create"]},
        {"apiGroups": ["modelregistry.opendatahub.io"], "resources": ["modelregistries"], "verbs": ["get"]},
    ]
    meta = {"name": "grantor", "namespace": demo.namespace}
    demo.api.apply({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules})
    bind(demo, "grantor", "nobody", role="grantor")
    failed = play(bed, permit(users=["ann"]), user="nobody").result["msg"]
    assert "attempting to grant RBAC permissions not currently held" in failed
    assert '{apiGroups: [""], resources: [services], resourceNames: [demo], verbs: [get]}' in failed
    for kind in ("RoleBinding", "Role"):
        demo.api.delete(f"{RBAC}/v1", kind, "grantor", demo.namespace)


def test_no_groups_without_openshift(start: Start) -> None:
    """The error names the alternative."""
    with start(flavour="plain", databases=()) as plain:
        api = plain.api()
        body = {"host": "db", "database": "d", "username": "u", "passwordSecret": {"name": "s", "key": "k"}}
        registry = {
            "apiVersion": "modelregistry.opendatahub.io/v1beta1",
            "kind": "ModelRegistry",
            "metadata": {"name": "demo", "namespace": "odh-model-registries"},
            "spec": {"rest": {}, "mysql": body},
        }
        api.create(registry)
        place = {"namespace": "odh-model-registries"}
        refused, granted = play(
            plain, permit(members=["ann"], **place), permit(users=["ann"], **place), user="platform-admin"
        ).results
        assert (
            "this cluster has no Groups of OpenShift" in refused["msg"]
            and "Name the users with users" in refused["msg"]
        )
        assert granted["verified"], granted
