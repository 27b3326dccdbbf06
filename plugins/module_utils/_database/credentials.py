# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database's password and certificates, read from where the registry server would get them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Callable

from .._common.errors import Forbidden
from .._common.finding import CONFIG_OBJECTS, Finding
from .._common.model import Database, KeyRef, Object
from .._kubernetes.sealed import Sealed

__all__ = ["Credentials", "Read", "read_credentials", "references"]

Read = Callable[[str, str], "Object | None"]
"""Returns the object of a kind and name in the registries namespace, or None if there is none."""


@dataclass(frozen=True)
class Credentials:
    """Credentials in plain text, for the connection alone: never shown, never part of an error's text."""

    password: bytes = field(default=b"", repr=False)
    ca_pem: str | None = field(default=None, repr=False)
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    findings: tuple[Finding, ...] = ()
    """What is wrong with them."""
    lacks: tuple[str, ...] = ()
    """The objects without which no login as the registry is possible: they do not exist, or may not be read."""


def references(database: Database) -> dict[str, tuple[str, KeyRef]]:
    """Return kind and key of each object that holds the database's credentials, by their purpose."""
    tls = database.tls
    found = {"password": ("Secret", database.password_secret)}
    if tls is not None:
        found["ca_pem"] = (tls.ca.kind if tls.ca else "", tls.ca.ref if tls.ca else None)
        found["client_certificate"] = ("Secret", tls.client_certificate)
        found["client_key"] = ("Secret", tls.client_key)
    return {name: (kind, ref) for name, (kind, ref) in found.items() if ref is not None}


def read_credentials(read: Read, database: Database, conceal: Callable[[str], None]) -> Credentials:
    """Return the credentials, and what is missing. conceal: called with each secret read, to hide it in all output.

    Raises what reading raises, except for a missing right.
    """
    values: dict[str, bytes] = {}
    troubles: list[Finding] = []
    lacks: list[str] = []
    for name, (kind, ref) in references(database).items():
        try:
            value = _value(read(kind, ref.name), ref.key)
        except Forbidden as error:
            lacks.append(f"{kind} {ref.name}")
            troubles.append(_unread(kind, ref, error, name))
            continue
        if isinstance(value, str):
            lacks.append(f"{kind} {ref.name}")
            troubles.append(_missing(kind, ref, value, name))
            continue
        values[name] = value
        if kind == "Secret" and name != "ca_pem":
            conceal(value.decode(errors="replace"))
    if database.password is not None:
        values["password"] = database.password.encode()
    tls = database.tls
    texts = {name: value.decode(errors="replace") for name, value in values.items() if name != "password"}
    if tls is not None and tls.ca_pem is not None:
        texts["ca_pem"] = tls.ca_pem
    troubles += _line_break(values.get("password", b""), database)
    return Credentials(values.get("password", b""), **texts, findings=tuple(troubles), lacks=tuple(lacks))


def _value(item: Object | None, key: str) -> bytes | str:
    """Return the value under a key, or why there is none."""
    if item is None:
        return "it does not exist"
    value = (item.get("data") or {}).get(key)
    if isinstance(value, Sealed):
        return base64.b64decode(value.reveal())
    if isinstance(value, str):
        return value.encode()
    binary = (item.get("binaryData") or {}).get(key)
    return f"it has no key {key}" if binary is None else base64.b64decode(binary)


def _missing(kind: str, ref: KeyRef, why: str, name: str) -> Finding:
    option = {
        "password": "database.password_secret",
        "ca_pem": "database.tls",
        "client_certificate": "database.tls.client_certificate_secret",
        "client_key": "database.tls.client_key_secret",
    }[name]
    code = "ca_missing" if name == "ca_pem" else "secret_missing"
    return Finding(
        code,
        "blocker",
        f"{kind} {ref.name}",
        why,
        f"Create it in the registries namespace, or correct {option}.",
        CONFIG_OBJECTS,
    )


def _unread(kind: str, ref: KeyRef, error: Forbidden, name: str) -> Finding:
    code = "ca_unchecked" if name == "ca_pem" else "secret_unchecked"
    why = f"it was not checked whether it has the key {ref.key}: the user may not read it"
    return Finding(code, "info", f"{kind} {ref.name}", why, error.next_step, CONFIG_OBJECTS)


def _line_break(password: bytes, database: Database) -> Iterator[Finding]:
    if password.endswith(b"\n") and database.password_secret is not None:
        what = f"key {database.password_secret.key} of Secret {database.password_secret.name}"
        why = "the password in it ends with a line break, which is sent as a part of it"
        yield Finding("password_line_break", "warning", what, why, "Write the Secret again without it.", CONFIG_OBJECTS)
