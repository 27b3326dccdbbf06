# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run for one registry in a few lines for people: what became of it, what changed, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._common.model import Object
from .._common.text import printable_name
from .._kubernetes.changes import Change
from .._kubernetes.merge_patch import field_paths
from .description import FACTS
from .plan import MOST

__all__ = ["Outcome", "absent_summary", "aftermath", "change_lines", "present_summary"]

CHECKED = " (check mode: nothing is written)"
LONGEST = 60
"""Characters of a value that are shown."""
STORED = {"Secret": "password", "ConfigMap": "certificate authority"}
"""What the collection stores for a registry in an object of each kind."""


@dataclass(frozen=True)
class Outcome:
    """What a successful run did for one registry."""

    name: str
    namespace: str
    changes: Sequence[Change]
    seconds: float | None
    """After how long the registry was ready or gone; None if that was not awaited."""
    check_mode: bool = False
    before: Object | None = None
    """The registry before and after, as options; None if there is none."""
    after: Object | None = None
    existing: Collection[str] | None = None
    """The registries of the namespace before a deletion; None if nothing was to be deleted."""
    also_deleted: Sequence[Object] = ()
    retained: Sequence[Object] = ()


def present_summary(outcome: Outcome) -> list[str]:
    """Return what became of a registry that was to be present, and a line for each change."""
    changes, seconds = outcome.changes, outcome.seconds
    after = outcome.after or {}
    done = "created" if outcome.before is None else "changed" if changes else "unchanged"
    if outcome.check_mode:
        head = f"would {'stay unchanged' if done == 'unchanged' else f'be {done}'}{CHECKED}"
    elif seconds is None:
        head = f"is {done}, and not waited for (wait: false)"
    else:
        head = f"is {done} and ready{f' after {seconds:.0f} s' if changes or seconds >= 1 else ''}"
        head += f": {after['url']}" if "url" in after else ""
    return [f"{outcome.name} {head}", *change_lines(outcome.before, after, changes)]


def change_lines(before: Object | None, after: Object, changes: Iterable[Change]) -> list[str]:
    """Return a line for each change, in the words of the options. What is only the collection's own mark is left out."""
    changes = list(changes)
    fields = [] if before is None else list(_differences(before, after))
    return [f"  {line}" for line in (*fields, *filter(None, map(_object_line, changes)))]


def absent_summary(outcome: Outcome) -> list[str]:
    """Return what became of a registry that was to be absent, what was deleted with it, and what stays."""
    fate = "would be deleted" if outcome.check_mode else "deleted"
    deleted = [{"kind": change.kind, "name": change.name} for change in outcome.changes if change.action == "delete"]
    return [
        _absent_head(outcome),
        *(_fate(fate, item) for item in (*deleted, *outcome.also_deleted)),
        *(_fate("stays", item) for item in outcome.retained),
    ]


def _absent_head(outcome: Outcome) -> str:
    name, others = outcome.name, sorted(outcome.existing or ())
    if name not in others:
        listed = ", ".join(map(printable_name, others[:MOST])) + (" and others" if len(others) > MOST else "")
        there = f"It has {listed}." if others else "It has no registries."
        return f"There is no registry {name} in namespace {outcome.namespace}. {there}"
    if outcome.check_mode:
        return f"{name} would be deleted{CHECKED}"
    if outcome.seconds is None:
        return f"{name} is being deleted, and not waited for (wait: false)"
    return f"{name} is deleted" + (f" after {outcome.seconds:.0f} s" if outcome.seconds >= 1 else "")


def _fate(fate: str, item: Object) -> str:
    reason = f" ({item['reason']})" if item.get("reason") else ""
    return f"  {fate}: {item['kind']} {printable_name(item['name'])}{reason}"


def aftermath(
    name: str, before: Object | None, after: Object | None, changes: Sequence[Change], is_serving: bool
) -> str:
    """Return what a failed run leaves, and how to go on or back; nothing if it changed nothing.

    is_serving: whether a pod from before still serves.
    """
    if not changes:
        return ""
    if before is None:
        made = " and ".join(f"{change.kind} {change.name}" for change in changes if change.action == "create")
        go_on = "Once the cause is fixed, run the same again to go on"
        return f"What this run created stays: {made}. {go_on}, or delete ModelRegistry {name} with state: absent."
    serving = "The pod from before still serves, with the previous values. " if is_serving else ""
    lines = "; ".join(line.strip() for line in change_lines(before, after or before, changes))
    return f"{serving}What this run changed stays ({lines}): give the previous values to go back."


def _differences(before: Object, after: Object, path: str = "") -> Iterator[str]:
    """Yield a line for each option that differs, as: database.host: 'old' -> 'new'."""
    for option in [*before, *(option for option in after if option not in before)]:
        old, new = before.get(option), after.get(option)
        if (not path and option in FACTS) or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{path}{option}.")
        else:
            yield f"{path}{option}: {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    text = printable_name(value)
    return f"'{text[:LONGEST]}…'" if len(text) > LONGEST else f"'{text}'"


def _object_line(change: Change) -> str:
    """Return the line about an object other than the registry; nothing if only a mark of the collection's changes."""
    if change.action == "restart":
        return "pods: restarted"
    if change.kind not in STORED:
        return ""
    if change.action == "delete":
        return f"{change.kind} {change.name}: deleted, since it is no longer used"
    if change.action == "create":
        return f"{STORED[change.kind]}: stored in {change.kind} {change.name}"
    paths = [path for path in field_paths(change.body) if not path.startswith("metadata.")]
    return f"{STORED[change.kind]}: changed in {change.kind} {change.name}" if paths else ""
