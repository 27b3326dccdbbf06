# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The duration of each step, for a waiting user."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.cache import Say

__all__ = ["step"]


@contextmanager
def step(what: str, say: Say) -> Iterator[None]:
    """Report a step and its duration, unless it fails."""
    started = time.monotonic()
    yield
    say(f"{time.monotonic() - started:5.1f} s  {what}")
