# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of model_registry_info, as the tests of what is shown of them need them."""

from __future__ import annotations

from typing import Any

__all__ = ["NAMESPACE", "binding", "entry", "finding", "found", "odd_entry"]

NAMESPACE = "rhoai-model-registries"
Result = dict[str, Any]


def entry(name: str, **more: Any) -> Result:
    """Return a registry that is ready, on a MySQL server in the cluster, without TLS, that no subject can use."""
    database = {
        "type": "mysql",
        "host": "mysql-80.databases.svc.cluster.local",
        "port": 3306,
        "name": name,
        "username": name,
        "password_secret": {"name": f"{name}-db-password", "key": "database-password"},
    }
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": "0",
        "created": "2026-01-31T12:00:00Z",
        "auth_proxy": "none",
        "database": database,
        "status": {"state": "ready", "reason": "ready", "message": "The registry server answers."},
        "tls": {"encrypted": False, "verified": False},
        "access": [],
        "permissions": {"users": [], "groups": [], "projects": [], "service_accounts": []},
        "findings": [],
        **more,
    }


def odd_entry(name: str) -> Result:
    """Return a registry with a field that is not understood."""
    status = {
        "state": "unknown",
        "reason": "registry_unreadable",
        "message": "its field spec.rest has a type that this collection does not know.",
        "next_step": "Correct the field.",
    }
    return {
        **{key: value for key, value in entry(name).items() if key not in ("database", "access", "permissions")},
        "auth_proxy": None,
        "tls": {"encrypted": None, "verified": None},
        "status": status,
        "findings": [finding("registry_unreadable", "blocker")],
    }


def finding(code: str, severity: str = "warning", **more: str) -> Result:
    """Return a finding."""
    return {
        "code": code,
        "severity": severity,
        "what": "Secret models-db",
        "why": "two registries use it",
        "remedy": "Give each registry its own.",
        "rule": "",
        "page": f"docs/findings.md#{code}",
        **more,
    }


def binding(kind: str, name: str, **more: str) -> Result:
    """Return a subject that a RoleBinding grants access."""
    through = {"kind": "RoleBinding", "name": f"of-{name}", "role": "Role registry-user-fraud"}
    return {"kind": kind, "name": name, "through": through, "dashboard": True, "verified": None, **more}


def found(*entries: Result) -> Result:
    """Return the result with all registries of the namespace."""
    return {"namespace": NAMESPACE, "names": [one["name"] for one in entries], "registries": list(entries)}
