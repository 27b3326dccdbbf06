# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run works, how, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .client import Cluster, Listed

__all__ = ["Run"]


@dataclass(frozen=True)
class Run:
    """Where, how, and for how long."""

    cluster: Cluster
    namespace: str
    check_mode: bool
    timeout: float | None
    """Seconds to wait until all is ready or gone; None does not wait."""
    listed: Listed | None = None
    """The registries of the namespace, where they were listed just now to find it."""

    @property
    def waits(self) -> bool:
        """Whether there is anything to wait for."""
        return self.timeout is not None and not self.check_mode

    def deadline(self) -> float:
        """When waiting ends, by time.monotonic()."""
        return time.monotonic() + (self.timeout or 0)
