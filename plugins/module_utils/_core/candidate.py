# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database that a check is about: as options give it, as a registry uses it, or as a registry would after an edit."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

from .errors import InvalidInput
from .export import database_type, password_ref
from .model import CaSource, Database, KeyRef, Object, Tls
from .params import check_for_type

__all__ = ["PORTS", "candidate", "check_encryption", "database_of", "verifies"]

PORTS = {"mysql": 3306, "postgres": 5432}
"""What the API sets where no port is given."""

T = TypeVar("T", Database, Tls)


def candidate(given: Database | None, registry: Object | None) -> Database:
    """The database to check: what is given counts, and for the rest, what the registry uses.

    Raises InvalidInput where something is missing that a registry needs, or given that its kind of database cannot take.
    """
    known = database_of((registry or {}).get("spec") or {})
    if given is not None and given.type and given.type != known.type:
        # Nothing is taken over from a database of the other kind: an edit puts the new one in its place.
        known = Database()
    found = _over(known, given or Database())
    found = replace(found, type=found.type or "mysql", tls=_tls(known.tls, (given or Database()).tls))
    if given is not None:
        check_for_type(replace(given, type=found.type))
        check_encryption(given.tls, found)
    if given is not None and given.password is not None:
        found = replace(found, password_secret=None)
    if given is not None and (given.host or given.host_address):
        # An address counts as the host wherever it is connected to.
        found = replace(found, generate=None, host=given.host or given.host_address)
    if found.generate:
        check_for_type(replace(given or Database(), type=found.type, generate=True))
        return found
    for option in ("host", "name", "username"):
        if not getattr(found, option):
            raise InvalidInput(f"database.{option}", "it is needed and not given", f"Give database.{option}.")
    has_certificate = found.tls is not None and found.tls.client_certificate is not None
    if found.password is None and found.password_secret is None and not has_certificate:
        why = "the account's password is needed and not given"
        step = "Give database.password or database.password_secret, or a client certificate if the account has one."
        raise InvalidInput("database.password", why, step)
    return replace(found, port=found.port or PORTS[found.type or "mysql"])


def database_of(spec: Object) -> Database:
    """The database of a registry's spec; an empty one where it has none."""
    kind = database_type(spec)
    if kind is None:
        return Database()
    values = spec[kind]
    tls = Tls(
        ca=_ca(values),
        verify=bool(values.get("verifyServerCert")) if kind == "mysql" else None,
        client_certificate=_ref(values.get("sslCertificateSecret")),
        client_key=_ref(values.get("sslKeySecret")),
        mode=values.get("sslMode"),
        cipher=values.get("sslCipher"),
    )
    return Database(
        type=kind,
        host=values.get("host") or values.get("hostAddress"),
        port=values.get("port"),
        name=values.get("database"),
        username=values.get("username"),
        password_secret=password_ref(spec),
        tls=tls,
        generate=values.get("generateDeployment"),
    )


def verifies(tls: Tls) -> bool:
    """Whether a registry server would verify a MySQL server's certificate: with an authority, unless told otherwise."""
    return tls.verify if tls.verify is not None else bool(tls.ca or tls.ca_pem)


def check_encryption(given: Tls | None, merged: Database, option: str = "database.tls") -> None:
    """Raise InvalidInput if options ask for TLS and the registry would connect in plain text all the same, or the reverse.

    given: the options. merged: the database as it will be, with what an existing registry has already. An empty ``tls`` asks
    for TLS, too: a user who wants none leaves it out, or says ``enabled: false``.
    """
    if given is None or given.enabled is False:
        return
    tls = merged.tls or Tls()
    has_authority = bool(tls.ca or tls.ca_pem)
    if given.mode == "disable":
        if has_authority:
            why = "the registry has a certificate authority, with which the registry server encrypts whatever mode says"
            raise InvalidInput(f"{option}.mode", why, "Give enabled: false instead of mode.")
        return
    # To PostgreSQL, a client's certificate is shown with an sslmode that encrypts, and disable is what the API sets.
    has_certificate = bool(tls.client_certificate) and merged.type != "postgres"
    if has_authority or has_certificate or tls.verify or tls.cipher:
        return
    if merged.type == "mysql":
        why = "with nothing else in it, a registry connects to MySQL in plain text: no field of it says just to encrypt"
        raise InvalidInput(option, why, _ENCRYPTS)
    if not (tls.enabled or tls.verify is False or tls.mode not in (None, "disable")):
        why = "with nothing else in it, a registry connects to PostgreSQL in plain text"
        step = "Give a certificate authority, enabled: true or mode. For plain text leave tls out."
        raise InvalidInput(option, why, step)


_ENCRYPTS = (
    "Give a certificate authority (ca_bundle, ca_config_map, ca_secret or ca_pem), a client certificate, cipher, or verify: true if an "
    "authority that everybody knows has signed the server's certificate. For plain text leave tls out."
)


def _over(known: T, given: T) -> T:
    """The values of ``given``, and those of ``known`` where it has none."""
    values = {field.name: getattr(given, field.name) for field in fields(given)}
    return replace(known, **{name: value for name, value in values.items() if value is not None})


def _tls(known: Tls | None, given: Tls | None) -> Tls:
    """As an edit of the registry would leave it."""
    base, new = known or Tls(), given or Tls()
    if new.enabled is False:
        return Tls(enabled=False, mode="disable")
    if new.ca or new.ca_pem:
        base = replace(base, ca=None, verify=None)
    if new.verify is not None and known is not None and new.mode is None:
        base = replace(base, mode=None)
    if new.enabled and base.mode == "disable":
        base = replace(base, mode=None)
    return _over(base, new)


def _ca(values: Object) -> CaSource | None:
    for field, kind in (("sslRootCertificateConfigMap", "ConfigMap"), ("sslRootCertificateSecret", "Secret")):
        ref = _ref(values.get(field))
        if ref is not None:
            return CaSource(kind, ref)
    return None


def _ref(value: Object | None) -> KeyRef | None:
    return KeyRef(value["name"], value["key"]) if value else None
