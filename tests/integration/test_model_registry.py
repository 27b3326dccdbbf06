# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module model_registry on a real API server, with the real registry server on real databases."""

from __future__ import annotations

import base64
import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from plays import INFO, Servers, dashboards_secret, full, mysql, play, store, succeeded, task, versions
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import NAMESPACE

Options = dict[str, Any]


def absent(bed: Testbed, *names: str) -> None:
    """Clean up."""
    done = play(bed, *(task(name=name, state="absent") for name in names))
    assert not any(result["failed"] for result in done.results), done.output


def secret(registries: Registries, name: str) -> Options | None:
    """Return a Secret with its values in clear."""
    found = registries.api.get("v1", "Secret", name, registries.namespace)
    if found:
        found["data"] = {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
    return found


def keys(changes: list[Options]) -> list[tuple[str, str, str]]:
    """Return the changes without their fields."""
    return [(change["action"], change["kind"], change["name"]) for change in changes]


def test_life(bed: Testbed, registries: Registries, tmp_path: Path) -> None:
    """Created, unchanged, edited and deleted; each first in check mode, which persists nothing and predicts the rest."""
    registries.make_database("life")
    wanted: Options = {**full("life"), "display_name": "Life", "description": "before"}

    predicted = succeeded(play(bed, task(**wanted, check_mode=True)))
    assert not predicted.writes and not versions(registries, "life")
    created = succeeded(play(bed, task(**wanted)))
    assert created.result["changes"] == predicted.result["changes"]
    assert keys(created.result["changes"]) == [
        ("create", "Secret", "life-db-password"),
        ("create", "ModelRegistry", "life"),
    ]
    assert registries.rest("life", "GET", "/readyz/health")[0] == 200

    # With an empty folder in its place, the client library has no cache, and still asks for nothing of its own.
    cold = {"TMPDIR": str(tmp_path)}
    for namespace, cache, most, warned in (({"namespace": registries.namespace}, cold, 6, 0), ({}, {}, 9, 1)):
        again = succeeded(play(bed, task(**wanted, **namespace), environment=cache))
        assert not again.result["changed"] and not again.writes
        assert len(again.result.get("warnings", [])) == warned, again.result["warnings"]
        paths = [request["requestURI"].split("?")[0].rstrip("/") for request in again.requests]
        assert len(paths) <= most, paths
        # Neither a list of groups, nor of a group's kinds, nor a schema.
        objects = {"namespaces", "aihubs", "datascienceclusters"}
        discovery = [path for path in paths if not objects & set(path.split("/"))]
        assert discovery == ["/apis/modelregistry.opendatahub.io"], paths

    before = registries.get("life")
    edit: Options = {"name": "life", "description": "after"}
    there = versions(registries, "life")
    predicted = succeeded(play(bed, task(**edit, check_mode=True)))
    assert not predicted.writes and versions(registries, "life") == there
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

    registries.available("life")
    there = versions(registries, "life")
    predicted = succeeded(play(bed, task(name="life", state="absent", check_mode=True)))
    assert not [write for write in predicted.writes if write[0] != "delete"]
    assert versions(registries, "life") == there
    assert {"ModelRegistry life", "Secret life-db-password", "Deployment life", "RoleBinding life-users"} <= set(there)
    deleted = succeeded(play(bed, task(name="life", state="absent")))
    assert deleted.result["changes"] == predicted.result["changes"]
    assert keys(deleted.result["changes"]) == [
        ("delete", "ModelRegistry", "life"),
        ("delete", "Secret", "life-db-password"),
    ]
    assert [kept["kind"] for kept in deleted.result["retained"]] == ["Database", "ClusterRoleBinding"]
    assert registries.get("life") is None and secret(registries, "life-db-password") is None
    assert registries.sql("SHOW DATABASES LIKE 'life'")
    gone = succeeded(play(bed, task(name="life", state="absent")))
    assert not gone.result["changed"] and not gone.writes


def test_nothing_is_stored_for_a_registry_that_is_refused(bed: Testbed, registries: Registries) -> None:
    """By the API server's limits and by the operator's webhook: neither a Secret nor a ConfigMap is left behind."""
    long = "x" * 300_000
    wanted = {**mysql("refused", password="canary", tls={"ca_pem": PEM}), "display_name": "Refused"}
    cases = ({"description": long}, {"display_name": long}, {"namespace": "data-science"})
    refused = play(bed, *(task(**{**wanted, **case}) for case in cases), user="admin")
    assert [result["failed"] for result in refused.results] == [True] * len(cases)
    assert not refused.writes, refused.writes
    dry = [request for request in refused.requests if "dryRun=All" in request["requestURI"]]
    assert [request["objectRef"]["resource"] for request in dry] == ["modelregistries"] * len(cases)
    assert secret(registries, "refused-db-password") is None
    assert "may not be more than" in refused.results[0]["msg"] and "namespace" in refused.results[2]["msg"]


def test_rotation(bed: Testbed, registries: Registries) -> None:
    """A changed password restarts the pods, and the annotation that says so is there until they run."""
    registries.make_database("rotate")
    succeeded(play(bed, task(**full("rotate"))))
    first = registries.pod("rotate")["metadata"]["name"]
    registries.sql("ALTER USER 'rotate'@'%' IDENTIFIED BY 'another one'")
    edit: Options = {"name": "rotate", "database": {"password": "another one"}}
    there = versions(registries, "rotate")
    predicted = succeeded(play(bed, task(**edit, check_mode=True)))
    assert not predicted.writes and versions(registries, "rotate") == there
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
    """A run that ends after its first write leaves an annotation, so the next run of any kind restarts the pods."""
    registries.make_database("cut")
    succeeded(play(bed, task(**full("cut"))))
    first = registries.pod("cut")["metadata"]["name"]
    registries.sql("ALTER USER 'cut'@'%' IDENTIFIED BY 'another one'")
    registries.api.patch(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "cut-db-password",
                "namespace": registries.namespace,
                "annotations": {"ansible.opendatahub.io/restart-pending": "never"},
            },
            "stringData": {"database-password": "another one"},
        }
    )
    (pending,) = succeeded(play(bed, task(INFO, name="cut"))).result["registries"]
    assert pending["status"]["reason"] == "restart_pending"
    finished = succeeded(play(bed, task(name="cut", description="edited")))
    assert keys(finished.result["changes"]) == [
        ("patch", "ModelRegistry", "cut"),
        ("restart", "Deployment", "cut"),
        ("patch", "Secret", "cut-db-password"),
    ]
    assert registries.pod("cut")["metadata"]["name"] != first
    again = succeeded(play(bed, task(name="cut", description="edited")))
    assert not again.writes and not again.result["changed"]
    absent(bed, "cut")


def grant_by_hand(registries: Registries, name: str) -> None:
    """Give access to two people at once, which is not deleted with the registry by itself."""
    rbac = "rbac.authorization.k8s.io"
    people = [{"apiGroup": rbac, "kind": "User", "name": user} for user in ("ann", "bob")]
    ref = {"apiGroup": rbac, "kind": "Role", "name": f"registry-user-{name}"}
    meta = {"name": f"{name}-by-hand", "namespace": registries.namespace}
    body: Options = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": ref}
    registries.api.create({**body, "subjects": people})


def test_deletion_that_nobody_waits_for(bed: Testbed, registries: Registries) -> None:
    """A later run removes what was made for the registry, here by the dashboard.

    It stays as long as a finalizer holds the registry, and goes once nothing names it any more.
    """
    password = dashboards_secret(registries, "held")
    store(registries, "ConfigMap", "held-db-credential", {"ca.crt": PEM})
    refs: Options = {"passwordSecret": {"name": password, "key": "database-password"}}
    refs["sslRootCertificateConfigMap"] = {"name": "held-db-credential", "key": "ca.crt"}
    body = registries.body("held", **refs)
    body["metadata"]["finalizers"] = ["example.com/hold", "modelregistry.opendatahub.io/finalizer"]
    registries.create(body)
    grant_by_hand(registries, "held")
    leave: Options = {"name": "held", "state": "absent", "wait": False}
    predicted = succeeded(play(bed, task(**leave, check_mode=True)))
    left = succeeded(play(bed, task(**leave)))
    assert left.result["changes"] == predicted.result["changes"]
    assert keys(left.result["changes"]) == [
        ("patch", "ConfigMap", "held-db-credential"),
        ("delete", "ModelRegistry", "held"),
    ]
    rest = ["ConfigMap held-db-credential", "RoleBinding held-by-hand", f"Secret {password}"]
    assert any(
        f"Not deleted yet, since the registry still exists: {', '.join(rest)}." in text
        for text in left.result["warnings"]
    )
    again = succeeded(play(bed, task(**leave)))
    assert not again.writes and secret(registries, password)
    meta = {"name": "held", "namespace": registries.namespace, "finalizers": []}
    registries.api.patch({"apiVersion": registries.version, "kind": "ModelRegistry", "metadata": meta})
    bed.until("it is gone", lambda: registries.get("held") is None)
    foreseen, gone = succeeded(play(bed, task(**leave, check_mode=True), task(**leave))).results
    assert gone["changes"] == foreseen["changes"]
    assert [f"{kind} {name}" for _, kind, name in keys(gone["changes"])] == rest
    assert not versions(registries, "held")


AUTHORITY = trustme.CA()
TLS_HOST = f"mariadb-tls.{NAMESPACE}.svc.cluster.local"


@pytest.fixture(scope="module")
def tls_server(servers: Servers) -> None:
    """Start a server that requires TLS, with a certificate of AUTHORITY."""
    leaf = AUTHORITY.issue_cert(TLS_HOST)
    files = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    options = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key", "--require-secure-transport=ON"]
    servers("mariadb-10.11", name="mariadb-tls", options=options, files=files)


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
    wanted = full("secure", host=TLS_HOST, tls=choice)
    predicted, created, again = succeeded(
        play(bed, task(**wanted, check_mode=True), task(**wanted), task(**wanted))
    ).results
    assert predicted["changes"] == created["changes"]
    assert not again["changed"]
    stored = registries.available("secure")["spec"]["mysql"]
    assert stored["verifyServerCert"] is True
    assert {name: value for name, value in stored.items() if name.startswith("sslRoot")} == field
    grant_by_hand(registries, "secure")
    gone = task(name="secure", state="absent")
    predicted, deleted = succeeded(play(bed, {**gone, "check_mode": True}, gone)).results
    assert predicted["changes"] == deleted["changes"]
    uploaded = [("delete", "ConfigMap", "secure-db-credential")] if "ca_pem" in choice else []
    assert keys(deleted["changes"]) == [
        ("delete", "ModelRegistry", "secure"),
        *uploaded,
        ("delete", "RoleBinding", "secure-by-hand"),
        ("delete", "Secret", "secure-db-password"),
    ]
    assert registries.api.get("v1", "ConfigMap", "secure-db-credential", registries.namespace) is None
    assert registries.api.get("v1", "ConfigMap", "own-ca", registries.namespace)
    assert registries.api.get("v1", "Secret", "own-ca", registries.namespace)


def test_generated_postgres(bed: Testbed, registries: Registries) -> None:
    """A server that the operator runs: its data is deleted only on request."""
    generated: Options = {"name": "generated", "database": {"type": "postgres", "generate": True}}
    created, again = succeeded(play(bed, task(**generated), task(**generated))).results
    assert created["changed"] and not again["changed"]
    refused = play(bed, task(name="generated", state="absent"))
    assert refused.result["failed"] and "set delete_generated_data" in refused.result["msg"]
    assert not refused.writes
    gone = succeeded(play(bed, task(name="generated", state="absent", delete_generated_data=True)))
    assert [lost["kind"] for lost in gone.result["also_deleted"]] == ["PersistentVolumeClaim"]
    assert registries.get("generated") is None


def test_adoption(bed: Testbed, registries: Registries) -> None:
    """What the dashboard has made is edited in place, and nothing is duplicated."""
    registries.make_database("adopted")
    made = dashboards_secret(registries, "adopted")
    store(registries, "ConfigMap", "adopted-db-credential", {"ca.crt": PEM})
    body = registries.body("adopted", passwordSecret={"name": made, "key": "database-password"})
    body["spec"]["kubeRBACProxy"] = {}
    body["metadata"]["annotations"] = {
        "openshift.io/display-name": "Adopted",
        "argocd.argoproj.io/tracking-id": "models:1",
    }
    registries.create(body)
    wanted = {**full("adopted"), "display_name": "Adopted"}
    unchanged = succeeded(play(bed, task(**wanted)))
    assert not unchanged.writes and not unchanged.result["changed"]
    registries.sql("ALTER USER 'adopted'@'%' IDENTIFIED BY 'another one'")
    edit = task(name="adopted", database={"password": "another one"})
    edited = succeeded(play(bed, {**edit, "check_mode": True}, edit))
    assert edited.results[0]["changes"] == edited.results[1]["changes"]
    assert {name for _, _, name in edited.writes} == {made, "adopted"}
    stored = secret(registries, made)
    assert stored and stored["data"]["database-password"] == "another one"
    assert (registries.get("adopted") or {})["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] == "models:1"
    gone = task(name="adopted", state="absent")
    predicted, deleted = succeeded(play(bed, {**gone, "check_mode": True}, gone)).results
    assert deleted["changes"] == predicted["changes"]
    assert keys(deleted["changes"]) == [("delete", "ModelRegistry", "adopted"), ("delete", "Secret", made)]
    assert registries.api.get("v1", "ConfigMap", "adopted-db-credential", registries.namespace)


@pytest.mark.parametrize("config_map", ["db-credential", "taken-db-credential"], ids=["2.19", "later"])
@pytest.mark.usefixtures("tls_server")
def test_adoption_of_an_authority(bed: Testbed, registries: Registries, config_map: str) -> None:
    """A new one goes where the dashboard uploaded the old one, and the pods are restarted; nothing is duplicated."""
    registries.make_database("taken", service="mariadb-tls")
    registries.make_secret("taken")
    store(registries, "ConfigMap", config_map, {"ca.crt": PEM})
    source = {"name": config_map, "key": "ca.crt"}
    tls = {"sslRootCertificateConfigMap": source, "verifyServerCert": True}
    registries.create(registries.body("taken", service="mariadb-tls", **tls))
    registries.available("taken")

    def names(kind: str) -> set[str]:
        return {one["metadata"]["name"] for one in registries.api.list("v1", kind, registries.namespace)}

    before, there = registries.get("taken"), names("ConfigMap")
    renewed = PEM + trustme.CA().cert_pem.bytes().decode()
    renewal = task(name="taken", database={"tls": {"ca_pem": renewed}})
    edited = succeeded(play(bed, {**renewal, "check_mode": True}, renewal))
    assert edited.results[0]["changes"] == edited.results[1]["changes"]
    assert edited.writes == [
        ("patch", "configmaps", config_map),
        ("patch", "deployments", "taken"),
        ("patch", "configmaps", config_map),
    ]
    assert (registries.api.get("v1", "ConfigMap", config_map, registries.namespace) or {})["data"] == {
        "ca.crt": renewed
    }
    assert names("ConfigMap") == there
    after = registries.get("taken")
    assert before and after and after["spec"] == before["spec"]
    again = succeeded(play(bed, task(name="taken", database={"tls": {"ca_pem": renewed}})))
    assert not again.writes and not again.result["changed"]
    absent(bed, "taken")
    registries.api.delete("v1", "ConfigMap", "db-credential", registries.namespace)


def test_shared_and_foreign_objects_stay(bed: Testbed, registries: Registries) -> None:
    """A Secret of the user is used unchanged; one that has our name and is not ours is not overwritten."""
    registries.make_database("foreign")
    registries.make_secret("foreign")
    reference = {"name": "foreign-db", "key": "database-password"}
    wanted = full("foreign")
    store(registries, "Secret", "foreign-db-password", {"database-password": "of somebody else"})
    refused = play(bed, task(**wanted))
    assert refused.result["failed"] and not refused.writes
    assert refused.result["msg"].startswith("Secret foreign-db-password: it exists without this registry's label")
    del wanted["database"]["password"]
    wanted["database"]["password_secret"] = reference
    succeeded(play(bed, task(**wanted)))
    gone = succeeded(play(bed, task(name="foreign", state="absent")))
    assert keys(gone.result["changes"]) == [("delete", "ModelRegistry", "foreign")]
    assert [(kept["kind"], kept["name"]) for kept in gone.result["retained"]][1:] == [
        ("Secret", "foreign-db"),
        ("ClusterRoleBinding", "foreign-auth-delegator"),
    ]
    assert secret(registries, "foreign-db") and secret(registries, "foreign-db-password")


def test_async(bed: Testbed, registries: Registries, tmp_path: Path) -> None:
    """A task can be left running, and polled; not with a kubeconfig that is decrypted only for a moment."""
    registries.make_database("later")
    left = play(bed, {**task(**full("later")), "async": 120, "poll": 2})
    assert succeeded(left).result["changed"] and left.result["registry"]["name"] == "later"
    assert registries.rest("later", "GET", "/readyz/health")[0] == 200
    clear = bed.environment("registry-admin")["K8S_AUTH_KUBECONFIG"]
    vaulted, password = tmp_path / "kubeconfig", tmp_path / "password"
    password.write_text("vault-password")
    vault = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", "--vault-password-file", str(password)]
    subprocess.run([*vault, "--output", str(vaulted), clear], check=True, capture_output=True)
    unchanged = task(name="later", kubeconfig=str(vaulted))
    options = ("--vault-password-file", str(password))
    works, refused = play(bed, unchanged, {**unchanged, "async": 120, "poll": 2}, options=options).results
    assert not works["failed"] and not works["changed"]
    assert refused["failed"] and "async: a kubeconfig that is encrypted with Ansible Vault" in refused["msg"]
    absent(bed, "later")


def test_users_of_its_models_keep_a_registry(bed: Testbed, registries: Registries) -> None:
    """The error names the InferenceServices that refer to it, if the user may see them; ignore_inference_services deletes it anyway."""
    registries.make_database("used")
    succeeded(play(bed, task(**full("used"))))
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
    assert (
        refused.result["failed"]
        and "data-science/fraud. Delete them first, or set ignore_inference_services." in refused.result["msg"]
    )
    assert not refused.writes
    gone = succeeded(
        play(bed, task(name="used", state="absent", ignore_inference_services=True), user="platform-admin")
    )
    assert {"InferenceService"} == {lost["kind"] for lost in gone.result["also_deleted"]}
    registries.api.delete("serving.kserve.io/v1beta1", "InferenceService", "fraud", "data-science")


def test_a_wrong_password_is_said_in_the_databases_words(bed: Testbed, registries: Registries) -> None:
    """Long before the timeout, and without the password anywhere, in clear or as base64."""
    registries.make_database("wrong")
    canary = "canary-4711-wrong"
    failed = play(bed, task(**full("wrong", password=canary), diff=True), options=("-vvvv",))
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
