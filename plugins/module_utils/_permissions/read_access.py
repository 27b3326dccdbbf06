# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what decides who can use registries, as far as the user may, and ask the API server to confirm it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .._common.errors import Forbidden
from .._common.model import Grant, Object
from .._common.names import users_group
from .._common.references import REGISTRY_ROLE
from .._kubernetes.client import Cluster
from .._kubernetes.reviews import Answer
from .effective_access import Entry, RbacSnapshot, bound_cluster_roles, concerns_group
from .reviews import answers
from .subject_lookup import IN_CLUSTER_ROLE

__all__ = ["read_rbac", "review_entries"]


def read_rbac(
    cluster: Cluster, registries: Iterable[str], bindings: Collection[Object], roles: Iterable[Object]
) -> tuple[RbacSnapshot, list[str]]:
    """Return what decides on access to the registries, and a warning for each thing that may not be read.

    bindings, roles: all RoleBindings and Roles of the namespace.
    """
    warnings: list[str] = []
    known = {("Role", str(role["metadata"]["name"])): role for role in roles}
    cluster_roles, problem = _read(cluster, "ClusterRole", bound_cluster_roles(bindings))
    if problem:
        given = sorted(bound_cluster_roles(bindings))
        which = f"ClusterRole {given[0]} gives" if len(given) == 1 else f"ClusterRoles {', '.join(given)} give"
        warnings.append(f"It is not known whether the {which} access to registries. {problem}")
    known.update({("ClusterRole", name): role for name, role in cluster_roles.items()})
    asked = {users_group(name): name for name in registries if concerns_group(name, bindings)}
    groups, problem = _read(cluster, "Group", asked)
    if problem:
        kind = "Group" if len(asked) == 1 else "Groups"
        warnings.append(f"The members of the {kind} {', '.join(sorted(asked))} are not known. {problem}")
    found = {name: groups.get(group) for group, name in asked.items() if problem or group in groups}
    return RbacSnapshot(tuple(bindings), known, found), warnings


def review_entries(
    cluster: Cluster, namespace: str, registry: str, entries: Iterable[Entry]
) -> tuple[dict[Grant, Answer], list[str]]:
    """Return access reviews of those who can use the registry; if the user may not ask, none, and a warning."""
    try:
        return answers(cluster, namespace, registry, {entry.review_subject for entry in entries}), []
    except Forbidden as error:
        return {}, [f"Access was not verified: {error.why}. See {REGISTRY_ROLE}."]


def _read(cluster: Cluster, kind: str, names: Collection[str]) -> tuple[dict[str, Object], str]:
    """Return the existing objects of the cluster by name, or else the missing right."""
    try:
        found = {item["metadata"]["name"]: item for item in cluster.get_many(kind, None, names)}
    except Forbidden as error:
        return {}, f"{error.next_step} {IN_CLUSTER_ROLE}"
    return {name: item for name, item in found.items() if name in names}, ""
