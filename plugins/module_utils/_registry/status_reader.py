# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers the evidence for a registry's status: objects that the caller has read, and logs, events and Services."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Callable

from .._common.errors import Forbidden, RegistryError
from .._common.model import Object
from .._kubernetes.client import Cluster
from .failure_causes import migration_failed, reports_dirty_schema
from .pod_status import SERVERS, claims_of
from .rollout import acted_at, condition, database_name, database_run_by, latest, newest_pods, registry_of, timestamp
from .shape import misfit
from .status import registry_status
from .verdict import Log, StatusInputs, Verdict, host_service

__all__ = ["KINDS", "Clock", "Snapshot", "StatusReader"]

KINDS = ("ModelRegistry", "Deployment", "Pod", "Endpoints")
"""The kinds that a registry's status is read from.

Endpoints are deprecated in Kubernetes since 1.33, but still served. The operator's own Role for a registry's users grants
them, and its condition Available is read from them. EndpointSlices need another permission; use them once that changes.
"""
READ_AGAIN = 1.0
"""Seconds until a log, an event or a Service is read again if the pod's status is unchanged."""
AT_ONCE = 4
"""Logs that are read concurrently; the client's connection pool holds ten connections."""
LARGEST_SKEW = timedelta(seconds=60)
"""How far the clock of this machine, or the Date of an answer, is assumed to be off the cluster's time, at most."""

Pairs = tuple[str, str]


@dataclass(frozen=True)
class Clock:
    """This machine's clock."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds; deadlines are on this scale."""
    wall: Callable[[], datetime] = lambda: datetime.now(timezone.utc)


@dataclass(frozen=True)
class Snapshot:
    """The objects of a namespace at one moment, by kind and name."""

    objects: Mapping[str, Mapping[str, Object]]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """By kind, the missing permission."""

    def of(self, kind: str, name: str) -> Object | None:
        """Return the object, or None if there is none or it may not be read."""
        return self.objects.get(kind, {}).get(name)

    def pods(self, registry: str) -> list[Object]:
        """Return all pods of a registry's server, sorted by name."""
        return self._pods_by_registry.get(registry, [])

    def database_pods(self, registry: str) -> list[Object]:
        """Return the same for the database that the operator runs for a registry."""
        return self._pods_by_database.get(database_name(registry), [])

    @cached_property
    def operator_acted(self) -> datetime | None:
        """When the operator last acted on any registry, by the API server's clock."""
        registries = self.objects.get("ModelRegistry", {})
        deployments = [item for name, item in self.objects.get("Deployment", {}).items() if name in registries]
        made = [timestamp(item["metadata"].get("creationTimestamp")) for item in deployments]
        return max(filter(None, [*made, *map(acted_at, registries.values())]), default=None)

    @cached_property
    def _pods_by_registry(self) -> dict[str, list[Object]]:
        return _grouped(self.objects.get("Pod", {}), registry_of)

    @cached_property
    def _pods_by_database(self) -> dict[str, list[Object]]:
        return _grouped(self.objects.get("Pod", {}), database_run_by)


def _grouped(pods: Mapping[str, Object], owner: Callable[[Object], str | None]) -> dict[str, list[Object]]:
    """Return the pods by owner, sorted by name."""
    grouped: dict[str, list[Object]] = {}
    for name in sorted(pods):
        if key := owner(pods[name]):
            grouped.setdefault(key, []).append(pods[name])
    return grouped


class StatusReader:
    """Returns the status of registries repeatedly, and rereads only what may have changed."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        clock: Clock | None = None,
        restart_pending: Iterable[str] = (),
        *,
        lasts: bool = False,
    ) -> None:
        """Start with nothing read.

        lasts: whether it goes on for a while. Then the time that elapses on this machine is enough, and no other clock
        is used.
        """
        self._lasts = lasts
        self._cluster = cluster
        self._restart_pending = frozenset(restart_pending)
        self._namespace = namespace
        self._clock = clock or Clock()
        self._offset = float("-inf")
        self._read: dict[object, tuple[object, float, object]] = {}
        self._refused: dict[str, str] = {}
        self._reasons: dict[str, str] = {}

    def statuses(self, snapshot: Snapshot, names: Iterable[str]) -> dict[str, Verdict]:
        """Return the status of each registry."""
        self._learn_time(snapshot)
        names = list(names)
        stuck = {name: _unready(snapshot, name) for name in names}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            logs = dict(pool.map(self._log, [due for pods in stuck.values() for pod in pods for due in _logged(pod)]))
        return {name: registry_status(self._inputs(snapshot, name, stuck[name], logs)) for name in names}

    def now(self) -> datetime:
        """Return the time of the API server's clock: its newest timestamp, plus the time elapsed here since.

        That is never ahead of its clock, but says little in a single look if the newest timestamp is old. Then the Date
        of its answers, which a proxy may have written, and this machine's clock count, too: the earlier of them, unless it
        is behind a timestamp. No grace period is cut short unless both are wrong.
        """
        begin = datetime.fromtimestamp(0, timezone.utc)
        learnt = datetime.fromtimestamp(max(0, self._offset + self._clock.monotonic()), timezone.utc)
        if self._lasts and learnt > begin:
            return learnt
        here, ahead = self._clock.wall(), self._cluster.clock_skew
        clocks = [here - LARGEST_SKEW] if ahead is None else [here, here + ahead]
        return max(learnt, min((one for one in clocks if one >= learnt - LARGEST_SKEW), default=learnt))

    def _learn_time(self, snapshot: Snapshot) -> None:
        times = [latest(item) for kind in snapshot.objects.values() for item in kind.values()]
        newest = max(filter(None, times), default=None)
        if newest:
            self._offset = max(self._offset, newest.timestamp() - self._clock.monotonic())

    def _inputs(self, snapshot: Snapshot, name: str, stuck: list[Object], logs: Mapping[Pairs, Log]) -> StatusInputs:
        registry = snapshot.of("ModelRegistry", name)
        return StatusInputs(
            registry=registry,
            now=self.now(),
            deployment=snapshot.of("Deployment", name),
            pods=snapshot.pods(name),
            database=snapshot.of("Deployment", database_name(name)),
            database_pods=snapshot.database_pods(name),
            endpoints=snapshot.of("Endpoints", name),
            logs=logs,
            events=[event for pod in stuck for place in _eventful(pod) for event in self._events(place)],
            operator_acted=snapshot.operator_acted,
            restart_pending=name in self._restart_pending,
            host_exists=self._host_exists(registry) if registry and stuck else None,
            unreadable={**snapshot.unreadable, **self._refused},
        )

    def _log(self, due: tuple[Object, Object]) -> tuple[Pairs, Log]:
        pod, status = due
        name, container = pod["metadata"]["name"], status["name"]

        def read() -> Log:
            now = self._cluster.log(self._namespace, name, container)
            # The container may have restarted since its status was written.
            again = status.get("restartCount", 0) > 0 or reports_dirty_schema(now)
            before = self._cluster.log(self._namespace, name, container, previous=True) if again else ""
            return self._with_reason(name, Log(now, before))

        cached = self._read_cached(("log", name, container), str(status), read)
        return (name, container), cached if isinstance(cached, Log) else Log()

    def _with_reason(self, pod: str, log: Log) -> Log:
        """Return the log, with the run that tells why a migration broke off: the cluster loses it two restarts later."""
        for run in (log.previous, log.current):
            if migration_failed(run):
                self._reasons[pod] = run
        return Log(log.current, self._reasons.get(pod, log.previous))

    def _events(self, name: str) -> list[Object]:
        def read() -> list[Object]:
            return self._cluster.list("Event", self._namespace, field_selector=f"involvedObject.name={name}")[0]

        cached = self._read_cached(("Event", name), "", read)
        return cached if isinstance(cached, list) else []

    def _host_exists(self, registry: Object) -> bool | None:
        place = host_service(registry) if misfit(registry) is None else None
        if place is None:
            return None

        def read() -> bool:
            return self._cluster.get("Service", *place) is not None

        cached = self._read_cached(("Service", *place), "", read)
        return cached if isinstance(cached, bool) else None

    def _read_cached(self, key: tuple[str, ...], state: str, read: Callable[[], object]) -> object:
        """Return the result of ``read``, refreshed after READ_AGAIN or when the state changes.

        None if it is forbidden, and the previous result if there is no answer.
        """
        known, moment = self._read.get(key), self._clock.monotonic()
        if known and known[0] == state and moment - known[1] < READ_AGAIN:
            return known[2]
        try:
            value = read()
            self._refused.pop(key[0], None)
        except Forbidden as error:
            value = None
            # A registry administrator need not have access to a Service of another namespace.
            if key[0] != "Service":
                self._refused[key[0]] = f"The reason why pods are not ready may be incomplete. {error.next_step}"
        except RegistryError:
            value = known[2] if known else None
        self._read[key] = (state, moment, value)
        return value


def _statuses(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _unready(snapshot: Snapshot, name: str) -> list[Object]:
    """Return the pods of the newest rollouts of a registry and of its generated database that are not ready."""
    newest = []
    for deployment, pods in ((name, snapshot.pods(name)), (database_name(name), snapshot.database_pods(name))):
        newest += newest_pods(snapshot.of("Deployment", deployment) or {"metadata": {}}, pods)
    return [pod for pod in newest if not all(status.get("ready") for status in _statuses(pod)) or not _statuses(pod)]


def _logged(pod: Object) -> list[tuple[Object, Object]]:
    """Return the pod with each of its servers that has a log and is not ready."""
    begun = [s for s in _statuses(pod) if s.get("restartCount") or "waiting" not in (s.get("state") or {})]
    telling = [s for s in begun if s["name"] in SERVERS or database_run_by(pod)]
    return [(pod, status) for status in telling if not status.get("ready")]


def _eventful(pod: Object) -> list[str]:
    """Return the names of the objects whose events say why a pod waits: its own, or those of the claims that it waits for."""
    states = [(status.get("state") or {}).get("waiting") or {} for status in _statuses(pod)]
    if any(state.get("reason") == "ContainerCreating" for state in states):
        return [pod["metadata"]["name"]]
    return claims_of(pod) if condition(pod, "PodScheduled").get("reason") == "Unschedulable" else []
