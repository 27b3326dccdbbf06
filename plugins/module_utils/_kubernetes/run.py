# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster, namespace, mode and time limit of a run."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .client import Cluster, Listed

__all__ = ["Run"]


@dataclass(frozen=True)
class Run:
    """Cluster, namespace, mode and time limit."""

    cluster: Cluster
    namespace: str
    check_mode: bool
    timeout: float | None
    """Seconds to wait until all registries are ready or gone; None does not wait."""
    listed: Listed | None = None
    """The registries of the namespace, if they were just listed to find it."""

    @property
    def waits(self) -> bool:
        """Whether the run waits."""
        return self.timeout is not None and not self.check_mode

    def deadline(self) -> float:
        """Return when waiting ends, by time.monotonic()."""
        return time.monotonic() + (self.timeout or 0)
