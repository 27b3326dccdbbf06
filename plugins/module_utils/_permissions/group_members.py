# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of OpenShift's Group of a registry: add and remove users without affecting others."""

from __future__ import annotations

from collections.abc import Iterable

from .._common.errors import NotFound
from .._common.model import Object
from .._kubernetes.changes import Change, patch_of

__all__ = ["members_of", "no_groups", "plan_members", "wanted_members"]


def members_of(group: Object | None) -> list[str]:
    """Return the users in a Group, in its order."""
    return list((group or {}).get("users") or ())


def wanted_members(now: Iterable[str], names: Iterable[str], state: str) -> list[str]:
    """Return the members after the change: present adds the names, absent removes them, exact keeps no others.

    Members who stay keep their order.
    """
    names, now = list(dict.fromkeys(names)), list(dict.fromkeys(now))
    if state == "absent":
        return [name for name in now if name not in set(names)]
    kept = [name for name in now if state == "present" or name in set(names)]
    return [*kept, *(name for name in names if name not in set(kept))]


def plan_members(group: Object, names: Iterable[str], state: str) -> Change | None:
    """Return the change of the Group, on condition that it is as observed: all members are written at once."""
    now = members_of(group)
    wanted = wanted_members(now, names, state)
    # Order and duplicates make no difference.
    return None if set(wanted) == set(now) else patch_of(group, {"users": wanted}, "")


def no_groups(group: str) -> NotFound:
    """Return the error for a cluster without Groups."""
    why = (
        "this cluster has no Groups of OpenShift: it is Kubernetes without OpenShift, or users log in with an external "
        f"identity provider (OIDC), so there is no {group}"
    )
    step = "Name the users with users, or a group of your identity provider with groups."
    return NotFound("members", why, step)
