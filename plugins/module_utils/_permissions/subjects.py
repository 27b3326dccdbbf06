# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subjects of grants: from module options to grants, and between grants and the subjects of a RoleBinding."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from .._common.errors import InvalidInput
from .._common.model import Grant, Object
from .._common.text import JOINERS

__all__ = ["check_names", "grant_of", "grants_from", "subject_of"]

RBAC = "rbac.authorization.k8s.io"
PROJECT_GROUP = "system:serviceaccounts:"
"""Precedes the name of a namespace: the group in which Kubernetes puts all service accounts of that namespace."""
SERVICE_ACCOUNT_USER = "system:serviceaccount:"
"""Precedes namespace:name: the name under which a service account is a user."""
LABEL_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
"""Names of namespaces (RFC 1123 label)."""
OBJECT_NAME = r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
"""Names of service accounts (RFC 1123 subdomain)."""


def grant_of(subject: Object) -> Grant:
    """Return the grant of a RoleBinding's subject: a project and a service account can each be written in two ways.

    Kubernetes does not check a subject's names. Only what can name a project or a service account is taken for one. Any
    other is the user or group with that login name, which is what the API server's authorizer compares.
    """
    kind, name = str(subject.get("kind")), str(subject.get("name"))
    if kind == "ServiceAccount":
        # Its login name consists of both (Kubernetes' documentation on authentication).
        kind, name = "User", f"{SERVICE_ACCOUNT_USER}{subject.get('namespace') or ''}:{name}"
    if kind == "Group" and (project := _rest(name, PROJECT_GROUP)) and _is_label(project):
        return Grant("Project", "", project)
    namespace, _colon, account = _rest(name, SERVICE_ACCOUNT_USER).partition(":")
    if kind == "User" and _is_label(namespace) and re.fullmatch(OBJECT_NAME, account):
        return Grant("ServiceAccount", namespace, account)
    return Grant(kind, "", name)


def _rest(name: str, beginning: str) -> str:
    return name[len(beginning) :] if name.startswith(beginning) else ""


def _is_label(name: str) -> bool:
    return re.fullmatch(LABEL_NAME, name) is not None


def subject_of(grant: Grant) -> Object:
    """Return the subject of a RoleBinding, as the dashboard writes it."""
    if grant.kind == "ServiceAccount":
        return {"kind": grant.kind, "namespace": grant.namespace, "name": grant.name}
    if grant.kind == "Project":
        return {"apiGroup": RBAC, "kind": "Group", "name": PROJECT_GROUP + grant.name}
    return {"apiGroup": RBAC, "kind": grant.kind, "name": grant.name}


def grants_from(params: Mapping[str, Any], option: str = "") -> frozenset[Grant]:
    """Return the grants that the options users, groups, projects and service_accounts name. None equals an empty list.

    option: a prefix for options in messages, such as permissions. Raises InvalidInput.
    """
    prefix = f"{option}." if option else ""
    users, groups = params.get("users") or (), params.get("groups") or ()
    check_names(f"{prefix}users", users)
    check_names(f"{prefix}groups", groups)
    found = {grant_of({"kind": "User", "name": name}) for name in users}
    found |= {grant_of({"kind": "Group", "name": name}) for name in groups}
    for project in params.get("projects") or ():
        _check(f"{prefix}projects", project, LABEL_NAME, "at most 63 lowercase letters, digits and dashes")
        found.add(Grant("Project", "", project))
    for account in params.get("service_accounts") or ():
        place = f"{prefix}service_accounts"
        _check(
            f"{place}.namespace", account["namespace"], LABEL_NAME, "at most 63 lowercase letters, digits and dashes"
        )
        rule = "at most 253 lowercase letters, digits, dashes and dots"
        _check(f"{place}.name", account["name"], OBJECT_NAME, rule)
        found.add(Grant("ServiceAccount", account["namespace"], account["name"]))
    return frozenset(found)


def check_names(option: str, names: Iterable[str]) -> None:
    """Raise InvalidInput for a name of a user or group that can only be a mistake.

    Identity providers allow nearly any name, and Kubernetes checks none: reject only what no user can mean.
    """
    for name in names:
        why = _mistake(name)
        if why:
            raise InvalidInput(
                option, f"{name[:80]!r} {why}", "Give the name as the cluster knows it, or leave it out."
            )


def _mistake(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "begins or ends with white space"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        return "contains a line break, another control character or half a character"
    unseen = sorted({character for character in name if unicodedata.category(character) == "Cf"} - set(JOINERS))
    if unseen:
        return f"contains an invisible character: {', '.join(f'U+{ord(one):04X}' for one in unseen)}"
    if re.match(r"[\[{]['\"]", name):
        return "is a list or a mapping, not a name"
    if name == "*":
        return "is a wildcard, which a RoleBinding does not support. All users who can log in are the group system:authenticated"
    return None


def _check(option: str, name: str, pattern: str, rule: str) -> None:
    if not re.fullmatch(pattern, name):
        why = f"{name[:80]!r} cannot be one"
        raise InvalidInput(option, why, f"Give a name of {rule} that begins and ends with a letter or digit.")
