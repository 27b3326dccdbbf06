# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a run that waited and succeeded, no pod serves with values from before a change, whatever came before it.

The cluster is in memory, with an operator that writes a Deployment whole, as the real one does, and so drops restarts; with
a controller that goes back to a pod of an old template; and with a clock of whole seconds, which seldom advances.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from _registry.test_reconcile import EngineCluster, registry, secret
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import Forbidden, RegistryError
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database, KeyRef, Registry
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import Change
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.merge_patch import applied
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.run import Run
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import Sealed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry import reconcile
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.reconcile import ReconcileResult
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.verdict import FAILED, READY, Verdict
from fake_permissions import NAMESPACE
from hypothesis import example, given, settings
from hypothesis import strategies as st

Object = dict[str, Any]
PENDING = "ansible.opendatahub.io/restart-pending"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
OWN, VAULT = "demo-db-password", "vault"
LABELS = {"app": "demo", "component": "model-registry"}


class Killed(BaseException):
    """The run ended between two writes."""


class OperatedCluster(EngineCluster):
    """A cluster with one registry, its operator and its pods, which act while a run waits."""

    def __init__(self) -> None:
        self.seconds, self.left = 0, -1
        self.operator_is_late = False
        """Whether it acts after the Deployment's controller has carried out a restart, or before."""
        self.undoes_restarts = False
        self._applied = ""
        super().__init__(registry(), secret(), secret(VAULT))
        self.act()

    @property
    def now(self) -> str:
        return f"2026-01-01T{self.seconds // 3600:02}:{self.seconds // 60 % 60:02}:{self.seconds % 60:02}Z"

    def store(self, item: Object) -> Object:
        item = super().store(item)
        item["metadata"]["managedFields"] = [{"manager": "any", "time": self.now, "fieldsV1": {"f:data": {}}}]
        item["metadata"].setdefault("creationTimestamp", self.now)
        return item

    def write(self, change: Change, dry_run: bool) -> Object:
        if not dry_run and self.left == 0:
            raise Killed
        self.left -= not dry_run
        return super().write(change, dry_run)

    def _restart(self, change: Change) -> Object:
        return applied(self.objects["Deployment", change.name], {} if self.undoes_restarts else change.body)

    def act(self) -> None:
        """Run the operator and the controllers until nothing is left to do."""
        for step in (self._control, self._operate) if self.operator_is_late else (self._operate, self._control):
            step()
        self._control()

    def drop(self) -> None:
        """Have the operator write the Deployment whole, for some reason of its own."""
        self._applied = ""
        self.act()

    def restart(self) -> None:
        """Restart as `kubectl rollout restart` does."""
        body = {"metadata": {"annotations": {RESTARTED: f"{self.now} by hand"}}}
        self.edit("Deployment", "demo", {"spec": {"template": body}})
        self.act()

    def drain(self) -> None:
        """Recreate all pods, from the templates that they have."""
        for name, pod in self._pods().items():
            self._remove(name)
            self._add(pod["spec"]["template"])

    def _operate(self) -> None:
        wanted = json.dumps(self.objects["ModelRegistry", "demo"]["spec"], sort_keys=True)
        if wanted == self._applied:
            return
        self._applied = wanted
        meta = {"name": "demo"}
        self.store({"kind": "Deployment", "metadata": meta, "spec": {"template": {"spec": wanted}}, "status": {}})

    def _control(self) -> None:
        if ("Deployment", "demo") not in self.objects:
            return
        template = self.objects["Deployment", "demo"]["spec"]["template"]
        if not any(pod["spec"]["template"] == template for pod in self._pods().values()):
            self._add(template)
        works = "bad" not in template["spec"]
        for name, pod in self._pods().items():
            if pod["spec"]["template"] != template and (works or "bad" in pod["spec"]["template"]["spec"]):
                self._remove(name)
        count = len(self._pods())
        status = {"replicas": count, "updatedReplicas": 1, "availableReplicas": 1}
        self.objects["Deployment", "demo"]["status"] = status

    def _add(self, template: Object) -> None:
        database = json.loads(template["spec"])["mysql"]
        read = self.objects.get(("Secret", database["passwordSecret"]["name"]), {}).get("data", {})
        meta = {"name": f"demo-{len(self.requests)}-{len(self.objects)}-{self.seconds}", "labels": LABELS}
        meta = {**meta, **template.get("metadata", {})}
        self.store(
            {"kind": "Pod", "metadata": meta, "spec": {"template": template}, "read": read.get("database-password")}
        )

    def _remove(self, name: str) -> None:
        del self.objects["Pod", name]

    def _pods(self) -> dict[str, Object]:
        return {name: pod for (kind, name), pod in self.objects.items() if kind == "Pod"}

    @property
    def works(self) -> bool:
        return "bad" not in self.objects["Deployment", "demo"]["spec"]["template"]["spec"]

    @property
    def stale(self) -> list[str]:
        """The serving pods that have another password than the stored one."""
        name = self.objects["ModelRegistry", "demo"]["spec"]["mysql"]["passwordSecret"]["name"]
        held = self.objects["Secret", name]["data"]["database-password"]
        return [one for one, pod in self._pods().items() if pod["read"] != held]

    @property
    def marked(self) -> bool:
        found = (item["metadata"].get("annotations") or {} for item in self.objects.values())
        return any(PENDING in annotations for annotations in found)


@pytest.fixture(autouse=True)
def acting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make whatever a run waits for happen, in no time."""

    def ready(cluster: Any, _namespace: str, names: list[str], *_: Any) -> dict[str, Verdict]:
        cluster.act()
        state = READY if cluster.works else FAILED
        return dict.fromkeys(names, Verdict(state, state, "it is so"))

    monkeypatch.setattr(reconcile, "wait_until_ready", ready)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


@dataclass(frozen=True)
class Task:
    """One run of the module."""

    password: str | None = None
    """In clear; None leaves it unchanged."""
    vault: bool = False
    """Whether the password comes from a Secret of the user's."""
    name: str | None = None
    """Of the database; the name bad stands for one that does not exist."""
    wait: bool = True
    left: int = -1
    """Writes after which the run is killed."""

    @property
    def registry(self) -> Registry:
        ref = KeyRef(VAULT, "database-password") if self.vault else None
        return Registry("demo", database=Database(name=self.name, password=self.password, password_secret=ref))


def run(cluster: OperatedCluster, task: Task) -> bool:
    """Run it to its end, or until it is killed. Returns whether it succeeded."""
    cluster.left, outcome = task.left, ReconcileResult()
    try:
        job = Run(cast("Cluster", cluster), NAMESPACE, False, 5 if task.wait else None)
        reconcile.ensure_present(job, [task.registry], {"demo": outcome})
    except Killed:
        return False
    finally:
        cluster.left = -1
    assert outcome.error is None or "it is so" in str(outcome.error), outcome.error
    return outcome.error is None


def fill_vault(cluster: OperatedCluster) -> None:
    """Change the user's own Secret while the registry does not use it; otherwise the user has to restart the pods."""
    spec = cluster.objects["ModelRegistry", "demo"]["spec"]
    if spec["mysql"]["passwordSecret"]["name"] != VAULT:
        cluster.edit("Secret", VAULT, {"data": {"database-password": Sealed.of(f"vault {len(cluster.requests)}")}})


def by_the_dashboard(name: str) -> Callable[[OperatedCluster], None]:
    """Return an edit of the database's name, on which the operator acts."""

    def edit(cluster: OperatedCluster) -> None:
        cluster.edit("ModelRegistry", "demo", {"spec": {"mysql": {"database": name}}})
        cluster.act()

    return edit


def tick(cluster: OperatedCluster) -> None:
    cluster.seconds += 1


def late(cluster: OperatedCluster) -> None:
    cluster.operator_is_late = not cluster.operator_is_late


TASKS = st.builds(
    Task,
    password=st.sampled_from(["a", "b", "c"]),
    name=st.sampled_from([None, None, "demo", "bad"]),
    wait=st.sampled_from([True, True, False]),
    left=st.sampled_from([-1, -1, 0, 1, 2, 3, 4, 5]),
)
MOVES = st.builds(
    Task, vault=st.just(True), name=st.sampled_from([None, "demo", "bad"]), left=st.sampled_from([-1, 1, 2])
)
EVENTS = st.sampled_from(
    [
        tick,
        late,
        fill_vault,
        OperatedCluster.act,
        OperatedCluster.drop,
        OperatedCluster.restart,
        OperatedCluster.drain,
        by_the_dashboard("demo"),
        by_the_dashboard("bad"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(TASKS | MOVES | EVENTS, max_size=8), TASKS | MOVES, st.booleans())
@example([Task("b", name="bad")], Task("b", name="demo"), False)
@example([Task("b", name="bad")], Task("b", name="demo"), True)
@example([Task(vault=True, name="bad")], Task("b", name="demo"), False)
@example([Task(vault=True), Task("b", name="bad"), fill_vault], Task(vault=True, name="demo"), False)
@example([Task("b", wait=False), OperatedCluster.drop], Task("b", wait=False), False)
def test_no_pod_serves_with_what_was_there_before(before: list[Any], last: Task, blind: bool) -> None:
    """If the last run succeeds, waits and is not killed, all is as it says, and the next run has nothing to do.

    blind: the user may not list pods.
    """
    cluster = OperatedCluster()
    if blind:
        cluster.refused["list", "Pod"] = Forbidden("Pods", "no", "rule")
    for step in before:
        run(cluster, step) if isinstance(step, Task) else step(cluster)
    task = Task(last.password, last.vault, "demo")
    assert run(cluster, task)
    assert not cluster.stale and not cluster.marked
    writes = len(cluster.writes)
    assert run(cluster, task) and len(cluster.writes) == writes
    cluster.drop()
    assert not cluster.stale


def test_an_operator_that_undoes_each_restart_is_named() -> None:
    """The mark stays, and the error says so: nothing is reported as done that is not."""
    cluster = OperatedCluster()
    cluster.undoes_restarts = True
    outcome = ReconcileResult()
    reconcile.ensure_present(
        Run(cast("Cluster", cluster), NAMESPACE, False, 5), [Task("b").registry], {"demo": outcome}
    )
    assert isinstance(outcome.error, RegistryError)
    assert "Deployment demo: its pods still have the old value" in str(outcome.error)
    assert cluster.stale and cluster.marked
