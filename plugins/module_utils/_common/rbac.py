# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of RoleBindings and of rules in Roles."""

from __future__ import annotations

from collections.abc import Iterable

from .model import Object
from .names import user_role

__all__ = ["allows", "grants_access", "is_owned"]


def allows(rules: Iterable[Object], group: str, resource: str, verb: str, name: str) -> bool:
    """Return whether one of the rules gives the right, for the object of that name or for all."""
    asked = {"apiGroups": group, "resources": resource, "verbs": verb}
    return any(
        all({value, "*"} & set(rule.get(field) or ()) for field, value in asked.items())
        and (not rule.get("resourceNames") or name in rule["resourceNames"])
        for rule in rules
    )


def grants_access(binding: Object, registry: str) -> bool:
    """Return whether a RoleBinding grants the registry's own Role. Other roles are not considered."""
    ref = binding.get("roleRef") or {}
    return (ref.get("kind"), ref.get("name")) == ("Role", user_role(registry))


def is_owned(binding: Object, registry: str) -> bool:
    """Return whether the cluster deletes the RoleBinding together with the registry."""
    owners = binding["metadata"].get("ownerReferences") or ()
    return any((owner.get("kind"), owner.get("name")) == ("ModelRegistry", registry) for owner in owners)
