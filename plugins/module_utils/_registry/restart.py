# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a registry's pods run with its current Secret, certificate authority and spec.

A change that running pods do not notice leaves a mark, RESTART_PENDING, on the changed object. The mark's value is
unique. The restart for it writes the same value into the pod template, which passes it on to each pod. So a pod can prove
that it is younger than the change: it carries the mark's value, or the cluster's clock says so, or this run saw that it
did not exist yet when the change was stored. This machine's clock is never used.

The Deployment's template alone proves nothing once the operator writes the whole of it: that drops RESTARTED, and the
template can again be that of an old ReplicaSet, whose pod has served all the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .._common.model import Object
from .rollout import edited_at, rollout_message, timestamp

__all__ = [
    "RESTARTED",
    "RESTART_PENDING",
    "Mark",
    "Seen",
    "is_behind",
    "mark_of",
    "restart_due",
    "restart_value",
]

RESTART_PENDING = "ansible.opendatahub.io/restart-pending"
"""Annotation on a Secret, a ConfigMap or a registry: pods must be younger than the change that set it."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""Annotation on a pod template, as `kubectl rollout restart` sets it."""


@dataclass(frozen=True)
class Mark:
    """A change; the pods must be younger than it."""

    value: str
    """The value of RESTART_PENDING."""
    since: datetime | None = None
    """When the object was last written, by the cluster's clock, in whole seconds; None if this run will write it."""


@dataclass(frozen=True)
class Seen:
    """What a run knows about pods beyond the cluster's state."""

    stamps: frozenset[str] = frozenset()
    """Values of RESTARTED that it wrote after the changes."""
    old: frozenset[str] | None = None
    """The UIDs of all pods that existed just after the changes were stored; None if they may not be listed."""


def mark_of(item: Object) -> Mark | None:
    """Return the mark on a stored object, or in a body to write; None if no restart is pending."""
    value = ((item.get("metadata") or {}).get("annotations") or {}).get(RESTART_PENDING)
    return Mark(str(value), edited_at(item)) if value else None


def restart_due(marks: Iterable[Mark], deployment: Object | None, pods: Iterable[Object] | None) -> bool:
    """Return whether pods must be restarted for any of the marks, and no restart for it is in progress.

    pods: the registry's; None if unknown. A Deployment that does not exist yet creates its first pods later.
    """
    if deployment is None:
        return False
    waiting = [mark for mark in marks if _stamp(_template(deployment)) != mark.value]
    return bool(waiting) and (pods is None or not _all_younger(pods, waiting, Seen()))


def is_behind(deployment: Object | None, pods: Iterable[Object] | None, marks: Iterable[Mark], seen: Seen) -> bool:
    """Return whether, after a rollout, some pods are not proved to be younger than the changes."""
    if deployment is None:
        return False
    marks = list(marks)
    stamp = _stamp(_template(deployment))
    if not rollout_message(deployment) and (stamp in seen.stamps or all(stamp == mark.value for mark in marks)):
        return False
    return pods is None or not _all_younger(pods, marks, seen)


def restart_value(marks: Iterable[str], now: str) -> str:
    """Return the value that a restart writes: the mark's, so that pods prove their age to later runs, or the time.

    One value cannot stand for several marks, and a mark that is not a time is not written where users expect one.
    """
    values = set(marks)
    (only,) = values if len(values) == 1 else (now,)
    return only if timestamp(only) else now


def _all_younger(pods: Iterable[Object], marks: Iterable[Mark], seen: Seen) -> bool:
    marks = list(marks)
    return all(_is_younger(pod, mark, seen) for pod in pods if _is_alive(pod) for mark in marks)


def _is_younger(pod: Object, mark: Mark, seen: Seen) -> bool:
    meta = pod["metadata"]
    if _stamp(pod) in {mark.value, *seen.stamps}:
        return True
    if seen.old is not None and meta.get("uid") not in seen.old:
        return True
    made = timestamp(meta.get("creationTimestamp"))
    # Within the same second, either can be the first.
    return made is not None and mark.since is not None and made > mark.since


def _is_alive(pod: Object) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
    return not ended and not pod["metadata"].get("deletionTimestamp")


def _template(deployment: Object) -> Object:
    template: Object = (deployment.get("spec") or {}).get("template") or {}
    return template


def _stamp(item: Mapping[str, Object]) -> str | None:
    """Return the value of RESTARTED on a pod or a pod template."""
    value = ((item.get("metadata") or {}).get("annotations") or {}).get(RESTARTED)
    return None if value is None else str(value)
