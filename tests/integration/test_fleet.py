# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many registries at once: the operator has one worker and 20 requests a second, so most of them wait their turn."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet import made_at_once
from registries import Registries
from testbed_fixtures import Start

COUNT = 60
SECONDS = 45.0
"""The wait for all of them together."""
SILENCE = 20.0
"""Seconds without a status after which a single registry's operator counts as silent."""


def test_registries_that_wait_their_turn_are_not_failed(start: Start) -> None:
    """At the real pace, none fails before its time, though the operator reaches some later than it answers a single one.

    Without a node: 60 servers would be too much for a small machine, and no registry needs to become ready for this.
    """
    with start(databases=(), time_factor=1) as bed:
        registries = Registries(bed)
        bed.stop("node")
        meta = {"name": "fleet", "namespace": registries.namespace}
        registries.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": "p"}})
        errors = made_at_once(bed, COUNT, SECONDS)
        first_words = [_first_words(item) for item in registries.api.list(registries.version, "ModelRegistry")]
    assert len(errors) == len(first_words) == COUNT
    early = {name: error for name, error in errors.items() if not error or "not ready after" not in error}
    assert not early, early
    assert max(first_words) > SILENCE, "the operator was so fast that none had to wait for its turn"


def _first_words(registry: dict[str, Any]) -> float:
    """Return the seconds from a registry's creation to the operator's first condition; those of the whole wait if there is none."""
    conditions = registry.get("status", {}).get("conditions", [])
    times = [datetime.fromisoformat(one["lastTransitionTime"]) for one in conditions]
    created = datetime.fromisoformat(registry["metadata"]["creationTimestamp"])
    return (min(times) - created).total_seconds() if times else SECONDS
