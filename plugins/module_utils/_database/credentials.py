# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database's password and certificates, read from where the registry server would get them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Callable, Optional

from .._common.errors import Forbidden
from .._common.finding import CONFIG_OBJECTS, Finding
from .._common.model import Database, Object
from .._registry.stored_keys import database_keys, missing_key_finding, read_key, unread_key_finding

__all__ = ["Credentials", "Read", "read_credentials"]

Read = Callable[[str, str], Optional[Object]]
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


def read_credentials(read: Read, database: Database, conceal: Callable[[str], None]) -> Credentials:
    """Return the credentials, and what is missing. conceal: called with each secret read, to hide it in all output.

    Raises what reading raises, except for a missing right.
    """
    values: dict[str, bytes] = {}
    troubles: list[Finding] = []
    lacks: list[str] = []
    for name, key in database_keys(database).items():
        try:
            item = read(key.kind, key.ref.name)
        except Forbidden as error:
            lacks.append(key.object)
            troubles.append(unread_key_finding(key, error))
            continue
        value = read_key(item, key.ref.key)
        if value is None:
            lacks.append(key.object)
            troubles.append(missing_key_finding(key, item))
            continue
        values[name] = value
        if key.kind == "Secret" and not key.is_ca:
            conceal(value.decode(errors="replace"))
    if database.password is not None:
        values["password"] = database.password.encode()
    tls = database.tls
    texts = {name: value.decode(errors="replace") for name, value in values.items() if name != "password"}
    if tls is not None and tls.ca_pem is not None:
        texts["ca_pem"] = tls.ca_pem
    troubles += _line_break(values.get("password", b""), database)
    return Credentials(values.get("password", b""), **texts, findings=tuple(troubles), lacks=tuple(lacks))


def _line_break(password: bytes, database: Database) -> Iterator[Finding]:
    key = database_keys(database).get("password")
    if password.endswith(b"\n") and key:
        why = "the password ends with a line break, which is sent with it"
        remedy = "Write the Secret again without it."
        yield Finding("password_line_break", "warning", str(key), why, remedy, CONFIG_OBJECTS)
