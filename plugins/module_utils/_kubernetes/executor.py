# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Executes changes for one registry or many: layer by layer, the changes of one layer concurrently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from .._common.errors import NotFound, OutcomeUnknown, RegistryError
from .._common.model import Object
from .changes import Change, layer
from .client import Cluster

__all__ = ["ChangeLog", "Done", "execute", "execute_all"]

Result = TypeVar("Result")
AT_ONCE = 8
"""Requests; the client's connection pool holds ten connections."""


@dataclass(frozen=True)
class Done:
    """A change that was made, or in a dry run would be made."""

    change: Change
    answer: Object | None = field(default=None, repr=False)
    """The server's resulting object; None if the server was not asked."""
    validated: bool = True
    """False if a dry run could not ask the server: what the change builds upon does not exist yet."""


@dataclass
class ChangeLog:
    """What a run has done so far, whether or not the rest succeeds."""

    done: list[Done] = field(default_factory=list)
    outcome_unknown: list[Change] = field(default_factory=list)
    """Changes whose answer was lost."""

    def confirm_unknown(self, changes: Iterable[Change]) -> None:
        """Count a lost change as made if the changes of a later plan no longer include it."""
        open_still = {change.key for change in changes}
        self.done.extend(Done(change) for change in self.outcome_unknown if change.key not in open_still)
        self.outcome_unknown.clear()


def execute(cluster: Cluster, changes: Iterable[Change], record: ChangeLog, dry_run: bool) -> None:
    """Make the changes and record them, even if one fails. Raises the first error.

    The layer with the error is finished first, and the next one is not started.
    """
    (error,) = execute_all(cluster, [(list(changes), record)], dry_run)
    if error is not None:
        raise error


def execute_all(
    cluster: Cluster, jobs: Sequence[tuple[Sequence[Change], ChangeLog]], dry_run: bool
) -> list[RegistryError | None]:
    """Do the same for several jobs at once, each with its own record. Returns each job's first error, or None.

    A job that fails does not stop the others.
    """
    errors: list[RegistryError | None] = [None] * len(jobs)
    for rank in sorted({layer(change) for changes, _record in jobs for change in changes}):
        pending = [
            (place, change)
            for place, (changes, _record) in enumerate(jobs)
            for change in changes
            if errors[place] is None and layer(change) == rank
        ]
        begun = [len(record.done) for _changes, record in jobs]
        results = _at_once([partial(_make, cluster, change, jobs[place][1], dry_run) for place, change in pending])
        for (place, _change), error in zip(pending, results):
            errors[place] = errors[place] or error
        # In planned order, whatever the order of the answers: two runs and check mode report the same.
        places = {change.key: place for place, (_place, change) in enumerate(pending)}
        for (_changes, record), first in zip(jobs, begun):
            record.done[first:] = sorted(record.done[first:], key=lambda done: places[done.change.key])
    return errors


def _at_once(work: Sequence[Callable[[], Result]]) -> list[Result]:
    if len(work) == 1:
        return [work[0]()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: one(), work))


def _make(cluster: Cluster, change: Change, record: ChangeLog, dry_run: bool) -> RegistryError | None:
    """Make one change and record it. Returns the error, if any. Deleting a missing object is not one."""
    pending = ("create", "delete") if dry_run else ()
    unmade = {done.change.key for done in record.done if done.change.action in pending}
    try:
        if unmade.intersection(change.needs):
            record.done.append(Done(change, validated=False))
        else:
            record.done.append(Done(change, cluster.write(change, dry_run)))
    except NotFound as error:
        return None if change.action == "delete" else error
    except OutcomeUnknown as error:
        record.outcome_unknown.append(change)
        return error
    except RegistryError as error:
        return error
    return None
