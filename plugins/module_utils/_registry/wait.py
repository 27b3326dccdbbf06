# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for registries to become ready or to be gone: one watch of each kind, however many registries there are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from types import TracebackType

from .._common.errors import Forbidden, Missing, RegistryError, Unauthorized, Unreachable
from .._common.model import Object
from .._kubernetes.client import Cluster, Listed
from .status import FAILED, GONE, WAITING, Evidence, Verdict, judge
from .status_reader import KINDS, Clock, Investigation, Snapshot

__all__ = ["Hooks", "wait_until_gone", "wait_until_ready"]

WATCH = 30.0
"""Seconds after which a watch is begun anew with a list, which mends whatever a watch has missed."""
PAUSE = 0.5
"""Seconds before the next list, where a watch has ended or could not be had."""
POLL = 2.0
"""Seconds between lists for a user who may list but not watch."""
LOOK = 1.0
"""Seconds until registries are judged again where nothing has changed: some things are known by their silence."""
FIRST = 5.0
"""Seconds in which a first look must be had, even if the time to wait is shorter: what is ready already is ready."""
RETRY = 20.0
"""Seconds by which the next attempt of a kubelet can be late: it looks at a pod that has failed every 10 to 15."""


@dataclass(frozen=True)
class Hooks:
    """What a caller may replace or listen to."""

    clock: Clock = field(default_factory=Clock)
    report: Callable[[str, Verdict], None] = lambda _name, _verdict: None
    """Called with a registry's name whenever its state or the reason for it is another one."""
    registries: Listed | None = None
    """The registries, where they have been listed just now and nothing was changed since."""


def wait_until_ready(
    cluster: Cluster, namespace: str, names: Iterable[str], deadline: float, hooks: Hooks | None = None
) -> dict[str, Verdict]:
    """Wait until each registry is ready, or has failed in a way that does not mend itself, or the time is up.

    A failure that was there before counts once its attempt has been repeated: what it is about may have been mended.
    deadline: a point of the clock's monotonic time. The verdict "waiting" is that of a registry whose time was up; one that
    is deleted while it is waited for has failed. Raises Forbidden, Unauthorized or Missing if registries cannot be seen at
    all.
    """
    hooks = hooks or Hooks()
    deletions = _Deletions()
    investigation, doubt = Investigation(cluster, namespace, hooks.clock, lasts=True), _Doubt(hooks.clock)

    def judge_all(snapshot: Snapshot, open_ones: Iterable[str]) -> dict[str, Verdict]:
        deletions.see(snapshot, open_ones)
        found = investigation.judge(snapshot, open_ones)
        return {name: deletions.of(name) or doubt.of(name, verdict) for name, verdict in found.items()}

    known = {"ModelRegistry": hooks.registries} if hooks.registries else {}
    with _Mirror(cluster, namespace, KINDS, known) as mirror:
        return _wait(mirror, _Vigil(names, deadline, hooks), judge_all, lambda verdict: verdict.settled)


def wait_until_gone(
    cluster: Cluster, namespace: str, names: Iterable[str], deadline: float, hooks: Hooks | None = None
) -> dict[str, Verdict]:
    """Wait until the registries have gone, or the time is up: then the verdict says which finalizers are left.

    A registry that comes again under the same name is not the one that was waited for.
    """
    hooks = hooks or Hooks()
    identities: dict[str, str] = {}

    def judge_presence(snapshot: Snapshot, open_ones: Iterable[str]) -> dict[str, Verdict]:
        return {name: _presence(snapshot, name, identities, hooks.clock) for name in open_ones}

    with _Mirror(cluster, namespace, ("ModelRegistry",)) as mirror:
        return _wait(mirror, _Vigil(names, deadline, hooks), judge_presence, lambda verdict: verdict.state == GONE)


@dataclass(frozen=True)
class _Vigil:
    """For whom is waited, and how long."""

    names: Iterable[str]
    deadline: float
    hooks: Hooks


def _wait(
    mirror: _Mirror,
    vigil: _Vigil,
    judge_all: Callable[[Snapshot, Iterable[str]], dict[str, Verdict]],
    done: Callable[[Verdict], bool],
) -> dict[str, Verdict]:
    """Judge again whenever something has changed or a while has gone by, those alone that are not done."""
    verdicts: dict[str, Verdict] = {}
    open_ones = list(dict.fromkeys(vigil.names))
    clock = vigil.hooks.clock
    deadline = max(vigil.deadline, clock.monotonic() + FIRST)
    while open_ones:
        snapshot = mirror.snapshot(min(LOOK, deadline - clock.monotonic()))
        if snapshot:
            deadline = vigil.deadline
        found = judge_all(snapshot, open_ones) if snapshot else mirror.unknown(open_ones)
        for name, verdict in found.items():
            before = verdicts.get(name)
            verdicts[name] = verdict
            if before is None or (before.state, before.reason, before.notes) != (
                verdict.state,
                verdict.reason,
                verdict.notes,
            ):
                vigil.hooks.report(name, verdict)
        open_ones = [name for name in open_ones if not done(verdicts[name])]
        if open_ones and snapshot:
            mirror.watch()
        if clock.monotonic() >= deadline:
            break
    return verdicts


def _presence(snapshot: Snapshot, name: str, identities: dict[str, str], clock: Clock) -> Verdict:
    registry = snapshot.of("ModelRegistry", name)
    if registry and identities.setdefault(name, registry["metadata"]["uid"]) != registry["metadata"]["uid"]:
        registry = None
    return judge(Evidence(registry, clock.wall()))


class _Deletions:
    """Knows which of the registries were there, and have been deleted since."""

    def __init__(self) -> None:
        self._identities: dict[str, str] = {}
        self._gone: dict[str, Verdict] = {}

    def see(self, snapshot: Snapshot, names: Iterable[str]) -> None:
        """Take note of the registries of those names. One that comes again under the same name is another one."""
        for name in names:
            meta = (snapshot.of("ModelRegistry", name) or {}).get("metadata") or {}
            known = self._identities.setdefault(name, meta.get("uid", ""))
            since = f" (since {meta['deletionTimestamp']})" if meta.get("deletionTimestamp") else ""
            if since or (known and meta.get("uid") != known):
                message = f"It was deleted while this task waited for it{since}: by another user, or another run."
                step = "Find out who deletes it, then run the task again."
                self._gone[name] = Verdict(FAILED, "deleted", message, step, f"metadata of ModelRegistry {name}")

    def of(self, name: str) -> Verdict | None:
        """Return the verdict on a registry that has been deleted; None for any other, one that was never there too."""
        return self._gone.get(name)


class _Doubt:
    """Knows which failures were there at the first look, and how long they are waited for to happen again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._old: dict[str, tuple[str, float]] = {}
        """By registry, the attempt that had failed, empty where none had, and until when another one is awaited."""

    def of(self, name: str, verdict: Verdict) -> Verdict:
        """The verdict, or as long as its attempt has not been repeated, that this is waited for."""
        now, failed = self._clock.monotonic(), verdict.state == FAILED
        if name not in self._old:
            self._old[name] = (verdict.attempt if failed else "", now + verdict.retry + RETRY)
        attempt, until = self._old[name]
        if not failed or not attempt or verdict.attempt != attempt or now >= until:
            return verdict
        return replace(verdict, state=WAITING, message=f"It has failed and is tried again: {verdict.message}")


class _Mirror:
    """The objects of some kinds in a namespace as they are now, kept up by a thread with a watch for each kind."""

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
        """Why a kind could not be listed the last time."""
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._end = threading.Event()
        self._watching = threading.Event()
        # Daemons: one that waits for a word of the server must not hold the module up at its end.
        self._threads = [threading.Thread(target=self._follow, args=(kind,), daemon=True) for kind in self._kinds]

    def __enter__(self) -> _Mirror:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._watching.set()

    def watch(self) -> None:
        """Go on from the first lists to watches: where all is as it should be, the lists are enough."""
        self._watching.set()

    def snapshot(self, seconds: float) -> Snapshot | None:
        """Wait for a change, but no longer; then what is there. None where that is not known, or not any more.

        Raises what makes waiting pointless.
        """
        self._changed.wait(max(0.0, seconds))
        self._changed.clear()
        with self._lock:
            trouble = self._troubles.get("ModelRegistry")
            # One that was answered once and is refused now has met an API server that starts: its rules come a little later.
            if isinstance(trouble, (Forbidden, Missing, Unauthorized)) and "ModelRegistry" not in self._objects:
                raise trouble
            if self._troubles or not set(self._kinds) <= {*self._objects, *self._unreadable}:
                return None
            return Snapshot({kind: dict(items) for kind, items in self._objects.items()}, dict(self._unreadable))

    def unknown(self, names: Iterable[str]) -> dict[str, Verdict]:
        """What can be said of registries that cannot be seen at this moment."""
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
                # Half an answer, or a connection that ends where the client does not expect it. A thread that ended here
                # would leave the waiting to what was there before, without a word.
                why = f"what the API server has sent cannot be read ({type(error).__name__})"
                self._report(kind, Unreachable(kind, why, "Look at what stands between here and the API server."))
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
            self._unreadable[kind] = f"Whether registries are ready is only partly known. {error.next_step}"
        self._changed.set()

    def _report(self, kind: str, error: RegistryError) -> None:
        with self._lock:
            self._troubles[kind] = error
        self._changed.set()
