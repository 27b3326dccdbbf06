# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module model_registry on a real API server, with the real registry server on real databases."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
import trustme
from plays import Played, Servers, Start, play, task
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import NAMESPACE

Options = dict[str, Any]


def mysql(name: str, **more: Any) -> Options:
    """Options of a registry on the database of its own name."""
    host = "mysql-80.databases.svc.cluster.local"
    database = {"type": "mysql", "host": host, "name": name, "username": name, "password": f"{name}-password"}
    return {"name": name, "database": {**database, **more}}


def absent(bed: Testbed, *names: str) -> None:
    """Clean up."""
    done = play(bed, *(task(name=name, state="absent") for name in names))
    assert not any(result["failed"] for result in done.results), done.output


def secret(registries: Registries, name: str) -> Options | None:
    """A Secret with its values in clear."""
    found = registries.api.get("v1", "Secret", name, registries.namespace)
    if found:
        found["data"] = {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
    return found


def keys(changes: list[Options]) -> list[tuple[str, str, str]]:
    """The changes without their fields."""
    return [(change["action"], change["kind"], change["name"]) for change in changes]


def succeeded(played: Played) -> Played:
    """The play, if none of its tasks has failed."""
    assert not any(result.get("failed") for result in played.results), played.output
    return played


def test_life(bed: Testbed, registries: Registries) -> None:
    """Created, unchanged, edited and deleted; each first in check mode, which persists nothing and predicts the rest."""
    registries.make_database("life")
    wanted: Options = {**mysql("life"), "display_name": "Life", "description": "before"}

    predicted = succeeded(play(bed, task(**wanted, check_mode=True)))
    assert not predicted.writes and registries.get("life") is None and secret(registries, "life-db-password") is None
    created = succeeded(play(bed, task(**wanted)))
    assert created.result["changes"] == predicted.result["changes"]
    assert keys(created.result["changes"]) == [
        ("create", "Secret", "life-db-password"),
        ("create", "ModelRegistry", "life"),
    ]
    assert registries.rest("life", "GET", "/readyz/health")[0] == 200

    again = succeeded(play(bed, task(**wanted, namespace=registries.namespace)))
    assert not again.result["changed"] and not again.writes
    asked = [request["requestURI"].split("?")[0] for request in again.requests]
    # What kubernetes.core's client asks for by itself, where its cache has nothing on this cluster.
    asked = [path for path in asked if path not in ("/version", "/apis")]
    assert len(asked) <= 8 and asked.count("/apis/modelregistry.opendatahub.io") == 1, asked

    before = registries.get("life")
    edit: Options = {"name": "life", "description": "after"}
    predicted = succeeded(play(bed, task(**edit, check_mode=True)))
    assert not predicted.writes
    edited = succeeded(play(bed, task(**edit)))
    assert edited.writes == [("patch", "modelregistries", "life")]
    assert edited.result["changes"] == predicted.result["changes"]
    after = registries.get("life")
    assert before and after
    expected = copy.deepcopy(before)
    expected["metadata"]["annotations"]["openshift.io/description"] = "after"
    for one in (after, expected):
        for field in ("resourceVersion", "managedFields"):
            del one["metadata"][field]
        del one["status"]
    assert after == expected

    stored = registries.available("life")
    predicted = succeeded(play(bed, task(name="life", state="absent", check_mode=True)))
    assert not [write for write in predicted.writes if write[0] != "delete"]
    still = registries.get("life")
    assert still and still["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]
    assert "deletionTimestamp" not in still["metadata"] and secret(registries, "life-db-password")
    deleted = succeeded(play(bed, task(name="life", state="absent")))
    assert deleted.result["changes"] == predicted.result["changes"]
    assert keys(deleted.result["changes"]) == [
        ("delete", "ModelRegistry", "life"),
        ("delete", "Secret", "life-db-password"),
    ]
    assert [kept["kind"] for kept in deleted.result["kept"]] == ["Database"]
    assert registries.get("life") is None and secret(registries, "life-db-password") is None
    assert registries.sql("SHOW DATABASES LIKE 'life'")
    gone = succeeded(play(bed, task(name="life", state="absent")))
    assert not gone.result["changed"] and not gone.writes


def test_rotation(bed: Testbed, registries: Registries) -> None:
    """A changed password restarts the pods, and the mark that says so is there until they run."""
    registries.make_database("rotate")
    succeeded(play(bed, task(**mysql("rotate"))))
    first = registries.pod("rotate")["metadata"]["name"]
    registries.sql("ALTER USER 'rotate'@'%' IDENTIFIED BY 'another one'")
    edit: Options = {"name": "rotate", "database": {"password": "another one"}}
    predicted = succeeded(play(bed, task(**edit, check_mode=True)))
    assert not predicted.writes
    rotated = succeeded(play(bed, task(**edit)))
    assert rotated.writes == [
        ("patch", "secrets", "rotate-db-password"),
        ("patch", "deployments", "rotate"),
        ("patch", "secrets", "rotate-db-password"),
    ]
    assert rotated.result["changes"] == predicted.result["changes"]
    assert registries.pod("rotate")["metadata"]["name"] != first
    assert registries.rest("rotate", "GET", "/readyz/health")[0] == 200
    stored = secret(registries, "rotate-db-password")
    assert stored and stored["data"]["database-password"] == "another one"
    assert not any("restart-pending" in name for name in stored["metadata"]["annotations"])
    again = succeeded(play(bed, task(**edit)))
    assert not again.writes and not again.result["changed"]
    absent(bed, "rotate")


def test_rotation_that_was_cut_is_finished(bed: Testbed, registries: Registries) -> None:
    """A run that ends after its first write leaves a mark, by which the next run restarts the pods."""
    registries.make_database("cut")
    succeeded(play(bed, task(**mysql("cut"))))
    first = registries.pod("cut")["metadata"]["name"]
    registries.sql("ALTER USER 'cut'@'%' IDENTIFIED BY 'another one'")
    registries.api.patch(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "cut-db-password",
                "namespace": registries.namespace,
                "annotations": {"ansible.opendatahub.io/restart-pending": "2126-01-01T00:00:00Z"},
            },
            "stringData": {"database-password": "another one"},
        }
    )
    finished = succeeded(play(bed, task(name="cut", database={"password": "another one"})))
    assert keys(finished.result["changes"]) == [
        ("restart", "Deployment", "cut"),
        ("patch", "Secret", "cut-db-password"),
    ]
    assert registries.pod("cut")["metadata"]["name"] != first
    absent(bed, "cut")


AUTHORITY = trustme.CA()
TLS_HOST = f"mariadb-tls.{NAMESPACE}.svc.cluster.local"


@pytest.fixture(scope="module")
def tls_server(servers: Servers) -> None:
    """A server that takes TLS only, with a certificate of AUTHORITY."""
    leaf = AUTHORITY.issue_cert(TLS_HOST)
    files = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    options = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key", "--require-secure-transport=ON"]
    servers("mariadb-10.11", name="mariadb-tls", options=options, files=files)


def store(registries: Registries, kind: str, name: str, data: dict[str, str]) -> None:
    """A Secret or ConfigMap that somebody else has made."""
    meta = {"name": name, "namespace": registries.namespace}
    field = "stringData" if kind == "Secret" else "data"
    registries.api.apply({"apiVersion": "v1", "kind": kind, "metadata": meta, field: data})


PEM = AUTHORITY.cert_pem.bytes().decode()


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (
            {"ca_bundle": "cluster"},
            {"sslRootCertificateConfigMap": {"name": "odh-trusted-ca-bundle", "key": "ca-bundle.crt"}},
        ),
        (
            {"ca_bundle": "openshift_ai"},
            {"sslRootCertificateConfigMap": {"name": "odh-trusted-ca-bundle", "key": "odh-ca-bundle.crt"}},
        ),
        (
            {"ca_config_map": {"name": "own-ca", "key": "own.crt"}},
            {"sslRootCertificateConfigMap": {"name": "own-ca", "key": "own.crt"}},
        ),
        (
            {"ca_secret": {"name": "own-ca", "key": "own.crt"}},
            {"sslRootCertificateSecret": {"name": "own-ca", "key": "own.crt"}},
        ),
        ({"ca_pem": PEM}, {"sslRootCertificateConfigMap": {"name": "secure-db-credential", "key": "ca.crt"}}),
    ],
    ids=["cluster", "openshift_ai", "config_map", "secret", "pem"],
)
@pytest.mark.usefixtures("tls_server")
def test_certificate_authorities(bed: Testbed, registries: Registries, choice: Options, field: Options) -> None:
    """Each choice of a certificate authority leads to a verified connection, is no drift, and goes only if it is own."""
    registries.make_database("secure", service="mariadb-tls")
    store(registries, "ConfigMap", "odh-trusted-ca-bundle", {"ca-bundle.crt": PEM, "odh-ca-bundle.crt": PEM})
    for kind in ("ConfigMap", "Secret"):
        store(registries, kind, "own-ca", {"own.crt": PEM})
    wanted = mysql("secure", host=TLS_HOST, tls=choice)
    predicted, created, again = succeeded(
        play(bed, task(**wanted, check_mode=True), task(**wanted), task(**wanted))
    ).results
    assert predicted["changes"] == created["changes"]
    assert not again["changed"]
    stored = registries.available("secure")["spec"]["mysql"]
    assert stored["verifyServerCert"] is True
    assert {name: value for name, value in stored.items() if name.startswith("sslRoot")} == field
    absent(bed, "secure")
    assert registries.api.get("v1", "ConfigMap", "secure-db-credential", registries.namespace) is None
    assert registries.api.get("v1", "ConfigMap", "own-ca", registries.namespace)
    assert registries.api.get("v1", "Secret", "own-ca", registries.namespace)


def test_generated_postgres(bed: Testbed, registries: Registries) -> None:
    """A server that the operator runs: its data is deleted only when told so."""
    generated: Options = {"name": "generated", "database": {"type": "postgres", "generate": True}}
    created, again = succeeded(play(bed, task(**generated), task(**generated))).results
    assert created["changed"] and not again["changed"]
    refused = play(bed, task(name="generated", state="absent"))
    assert refused.result["failed"] and "set delete_generated_data" in refused.result["msg"]
    assert not refused.writes
    gone = succeeded(play(bed, task(name="generated", state="absent", delete_generated_data=True)))
    assert [lost["kind"] for lost in gone.result["lost"]] == ["PersistentVolumeClaim"]
    assert registries.get("generated") is None


def test_adoption(bed: Testbed, registries: Registries) -> None:
    """What the dashboard has made is edited in place, and nothing is doubled."""
    registries.make_database("adopted")
    expose = {
        f"template.openshift.io/expose-{name}": f"{{.data['database-{key}']}}"
        for name, key in (("database_name", "name"), ("username", "user"), ("password", "password"))
    }
    made = registries.api.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"generateName": "adopted-db-", "namespace": registries.namespace, "annotations": expose},
            "stringData": {
                "database-name": "adopted",
                "database-user": "adopted",
                "database-password": "adopted-password",
            },
        }
    )["metadata"]["name"]
    store(registries, "ConfigMap", "adopted-db-credential", {"ca.crt": PEM})
    body = registries.body("adopted", passwordSecret={"name": made, "key": "database-password"})
    body["spec"]["kubeRBACProxy"] = {}
    body["metadata"]["annotations"] = {
        "openshift.io/display-name": "Adopted",
        "argocd.argoproj.io/tracking-id": "models:1",
    }
    registries.create(body)
    wanted = {**mysql("adopted"), "display_name": "Adopted"}
    unchanged = succeeded(play(bed, task(**wanted)))
    assert not unchanged.writes and not unchanged.result["changed"]
    registries.sql("ALTER USER 'adopted'@'%' IDENTIFIED BY 'another one'")
    edited = succeeded(play(bed, task(name="adopted", database={"password": "another one"})))
    assert {name for _, _, name in edited.writes} == {made, "adopted"}
    stored = secret(registries, made)
    assert stored and stored["data"]["database-password"] == "another one"
    assert (registries.get("adopted") or {})["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] == "models:1"
    gone = succeeded(play(bed, task(name="adopted", state="absent")))
    assert keys(gone.result["changes"]) == [("delete", "ModelRegistry", "adopted"), ("delete", "Secret", made)]
    assert registries.api.get("v1", "ConfigMap", "adopted-db-credential", registries.namespace)


def test_shared_and_foreign_objects_stay(bed: Testbed, registries: Registries) -> None:
    """A Secret of the user's is used as it is; one that has our name and is not ours is not overwritten."""
    registries.make_database("foreign")
    registries.make_secret("foreign")
    reference = {"name": "foreign-db", "key": "database-password"}
    wanted = mysql("foreign")
    store(registries, "Secret", "foreign-db-password", {"database-password": "of somebody else"})
    refused = play(bed, task(**wanted))
    assert refused.result["failed"] and not refused.writes
    assert refused.result["msg"].startswith(
        "Secret foreign-db-password: it exists and is not marked as this registry's"
    )
    del wanted["database"]["password"]
    wanted["database"]["password_secret"] = reference
    succeeded(play(bed, task(**wanted)))
    gone = succeeded(play(bed, task(name="foreign", state="absent")))
    assert keys(gone.result["changes"]) == [("delete", "ModelRegistry", "foreign")]
    assert [(kept["kind"], kept["name"]) for kept in gone.result["kept"]][1:] == [("Secret", "foreign-db")]
    assert secret(registries, "foreign-db") and secret(registries, "foreign-db-password")


ROLE = "model-registry-admin"
EDIT: Options = {"name": "rights", "description": "edited", "database": {"password": "another one"}}
DELETE: Options = {"name": "rights", "state": "absent"}


@pytest.mark.parametrize(
    ("verb", "resource", "options"),
    [
        ("list", "modelregistries", mysql("new")),
        ("create", "modelregistries", mysql("new")),
        ("get", "secrets", mysql("new")),
        ("create", "secrets", mysql("new")),
        ("patch", "modelregistries", EDIT),
        ("patch", "secrets", EDIT),
        ("get", "deployments", EDIT),
        ("patch", "deployments", EDIT),
        ("delete", "modelregistries", DELETE),
        ("delete", "secrets", DELETE),
        ("list", "rolebindings", DELETE),
    ],
)
def test_missing_right(bed: Testbed, registries: Registries, verb: str, resource: str, options: Options) -> None:
    """The error names verb, resource and namespace in the server's words, and the rule to add; nothing is written."""
    if registries.get("rights") is None:
        registries.make_database("rights")
        succeeded(play(bed, task(**mysql("rights"))))
    role = registries.api.get("rbac.authorization.k8s.io/v1", "Role", ROLE, registries.namespace)
    assert role
    less = copy.deepcopy(role)
    for rule in less["rules"]:
        if resource in rule["resources"]:
            rule["verbs"] = [one for one in rule["verbs"] if one != verb] or ["watch"]
    try:
        registries.api.patch(less)
        refused = play(bed, task(**options, namespace=registries.namespace), options=("--check",))
    finally:
        del role["metadata"]["resourceVersion"]
        registries.api.patch(role)
    assert refused.result["failed"], refused.output
    group = {"secrets": "", "deployments": "apps", "rolebindings": "rbac.authorization.k8s.io"}
    rule = f'{{apiGroups: ["{group.get(resource, "modelregistry.opendatahub.io")}"], resources: [{resource}], verbs: [{verb}]}}'
    message = refused.result["msg"]
    assert f'cannot {verb} resource "{resource}"' in message
    assert f"The user needs this rule in a Role in namespace {registries.namespace}: {rule}." in message
    # The log does not show that a deletion was a dry run: its body says so.
    assert {verb for verb, _, _ in refused.writes} <= {"delete"}
    assert registries.get("rights") and secret(registries, "rights-db-password")


FLAVOURS = {"2.19": "istio", "transition": "oauth", "plain": "none"}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_other_releases(start: Start, flavour: str) -> None:
    """Each release's API version and proxy; nothing that its API or operator adds counts as drift."""
    with start(flavour=flavour) as bed:
        registries = Registries(bed)
        registries.make_database("release", native=True)
        # The testbed has no image of the OAuth proxy: such a registry is stored there and never ready.
        wait = FLAVOURS[flavour] != "oauth"
        wanted: Options = {**mysql("release"), "display_name": "Release", "wait": wait}
        edit: Options = {"name": "release", "description": "edited", "wait": wait}
        created, again, edited = succeeded(play(bed, task(**wanted), task(**wanted), task(**edit))).results
        assert created["changed"] and not again["changed"]
        assert created["registry"]["auth_proxy"] == FLAVOURS[flavour]
        assert [change["fields"] for change in edited["changes"]] == [["metadata.annotations.openshift.io/description"]]
        assert not wait or registries.rest("release", "GET", "/readyz/health")[0] == 200
        absent(bed, "release")
        assert registries.get("release") is None


def test_users_of_its_models_keep_a_registry(bed: Testbed, registries: Registries) -> None:
    """InferenceServices that refer to it, seen by somebody who may see them, are named; force goes on all the same."""
    registries.make_database("used")
    succeeded(play(bed, task(**mysql("used"))))
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "fraud",
            "namespace": "data-science",
            "labels": {"modelregistry.opendatahub.io/name": "used"},
        },
        "spec": {},
    }
    registries.api.create(service)
    refused = play(bed, task(name="used", state="absent"), user="platform-admin")
    assert refused.result["failed"] and "data-science/fraud. Delete them first, or set force." in refused.result["msg"]
    assert not refused.writes
    gone = succeeded(play(bed, task(name="used", state="absent", force=True), user="platform-admin"))
    assert {"InferenceService"} == {lost["kind"] for lost in gone.result["lost"]}
    registries.api.delete("serving.kserve.io/v1beta1", "InferenceService", "fraud", "data-science")


def test_a_wrong_password_is_said_in_the_databases_words(bed: Testbed, registries: Registries) -> None:
    """Long before the timeout, and without the password anywhere, in clear or as base64."""
    registries.make_database("wrong")
    canary = "canary-4711-wrong"
    failed = play(bed, task(**mysql("wrong", password=canary), diff=True), options=("-vvvv",))
    assert failed.result["failed"]
    assert "Error 1045 (28000): Access denied for user 'wrong'" in failed.result["msg"]
    assert keys(failed.result["changes"]) == [
        ("create", "Secret", "wrong-db-password"),
        ("create", "ModelRegistry", "wrong"),
    ]
    shown = failed.output + str(failed.result) + str([request["requestURI"] for request in failed.requests])
    for hidden in (canary, base64.b64encode(canary.encode()).decode().rstrip("=")):
        assert hidden not in shown
    absent(bed, "wrong")
