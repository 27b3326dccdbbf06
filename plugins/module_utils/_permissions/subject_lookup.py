# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the cluster knows the users, groups and projects that permissions name, as far as it is visible."""

from __future__ import annotations

from collections.abc import Iterable

from .._common.errors import Forbidden, NotFound, RegistryError
from .._common.model import Grant
from .._common.references import CLUSTER_ROLE
from .._common.text import printable_name
from .._kubernetes.client import Cluster

__all__ = ["IN_CLUSTER_ROLE", "check_existence"]

IN_CLUSTER_ROLE = f"The optional ClusterRole in {CLUSTER_ROLE} has it."
"""The end of refusals about objects of the cluster."""
SHOWN = 20
"""How many names a message has, at most."""
BUILT_IN = ("system:", "kube:")
"""Prefixes of names that Kubernetes and OpenShift know without an object."""
WORDS = {"User": "users", "Group": "groups", "Namespace": "projects"}


def check_existence(cluster: Cluster, grants: Iterable[Grant], members: Iterable[str], must_exist: bool) -> list[str]:
    """Return a warning for each kind of name that the cluster does not know, or that cannot be looked up.

    Raises NotFound or Forbidden instead if they must exist.
    """
    found = []
    for kind, names in _names(grants, members).items():
        problem = _problem(cluster, kind, sorted(names)) if names else None
        if problem is not None:
            if must_exist:
                raise problem
            found.append(str(problem))
    return found


def _names(grants: Iterable[Grant], members: Iterable[str]) -> dict[str, set[str]]:
    """Return the names to look up, by kind of object."""
    names: dict[str, set[str]] = {"User": set(members), "Group": set(), "Namespace": set()}
    for grant in grants:
        if grant.kind in ("Project", "ServiceAccount"):
            names["Namespace"].add(grant.namespace or grant.name)
        else:
            names[grant.kind].add(grant.name)
    return {kind: {name for name in found if not name.startswith(BUILT_IN)} for kind, found in names.items()}


def _problem(cluster: Cluster, kind: str, names: list[str]) -> RegistryError | None:
    what = WORDS[kind]
    try:
        unknown = _unknown(cluster, kind, names)
    except Forbidden as error:
        step = f"{error.next_step} {IN_CLUSTER_ROLE}"
        return Forbidden(what, f"their existence was not checked: {error.why}", step)
    if not unknown:
        return None
    given = _some(unknown)
    if kind == "Namespace":
        return NotFound(what, f"the cluster has none named {given}", "Check the names.")
    if not cluster.serves(kind):
        # They exist only at the identity provider.
        why = f"this cluster has no list of {what}, so the existence of {given} cannot be checked"
        return NotFound(what, why, "Leave must_exist out, and check the names at the identity provider.")
    step = "Check the names. They may come from an identity provider and appear at the first login."
    return NotFound(what, f"the cluster does not know {given}", step)


def _some(names: list[str]) -> str:
    """Return the names for a message, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(map(printable_name, names[:SHOWN])) + (f" and {more} more" if more > 0 else "")


def _unknown(cluster: Cluster, kind: str, names: list[str]) -> list[str]:
    """Return the names that no object has. Objects' names have no slashes or percent signs, and are no paths."""
    possible = [name for name in names if not {"/", "%"} & set(name) and name not in (".", "..")]
    known = {item["metadata"]["name"] for item in cluster.get_many(kind, None, possible)}
    return [name for name in names if name not in known]
