# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes permissions away from users who have one of the collection's two roles, and gives them back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from registries import Registries

__all__ = ["RBAC", "ROLES", "without"]

RBAC = "rbac.authorization.k8s.io"
ROLES = {"Role": "model-registry-admin", "ClusterRole": "model-registry-admin-cluster"}
"""As playbooks/files names them."""


@contextmanager
def without(
    registries: Registries, resource: str, verb: str = "", kind: Literal["Role", "ClusterRole"] = "Role"
) -> Iterator[None]:
    """Deny the verb on the resource to all users with the role meanwhile; without a verb, deny everything on it."""
    namespace = None if kind == "ClusterRole" else registries.namespace
    role = registries.api.get(f"{RBAC}/v1", kind, ROLES[kind], namespace)
    assert role
    less = copy.deepcopy(role)
    less["rules"] = []
    for rule in role["rules"]:
        if resource not in rule["resources"] or (verb and verb not in rule["verbs"]):
            less["rules"].append(rule)
            continue
        others = [one for one in rule["resources"] if one != resource]
        verbs = [one for one in rule["verbs"] if verb and one != verb]
        less["rules"] += [{**rule, "resources": others}] if others else []
        less["rules"] += [{**rule, "resources": [resource], "verbs": verbs}] if verbs else []
    assert less["rules"] != role["rules"]
    try:
        registries.api.patch(less)
        yield
    finally:
        del role["metadata"]["resourceVersion"]
        registries.api.patch(role)
