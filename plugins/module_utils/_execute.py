# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes changes: layer by layer, those of a layer at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby

from ._cluster import Cluster
from ._core.errors import Missing, OutcomeUnknown, RegistryError
from ._core.model import Object
from ._core.plan import Change, layer

__all__ = ["Done", "Record", "execute"]

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
    for group in groupby(sorted(changes, key=layer), key=layer):
        errors = _layer(cluster, list(group[1]), record, dry_run)
        if errors:
            raise errors[0]


def _layer(cluster: Cluster, changes: Sequence[Change], record: Record, dry_run: bool) -> list[RegistryError]:
    pending = ("create", "delete") if dry_run else ()
    unmade = {done.change.key for done in record.done if done.change.action in pending}

    def make(change: Change) -> RegistryError | None:
        if unmade.intersection(change.needs):
            record.done.append(Done(change, validated=False))
            return None
        try:
            record.done.append(Done(change, cluster.write(change, dry_run)))
        except Missing as error:
            return None if change.action == "delete" else error
        except OutcomeUnknown as error:
            record.unsure.append(change)
            return error
        except RegistryError as error:
            return error
        return None

    first = len(record.done)
    if len(changes) == 1:
        results = [make(changes[0])]
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(make, changes))
    # As planned, whatever the order of the answers: two runs and check mode say the same.
    places = {change.key: place for place, change in enumerate(changes)}
    record.done[first:] = sorted(record.done[first:], key=lambda done: places[done.change.key])
    return [error for error in results if error is not None]
