# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options for a database make of a stored spec, and whether they are refused: for an edit, and for a check before it."""

from __future__ import annotations

from dataclasses import replace

from .._common.errors import InvalidInput
from .._common.model import CaSource, Database, KeyRef, Object, Registry
from .._kubernetes.merge_patch import applied
from .export import ca_source, chosen_type, database_of, database_type, is_generated, password_ref
from .manifests import CA_FIELDS, wanted_registry
from .options import check_encryption, check_for_type
from .spec_rules import check_spec

__all__ = ["check_edit", "for_existing", "with_type", "without_defaults", "without_effect"]

_SOME = KeyRef("to-be-created", "key")
"""Stands for what a given password or authority will be stored in."""


def check_edit(given: Database, spec: Object) -> None:
    """Raise InvalidInput if options are refused for a registry with that spec, which is empty if it does not exist.

    A spec that they leave unchanged is not checked, except that it has the TLS that they request.
    """
    given = with_type(given, spec)
    _check_generated(given, spec)
    wanted = wanted_registry(Registry("", database=_with_references(given, spec)), "", {})["spec"]
    before = without_defaults(spec)
    after = applied(before, without_effect(given, spec, wanted))
    if after.get("mysql") != before.get("mysql") or after.get("postgres") != before.get("postgres"):
        check_spec(after)
    check_encryption(given.tls, database_of(after))


def for_existing(given: Database) -> Database:
    """Return the options for a registry that exists: without a password that is only for a new one."""
    return replace(given, password=None, is_password_of_new=False) if given.is_password_of_new else given


def with_type(given: Database, spec: Object) -> Database:
    """Fill in the type of the database if it is not given, and check the options for it."""
    given = replace(given, type=chosen_type(given, spec))
    check_for_type(given)
    return given


def without_effect(given: Database | None, spec: Object, wanted: Object) -> Object:
    """Return what is wanted of the spec, without changes that are not requested and would have no effect.

    Of two authorities the one in the ConfigMap counts, so the other may stay. With an authority, a registry server on
    PostgreSQL treats every sslMode alike, so the stored one stays.
    """
    kind = database_type(spec)
    fields = wanted.get(kind or "")
    tls = given.tls if given else None
    if kind is None or not fields or tls is None or tls.ca is None:
        return wanted
    source, idle = ca_source(spec), set()
    if source == tls.ca:
        idle |= {name for name in CA_FIELDS.values() if fields.get(name, "") is None}
    if source is not None and kind == "postgres" and tls.mode is None and tls.verify is None:
        idle.add("sslMode")
    return {**wanted, kind: {name: value for name, value in fields.items() if name not in idle}}


def without_defaults(spec: Object) -> Object:
    """Remove a field that means the same as its absence: verifyServerCert: false."""
    if (spec.get("mysql") or {}).get("verifyServerCert") is not False:
        return spec
    return applied(spec, {"mysql": {"verifyServerCert": None}})


def _check_generated(given: Database, spec: Object) -> None:
    """Raise InvalidInput for options without effect while the operator continues to run the registry's database."""
    if not is_generated(spec) or given.type == "mysql" or given.address:
        return
    if given.generate is False:
        why = "the operator runs the registry's database, and the options give no other"
        raise InvalidInput(
            "database.generate", why, "Give host, name, username and password of the database to use instead."
        )
    check_for_type(replace(given, generate=True))


def _with_references(given: Database, spec: Object) -> Database:
    """Return the options with references in place of a password and of certificates: the stored ones if there are any."""
    tls = given.tls
    if given.password is not None:
        given = replace(given, password=None, password_secret=password_ref(spec) or _SOME)
    if tls is not None and tls.ca_pem is not None:
        tls = replace(tls, ca_pem=None, ca=ca_source(spec) or CaSource("ConfigMap", _SOME))
    return replace(given, tls=tls)
