# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database to check: as options give it, as a registry uses it, or as a registry would after an edit."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

from .._common.model import Database, Object, Tls
from .._registry.database_edit import check_edit, for_existing
from .._registry.export import PORTS, chosen_type, database_of
from .._registry.spec_rules import check_complete

__all__ = ["effective_database", "verifies"]

T = TypeVar("T", Database, Tls)


def effective_database(given: Database | None, registry: Object | None) -> Database:
    """Return the database to check: the given values, and the registry's for the rest.

    Raises InvalidInput if a value is missing that a registry needs, or given that its kind of database cannot take.
    """
    if given is not None:
        given = replace(given if registry is None else for_existing(given), is_password_of_new=False)
    spec = (registry or {}).get("spec") or {}
    known, kind = database_of(spec), chosen_type(given, spec)
    if kind != known.type:
        # Keep nothing from a database of the other kind: an edit replaces it by the new one.
        known = Database()
    database = _merge(known, given or Database())
    database = replace(database, type=kind, tls=_tls(known.tls, (given or Database()).tls))
    if given is not None:
        check_edit(given, spec)
    if given is not None and given.password is not None:
        database = replace(database, password_secret=None)
    if given is not None and given.address:
        database = replace(database, generate=None, host=given.address)
    # An address counts as the host, wherever the check connects to.
    database = replace(database, host=database.address)
    if database.generate:
        return database
    check_complete(database)
    return replace(database, port=database.port or PORTS[kind])


def verifies(tls: Tls) -> bool:
    """Return whether a registry server would verify a MySQL server's certificate. By default, it does with an authority."""
    return tls.verify if tls.verify is not None else bool(tls.ca or tls.ca_pem)


def _merge(known: T, given: T) -> T:
    """Return the values of ``given``, and those of ``known`` if it has none."""
    values = {field.name: getattr(given, field.name) for field in fields(given)}
    return replace(known, **{name: value for name, value in values.items() if value is not None})


def _tls(known: Tls | None, given: Tls | None) -> Tls:
    """Return the TLS settings as an edit of the registry would leave them."""
    base, new = known or Tls(), given or Tls()
    if new.enabled is False:
        return Tls(enabled=False, mode="disable")
    if new.ca or new.ca_pem:
        base = replace(base, ca=None, verify=None)
    if new.verify is not None and known is not None and new.mode is None:
        base = replace(base, mode=None)
    if new.enabled and base.mode == "disable":
        base = replace(base, mode=None)
    return _merge(base, new)
