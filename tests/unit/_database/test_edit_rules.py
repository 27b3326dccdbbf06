# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A check before an edit refuses the options that the edit refuses, and no others."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
    CaSource,
    Database,
    KeyRef,
    Object,
    Registry,
    Tls,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.effective import effective_database
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.options import database_from
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.plan import (
    NamespaceState,
    plan_present,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.spec_rules import check_spec
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
REF = {"name": "object", "key": "key"}
POSTGRES = ("generateDeployment", "hostAddress", "image", "sslCipher")
FIELDS = frozenset({"mysql", "mysql.sslCipher", "postgres", *(f"postgres.{field}" for field in POSTGRES)})
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _stored(spec: Object) -> Object:
    return {"kind": "ModelRegistry", "metadata": {"name": "demo", "resourceVersion": "1"}, "spec": spec}


def _refusal_of_edit(database: Database, spec: Object | None) -> str | None:
    registries = {} if spec is None else {"demo": _stored(spec)}
    observed = NamespaceState("registries", "v1beta1", registries, {}, FIELDS)
    try:
        plan_present(Registry("demo", database=database, auth_proxy="none"), observed, "2026-06-01T00:00:00Z")
    except InvalidInput as error:
        return str(error)
    return None


def _refusal_of_check(database: Database, spec: Object | None) -> str | None:
    try:
        effective_database(database, None if spec is None else _stored(spec))
    except InvalidInput as error:
        return str(error)
    return None


def _some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries({}, optional=values)


_TLS_FIELDS = {
    "sslRootCertificateConfigMap": st.just(REF),
    "sslRootCertificateSecret": st.just(REF),
    "sslCertificateSecret": st.just(REF),
}
_ACCOUNT = {"database": "d", "username": "u", "passwordSecret": REF}
_MYSQL = _some(**_TLS_FIELDS, verifyServerCert=st.booleans(), sslCipher=st.just("TLS_AES_128_GCM_SHA256")).map(
    lambda fields: {"mysql": {"host": "db", "port": 3306, **_ACCOUNT, **fields}}
)
_POSTGRES = st.tuples(
    st.sampled_from([{"host": "db"}, {"hostAddress": "192.0.2.1"}]),
    _some(**_TLS_FIELDS, sslMode=st.sampled_from(MODES)),
).map(lambda parts: {"postgres": {"port": 5432, **_ACCOUNT, **parts[0], **parts[1]}})
_GENERATED = _some(
    image=st.just("quay.io/a/b:1"), sslMode=st.sampled_from(MODES), database=st.just("d"), username=st.just("u")
).map(lambda fields: {"postgres": {"generateDeployment": True, "port": 5432, **fields}})
SPECS = st.none() | (_MYSQL | _POSTGRES | _GENERATED)

_TLS = {
    "enabled": st.booleans(),
    "ca_bundle": st.just("cluster"),
    "ca_config_map": st.just(REF),
    "ca_secret": st.just(REF),
    "verify": st.booleans(),
    "mode": st.sampled_from(MODES),
    "cipher": st.sampled_from(["TLS_AES_128_GCM_SHA256", ""]),
}
OPTIONS = _some(
    type=st.sampled_from(["mysql", "postgres"]),
    host=st.just("db.example.com"),
    host_address=st.just("192.0.2.2"),
    port=st.just(3307),
    name=st.just("m"),
    username=st.just("v"),
    password=st.just("canary"),
    password_secret=st.just(REF),
    generate=st.booleans(),
    image=st.sampled_from(["quay.io/a/b:2", ""]),
    tls=_some(
        **_TLS, client=st.just({"client_certificate_secret": REF, "client_key_secret": {"name": "object", "key": "k"}})
    ).map(lambda tls: {**tls, **tls.pop("client", {})}),
)


def _database(options: Object) -> Database | None:
    """Return the options as modules read them, or None if they are refused whatever is stored."""
    names = (*_TLS, "ca_pem", "client_certificate_secret", "client_key_secret")
    tls = None if options.get("tls") is None else dict.fromkeys(names) | options["tls"]
    names = ("type", "host", "host_address", "port", "name", "username", "password", "password_secret", "generate")
    try:
        return database_from(dict.fromkeys((*names, "image")) | options | {"tls": tls}, NOW)
    except InvalidInput:
        return None


@settings(max_examples=500, deadline=None)
@given(spec=SPECS, options=OPTIONS)
def test_a_check_refuses_what_an_edit_refuses(spec: Object | None, options: Object) -> None:
    database = _database(options)
    assume(database is not None)
    assert database is not None
    if spec is not None:
        check_spec_or_skip(spec)
    by_edit = _refusal_of_edit(database, spec)
    event("refused" if by_edit else "accepted")
    assert _refusal_of_check(database, spec) == by_edit


def check_spec_or_skip(spec: Object) -> None:
    """Skip what is stored and cannot work: an edit that leaves it so says nothing, and a check does."""
    try:
        check_spec(spec)
    except InvalidInput:
        assume(False)


CA = CaSource("ConfigMap", KeyRef("ca", "ca.crt"))
OWN = {"postgres": {"host": "db", "port": 5432, **_ACCOUNT}}
RUN = {"postgres": {"generateDeployment": True, "port": 5432}}
AWAY = Database(host="db", name="d", username="u", password="canary", tls=Tls(mode="verify-ca"))


@pytest.mark.parametrize(
    ("spec", "database", "option"),
    [
        ({"postgres": {**RUN["postgres"], "sslMode": "verify-full"}}, AWAY, "database.tls"),
        (RUN, Database(generate=False), "database.generate"),
        (RUN, Database(username="a b", type="postgres"), "database.username"),
        (OWN, Database(image="quay.io/a/b:1"), "database.image"),
        (OWN, Database(tls=Tls(mode="verify-full")), "database.tls"),
    ],
)
def test_what_both_refuse(spec: Object, database: Database, option: str) -> None:
    refusal = _refusal_of_check(database, spec)
    assert refusal and refusal.startswith(f"{option}: ") and refusal == _refusal_of_edit(database, spec)
