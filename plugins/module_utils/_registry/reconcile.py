# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From wanted registries to results: observe, plan, execute, wait, and repeat after concurrent changes."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Protocol

from .._common.errors import AlreadyExists, Conflict, InvalidInput, NotReady, OutcomeUnknown, RegistryError
from .._common.model import Object, Registry
from .._common.names import MAX_NAME_LENGTH_WITH_PROXY, check_length
from .._common.progress import report_progress
from .._kubernetes.changes import Change, Key, deletion_of, layer
from .._kubernetes.client import Listed
from .._kubernetes.executor import ChangeLog, Done, execute_all
from .._kubernetes.merge_patch import applied
from .._kubernetes.run import Run
from .auth_proxy import overridden
from .deletion import DeletionOptions, Dependents, plan_absent
from .description import described
from .export import proxy_of, uses
from .observe import observe_dependents, observe_for_absent, observe_for_present, observe_objects, observe_pods
from .plan import NamespaceState, Plan, password_not_used, plan_present, restart_of
from .restart import RESTARTED, Seen, is_behind
from .rollout import registry_of
from .summary import aftermath
from .verdict import DELETING, GONE, READY, WAITING, Verdict
from .wait import Hooks, wait_until_gone, wait_until_ready

__all__ = ["ReconcileResult", "ReconcileResults", "ensure_absent", "ensure_present"]

ROUNDS = 4
"""How often to observe and plan, at most."""
RESTARTS = 3
"""How often to restart pods again, at most, if old ones still serve: the operator may undo a restart."""
PAUSE = 0.2
"""Seconds before the second round; doubled before each further one."""


@dataclass
class ReconcileResult:
    """The result of a run for one registry, so far."""

    record: ChangeLog = field(default_factory=ChangeLog)
    before: Object | None = None
    """The registry before the run, as options of model_registry; None if there was none."""
    registry: Object | None = None
    """As options of model_registry; None if there is none."""
    existing: tuple[str, ...] | None = None
    """The registries that the namespace had before a deletion; None if nothing is to be deleted."""
    retained: tuple[Object, ...] = ()
    also_deleted: tuple[Object, ...] = ()
    warnings: list[str] = field(default_factory=list)
    error: RegistryError | None = None
    """Why the run failed for this registry; None if it did not."""


ReconcileResults = Mapping[str, ReconcileResult]
"""By the registry's name."""


def ensure_present(run: Run, registries: Sequence[Registry], outcomes: ReconcileResults) -> None:
    """Create registries or edit them, and wait until they are ready. One that fails does not stop the others.

    Nothing is stored for a registry before the API server accepts it in a dry run. If it still refuses the real request,
    the objects that this run created are deleted again.
    outcomes: filled during the run, errors included. Only unexpected errors are raised.
    """
    presence = _EnsurePresent(run, registries, outcomes)
    _converge(run, presence, outcomes)
    presence.take_back()
    presence.explain()


def ensure_absent(run: Run, options: DeletionOptions, outcomes: ReconcileResults) -> None:
    """Delete the registries, wait until they are gone, and delete what was created for each alone.

    Without waiting, the rest stays: the registry's finalizers may need it while the registry exists. Errors: as above.
    """
    _converge(run, _EnsureAbsent(run, options, outcomes), outcomes)


class _Job(Protocol):
    """The steps of a round, each for the registries of these names."""

    def observe(self, names: Sequence[str], listed: Listed | None) -> None:
        """Read the current state. listed: the registries, if they were just listed."""

    def plan(self, name: str) -> Plan:
        """Plan the changes for one registry."""

    def stored(self, names: Sequence[str]) -> None:
        """Read the state after Secrets and ConfigMaps are written, before anything else is."""

    def wait(self, names: Sequence[str]) -> None:
        """Wait for the effect of the changes, and record in the outcomes if it does not come."""


class _EnsurePresent:
    """Ensures that registries exist as wanted."""

    def __init__(self, run: Run, registries: Sequence[Registry], outcomes: ReconcileResults) -> None:
        self._run, self._outcomes, self._deadline = run, outcomes, run.deadline()
        self._wanted = {registry.name: registry for registry in registries}
        self._observed = NamespaceState(run.namespace, "", {}, {})
        self._plans: dict[str, Plan] = {}
        self._seen: dict[str, Seen] = {}

    def observe(self, names: Sequence[str], listed: Listed | None) -> None:
        wanted = [self._wanted[name] for name in names]
        self._observed = observe_for_present(self._run.cluster, self._run.namespace, wanted, listed)

    def plan(self, name: str) -> Plan:
        existing, outcome = self._observed.registries.get(name), self._outcomes[name]
        if existing is not None and outcome.before is None and not outcome.record.done:
            outcome.before = described(existing)
        note = password_not_used(self._wanted[name], self._observed)
        outcome.warnings += [note] if note and note not in outcome.warnings else []
        made = plan_present(self._wanted[name], self._observed, _now())
        self._plans[name] = made if self._run.timeout is not None else Plan(made.changes)
        return self._plans[name]

    def stored(self, names: Sequence[str]) -> None:
        marked = [name for name in names if self._plans[name].marks]
        if not self._run.waits or not marked:
            return
        pods = observe_pods(self._run.cluster, self._run.namespace)
        for name in marked:
            old = None if pods is None else frozenset(one["metadata"]["uid"] for one in _pods_of(name, pods))
            self._seen[name] = Seen(_stamps(self._plans[name].changes), old)

    def wait(self, names: Sequence[str]) -> None:
        self._wait(names)
        for name in names:
            outcome = self._outcomes[name]
            note = overridden(self._wanted[name].auth_proxy, outcome.registry)
            outcome.warnings += [note] if note and note not in outcome.warnings else []

    def _wait(self, names: Sequence[str]) -> None:
        run, observed = self._run, self._observed
        for name in names:
            self._outcomes[name].registry = _as_stored(run, name, observed, self._outcomes[name].record)
        if not run.waits or not names:
            return
        edited = [name for name in names if self._outcomes[name].record.done]
        self._ready(names, None if edited else (list(observed.registries.values()), observed.revision))
        self._renew([name for name in names if self._plans[name].marks])
        ready = {("ModelRegistry", name) for name in edited if self._outcomes[name].error is None}
        for (_kind, _namespace, name), found in observe_objects(run.cluster, run.namespace, ready).items():
            self._outcomes[name].registry = described(found)

    def take_back(self) -> None:
        """Delete what was created for refused registries, and report in their errors what was stored."""
        for name, outcome in self._outcomes.items():
            stored = [one for one in outcome.record.done if not layer(one.change)]
            error = outcome.error
            if (
                error is None
                or isinstance(error, NotReady)
                or self._run.check_mode
                or not stored
                or self._is_written(name)
            ):
                continue
            spec = self._observed.registries.get(name, {}).get("spec") or {}
            made = [
                one.answer for one in stored if one.change.action == "create" and not uses(spec, *one.change.key[::2])
            ]
            gone = [deletion_of(item, self._run.namespace) for item in made if item is not None]
            _execute(self._run, {name: gone}, self._outcomes)
            outcome.error = _with_stored(
                error, [one.change for one in stored], {one.key for one in gone}, outcome.error
            )

    def explain(self) -> None:
        """Add what this run leaves to the error of each registry that is not ready."""
        for name, outcome in self._outcomes.items():
            error, made = outcome.error, [done.change for done in outcome.record.done]
            if isinstance(error, NotReady) and made:
                left = aftermath(name, outcome.before, outcome.registry, made, self._is_serving(name))
                outcome.error = NotReady(error.what, error.why, f"{left} {error.next_step}".strip())

    def _is_serving(self, name: str) -> bool:
        """Return whether a pod of the registry is available, as far as this can be read."""
        try:
            found = observe_objects(self._run.cluster, self._run.namespace, {("Deployment", name)})
        except RegistryError:
            return False
        return any((item.get("status") or {}).get("availableReplicas") for item in found.values())

    def _is_written(self, name: str) -> bool:
        """Return whether this run wrote the registry itself, or may have."""
        record = self._outcomes[name].record
        return any(
            one.kind == "ModelRegistry" for one in (*(done.change for done in record.done), *record.outcome_unknown)
        )

    def _ready(self, names: Sequence[str], listed: Listed | None = None) -> None:
        run, hooks = self._run, Hooks(report=_report, registries=listed)
        _expect(READY, wait_until_ready(run.cluster, run.namespace, names, self._deadline, hooks), run, self._outcomes)

    def _renew(self, names: Sequence[str]) -> None:
        """Restart pods again until all that serve are seen to be younger than the changes."""
        run = self._run
        for turn in range(RESTARTS + 1):
            behind = self._behind([name for name in names if self._outcomes[name].error is None])
            if not behind:
                return
            if turn == RESTARTS:
                for name in behind:
                    self._outcomes[name].error = _not_renewed(name)
                return
            restarts = {name: (restart_of(name, run.namespace, found, _now()),) for name, found in behind.items()}
            for name, changes in restarts.items():
                self._seen[name] = replace(self._seen[name], stamps=self._seen[name].stamps | _stamps(changes))
            _execute(run, restarts, self._outcomes)
            names = [name for name in restarts if self._outcomes[name].error is None]
            if names:
                self._ready(names)

    def _behind(self, names: Sequence[str]) -> dict[str, Object]:
        """Return, by name, the Deployments of registries whose pods may still have the old values."""
        run = self._run
        found = observe_objects(run.cluster, run.namespace, {("Deployment", name) for name in names})
        deployments = {name: item for (_kind, _namespace, name), item in found.items() if name in names}

        def behind(pods: Sequence[Object] | None) -> dict[str, Object]:
            return {
                name: item
                for name, item in deployments.items()
                if is_behind(
                    item, None if pods is None else _pods_of(name, pods), self._plans[name].marks, self._seen[name]
                )
            }

        # Pods are read only if the Deployments do not prove it.
        return behind(observe_pods(run.cluster, run.namespace)) if behind(None) else {}


class _EnsureAbsent:
    """Ensures that registries are gone, with what was created for each alone."""

    def __init__(self, run: Run, options: DeletionOptions, outcomes: ReconcileResults) -> None:
        self._run, self._options, self._outcomes, self._deadline = run, options, outcomes, run.deadline()
        self._observed = NamespaceState(run.namespace, "", {}, {})
        self._dependents: Mapping[str, Dependents] = {}

    def observe(self, names: Sequence[str], listed: Listed | None) -> None:
        run = self._run
        self._observed = observe_for_absent(run.cluster, run.namespace, names, listed)
        there = [name for name in names if name in self._observed.registries]
        self._dependents = observe_dependents(run.cluster, there)

    def plan(self, name: str) -> Plan:
        outcome, registry = self._outcomes[name], self._observed.registries.get(name)
        if not outcome.record.done:
            outcome.existing = tuple(self._observed.registries)
        dependents = self._dependents.get(name, Dependents())
        if registry is not None:
            outcome.registry, outcome.warnings = described(registry), list(dependents.warnings)
        removal = plan_absent(name, self._observed, dependents, self._options)
        if registry is None:
            return removal.plan
        outcome.retained, outcome.also_deleted = removal.retained, removal.also_deleted
        if self._run.timeout is not None:
            return removal.plan
        outcome.warnings += _pending_deletion_warnings(removal.plan.after_ready)
        return Plan(removal.plan.changes)

    def stored(self, names: Sequence[str]) -> None:
        """Do nothing: no change is written that pods must notice."""

    def wait(self, names: Sequence[str]) -> None:
        run, going = self._run, [name for name in names if self._outcomes[name].registry]
        if run.waits and going:
            verdicts = wait_until_gone(run.cluster, run.namespace, going, self._deadline, Hooks(report=_report))
            _expect(GONE, verdicts, run, self._outcomes)


def _report(name: str, verdict: Verdict) -> None:
    report_progress(name, verdict.message if verdict.state in (WAITING, DELETING) else "")


def _pods_of(name: str, pods: Iterable[Object]) -> list[Object]:
    return [pod for pod in pods if registry_of(pod) == name]


def _stamps(changes: Iterable[Change]) -> frozenset[str]:
    """Return what restarts among the changes write into the pod template."""
    bodies = [change.body["spec"]["template"]["metadata"] for change in changes if change.action == "restart"]
    return frozenset(meta["annotations"][RESTARTED] for meta in bodies)


def _not_renewed(name: str) -> NotReady:
    why = f"its pods still have the old value after {RESTARTS} restarts"
    step = (
        "Check the log of the model registry operator and other clients that change the Deployment, then run the task again: "
        "the change stays marked until new pods serve."
    )
    return NotReady(f"Deployment {name}", why, step)


def _pending_deletion_warnings(changes: Sequence[Change]) -> list[str]:
    """Return the warnings about deletions that the run does not wait for."""
    if not changes:
        return []
    names = ", ".join(f"{change.kind} {change.name}" for change in changes)
    return [f"Not deleted yet, since the registry still exists: {names}. Run the task again once it is deleted."]


def _converge(run: Run, job: _Job, outcomes: ReconcileResults) -> None:
    """Plan, execute, wait and settle, until no other client interferes.

    A lost answer and another client's change are treated alike: observing again tells what is left to do.
    """
    names, listed, ready_before = list(outcomes), run.listed, set[str]()
    for turn in range(ROUNDS):
        ready_before = _reconcile_once(run, job, {name: outcomes[name] for name in names}, listed, ready_before)
        names = [name for name in names if isinstance(outcomes[name].error, (AlreadyExists, Conflict, OutcomeUnknown))]
        listed = None
        if not names or turn == ROUNDS - 1:
            return
        # The other client may be about to write once more.
        time.sleep(PAUSE * 2**turn)


def _reconcile_once(
    run: Run, job: _Job, outcomes: ReconcileResults, listed: Listed | None, ready_before: set[str]
) -> set[str]:
    """Run one round for all of them.

    ready_before: those that settled in the previous round; returns those of this one.
    """
    try:
        job.observe(list(outcomes), listed)
        plans = _plans(job, outcomes)
        for name, plan in plans.items():
            record = outcomes[name].record
            record.confirm_unknown(plan.after_ready if name in ready_before else plan.changes)
            if run.check_mode:
                record.done.clear()
        _accept(run, plans, outcomes)
        plans = {name: plans[name] for name in _succeeded(outcomes)}
        begun = {name: len(outcome.record.done) for name, outcome in outcomes.items()}
        _execute(run, {name: [one for one in plan.changes if not layer(one)] for name, plan in plans.items()}, outcomes)
        job.stored(_succeeded(outcomes))
        rest = {name: [one for one in plans[name].changes if layer(one)] for name in _succeeded(outcomes)}
        _execute(run, rest, outcomes)
        job.wait(_succeeded(outcomes))
    except RegistryError as error:
        # The error concerns all registries.
        for name in _succeeded(outcomes) or outcomes:
            outcomes[name].error = error
        return set()
    succeeded = _succeeded(outcomes)
    made = {name: outcomes[name].record.done[begun[name] :] for name in succeeded}
    _execute(
        run, {name: [_still_as(one, made[name]) for one in plans[name].after_ready] for name in succeeded}, outcomes
    )
    return set(succeeded)


def _plans(job: _Job, outcomes: ReconcileResults) -> dict[str, Plan]:
    """Return the plan for each, recording an error instead if one cannot be planned."""
    plans = {}
    for name, outcome in outcomes.items():
        outcome.error = None
        try:
            plans[name] = job.plan(name)
        except RegistryError as error:
            outcome.error = error
    return plans


def _accept(run: Run, plans: Mapping[str, Plan], outcomes: ReconcileResults) -> None:
    """Let the API server validate registries before anything is stored for them, and record its refusals as errors.

    This costs a request for a registry with a Secret or a ConfigMap, or with a name too long for a proxy, which the
    operator's admission webhook may add. Check mode does it, too, so that it refuses what a run would refuse.
    """
    asked = {name: registry for name, plan in plans.items() if (registry := _to_accept(plan))}
    jobs = [((change,), ChangeLog()) for change in asked.values()]
    for name, error, (_changes, record) in zip(asked, execute_all(run.cluster, jobs, dry_run=True), jobs):
        if error is None or NO_DRY_RUN not in error.why:
            outcomes[name].error = error or _too_long(name, record)


NO_DRY_RUN = "does not support dry run"
"""The API server's words about an admission webhook with side effects: its answer is not known beforehand."""


def _to_accept(plan: Plan) -> Change | None:
    """Return the change of a registry to validate by a dry run; None if that is not needed."""
    stores = any(not layer(change) and change.action != "delete" for change in plan.changes)
    for change in plan.changes:
        if change.kind == "ModelRegistry" and change.action in ("create", "patch"):
            long = change.action == "create" and len(change.name) > MAX_NAME_LENGTH_WITH_PROXY
            return change if stores or long else None
    return None


def _too_long(name: str, record: ChangeLog) -> RegistryError | None:
    """Return the error about a name that is too long for the registry as completed by the API server, or None."""
    for done in record.done:
        if done.change.action == "create" and done.answer is not None:
            try:
                check_length(name, proxy_of(done.answer.get("spec") or {}) is not None)
            except InvalidInput as error:
                return error
    return None


def _with_stored(
    error: RegistryError, stored: Sequence[Change], gone: Collection[Key], problem: RegistryError | None
) -> RegistryError:
    """Return the error with a report of what was stored before it, and whether it still is.

    gone: the objects to delete again. problem: why some of them could not be deleted.
    """
    sentences = []
    for change in stored:
        what = f"{change.kind} {change.name}, which this run had {'created' if change.action == 'create' else 'changed'} before,"
        if change.key not in gone:
            sentences.append(f"{what} stays.")
        elif problem is None:
            sentences.append(f"{what} has been deleted again.")
        else:
            sentences.append(f"{what} could not be deleted again ({problem.why}): delete it.")
    return type(error)(error.what, error.why, " ".join([error.next_step, *sentences]))


def _execute(run: Run, changes: Mapping[str, Sequence[Change]], outcomes: ReconcileResults) -> None:
    jobs = [(planned, outcomes[name].record) for name, planned in changes.items()]
    for name, error in zip(changes, execute_all(run.cluster, jobs, run.check_mode)):
        outcomes[name].error = error


def _succeeded(outcomes: ReconcileResults) -> list[str]:
    """Return the names without an error."""
    return [name for name, outcome in outcomes.items() if outcome.error is None]


def _expect(state: str, verdicts: Mapping[str, Verdict], run: Run, outcomes: ReconcileResults) -> None:
    """Record the reason as the error of each registry that is not in the state."""
    for name, verdict in verdicts.items():
        outcome = outcomes[name]
        outcome.warnings.extend(note for note in verdict.notes if note not in outcome.warnings)
        if verdict.state != state:
            is_late = verdict.state == WAITING or (state, verdict.state) == (GONE, DELETING)
            late = f"not {state} after {run.timeout:g} s: " if is_late else ""
            source = f" ({verdict.source})" if verdict.source else ""
            outcome.error = NotReady(f"ModelRegistry {name}", f"{late}{verdict.message}{source}", verdict.next_step)


def _as_stored(run: Run, name: str, observed: NamespaceState, record: ChangeLog) -> Object | None:
    """Return the registry after the changes, as far as the server's answers tell."""
    for done in reversed(record.done):
        if done.change.kind == "ModelRegistry" and done.answer is not None:
            stored = described(done.answer)
            if run.check_mode and done.change.action == "create":
                # An object that does not exist has no identity yet.
                stored = {key: value for key, value in stored.items() if key not in ("uid", "created")}
            return stored
    existing = observed.registries.get(name)
    return described(existing) if existing else None


def _still_as(change: Change, made: Sequence[Done]) -> Change:
    """Return the change on condition that the object is as this round left it."""
    answers = [done.answer for done in made if done.change.key == change.key and done.answer]
    # The operator keeps writing a registry's status.
    if not answers or change.kind == "ModelRegistry":
        return change
    version = answers[-1]["metadata"].get("resourceVersion")
    return replace(change, body=applied(change.body, {"metadata": {"resourceVersion": version}}))


def _now() -> str:
    """Return the time, so precise that no two restarts share it: the second would have no effect."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
