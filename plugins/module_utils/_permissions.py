# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use a registry: observe, plan, execute, until a look finds nothing left to do; then proof."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ._cluster import Cluster
from ._core.access import sources, why_not, why_still
from ._core.errors import (
    AlreadyThere,
    Conflict,
    Forbidden,
    Missing,
    NotEffective,
    NotReady,
    OutcomeUnknown,
    Refused,
    RegistryError,
)
from ._core.grants import Wish, entries, given, plan_grants, predicted, read_bindings, remarks
from ._core.members import members_of, no_groups, plan_members, wanted_members
from ._core.model import Grant, Object
from ._core.names import user_role, users_group
from ._core.plan import Plan
from ._engine import Run
from ._execute import Done, Record, execute
from ._existence import CLUSTER_ROLE, check_existence
from ._reviews import Sleep, settled_answers

__all__ = ["Demand", "Permissions", "ensure_permissions"]

ROUNDS = 12
"""How often is observed and planned, at most, while others change the same permissions."""
POLL = 0.5
"""Seconds between two looks for what the operator is about to make."""
SHOWN = 5
"""How many refuted grants an error names, at most."""


@dataclass(frozen=True)
class Demand:
    """What is asked for."""

    wish: Wish
    members: tuple[str, ...] | None = None
    """People in OpenShift's Group of the registry; None leaves the Group alone."""
    verify: bool = True
    must_exist: bool = False

    @property
    def adds(self) -> bool:
        """Whether somebody is to get access, so that the registry has to be there."""
        return self.wish.state != "absent"


@dataclass
class Permissions:
    """What a run has come to, as far as it got."""

    record: Record = field(default_factory=Record)
    grants: list[Object] = field(default_factory=list)
    members: list[str] | None = None
    before: frozenset[Grant] = frozenset()
    """What was granted when the run began."""
    after: frozenset[Grant] = frozenset()
    verified: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Scene:
    """A registry's permissions as they are at one moment."""

    namespace: str
    registry: Object | None
    bindings: list[Object]
    """All RoleBindings of the namespace."""
    group: Object | None
    """OpenShift's Group of the registry, where it was looked for."""


@dataclass(frozen=True)
class _Patience:
    """How long is waited."""

    run: Run
    deadline: float
    """By time.monotonic()."""
    sleep: Sleep


def ensure_permissions(run: Run, demand: Demand, outcome: Permissions, sleep: Sleep = time.sleep) -> None:
    """Make the permissions as demanded, and prove it."""
    scene = _observe(run, demand)
    name, done = demand.wish.registry, outcome.record.done
    outcome.before = given(read_bindings(scene.bindings, name))
    _check_names(run.cluster, demand, scene, outcome)
    scene = _settle_in(run, demand, outcome, scene, sleep)
    changes = [one.change for one in done] if run.check_mode else []
    bindings = read_bindings(predicted(scene.bindings, changes), name)
    outcome.after = given(bindings)
    outcome.grants = [{**entry, "verified": False} for entry in entries(bindings)]
    outcome.warnings += remarks(name, bindings)
    if demand.members is not None:
        now = members_of(scene.group)
        outcome.members = wanted_members(now, demand.members, demand.wish.state) if run.check_mode else now
    if demand.verify and not run.check_mode:
        _prove(run, demand, outcome, sleep)


def _observe(run: Run, demand: Demand) -> _Scene:
    """What is there. Raises Missing and Refused where the demand has no ground."""
    name, cluster = demand.wish.registry, run.cluster
    registry = cluster.get("ModelRegistry", run.namespace, name)
    if demand.adds and registry is None and not run.check_mode:
        why = f"there is no registry of that name in namespace {run.namespace}"
        raise Missing(f"ModelRegistry {name}", why, "Create it first, with model_registry, or correct the name.")
    since = ((registry or {}).get("metadata") or {}).get("deletionTimestamp")
    if demand.adds and since:
        step = "Wait until it is gone, and create it anew."
        raise Refused(f"ModelRegistry {name}", f"it is being deleted since {since}", step)
    bindings = cluster.list("RoleBinding", run.namespace)[0]
    group = None if demand.members is None else _group(cluster, users_group(name), bool(demand.members))
    return _Scene(run.namespace, registry, bindings, group)


def _group(cluster: Cluster, name: str, needed: bool) -> Object | None:
    try:
        group = cluster.get("Group", None, name)
    except Forbidden as error:
        raise Forbidden(error.what, error.why, f"{error.next_step} {CLUSTER_ROLE}") from None
    if group is None and needed and not cluster.serves("Group"):
        raise no_groups(name)
    return group


def _check_names(cluster: Cluster, demand: Demand, scene: _Scene, outcome: Permissions) -> None:
    """Whether the cluster knows those who get access; with must_exist, also those who have it."""
    if not demand.adds:
        return
    known = frozenset() if demand.must_exist else outcome.before
    joined = () if demand.must_exist else members_of(scene.group)
    members = set(demand.members or ()) - set(joined)
    outcome.warnings += check_existence(cluster, demand.wish.grants - known, members, demand.must_exist)


def _settle_in(run: Run, demand: Demand, outcome: Permissions, scene: _Scene, sleep: Sleep) -> _Scene:
    """Write until a look finds all as demanded, and give what was seen then.

    Two runs at once see each other's writes in that last look. The one that finishes later thereby ends as if it had
    begun when the other had finished. Where they undo each other's work, random pauses let one of them finish.
    """
    patience = _Patience(run, run.deadline(), sleep)
    why = "others kept changing them at the same time"
    problem: RegistryError = Conflict(f"permissions of {demand.wish.registry}", why, "Run the task again.")
    for turn in range(ROUNDS):
        plan = _plan(demand, scene)
        outcome.record.settle(plan.changes)
        if run.check_mode:
            _rehearse(run, plan, scene, outcome)
            return scene
        lacks_group = _lacks_group(demand, scene)
        if not plan.changes and not lacks_group:
            return scene
        try:
            execute(run.cluster, plan.changes, outcome.record, dry_run=False)
        except (AlreadyThere, Conflict, OutcomeUnknown) as error:
            problem = error
        except Missing as error:
            problem = error
            _wait_for("Role", user_role(demand.wish.registry), patience)
        if lacks_group:
            _wait_for("Group", users_group(demand.wish.registry), patience)
        sleep(random.uniform(0, 0.05 * 2 ** min(turn - 1, 4)) if turn else 0)  # noqa: S311
        scene = _observe(run, demand)
    raise problem


def _plan(demand: Demand, scene: _Scene) -> Plan:
    changes = plan_grants(demand.wish, scene.namespace, scene.registry, scene.bindings)
    if scene.group is not None and demand.members is not None:
        change = plan_members(scene.group, demand.members, demand.wish.state)
        changes += [change] if change else []
    return Plan(tuple(changes))


def _lacks_group(demand: Demand, scene: _Scene) -> bool:
    """Whether people are to become members of a Group that the operator has not made yet."""
    return bool(demand.adds and demand.members and scene.group is None)


def _rehearse(run: Run, plan: Plan, scene: _Scene, outcome: Permissions) -> None:
    """Have the server check the changes, where what they build upon is there already."""
    record = outcome.record
    if scene.registry is None and plan.changes:
        outcome.warnings.append(
            "There is no such registry. In check mode it is assumed that an earlier task would have created it."
        )
        record.done.extend(Done(change, validated=False) for change in plan.changes)
        return
    try:
        execute(run.cluster, plan.changes, record, dry_run=True)
    except Missing as error:
        outcome.warnings.append(f"Not all could be checked. {error}")
        asked = [done.change for done in record.done]
        record.done.extend(Done(change, validated=False) for change in plan.changes if change not in asked)


def _wait_for(kind: str, name: str, patience: _Patience) -> None:
    """Wait until the operator has made something. Raises NotReady."""
    run = patience.run
    while run.cluster.get(kind, run.namespace if kind == "Role" else None, name) is None:
        if time.monotonic() + POLL > patience.deadline:
            late = f" after {run.timeout:g} s" if run.waits else ""
            step = "Check that the operator runs, and look at the registry's status with model_registry_info."
            raise NotReady(f"{kind} {name}", f"it is not there{late}: the operator makes it for each registry", step)
        patience.sleep(POLL)


def _prove(run: Run, demand: Demand, outcome: Permissions, sleep: Sleep) -> None:
    """Ask the API server about every grant that was demanded or taken away. Raises NotEffective."""
    expected = _expected(demand, outcome)
    name, cluster = demand.wish.registry, run.cluster
    found = settled_answers(cluster, run.namespace, name, expected, sleep)
    proven = {grant for grant, answer in found.items() if answer.allowed == expected[grant]}
    for entry in outcome.grants:
        grant = Grant(entry["kind"], entry.get("namespace", ""), entry["name"])
        entry["verified"] = grant in proven and expected[grant]
    refuted = [grant for grant in sorted(found) if grant not in proven]
    if refuted:
        denied = any(expected[grant] for grant in refuted)
        role = cluster.get("Role", run.namespace, user_role(name)) if denied else None
        texts = [
            why_not(grant, name, found[grant], role) if expected[grant] else why_still(grant, found[grant])
            for grant in refuted[:SHOWN]
        ]
        raise _refuted(name, texts, len(refuted) - len(texts), denied)
    outcome.verified = True


def _expected(demand: Demand, outcome: Permissions) -> dict[Grant, bool]:
    """Whom to ask about, and whether they are to have access."""
    wish = demand.wish
    if wish.state == "absent":
        return dict.fromkeys(wish.grants, False)
    wanted = set(wish.grants)
    if demand.members:
        wanted.add(Grant("Group", "", users_group(wish.registry)))
    removed = outcome.before - outcome.after if wish.state == "exact" else frozenset()
    # Who loses a grant, and has access by another one that was wished, is meant to have it.
    gone = {grant for grant in removed if not sources(grant) & wanted}
    return {**dict.fromkeys(gone, False), **dict.fromkeys(wanted, True)}


def _refuted(registry: str, texts: Iterable[str], more: int, denied: bool) -> NotEffective:
    why = ". ".join([*texts, *([f"And {more} more"] if more > 0 else [])])
    step = "Take that away, too, or set verify to false where it is meant."
    if denied:
        step = "Have the cluster's administrator look at the Role and at what else decides on access."
    return NotEffective(f"permissions of {registry}", why, step)
