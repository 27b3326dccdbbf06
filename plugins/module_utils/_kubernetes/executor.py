# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes changes, for one registry or many: layer by layer, those of a layer at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from .._common.errors import Missing, OutcomeUnknown, RegistryError
from .._common.model import Object
from .changes import Change, layer
from .client import Cluster

__all__ = ["Done", "Record", "execute", "execute_all"]

Result = TypeVar("Result")
AT_ONCE = 8
"""Requests; the client's connection pool holds ten connections."""


@dataclass(frozen=True)
class Done:
    """A change that was made, or in a dry run, would be."""

    change: Change
    answer: Object | None = field(default=None, repr=False)
    """The object as the server has it then; None where it was not asked."""
    validated: bool = True
    """False where a dry run could not ask the server: what the change builds upon is not there yet."""


@dataclass
class Record:
    """What a run has done so far, whatever becomes of the rest of it."""

    done: list[Done] = field(default_factory=list)
    unsure: list[Change] = field(default_factory=list)
    """Changes whose answer was lost."""

    def settle(self, changes: Iterable[Change]) -> None:
        """Count those of the lost changes as made that a plan made afterwards has no more."""
        open_still = {change.key for change in changes}
        self.done.extend(Done(change) for change in self.unsure if change.key not in open_still)
        self.unsure.clear()


def execute(cluster: Cluster, changes: Iterable[Change], record: Record, dry_run: bool) -> None:
    """Make the changes and enter them in the record, also where one fails: then the first error is raised.

    A layer is finished before the error is, and the next one is not begun.
    """
    (error,) = execute_all(cluster, [(list(changes), record)], dry_run)
    if error is not None:
        raise error


def execute_all(
    cluster: Cluster, jobs: Sequence[tuple[Sequence[Change], Record]], dry_run: bool
) -> list[RegistryError | None]:
    """The same for several jobs at once, each with a record of its own. Gives the first error of each, or None.

    A job that fails does not keep the others from coming to their end.
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
        # As planned, whatever the order of the answers: two runs and check mode say the same.
        places = {change.key: place for place, (_place, change) in enumerate(pending)}
        for (_changes, record), first in zip(jobs, begun):
            record.done[first:] = sorted(record.done[first:], key=lambda done: places[done.change.key])
    return errors


def _at_once(work: Sequence[Callable[[], Result]]) -> list[Result]:
    if len(work) == 1:
        return [work[0]()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: one(), work))


def _make(cluster: Cluster, change: Change, record: Record, dry_run: bool) -> RegistryError | None:
    """Make one change and enter it in the record. Gives the error, if any; one that is gone needs no deletion."""
    pending = ("create", "delete") if dry_run else ()
    unmade = {done.change.key for done in record.done if done.change.action in pending}
    try:
        if unmade.intersection(change.needs):
            record.done.append(Done(change, validated=False))
        else:
            record.done.append(Done(change, cluster.write(change, dry_run)))
    except Missing as error:
        return None if change.action == "delete" else error
    except OutcomeUnknown as error:
        record.unsure.append(change)
        return error
    except RegistryError as error:
        return error
    return None
