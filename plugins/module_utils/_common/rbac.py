# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of RoleBindings and of rules in Roles."""

from __future__ import annotations

from .model import Object
from .names import user_role

__all__ = ["grants_access", "is_owned", "rule_has"]


def rule_has(rule: Object, field: str, value: str) -> bool:
    """Return whether a field of the rule, such as verbs, includes the value or ``*``."""
    return bool({value, "*"} & set(rule.get(field) or ()))


def grants_access(binding: Object, registry: str) -> bool:
    """Return whether a RoleBinding grants the registry's own Role. Other roles are not considered."""
    ref = binding.get("roleRef") or {}
    return (ref.get("kind"), ref.get("name")) == ("Role", user_role(registry))


def is_owned(binding: Object, registry: str) -> bool:
    """Return whether the cluster deletes the RoleBinding together with the registry."""
    owners = binding["metadata"].get("ownerReferences") or ()
    return any((owner.get("kind"), owner.get("name")) == ("ModelRegistry", registry) for owner in owners)
