# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a registry as a value, and all the evidence that it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .._common.model import Object
from .export import database_of, is_generated
from .rollout import (
    newest_pods,
    timestamp,
)

__all__ = ["DELETING", "FAILED", "GONE", "READY", "WAITING", "Log", "StatusInputs", "Verdict", "host_service"]

READY, WAITING, FAILED, DELETING, GONE = "ready", "waiting", "failed", "deleting", "gone"


@dataclass(frozen=True)
class Verdict:
    """The state of a registry, the reason, and what to do about it."""

    state: str
    """ready, waiting, failed, deleting, gone."""
    reason: str
    """A short code, stable across languages and releases."""
    message: str
    """One sentence, with the database's or Kubernetes' own words."""
    next_step: str = ""
    """What to do; empty if there is nothing to do."""
    source: str = ""
    """Where the message comes from."""
    notes: tuple[str, ...] = ()
    """What could not be read, and the missing permission."""
    attempt: str = ""
    """The failed attempt of something that repeats by itself; empty if nothing does."""
    retry: float = 0.0
    """Approximate seconds until the next attempt."""

    @property
    def settled(self) -> bool:
        """Whether waiting any longer for a ready registry would not change it."""
        return self.state != WAITING


@dataclass(frozen=True)
class Log:
    """The logs of a container: of its current run, and of the one before its last restart."""

    current: str = ""
    previous: str = ""


@dataclass(frozen=True)
class StatusInputs:
    """All that is known about one registry. What does not exist is empty; what may not be read is in ``unreadable``."""

    registry: Object | None
    now: datetime
    """By the cluster's clock."""
    deployment: Object | None = None
    pods: Sequence[Object] = ()
    """All of the registry's."""
    database: Object | None = None
    """The Deployment of a database that the operator runs itself."""
    database_pods: Sequence[Object] = ()
    endpoints: Object | None = None
    logs: Mapping[tuple[str, str], Log] = field(default_factory=dict)
    """By pod and container."""
    events: Sequence[Object] = ()
    """Of pods that wait for their volumes, and of the claims of pods that cannot be scheduled."""
    host_exists: bool | None = None
    """Whether the Service that the database's host names exists; None if it names none, or if that is unknown."""
    restart_pending: bool = False
    """Whether the password or the authority changed and the pods still have the old one."""
    operator_acted: datetime | None = None
    """When the operator last acted in the namespace, by the API server's clock."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """By kind (Deployment, Pod, log, …), the missing permission, in words."""

    def age(self, since: datetime | None, item: Object | None = None) -> timedelta:
        """Return how long ago that was; zero if there is no time.

        item: the object whose status has the time. A node's or a controller's clock may be behind the API server's, so the
        age of the item is the limit.
        """
        made = timestamp(item["metadata"].get("creationTimestamp")) if item else None
        return timedelta(0) if since is None else self.now - max(since, made or since)

    @property
    def name(self) -> str:
        """The registry's resource name."""
        name: str = self.registry["metadata"]["name"] if self.registry else ""
        return name

    @property
    def newest(self) -> list[Object]:
        """The pods of the newest rollout."""
        return newest_pods(self.deployment or {"metadata": {}}, self.pods)

    @property
    def newest_of_database(self) -> list[Object]:
        """The same for a database that the operator runs itself."""
        return newest_pods(self.database or {"metadata": {}}, self.database_pods)

    @property
    def generates(self) -> bool:
        """Whether the operator runs the registry's database itself."""
        return is_generated((self.registry or {}).get("spec") or {})


def host_service(registry: Object) -> tuple[str, str] | None:
    """Return namespace and name of the Service that the database's host names; None if it names none.

    A bare name is looked up in the pod's own namespace (Kubernetes' DNS for Services).
    """
    host = database_of(registry.get("spec") or {}).host or ""
    own = registry["metadata"].get("namespace", "")
    match = re.fullmatch(r"([a-z0-9-]+)(?:\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?\.?)?", host)
    if match is None or match[1].isdigit():
        return None
    return match[2] or own, match[1]
