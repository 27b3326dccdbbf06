# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that sends fields of other types: a status, or an error that names the object and the field."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import operator
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.api_shape import (
    NotAnApi,
    check_object,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.restart import Mark, restart_due
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.rollout import timestamp
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.status_reader import (
    Clock,
    Snapshot,
    StatusReader,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.verdict import Verdict
from hypothesis import given, settings
from hypothesis import strategies as st

SAMPLES: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("samples", "registries.json").read_text())
KINDS = {
    "registry": "ModelRegistry",
    "deployment": "Deployment",
    "pods": "Pod",
    "endpoints": "Endpoints",
    "events": "Event",
}
LAST = {"terminated": {"finishedAt": "9999-12-31T23:59:59Z"}}
ENDED = {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {'9' * 20}m{'9' * 20}s restarting"}}
WRONG: tuple[Any, ...] = (
    *("x", "", 7, -1, 10**30, 1.5, True, None, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
    *([], {}, [None], ["x"], [7], [{}], [[]], {"name": 7}, {"x": "y"}, [{"name": "x"}]),
    *(ENDED, LAST, [{"name": "rest-container", "state": LAST, "restartCount": 10**30}]),
    [{"name": "rest-container", "state": ENDED, "lastState": {"terminated": {"finishedAt": "2026-11-23T08:00:00Z"}}}],
)
"""Instead of what a field holds: other types, and the right type with values at its ends."""
LOG = "I1123 08:36:07.072722       1 service.go:53] Connecting to EmbedMD service...\n"

Way = tuple[Any, ...]


def paths(value: Any, path: Way = ()) -> Iterator[Way]:
    """Yield the path of each field and element, at any depth."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from paths(value[key], (*path, key))


PLACES = [(name, path) for name, sample in SAMPLES.items() for path in paths(sample) if path[0] in KINDS]


class Api:
    """What the status needs besides the objects: logs, events and Services."""

    clock_skew = None

    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def log(self, _namespace: str, _pod: str, _container: str, **_run: bool) -> str:
        return LOG

    def list(self, kind: str, *_place: Any, **_selector: Any) -> tuple[list[Any], str]:
        return [check_object(item, kind) for item in self._events], "1"

    def get(self, *_place: Any) -> None:
        return None


def status_of(sample: dict[str, Any], name: str, seconds: int) -> Verdict:
    """Return the verdict on a sampled registry, whose objects are checked as the client does."""
    objects: dict[str, dict[str, Any]] = {}
    for part, kind in KINDS.items():
        items = sample.get(part) or []
        for item in items if part in ("pods", "events") and isinstance(items, list) else [items]:
            if isinstance(item, dict) and item:
                checked = check_object({**item, "kind": kind}, kind)
                objects.setdefault(kind, {})[checked["metadata"]["name"]] = checked
    made = timestamp(SAMPLES[name]["registry"]["metadata"]["creationTimestamp"])
    assert made
    clock = Clock(wall=lambda: made + timedelta(seconds=seconds))
    api = cast(Cluster, Api(list(objects.pop("Event", {}).values())))
    for deployment in objects.get("Deployment", {}).values():
        restart_due([Mark("x", made)], deployment, list(objects.get("Pod", {}).values()))
    return StatusReader(api, "n", clock).statuses(Snapshot(objects), [name])[name]


def outcome(sample: dict[str, Any], name: str, seconds: int) -> str:
    """Return state and reason of the registry, or the error."""
    try:
        verdict = status_of(sample, name, seconds)
    except NotAnApi as error:
        return str(error)
    return f"{verdict.state}: {verdict.reason}"


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3), st.sampled_from(WRONG), st.sampled_from((1, 30, 600)))
def test_wrong_types_at_any_depth(places: list[tuple[str, Way]], wrong: Any, seconds: int) -> None:
    name = places[0][0]
    sample = copy.deepcopy(SAMPLES[name])
    # Of several places, an earlier one may have taken the later one away.
    for _where, path in (place for place in places if place[0] == name):
        with contextlib.suppress(KeyError, IndexError, TypeError):
            parent = functools.reduce(operator.getitem, path[:-1], sample)
            parent[path[-1]] = copy.deepcopy(wrong)
    told = outcome(sample, name, seconds)
    assert re.fullmatch(
        r"it sent (\w+ \S+ with [\w.\[\]/:-]+ missing or of another type|a \w+ without a name)|\w+: \w+", told
    )
