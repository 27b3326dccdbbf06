# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs on a cluster in memory: their requests and writes, and their results if others come in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    Conflict,
    Forbidden,
    InvalidObject,
    OutcomeUnknown,
    RegistryError,
    Unreachable,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
    Database,
    KeyRef,
    Registry,
    Tls,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import Change, change_entry
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster, Listed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.merge_patch import applied
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.run import Run
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import Sealed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry import reconcile
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.deletion import DeletionOptions
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.namespace import (
    find_registries_namespace,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.reconcile import ReconcileResult
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.verdict import GONE, READY, Verdict
from fake_permissions import NAMESPACE, FakeCluster

Object = dict[str, Any]
Writes = list[tuple[str, str, str]]
Verdicts = dict[str, Verdict]
PENDING = "ansible.opendatahub.io/restart-pending"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
ROTATED = Registry("demo", database=Database(password="new"))
EDITED = Registry("demo", description="edited")
AFTER_ROTATION = [("patch", "Secret"), ("restart", "Deployment"), ("patch", "Secret")]


class EngineCluster(FakeCluster):
    """What the engine calls on Cluster; a test can come in before or after any write."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.meanwhile: dict[tuple[str, str, int], Callable[[], object]] = {}
        """Before the n-th write of that action and kind."""
        self.lost: set[tuple[str, str, int]] = set()
        """Writes that are stored, and whose answer is lost."""
        self.refused: dict[tuple[str, str], RegistryError] = {}
        """By verb and kind, or kind and namespace."""
        self.failing: dict[tuple[str, str], RegistryError] = {}
        """By kind and name, writes."""
        self.refusing: dict[tuple[str, str, bool], RegistryError] = {}
        """By action and kind, in a dry run or not."""
        self.completes: Object = {}
        """What a webhook adds to new registries."""
        self.dry: Writes = []
        """Dry runs."""

    def version(self) -> str:
        return "v1beta1"

    def spec_fields(self) -> frozenset[str]:
        return frozenset({"rest", "kubeRBACProxy", "oauthProxy"})

    def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        self._refuse(("get", kind))
        return super().get(kind, namespace, name)

    get_many = Cluster.get_many

    def list(self, kind: str, _namespace: str | None = None, **_query: str) -> Listed:
        self._refuse(("list", kind))
        self._refuse((kind, str(_namespace)))
        items, revision = super().list(kind, _namespace)
        return [item for item in items if _namespace in (None, item["metadata"].get("namespace", _namespace))], revision

    def write(self, change: Change, dry_run: bool) -> Object:
        self.dry += [(change.action, change.kind, change.name)] if dry_run else []
        error = self.failing.get((change.kind, change.name)) or self.refusing.get((change.action, change.kind, dry_run))
        if error:
            raise error
        turn = self.writes.count((change.action, change.kind, change.name)) + 1
        place = (change.action, change.kind, turn)
        self.meanwhile.pop(place, lambda: None)()
        answer = super().write(change, dry_run)
        if place in self.lost:
            raise OutcomeUnknown(change.name, "lost", "")
        return answer

    @property
    def writes(self) -> Writes:
        return [request for request in self.requests if request[0] in ("create", "patch", "delete", "restart")]

    def _refuse(self, what: tuple[str, str]) -> None:
        if error := self.refused.get(what):
            raise error

    def _create(self, change: Change) -> Object:
        made = super()._create(change)
        return applied(made, self.completes) if change.kind == "ModelRegistry" else made

    def _patch(self, change: Change) -> Object:
        return applied(self._current(change, change.body.get("metadata", {})), change.body)

    _restart = _patch

    def annotations(self, kind: str, name: str) -> Object:
        found: Object = self.objects[kind, name]["metadata"].get("annotations") or {}
        return found

    def edit(self, kind: str, name: str, patch: Object) -> None:
        """Write as another client."""
        self.store(applied(self.objects[kind, name], patch))


def registry(name: str = "demo", password: str = "", **meta: Any) -> Object:
    database = {
        "host": "db",
        "port": 3306,
        "database": "demo",
        "username": "demo",
        "passwordSecret": {"name": password or "demo-db-password", "key": "database-password"},
    }
    spec = {"rest": {"port": 8080}, "mysql": database}
    return {"kind": "ModelRegistry", "metadata": {"name": name, "namespace": NAMESPACE, **meta}, "spec": spec}


def secret(name: str = "demo-db-password", **annotations: str) -> Object:
    labels = {"ansible.opendatahub.io/registry": "demo"} if name == "demo-db-password" else {}
    exposed = {
        f"template.openshift.io/expose-{word}": f"{{.data['database-{key}']}}"
        for word, key in (("database_name", "name"), ("username", "user"), ("password", "password"))
    }
    meta = {"name": name, "labels": labels, "annotations": {**exposed, **annotations}}
    return {"kind": "Secret", "metadata": meta, "data": {"database-password": Sealed.of("old")}}


DEPLOYMENT: Object = {
    "kind": "Deployment",
    "metadata": {"name": "demo"},
    "spec": {"template": {}},
    "status": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
}


def whole() -> EngineCluster:
    return EngineCluster(registry(), secret(), DEPLOYMENT)


@pytest.fixture
def verdicts() -> Verdicts:
    """Return by name the verdicts on registries that do not become as they should."""
    return {}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch, verdicts: Verdicts) -> list[float]:
    """Replace all waiting; return the pauses between rounds."""
    found = list[float]()
    for wait, state in (("wait_until_ready", READY), ("wait_until_gone", GONE)):

        def judged(_cluster: Cluster, _namespace: str, names: list[str], *_: Any, state: str = state) -> Verdicts:
            return {name: verdicts.get(name, Verdict(state, state, "")) for name in names}

        monkeypatch.setattr(reconcile, wait, judged)
    monkeypatch.setattr("time.sleep", found.append)
    return found


def present(cluster: EngineCluster, wanted: Registry, timeout: float | None = 5) -> ReconcileResult:
    outcome = ReconcileResult()
    reconcile.ensure_present(Run(cast("Cluster", cluster), NAMESPACE, False, timeout), [wanted], {wanted.name: outcome})
    if outcome.error:
        raise outcome.error
    return outcome


def absent(cluster: EngineCluster, timeout: float | None = 5, check: bool = False) -> ReconcileResult:
    outcome = ReconcileResult()
    reconcile.ensure_absent(
        Run(cast("Cluster", cluster), NAMESPACE, check, timeout), DeletionOptions(), {"demo": outcome}
    )
    if outcome.error:
        raise outcome.error
    return outcome


def made(outcome: ReconcileResult) -> list[tuple[str, str]]:
    entries = [change_entry(done.change, done.validated) for done in outcome.record.done]
    return [(entry["action"], entry["kind"]) for entry in entries]


@pytest.mark.parametrize("lost", [("patch", "Secret", 1), ("restart", "Deployment", 1), ("patch", "Secret", 2)])
def test_a_lost_answer_costs_a_look(lost: tuple[str, str, int], pauses: list[float]) -> None:
    """The last write, which removes the mark, is no exception."""
    cluster = whole()
    cluster.lost.add(lost)
    assert made(present(cluster, ROTATED)) == AFTER_ROTATION
    assert [write[:2] for write in cluster.writes] == AFTER_ROTATION
    assert PENDING not in cluster.annotations("Secret", "demo-db-password") and pauses == [0.2]


def test_somebody_else_is_faster_than_the_last_write() -> None:
    """The other client's write stays, and the pods are not restarted again for it."""
    cluster = whole()
    label = {"metadata": {"labels": {"team": "fraud"}}}
    cluster.meanwhile["patch", "Secret", 2] = lambda: cluster.edit("Secret", "demo-db-password", label)
    assert made(present(cluster, ROTATED)) == AFTER_ROTATION
    found = cluster.objects["Secret", "demo-db-password"]["metadata"]
    assert found["labels"]["team"] == "fraud" and PENDING not in found["annotations"]


def test_a_password_of_somebody_else_before_the_last_write() -> None:
    """It is changed back, and the pods are restarted once more before the mark is removed."""
    cluster = whole()
    other = {"data": {"database-password": Sealed.of("other")}}
    cluster.meanwhile["patch", "Secret", 2] = lambda: cluster.edit("Secret", "demo-db-password", other)
    assert made(present(cluster, ROTATED)) == [*AFTER_ROTATION[:2], *AFTER_ROTATION]
    found = cluster.objects["Secret", "demo-db-password"]
    assert found["data"]["database-password"] == Sealed.of("new") and PENDING not in found["metadata"]["annotations"]


def test_it_is_not_tried_for_ever(pauses: list[float]) -> None:
    cluster = whole()

    def interfere() -> None:
        cluster.edit("Secret", "demo-db-password", {"metadata": {"labels": {"turn": str(len(pauses))}}})

    cluster.meanwhile = {("patch", "Secret", turn): interfere for turn in range(2, 9)}
    with pytest.raises(Conflict):
        present(cluster, ROTATED)
    assert pauses == [0.2, 0.4, 0.8]


@pytest.mark.parametrize("wanted", [EDITED, ROTATED], ids=["description", "password"])
def test_a_rotation_that_was_cut_is_finished_whatever_is_wanted(wanted: Registry) -> None:
    cluster = EngineCluster(registry(), secret(**{PENDING: "never"}), DEPLOYMENT)
    assert ("restart", "Deployment") in made(present(cluster, wanted))
    assert PENDING not in cluster.annotations("Secret", "demo-db-password")
    assert cluster.objects["Deployment", "demo"]["spec"]["template"]["metadata"]["annotations"][RESTARTED]


def test_without_waiting_the_mark_stays_and_restarts_once() -> None:
    cluster = whole()
    assert made(present(cluster, ROTATED, None)) == AFTER_ROTATION[:2]
    assert not made(present(cluster, ROTATED, None))
    assert made(present(cluster, EDITED)) == [("patch", "ModelRegistry"), ("patch", "Secret")]


def test_two_rotations_at_the_same_moment_are_two_restarts() -> None:
    cluster = whole()
    present(cluster, ROTATED)
    first = cluster.objects["Deployment", "demo"]["spec"]
    present(cluster, Registry("demo", database=Database(password="newer")))
    assert cluster.objects["Deployment", "demo"]["spec"] != first


def test_the_rest_can_be_edited_without_a_right_to_secrets() -> None:
    cluster = whole()
    cluster.refused["get", "Secret"] = Forbidden("Secret", "no", "rule")
    assert made(present(cluster, EDITED)) == [("patch", "ModelRegistry")]
    with pytest.raises(Forbidden):
        present(cluster, ROTATED)


def test_a_secret_of_the_users_is_not_read() -> None:
    cluster = EngineCluster(registry(password="vault"), secret("vault"), DEPLOYMENT)
    unchanged = Registry("demo", database=Database(password_secret=KeyRef("vault", "database-password")))
    assert not made(present(cluster, unchanged))
    assert cluster.requests == [("list", "ModelRegistry", "")]


def test_nothing_to_do_takes_two_requests_before_waiting() -> None:
    cluster = whole()
    assert not made(present(cluster, Registry("demo", database=Database(password="old"))))
    assert cluster.requests == [("list", "ModelRegistry", ""), ("get", "Secret", "demo-db-password")]


def test_a_deletion_that_nobody_waits_for() -> None:
    """The fake's registry is gone at once; here a finalizer holds it."""
    cluster = EngineCluster(registry(deletionTimestamp="2026-01-01T00:00:00Z"), secret())
    for check in (True, False):
        outcome = absent(cluster, None, check)
        assert not made(outcome)
        assert "Not deleted yet, since the registry still exists: Secret demo-db-password." in outcome.warnings[0]
    del cluster.objects["ModelRegistry", "demo"]
    assert made(absent(cluster, None)) == [("delete", "Secret")]


@pytest.mark.parametrize("lost", [("delete", "ModelRegistry", 1), ("delete", "Secret", 1)])
def test_a_deletion_whose_answer_is_lost(lost: tuple[str, str, int]) -> None:
    cluster = whole()
    cluster.lost.add(lost)
    outcome = absent(cluster)
    assert made(outcome) == [("delete", "ModelRegistry"), ("delete", "Secret")]
    assert outcome.registry and [kept["kind"] for kept in outcome.retained] == ["Database"]


NEW = Registry("new", database=Database("mysql", "db", None, "d", "u", "secret", tls=Tls(ca_pem="PEM")))
NO_WORDS = "the webhook says no"


def creating(**refusing: RegistryError) -> tuple[EngineCluster, ReconcileResult]:
    """Create a registry with a Secret and a ConfigMap. refusing: action_kind, with _dry for a dry run."""
    cluster = EngineCluster()
    for what, error in refusing.items():
        action, kind, *dry = what.split("_")
        cluster.refusing[action, kind, bool(dry)] = error
    outcome = ReconcileResult()
    reconcile.ensure_present(Run(cast("Cluster", cluster), NAMESPACE, False, 5), [NEW], {"new": outcome})
    return cluster, outcome


def test_a_creation_is_checked_before_anything_is_stored() -> None:
    cluster, outcome = creating()
    assert outcome.error is None and cluster.dry == [("create", "ModelRegistry", "new")]
    assert made(outcome) == [("create", "Secret"), ("create", "ConfigMap"), ("create", "ModelRegistry")]


@pytest.mark.parametrize("kind", [InvalidObject, Forbidden, Unreachable, OutcomeUnknown])
def test_nothing_is_stored_for_what_is_refused(kind: type[RegistryError]) -> None:
    """Whatever the reason: a webhook's, the schema's, a missing right."""
    error = kind("ModelRegistry new", NO_WORDS, "Correct it.")
    cluster, outcome = creating(create_ModelRegistry_dry=error)
    assert outcome.error is error and not cluster.writes and not outcome.record.done


def test_a_webhook_that_takes_no_dry_run_is_asked_in_earnest() -> None:
    """What was created for a registry that is refused then is removed again, and both are reported."""
    words = 'admission webhook "strict.example.com" does not support dry run'
    untestable = InvalidObject("ModelRegistry new", words, "Correct it.")
    assert creating(create_ModelRegistry_dry=untestable)[1].error is None
    refused = InvalidObject("ModelRegistry new", NO_WORDS, "Correct it.")
    cluster, outcome = creating(create_ModelRegistry_dry=untestable, create_ModelRegistry=refused)
    assert not cluster.objects and isinstance(outcome.error, InvalidObject)
    assert str(outcome.error) == (
        f"ModelRegistry new: {NO_WORDS}. Correct it. "
        "Secret new-db-password, which this run had created before, has been deleted again. "
        "ConfigMap new-db-credential, which this run had created before, has been deleted again."
    )
    stores = ("Secret", "ConfigMap")
    assert made(outcome) == [("create", kind) for kind in stores] + [("delete", kind) for kind in stores]
    cluster, outcome = creating(create_ModelRegistry=refused, delete_Secret=Forbidden("Secret", "not yours", "rule"))
    assert [kind for kind, _name in cluster.objects] == ["Secret"]
    assert "Secret new-db-password, which this run had created before, could not be deleted again" in str(outcome.error)


def test_a_quota_on_one_store_takes_the_other_back() -> None:
    quota = InvalidObject("Secret new-db-password", "exceeded quota: secrets", "Ask for more.")
    cluster, outcome = creating(create_Secret=quota)
    assert not cluster.objects and "exceeded quota" in str(outcome.error)


def test_only_what_this_run_has_created_is_taken_back() -> None:
    """Neither what it changed, nor what the registry names, nor what may belong to a registry that was stored."""
    refused = InvalidObject("ModelRegistry demo", NO_WORDS, "Correct it.")
    cluster = whole()
    cluster.refusing["patch", "ModelRegistry", False] = refused
    both = Registry("demo", description="edited", database=Database(password="new"))
    with pytest.raises(InvalidObject, match="Secret demo-db-password, which this run had changed before, stays"):
        present(cluster, both)
    cluster = EngineCluster(registry(), DEPLOYMENT)
    cluster.refusing["patch", "ModelRegistry", False] = refused
    with pytest.raises(InvalidObject, match="Secret demo-db-password, which this run had created before, stays"):
        present(cluster, both)
    cluster, _outcome = creating(create_ModelRegistry=OutcomeUnknown("ModelRegistry new", "lost", ""))
    assert {kind for kind, _name in cluster.objects} == {"Secret", "ConfigMap"}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("proxied", [True, False])
def test_a_name_that_is_too_long_for_the_proxy_of_a_webhook(proxied: bool, check: bool) -> None:
    """Newer operators put one before each registry on OpenShift; the dry run shows it, and nothing is stored."""
    name = "x" * 49
    cluster = EngineCluster()
    if proxied:
        cluster.completes = {"spec": {"kubeRBACProxy": {}}}
    outcome = ReconcileResult()
    wanted = Registry(
        name, database=Database("mysql", "db", None, "d", "u", password_secret=KeyRef("s", "k")), auth_proxy="none"
    )
    reconcile.ensure_present(Run(cast("Cluster", cluster), NAMESPACE, check, 5), [wanted], {name: outcome})
    assert bool(outcome.error) == proxied and bool(made(outcome)) != proxied
    assert bool(cluster.writes) == (not proxied and not check)
    assert not proxied or ("name: " in str(outcome.error) and "48 is the most" in str(outcome.error))


@pytest.mark.parametrize("check", [True, False])
def test_a_refused_registry_changes_nothing_in_check_mode_either(check: bool) -> None:
    """The Secret that would come with it is not among the changes."""
    cluster, outcome = EngineCluster(), ReconcileResult()
    cluster.refusing["create", "ModelRegistry", True] = InvalidObject("ModelRegistry new", "no", "")
    wanted = Registry("new", database=Database("mysql", "db", None, "d", "u", password="p"))
    reconcile.ensure_present(Run(cast("Cluster", cluster), NAMESPACE, check, 5), [wanted], {"new": outcome})
    assert isinstance(outcome.error, InvalidObject) and made(outcome) == []


@pytest.mark.parametrize("check", [True, False])
def test_a_secret_that_was_deleted_is_made_again(check: bool) -> None:
    """Check mode reports the same: the mark on a Secret that does not exist yet cannot be removed in a dry run."""
    cluster, outcome = EngineCluster(registry(), DEPLOYMENT), ReconcileResult()
    reconcile.ensure_present(Run(cast("Cluster", cluster), NAMESPACE, check, 5), [ROTATED], {"demo": outcome})
    assert outcome.error is None
    assert made(outcome) == [("create", "Secret"), ("restart", "Deployment"), ("patch", "Secret")]
    assert bool(cluster.writes) != check


@pytest.mark.parametrize("served", [True, False])
def test_a_deletion_whose_dependents_may_not_be_seen(served: bool) -> None:
    """If the kind does not exist, nothing can refer to the registry, and what is forbidden is forbidden to everyone."""
    cluster = whole()
    cluster.refused["list", "InferenceService"] = Forbidden(
        "InferenceServices", "no", "The user needs this rule: list."
    )
    cluster.served = {"InferenceService"} if served else set()
    if not served:
        assert ("delete", "ModelRegistry") in made(absent(cluster))
        return
    with pytest.raises(RegistryError, match="The user needs this rule: list"):
        absent(cluster)
    assert not cluster.writes
    outcome = ReconcileResult()
    reconcile.ensure_absent(
        Run(cast("Cluster", cluster), NAMESPACE, False, 5),
        DeletionOptions(ignore_inference_services=True),
        {"demo": outcome},
    )
    assert not outcome.error and "InferenceServices that may refer to" in outcome.warnings[0]


MANY = [f"fleet{number}" for number in range(20)]


def fleet() -> EngineCluster:
    """Return a cluster of twenty registries, each with a Secret of its own and pods."""
    objects = []
    for name in MANY:
        own = secret(f"{name}-db-password")
        own["metadata"]["labels"] = {"ansible.opendatahub.io/registry": name}
        deployment = {**DEPLOYMENT, "metadata": {"name": name}}
        objects += [registry(name, f"{name}-db-password"), own, deployment]
    return EngineCluster(*objects)


def all_present(cluster: EngineCluster, *changed: Registry) -> dict[str, ReconcileResult]:
    """Ensure that all are present, unchanged but for some."""
    wanted = {name: Registry(name, database=Database(password="old")) for name in MANY}
    wanted |= {one.name: one for one in changed}
    outcomes = {name: ReconcileResult() for name in wanted}
    run = Run(cast("Cluster", cluster), NAMESPACE, False, 5)
    reconcile.ensure_present(run, list(wanted.values()), outcomes)
    return outcomes


def all_absent(cluster: EngineCluster) -> dict[str, ReconcileResult]:
    outcomes = {name: ReconcileResult() for name in MANY}
    reconcile.ensure_absent(Run(cast("Cluster", cluster), NAMESPACE, False, 5), DeletionOptions(), outcomes)
    return outcomes


SNAPSHOT = [("list", "ModelRegistry", ""), ("list", "Secret", "")]


def test_many_with_nothing_to_do_take_as_many_requests_as_a_few() -> None:
    cluster = fleet()
    outcomes = all_present(cluster)
    assert cluster.requests == SNAPSHOT
    assert not any(outcome.error or outcome.record.done for outcome in outcomes.values())
    assert {outcome.registry["name"] for outcome in outcomes.values() if outcome.registry} == set(MANY)


def test_of_many_only_those_that_differ_take_further_requests() -> None:
    """One is edited; the other is rotated: its Deployment is read, and three writes follow."""
    cluster = fleet()
    edited, rotated = Registry("fleet3", description="edited"), Registry("fleet5", database=Database(password="new"))
    outcomes = all_present(cluster, edited, rotated)
    assert {name: made(outcome) for name, outcome in outcomes.items() if outcome.record.done} == {
        "fleet3": [("patch", "ModelRegistry")],
        "fleet5": AFTER_ROTATION,
    }
    assert sorted(cluster.requests) == sorted(
        [
            *SNAPSHOT,
            ("get", "Deployment", "fleet5"),
            ("list", "Pod", ""),
            ("get", "Deployment", "fleet5"),
            ("patch", "ModelRegistry", "fleet3"),
            ("patch", "Secret", "fleet5-db-password"),
            ("restart", "Deployment", "fleet5"),
            ("get", "ModelRegistry", "fleet3"),
            ("get", "ModelRegistry", "fleet5"),
            ("patch", "Secret", "fleet5-db-password"),
        ]
    )
    whole_fleet = fleet()
    rotations = [Registry(name, database=Database(password="new")) for name in MANY]
    assert all(made(outcome) == AFTER_ROTATION for outcome in all_present(whole_fleet, *rotations).values())
    assert [one for one in whole_fleet.requests if one[0] in ("get", "list")] == [
        *SNAPSHOT,
        ("list", "Deployment", ""),
        ("list", "Pod", ""),
        ("list", "Deployment", ""),
        ("list", "ModelRegistry", ""),
    ]


def test_one_that_fails_does_not_hide_the_others(verdicts: Verdicts) -> None:
    """Refused in plan, write or wait: each with its own error; a lost answer costs one more observation."""
    cluster = fleet()
    verdicts["fleet2"] = Verdict("failed", "access_denied", "Error 1045", "Give the right password.")
    cluster.edit("ModelRegistry", "fleet1", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    cluster.failing["Secret", "fleet4-db-password"] = Forbidden("Secret fleet4-db-password", "no", "rule")
    cluster.lost.add(("patch", "Secret", 1))
    rotations = [Registry(name, database=Database(password="new")) for name in ("fleet4", "fleet6")]
    outcomes = all_present(cluster, *rotations, Registry("fleet2", description="edited"))
    errors = {name: str(outcome.error) for name, outcome in outcomes.items() if outcome.error}
    assert errors == {
        "fleet1": "ModelRegistry fleet1: it is being deleted since 2026-01-01T00:00:00Z. "
        "Wait until it is gone, then run the task again.",
        "fleet2": "ModelRegistry fleet2: Error 1045. The pod from before still serves, with the previous values. What this run "
        "changed stays (description: not set -> 'edited'): give the previous values to go back. Give the right password.",
        "fleet4": "Secret fleet4-db-password: no. rule.",
    }
    assert made(outcomes["fleet2"]) == [("patch", "ModelRegistry")] and not outcomes["fleet4"].record.done
    assert made(outcomes["fleet6"]) == AFTER_ROTATION
    looks = [one for one in cluster.requests if one == ("list", "ModelRegistry", "")]
    assert len(looks) == 2, "the second round is for the one whose answer was lost"


def test_many_deletions() -> None:
    """With one snapshot, and one request for what refers to them; one that cannot be deleted stops no other."""
    cluster = fleet()
    labels = {"modelregistry.opendatahub.io/name": "fleet7"}
    cluster.store({"kind": "InferenceService", "metadata": {"name": "m", "namespace": "p", "labels": labels}})
    outcomes = all_absent(cluster)
    assert [name for name, outcome in outcomes.items() if outcome.error] == ["fleet7"]
    assert "p/m. Delete them first" in str(outcomes["fleet7"].error)
    assert {name for kind, name in cluster.objects if kind == "ModelRegistry"} == {"fleet7"}
    assert {name for kind, name in cluster.objects if kind == "Secret"} == {"fleet7-db-password"}
    assert [one for one in cluster.requests if one[0] == "list"] == [
        ("list", "ModelRegistry", ""),
        ("list", "ConfigMap", ""),
        ("list", "RoleBinding", ""),
        ("list", "Secret", ""),
        ("list", "InferenceService", ""),
    ]
    gone = {name: outcome for name, outcome in all_absent(cluster).items() if name != "fleet7"}
    assert not any(outcome.record.done or outcome.error for outcome in gone.values())


def test_where_nobody_can_be_looked_at_all_say_why() -> None:
    cluster = fleet()
    cluster.refused["list", "ModelRegistry"] = Forbidden("ModelRegistries", "no", "rule")
    assert {str(outcome.error) for outcome in all_present(cluster).values()} == {"ModelRegistries: no. rule."}


@pytest.mark.parametrize(
    ("proxy", "warned"),
    [({"kubeRBACProxy": {}}, "auth_proxy is none, and the registry has kube_rbac"), ({}, "")],
)
def test_no_proxy_was_asked_for_and_there_is_one(proxy: Object, warned: str) -> None:
    """On OpenShift the operator adds one by itself; whether it does shows only afterwards."""
    there = registry()
    there["spec"].update(proxy)
    outcome = present(EngineCluster(there, secret(), DEPLOYMENT), Registry("demo", auth_proxy="none"))
    assert not made(outcome) and len(outcome.warnings) == bool(warned)
    assert warned in "".join(outcome.warnings)


NO = Forbidden("it", "no", "rule")
RHOAI, ODH = "rhoai-model-registries", "odh-model-registries"


def namespace(name: str) -> Object:
    return {"kind": "Namespace", "metadata": {"name": name}}


def hidden(*objects: Object) -> EngineCluster:
    """Return a cluster whose platform settings the user may not see."""
    cluster = EngineCluster(*objects)
    cluster.refused.update({("list", "AIHub"): NO, ("list", "DataScienceCluster"): NO, ("get", "Namespace"): NO})
    return cluster


@pytest.mark.parametrize(
    ("there", "seen"),
    [(RHOAI, (RHOAI,)), (RHOAI, (RHOAI, ODH)), (ODH, (ODH,)), (ODH, (RHOAI, ODH)), (None, (ODH,))],
)
def test_a_guessed_namespace_is_said(there: str | None, seen: tuple[str, ...]) -> None:
    """It takes one list of each kind, and one of them is that of the registries, too."""
    cluster = hidden(*([registry(namespace=there)] if there else []))
    cluster.refused.update({("ModelRegistry", name): NO for name in (RHOAI, ODH) if name not in seen})
    place = find_registries_namespace(cast("Cluster", cluster), None)
    assert place.namespace == (there or seen[0]) and place.listed
    assert [item["metadata"]["name"] for item in place.listed[0]] == (["demo"] if there else [])
    assert f"The registries namespace is assumed to be {place.namespace}" in place.warnings[0]
    assert cluster.requests == [("list", "ModelRegistry", "")] * len(seen)


@pytest.mark.parametrize(
    ("objects", "forbidden", "words"),
    [
        ((namespace(RHOAI), namespace(ODH)), False, f"both {RHOAI} and {ODH} can be there"),
        ((), True, f"both {RHOAI} and {ODH} can be there"),
        ((), False, f"neither the platform's settings nor {RHOAI}"),
        (
            (registry(namespace=RHOAI), registry("other", namespace=ODH)),
            False,
            f"both {RHOAI} and {ODH} have registries",
        ),
    ],
)
def test_a_namespace_that_cannot_be_guessed(objects: tuple[Object, ...], forbidden: bool, words: str) -> None:
    """A user who may list registries anywhere; and one who may not see namespaces, which is no error of its own."""
    cluster = hidden(*objects)
    if not forbidden:
        del cluster.refused["get", "Namespace"]
    with pytest.raises(RegistryError, match=words) as caught:
        find_registries_namespace(cast("Cluster", cluster), None)
    assert caught.value.next_step == "Give namespace." and type(caught.value) is RegistryError


def hub(name: str, where: str = "models") -> Object:
    return {"kind": "AIHub", "metadata": {"name": name}, "spec": {"instancesNamespace": where}}


def dsc(version: str, state: str = "Managed", **where: str | None) -> Object:
    """where: the namespace in spec, status or both."""
    key, field = ("aiHub", "instancesNamespace") if version == "v3" else ("modelregistry", "registriesNamespace")
    parts: Object = {part: {"components": {key: {field: name} if name else {}}} for part, name in where.items()}
    parts.setdefault("spec", {"components": {key: {}}})
    parts["spec"]["components"][key]["managementState"] = state
    meta = {"name": "default-dsc"}
    return {"kind": "DataScienceCluster", "apiVersion": f"{GROUP}/{version}", "metadata": meta, **parts}


GROUP = "datasciencecluster.opendatahub.io"


@pytest.mark.parametrize(
    "objects",
    [
        (hub("default-aihub"),),
        (hub("default"),),
        (hub("default"), dsc("v2", status="models")),
        (dsc("v1", status="models"),),
        (dsc("v1", spec="models"),),
        (dsc("v1", spec="models", status=None),),
        (dsc("v1", spec="before", status="models"),),
        (dsc("v2", spec="models", status="models"),),
        (dsc("v3", spec="models"),),
        (dsc("v3", status="models"),),
        (dsc("v3", spec="models", status="models"),),
        (dsc("v1", state="Removed", spec="models"),),
        # Not enabled there: what it names by default is not where registries are.
        (hub("default"), dsc("v1", state="Removed", spec=RHOAI)),
    ],
)
def test_the_platform_says_the_namespace(objects: tuple[Object, ...]) -> None:
    cluster = EngineCluster(*objects)
    place = find_registries_namespace(cast("Cluster", cluster), None)
    assert (place.namespace, place.warnings, place.listed) == ("models", (), None)
    assert cluster.requests == [("list", "AIHub", ""), ("list", "DataScienceCluster", "")]


def test_one_of_the_platforms_objects_may_be_hidden() -> None:
    cluster = EngineCluster(hub("default", "other"), dsc("v3", status="models"))
    cluster.refused["list", "AIHub"] = NO
    assert find_registries_namespace(cast("Cluster", cluster), None).namespace == "models"


@pytest.mark.parametrize(
    "objects", [(hub("default", "one"), dsc("v2", status="two")), (hub("default", "one"), hub("default-aihub", "two"))]
)
def test_the_platform_contradicts_itself(objects: tuple[Object, ...]) -> None:
    cluster = EngineCluster(*objects)
    with pytest.raises(RegistryError, match="AIHub default says one; .* says two. Give namespace"):
        find_registries_namespace(cast("Cluster", cluster), None)
    assert find_registries_namespace(cast("Cluster", cluster), "given").namespace == "given"


def test_a_namespace_that_is_given_is_taken() -> None:
    cluster = EngineCluster(hub("default"))
    assert find_registries_namespace(cast("Cluster", cluster), "given").warnings == () and cluster.requests == []
