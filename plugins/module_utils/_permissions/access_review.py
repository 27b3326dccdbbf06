# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a subject may use a registry: what to ask the API server, and how to explain an unexpected answer."""

from __future__ import annotations

from collections.abc import Iterable

from .._common.model import Grant, Object
from .._common.names import user_role
from .._common.rbac import allows
from .._kubernetes.reviews import Answer
from .subjects import PROJECT_GROUP, SERVICE_ACCOUNT_USER, grant_of

__all__ = ["allowed_reason", "attributes", "denied_reason", "lets_use", "review_of", "sources"]

EVERYBODY = "system:authenticated"
NOT_LOGGED_IN = ("system:unauthenticated", "system:anonymous")
"""Group and user of requests without a valid login. They do not belong to the group of all others."""
ALL_SERVICE_ACCOUNTS = "system:serviceaccounts"


def attributes(registry: str, namespace: str) -> Object:
    """Return the right to use a registry: to get its Service. The proxy in front of the registry server requires the same."""
    return {"namespace": namespace, "verb": "get", "group": "", "resource": "services", "name": registry}


def review_of(grant: Grant, registry: str, namespace: str) -> Object:
    """Return the spec of an access review. A project is represented by its service account ``default``.

    The groups that an identity provider puts a user in are not known here.
    """
    user, groups = _login(grant)
    spec: Object = {"resourceAttributes": attributes(registry, namespace), "groups": groups}
    return {**spec, "user": user} if user else spec


def sources(grant: Grant) -> frozenset[Grant]:
    """Return all grants that let the subject of a review use the registry: its own, and those of its groups."""
    user, groups = _login(grant)
    names = [*((("User", user),) if user else ()), *(("Group", group) for group in groups)]
    return frozenset({grant, *(grant_of({"kind": kind, "name": name}) for kind, name in names)})


def _login(grant: Grant) -> tuple[str | None, list[str]]:
    """Return user and groups as the API server knows them from a login (Kubernetes' documentation on authentication)."""
    if grant.kind in ("Project", "ServiceAccount"):
        namespace = grant.namespace or grant.name
        account = grant.name if grant.namespace else "default"
        groups = [ALL_SERVICE_ACCOUNTS, PROJECT_GROUP + namespace, EVERYBODY]
        return f"{SERVICE_ACCOUNT_USER}{namespace}:{account}", groups
    everybody = NOT_LOGGED_IN[0] if grant.name in NOT_LOGGED_IN else EVERYBODY
    if grant.kind == "Group":
        return None, list(dict.fromkeys([grant.name, everybody]))
    return grant.name, [everybody]


def lets_use(rules: Iterable[Object], registry: str) -> bool:
    """Return whether the rules of a Role let its subjects use the registry."""
    return allows(rules, "", "services", "get", registry)


def denied_reason(grant: Grant, registry: str, answer: Answer, role: Object | None) -> str:
    """Explain why a subject may not use a registry despite a grant. role: the registry's; None if there is none."""
    name = user_role(registry)
    if role is None:
        why = f"the Role {name} does not exist: the operator creates it"
    elif not lets_use(role.get("rules") or (), registry):
        rule = f'{{apiGroups: [""], resources: [services], resourceNames: [{registry}], verbs: [get]}}'
        why = f"the Role {name} lacks the rule {rule}"
    else:
        why = "the API server gives no reason" if not answer.reason else answer.reason
    return f"{grant} may not use it: {why}"


def allowed_reason(grant: Grant, answer: Answer) -> str:
    """Explain why a subject may still use a registry: RBAC names the binding."""
    through = answer.reason or "the API server does not say how"
    return f"{grant} still may use it: {through}"
