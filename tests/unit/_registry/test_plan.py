# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do: changes between a desired registry and an observed namespace."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from itertools import product
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import registry as registry_spec
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    InvalidInput,
    NotFound,
    Refused,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
    CaSource,
    Database,
    KeyRef,
    ProxySettings,
    Registry,
    Tls,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import (
    change_entry,
    diffs,
    layer,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.merge_patch import applied
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import (
    Sealed,
    seal,
    unsealed,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.deletion import (
    DeletionOptions,
    Dependents,
    plan_absent,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.description import (
    described,
    left_out,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.fields import needed_fields
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.options import registry_from
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.plan import (
    NamespaceState,
    password_not_used,
    plan_present,
)
from pem_cases import A

Object = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"
MYSQL = Database("mysql", "db", None, "demo", "demo", "canary")


def stored(**mysql: Any) -> Object:
    """Return a registry as the API server has it, with what it and the operator add."""
    fields = {
        "host": "db",
        "port": 3306,
        "database": "demo",
        "username": "demo",
        "skipDBCreation": False,
        "passwordSecret": {"name": "demo-db-password", "key": "database-password"},
        **mysql,
    }
    meta = {"name": "demo", "namespace": "ns", "uid": "u", "resourceVersion": "7", "finalizers": ["f"]}
    spec = {
        "rest": {"port": 8080, "serviceRoute": "disabled"},
        "mysql": fields,
        "kubeRBACProxy": {"port": 8443, "serviceRoute": "enabled"},
    }
    return {"kind": "ModelRegistry", "metadata": meta, "spec": spec}


def secret(name: str = "demo-db-password", **meta: Any) -> Object:
    data = {"database-name": "demo", "database-user": "demo", "database-password": "canary"}
    labels = {"ansible.opendatahub.io/registry": "demo"} if name == "demo-db-password" else {}
    exposed = {
        f"template.openshift.io/expose-{name}": f"{{.data['database-{key}']}}"
        for name, key in (("database_name", "name"), ("username", "user"), ("password", "password"))
    }
    body = {
        "kind": "Secret",
        "metadata": {
            "name": name,
            "uid": "s",
            "resourceVersion": "8",
            "labels": labels,
            "annotations": exposed,
            **meta,
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }
    return seal(body)


DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "demo", "resourceVersion": "9"}, "spec": {"template": {}}}


PROXY_FIELDS = {"istio": "istio", "oauth": "oauthProxy", "kube_rbac": "kubeRBACProxy"}
REST = ("rest.image", "rest.port", "rest.serviceRoute")
SETTINGS = ("image", "port", "serviceRoute", "domain", "routePort", "tlsCertificateSecret", "tlsKeySecret")
POSTGRES = ("postgres.hostAddress", "postgres.image", "postgres.generateDeployment")


def observed(
    *objects: Object,
    version: str = "v1beta1",
    proxies: tuple[str, ...] = ("oauth", "kube_rbac"),
    openshift: bool = False,
    lacks: tuple[str, ...] = (),
) -> NamespaceState:
    """Return what is observed. lacks: fields that the version does not have, beside those of other proxies."""
    registries = {one["metadata"]["name"]: one for one in objects if one["kind"] == "ModelRegistry"}
    others = {(one["kind"], "ns", one["metadata"]["name"]): one for one in objects if one["kind"] != "ModelRegistry"}
    fields = {*REST, *POSTGRES, "mysql.sslCipher", *(PROXY_FIELDS[name] for name in proxies)}
    fields |= {f"{PROXY_FIELDS[name]}.{field}" for name in proxies for field in SETTINGS}
    return NamespaceState("ns", version, registries, others, frozenset(fields - set(lacks)), openshift=openshift)


def test_creation() -> None:
    plan = plan_present(Registry("demo", "Demo", database=MYSQL), observed(), NOW)
    made = [(change.action, change.kind, change.name) for change in plan.changes]
    assert made == [("create", "Secret", "demo-db-password"), ("create", "ModelRegistry", "demo")]
    assert [layer(change) for change in plan.changes] == [0, 1]
    assert unsealed(plan.changes[0].body)["data"]["database-password"] == base64.b64encode(b"canary").decode()
    assert not plan.after_ready


ISTIO: Object = {"gateway": {"rest": {"tls": {}}, "grpc": {"tls": {}}}}


KUBE_RBAC: Object = {"rest": {}, "kubeRBACProxy": {}}


@pytest.mark.parametrize(
    ("version", "known", "openshift", "asked", "spec"),
    [
        # Operators from v0.3.2 to v0.3.13 add no proxy by themselves, not on OpenShift either.
        ("v1beta1", ("oauth", "kube_rbac"), True, None, KUBE_RBAC),
        ("v1beta1", ("oauth", "kube_rbac"), True, "auto", KUBE_RBAC),
        ("v1beta1", ("oauth", "kube_rbac"), False, None, {"rest": {}}),
        ("v1beta1", ("oauth", "kube_rbac"), False, "kube_rbac", KUBE_RBAC),
        ("v1beta1", ("oauth", "kube_rbac"), True, "none", {"rest": {}}),
        ("v1beta1", ("oauth", "kube_rbac"), True, "oauth", {"rest": {}, "oauthProxy": {}}),
        ("v1beta1", ("oauth",), True, "auto", {"rest": {}, "grpc": {}, "oauthProxy": {}}),
        ("v1beta1", ("oauth",), False, "auto", {"rest": {}, "grpc": {}}),
        ("v1beta1", ("oauth",), True, "none", {"rest": {}, "grpc": {}}),
        ("v1alpha1", ("istio", "oauth"), True, "auto", {"rest": {}, "grpc": {}, "istio": ISTIO}),
        ("v1alpha1", ("istio", "oauth"), False, "auto", {"rest": {}, "grpc": {}}),
        ("v1alpha1", ("istio", "oauth"), True, "oauth", {"rest": {}, "grpc": {}, "oauthProxy": {}}),
    ],
)
def test_proxy_of_a_new_registry(
    version: str, known: tuple[str, ...], openshift: bool, asked: str | None, spec: Object
) -> None:
    there = observed(version=version, proxies=known, openshift=openshift)
    plan = plan_present(Registry("demo", database=MYSQL, auth_proxy=asked), there, NOW)
    made = plan.changes[1].body
    assert made["apiVersion"] == f"modelregistry.opendatahub.io/{version}"
    assert {key: value for key, value in made["spec"].items() if key != "mysql"} == spec


@pytest.mark.parametrize(("asked", "added"), [(None, None), ("auto", None), ("none", None), ("kube_rbac", {})])
def test_a_registry_without_a_proxy_gets_one_only_if_it_is_asked_for(asked: str | None, added: Object | None) -> None:
    """Silently it would cut off clients that have no token."""
    there = stored()
    del there["spec"]["kubeRBACProxy"]
    changes = plan_present(Registry("demo", auth_proxy=asked), observed(there, openshift=True), NOW).changes
    assert [change.body["spec"] for change in changes] == ([{"kubeRBACProxy": added}] if added is not None else [])


def test_nothing_to_do() -> None:
    plan = plan_present(Registry("demo", database=MYSQL), observed(stored(), secret(), DEPLOYMENT), NOW)
    assert plan.changes == () and plan.after_ready == ()


@pytest.mark.parametrize("proxy", [None, "auto", "none", "kube_rbac", "oauth", "istio"])
def test_migrations_are_no_drift(proxy: str | None) -> None:
    assert not plan_present(Registry("demo", auth_proxy=proxy), observed(stored()), NOW).changes


def test_amounts_in_other_words_are_no_drift() -> None:
    registry = stored()
    registry["spec"]["rest"]["resources"] = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1"}}
    wanted = {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1000m"}}
    assert not plan_present(Registry("demo", resources=wanted), observed(registry), NOW).changes
    (change,) = plan_present(Registry("demo", resources={"limits": {"cpu": "2000m"}}), observed(registry), NOW).changes
    assert change.body["spec"] == {"rest": {"resources": {"limits": {"cpu": "2000m"}}}}


def test_a_password_restarts() -> None:
    plan = plan_present(
        Registry("demo", database=Database(password="new")), observed(stored(), secret(), DEPLOYMENT), NOW
    )
    entries = [change_entry(change, True) for change in (*plan.changes, *plan.after_ready)]
    mark = "metadata.annotations.ansible.opendatahub.io/restart-pending"
    assert [(one["action"], one["kind"], one["fields"]) for one in entries] == [
        ("patch", "Secret", ["data.database-password", mark]),
        ("restart", "Deployment", ["spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt"]),
        ("patch", "Secret", [mark]),
    ]
    assert plan.changes[0].body["metadata"]["resourceVersion"] == "8"


PENDING = "ansible.opendatahub.io/restart-pending"
LATER = "2026-01-02T00:00:00Z"


def deployment(restarted: str | None) -> Object:
    """Return a Deployment whose pods were restarted at this time."""
    annotations = {"kubectl.kubernetes.io/restartedAt": restarted} if restarted else {}
    return {**DEPLOYMENT, "spec": {"template": {"metadata": {"annotations": annotations}}}}


@pytest.mark.parametrize("restarted", [None, NOW, "2025-12-31T20:00:00-04:00", "2126-01-01T00:00:00Z"])
def test_a_restart_is_due_until_one_for_the_mark_has_begun(restarted: str | None) -> None:
    """Whatever clock the client that restarts has, and whatever time zone it writes."""
    rotated = Registry("demo", database=Database(password="new"))
    plan = plan_present(rotated, observed(stored(), secret(), deployment(restarted)), LATER)
    mark = plan.changes[0].body["metadata"]["annotations"][PENDING]
    assert mark == LATER
    cut = secret(annotations={PENDING: mark})
    (restart,) = plan_present(
        Registry("demo"), observed(stored(), cut, deployment(restarted)), "2026-01-03T00:00:00Z"
    ).changes
    assert restart.action == "restart" and restart.body == {"spec": deployment(LATER)["spec"]}
    begun = plan_present(Registry("demo"), observed(stored(), cut, deployment(LATER)), "2026-01-03T00:00:00Z")
    assert not begun.changes and [change.kind for change in begun.after_ready] == ["Secret"]


def test_two_marks_take_one_restart() -> None:
    """Of two interrupted runs, one changed the Secret before the last restart, one the authority after it."""
    registry = stored(sslRootCertificateConfigMap={"name": "demo-db-credential", "key": "ca.crt"})
    meta = {"name": "demo-db-credential", "resourceVersion": "1", "annotations": {PENDING: LATER}}
    authority = {"kind": "ConfigMap", "metadata": meta}
    found = (registry, secret(annotations={PENDING: NOW}), authority)
    plan = plan_present(Registry("demo"), observed(*found, deployment(NOW)), "2026-01-03T00:00:00Z")
    assert [change.body for change in plan.changes] == [{"spec": deployment("2026-01-03T00:00:00Z")["spec"]}]
    assert {change.kind for change in plan.after_ready} == {"Secret", "ConfigMap"}
    assert {mark.value for mark in plan.marks} == {NOW, LATER}


@pytest.mark.parametrize("database", [Database(name="demo", username="new"), Database(name="new", username="demo")])
def test_copies_that_no_pod_reads_need_no_restart(database: Database) -> None:
    """The Secret's keys database-name and database-user are for people; pods have both from the spec."""
    registry = stored(database=database.name, username=database.username)
    whole = Registry("demo", database=Database("mysql", "db", None, database.name, database.username, "canary"))
    plan = plan_present(whole, observed(registry, secret(), DEPLOYMENT), NOW)
    (patch,) = plan.changes
    assert patch.kind == "Secret" and len(patch.body["data"]) == 1
    assert PENDING not in str(patch.body) and not plan.after_ready


def test_a_secret_that_was_deleted_under_running_pods_restarts_them() -> None:
    """The dashboard deletes it with each edit that gives no password; the pods go on with the one that they have."""
    again = Registry("demo", database=Database(password="new"))
    plan = plan_present(again, observed(stored(), DEPLOYMENT), NOW)
    assert [(change.action, change.kind) for change in plan.changes] == [
        ("create", "Secret"),
        ("restart", "Deployment"),
    ]
    assert plan.changes[0].body["metadata"]["annotations"][PENDING] == NOW


def test_a_new_secret_in_the_place_of_another_is_marked_and_takes_no_restart() -> None:
    """The operator rolls out a change of the spec: whether old pods still serve is checked afterwards."""
    registry = stored(passwordSecret={"name": "vault", "key": "password"})
    plan = plan_present(
        Registry("demo", database=Database(password="new")), observed(registry, secret(), DEPLOYMENT), NOW
    )
    assert [(change.action, change.kind) for change in plan.changes] == [
        ("patch", "Secret"),
        ("patch", "ModelRegistry"),
    ]
    assert PENDING not in str(plan.changes[0].body) and [change.kind for change in plan.after_ready] == [
        "ModelRegistry"
    ]
    assert plan.changes[1].body["metadata"]["annotations"] == {PENDING: NOW} and [
        mark.since for mark in plan.marks
    ] == [None]


def test_the_dashboards_secret_is_used() -> None:
    found = secret("demo-db-x7x2p", generateName="demo-db-", labels={})
    registry = stored(passwordSecret={"name": "demo-db-x7x2p", "key": "database-password"})
    assert not plan_present(Registry("demo", database=MYSQL), observed(registry, found, DEPLOYMENT), NOW).changes


NEW_CA = Registry("demo", database=Database(tls=Tls(ca_pem="new")))


def secured(config_map: str, name: str = "demo") -> Object:
    """Return a registry whose authority was uploaded to that ConfigMap."""
    registry = stored(sslRootCertificateConfigMap={"name": config_map, "key": "ca.crt"}, verifyServerCert=True)
    registry["metadata"]["name"] = name
    return registry


def authority(name: str, **meta: Any) -> Object:
    return {
        "kind": "ConfigMap",
        "metadata": {"name": name, "uid": "c", "resourceVersion": "5", **meta},
        "data": {"ca.crt": "old"},
    }


@pytest.mark.parametrize("name", ["db-credential", "demo-db-credential"])
def test_the_dashboards_authority_is_used(name: str) -> None:
    """Of OpenShift AI 2.19, and of later releases."""
    plan = plan_present(NEW_CA, observed(secured(name), authority(name), DEPLOYMENT), NOW)
    assert [(change.action, change.key[0], change.name) for change in plan.changes] == [
        ("patch", "ConfigMap", name),
        ("restart", "Deployment", "demo"),
    ]
    assert plan.changes[0].body["data"] == {"ca.crt": "new"}
    same = Registry("demo", database=Database(tls=Tls(ca_pem="old")))
    marked = authority(name, labels={"ansible.opendatahub.io/registry": "demo"})
    assert not plan_present(same, observed(secured(name), marked), NOW).changes


@pytest.mark.parametrize(("stored_as", "left"), [(A.replace("\n", "\r\n"), True), (A.replace("\n", " "), False)])
def test_an_authority_that_go_reads_is_not_rewritten(stored_as: str, left: bool) -> None:
    found = {**authority("demo-db-credential"), "data": {"ca.crt": stored_as}}
    found["metadata"]["labels"] = {"ansible.opendatahub.io/registry": "demo"}
    wanted = Registry("demo", database=Database(tls=Tls(ca_pem=A)))
    changes = plan_present(wanted, observed(secured("demo-db-credential"), found, DEPLOYMENT), NOW).changes
    assert [change.body["data"] for change in changes[:1]] == ([] if left else [{"ca.crt": A}])


@pytest.mark.parametrize("there", [True, False], ids=["of another registry, too", "not there any more"])
def test_an_authority_of_others_is_not_overwritten(there: bool) -> None:
    found = [secured("db-credential", "other"), authority("db-credential")] if there else []
    plan = plan_present(NEW_CA, observed(secured("db-credential"), *found), NOW)
    assert [(change.action, change.name) for change in plan.changes] == [
        ("create", "demo-db-credential"),
        ("patch", "demo"),
    ]
    reference = {"name": "demo-db-credential"}
    assert plan.changes[1].body["spec"] == {"mysql": {"sslRootCertificateConfigMap": reference}}


def test_an_authority_for_all_registries_stays() -> None:
    removal = plan_absent(
        "demo", observed(secured("db-credential"), authority("db-credential")), Dependents(), DeletionOptions()
    )
    assert not removal.plan.after_ready and removal.retained[1]["name"] == "db-credential"


def test_a_secret_of_the_users_is_left_as_it_is() -> None:
    found = secret("own")
    registry = stored(passwordSecret={"name": "own", "key": "database-password"})
    plan = plan_present(Registry("demo", database=MYSQL), observed(registry, found, DEPLOYMENT), NOW)
    assert [(one.action, one.name) for one in plan.changes] == [("create", "demo-db-password"), ("patch", "demo")]


def test_changing_the_kind_of_authority_removes_the_other() -> None:
    registry = stored(sslRootCertificateConfigMap={"name": "ca", "key": "k"}, verifyServerCert=True)
    tls = Tls(ca=CaSource("Secret", KeyRef("ca", "k")))
    (change,) = plan_present(Registry("demo", database=Database(tls=tls)), observed(registry), NOW).changes
    assert change.body["spec"]["mysql"] == {
        "sslRootCertificateConfigMap": None,
        "sslRootCertificateSecret": {"name": "ca", "key": "k"},
    }


def test_another_kind_of_database_replaces_the_first() -> None:
    database = Database("postgres", "pg", None, "demo", "demo", password_secret=KeyRef("s", "k"))
    (change,) = plan_present(Registry("demo", database=database), observed(stored()), NOW).changes
    assert change.body["spec"]["mysql"] is None and change.body["spec"]["postgres"]["host"] == "pg"


@pytest.mark.parametrize(
    ("registry", "found", "words"),
    [
        (Registry("demo"), (), "database.type: a registry needs a database and none is given"),
        (Registry("demo", database=Database(host="db")), (), "database.name: it is needed and not given"),
        (Registry("demo", database=Database("mysql")), (), "database.host: it is needed and not given"),
        (
            Registry("demo", database=Database("mysql", "db", name="d", username="u")),
            (),
            "database.password: .*not given",
        ),
        (
            Registry("demo", database=Database("postgres", "db", None, "d", "u", "p", tls=Tls(verify=True))),
            (),
            "database.tls: .* needs a certificate authority, and none is given",
        ),
        *(
            (Registry("demo", database=database), found, "database.tls: .* in plain text")
            for tls in (Tls(), Tls(enabled=True), Tls(verify=False), Tls(enabled=True, verify=False))
            for database, found in (
                (Database("mysql", "db", None, "d", "u", "p", tls=tls), ()),
                (Database(tls=tls), (stored(),)),
            )
        ),
        (
            Registry("demo", database=Database("postgres", "db", None, "d", "u", "p", tls=Tls())),
            (),
            "database.tls: .* in plain text",
        ),
    ],
)
def test_what_cannot_work(registry: Registry, found: tuple[Object, ...], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        plan_present(registry, observed(*found), NOW)


def on_postgres() -> Object:
    """Return a registry whose database is of the other kind."""
    registry = stored()
    registry["spec"]["postgres"] = registry["spec"].pop("mysql")
    return registry


@pytest.mark.parametrize(
    ("edit", "option", "words"),
    [
        *((Database(password=f"canary{one}"), "database.password", "into a URL") for one in '@:/?#% €"'),
        (Database(username="a<b"), "database.username", "connection string"),
        (Database(name="a|b"), "database.name", "connection string"),
        (Database(name="x" * 64), "database.name", "63 is the most"),
    ],
)
def test_an_edit_is_checked_by_the_rules_of_the_database_that_is_there(edit: Database, option: str, words: str) -> None:
    """MySQL accepts each of these; what PostgreSQL's URL cannot hold is refused, although the edit names no type."""
    assert plan_present(Registry("demo", database=edit), observed(stored(), secret()), NOW).changes
    with pytest.raises(InvalidInput, match=words) as caught:
        plan_present(Registry("demo", database=edit), observed(on_postgres(), secret()), NOW)
    assert caught.value.what == option and "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", ["mysql", "postgres", None])
def test_the_type_of_a_database_that_is_not_given(kind: str | None) -> None:
    """A new registry gets MySQL; one that exists keeps the type that it has."""
    given = Database(host="other", name="d", username="u", password_secret=KeyRef("s", "k"))
    there = {"mysql": (stored(),), "postgres": (on_postgres(),), None: ()}[kind]
    (change,) = plan_present(Registry("demo", database=given), observed(*there), NOW).changes
    assert change.body["spec"][kind or "mysql"]["host"] == "other"
    assert {"mysql", "postgres"} & change.body["spec"].keys() == {kind or "mysql"}


def test_options_of_the_other_kind_of_database_in_an_edit() -> None:
    edit = Registry("demo", database=Database(tls=Tls(mode="require")))
    (change,) = plan_present(edit, observed(on_postgres()), NOW).changes
    assert change.body["spec"] == {"postgres": {"sslMode": "require"}}
    for wrong, option in ((edit.database, "tls.mode"), (Database(generate=True), "generate")):
        with pytest.raises(InvalidInput, match=f"^database.{option}: .*PostgreSQL"):
            plan_present(Registry("demo", database=wrong), observed(stored()), NOW)


def test_nothing_is_stored_for_a_registry_that_has_no_database() -> None:
    """A password alone makes no database."""
    bare = stored()
    del bare["spec"]["mysql"]
    with pytest.raises(InvalidInput, match=r"^database.host: it is needed and not given"):
        plan_present(Registry("demo", database=Database(password="canary")), observed(bare), NOW)


def test_an_object_of_others_is_not_overwritten() -> None:
    with pytest.raises(Refused, match="Secret demo-db-password: it exists without this registry's label"):
        plan_present(Registry("demo", database=MYSQL), observed(secret(labels={}, annotations={})), NOW)


def test_a_registry_on_its_way_out_is_not_edited() -> None:
    going = stored()
    going["metadata"]["deletionTimestamp"] = NOW
    with pytest.raises(Refused, match=f"it is being deleted since {NOW}. Wait until it is gone"):
        plan_present(Registry("demo", "x"), observed(going), NOW)


def test_nothing_shown_is_secret() -> None:
    plan = plan_present(Registry("demo", database=MYSQL), observed(), NOW)
    shown = repr(plan) + repr(diffs(plan.changes)) + repr([change_entry(change, True) for change in plan.changes])
    assert "canary" not in shown and base64.b64encode(b"canary").decode() not in shown
    assert repr(Sealed.of("canary")) == "(hidden)"


PAIR: Object = {"tlsCertificateSecret": {"name": "t", "key": "c"}, "tlsKeySecret": {"name": "t", "key": "k"}}
GENERATED: Object = {"generateDeployment": True, "port": 5432, "sslMode": "disable", "skipDBCreation": False}
EXTERNAL: Object = {
    "port": 5432,
    "database": "demo",
    "username": "demo",
    "sslMode": "require",
    "passwordSecret": {"name": "demo-db-password", "key": "database-password"},
}


CLIENT: Object = {
    "sslCertificateSecret": {"name": "c", "key": "c"},
    "sslKeySecret": {"name": "c", "key": "k"},
}
CERTIFICATES: Object = {"sslRootCertificateConfigMap": {"name": "ca", "key": "k"}, **CLIENT}


def on(spec: Object) -> Object:
    """Return a registry with other fields of the spec; None removes one."""
    return applied(stored(), {"spec": spec})


STORED = [
    stored(),
    stored(
        sslRootCertificateConfigMap={"name": "odh-trusted-ca-bundle", "key": "ca-bundle.crt"}, verifyServerCert=True
    ),
    stored(sslRootCertificateSecret={"name": "ca", "key": "k"}),
    stored(
        sslRootCertificateConfigMap={"name": "ca", "key": "k"},
        sslCertificateSecret={"name": "c", "key": "c"},
        sslKeySecret={"name": "c", "key": "k"},
    ),
    stored(sslCipher="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA256"),
    on({"rest": {"image": "quay.io/a/b:1", "port": 9000, "serviceRoute": "enabled"}}),
    on({"kubeRBACProxy": {"port": 9443, "routePort": 8444, "serviceRoute": "disabled", "domain": "a.b", **PAIR}}),
    on({"kubeRBACProxy": None, "oauthProxy": {"image": "quay.io/a/b", "port": 8443}}),
    on({"kubeRBACProxy": None}),
    on({"kubeRBACProxy": None, "istio": {"gateway": {}}}),
    on({"mysql": None, "postgres": {**EXTERNAL, "host": "db"}}),
    on({"mysql": None, "postgres": {**EXTERNAL, "hostAddress": "10.0.0.1"}}),
    on({"mysql": None, "postgres": {**EXTERNAL, "host": "db", **CERTIFICATES}}),
    stored(verifyServerCert=True),
    on({"mysql": None, "postgres": GENERATED}),
    on({"mysql": None, "postgres": {**GENERATED, "database": "d", "username": "u", "image": "quay.io/a/pg:16"}}),
]


@pytest.mark.parametrize("registry", STORED)
def test_a_description_given_again_changes_nothing(registry: Object) -> None:
    """Nor does it need the schema: stored fields are served."""
    again = registry_from(_options(described(registry)), datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert needed_fields(again, registry) == {}
    assert not plan_present(again, observed(registry, proxies=(), lacks=(*REST, *POSTGRES)), NOW).changes


@pytest.mark.parametrize("registry", [one for one in STORED if "istio" not in one["spec"]])
def test_a_description_creates_the_same_anew(registry: Object) -> None:
    again = registry_from(_options(described(registry)), datetime(2026, 1, 1, tzinfo=timezone.utc))
    (change,) = plan_present(again, observed(), NOW).changes
    stored_again = {"metadata": {"name": "demo"}, "spec": change.body["spec"]}
    for part in ("auth_proxy", "database", "image", "port", "service_route", "auth_proxy_settings"):
        assert described(stored_again).get(part) == described(registry).get(part)


MODES = (None, "disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _stored_databases() -> Iterator[Object]:
    """Yield each mixture of the TLS fields that the API stores, also those that the options call contradictory."""
    optional = {**CERTIFICATES, "sslRootCertificateSecret": {"name": "s", "key": "k"}}
    for number in range(2 ** len(optional)):
        fields = {name: ref for bit, (name, ref) in enumerate(optional.items()) if number >> bit & 1}
        for verify, cipher in product((None, False, True), (None, "", "TLS_AES_128_GCM_SHA256", "AES128-SHA")):
            yield stored(**fields, **_set(verifyServerCert=verify, sslCipher=cipher))
        for mode, verify in product(MODES, (None, False, True)):
            postgres = {**EXTERNAL, "host": "db", **fields, **_set(sslMode=mode, verifyServerCert=verify)}
            if mode is None:
                del postgres["sslMode"]
            yield on({"mysql": None, "postgres": postgres})


def _set(**values: Any) -> Object:
    return {name: value for name, value in values.items() if value is not None}


ODD: list[tuple[Object, str]] = [
    (stored(sslCertificateSecret={"name": "c", "key": "c"}), "database.tls.client_certificate_secret"),
    (stored(sslKeySecret={"name": "c", "key": "c"}), "database.tls.client_key_secret"),
    (stored(username="a:b"), "database.username"),
    (stored(database="a/b"), "database.name"),
    (stored(host="a b"), "database.host"),
    (stored(passwordSecret={"name": "A", "key": "k"}), "database.password_secret.name"),
    (stored(sslCipher="AES128-SHA"), "database.tls.cipher"),
    (stored(port=0), "database.port"),
    (on({"mysql": None, "postgres": {**EXTERNAL, "hostAddress": "db"}}), "database.host_address"),
    (
        on({"mysql": None, "postgres": {**EXTERNAL, "host": "db", "sslMode": "disable", **CLIENT}}),
        "database.tls",
    ),
    (stored(**CERTIFICATES, sslRootCertificateSecret={"name": "s", "key": "k"}), "database.tls.ca_secret"),
    (on({"rest": {"image": "a b"}}), "image"),
    (on({"rest": {"resources": {"limits": {"nvidia.com/gpu": "much"}}}}), "resources.limits.nvidia.com/gpu"),
    (on({"kubeRBACProxy": {"domain": "https://a"}}), "auth_proxy_settings.domain"),
    (
        on({"kubeRBACProxy": {"tlsKeySecret": {"name": "c", "key": "c"}}}),
        "auth_proxy_settings.key_secret",
    ),
    (applied(stored(), {"metadata": {"annotations": {"openshift.io/display-name": "a\nb"}}}), "display_name"),
]
"""What the API stores and the options refuse, and the option that a finding names."""


@pytest.mark.parametrize(("registry", "option"), ODD)
def test_what_the_options_refuse_is_left_out_and_named(registry: Object, option: str) -> None:
    (finding,) = left_out(registry)
    assert (finding.code, finding.what) == ("not_returnable", f"{option} of ModelRegistry demo")
    _assert_no_change(registry)


def test_whatever_is_stored_a_description_given_again_changes_nothing() -> None:
    """And is accepted, by Ansible's rules between options too; a finding names what it lacks."""
    for registry in _stored_databases():
        _assert_no_change(registry)


def _assert_no_change(registry: Object) -> None:
    options = _options(described(registry))
    assert not _broken_rules(options), registry
    again = registry_from(options, datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert not plan_present(again, observed(registry), NOW).changes, registry


def _broken_rules(options: Object) -> list[str]:
    """Return the options that Ansible refuses together."""
    found: list[str] = []
    for option, spec in _dictionaries(registry_spec(), options):
        given = {name for name, value in option.items() if value is not None}
        found += [str(rule) for rule in spec.get("mutually_exclusive", ()) if len(given & set(rule)) > 1]
        found += [str(rule) for rule in spec.get("required_together", ()) if len(given & set(rule)) == 1]
    return found


def _dictionaries(spec: Object, options: Object) -> Iterator[tuple[Object, Object]]:
    for name, inner in spec.items():
        if "options" in inner and options.get(name):
            yield options[name], inner
            yield from _dictionaries(inner["options"], options[name])


def _options(description: Object) -> Object:
    """Return a description as module options: None for those left out."""
    return _filled(registry_spec(), {key: value for key, value in description.items() if key in registry_spec()})


def _filled(spec: Object, given: Object) -> Object:
    """Return the options as Ansible passes them on, with those of the given dictionaries."""
    found: Object = dict.fromkeys(spec)
    for name, value in given.items():
        inner = spec[name].get("options")
        found[name] = _filled(inner, value) if inner else value
    return found


ASKED: list[tuple[Registry, Object, Object]] = [
    (Registry("demo", image="quay.io/a/b:1"), {}, {"rest": {"image": "quay.io/a/b:1"}}),
    (Registry("demo", image=""), {"rest": {"image": "old"}}, {"rest": {"image": None}}),
    (Registry("demo", image=""), {}, {}),
    (Registry("demo", port=9000, service_route=True), {}, {"rest": {"port": 9000, "serviceRoute": "enabled"}}),
    (Registry("demo", port=8080, service_route=False), {}, {}),
    (Registry("demo", proxy=ProxySettings(route_port=8444)), {}, {"kubeRBACProxy": {"routePort": 8444}}),
    (
        Registry("demo", proxy=ProxySettings(domain="")),
        {"kubeRBACProxy": {"domain": "a"}},
        {"kubeRBACProxy": {"domain": None}},
    ),
    (Registry("demo", proxy=ProxySettings(image="", port=8443)), {}, {}),
    # The settings go with the proxy; its image, which is another program's, does not.
    (
        Registry("demo", auth_proxy="kube_rbac", proxy=ProxySettings(port=9443)),
        {"kubeRBACProxy": None, "oauthProxy": {"image": "a", "routePort": 444, "port": 8443}},
        {"oauthProxy": None, "kubeRBACProxy": {"routePort": 444, "port": 9443}},
    ),
    # A reset in a new proxy removes nothing else.
    (
        Registry("demo", auth_proxy="kube_rbac", proxy=ProxySettings(image="")),
        {"kubeRBACProxy": None},
        {"kubeRBACProxy": {}},
    ),
    (
        Registry("demo", database=Database(tls=Tls(cipher="TLS_AES_128_GCM_SHA256"))),
        {},
        {"mysql": {"sslCipher": "TLS_AES_128_GCM_SHA256"}},
    ),
    (
        Registry("demo", database=Database(tls=Tls(cipher=""))),
        {"mysql": {"sslCipher": "x", "sslRootCertificateSecret": {"name": "ca", "key": "k"}, "verifyServerCert": True}},
        {"mysql": {"sslCipher": None}},
    ),
    (
        Registry("demo", database=Database(tls=Tls(enabled=False))),
        {"mysql": {"sslCipher": "x"}},
        {"mysql": {"sslCipher": None}},
    ),
    (
        Registry("demo", database=Database(host_address="10.0.0.1")),
        {"mysql": None, "postgres": {**EXTERNAL, "host": "db"}},
        {"postgres": {"host": None, "hostAddress": "10.0.0.1"}},
    ),
    (
        Registry("demo", database=Database(host="db")),
        {"mysql": None, "postgres": {**EXTERNAL, "hostAddress": "10.0.0.1"}},
        {"postgres": {"host": "db", "hostAddress": None}},
    ),
    (
        Registry("demo", database=Database(image="pg:17")),
        {"mysql": None, "postgres": GENERATED},
        {"postgres": {"image": "pg:17"}},
    ),
    (
        Registry("demo", database=Database(host="db", name="d", username="u", password_secret=KeyRef("s", "k"))),
        {"mysql": None, "postgres": {**GENERATED, "image": "pg:17"}},
        {
            "postgres": {
                "generateDeployment": None,
                "image": None,
                "host": "db",
                "database": "d",
                "username": "u",
                "passwordSecret": {"name": "s", "key": "k"},
            }
        },
    ),
]


@pytest.mark.parametrize(("asked", "spec", "patch"), ASKED)
def test_fields_are_patched(asked: Registry, spec: Object, patch: Object) -> None:
    """And a second run has nothing to do."""
    there = on(spec)
    changes = plan_present(asked, observed(there, openshift=True), NOW).changes
    assert [change.body["spec"] for change in changes] == ([patch] if patch else [])
    after = applied(there, changes[0].body) if changes else there
    assert not plan_present(asked, observed(after, openshift=True), NOW).changes


def test_of_two_authorities_the_one_that_counts_is_shown() -> None:
    """Both could not be given again."""
    ref = {"name": "c", "key": "k"}
    both = stored(sslRootCertificateConfigMap=ref, sslRootCertificateSecret={"name": "s", "key": "k"})
    tls = described(both)["database"]["tls"]
    assert tls["ca_config_map"] == ref and "ca_secret" not in tls


WRONG: list[tuple[Registry, Object, str, str]] = [
    (Registry("demo", proxy=ProxySettings(port=1)), {"kubeRBACProxy": None}, "auth_proxy_settings", "has no proxy"),
    (
        Registry("demo", proxy=ProxySettings(port=1)),
        {"kubeRBACProxy": None, "istio": {}},
        "auth_proxy_settings",
        "istio",
    ),
    # Nothing else encrypts then.
    (
        Registry("demo", database=Database(tls=Tls(cipher=""))),
        {"mysql": {"sslCipher": "x"}},
        "database.tls",
        "plain text",
    ),
    (Registry("demo", port=8443), {}, "port", "cannot both listen on 8443"),
    (Registry("demo", proxy=ProxySettings(port=8080)), {}, "port", "cannot both listen on 8080"),
    (Registry("demo", port=8888), {}, "port", "kube-rbac-proxy in the same pod uses 8888"),
    (
        Registry("demo", proxy=ProxySettings(port=8888)),
        {},
        "auth_proxy_settings.port",
        "kube-rbac-proxy in the same pod uses 8888",
    ),
    (
        Registry("demo", database=Database(image="pg:17")),
        {"mysql": None, "postgres": {**EXTERNAL, "host": "db"}},
        "database.image",
        "the operator runs",
    ),
    (Registry("demo", database=Database(image="pg:17")), {}, "database.image", "for PostgreSQL"),
    (Registry("demo", database=Database(host_address="::1")), {}, "database.host_address", "for PostgreSQL"),
    *(
        (Registry("demo", database=given), {"mysql": None, "postgres": GENERATED}, f"database.{option}", words)
        for given, option, words in (
            (Database(name="d"), "name", "modelregistry"),
            (Database(username="u"), "username", "modelregistry"),
            (Database(password="canary"), "password", "modelregistry"),
            (Database(generate=False), "generate", "the options give no other"),
        )
    ),
]


@pytest.mark.parametrize(("asked", "spec", "option", "words"), WRONG)
def test_fields_that_do_not_go_together(asked: Registry, spec: Object, option: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        plan_present(asked, observed(on(spec), secret()), NOW)
    assert caught.value.what == option and "canary" not in str(caught.value)


POSTGRES_AT = Database("postgres", name="d", username="u", password="canary", host_address="10.0.0.1")
LACKING: list[tuple[Registry, str, str]] = [
    (Registry("demo", database=MYSQL, image="a"), "image", "rest.image"),
    (Registry("demo", database=MYSQL, port=9000), "port", "rest.port"),
    (Registry("demo", database=MYSQL, service_route=False), "service_route", "rest.serviceRoute"),
    (Registry("demo", database=MYSQL, auth_proxy="istio"), "auth_proxy", "istio"),
    (
        Registry("demo", database=MYSQL, proxy=ProxySettings(domain="a")),
        "auth_proxy_settings.domain",
        "kubeRBACProxy.domain",
    ),
    (
        Registry("demo", database=MYSQL, proxy=ProxySettings(certificate=KeyRef("a", "b"), key=KeyRef("a", "c"))),
        "auth_proxy_settings.certificate_secret",
        "kubeRBACProxy.tlsCertificateSecret",
    ),
    (Registry("demo", database=POSTGRES_AT), "database.host_address", "postgres.hostAddress"),
    (
        Registry("demo", database=Database("postgres", generate=True)),
        "database.generate",
        "postgres.generateDeployment",
    ),
    (
        Registry("demo", database=Database("postgres", generate=True, image="a")),
        "database.image",
        "postgres.image",
    ),
    (
        Registry("demo", database=replace(MYSQL, tls=Tls(cipher="TLS_AES_128_GCM_SHA256"))),
        "database.tls.cipher",
        "mysql.sslCipher",
    ),
]


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize(("asked", "option", "field"), LACKING)
def test_a_field_that_is_not_served_is_named(asked: Registry, option: str, field: str, is_new: bool) -> None:
    """The option, before anything is written; an edit requests the schema then, and not otherwise."""
    spec: Object = {"rest": None, "kubeRBACProxy": {"image": "x"}}
    there = [] if is_new else [on({**spec, "kubeRBACProxy": None} if option == "auth_proxy" else spec)]
    served = observed(*there, version="v1alpha1", openshift=True, lacks=(field,))
    with pytest.raises(InvalidInput) as caught:
        plan_present(asked, served, NOW)
    assert caught.value.what == option
    assert f"(v1alpha1) has no field spec.{field}" in str(caught.value)
    assert is_new or option in needed_fields(asked, there[0])


@pytest.mark.parametrize("is_new", [True, False])
def test_a_proxy_without_a_certificate_is_refused(is_new: bool) -> None:
    there = observed(*([] if is_new else [on({"kubeRBACProxy": None})]))
    asked = Registry("demo", database=MYSQL if is_new else None, auth_proxy="kube_rbac")
    assert plan_present(asked, there, NOW).changes
    with pytest.raises(Refused, match=r"Secret demo-kube-rbac-proxy: .* tls\.crt and tls\.key"):
        plan_present(asked, replace(there, no_certificate=frozenset({"demo"})), NOW)


def test_a_client_certificate_does_without_a_password() -> None:
    tls = Tls(client_certificate=KeyRef("c", "tls.crt"), client_key=KeyRef("c", "tls.key"))
    (change,) = plan_present(Registry("demo", database=replace(MYSQL, password=None, tls=tls)), observed(), NOW).changes
    assert "passwordSecret" not in change.body["spec"]["mysql"] and change.kind == "ModelRegistry"
    with pytest.raises(InvalidInput, match="or a client certificate"):
        plan_present(Registry("demo", database=replace(MYSQL, password=None)), observed(), NOW)


def test_removal() -> None:
    binding = {
        "kind": "RoleBinding",
        "metadata": {"name": "grant", "uid": "g", "resourceVersion": "1"},
        "roleRef": {"kind": "Role", "name": "registry-user-demo"},
    }
    owned = {**binding, "metadata": {"name": "owned", "ownerReferences": [{"kind": "ModelRegistry", "name": "demo"}]}}
    found = observed(stored(), secret(), binding, owned)
    removal = plan_absent("demo", found, Dependents(members=("alice",)), DeletionOptions())
    assert [change.key for change in removal.plan.changes] == [("ModelRegistry", "ns", "demo")]
    assert [change.name for change in removal.plan.after_ready] == ["grant", "demo-db-password"]
    assert [kept["name"] for kept in removal.retained] == ["demo on db:3306", "demo-auth-delegator"]
    assert "kubectl delete clusterrolebinding demo-auth-delegator" in removal.retained[1]["reason"]
    assert "alice" in removal.also_deleted[0]["reason"]
    assert [(lost["kind"], lost["name"]) for lost in removal.also_deleted] == [
        ("Group", "demo-users"),
        ("RoleBinding", "owned"),
    ]


def test_without_a_proxy_the_operator_leaves_nothing_in_the_cluster() -> None:
    registry = stored()
    del registry["spec"]["kubeRBACProxy"]
    assert [
        kept["kind"] for kept in plan_absent("demo", observed(registry), Dependents(), DeletionOptions()).retained
    ] == ["Database"]


def copied(item: Object, name: str) -> Object:
    """Return a copy as `kubectl get -o yaml`, an editor and `kubectl create` make it."""
    return {**item, "metadata": {**item["metadata"], "name": name, "uid": "copy"}}


DASHBOARDS = secret("demo-db-x7x2p", generateName="demo-db-", labels={})


@pytest.mark.parametrize(
    "copy",
    [
        copied(secret(), "backup"),
        copied(secret(), "demo-db-password-old"),
        copied(DASHBOARDS, "backup"),
        copied(DASHBOARDS, "demo-db-x7x2p-old"),
        copied(DASHBOARDS, "demo-db-y8y3q"),
        copied(authority("demo-db-credential", labels={"ansible.opendatahub.io/registry": "demo"}), "backup"),
    ],
    ids=lambda item: item["kind"] + " " + item["metadata"]["name"],
)
def test_a_copy_is_not_the_registrys(copy: Object) -> None:
    """Neither deleted with it nor written to, whatever labels and annotations it has."""
    for registry in (stored(), stored(passwordSecret={"name": "demo-db-x7x2p", "key": "database-password"})):
        found = observed(registry, secret(), DASHBOARDS, copy)
        plan = plan_absent("demo", found, Dependents(), DeletionOptions()).plan
        assert copy["metadata"]["name"] not in {change.name for change in (*plan.changes, *plan.after_ready)}
    if copy["metadata"]["name"] == "demo-db-y8y3q":
        return  # without a registry that names another, it is the dashboard's
    plan = plan_absent("demo", observed(secret(), copy), Dependents(), DeletionOptions()).plan
    assert [change.name for change in plan.after_ready] == ["demo-db-password"]


def test_a_copy_in_use_is_left_as_it_is() -> None:
    """An edit writes to a Secret of the registry's own."""
    registry = stored(passwordSecret={"name": "backup", "key": "database-password"})
    plan = plan_present(Registry("demo", database=MYSQL), observed(registry, copied(secret(), "backup")), NOW)
    assert [(one.action, one.name) for one in plan.changes] == [("create", "demo-db-password"), ("patch", "demo")]


def test_where_references_may_not_be_seen_nothing_is_deleted() -> None:
    """The message names the missing rule; ignore_inference_services deletes all the same, and then it is a warning."""
    dependents = Dependents(unseen="The user needs this rule.", warnings=("It was not checked.",))
    with pytest.raises(
        Refused,
        match="InferenceServices.*may not list them. The user needs this rule. Or set ignore_inference_services",
    ):
        plan_absent("demo", observed(stored()), dependents, DeletionOptions())
    assert plan_absent(
        "demo", observed(stored()), dependents, DeletionOptions(ignore_inference_services=True)
    ).plan.changes
    assert not plan_absent("demo", observed(), dependents, DeletionOptions()).plan.changes


@pytest.mark.parametrize("name", ["x" * 50, "1a", "a.b", "model-catalog"])
def test_a_name_counts_only_for_a_new_registry(name: str) -> None:
    with pytest.raises(InvalidInput, match="^name: "):
        plan_present(Registry(name, database=MYSQL), observed(), NOW)
    there = stored()
    there["metadata"]["name"] = name
    (change,) = plan_present(Registry(name, description="edited"), observed(there), NOW).changes
    assert change.kind == "ModelRegistry"
    assert plan_absent(name, observed(there), Dependents(), DeletionOptions()).plan.changes


@pytest.mark.parametrize(("proxy", "longest"), [("none", 49), ("kube_rbac", 48), ("oauth", 48)])
def test_the_longest_name_of_a_new_registry(proxy: str, longest: int) -> None:
    plan_present(Registry("x" * longest, database=MYSQL, auth_proxy=proxy), observed(), NOW)
    with pytest.raises(InvalidInput, match=f"{longest} is the most"):
        plan_present(Registry("x" * (longest + 1), database=MYSQL, auth_proxy=proxy), observed(), NOW)


def test_a_registry_that_must_exist() -> None:
    must = Registry("demo", description="edited", database=MYSQL, must_exist=True)
    with pytest.raises(NotFound, match="ModelRegistry demo: it does not exist, .*opendatahub.model_registry.create"):
        plan_present(must, observed(), NOW)
    assert plan_present(must, observed(stored()), NOW).changes


@pytest.mark.parametrize("has", ["Fraud models", None])
def test_a_derived_name_takes_no_other_registry(has: str | None) -> None:
    """Three display names can give one name; the second registry's task would edit or delete the first's database."""
    there = stored()
    there["metadata"]["annotations"] = {"openshift.io/display-name": has} if has else {}
    other = Registry("demo", "FRAUD-models", database=Database(host="mine"), is_derived=True)
    with pytest.raises(Refused, match="ModelRegistry demo: it has .*Give name: demo if you mean this one"):
        plan_present(other, observed(there), NOW)
    with pytest.raises(Refused, match="derived from 'FRAUD-models'"):
        plan_absent("demo", observed(there), Dependents(), DeletionOptions(display_name="FRAUD-models"))
    named = Registry("demo", "FRAUD-models")
    assert plan_present(named, observed(there), NOW).changes
    if has:
        assert not plan_present(Registry("demo", has, is_derived=True), observed(there), NOW).changes
        assert plan_absent("demo", observed(there), Dependents(), DeletionOptions(display_name=has)).plan.changes


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"requests": {"nvidia.com/gpu": "1"}},
            r"resources\.limits\.nvidia\.com/gpu: the request of nvidia.com/gpu is 1, and its limit must be the same. Give 1,",
        ),
        ({"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "2"}}, r"resources\.limits\.nvidia"),
        ({"requests": {"hugepages-2Mi": "4Mi"}}, r"resources\.limits\.hugepages-2Mi"),
        ({"limits": {"nvidia.com/gpu": "500m"}}, r"resources\.limits\.nvidia\.com/gpu: 500m is not a whole number"),
        ({"limits": {"nvidia.com/gpu": "1"}}, None),
        ({"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1000m"}}, None),
        ({"requests": {"cpu": "500m", "ephemeral-storage": "1Gi"}}, None),
    ],
)
def test_devices_are_neither_overcommitted_nor_divided(wanted: Object, message: str | None) -> None:
    """The API server accepts the registry, and refuses its pods."""
    if message is None:
        assert plan_present(Registry("demo", resources=wanted), observed(stored()), NOW).changes
    else:
        with pytest.raises(InvalidInput, match=message):
            plan_present(Registry("demo", resources=wanted), observed(stored()), NOW)


@pytest.mark.parametrize(
    ("stored_ones", "wanted"),
    [
        ({}, {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        ({}, {"requests": {"memory": "1Gi"}, "limits": {"memory": "1G"}}),
        ({"limits": {"cpu": "1"}}, {"requests": {"cpu": "1001m"}}),
        ({"requests": {"cpu": "1"}}, {"limits": {"cpu": "999m"}}),
    ],
)
def test_a_limit_below_the_request(stored_ones: Object, wanted: Object) -> None:
    """The API server accepts it, and no pod is made; stored values count as well as given ones."""
    registry = stored()
    registry["spec"]["rest"]["resources"] = stored_ones
    with pytest.raises(InvalidInput, match=r"resources.limits.\w+: .* is less than"):
        plan_present(Registry("demo", resources=wanted), observed(registry), NOW)


def test_a_shared_secret_stays() -> None:
    other = stored()
    other["metadata"] = {**other["metadata"], "name": "other"}
    removal = plan_absent("demo", observed(stored(), other, secret()), Dependents(), DeletionOptions())
    assert not removal.plan.after_ready
    assert removal.retained[1] == {"kind": "Secret", "name": "demo-db-password", "reason": "used by other, too"}


def test_the_dashboards_authority_is_marked_before_the_registry_goes() -> None:
    """If cut afterwards, with no registry to name it, the next run still knows the owner; others' are never touched."""
    registry, name = secured("demo-db-credential"), "demo-db-credential"
    plan = plan_absent("demo", observed(registry, authority(name)), Dependents(), DeletionOptions()).plan
    assert [(change.action, change.kind) for change in sorted(plan.changes, key=layer)] == [
        ("patch", "ConfigMap"),
        ("delete", "ModelRegistry"),
    ]
    assert [(change.action, change.name) for change in plan.after_ready] == [("delete", name)]
    marked_one = applied(authority(name), plan.changes[0].body)
    left = plan_absent("demo", observed(marked_one), Dependents(), DeletionOptions()).plan
    assert not left.changes and [change.name for change in left.after_ready] == [name]
    other = secured(name, "other")
    for found in (
        [authority(name)],
        [registry, other, authority(name)],
        [registry, {**authority(name), "data": {"ca.crt": "PEM", "more": "PEM"}}],
        [secured("elsewhere"), authority(name)],
    ):
        kept = plan_absent("demo", observed(*found), Dependents(), DeletionOptions()).plan
        assert "ConfigMap" not in {change.kind for change in (*kept.changes, *kept.after_ready)}, found


@pytest.mark.parametrize(
    ("spec", "dependents", "words"),
    [
        (
            {},
            Dependents(("a/model",)),
            "InferenceServices refer to it.*a/model. Delete them first, or set ignore_inference_services",
        ),
        ({"postgres": {"generateDeployment": True}}, Dependents(), "set delete_generated_data"),
    ],
)
def test_removals_that_need_a_yes(spec: Object, dependents: Dependents, words: str) -> None:
    registry = {**stored(), "spec": spec}
    with pytest.raises(Refused, match=words):
        plan_absent("demo", observed(registry), dependents, DeletionOptions())
    assert plan_absent("demo", observed(registry), dependents, DeletionOptions(True, True)).plan.changes


UNUSED = "ansible.opendatahub.io/unused-secret"
ELSEWHERE = Registry("demo", database=Database(password_secret=KeyRef("vault", "password")))


def world(registry: Object, *secrets: Object, **others: Object) -> NamespaceState:
    """Return some registries and Secrets."""
    objects = {("Secret", "ns", item["metadata"]["name"]): item for item in secrets}
    return NamespaceState("ns", "v1beta1", {"demo": registry, **others}, objects)


def marked(name: str | None) -> Object:
    """Return a registry on a Secret of the user's, whose run was cut before it deleted the registry's own one."""
    registry = stored(passwordSecret={"name": "vault", "key": "password"})
    registry["metadata"]["annotations"] = {UNUSED: name} if name else {}
    return registry


def test_an_own_secret_that_is_used_no_more_goes_after_the_rollout() -> None:
    plan = plan_present(ELSEWHERE, world(stored(), secret()), NOW)
    (patch,) = plan.changes
    assert patch.body["metadata"]["annotations"] == {PENDING: NOW, UNUSED: "demo-db-password"}
    assert patch.body["spec"] == {"mysql": {"passwordSecret": {"name": "vault", "key": "password"}}}
    assert [(change.action, change.kind) for change in sorted(plan.after_ready, key=layer)] == [
        ("delete", "Secret"),
        ("patch", "ModelRegistry"),
    ]
    assert plan.after_ready[0].body == {"preconditions": {"uid": "s", "resourceVersion": "8"}}
    assert plan.after_ready[1].body == {"metadata": {"annotations": {PENDING: None, UNUSED: None}}}


def test_a_run_that_was_cut_before_that_is_finished() -> None:
    left = plan_present(ELSEWHERE, world(marked("demo-db-password"), secret()), NOW)
    assert not left.changes and [change.action for change in left.after_ready] == ["delete", "patch"]
    deleted = plan_present(ELSEWHERE, world(marked("demo-db-password")), NOW)
    assert not deleted.changes and [change.action for change in deleted.after_ready] == ["patch"]
    done = plan_present(ELSEWHERE, world(marked(None)), NOW)
    assert not done.changes and not done.after_ready


@pytest.mark.parametrize(
    "observed",
    [
        world(stored()),
        world(stored(), secret(labels={})),
        world(stored(), secret(), other=stored()),
        world(stored(), secret(), other=stored(passwordSecret=None, sslKeySecret={"name": "demo-db-password"})),
    ],
    ids=["not there", "not ours", "another one's password", "another one's key"],
)
def test_a_secret_that_somebody_may_need_stays(observed: NamespaceState) -> None:
    plan = plan_present(ELSEWHERE, observed, NOW)
    assert UNUSED not in str(plan.changes[0].body)
    assert [change.body for change in plan.after_ready] == [{"metadata": {"annotations": {PENDING: None}}}]


def test_back_to_the_own_secret_before_it_was_deleted() -> None:
    again = Registry("demo", database=Database(password="canary"))
    plan = plan_present(again, world(marked("demo-db-password"), secret()), NOW)
    (patch,) = [change for change in plan.changes if change.kind == "ModelRegistry"]
    assert patch.body["metadata"]["annotations"] == {PENDING: NOW, UNUSED: None}
    assert [change.body for change in plan.after_ready] == [{"metadata": {"annotations": {PENDING: None}}}]


OF_NEW = Registry("demo", database=Database(password="other", is_password_of_new=True))


def test_a_password_of_a_new_registry_is_not_an_existing_ones() -> None:
    """Another password is named and not stored, with everything else of the same options."""
    there = observed(stored(), secret(), DEPLOYMENT)
    assert plan_present(OF_NEW, there, NOW).changes == ()
    warning = password_not_used(OF_NEW, there)
    assert warning is not None and warning.startswith("database.password: it is not the stored password")
    same = Registry("demo", database=replace(MYSQL, is_password_of_new=True))
    assert password_not_used(same, there) is None and plan_present(same, there, NOW).changes == ()
    moved = replace(same, database=replace(MYSQL, password="other", host="new", is_password_of_new=True))
    assert [change.kind for change in plan_present(moved, there, NOW).changes] == ["ModelRegistry"]
    always = Registry("demo", database=Database(password="other"))
    assert "Secret" in [change.kind for change in plan_present(always, there, NOW).changes]
    assert password_not_used(always, there) is None


def test_a_password_of_a_new_registry_is_stored_with_it() -> None:
    new = Registry("demo", database=replace(MYSQL, is_password_of_new=True))
    assert plan_present(new, observed(), NOW) == plan_present(replace(new, database=MYSQL), observed(), NOW)
    assert password_not_used(new, observed()) is None


def test_a_password_of_a_new_registry_does_not_make_up_for_one_that_is_missing() -> None:
    """A database of its own, instead of the operator's, needs a password that is meant for it."""
    generated = stored()
    generated["spec"] = {"rest": {}, "postgres": {"generateDeployment": True, "database": "model_registry"}}
    new = replace(MYSQL, type="postgres", is_password_of_new=True)
    with pytest.raises(InvalidInput, match="the account's password is needed and not given"):
        plan_present(Registry("demo", database=new), observed(generated), NOW)
