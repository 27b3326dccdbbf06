# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in memory that stores RoleBindings, and decides access by them, as the API server does."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    AlreadyExists,
    Conflict,
    InvalidObject,
    NotFound,
    RegistryError,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import Change
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.merge_patch import applied
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.reviews import Answer

__all__ = ["NAMESPACE", "OWNER", "FakeCluster", "Turns", "role"]

Object = dict[str, Any]
NAMESPACE = "ns"
OWNER: Object = {
    "apiVersion": "modelregistry.opendatahub.io/v1beta1",
    "kind": "ModelRegistry",
    "metadata": {"name": "demo", "namespace": NAMESPACE, "uid": "owner"},
}


def role(registry: str = "demo") -> Object:
    """Return the Role that the operator makes."""
    rules = [
        {"apiGroups": [""], "resources": [resource], "resourceNames": [registry], "verbs": ["get"]}
        for resource in ("services", "endpoints")
    ]
    return {"kind": "Role", "metadata": {"name": f"registry-user-{registry}"}, "rules": rules}


class FakeCluster:
    """What the permissions' engine calls on Cluster."""

    def __init__(self, *objects: Object) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.requests: list[tuple[str, str, str]] = []
        """Verb, kind and name of each."""
        self.served = {"User", "Group", "Namespace"}
        self.as_admin = False
        """Whether the user administers the cluster: such a user may grant a Role that does not exist."""
        self._revisions = itertools.count(1)
        self._lock = threading.Lock()
        for item in objects:
            self.store(item)

    def store(self, item: Object) -> Object:
        """Put an object there, as another client would."""
        item = copy.deepcopy(item)
        revision = str(next(self._revisions))
        item["metadata"] = {"uid": f"uid-{revision}", **item["metadata"], "resourceVersion": revision}
        self.objects[item["kind"], item["metadata"]["name"]] = item
        return item

    @property
    def writes(self) -> list[tuple[str, str, str]]:
        """Requests that change what is stored."""
        return [request for request in self.requests if request[0] in ("create", "patch", "delete")]

    def bindings(self) -> list[Object]:
        """All RoleBindings."""
        return [item for (kind, _), item in self.objects.items() if kind == "RoleBinding"]

    def serves(self, kind: str) -> bool:
        return kind in self.served

    def get(self, kind: str, _namespace: str | None, name: str) -> Object | None:
        with self._lock:
            self.requests.append(("get", kind, name))
            return copy.deepcopy(self.objects.get((kind, name)))

    get_many = Cluster.get_many

    def list(self, kind: str, _namespace: str | None = None) -> tuple[list[Object], str]:
        with self._lock:
            self.requests.append(("list", kind, ""))
            return [copy.deepcopy(item) for (one, _), item in self.objects.items() if one == kind], "1"

    def write(self, change: Change, dry_run: bool) -> Object:
        with self._lock:
            if not dry_run:
                self.requests.append((change.action, change.kind, change.name))
            result = getattr(self, f"_{change.action}")(change)
            kept = result
            if not dry_run and change.action == "delete":
                del self.objects[change.kind, change.name]
            elif not dry_run:
                kept = self.store(result)
            return copy.deepcopy(kept)

    def review(self, _kind: str, _namespace: str | None, spec: Object) -> Answer:
        """Review access as the API server does: by the rules of Roles and by the subjects of RoleBindings."""
        with self._lock:
            self.requests.append(("review", _kind, spec.get("user", "")))
            for binding in self.bindings():
                found = self.objects.get((binding["roleRef"]["kind"], binding["roleRef"]["name"]))
                right = found and any(
                    spec["resourceAttributes"]["resource"] in rule["resources"]
                    and spec["resourceAttributes"]["name"] in rule["resourceNames"]
                    for rule in found["rules"]
                )
                if right and any(_is(subject, spec) for subject in binding.get("subjects") or ()):
                    return Answer(True, f'RBAC: allowed by RoleBinding "{binding["metadata"]["name"]}/{NAMESPACE}"')
            return Answer(False)

    def _create(self, change: Change) -> Object:
        if (change.kind, change.name) in self.objects:
            raise AlreadyExists(change.name, "it exists", "")
        role_is_there = self.as_admin or ("Role", change.body.get("roleRef", {}).get("name")) in self.objects
        if change.kind == "RoleBinding" and not role_is_there:
            raise NotFound(change.name, "role not found", "")
        return {**change.body, "kind": change.kind}

    def _patch(self, change: Change) -> Object:
        current = self._current(change, change.body["metadata"])
        after = applied(current, change.body)
        if after.get("roleRef") != current.get("roleRef"):
            raise InvalidObject(change.name, "roleRef is immutable", "")
        return after

    def _delete(self, change: Change) -> Object:
        return self._current(change, change.body["preconditions"])

    def _current(self, change: Change, expected: Object) -> Object:
        current = self.objects.get((change.kind, change.name))
        if current is None:
            raise NotFound(change.name, "it is not there", "")
        for name in ("uid", "resourceVersion"):
            if expected.get(name, current["metadata"][name]) != current["metadata"][name]:
                raise Conflict(change.name, f"another {name}", "")
        return current


def _is(subject: Object, spec: Object) -> bool:
    if subject["kind"] == "Group":
        return subject["name"] in spec["groups"]
    name = subject["name"]
    if subject["kind"] == "ServiceAccount":
        name = f"system:serviceaccount:{subject['namespace']}:{name}"
    return bool(name == spec.get("user"))


class Turns:
    """Lets two runs use one cluster in a fixed order: one request at a time, as the letters say.

    Once the order is used up, or if the run whose turn it is has ended, every run may.
    """

    def __init__(self, cluster: FakeCluster, order: Iterable[str]) -> None:
        self._cluster = cluster
        self._order = list(order)
        self._ended: set[str] = set()
        self._changed = threading.Condition()

    def seen_by(self, run: str) -> Any:
        """Return the cluster as one run has it."""
        return _Turn(self, run)

    def run(self, **work: Callable[[Any], object]) -> dict[str, RegistryError]:
        """Run each run's work in a thread of its own; return the errors in which they ended."""
        errors: dict[str, RegistryError] = {}

        def one(run: str) -> None:
            try:
                work[run](self.seen_by(run))
            except RegistryError as error:
                errors[run] = error
            finally:
                with self._changed:
                    self._ended.add(run)
                    self._changed.notify_all()

        threads = [threading.Thread(target=one, args=(run,)) for run in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        return errors

    def ask(self, run: str, method: str, *arguments: Any) -> Any:
        """Send one request, when it is this run's turn."""
        with self._changed:
            while self._next() not in (None, run):
                self._changed.wait(60)
            if self._order:
                self._order.pop(0)
            try:
                return getattr(self._cluster, method)(*arguments)
            finally:
                self._changed.notify_all()

    def _next(self) -> str | None:
        while self._order and self._order[0] in self._ended:
            self._order.pop(0)
        return self._order[0] if self._order else None


class _Turn:
    def __init__(self, turns: Turns, run: str) -> None:
        self._turns, self._run = turns, run

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *arguments: self._turns.ask(self._run, method, *arguments)
