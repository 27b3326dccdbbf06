# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On every release's API: no drift by defaults, migrations and others, edits that touch nothing else, the playbooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from plays import HOST, INFO, book, full, play, succeeded, task
from registries import Registries
from testbed import flavours
from testbed.api import Object
from testbed_fixtures import Start

Options = dict[str, Any]
FLAVOURS = ("2.19", "transition", "current", "plain")
BOTH_VERSIONS = [name for name in FLAVOURS if len(flavours.FLAVOURS[name].served) == 2]
V1BETA1 = "modelregistry.opendatahub.io/v1beta1"
PASSWORD = "release-password"


@pytest.fixture(scope="module", params=FLAVOURS)
def registries(start: Start, request: pytest.FixtureRequest) -> Iterator[Registries]:
    """Yield registries on each release in turn."""
    with start(flavour=request.param) as bed:
        yield Registries(bed)


def wanted(name: str) -> Options:
    """Return a registry on the database of its own name."""
    return {**full(name), "display_name": "Release"}


def stored(registries: Registries, name: str) -> Object:
    """Return the registry in every served API version, without what changes with each write."""
    shown: Object = {}
    for version in registries.bed.flavour.served:
        found = registries.api.get(
            f"modelregistry.opendatahub.io/{version}", "ModelRegistry", name, registries.namespace
        )
        assert found
        meta = {
            key: value for key, value in found["metadata"].items() if key not in ("resourceVersion", "managedFields")
        }
        shown[version] = {"metadata": meta, "spec": found["spec"]}
    return shown


def edited(before: Object, description: str) -> Object:
    """Return what is stored after an edit of the description alone."""
    after: Object = json.loads(json.dumps(before))
    for one in after.values():
        one["metadata"]["annotations"]["openshift.io/description"] = description
    return after


def annotate(registries: Registries, name: str, spec: Object, version: str) -> None:
    """Add what another tool, or an administrator, adds."""
    marks = {"argocd.argoproj.io/tracking-id": "models:1", "meta.helm.sh/release-name": "models"}
    meta = {"name": name, "namespace": registries.namespace, "annotations": marks, "labels": {"team": "fraud"}}
    registries.api.patch({"apiVersion": version, "kind": "ModelRegistry", "metadata": meta, "spec": spec})


def test_no_drift_and_one_patch(registries: Registries) -> None:
    """Created, and again; edited with one PATCH, of one field; others' additions are no drift and stay."""
    bed = registries.bed
    registries.make_database("release", native=True)
    predicted, created = succeeded(
        play(bed, task(**wanted("release"), check_mode=True), task(**wanted("release")))
    ).results
    assert created["changed"] and created["changes"] == predicted["changes"]
    assert registries.rest("release", "GET", "/readyz/health")[0] == 200
    again = succeeded(play(bed, task(**wanted("release"))))
    assert not again.result["changed"] and not again.writes and not again.result["changes"]

    before = stored(registries, "release")
    edit = succeeded(
        play(
            bed, task(name="release", description="edited", check_mode=True), task(name="release", description="edited")
        )
    )
    assert edit.results[0]["changes"] == edit.results[1]["changes"]
    assert edit.writes == [("patch", "modelregistries", "release")]
    assert stored(registries, "release") == edited(before, "edited")

    newest = f"modelregistry.opendatahub.io/{bed.flavour.served[-1]}"
    annotate(registries, "release", {"rest": {"resources": {"limits": {"memory": "2Gi"}}}}, newest)
    before = stored(registries, "release")
    again = succeeded(play(bed, task(**wanted("release"), description="edited")))
    assert not again.writes and not again.result["changed"]
    edit = succeeded(play(bed, task(name="release", description="once more")))
    assert edit.writes == [("patch", "modelregistries", "release")]
    assert stored(registries, "release") == edited(before, "once more")
    assert registries.rest("release", "GET", "/readyz/health")[0] == 200
    gone = task(name="release", state="absent")
    predicted, deleted = succeeded(play(bed, {**gone, "check_mode": True}, gone)).results
    assert deleted["changes"] == predicted["changes"] and registries.get("release") is None


@pytest.mark.parametrize("registries", BOTH_VERSIONS, indirect=True)
def test_fields_of_v1beta1_alone_survive(registries: Registries) -> None:
    """Fields that the old version does not know are there after an edit, as far as they were stored."""
    bed = registries.bed
    registries.make_database("newer", native=True)
    succeeded(play(bed, task(**wanted("newer"), wait=False)))
    # Fields that are in the schema of v1beta1 and not in that of v1alpha1.
    own = {"kubeRBACProxy": {"routePort": 8444}} if bed.flavour.name != "transition" else {}
    annotate(registries, "newer", own, V1BETA1)
    bed.until("the operator's part", lambda: (registries.get("newer") or {}).get("status", {}).get("conditions"))
    before = stored(registries, "newer")
    if own:
        assert before["v1beta1"]["spec"]["kubeRBACProxy"]["routePort"] == 8444
        assert "kubeRBACProxy" not in before["v1alpha1"]["spec"]
    edit = succeeded(play(bed, task(name="newer", description="edited", wait=False)))
    assert edit.writes == [("patch", "modelregistries", "newer")]
    written = [one["requestURI"] for one in edit.requests if one["verb"] == "patch"]
    assert all("/v1beta1/" in path and "fieldValidation=Strict" in path for path in written), written
    assert stored(registries, "newer") == edited(before, "edited")
    succeeded(play(bed, task(name="newer", state="absent")))


def test_amounts_in_the_webhooks_words(registries: Registries) -> None:
    """If the operator's webhook writes amounts in their canonical form, the user's words are no drift."""
    amounts: Options = {"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"cpu": 1, "memory": "2048Mi"}}
    registries.make_database("amounts", native=True)
    succeeded(play(registries.bed, task(**wanted("amounts"), resources=amounts, wait=False)))
    found = (registries.get("amounts") or {})["spec"]["rest"]["resources"]
    if registries.bed.flavour.openshift:
        assert found == {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
    again = succeeded(play(registries.bed, task(**wanted("amounts"), resources=amounts, wait=False)))
    assert not again.writes and not again.result["changed"]
    edit: Options = {"name": "amounts", "resources": {"limits": {"memory": "3Gi"}}, "wait": False}
    edited = succeeded(play(registries.bed, task(**edit)))
    assert [change["fields"] for change in edited.result["changes"]] == [["spec.rest.resources.limits.memory"]]
    succeeded(play(registries.bed, task(name="amounts", state="absent")))


def test_playbooks(registries: Registries) -> None:
    """Create, update and teardown, each twice: the second run writes nothing."""
    bed = registries.bed
    registries.make_database("book", native=True)
    database = {"database_type": "mysql", "database_host": HOST, "database_name": "book", "database_username": "book"}
    new = {"registry_name": "book", "display_name": "Book", **database}
    edit = {"registry_name": "book", "description": "edited"}
    gone = {"registry_name": "book", "confirm_name": "book"}
    creation = [("create", "secrets", ""), ("create", "modelregistries", "")]
    deletion = [("delete", "modelregistries", "book"), ("delete", "secrets", "book-db-password")]
    for name, answers, writes in (
        ("create", new, creation),
        ("update", edit, [("patch", "modelregistries", "book")]),
        ("teardown", gone, deletion),
    ):
        secrets = {"MODEL_REGISTRY_DATABASE_PASSWORD": "book-password" if name == "create" else ""}
        done, again = (book(bed, name, answers, environment=secrets) for _ in range(2))
        assert done.succeeded and again.succeeded, done.output + again.output
        # The log does not always name the created object, and does not tell a teardown's dry run from its deletion.
        assert {(verb, kind, "" if verb == "create" else one) for verb, kind, one in done.writes} == set(writes)
        assert not again.writes
        if name != "teardown":
            assert registries.rest("book", "GET", "/readyz/health")[0] == 200
    assert registries.get("book") is None and registries.sql("SHOW TABLES IN book")


SETTINGS: Options = {"port": 9443, "route_port": 8444, "service_route": False, "domain": "models.example.com"}
CERTIFICATE: Options = {
    "certificate_secret": {"name": "own-tls", "key": "tls.crt"},
    "key_secret": {"name": "own-tls", "key": "tls.key"},
}
SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


def test_fields_that_the_release_has(registries: Registries) -> None:
    """Each is stored; a second run, and info's result given back, write nothing; unserved fields are refused by name."""
    bed, has_newest = registries.bed, registries.bed.flavour.name not in ("2.19", "transition")
    proxy = {"auth_proxy": "kube_rbac" if has_newest else "oauth", "auth_proxy_settings": {**SETTINGS, **CERTIFICATE}}
    front: Options = {"image": "quay.io/example/server:1", "port": 8081, "service_route": True}
    wanted = {**full("fields", tls={"cipher": SUITE}), **front, **proxy, "wait": False}
    created, again, info = succeeded(play(bed, task(**wanted), task(**wanted), task(INFO, name="fields"))).results
    assert created["changed"] and not again["changed"]
    (shown,) = info["registries"]
    assert {name: shown[name] for name in (*front, *proxy)} == {**front, **proxy}
    assert shown["database"]["tls"] == {"cipher": SUITE} and shown["tls"] == {"encrypted": True, "verified": False}
    exported = {name: shown[name] for name in (*front, *proxy, "name", "database")}
    back = succeeded(play(bed, task(**exported, wait=False)))
    assert not back.writes and not back.result["changed"]
    reset: Options = {"image": "", "auth_proxy_settings": {"domain": ""}, "database": {"tls": {"verify": True}}}
    succeeded(play(bed, task(name="fields", **reset, wait=False)))
    spec = (registries.get("fields") or {})["spec"]
    assert "image" not in spec["rest"] and "domain" not in spec["kubeRBACProxy" if has_newest else "oauthProxy"]

    generated: Options = {"type": "postgres", "generate": True, "image": "quay.io/example/postgres:16"}
    refused = play(bed, task(name="unserved", database=generated, wait=False, check_mode=True))
    assert refused.result.get("failed", False) is not has_newest
    if not has_newest:
        assert refused.result["msg"].startswith("database.image: the cluster's ModelRegistry (v1"), refused.result[
            "msg"
        ]
    assert not refused.writes and registries.get("unserved") is None
    succeeded(play(bed, task(name="fields", state="absent")))


def test_who_gets_a_proxy(registries: Registries) -> None:
    """By default each registry on OpenShift, on its release's own; elsewhere only one with a certificate."""
    bed = registries.bed
    on_openshift = bed.flavour.name != "plain"
    proxies = {"2.19": "istio", "transition": "oauth", "plain": "none"}
    created = succeeded(play(bed, task(**full("proxied"), wait=False), task(INFO, name="proxied")))
    assert created.results[0]["registry"]["auth_proxy"] == proxies.get(bed.flavour.name, "kube_rbac")
    codes = {found["code"]: found["severity"] for found in created.results[1]["registries"][0]["findings"]}
    assert codes.get("no_auth_proxy") == (None if on_openshift else "info")
    if not on_openshift:
        refused = play(bed, task(name="proxied", auth_proxy="kube_rbac", wait=False))
        assert (
            "Secret proxied-kube-rbac-proxy: it does not exist, and auth_proxy kube_rbac needs it"
            in refused.result["msg"]
        )
        assert not refused.writes
    succeeded(play(bed, task(name="proxied", state="absent")))


def test_drift_by_an_operators_migration(start: Start) -> None:
    """What an older release's manifest asks for, and this one's operator turns into another proxy, is no drift."""
    with start(flavour="transition") as bed:
        registries = Registries(bed)
        registries.make("old")
        istio: Object = {"gateway": {"rest": {"tls": {}}, "grpc": {"tls": {}}}}
        registries.make_secret("migrated", "old-password")
        body = registries.body("migrated", database="old", username="old")
        old = "modelregistry.opendatahub.io/v1alpha1"
        registries.create({**body, "apiVersion": old, "spec": {**body["spec"], "istio": istio}})
        bed.until("migrated", lambda: "oauthProxy" in (registries.get("migrated") or {})["spec"])
        reference = {"name": "migrated-db", "key": "database-password"}
        database = {"type": "mysql", "host": HOST, "name": "old", "username": "old", "password_secret": reference}
        for proxy in ("istio", "oauth", "auto"):
            options: Options = {"name": "migrated", "database": database, "auth_proxy": proxy, "wait": False}
            unchanged = succeeded(play(bed, task(**options)))
            assert not unchanged.writes and not unchanged.result["changed"], proxy
        registries.remove()
