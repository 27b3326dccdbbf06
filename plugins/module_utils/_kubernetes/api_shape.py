# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that answers have the form of a Kubernetes API server's, whatever their content.

A login page, a console or a proxy can answer in its place. The rest of the collection relies on the form checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from .._common.model import Object

__all__ = [
    "NotAnApi",
    "check_list",
    "check_object",
    "check_written",
    "event_of",
    "misfits",
    "names_in",
    "parsed",
    "preview",
    "spec_fields",
    "status_of",
    "without_nulls",
]

DEEPEST = 100
"""Levels of an answer. The deepest object of the API, a schema in a CustomResourceDefinition, has about forty."""
LONGEST_PREVIEW = 200
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class NotAnApi(Exception):
    """What answered does not behave like an API server; the text says how."""


def parsed(data: bytes) -> Object:
    """Return the JSON object that an answer consists of."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        raise NotAnApi(f"it sent {_kind_of(data)}") from None
    if not isinstance(answer, dict):
        raise NotAnApi(f"it sent {'null' if answer is None else 'JSON that is no object'}")
    _check_depth(answer)
    return answer


def check_object(answer: Object, kind: str) -> Object:
    """Return the answer if it is an object of the kind."""
    if answer.get("kind") != kind:
        raise NotAnApi(f"it sent {_name_of_kind(answer)} for a {kind}")
    return _with_parts(answer, kind)


def check_list(answer: Object, kind: str) -> tuple[list[Object], str]:
    """Return the objects of a list, with their apiVersion and kind, which the server leaves out, and its resourceVersion."""
    if not str(answer.get("kind")).endswith("List") or not _is_text(answer.get("apiVersion")):
        raise NotAnApi(f"it sent {_name_of_kind(answer)} for a list of {kind}")
    meta, items = answer.get("metadata"), answer.get("items")
    version = meta.get("resourceVersion") if isinstance(meta, dict) else None
    if not isinstance(version, str):
        raise NotAnApi(f"it sent a list of {kind} without resourceVersion")
    if next(misfits({"items": items}, {"items": [{}]}), None):
        raise NotAnApi(f"it sent a list of {kind} with items that are no objects")
    if isinstance(meta, dict) and meta.get("continue"):
        # Objects that are missing would count as deleted.
        raise NotAnApi(f"it sent a part of the list of {kind}, though all of it was asked for")
    common = {"apiVersion": answer["apiVersion"], "kind": kind}
    return [_with_parts({**item, **common}, kind) for item in items or ()], version


def names_in(answer: Object, field: str, name: str) -> tuple[str, ...]:
    """Return one text of each entry of a list: the versions of a group, or the resources of a version."""
    entries = answer.get(field)
    if entries is None or next(misfits(entries, [{}]), None) is not None:
        raise NotAnApi(f"it sent {_name_of_kind(answer)} for a list of {field}")
    names = tuple(entry.get(name) for entry in entries)
    if not all(isinstance(one, str) for one in names):
        raise NotAnApi(f"it sent {field} without {name}")
    return names


def spec_fields(answer: Object) -> frozenset[str]:
    """Return the fields of a ModelRegistry's spec, such as rest and rest.image, from an OpenAPI document."""
    try:
        schemas = answer["components"]["schemas"]
        (schema,) = (found for name, found in schemas.items() if name.endswith(".ModelRegistry"))
        fields = schema["properties"]["spec"].get("properties") or {}
        inner = (f"{name}.{field}" for name, part in fields.items() for field in part.get("properties") or ())
        return frozenset([*fields, *inner])
    except (AttributeError, LookupError, TypeError, ValueError):
        raise NotAnApi("it sent a description of its API without ModelRegistry") from None


def status_of(answer: Object) -> Object:
    """Return the status of a review."""
    status = answer.get("status")
    if not isinstance(status, dict):
        raise NotAnApi("it sent a review without status")
    return status


def check_written(answer: Object, kind: str, is_deletion: bool) -> Object:
    """Return the answer to a write if it is the resulting object, or the Status of a deletion."""
    if is_deletion and answer.get("kind") == "Status":
        return answer
    return check_object(answer, kind)


def event_of(line: bytes, kind: str) -> tuple[str, Object]:
    """Return what a line of a watch says has happened, and the object."""
    event = parsed(line)
    what, item = event.get("type"), event.get("object")
    if not isinstance(what, str) or not isinstance(item, dict):
        raise NotAnApi(f"it sent something else than events of a {kind}")
    return what, item if what in ("ERROR", "BOOKMARK") else check_object(item, kind)


def preview(text: str) -> str:
    """Return the beginning of a text on one line; for HTML, only say that it is a page."""
    if text.lstrip()[:1] == "<":
        return "a page in HTML"
    line = " ".join(text[: 4 * LONGEST_PREVIEW].split())
    return line if len(line) <= LONGEST_PREVIEW else f"{line[:LONGEST_PREVIEW]}…"


def _kind_of(data: bytes) -> str:
    beginning = data[:1024].lstrip()
    if not beginning:
        return "an empty answer"
    return "a page in HTML" if beginning.startswith(b"<") else "something else than JSON"


def _name_of_kind(answer: Object) -> str:
    kind = answer.get("kind")
    return preview(kind) if isinstance(kind, str) and kind else "a JSON object without kind"


def _check_depth(answer: Object) -> None:
    level: list[Any] = [answer]
    for _depth in range(DEEPEST):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise NotAnApi(f"it sent JSON of more than {DEEPEST} levels")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


_OWNER = {**dict.fromkeys(("apiVersion", "kind", "name", "uid"), str), "needed": ("name",)}
_WRITE = {**dict.fromkeys(("manager", "time", "subresource"), str), "fieldsV1": {}}
_TEXTS = {"*": str}
_METADATA = {
    **dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "generateName"), str),
    **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _TIME),
    "labels": _TEXTS,
    "annotations": _TEXTS,
    "ownerReferences": [_OWNER],
    "managedFields": [_WRITE],
    "finalizers": [str],
    "generation": int,
    "needed": ("name",),
}
_COMMON: dict[str, Any] = {
    "metadata": _METADATA,
    "spec": {},
    "status": {"conditions": [{}]},
    "data": _TEXTS,
    "binaryData": _TEXTS,
    "needed": ("metadata",),
}
"""Of any kind, also of those whose schema differs between releases of the platform."""
_CONDITIONS = [dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), str)]
_SECRET_KEY = {"name": str, "key": str, "needed": ("name", "key")}
_VARIABLE = {"name": str, "valueFrom": {"secretKeyRef": _SECRET_KEY}, "needed": ("name",)}
_VOLUME = {
    "name": str,
    "persistentVolumeClaim": {"claimName": str, "needed": ("claimName",)},
    "secret": {"secretName": str},
    "configMap": {"name": str},
    "needed": ("name",),
}
_POD_SPEC = {
    "containers": [{**dict.fromkeys(("name", "image"), str), "args": [str], "env": [_VARIABLE], "needed": ("name",)}],
    "volumes": [_VOLUME],
}
_STATE = {
    "running": {"startedAt": str},
    "waiting": {"reason": str, "message": str},
    "terminated": {**dict.fromkeys(("reason", "message", "finishedAt"), str), "exitCode": int},
}
_CONTAINER = {
    "name": str,
    "ready": bool,
    "restartCount": int,
    **dict.fromkeys(("state", "lastState"), _STATE),
    "needed": ("name",),
}
_PORT = {**dict.fromkeys(("name", "protocol"), str), "port": int, "needed": ("port",)}
_ADDRESS = {"ip": str, "hostname": str, "targetRef": {"kind": str, "name": str}, "needed": ("ip",)}
_ROLE = {"rules": [{"*": [str]}]}
_BINDING = {
    "subjects": [dict.fromkeys(("kind", "name", "namespace"), str)],
    "roleRef": {"kind": str, "name": str},
}
_REPLICAS = ("observedGeneration", "replicas", "updatedReplicas", "availableReplicas")
_BY_KIND: dict[str, dict[str, Any]] = {
    "Deployment": {
        "spec": {"replicas": int, "template": {"spec": _POD_SPEC}},
        "status": {**dict.fromkeys(_REPLICAS, int), "conditions": _CONDITIONS},
    },
    "Pod": {
        "spec": _POD_SPEC,
        "status": {"phase": str, "podIP": str, "conditions": _CONDITIONS, "containerStatuses": [_CONTAINER]},
    },
    "Endpoints": {
        "subsets": [{"addresses": [_ADDRESS], "notReadyAddresses": [_ADDRESS], "ports": [_PORT]}],
    },
    "Event": {
        "involvedObject": {"name": str},
        **dict.fromkeys(("reason", "message", "lastTimestamp", "eventTime"), str),
        "count": int,
        "needed": ("metadata", "involvedObject"),
    },
    "Service": {"spec": {**dict.fromkeys(("type", "clusterIP", "externalName"), str), "ports": [_PORT]}},
    "Role": _ROLE,
    "ClusterRole": _ROLE,
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
}
"""What the collection reads of kinds that Kubernetes itself defines."""


def misfits(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Yield the fields whose type is another than in the shape. null stands for an absent field.

    shape: one or more types, a pattern of texts, a list's element, or fields. Fields that it does not name may be anything,
    unless ``*`` stands for all of them.
    """
    if isinstance(shape, dict) and isinstance(value, dict):
        yield from _misfit_fields(value, shape, path)
    elif isinstance(shape, list) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from misfits(item, shape[0], f"{path}[{number}]")
    elif not _fits(value, shape):
        yield path


def _misfit_fields(value: Object, shape: Object, path: str) -> Iterator[str]:
    missing = [field for field in shape.get("needed", ()) if value.get(field) is None]
    yield from (f"{path}.{field}".lstrip(".") for field in missing)
    for field, item in value.items():
        expected = shape.get(field, shape.get("*"))
        if expected is not None and item is not None and field != "needed":
            yield from misfits(item, expected, f"{path}.{field}".lstrip("."))


def _fits(value: Any, shape: Any) -> bool:
    """Return whether a value that is no object or list, or should be none, has the type, or the form of the pattern."""
    if isinstance(shape, (dict, list)):
        return False
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and shape.fullmatch(value) is not None
    return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))


def without_nulls(value: Any) -> Any:
    """Return the value without fields that are null: they mean the same as absent ones, and readers handle one form."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _with_parts(item: Object, kind: str) -> Object:
    """Return the object if its parts have the types that they always have."""
    meta = item.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    if not _is_text(name):
        raise NotAnApi(f"it sent a {kind} without a name")
    field = next(misfits(item, {**_COMMON, **_BY_KIND.get(kind, {})}), None)
    if field is not None:
        raise NotAnApi(f"it sent {kind} {name} with {field} missing or of another type")
    plain: Object = without_nulls(item)
    return plain
