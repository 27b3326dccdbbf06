# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can use a registry, and through what: its own Role, other roles of the namespace, and OpenShift's Group of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .._common.model import Grant, Object
from .._common.names import users_group
from .._common.rbac import grants_access
from .._kubernetes.reviews import Answer
from .access_review import lets_use
from .bindings import grants_in, read_bindings
from .group_members import members_of
from .subjects import grant_of

__all__ = [
    "Entry",
    "RbacSnapshot",
    "access_entry",
    "bound_cluster_roles",
    "concerns_group",
    "effective_access",
    "permissions",
]


@dataclass(frozen=True)
class RbacSnapshot:
    """What decides in a namespace who can use its registries, as far as it may be read."""

    bindings: tuple[Object, ...] = ()
    """All RoleBindings."""
    roles: Mapping[tuple[str, str], Object] = field(default_factory=dict)
    """Roles, and the ClusterRoles that RoleBindings give, by kind and name."""
    groups: Mapping[str, Object | None] = field(default_factory=dict)
    """OpenShift's Groups of the registries, by the registry's name; None if it may not be read."""


@dataclass(frozen=True)
class Entry:
    """A subject that can use a registry, through one object."""

    grant: Grant
    granted_by: tuple[str, str]
    """Kind and name: a RoleBinding, or the Group that the user is a member of."""
    role: str = ""
    """Kind and name of the role that the RoleBinding gives."""
    dashboard: bool = False
    """Whether the dashboard lists it among the registry's permissions."""

    @property
    def review_subject(self) -> Grant:
        """The subject of an access review. Members are represented by their Group: reviews know no memberships."""
        return Grant("Group", "", self.granted_by[1]) if self.granted_by[0] == "Group" else self.grant


def effective_access(registry: str, snapshot: RbacSnapshot) -> list[Entry]:
    """Return all who can use the registry by what is in its namespace, in the order of their kinds and names.

    There is one entry per granting object. Rights in all namespaces, by ClusterRoleBindings, are ignored: they belong
    to the cluster's administrators and its own components.
    """
    found = [entry for binding in snapshot.bindings for entry in _through_binding(registry, binding, snapshot)]
    group = Grant("Group", "", users_group(registry))
    if any(entry.grant == group for entry in found):
        members = members_of(snapshot.groups.get(registry))
        found += [Entry(Grant("User", "", name), ("Group", group.name)) for name in members]
    return sorted(set(found), key=lambda entry: (entry.grant, entry.granted_by))


def permissions(registry: str, snapshot: RbacSnapshot) -> Object:
    """Return the grants as options of model_registry_permissions, which recreates them.

    Grants of other roles are not included. members: None if the Group may not be read, left out if there is none.
    """
    grants = sorted(grants_in(read_bindings(snapshot.bindings, registry)))
    names = {kind: [grant.name for grant in grants if grant.kind == kind] for kind in ("User", "Group", "Project")}
    accounts = [
        {"namespace": grant.namespace, "name": grant.name} for grant in grants if grant.kind == "ServiceAccount"
    ]
    found: Object = {"users": names["User"], "groups": names["Group"], "projects": names["Project"]}
    found["service_accounts"] = accounts
    if registry in snapshot.groups:
        group = snapshot.groups[registry]
        found["members"] = None if group is None else members_of(group)
    return found


def access_entry(entry: Entry, answers: Mapping[Grant, Answer]) -> Object:
    """Return the entry for results. answers: of access reviews; without one, it counts as neither right nor wrong."""
    grant, (kind, name) = entry.grant, entry.granted_by
    answer = answers.get(entry.review_subject)
    return {
        "kind": grant.kind,
        "name": grant.name,
        **({"namespace": grant.namespace} if grant.namespace else {}),
        "through": {"kind": kind, "name": name, **({"role": entry.role} if entry.role else {})},
        "dashboard": entry.dashboard,
        "verified": None if answer is None else answer.allowed,
    }


def bound_cluster_roles(bindings: Iterable[Object]) -> set[str]:
    """Return the ClusterRoles that the RoleBindings give."""
    refs = (binding.get("roleRef") or {} for binding in bindings)
    return {str(ref["name"]) for ref in refs if ref.get("kind") == "ClusterRole"}


def concerns_group(registry: str, bindings: Iterable[Object]) -> bool:
    """Return whether a RoleBinding names OpenShift's Group of the registry, so that its members matter."""
    wanted = Grant("Group", "", users_group(registry))
    return any(wanted in map(grant_of, binding.get("subjects") or ()) for binding in bindings)


def _through_binding(registry: str, binding: Object, snapshot: RbacSnapshot) -> Iterator[Entry]:
    """Yield what one RoleBinding gives, if it lets its subjects use the registry."""
    ref = binding.get("roleRef") or {}
    kind, role = str(ref.get("kind")), str(ref.get("name"))
    own = read_bindings([binding], registry) if grants_access(binding, registry) else []
    if not own and not lets_use((snapshot.roles.get((kind, role)) or {}).get("rules") or (), registry):
        return
    through = ("RoleBinding", str(binding["metadata"]["name"]))
    for subject in binding.get("subjects") or ():
        yield Entry(grant_of(subject), through, f"{kind} {role}", any(one.listed for one in own))
