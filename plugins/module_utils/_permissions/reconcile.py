# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use a registry: observe, plan and execute until nothing is left to do, then verify."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._common.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    NotFound,
    NotReady,
    OutcomeUnknown,
    PermissionsNotEffective,
    Refused,
    RegistryError,
)
from .._common.model import Grant, Object
from .._common.names import check_name, user_role, users_group
from .._kubernetes.changes import Change, layer
from .._kubernetes.client import Cluster
from .._kubernetes.executor import ChangeLog, Done, execute
from .._kubernetes.reviews import Answer
from .._kubernetes.run import Run
from .bindings import (
    DesiredGrants,
    binding_warnings,
    entries,
    grants_in,
    misdirected,
    missing_role_warnings,
    plan_grants,
    plan_without_role,
    predicted,
    read_bindings,
)
from .group_members import members_of, no_groups, plan_members, wanted_members
from .reviews import LATER, SOON, Sleep, answers, settled_answers
from .subject_lookup import IN_CLUSTER_ROLE, check_existence
from .verification import concurrent_changes, expected_access, not_effective, other_subjects

__all__ = ["DesiredPermissions", "PermissionsResult", "ensure_permissions"]

ROUNDS = 12
"""How often to observe and plan, at most, while others change the same permissions."""
POLL = 0.5
"""Seconds between two checks for what the operator is about to create."""


@dataclass(frozen=True)
class DesiredPermissions:
    """The requested permissions."""

    grants: DesiredGrants
    members: tuple[str, ...] | None = None
    """Users in OpenShift's Group of the registry; None leaves the Group unchanged."""
    verify: bool = True
    must_exist: bool = False

    @property
    def adds(self) -> bool:
        """Whether to give access, which requires the registry to exist."""
        return self.grants.state != "absent"


@dataclass
class PermissionsResult:
    """The result of a run, as far as it got."""

    record: ChangeLog = field(default_factory=ChangeLog)
    grants: list[Object] = field(default_factory=list)
    members: list[str] | None = None
    before: frozenset[Grant] = frozenset()
    """What was granted when the run began."""
    seen: frozenset[Grant] = frozenset()
    """All that was granted at any observation of the run."""
    seen_members: frozenset[str] = frozenset()
    after: frozenset[Grant] = frozenset()
    other_access: dict[Grant, Answer] | None = None
    """Other subjects with access by other roles; None if not reviewed."""
    verified: bool | None = False
    """None if there was nothing to verify."""
    is_known: bool = False
    """Whether the run has seen the resulting grants, so that grants and after contain them."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _PermissionsState:
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
class _WaitContext:
    """How long to wait."""

    run: Run
    deadline: float
    """By time.monotonic()."""
    sleep: Sleep


def ensure_permissions(
    run: Run, desired: DesiredPermissions, result: PermissionsResult, sleep: Sleep = time.sleep
) -> None:
    """Make the permissions as requested, and verify them."""
    context = _WaitContext(run, run.deadline(), sleep)
    state = _observe(run, desired, result)
    result.before = result.seen
    _check_names(run.cluster, desired, state, result)
    state = _converge(desired, result, state, context)
    name = desired.grants.registry
    changes = [one.change for one in result.record.done] if run.check_mode else []
    then = predicted(state.bindings, changes)
    result.warnings += binding_warnings(name, read_bindings(then, name))
    result.warnings += missing_role_warnings(name, state.lacking(then, name))
    _report(desired, result, state, changes)
    if desired.members is not None and run.check_mode:
        result.members = wanted_members(members_of(state.group), desired.members, desired.grants.state)
    if desired.verify and not run.check_mode:
        _verify(desired, result, state, context)


def _report(
    desired: DesiredPermissions, result: PermissionsResult, state: _PermissionsState, changes: Iterable[Change] = ()
) -> None:
    """Record the permissions as they are, or would be after the changes, in the result."""
    bindings = read_bindings(predicted(state.bindings, changes), desired.grants.registry)
    result.after = grants_in(bindings)
    result.is_known = True
    result.grants = [{**entry, "verified": False} for entry in entries(bindings)]
    if desired.members is not None:
        result.members = members_of(state.group)


def _observe(run: Run, desired: DesiredPermissions, result: PermissionsResult) -> _PermissionsState:
    """Return what exists, and record it in the result. Raises NotFound and Refused if the request is impossible."""
    name, cluster = desired.grants.registry, run.cluster
    registry = cluster.get("ModelRegistry", run.namespace, name)
    if desired.adds and registry is None and run.check_mode:
        # An earlier task could have created it, but not with such a name.
        check_name(name, "registry")
    elif desired.adds and registry is None:
        why = f"there is no registry of that name in namespace {run.namespace}"
        raise NotFound(f"ModelRegistry {name}", why, "Create it first, with model_registry, or correct the name.")
    since = ((registry or {}).get("metadata") or {}).get("deletionTimestamp")
    if desired.adds and since:
        step = "Wait until it is deleted, then create it again."
        raise Refused(f"ModelRegistry {name}", f"it is being deleted since {since}", step)
    bindings = cluster.list("RoleBinding", run.namespace)[0]
    group = None if desired.members is None else _group(cluster, users_group(name), bool(desired.members))
    result.seen |= grants_in(read_bindings(bindings, name))
    result.seen_members |= set(members_of(group))
    return _PermissionsState(run.namespace, registry, bindings, group, _without_role(run, misdirected(bindings, name)))


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
        raise Forbidden(error.what, error.why, f"{error.next_step} {IN_CLUSTER_ROLE}") from None
    if group is None and needed and not cluster.serves("Group"):
        raise no_groups(name)
    return group


def _check_names(
    cluster: Cluster, desired: DesiredPermissions, state: _PermissionsState, result: PermissionsResult
) -> None:
    """Check that the cluster knows the subjects that get access; with must_exist, also those that have it."""
    if not desired.adds:
        return
    known = frozenset() if desired.must_exist else result.before
    joined = () if desired.must_exist else members_of(state.group)
    members = set(desired.members or ()) - set(joined)
    result.warnings += check_existence(cluster, desired.grants.grants - known, members, desired.must_exist)


def _converge(
    desired: DesiredPermissions, result: PermissionsResult, state: _PermissionsState, context: _WaitContext
) -> _PermissionsState:
    """Write until all is observed as requested, and return that observation. Changes that take away come last.

    Two concurrent runs see each other's writes in that last observation. The one that finishes later thus ends as if it
    had begun after the other. If they undo each other's work, random pauses let one of them finish.
    """
    run, why = context.run, "other clients keep changing them at the same time"
    problem: RegistryError = Conflict(f"permissions of {desired.grants.registry}", why, "Run the task again.")
    for turn in range(ROUNDS):
        additions, removals = _plan(desired, state)
        result.record.confirm_unknown([*additions, *removals])
        if run.check_mode:
            _dry_run(run, [additions, removals], state, result)
            return state
        lacks_group = _lacks_group(desired, state)
        if not additions and not removals and not lacks_group:
            return state
        try:
            _write(run.cluster, additions or removals, result.record)
        except (AlreadyExists, Conflict, OutcomeUnknown) as error:
            problem = error
        except NotFound as error:
            problem = error
            _wait_for("Role", user_role(desired.grants.registry), context)
        if lacks_group:
            _wait_for("Group", users_group(desired.grants.registry), context)
        context.sleep(random.uniform(0, 0.05 * 2 ** min(turn - 1, 4)) if turn else 0)  # noqa: S311
        state = _observe(run, desired, result)
    raise problem


def _plan(desired: DesiredPermissions, state: _PermissionsState) -> tuple[list[Change], list[Change]]:
    """Return the changes that give access, and those that take it away afterwards."""
    additions, removals = plan_grants(desired.grants, state.namespace, state.registry, state.bindings)
    left = state.lacking(predicted(state.bindings, additions), desired.grants.registry)
    removals += plan_without_role(desired.grants, state.namespace, left)
    if state.group is not None and desired.members is not None:
        change = plan_members(state.group, desired.members, desired.grants.state)
        if change:
            removes = set(members_of(state.group)) - set(change.body["users"])
            (removals if removes else additions).append(change)
    return additions, removals


def _write(cluster: Cluster, changes: Sequence[Change], record: ChangeLog) -> None:
    """Make the changes, the first one alone: if the Role does not exist yet, all would be refused for the same reason."""
    ordered = sorted(changes, key=layer)
    execute(cluster, ordered[:1], record, dry_run=False)
    execute(cluster, ordered[1:], record, dry_run=False)


def _lacks_group(desired: DesiredPermissions, state: _PermissionsState) -> bool:
    """Return whether users are to join a Group that the operator has not created yet."""
    return bool(desired.adds and desired.members and state.group is None)


def _dry_run(run: Run, steps: Sequence[list[Change]], state: _PermissionsState, result: PermissionsResult) -> None:
    """Have the server validate the changes, if what they depend on exists already."""
    record, changes = result.record, [change for step in steps for change in step]
    if state.registry is None and changes:
        result.warnings.append(
            "The registry does not exist. Check mode assumes that an earlier task would have created it."
        )
        record.done.extend(Done(change, validated=False) for change in changes)
        return
    try:
        for step in steps:
            execute(run.cluster, step, record, dry_run=True)
    except NotFound as error:
        result.warnings.append(f"Some access could not be checked. {error}")
        asked = [done.change for done in record.done]
        record.done.extend(Done(change, validated=False) for change in changes if change not in asked)


def _wait_for(kind: str, name: str, context: _WaitContext) -> None:
    """Wait until the operator has created an object. Raises NotReady."""
    run = context.run
    while run.cluster.get(kind, run.namespace if kind == "Role" else None, name) is None:
        if time.monotonic() + POLL > context.deadline:
            late = f" after {run.timeout:g} s" if run.waits else ""
            step = "Check that the operator is running, and check the registry's status with model_registry_info."
            raise NotReady(
                f"{kind} {name}", f"it does not exist{late}: the operator creates it for each registry", step
            )
        context.sleep(POLL)


def _verify(
    desired: DesiredPermissions, result: PermissionsResult, state: _PermissionsState, context: _WaitContext
) -> None:
    """Ask the API server about all subjects that expected_access() names. Raises PermissionsNotEffective."""
    left = result.seen_members - set(result.members or ())
    expected = expected_access(desired.grants, desired.members, result.seen - result.after, left)
    run, name = context.run, desired.grants.registry
    found: dict[Grant, Answer] = {}
    refuted = expected
    for pauses in (SOON, LATER):
        found.update(settled_answers(run.cluster, run.namespace, name, refuted, (pauses, context.sleep)))
        refuted = {grant: expected[grant] for grant, answer in found.items() if answer.allowed != expected[grant]}
        if not refuted:
            break
        _check_concurrent_changes(desired, result, state, refuted, context)
    for entry in result.grants:
        grant = Grant(entry["kind"], entry.get("namespace", ""), entry["name"])
        entry["verified"] = expected.get(grant, False) and grant not in refuted
    if refuted:
        role = run.cluster.get("Role", run.namespace, user_role(name)) if any(refuted.values()) else None
        raise not_effective(name, refuted, found, role)
    result.verified = True if expected else None
    if desired.grants.state == "exact":
        asked = answers(run.cluster, run.namespace, name, other_subjects(name, state.bindings, expected))
        result.other_access = {grant: answer for grant, answer in asked.items() if answer.allowed}


def _check_concurrent_changes(
    desired: DesiredPermissions,
    result: PermissionsResult,
    then: _PermissionsState,
    refuted: Mapping[Grant, bool],
    context: _WaitContext,
) -> None:
    """Find out whether answers differ because of concurrent changes, or because the Role does not exist yet.

    Raises PermissionsNotEffective for the former. Waits for the latter, since an administrator of the cluster may grant
    a Role that does not exist; raises NotReady then.
    """
    name = desired.grants.registry
    state = _observe(context.run, desired, result)
    texts = concurrent_changes(refuted, _granted_subjects(desired, then), _granted_subjects(desired, state))
    if texts:
        _report(desired, result, state)
        why = f"another client changed them meanwhile: {', '.join(texts)}"
        raise PermissionsNotEffective(f"permissions of {name}", why, "Run the task again to restore them.")
    if any(refuted.values()):
        _wait_for("Role", user_role(name), context)


def _granted_subjects(desired: DesiredPermissions, state: _PermissionsState) -> set[Grant]:
    """Return all grants, including those to members, and to the Group if all named members are in it."""
    name, members = desired.grants.registry, set(members_of(state.group))
    complete = members.issuperset(desired.members or ())
    return {
        *grants_in(read_bindings(state.bindings, name)),
        *(Grant("User", "", member) for member in members),
        *((Grant("Group", "", users_group(name)),) if complete else ()),
    }
