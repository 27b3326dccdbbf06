# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is wanted to a result: observe, plan, execute, wait; and again where somebody else was faster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TypeVar

from ._cluster import Cluster, Listed
from ._core.errors import AlreadyThere, Conflict, NotReady, OutcomeUnknown
from ._core.export import described
from ._core.model import Object, Registry
from ._core.patch import applied
from ._core.plan import Change, Observed, Plan, plan_present
from ._core.removal import Confirmed, Dependents, Removal, plan_absent
from ._core.status import DELETING, GONE, READY, WAITING, Verdict
from ._execute import Done, Record, execute
from ._observe import observe_dependents, observe_for_absent, observe_for_present
from ._wait import Hooks, wait_until_gone, wait_until_ready

__all__ = ["Outcome", "Run", "ensure_absent", "ensure_present"]

Seen = TypeVar("Seen")
ROUNDS = 4
"""How often is observed and planned, at most."""
PAUSE = 0.2
"""Seconds before the second round; twice as long before each further one."""


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


@dataclass
class Outcome:
    """What a run has come to, as far as it got."""

    record: Record = field(default_factory=Record)
    registry: Object | None = None
    """As options of model_registry, or None where there is none."""
    kept: tuple[Object, ...] = ()
    lost: tuple[Object, ...] = ()
    warnings: list[str] = field(default_factory=list)


def ensure_present(run: Run, registry: Registry, outcome: Outcome) -> None:
    """Create the registry or edit it, and wait until it is ready."""
    cluster, deadline = run.cluster, run.deadline()

    def plan(listed: Listed | None) -> tuple[Plan, Observed]:
        observed = observe_for_present(cluster, run.namespace, [registry], listed)
        made = plan_present(registry, observed, _now())
        return made if run.timeout is not None else Plan(made.changes), observed

    def wait(observed: Observed) -> None:
        outcome.registry = _as_stored(run, registry.name, observed, outcome.record)
        if run.waits:
            known = None if outcome.record.done else (list(observed.registries.values()), observed.revision)
            hooks = Hooks(registries=known)
            _expect(READY, wait_until_ready(cluster, run.namespace, [registry.name], deadline, hooks), run, outcome)

    _converge(run, plan, wait, outcome.record)
    if run.waits and outcome.record.done:
        found = cluster.get("ModelRegistry", run.namespace, registry.name)
        outcome.registry = described(found) if found else None


def ensure_absent(run: Run, name: str, confirmed: Confirmed, outcome: Outcome) -> None:
    """Delete the registry, wait until it is gone, and delete what was made for it alone.

    Without waiting, the rest stays as long as the registry does, whose finalizers may need it.
    """
    cluster, deadline = run.cluster, run.deadline()

    def plan(listed: Listed | None) -> tuple[Plan, Removal]:
        observed, dependents = observe_for_absent(cluster, run.namespace, name, listed), Dependents()
        registry = observed.registries.get(name)
        if registry is not None:
            dependents, outcome.warnings = observe_dependents(cluster, name)
            outcome.registry = described(registry)
        removal = plan_absent(name, observed, dependents, confirmed)
        if registry is not None:
            outcome.kept, outcome.lost = removal.kept, removal.lost
        if registry is None or run.timeout is not None:
            return removal.plan, removal
        outcome.warnings += _left(removal.plan.settling)
        return Plan(removal.plan.changes), removal

    def wait(_removal: Removal) -> None:
        if run.waits and outcome.registry:
            _expect(GONE, wait_until_gone(cluster, run.namespace, [name], deadline), run, outcome)

    _converge(run, plan, wait, outcome.record)


def _left(changes: Sequence[Change]) -> list[str]:
    """What is said of deletions that nobody waits for."""
    if not changes:
        return []
    names = ", ".join(f"{change.kind} {change.name}" for change in changes)
    return [f"Left until the registry is gone: {names}. Run the task again then, and they are deleted, too."]


def _converge(
    run: Run,
    make_plan: Callable[[Listed | None], tuple[Plan, Seen]],
    wait: Callable[[Seen], None],
    record: Record,
) -> None:
    """Plan, execute, wait and settle, until nobody else comes in between.

    A lost answer and a change by somebody else are the same here: looking again tells what is left to do.
    """
    listed, settling = run.listed, False
    for turn in range(ROUNDS):
        plan, seen = make_plan(listed)
        record.settle(plan.settling if settling else plan.changes)
        listed, settling = None, False
        if run.check_mode:
            record.done.clear()
        begun = len(record.done)
        try:
            execute(run.cluster, plan.changes, record, run.check_mode)
            wait(seen)
            settling, made = True, record.done[begun:]
            execute(run.cluster, [_still_as(change, made) for change in plan.settling], record, run.check_mode)
        except (AlreadyThere, Conflict, OutcomeUnknown):
            if turn == ROUNDS - 1:
                raise
            # Whoever was faster may be about to write once more.
            time.sleep(PAUSE * 2**turn)
        else:
            return


def _expect(state: str, verdicts: Mapping[str, Verdict], run: Run, outcome: Outcome) -> None:
    """Raise NotReady for the first registry that is not in the state, with its reason."""
    for name, verdict in verdicts.items():
        outcome.warnings.extend(note for note in verdict.notes if note not in outcome.warnings)
        if verdict.state != state:
            late = f"not {state} after {run.timeout:g} s: " if verdict.state in (WAITING, DELETING) else ""
            source = f" ({verdict.source})" if verdict.source else ""
            raise NotReady(f"ModelRegistry {name}", f"{late}{verdict.message}{source}", verdict.next_step)


def _as_stored(run: Run, name: str, observed: Observed, record: Record) -> Object | None:
    """The registry after the changes, as far as the server has said."""
    for done in reversed(record.done):
        if done.change.kind == "ModelRegistry" and done.answer is not None:
            stored = described(done.answer)
            if run.check_mode and done.change.action == "create":
                # An object that is not there has no identity yet.
                stored = {key: value for key, value in stored.items() if key not in ("uid", "created")}
            return stored
    existing = observed.registries.get(name)
    return described(existing) if existing else None


def _still_as(change: Change, made: Sequence[Done]) -> Change:
    """The change with the condition that the object is as this round has left it."""
    answers = [done.answer for done in made if done.change.key == change.key and done.answer]
    # The operator writes a registry's status again and again.
    if not answers or change.kind == "ModelRegistry":
        return change
    version = answers[-1]["metadata"].get("resourceVersion")
    return replace(change, body=applied(change.body, {"metadata": {"resourceVersion": version}}))


def _now() -> str:
    """The time, so fine that no two restarts have the same: the second would be none."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
