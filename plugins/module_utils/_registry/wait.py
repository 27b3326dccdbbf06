# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for registries to become ready or to be gone: one watch for each kind, however many registries there are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from types import TracebackType

from .._common.errors import Forbidden, NotFound, RegistryError, Unauthorized, Unreachable
from .._common.model import Object
from .._kubernetes.client import Cluster, Listed
from .status import registry_status
from .status_reader import KINDS, Clock, Snapshot, StatusReader
from .verdict import FAILED, GONE, WAITING, StatusInputs, Verdict

__all__ = ["Hooks", "wait_until_gone", "wait_until_ready"]

WATCH = 30.0
"""Seconds after which a watch restarts with a list, which fixes anything that the watch missed."""
PAUSE = 0.5
"""Seconds before the next list if a watch ended or failed."""
POLL = 2.0
"""Seconds between lists for a user who may list but not watch."""
LOOK = 1.0
"""Seconds until registries are evaluated again without a change: some failures show only as silence."""
FIRST = 5.0
"""Seconds for a first look, even if the time to wait is shorter: a registry may be ready already."""
RETRY = 20.0
"""Seconds by which a kubelet's next attempt can be late: it checks a failed pod every 10 to 15."""


@dataclass(frozen=True)
class Hooks:
    """What a caller may replace or listen to."""

    clock: Clock = field(default_factory=Clock)
    report: Callable[[str, Verdict], None] = lambda _name, _verdict: None
    """Called with a registry's name whenever its state or the reason for it changes."""
    registries: Listed | None = None
    """The registries, if they were just listed and nothing has changed since."""


def wait_until_ready(
    cluster: Cluster, namespace: str, names: Iterable[str], deadline: float, hooks: Hooks | None = None
) -> dict[str, Verdict]:
    """Wait until each registry is ready, or has failed in a way that does not fix itself, or the time is up.

    A failure that existed before counts once its attempt is repeated: its cause may be fixed by now.
    deadline: on the clock's monotonic scale. The verdict "waiting" means that the time is up. A registry that is deleted
    meanwhile has failed. Raises Forbidden, Unauthorized or NotFound if registries cannot be read at all.
    """
    hooks = hooks or Hooks()
    deletions = _Deletions()
    # After a change of this run, the time that elapses here is enough. Without one, an earlier edit may be long processed.
    lasts = hooks.registries is None
    reader, stale_failures = (
        StatusReader(cluster, namespace, hooks.clock, lasts=lasts),
        _StaleFailureFilter(hooks.clock),
    )

    def read_statuses(snapshot: Snapshot, open_ones: Iterable[str]) -> dict[str, Verdict]:
        deletions.see(snapshot, open_ones)
        found = reader.statuses(snapshot, open_ones)
        return {name: deletions.of(name) or stale_failures.of(name, verdict) for name, verdict in found.items()}

    known = {"ModelRegistry": hooks.registries} if hooks.registries else {}
    with _WatchCache(cluster, namespace, KINDS, known) as cache:
        return _wait(cache, _WaitRequest(names, deadline, hooks), read_statuses, lambda verdict: verdict.settled)


def wait_until_gone(
    cluster: Cluster, namespace: str, names: Iterable[str], deadline: float, hooks: Hooks | None = None
) -> dict[str, Verdict]:
    """Wait until the registries are gone, or the time is up: then the verdict says which finalizers are left.

    A registry that is created again under the same name is a different one.
    """
    hooks = hooks or Hooks()
    identities: dict[str, str] = {}

    def read_presence(snapshot: Snapshot, open_ones: Iterable[str]) -> dict[str, Verdict]:
        return {name: _presence(snapshot, name, identities, hooks.clock) for name in open_ones}

    with _WatchCache(cluster, namespace, ("ModelRegistry",)) as cache:
        return _wait(cache, _WaitRequest(names, deadline, hooks), read_presence, lambda verdict: verdict.state == GONE)


@dataclass(frozen=True)
class _WaitRequest:
    """The registries to wait for, and until when."""

    names: Iterable[str]
    deadline: float
    hooks: Hooks


def _wait(
    cache: _WatchCache,
    request: _WaitRequest,
    read_statuses: Callable[[Snapshot, Iterable[str]], dict[str, Verdict]],
    done: Callable[[Verdict], bool],
) -> dict[str, Verdict]:
    """Re-evaluate pending registries on every change, and at least every LOOK seconds."""
    verdicts: dict[str, Verdict] = {}
    open_ones = list(dict.fromkeys(request.names))
    clock = request.hooks.clock
    deadline = max(request.deadline, clock.monotonic() + FIRST)
    while open_ones:
        snapshot = cache.snapshot(min(LOOK, deadline - clock.monotonic()))
        if snapshot:
            deadline = request.deadline
        found = read_statuses(snapshot, open_ones) if snapshot else cache.unknown(open_ones)
        for name, verdict in found.items():
            before = verdicts.get(name)
            verdicts[name] = verdict
            if before is None or (before.state, before.reason, before.notes) != (
                verdict.state,
                verdict.reason,
                verdict.notes,
            ):
                request.hooks.report(name, verdict)
        open_ones = [name for name in open_ones if not done(verdicts[name])]
        if open_ones and snapshot:
            cache.watch()
        if clock.monotonic() >= deadline:
            break
    return verdicts


def _presence(snapshot: Snapshot, name: str, identities: dict[str, str], clock: Clock) -> Verdict:
    registry = snapshot.of("ModelRegistry", name)
    if registry and identities.setdefault(name, registry["metadata"]["uid"]) != registry["metadata"]["uid"]:
        registry = None
    return registry_status(StatusInputs(registry, clock.wall()))


class _Deletions:
    """Tracks which registries existed and have been deleted since."""

    def __init__(self) -> None:
        self._identities: dict[str, str] = {}
        self._gone: dict[str, Verdict] = {}

    def see(self, snapshot: Snapshot, names: Iterable[str]) -> None:
        """Record the registries of those names. One that is created again under the same name is a different one."""
        for name in names:
            meta = (snapshot.of("ModelRegistry", name) or {}).get("metadata") or {}
            known = self._identities.setdefault(name, meta.get("uid", ""))
            since = f" (since {meta['deletionTimestamp']})" if meta.get("deletionTimestamp") else ""
            if since or (known and meta.get("uid") != known):
                message = f"Another user or another run deleted it while this task waited for it{since}."
                step = "Find out who deletes it, then run the task again."
                self._gone[name] = Verdict(FAILED, "deleted", message, step, f"metadata of ModelRegistry {name}")

    def of(self, name: str) -> Verdict | None:
        """Return the verdict on a deleted registry; None for any other, including one that never existed."""
        return self._gone.get(name)


class _StaleFailureFilter:
    """Tracks the failures at the first look, and how long to wait for each to happen again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._old: dict[str, tuple[str, float]] = {}
        """By registry, the attempt that had failed (empty if none), and until when to wait for another one."""

    def of(self, name: str, verdict: Verdict) -> Verdict:
        """Return the verdict, as waiting as long as its attempt is not repeated."""
        now, failed = self._clock.monotonic(), verdict.state == FAILED
        if name not in self._old:
            self._old[name] = (verdict.attempt if failed else "", now + verdict.retry + RETRY)
        attempt, until = self._old[name]
        if not failed or not attempt or verdict.attempt != attempt or now >= until:
            return verdict
        return replace(verdict, state=WAITING, message=f"It failed and is retried: {verdict.message}")


class _WatchCache:
    """The current objects of some kinds in a namespace, kept up to date by a thread with a watch for each kind."""

    def __init__(
        self, cluster: Cluster, namespace: str, kinds: Iterable[str], known: Mapping[str, Listed] | None = None
    ) -> None:
        self._cluster = cluster
        self._known = dict(known or {})
        self._namespace = namespace
        self._kinds = tuple(kinds)
        self._objects: dict[str, dict[str, Object]] = {}
        self._unreadable: dict[str, str] = {}
        self._troubles: dict[str, RegistryError] = {}
        """Why the last list of a kind failed."""
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._end = threading.Event()
        self._watching = threading.Event()
        # Daemons: a thread that waits for the server must not delay the end of the module.
        self._threads = [threading.Thread(target=self._follow, args=(kind,), daemon=True) for kind in self._kinds]

    def __enter__(self) -> _WatchCache:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._watching.set()

    def watch(self) -> None:
        """Go on from the first lists to watches: if all registries are done, the lists are enough."""
        self._watching.set()

    def snapshot(self, seconds: float) -> Snapshot | None:
        """Wait for a change, at most that long, and return the objects. None if they are unknown, or no longer known.

        Raises errors that make waiting pointless.
        """
        self._changed.wait(max(0.0, seconds))
        self._changed.clear()
        with self._lock:
            trouble = self._troubles.get("ModelRegistry")
            # A request that was allowed before and is refused now met a starting API server, which loads its rules later.
            if isinstance(trouble, (Forbidden, NotFound, Unauthorized)) and "ModelRegistry" not in self._objects:
                raise trouble
            if self._troubles or not set(self._kinds) <= {*self._objects, *self._unreadable}:
                return None
            return Snapshot({kind: dict(items) for kind, items in self._objects.items()}, dict(self._unreadable))

    def unknown(self, names: Iterable[str]) -> dict[str, Verdict]:
        """Return verdicts on registries that cannot be read at this moment."""
        with self._lock:
            troubles = [str(trouble) for trouble in self._troubles.values()]
        message = troubles[0] if troubles else "The API server has not answered yet."
        return {name: Verdict(WAITING, "unknown", message) for name in names}

    def _follow(self, kind: str) -> None:
        while not self._end.is_set():
            try:
                self._follow_once(kind)
            except RegistryError as error:
                if isinstance(error, Forbidden) and kind != "ModelRegistry" and kind not in self._objects:
                    self._refuse(kind, error)
                    return
                self._report(kind, error)
            except (AttributeError, HTTPException, LookupError, OSError, ValueError) as error:
                # Half an answer, or a connection that ends unexpectedly. If the thread ended here, waiting would silently
                # go on with old objects.
                why = f"the API server's answer cannot be read ({type(error).__name__})"
                self._report(kind, Unreachable(kind, why, "Check proxies between here and the API server."))
            self._end.wait(PAUSE)

    def _follow_once(self, kind: str) -> None:
        known = kind in self._known
        items, version = self._known.pop(kind) if known else self._cluster.list(kind, self._namespace)
        with self._lock:
            self._objects[kind] = {item["metadata"]["name"]: item for item in items}
            self._troubles.pop(kind, None)
        self._changed.set()
        self._watching.wait()
        if self._end.is_set():
            return
        try:
            for what, item in self._cluster.watch(kind, self._namespace, version, WATCH):
                self._take(kind, what, item)
                if self._end.is_set():
                    return
        except Forbidden:
            self._end.wait(POLL)

    def _take(self, kind: str, what: str, item: Object) -> None:
        with self._lock:
            if what == "DELETED":
                self._objects[kind].pop(item["metadata"]["name"], None)
            elif what in ("ADDED", "MODIFIED"):
                self._objects[kind][item["metadata"]["name"]] = item
        self._changed.set()

    def _refuse(self, kind: str, error: Forbidden) -> None:
        with self._lock:
            self._unreadable[kind] = f"The registries' status is incomplete. {error.next_step}"
        self._changed.set()

    def _report(self, kind: str, error: RegistryError) -> None:
        with self._lock:
            self._troubles[kind] = error
        self._changed.set()
