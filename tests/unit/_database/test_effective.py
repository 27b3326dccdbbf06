# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which database a check is about, where its credentials come from, and which plugin the cluster's registries need."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
    CaSource,
    Database,
    KeyRef,
    Tls,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.credentials import read_credentials
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.effective import (
    effective_database,
    verifies,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.plugin_requirement import required
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import Sealed

CA = {"name": "odh-trusted-ca-bundle", "key": "ca-bundle.crt"}
MYSQL = {
    "host": "mysql.databases.svc.cluster.local",
    "port": 3307,
    "database": "fraud",
    "username": "fraud",
    "passwordSecret": {"name": "fraud-db", "key": "database-password"},
    "sslRootCertificateConfigMap": CA,
    "verifyServerCert": True,
}
REGISTRY = {"spec": {"mysql": MYSQL}}
GIVEN = Database(host="db.example.com", name="fraud", username="fraud", password="canary")


def test_given() -> None:
    found = effective_database(GIVEN, None)
    assert (found.type, found.port, found.host, found.password) == ("mysql", 3306, "db.example.com", "canary")
    assert found.tls and not verifies(found.tls)


def test_a_registry() -> None:
    found = effective_database(None, REGISTRY)
    assert (found.host, found.port, found.name, found.username) == (MYSQL["host"], 3307, "fraud", "fraud")
    assert found.password_secret == KeyRef("fraud-db", "database-password")
    assert found.tls and found.tls.ca == CaSource("ConfigMap", KeyRef(**CA)) and verifies(found.tls)


@pytest.mark.parametrize(("registry", "kind"), [(None, "mysql"), (REGISTRY, "mysql"), ("postgres", "postgres")])
def test_the_type_of_a_database_that_is_not_given(registry: Any, kind: str) -> None:
    """As model_registry decides it."""
    stored = {"spec": {"postgres": {"host": "pg", "database": "d", "username": "u"}}}
    assert effective_database(GIVEN, stored if registry == "postgres" else registry).type == kind


def test_a_registry_after_an_edit() -> None:
    found = effective_database(Database(name="other", password="canary"), REGISTRY)
    assert (found.host, found.name, found.password, found.password_secret) == (MYSQL["host"], "other", "canary", None)
    plain = effective_database(Database(tls=Tls(enabled=False)), REGISTRY).tls
    assert plain and plain.ca is None and not verifies(plain)
    secret = CaSource("Secret", KeyRef("ca", "ca.crt"))
    unverified = {"spec": {"mysql": {**MYSQL, "verifyServerCert": False}}}
    tls = effective_database(Database(tls=Tls(ca=secret)), unverified).tls
    assert tls and tls.ca == secret and verifies(tls), "a new authority is there to verify with"


def test_a_postgres_registry() -> None:
    values = {**MYSQL, "sslMode": "verify-full", "hostAddress": "192.0.2.1", "host": ""}
    found = effective_database(None, {"spec": {"postgres": values}})
    assert (found.type, found.host) == ("postgres", "192.0.2.1") and found.tls and found.tls.mode == "verify-full"


def test_an_edit_is_checked_for_the_kind_of_database_that_is_there() -> None:
    """What MySQL accepts and PostgreSQL does not, and the other way round."""
    spec = {"host": "pg", "database": "d", "username": "u", "passwordSecret": {"name": "s", "key": "k"}}
    password, mode = Database(password="canary@"), Database(tls=Tls(mode="require"))
    assert effective_database(password, REGISTRY).password == "canary@"
    assert effective_database(mode, {"spec": {"postgres": spec}}).type == "postgres"
    for given, registry in ((password, {"spec": {"postgres": spec}}), (mode, REGISTRY)):
        with pytest.raises(InvalidInput, match=r"^database\.(password|tls\.mode): "):
            effective_database(given, registry)


AUTHORITY = CaSource("ConfigMap", KeyRef("ca", "ca.crt"))
CLIENT = KeyRef("client", "tls.crt")
ON_POSTGRES = {"spec": {"postgres": {key: value for key, value in MYSQL.items() if key != "verifyServerCert"}}}


@pytest.mark.parametrize("kind", ["mysql", "postgres"])
@pytest.mark.parametrize("has_authority", [False, True])
@pytest.mark.parametrize(
    ("tls", "encrypts", "on_postgres"),
    [
        (None, True, True),
        (Tls(), False, False),
        (Tls(enabled=True), False, True),
        (Tls(verify=False), False, True),
        (Tls(enabled=True, verify=False), False, True),
        (Tls(enabled=False), True, True),
        (Tls(verify=True), True, False),
        (Tls(enabled=True, verify=True), True, False),
        (Tls(ca=AUTHORITY), True, True),
        (Tls(ca=AUTHORITY, verify=False), True, True),
        (Tls(ca_pem="PEM"), True, True),
        (Tls(client_certificate=CLIENT, client_key=CLIENT), True, False),
        (Tls(enabled=True, client_certificate=CLIENT, client_key=CLIENT), True, True),
    ],
)
def test_tls_that_would_be_none_is_refused(
    kind: str, has_authority: bool, tls: Tls | None, encrypts: bool, on_postgres: bool
) -> None:
    """The registry's present fields count: with an authority there, each of these encrypts, and PostgreSQL verifies."""
    merged = {"mysql": REGISTRY, "postgres": ON_POSTGRES}[kind] if has_authority else None
    given = replace(GIVEN, type=kind, tls=tls)
    if has_authority or (encrypts if kind == "mysql" else on_postgres):
        assert effective_database(given, merged).host == GIVEN.host
        return
    why = (
        "needs a certificate authority, and none is given"
        if tls and tls.verify
        else "in plain text.*certificate authority"
    )
    with pytest.raises(InvalidInput, match=rf"^database\.tls: .* {why}"):
        effective_database(given, merged)


@pytest.mark.parametrize(("kind", "registry", "port"), [("postgres", "mysql", 5432), ("mysql", "postgres", 3306)])
def test_nothing_is_taken_over_from_a_database_of_the_other_kind(kind: str, registry: str, port: int) -> None:
    """An edit leaves neither port, authority nor Secret of the former one."""
    former = {"mysql": REGISTRY, "postgres": ON_POSTGRES}[registry]
    found = effective_database(replace(GIVEN, type=kind, port=None), former)
    assert (found.type, found.port, found.tls) == (kind, port, Tls())
    with pytest.raises(InvalidInput, match=r"^database\.password: "):
        effective_database(Database(type=kind, host="h", name="d", username="u"), former)


def test_disable_and_an_authority_contradict_each_other() -> None:
    """With an authority the registry server encrypts, whatever the mode."""
    with pytest.raises(InvalidInput, match=r"^database\.tls\.mode: .*authority.* Give enabled: false"):
        effective_database(Database(tls=Tls(mode="disable")), ON_POSTGRES)
    assert effective_database(Database(tls=Tls(enabled=False)), ON_POSTGRES).tls == Tls(enabled=False, mode="disable")


def test_a_generated_database_needs_nothing() -> None:
    assert effective_database(None, {"spec": {"postgres": {"generateDeployment": True, "database": "x"}}}).generate
    away = effective_database(GIVEN, {"spec": {"postgres": {"generateDeployment": True}}})
    assert not away.generate and away.host == "db.example.com"


@pytest.mark.parametrize(
    ("left", "option"),
    [
        (Database(name="a", username="a", password="p"), "host"),
        (Database(host="a", username="a", password="p"), "name"),
        (Database(host="a", name="a", password="p"), "username"),
        (Database(host="a", name="a", username="a"), "password"),
    ],
)
def test_what_is_needed(left: Database, option: str) -> None:
    with pytest.raises(InvalidInput, match=f"database.{option}: .* needed"):
        effective_database(left, None)


def secret(**values: bytes) -> dict[str, Any]:
    return {"data": {key: Sealed(base64.b64encode(value).decode()) for key, value in values.items()}}


def test_credentials_are_read_and_hidden() -> None:
    objects = {
        ("Secret", "db"): secret(password="päss wörd".encode()),
        ("ConfigMap", "ca"): {"data": {"ca.crt": "PEM"}},
        ("Secret", "client"): secret(crt=b"CERT", key=b"KEY"),
    }
    tls = Tls(
        ca=CaSource("ConfigMap", KeyRef("ca", "ca.crt")),
        client_certificate=KeyRef("client", "crt"),
        client_key=KeyRef("client", "key"),
    )
    hidden = list[str]()
    database = Database(password_secret=KeyRef("db", "password"), tls=tls)
    found = read_credentials(lambda kind, name: objects.get((kind, name)), database, hidden.append)
    assert found.password == "päss wörd".encode()
    assert (found.ca_pem, found.client_certificate, found.client_key) == ("PEM", "CERT", "KEY")
    assert set(hidden) == {"päss wörd", "CERT", "KEY"} and not found.findings
    assert "päss" not in repr(found) and "KEY" not in repr(found)


@pytest.mark.parametrize(
    ("item", "code", "why"),
    [
        (None, "secret_missing", "it does not exist"),
        (secret(other=b"x"), "secret_missing", "it has no key password"),
        (secret(password=b"canary\n"), "password_line_break", "ends with a line break"),
    ],
)
def test_what_is_wrong_with_a_secret(item: dict[str, Any] | None, code: str, why: str) -> None:
    database = Database(password_secret=KeyRef("db", "password"))
    (trouble,) = read_credentials(lambda _kind, _name: item, database, lambda _secret: None).findings
    assert trouble.code == code and why in trouble.why and "canary" not in repr(trouble)


def test_a_binary_authority() -> None:
    item = {"binaryData": {"ca.crt": base64.b64encode(b"PEM").decode()}}
    database = Database(tls=Tls(ca=CaSource("ConfigMap", KeyRef("ca", "ca.crt"))))
    assert read_credentials(lambda _kind, _name: item, database, print).ca_pem == "PEM"


def deployment(*containers: str) -> dict[str, Any]:
    spec = {"containers": [{"name": name} for name in containers]}
    return {"metadata": {"name": "old"}, "spec": {"template": {"spec": spec}}}


@pytest.mark.parametrize(
    ("served", "fields", "deployments", "plugin", "is_known", "why"),
    [
        (None, set(), None, "any", False, "does not serve"),
        (("v1alpha1",), set(), None, "native", True, "v1alpha1 only"),
        (("v1beta1", "v1alpha1"), {"kubeRBACProxy"}, None, "any", True, "kubeRBACProxy"),
        (("v1beta1",), {"oauthProxy"}, [deployment("rest-container")], "any", True, "none of"),
        (
            ("v1beta1",),
            {"oauthProxy"},
            [deployment("rest-container", "grpc-container")],
            "native",
            True,
            "registry old",
        ),
        (("v1beta1",), {"oauthProxy"}, [], "any", False, "no registry"),
    ],
)
def test_required_plugin(
    served: tuple[str, ...] | None, fields: set[str], deployments: Any, plugin: str, is_known: bool, why: str
) -> None:
    found = required(served, frozenset(fields), deployments)
    assert (found.plugin, found.is_known) == (plugin, is_known) and why in found.why


@pytest.mark.parametrize("tls", [Tls(mode="verify-full"), Tls(mode="verify-ca"), Tls(verify=True)])
def test_postgres_verifies_with_an_authority_only(tls: Tls) -> None:
    """As in model_registry. A registry that is so already is checked as it is, and one on MySQL has its image's."""
    given = Database(type="postgres", host="h", name="d", username="u", password="p", tls=tls)
    with pytest.raises(InvalidInput, match=r"^database\.tls: .*needs a certificate authority, and none is given"):
        effective_database(given, None)
    assert effective_database(replace(given, tls=replace(tls, ca_pem="PEM")), None).tls
    if tls.mode is None:
        assert effective_database(replace(given, type="mysql"), None).tls
    else:
        spec = {"host": "h", "database": "d", "username": "u", "passwordSecret": {"name": "s", "key": "k"}}
        stored = effective_database(None, {"spec": {"postgres": {**spec, "sslMode": tls.mode}}})
        assert stored.tls and stored.tls.mode == tls.mode


def test_a_password_of_a_new_registry_is_not_sent_for_one_that_exists() -> None:
    new = replace(GIVEN, password="canary", password_secret=None, is_password_of_new=True)
    assert effective_database(new, None).password == "canary"
    after = effective_database(new, REGISTRY)
    assert after.password is None and after.password_secret == effective_database(None, REGISTRY).password_secret
    assert not after.is_password_of_new
