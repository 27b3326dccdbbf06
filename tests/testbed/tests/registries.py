# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries and their databases, as the tests of the testbed make and read them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from testbed.api import Api, ApiError, Object
from testbed.bed import Testbed
from testbed.databases import connect_mysql

__all__ = ["OBJECTS", "Registries", "command_lines", "condition", "conditions", "labels", "processes"]

KIND = "ModelRegistry"
RBAC = "rbac.authorization.k8s.io/v1"
OBJECTS = (
    ("v1", "ServiceAccount", "{}"),
    ("v1", "Service", "{}"),
    ("apps/v1", "Deployment", "{}"),
    (RBAC, "Role", "registry-user-{}"),
    ("user.openshift.io/v1", "Group", "{}-users"),
    (RBAC, "RoleBinding", "{}-users"),
    ("networking.k8s.io/v1", "NetworkPolicy", "{}-https-route"),
    ("route.openshift.io/v1", "Route", "{}-https"),
)
"""The operator's objects for a registry on OpenShift, in its order: apiVersion, kind, and name with {} for the registry's."""


def labels(name: str, instance: str) -> dict[str, str]:
    """Return the labels of everything that belongs to a registry, with the object's own name as its instance."""
    return {
        "app": name,
        "app.kubernetes.io/instance": instance,
        "component": "model-registry",
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "model-registry",
        "app.kubernetes.io/part-of": "model-registry",
        "app.kubernetes.io/created-by": "model-registry-operator",
        "app.kubernetes.io/managed-by": "model-registry-operator",
    }


def condition(registry: Object | None, kind: str = "Available") -> tuple[str, str, str]:
    """Return status, reason and message of a condition; empty if it is missing."""
    for found in (registry or {}).get("status", {}).get("conditions", []):
        if found["type"] == kind:
            return found["status"], found["reason"], found["message"]
    return "", "", ""


def conditions(states: Iterable[Object], kind: str = "Available") -> list[tuple[str, str]]:
    """Return status and reason of a condition in successive states, without repetition; skip states that lack it."""
    found = [condition(state, kind)[:2] for state in states]
    return [new for old, new in zip([None, *found], found, strict=False) if new != old and any(new)]


def processes(bed: Testbed) -> list[int]:
    """Return the process numbers of everything that runs in a testbed."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found = [int(bed.command(["true"])[1].partition("=")[2])]
    for pid in found:
        found += children.get(pid, [])
    return found


def command_lines(bed: Testbed) -> dict[int, list[str]]:
    """Return the command lines of everything that runs in a testbed, by process number."""
    found = {}
    for pid in processes(bed):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):  # it ended just now
            continue
        found[pid] = words
    return found


class Registries:
    """Makes registries on a testbed, each with a database and an account of its own."""

    def __init__(self, bed: Testbed) -> None:
        self.bed = bed
        self.api: Api = bed.api()
        self.namespace = bed.flavour.registries_namespace
        self.version = f"modelregistry.opendatahub.io/{bed.flavour.stored}"
        self._names: list[str] = []

    def sql(self, *statements: str, service: str = "mysql-80") -> list[tuple[Any, ...]]:
        """Run statements as the database's administrator; return the rows of the last."""
        with connect_mysql(self.bed, service) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def make_database(
        self,
        name: str,
        *,
        service: str = "mysql-80",
        charset: str = "utf8mb4",
        grant: str = "ALL",
        native: bool = False,
    ) -> None:
        """Make a database of the name, and an account of the same name whose password is ``<name>-password``."""
        plugin = " WITH mysql_native_password" if native else ""
        self.sql(
            f"DROP DATABASE IF EXISTS `{name}`",
            f"CREATE DATABASE `{name}` CHARACTER SET {charset}",
            f"DROP USER IF EXISTS '{name}'@'%'",
            f"CREATE USER '{name}'@'%' IDENTIFIED{plugin} BY '{name}-password'",
            f"GRANT {grant} ON `{name}`.* TO '{name}'@'%'",
            service=service,
        )

    def make_secret(self, name: str, password: str | None = None) -> None:
        """Make the password Secret of a registry, with the keys that the dashboard uses."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"{name}-db", "namespace": self.namespace},
            "stringData": {"database-password": password or f"{name}-password"},
        }
        self.api.apply(body)

    def body(self, name: str, *, service: str = "mysql-80", **mysql: Any) -> Object:
        """Return a registry on the database of its own name; further fields of spec.mysql override."""
        database = {
            "host": f"{service}.databases.svc.cluster.local",
            "database": name,
            "username": name,
            "passwordSecret": {"name": f"{name}-db", "key": "database-password"},
            **mysql,
        }
        spec: Object = {"rest": {}, "mysql": database}
        if self.bed.flavour.name in ("2.19", "transition"):
            spec["grpc"] = {}
        return {
            "apiVersion": self.version,
            "kind": KIND,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }

    def create(self, body: Object) -> Object:
        """Create a registry, to be removed after the test."""
        self._names.append(body["metadata"]["name"])
        return self.api.create(body)

    def make(self, name: str, *, service: str = "mysql-80") -> Object:
        """Make a registry with everything that it needs."""
        self.make_database(name, service=service)
        self.make_secret(name)
        return self.create(self.body(name, service=service))

    def get(self, name: str) -> Object | None:
        return self.api.get(self.version, KIND, name, self.namespace)

    def history(self, since: Object) -> dict[str, list[Object]]:
        """Return all states in which registries were stored after that one, by name, each oldest first."""
        query = {"watch": "true", "resourceVersion": since["metadata"]["resourceVersion"], "timeoutSeconds": 1}
        path = self.api.path(self.version, KIND, self.namespace)
        status, data = self.api.raw("GET", f"{path}?{urlencode(query)}")
        events = [json.loads(line) for line in data.splitlines()]
        assert status == 200 and all(event["type"] != "ERROR" for event in events), data
        states: dict[str, list[Object]] = {}
        for event in events:
            states.setdefault(event["object"]["metadata"]["name"], []).append(event["object"])
        return states

    def available(self, name: str, seconds: float = 90) -> Object:
        """Wait until the registry reports that it is available."""

        def done() -> Object | None:
            registry = self.get(name)
            return registry if condition(registry)[0] == "True" else None

        deadline = time.monotonic() + seconds
        while not (found := done()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} is not available after {seconds:.0f} s\n{self.describe(name)}")
            time.sleep(0.1)
        return found

    def pods(self, name: str) -> list[Object]:
        """Return the registry's pods that are not being deleted."""
        pods = self.api.list("v1", "Pod", self.namespace, labelSelector=f"app={name},component=model-registry")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def pod(self, name: str) -> Object:
        """Return the registry's only pod."""
        pods = self.pods(name)
        assert len(pods) == 1, [pod["metadata"]["name"] for pod in pods]
        return pods[0]

    def log(self, name: str) -> str:
        """Return the registry server's log in the only pod."""
        return self.log_of(self.pod(name))

    def log_of(self, pod: Object) -> str:
        """Return the registry server's log in a pod, of its last run and of this one."""
        text = ""
        for previous in (True, False):
            try:
                text += self.api.log(self.namespace, pod["metadata"]["name"], "rest-container", previous=previous)
            except ApiError as error:
                if error.status != 400:  # there is no previous one, or the container waits to start
                    raise
        return text

    def rest(self, name: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send one request to the registry server through a port-forward; return status and decoded body."""
        status, text = self.bed.http(f"deployment/{name}", 8080, self.namespace, (method, path), body)
        return status, json.loads(text) if text.startswith("{") else text

    def remove(self) -> None:
        """Delete everything that was made, and wait until it is gone."""
        for name in self._names:
            self.api.delete(self.version, KIND, name, self.namespace)
        for name in self._names:
            self.bed.until(f"{name} gone", lambda: self.get(name) is None)

    def describe(self, *names: str) -> str:
        """Return the cluster's state of the registries, for a failed test's output."""
        lines = []
        for name in names or self._names:
            lines.append(json.dumps((self.get(name) or {}).get("status"), indent=1))
            for pod in self.api.list("v1", "Pod", self.namespace, labelSelector=f"app={name}"):
                lines.append(json.dumps(pod["status"].get("containerStatuses"), indent=1))
                lines.append(json.dumps(pod["status"].get("conditions")))
                _, text = self.api.raw(
                    "GET",
                    f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/log?container=rest-container",
                )
                lines.append(text.decode(errors="replace")[-3000:])
        return "\n".join(lines)
