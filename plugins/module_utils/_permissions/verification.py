# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which answers access reviews must give once permissions are as requested, and what other answers mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from .._common.errors import PermissionsNotEffective
from .._common.model import Grant, Object
from .._common.names import user_role, users_group
from .._common.rbac import grants_access
from .._kubernetes.reviews import Answer
from .access_review import allowed_reason, denied_reason, sources
from .bindings import DesiredGrants
from .subjects import grant_of

__all__ = ["concurrent_changes", "expected_access", "not_effective", "other_subjects"]

SHOWN = 5
"""How many refuted grants an error names, at most."""


def expected_access(
    desired: DesiredGrants, members: Collection[str] | None, lost: Iterable[Grant], left: Iterable[str]
) -> dict[Grant, bool]:
    """Return the subjects to ask about, and whether each is to have access.

    present and absent: all that are named. exact: the same, and all who lost access in this run. Members who are to
    have access are represented by their Group, since reviews know no memberships; others are asked about as users.
    members: the named ones; None if the Group does not matter. lost, left: grants and members that existed in this run
    and no longer do.
    """
    people = {Grant("User", "", name) for name in members or ()}
    if desired.state == "absent":
        return dict.fromkeys(desired.grants | people, False)
    wanted = set(desired.grants)
    if members:
        wanted.add(Grant("Group", "", users_group(desired.registry)))
    gone: set[Grant] = set()
    if desired.state == "exact":
        removed = {*lost, *(Grant("User", "", name) for name in left)}
        # A subject that loses a grant, but has access by another requested one, is meant to have it.
        gone = {grant for grant in removed if not sources(grant) & (wanted | people)}
    return {**dict.fromkeys(gone, False), **dict.fromkeys(wanted, True)}


def other_subjects(registry: str, bindings: Iterable[Object], expected: Mapping[Grant, bool]) -> set[Grant]:
    """Return the subjects that may have access by roles other than the registry's, and are not asked about anyway.

    bindings: all RoleBindings of the namespace. Those to other registries' roles give access to these alone.
    """
    wished = {grant for grant, allowed in expected.items() if allowed}
    others = [one for one in bindings if not grants_access(one, registry) and not _of_a_registry(one)]
    found = {grant_of(subject) for one in others for subject in one.get("subjects") or ()}
    return {grant for grant in found - expected.keys() if not sources(grant) & wished}


def concurrent_changes(refuted: Iterable[Grant], then: Collection[Grant], now: Collection[Grant]) -> list[str]:
    """Return which refuted grants others have changed. then, now: all that was granted then, and is now."""
    return [
        f"another client granted {grant} again" if grant in now else f"another client removed the grant of {grant}"
        for grant in sorted(refuted)
        if (grant in then) is not (grant in now)
    ]


def not_effective(
    registry: str, refuted: Mapping[Grant, bool], found: Mapping[Grant, Answer], role: Object | None
) -> PermissionsNotEffective:
    """Return the error for unexpected answers. role: the registry's; None if it does not matter or does not exist."""
    ordered = sorted(refuted)
    texts = [
        denied_reason(grant, registry, found[grant], role) if refuted[grant] else allowed_reason(grant, found[grant])
        for grant in ordered[:SHOWN]
    ]
    texts += [f"And {len(ordered) - SHOWN} more"] if len(ordered) > SHOWN else []
    step = "Remove that, too, or set verify to false to keep it."
    if any(refuted.values()):
        step = "Ask the cluster's administrator to check the Role and the cluster's other authorizers."
    return PermissionsNotEffective(f"permissions of {registry}", ". ".join(texts), step)


def _of_a_registry(binding: Object) -> bool:
    ref = binding.get("roleRef") or {}
    return ref.get("kind") == "Role" and str(ref.get("name")).startswith(user_role(""))
