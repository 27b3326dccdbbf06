# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that answers have the form of a Kubernetes API server's, whatever their content.

A login page, a console or a proxy can answer in its place. The rest of the collection relies on the form checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from .._common.model import Object

__all__ = ["NotAnApi", "check_list", "check_object", "names_in", "parsed", "preview"]

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
    if not _is_list_of(_is_map)(items):
        raise NotAnApi(f"it sent a list of {kind} with items that are no objects")
    if isinstance(meta, dict) and meta.get("continue"):
        # Objects that are missing would count as deleted.
        raise NotAnApi(f"it sent a part of the list of {kind}, though all of it was asked for")
    common = {"apiVersion": answer["apiVersion"], "kind": kind}
    return [_with_parts({**item, **common}, kind) for item in items or ()], version


def names_in(answer: Object, field: str, name: str) -> tuple[str, ...]:
    """Return one text of each entry of a list: the versions of a group, or the resources of a version."""
    entries = answer.get(field)
    if not isinstance(entries, list) or not _is_list_of(_is_map)(entries):
        raise NotAnApi(f"it sent {_name_of_kind(answer)} for a list of {field}")
    names = tuple(entry.get(name) for entry in entries)
    if not all(isinstance(one, str) for one in names):
        raise NotAnApi(f"it sent {field} without {name}")
    return names


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


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def _is_map_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _is_list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a test for lists. null is an empty list, as the API server writes it."""
    return lambda value: value is None or (isinstance(value, list) and all(map(fits, value)))


_METADATA: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("namespace", "uid", "resourceVersion", "generateName"), lambda value: isinstance(value, str)),
    **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _is_time),
    **dict.fromkeys(("labels", "annotations"), _is_map_of_texts),
    **dict.fromkeys(("ownerReferences", "managedFields"), _is_list_of(_is_map)),
    "finalizers": _is_list_of(lambda value: isinstance(value, str)),
    "generation": lambda value: isinstance(value, int),
}
_PARTS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("spec", "status", "roleRef", "involvedObject"), _is_map),
    **dict.fromkeys(("subjects", "rules", "subsets"), _is_list_of(_is_map)),
    **dict.fromkeys(("data", "binaryData"), _is_map_of_texts),
}
"""The parts of any kind that the collection relies on. Each may be absent or null."""


def _with_parts(item: Object, kind: str) -> Object:
    """Return the object if its parts have the types that they always have."""
    meta = item.get("metadata")
    if not isinstance(meta, dict) or not _is_text(meta.get("name")):
        raise NotAnApi(f"it sent a {kind} without a name")
    wrong = [f"metadata.{name}" for name, fits in _METADATA.items() if not (meta.get(name) is None or fits(meta[name]))]
    wrong += [name for name, fits in _PARTS.items() if not (item.get(name) is None or fits(item[name]))]
    status = item.get("status")
    if isinstance(status, dict) and not _is_list_of(_is_map)(status.get("conditions")):
        wrong.append("status.conditions")
    if wrong:
        raise NotAnApi(f"it sent a {kind} with {wrong[0]} of another type")
    return _without_nulls(item, meta)


def _without_nulls(item: Object, meta: Object) -> Object:
    """Remove fields that are null: they mean the same as absent ones, and readers need to handle only one form."""
    whole = {name: value for name, value in item.items() if value is not None}
    return {**whole, "metadata": {name: value for name, value in meta.items() if value is not None}}
