# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON merge patches (RFC 7386) over owned fields only: fields that are not given explicitly stay unchanged."""

from __future__ import annotations

from collections.abc import Iterator

from .._common.model import Object

__all__ = ["applied", "field_paths", "merge_patch", "present_fields", "restricted"]


def merge_patch(observed: Object, wanted: Object) -> Object:
    """Return the smallest merge patch from ``observed`` to all that ``wanted`` says; empty if nothing differs.

    In ``wanted``, None means that the field must be absent. Fields that are not in it stay unchanged.
    """
    patch: Object = {}
    for key, value in wanted.items():
        current = observed.get(key)
        if value is None:
            if current is not None:
                patch[key] = None
        elif isinstance(value, dict) and isinstance(current, dict):
            inner = merge_patch(current, value)
            if inner:
                patch[key] = inner
        elif isinstance(value, dict):
            patch.update(present_fields({key: value}))
        elif current != value or type(current) is not type(value):
            patch[key] = value
    return patch


def present_fields(wanted: Object) -> Object:
    """Remove fields that must be absent, and dicts with no others, from what is wanted: a new object's body."""
    result: Object = {}
    for key, value in wanted.items():
        if isinstance(value, dict):
            inner = present_fields(value)
            if inner or not value:
                result[key] = inner
        elif value is not None:
            result[key] = value
    return result


def applied(observed: Object, patch: Object) -> Object:
    """Return the object after a merge patch."""
    result = dict(observed)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            current = result.get(key)
            result[key] = applied(current if isinstance(current, dict) else {}, value)
        else:
            result[key] = value
    return result


def restricted(observed: Object, patch: Object) -> Object:
    """Return the part of the object that a patch changes: the "before" of a diff."""
    result: Object = {}
    for key, value in patch.items():
        current = observed.get(key)
        if isinstance(value, dict) and isinstance(current, dict):
            result[key] = restricted(current, value)
        elif current is not None:
            result[key] = current
    return result


def field_paths(patch: Object, prefix: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the fields that a patch sets or removes, as dotted paths."""
    for key, value in patch.items():
        path = (*prefix, key)
        if isinstance(value, dict) and value:
            yield from field_paths(value, path)
        else:
            yield ".".join(path)
