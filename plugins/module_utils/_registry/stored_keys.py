# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of Secrets and ConfigMaps that a registry's pods read: their values, and findings about missing ones."""

from __future__ import annotations

from dataclasses import dataclass

from .._common.errors import Forbidden
from .._common.finding import CONFIG_OBJECTS, Finding
from .._common.model import Database, KeyRef, Object
from .._kubernetes.sealed import Sealed
from .export import database_of

__all__ = ["StoredKey", "database_keys", "missing_key_finding", "read_at_start", "read_key", "unread_key_finding"]


@dataclass(frozen=True)
class StoredKey:
    """A key of a Secret or ConfigMap in the registries namespace."""

    kind: str
    ref: KeyRef
    option: str
    """The option that names it."""
    is_ca: bool = False
    """Whether it holds the authority of the database's certificate."""

    @property
    def object(self) -> str:
        """The object that has the key, for messages."""
        return f"{self.kind} {self.ref.name}"

    def __str__(self) -> str:
        """Return the key as messages name it."""
        return f"key {self.ref.key} of {self.object}"


def database_keys(database: Database) -> dict[str, StoredKey]:
    """Return the keys that hold the database's credentials, by their purpose."""
    keys = {}
    if ref := database.password_secret:
        keys["password"] = StoredKey("Secret", ref, "database.password_secret")
    if (tls := database.tls) is None:
        return keys
    if tls.ca:
        keys["ca_pem"] = StoredKey(tls.ca.kind, tls.ca.ref, "database.tls", is_ca=True)
    for purpose, client_ref in (("client_certificate", tls.client_certificate), ("client_key", tls.client_key)):
        if client_ref:
            keys[purpose] = StoredKey("Secret", client_ref, f"database.tls.{purpose}_secret")
    return keys


def read_at_start(spec: Object) -> tuple[StoredKey, ...]:
    """Return the keys of the password and of the authority, which a registry's pods read only when they start."""
    keys = database_keys(database_of(spec))
    return tuple(keys[purpose] for purpose in ("password", "ca_pem") if purpose in keys)


def read_key(item: Object | None, key: str) -> bytes | None:
    """Return the value under a key of a Secret or ConfigMap; None if there is none."""
    data, binary = ((item or {}).get(field) or {} for field in ("data", "binaryData"))
    value = data.get(key)
    if value is None and key in binary:
        value = Sealed(binary[key])
    return value.plain() if isinstance(value, Sealed) else None if value is None else value.encode(errors="replace")


def missing_key_finding(key: StoredKey, item: Object | None) -> Finding:
    """Return the finding that the object does not exist, or lacks the key. item: the object."""
    code = "ca_missing" if key.is_ca else "secret_missing"
    why = "it does not exist" if item is None else f"it has no key {key.ref.key}"
    step = f"Create it in the registries namespace, or correct {key.option}."
    return Finding(code, "blocker", key.object, why, step, CONFIG_OBJECTS)


def unread_key_finding(key: StoredKey, error: Forbidden) -> Finding:
    """Return the finding that the user may not read the object. error: the API server's refusal."""
    code = "ca_unchecked" if key.is_ca else "secret_unchecked"
    why = f"it is not known whether it has the key {key.ref.key}: the user may not read it"
    return Finding(code, "info", key.object, why, error.next_step, CONFIG_OBJECTS)
