# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that a ModelRegistry has the shape that other code relies on, so that a bad one does not affect others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._common.finding import OPTIONS, Finding
from .._common.model import Object

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
"""One or more types, a list's element, or fields. Other fields may be anything, unless ``*`` stands for all."""


def without_nulls(value: Any) -> Any:
    """Return the value without fields that are null: Kubernetes treats them as absent."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def misfit(registry: Object) -> str | None:
    """Return the first field of a ModelRegistry (without nulls) whose type differs from its schema, or None."""
    return next(_misfits(registry, _SHAPE, ""), None)


def not_understood(name: str, field: str) -> Finding:
    """Return the finding about a registry with a field whose type differs from all known schemas."""
    why = (
        f"its field {field} is missing or of another type than this collection knows, so nothing else is said about it"
    )
    step = f"Correct it: kubectl edit modelregistry {name}. If the platform wrote it, use a release of the collection that fits."
    return Finding("registry_unreadable", "warning", f"ModelRegistry {name}", why, step, OPTIONS)


def _misfits(value: Any, shape: Any, path: str) -> Iterator[str]:
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield path
            return
        yield from (f"{path}.{field}".lstrip(".") for field in shape.get("needed", ()) if field not in value)
        for field, item in value.items():
            expected = shape.get(field, shape.get("*"))
            if expected is not None and field != "needed":
                yield from _misfits(item, expected, f"{path}.{field}".lstrip("."))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield path
            return
        for number, item in enumerate(value):
            yield from _misfits(item, shape[0], f"{path}[{number}]")
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        yield path
