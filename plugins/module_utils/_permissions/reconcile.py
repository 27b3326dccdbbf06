# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use a registry: observe, plan and execute until nothing is left to do, then verify."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._common.errors import (
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
from .._common.model import Grant, Object
from .._common.names import check_name, user_role, users_group
from .._kubernetes.changes import Change, layer
from .._kubernetes.client import Cluster
from .._kubernetes.executor import Done, Record, execute
from .._kubernetes.reviews import Answer
from .._kubernetes.run import Run
from .bindings import (
    Wish,
    entries,
    given,
    misdirected,
    plan_grants,
    plan_without_role,
    predicted,
    read_bindings,
    remark_without_role,
    remarks,
)
from .group_members import members_of, no_groups, plan_members, wanted_members
from .reviews import LATER, SOON, Sleep, answers, settled_answers
from .subject_lookup import CLUSTER_ROLE, check_existence
from .verification import bystanders, expected_access, not_effective, undone

__all__ = ["Demand", "Permissions", "ensure_permissions"]

ROUNDS = 12
"""How often to observe and plan, at most, while others change the same permissions."""
POLL = 0.5
"""Seconds between two checks for what the operator is about to create."""


@dataclass(frozen=True)
class Demand:
    """The requested permissions."""

    wish: Wish
    members: tuple[str, ...] | None = None
    """Users in OpenShift's Group of the registry; None leaves the Group unchanged."""
    verify: bool = True
    must_exist: bool = False

    @property
    def adds(self) -> bool:
        """Whether to give access, which requires the registry to exist."""
        return self.wish.state != "absent"


@dataclass
class Permissions:
    """The result of a run, as far as it got."""

    record: Record = field(default_factory=Record)
    grants: list[Object] = field(default_factory=list)
    members: list[str] | None = None
    before: frozenset[Grant] = frozenset()
    """What was granted when the run began."""
    seen: frozenset[Grant] = frozenset()
    """All that was granted at any observation of the run."""
    seen_members: frozenset[str] = frozenset()
    after: frozenset[Grant] = frozenset()
    others: dict[Grant, Answer] | None = None
    """Other subjects with access by other roles; None if not reviewed."""
    verified: bool = False
    is_known: bool = False
    """Whether the run has seen the resulting grants, so that grants and after contain them."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Scene:
    """A registry's permissions at one moment."""

    namespace: str
    registry: Object | None
    bindings: list[Object]
    """All RoleBindings of the namespace."""
    group: Object | None
    """OpenShift's Group of the registry, if it was looked up."""
    without_role: frozenset[str] = frozenset()
    """Names of the RoleBindings meant for the registry whose role does not exist."""

    def lacking(self, bindings: Iterable[Object], registry: str) -> list[Object]:
        """Return the RoleBindings that still give a role that does not exist."""
        return [one for one in misdirected(bindings, registry) if one["metadata"]["name"] in self.without_role]


@dataclass(frozen=True)
class _Patience:
    """How long to wait."""

    run: Run
    deadline: float
    """By time.monotonic()."""
    sleep: Sleep


def ensure_permissions(run: Run, demand: Demand, outcome: Permissions, sleep: Sleep = time.sleep) -> None:
    """Make the permissions as requested, and verify them."""
    patience = _Patience(run, run.deadline(), sleep)
    scene = _observe(run, demand, outcome)
    outcome.before = outcome.seen
    _check_names(run.cluster, demand, scene, outcome)
    scene = _settle_in(demand, outcome, scene, patience)
    name = demand.wish.registry
    changes = [one.change for one in outcome.record.done] if run.check_mode else []
    then = predicted(scene.bindings, changes)
    outcome.warnings += remarks(name, read_bindings(then, name))
    outcome.warnings += remark_without_role(name, scene.lacking(then, name))
    _report(demand, outcome, scene, changes)
    if demand.members is not None and run.check_mode:
        outcome.members = wanted_members(members_of(scene.group), demand.members, demand.wish.state)
    if demand.verify and not run.check_mode:
        _prove(demand, outcome, scene, patience)


def _report(demand: Demand, outcome: Permissions, scene: _Scene, changes: Iterable[Change] = ()) -> None:
    """Record the permissions as they are, or would be after the changes, in the outcome."""
    bindings = read_bindings(predicted(scene.bindings, changes), demand.wish.registry)
    outcome.after = given(bindings)
    outcome.is_known = True
    outcome.grants = [{**entry, "verified": False} for entry in entries(bindings)]
    if demand.members is not None:
        outcome.members = members_of(scene.group)


def _observe(run: Run, demand: Demand, outcome: Permissions) -> _Scene:
    """Return what exists, and record it in the outcome. Raises Missing and Refused if the request is impossible."""
    name, cluster = demand.wish.registry, run.cluster
    registry = cluster.get("ModelRegistry", run.namespace, name)
    if demand.adds and registry is None and run.check_mode:
        # An earlier task could have created it, but not with such a name.
        check_name(name, "registry")
    elif demand.adds and registry is None:
        why = f"there is no registry of that name in namespace {run.namespace}"
        raise Missing(f"ModelRegistry {name}", why, "Create it first, with model_registry, or correct the name.")
    since = ((registry or {}).get("metadata") or {}).get("deletionTimestamp")
    if demand.adds and since:
        step = "Wait until it is gone, and create it anew."
        raise Refused(f"ModelRegistry {name}", f"it is being deleted since {since}", step)
    bindings = cluster.list("RoleBinding", run.namespace)[0]
    group = None if demand.members is None else _group(cluster, users_group(name), bool(demand.members))
    outcome.seen |= given(read_bindings(bindings, name))
    outcome.seen_members |= set(members_of(group))
    return _Scene(run.namespace, registry, bindings, group, _without_role(run, misdirected(bindings, name)))


def _without_role(run: Run, bindings: Sequence[Object]) -> frozenset[str]:
    """Return the names of the RoleBindings whose role does not exist. One that may not be read is assumed to exist."""
    exists: dict[tuple[str, str], bool] = {}
    for binding in bindings:
        kind, name = key = (binding["roleRef"]["kind"], binding["roleRef"]["name"])
        if key not in exists:
            try:
                exists[key] = run.cluster.get(kind, run.namespace if kind == "Role" else None, name) is not None
            except Forbidden:
                exists[key] = True
    return frozenset(
        one["metadata"]["name"] for one in bindings if not exists[one["roleRef"]["kind"], one["roleRef"]["name"]]
    )


def _group(cluster: Cluster, name: str, needed: bool) -> Object | None:
    try:
        group = cluster.get("Group", None, name)
    except Forbidden as error:
        raise Forbidden(error.what, error.why, f"{error.next_step} {CLUSTER_ROLE}") from None
    if group is None and needed and not cluster.serves("Group"):
        raise no_groups(name)
    return group


def _check_names(cluster: Cluster, demand: Demand, scene: _Scene, outcome: Permissions) -> None:
    """Check that the cluster knows the subjects that get access; with must_exist, also those that have it."""
    if not demand.adds:
        return
    known = frozenset() if demand.must_exist else outcome.before
    joined = () if demand.must_exist else members_of(scene.group)
    members = set(demand.members or ()) - set(joined)
    outcome.warnings += check_existence(cluster, demand.wish.grants - known, members, demand.must_exist)


def _settle_in(demand: Demand, outcome: Permissions, scene: _Scene, patience: _Patience) -> _Scene:
    """Write until all is observed as requested, and return that observation. Changes that take away come last.

    Two concurrent runs see each other's writes in that last observation. The one that finishes later thus ends as if it
    had begun after the other. If they undo each other's work, random pauses let one of them finish.
    """
    run, why = patience.run, "others kept changing them at the same time"
    problem: RegistryError = Conflict(f"permissions of {demand.wish.registry}", why, "Run the task again.")
    for turn in range(ROUNDS):
        giving, taking = _plan(demand, scene)
        outcome.record.settle([*giving, *taking])
        if run.check_mode:
            _rehearse(run, [giving, taking], scene, outcome)
            return scene
        lacks_group = _lacks_group(demand, scene)
        if not giving and not taking and not lacks_group:
            return scene
        try:
            _write(run.cluster, giving or taking, outcome.record)
        except (AlreadyThere, Conflict, OutcomeUnknown) as error:
            problem = error
        except Missing as error:
            problem = error
            _wait_for("Role", user_role(demand.wish.registry), patience)
        if lacks_group:
            _wait_for("Group", users_group(demand.wish.registry), patience)
        patience.sleep(random.uniform(0, 0.05 * 2 ** min(turn - 1, 4)) if turn else 0)  # noqa: S311
        scene = _observe(run, demand, outcome)
    raise problem


def _plan(demand: Demand, scene: _Scene) -> tuple[list[Change], list[Change]]:
    """Return the changes that give access, and those that take it away afterwards."""
    giving, taking = plan_grants(demand.wish, scene.namespace, scene.registry, scene.bindings)
    left = scene.lacking(predicted(scene.bindings, giving), demand.wish.registry)
    taking += plan_without_role(demand.wish, scene.namespace, left)
    if scene.group is not None and demand.members is not None:
        change = plan_members(scene.group, demand.members, demand.wish.state)
        if change:
            removes = set(members_of(scene.group)) - set(change.body["users"])
            (taking if removes else giving).append(change)
    return giving, taking


def _write(cluster: Cluster, changes: Sequence[Change], record: Record) -> None:
    """Make the changes, the first one alone: if the Role does not exist yet, all would be refused for the same reason."""
    ordered = sorted(changes, key=layer)
    execute(cluster, ordered[:1], record, dry_run=False)
    execute(cluster, ordered[1:], record, dry_run=False)


def _lacks_group(demand: Demand, scene: _Scene) -> bool:
    """Return whether users are to join a Group that the operator has not created yet."""
    return bool(demand.adds and demand.members and scene.group is None)


def _rehearse(run: Run, steps: Sequence[list[Change]], scene: _Scene, outcome: Permissions) -> None:
    """Have the server validate the changes, if what they depend on exists already."""
    record, changes = outcome.record, [change for step in steps for change in step]
    if scene.registry is None and changes:
        outcome.warnings.append(
            "There is no such registry. In check mode it is assumed that an earlier task would have created it."
        )
        record.done.extend(Done(change, validated=False) for change in changes)
        return
    try:
        for step in steps:
            execute(run.cluster, step, record, dry_run=True)
    except Missing as error:
        outcome.warnings.append(f"Not all could be checked. {error}")
        asked = [done.change for done in record.done]
        record.done.extend(Done(change, validated=False) for change in changes if change not in asked)


def _wait_for(kind: str, name: str, patience: _Patience) -> None:
    """Wait until the operator has created an object. Raises NotReady."""
    run = patience.run
    while run.cluster.get(kind, run.namespace if kind == "Role" else None, name) is None:
        if time.monotonic() + POLL > patience.deadline:
            late = f" after {run.timeout:g} s" if run.waits else ""
            step = "Check that the operator runs, and look at the registry's status with model_registry_info."
            raise NotReady(f"{kind} {name}", f"it is not there{late}: the operator makes it for each registry", step)
        patience.sleep(POLL)


def _prove(demand: Demand, outcome: Permissions, scene: _Scene, patience: _Patience) -> None:
    """Ask the API server about all subjects that expected_access() names. Raises NotEffective."""
    left = outcome.seen_members - set(outcome.members or ())
    expected = expected_access(demand.wish, demand.members, outcome.seen - outcome.after, left)
    run, name = patience.run, demand.wish.registry
    found: dict[Grant, Answer] = {}
    refuted = expected
    for pauses in (SOON, LATER):
        found.update(settled_answers(run.cluster, run.namespace, name, refuted, (pauses, patience.sleep)))
        refuted = {grant: expected[grant] for grant, answer in found.items() if answer.allowed != expected[grant]}
        if not refuted:
            break
        _look_again(demand, outcome, scene, refuted, patience)
    for entry in outcome.grants:
        grant = Grant(entry["kind"], entry.get("namespace", ""), entry["name"])
        entry["verified"] = expected.get(grant, False) and grant not in refuted
    if refuted:
        role = run.cluster.get("Role", run.namespace, user_role(name)) if any(refuted.values()) else None
        raise not_effective(name, refuted, found, role)
    outcome.verified = True
    if demand.wish.state == "exact":
        asked = answers(run.cluster, run.namespace, name, bystanders(name, scene.bindings, expected))
        outcome.others = {grant: answer for grant, answer in asked.items() if answer.allowed}


def _look_again(
    demand: Demand, outcome: Permissions, then: _Scene, refuted: Mapping[Grant, bool], patience: _Patience
) -> None:
    """Find out whether answers differ because of concurrent changes, or because the Role does not exist yet.

    Raises NotEffective for the former. Waits for the latter, since an administrator of the cluster may grant a Role
    that does not exist; raises NotReady then.
    """
    name = demand.wish.registry
    scene = _observe(patience.run, demand, outcome)
    texts = undone(refuted, _standing(demand, then), _standing(demand, scene))
    if texts:
        _report(demand, outcome, scene)
        why = f"somebody else has changed them meanwhile: {', '.join(texts)}"
        raise NotEffective(f"permissions of {name}", why, "Run the task again where they are to be as it says.")
    if any(refuted.values()):
        _wait_for("Role", user_role(name), patience)


def _standing(demand: Demand, scene: _Scene) -> set[Grant]:
    """Return all grants, including those to members, and to the Group if all named members are in it."""
    name, members = demand.wish.registry, set(members_of(scene.group))
    complete = members.issuperset(demand.members or ())
    return {
        *given(read_bindings(scene.bindings, name)),
        *(Grant("User", "", member) for member in members),
        *((Grant("Group", "", users_group(name)),) if complete else ()),
    }
