# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be shown: values of Secrets are sealed where they are read, and stay so wherever they go."""

from __future__ import annotations

import base64
from typing import Any

from .model import Object

__all__ = ["Sealed", "seal", "shown", "unsealed"]


class Sealed:
    """A value of a Secret, as base64. It can be compared and sent; its text and repr do not show it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def of(cls, plain: str) -> Sealed:
        """Of a value as the user gave it."""
        return cls(base64.b64encode(plain.encode()).decode())

    def reveal(self) -> str:
        """The base64 text, for the request body that carries it, and for nothing else."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "(hidden)"


def seal(secret: Object) -> Object:
    """Return the Secret with its values sealed, and with only those annotations that hold none.

    Tools copy what they have applied into annotations of their own (``kubectl apply``, and the operator with the account
    of the database that it runs), values included, and old values stay there. So only known annotations are kept. Of
    managedFields, what tells who has written the values and when is kept.
    """
    meta = dict(secret.get("metadata", {}))
    if "annotations" in meta:
        kept = (meta["annotations"] or {}).items()
        meta["annotations"] = {name: text for name, text in kept if name.startswith(HARMLESS)}
    if "managedFields" in meta:
        meta["managedFields"] = [_written(entry) for entry in meta["managedFields"]]
    data = {key: Sealed(value) for key, value in (secret.get("data") or {}).items()}
    return {**secret, "metadata": meta, "data": data}


HARMLESS = ("ansible.opendatahub.io/", "template.openshift.io/expose-")
"""How the annotations of a Secret begin that this collection writes and reads: marks, and names of keys."""


def _written(entry: Object) -> Object:
    """An entry of managedFields without the names of single fields, which can hold values in general."""
    known: Object = {name: entry[name] for name in ("manager", "operation", "time") if name in entry}
    return {**known, "fieldsV1": {name: {} for name in entry.get("fieldsV1") or {}}}


def unsealed(value: Any) -> Any:
    """The value with all that is sealed in it revealed: what a request carries."""
    if isinstance(value, Sealed):
        return value.reveal()
    if isinstance(value, dict):
        return {key: unsealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unsealed(item) for item in value]
    return value


def shown(value: Any, label: str = "(hidden)") -> Any:
    """The value with ``label`` in place of all that is sealed: what results and diffs carry."""
    if isinstance(value, Sealed):
        return label
    if isinstance(value, dict):
        return {key: shown(item, label) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item, label) for item in value]
    return value
