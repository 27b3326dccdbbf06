# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries of a namespace should not share: a database, or the Secret with its password."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .._common.finding import PRODUCT, Finding
from .._common.model import Database, Object
from .._kubernetes.dns import resolved
from .export import PORTS, database_of
from .shape import misfit, without_nulls

__all__ = ["others_use", "sharers", "sharing_findings"]


def others_use(names: Sequence[str]) -> str:
    """Return the subject and the verb of a sentence about other registries."""
    return f"the registry {names[0]} uses" if len(names) == 1 else f"the registries {', '.join(names)} use"


def sharing_findings(
    name: str, database: Database, registries: Mapping[str, Object], namespace: str
) -> Iterator[Finding]:
    """Yield findings about what the registry shares with others. name: the registry's, which need not exist yet."""
    shared = sharers(name, database, registries, namespace)
    if shared:
        what = f"database {database.name} on {database.address}"
        why = f"{others_use(shared)} it, too, and they all show and change the same models"
        step = "Give each registry a database of its own with database.name."
        yield Finding("database_shared", "warning", what, why, step, PRODUCT)
    secret = _secret(database)
    users = [other for other, found in _others(name, registries, secret) if secret and _secret(found) == secret]
    if users:
        why = f"{others_use(users)} it, too: the dashboard deletes a Secret with the first of them"
        step = "Give each registry a Secret of its own, with database.password or database.password_secret."
        yield Finding("shared_secret", "warning", f"Secret {secret}", why, step, PRODUCT)


def sharers(name: str, database: Database, registries: Mapping[str, Object], namespace: str) -> list[str]:
    """Return the other registries on the same database, however its host is spelled."""
    place = _place(database, namespace)
    found = _others(name, registries, database.name) if place else ()
    return [other for other, one in found if _place(one, namespace) == place]


def _others(name: str, registries: Mapping[str, Object], text: str | None) -> Iterator[tuple[str, Database]]:
    """Yield the other registries with their database, if the text is the name of it or of its Secret."""
    # Each registry is compared with each, so only the few that can match are parsed.
    for other in sorted(one for one, item in registries.items() if one != name and _mentions(item, text)):
        registry = without_nulls(registries[other])
        if misfit(registry) is None:
            yield other, database_of(registry.get("spec") or {})


def _mentions(registry: Object, text: str | None) -> bool:
    spec = registry.get("spec")
    for kind in PORTS if isinstance(spec, dict) and text else ():
        values = spec.get(kind) if isinstance(spec, dict) else None
        if not isinstance(values, dict):
            continue
        secret = values.get("passwordSecret")
        if text in (values.get("database"), secret.get("name") if isinstance(secret, dict) else None):
            return True
    return False


def _place(database: Database, namespace: str) -> tuple[str | None, str, int, str] | None:
    """Return a value that is equal for two registries exactly if their pods connect to the same database."""
    if database.generate or not database.address or not database.name:
        return None
    port = database.port or PORTS.get(database.type or "", 0)
    return database.type, resolved(database.address, namespace), port, database.name


def _secret(database: Database) -> str | None:
    return database.password_secret.name if database.password_secret else None
