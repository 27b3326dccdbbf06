# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that a ModelRegistry has the shape that other code relies on, so that a bad one does not affect others."""

from __future__ import annotations

from .._common.finding import OPTIONS, Finding
from .._common.model import Object
from .._kubernetes.api_shape import misfits, without_nulls

__all__ = ["misfit", "not_understood", "without_nulls"]

_REF = {"name": str, "key": str, "needed": ("name", "key")}
_DATABASE = {
    **dict.fromkeys(("host", "hostAddress", "database", "username", "sslMode", "sslCipher"), str),
    **dict.fromkeys(("verifyServerCert", "generateDeployment"), bool),
    **dict.fromkeys(("passwordSecret", "sslRootCertificateConfigMap", "sslRootCertificateSecret"), _REF),
    **dict.fromkeys(("sslCertificateSecret", "sslKeySecret"), _REF),
    "port": int,
    "image": str,
}
_PROXY = {
    **dict.fromkeys(("image", "domain", "serviceRoute"), str),
    **dict.fromkeys(("port", "routePort"), int),
    **dict.fromkeys(("tlsCertificateSecret", "tlsKeySecret"), _REF),
}
_REST = {
    "resources": {"requests": {"*": (str, int, float)}, "limits": {"*": (str, int, float)}},
    **dict.fromkeys(("image", "serviceRoute"), str),
    "port": int,
}
_CONDITION = {**dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), str), "needed": ("type",)}
_TIMES = dict.fromkeys(("creationTimestamp", "deletionTimestamp"), str)
_SHAPE = {
    "metadata": {
        **dict.fromkeys(("name", "namespace", "uid"), str),
        **_TIMES,
        "annotations": {"*": str},
        "finalizers": [str],
        "managedFields": [{"manager": str, "time": str, "subresource": str}],
        "needed": ("name", "namespace"),
    },
    "spec": {
        "rest": _REST,
        # Without a database, some functions read the field of this name.
        "": (),
        **{field: {} for field in ("grpc", "istio")},
        **dict.fromkeys(("oauthProxy", "kubeRBACProxy"), _PROXY),
        **dict.fromkeys(("mysql", "postgres"), _DATABASE),
    },
    "status": {"hosts": [str], "conditions": [_CONDITION]},
}
"""As api_shape.misfits takes it."""


def misfit(registry: Object) -> str | None:
    """Return the first field of a ModelRegistry (without nulls) whose type differs from its schema, or None."""
    return next(misfits(registry, _SHAPE), None)


def not_understood(name: str, field: str) -> Finding:
    """Return the finding about a registry with a field whose type differs from all known schemas."""
    why = f"its field {field} is missing or has an unknown type, so nothing else is reported about it"
    step = f"Correct it: kubectl edit modelregistry {name}. If the platform wrote it, use a release of the collection that supports the platform's."
    return Finding("registry_unreadable", "warning", f"ModelRegistry {name}", why, step, OPTIONS)
