# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs on a cluster in memory: what is asked and written, and what becomes of them where others come in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils import _engine
from ansible_collections.opendatahub.model_registry.plugins.module_utils._cluster import Cluster, Listed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.errors import (
    Conflict,
    Forbidden,
    OutcomeUnknown,
    RegistryError,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.model import Database, KeyRef, Registry
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.patch import applied
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.plan import Change
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.redact import Sealed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.removal import Confirmed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.report import change_entry
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.status import GONE, READY, Verdict
from ansible_collections.opendatahub.model_registry.plugins.module_utils._engine import Outcome, Run
from ansible_collections.opendatahub.model_registry.plugins.module_utils._observe import find_place
from fake_permissions import NAMESPACE, FakeCluster

Object = dict[str, Any]
Writes = list[tuple[str, str, str]]
PENDING = "ansible.opendatahub.io/restart-pending"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
ROTATED = Registry("demo", database=Database(password="new"))
EDITED = Registry("demo", description="edited")
AFTER_ROTATION = [("patch", "Secret"), ("restart", "Deployment"), ("patch", "Secret")]


class EngineCluster(FakeCluster):
    """What the engine asks of _cluster.Cluster; a test can come in before or after any write."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.meanwhile: dict[tuple[str, str, int], Callable[[], object]] = {}
        """Before the n-th write of that action and kind."""
        self.lost: set[tuple[str, str, int]] = set()
        """Writes that are stored, and whose answer is lost."""
        self.refused: dict[tuple[str, str], RegistryError] = {}
        """By verb and kind, or kind and namespace."""

    def version(self) -> str:
        return "v1beta1"

    def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        self._refuse(("get", kind))
        return super().get(kind, namespace, name)

    def list(self, kind: str, _namespace: str | None = None, **_query: str) -> Listed:
        self._refuse(("list", kind))
        self._refuse((kind, str(_namespace)))
        items, revision = super().list(kind, _namespace)
        return [item for item in items if _namespace in (None, item["metadata"].get("namespace", _namespace))], revision

    def write(self, change: Change, dry_run: bool) -> Object:
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

    def _patch(self, change: Change) -> Object:
        return applied(self._current(change, change.body.get("metadata", {})), change.body)

    _restart = _patch

    def annotations(self, kind: str, name: str) -> Object:
        found: Object = self.objects[kind, name]["metadata"].get("annotations") or {}
        return found

    def edit(self, kind: str, name: str, patch: Object) -> None:
        """Somebody else writes."""
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


DEPLOYMENT: Object = {"kind": "Deployment", "metadata": {"name": "demo"}, "spec": {"template": {}}}


def whole() -> EngineCluster:
    return EngineCluster(registry(), secret(), DEPLOYMENT)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nothing is waited for; gives the pauses between rounds."""
    found = list[float]()
    for wait, state in (("wait_until_ready", READY), ("wait_until_gone", GONE)):
        verdict = {"demo": Verdict(state, state, "")}
        monkeypatch.setattr(_engine, wait, lambda *_, verdict=verdict: verdict)
    monkeypatch.setattr("time.sleep", found.append)
    return found


def present(cluster: EngineCluster, wanted: Registry, timeout: float | None = 5) -> Outcome:
    outcome = Outcome()
    _engine.ensure_present(Run(cast("Cluster", cluster), NAMESPACE, False, timeout), wanted, outcome)
    return outcome


def absent(cluster: EngineCluster, timeout: float | None = 5, check: bool = False) -> Outcome:
    outcome = Outcome()
    _engine.ensure_absent(Run(cast("Cluster", cluster), NAMESPACE, check, timeout), "demo", Confirmed(), outcome)
    return outcome


def made(outcome: Outcome) -> list[tuple[str, str]]:
    entries = [change_entry(done.change, done.validated) for done in outcome.record.done]
    return [(entry["action"], entry["kind"]) for entry in entries]


@pytest.mark.parametrize("lost", [("patch", "Secret", 1), ("restart", "Deployment", 1), ("patch", "Secret", 2)])
def test_a_lost_answer_costs_a_look(lost: tuple[str, str, int], pauses: list[float]) -> None:
    """The last write, which takes the mark off, is no exception."""
    cluster = whole()
    cluster.lost.add(lost)
    assert made(present(cluster, ROTATED)) == AFTER_ROTATION
    assert [write[:2] for write in cluster.writes] == AFTER_ROTATION
    assert PENDING not in cluster.annotations("Secret", "demo-db-password") and pauses == [0.2]


def test_somebody_else_is_faster_than_the_last_write() -> None:
    """What they have written stays, and the pods are not restarted again for it."""
    cluster = whole()
    label = {"metadata": {"labels": {"team": "fraud"}}}
    cluster.meanwhile["patch", "Secret", 2] = lambda: cluster.edit("Secret", "demo-db-password", label)
    assert made(present(cluster, ROTATED)) == AFTER_ROTATION
    found = cluster.objects["Secret", "demo-db-password"]["metadata"]
    assert found["labels"]["team"] == "fraud" and PENDING not in found["annotations"]


def test_a_password_of_somebody_else_before_the_last_write() -> None:
    """It is changed back, and the pods are restarted once more before the mark is taken off."""
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
    """The fake's registry is gone at once; here it is held by a finalizer."""
    cluster = EngineCluster(registry(deletionTimestamp="2026-01-01T00:00:00Z"), secret())
    for check in (True, False):
        outcome = absent(cluster, None, check)
        assert not made(outcome)
        assert "Left until the registry is gone: Secret demo-db-password." in outcome.warnings[0]
    del cluster.objects["ModelRegistry", "demo"]
    assert made(absent(cluster, None)) == [("delete", "Secret")]


@pytest.mark.parametrize("lost", [("delete", "ModelRegistry", 1), ("delete", "Secret", 1)])
def test_a_deletion_whose_answer_is_lost(lost: tuple[str, str, int]) -> None:
    cluster = whole()
    cluster.lost.add(lost)
    outcome = absent(cluster)
    assert made(outcome) == [("delete", "ModelRegistry"), ("delete", "Secret")]
    assert outcome.registry and [kept["kind"] for kept in outcome.kept] == ["Database"]


NO = Forbidden("it", "no", "rule")
RHOAI, ODH = "rhoai-model-registries", "odh-model-registries"


def hidden(*objects: Object) -> EngineCluster:
    """A cluster whose platform's settings the user may not see."""
    cluster = EngineCluster(*objects)
    cluster.refused.update({("get", "AIHub"): NO, ("list", "DataScienceCluster"): NO, ("get", "Namespace"): NO})
    return cluster


@pytest.mark.parametrize(
    ("there", "seen", "asked"),
    [(RHOAI, (RHOAI,), 1), (RHOAI, (RHOAI, ODH), 1), (ODH, (ODH,), 1), (ODH, (RHOAI, ODH), 2), (None, (ODH,), 1)],
)
def test_a_guessed_namespace_is_said(there: str | None, seen: tuple[str, ...], asked: int) -> None:
    """It takes one list, which is that of the registries, too."""
    cluster = hidden(*([registry(namespace=there)] if there else []))
    cluster.refused.update({("ModelRegistry", name): NO for name in (RHOAI, ODH) if name not in seen})
    place = find_place(cast("Cluster", cluster), None)
    assert place.namespace == (there or seen[0]) and place.listed
    assert [item["metadata"]["name"] for item in place.listed[0]] == (["demo"] if there else [])
    assert f"taken to live in {place.namespace}" in place.warnings[0]
    assert cluster.requests == [("list", "ModelRegistry", "")] * asked


@pytest.mark.parametrize(
    ("namespaces", "words"), [((RHOAI, ODH), "both rhoai-model-registries and odh"), ((), "neither the platform's")]
)
def test_a_namespace_that_cannot_be_guessed(namespaces: tuple[str, ...], words: str) -> None:
    """Somebody who may list registries anywhere, and finds none."""
    cluster = hidden(*({"kind": "Namespace", "metadata": {"name": name}} for name in namespaces))
    del cluster.refused["get", "Namespace"]
    with pytest.raises(RegistryError, match=words):
        find_place(cast("Cluster", cluster), None)


def test_a_namespace_that_is_given_or_said_is_not_guessed() -> None:
    hub = {"kind": "AIHub", "metadata": {"name": "default-aihub"}, "spec": {"instancesNamespace": "models"}}
    cluster = EngineCluster(hub)
    assert find_place(cast("Cluster", cluster), None).namespace == "models"
    assert find_place(cast("Cluster", cluster), "given").warnings == ()
    assert cluster.requests == [("get", "AIHub", "default-aihub")]
