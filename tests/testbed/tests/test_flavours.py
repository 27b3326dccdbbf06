# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between the flavours: APIs, proxies and their migrations, containers, a patch through an old version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from registries import Registries, condition
from testbed.api import ApiError, Object
from testbed.bed import Testbed
from testbed.flavours import FLAVOURS
from testbed_fixtures import Start

V1ALPHA1 = "modelregistry.opendatahub.io/v1alpha1"
ISTIO: Object = {"gateway": {"rest": {"tls": {}}, "grpc": {"tls": {}}}}


WORKS: dict[str, dict[str, Object]] = {
    "2.19": {"on-istio": {"istio": ISTIO}},
    "transition": {"on-oauth": {"oauthProxy": {}}, "on-istio": {"istio": ISTIO}},
    "earlier": {"open": {}, "closed": {"kubeRBACProxy": {}}},
    "plain": {"bare": {}, "proxied": {"kubeRBACProxy": {}}},
}
"""Registries that become available, by flavour and name, with their proxies. ``current`` is that of all other tests."""


@pytest.fixture(scope="module")
def clusters(start: Start, bed: Testbed) -> Iterator[dict[str, Registries]]:
    """Start a testbed of each flavour; its registries come up while the next one starts."""
    with ExitStack() as stack:
        found = {"current": Registries(bed)}
        for flavour, proxies in WORKS.items():
            registries = found[flavour] = Registries(stack.enter_context(start(flavour=flavour)))
            for name, proxy in proxies.items():
                registries.make_database(name)
                registries.make_secret(name)
                if (flavour, name) == ("plain", "proxied"):
                    registries.api.apply(_serving_secret(registries, name))
                create(registries, name, proxy)
        yield found
        found["current"].remove()


def create(registries: Registries, name: str, asked: Object) -> None:
    """Create a registry with more fields in its spec, through the API version that has them."""
    body = registries.body(name)
    if "istio" in asked:
        body["apiVersion"] = V1ALPHA1
    registries.create({**body, "spec": {**body["spec"], **asked}})


def _serving_secret(registries: Registries, name: str) -> Object:
    """Return the Secret with kube-rbac-proxy's certificate, which the user must make on plain Kubernetes."""
    folder = registries.bed.layout.certificates
    data = {"tls.crt": (folder / "serving.crt").read_text(), "tls.key": (folder / "serving.key").read_text()}
    meta = {"name": f"{name}-kube-rbac-proxy", "namespace": registries.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "stringData": data}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_flavours_serve_their_apis(clusters: dict[str, Registries], flavour: str) -> None:
    expected, api = FLAVOURS[flavour], clusters[flavour].api
    group = api.request("GET", "/apis/modelregistry.opendatahub.io")
    assert {version["version"] for version in group["versions"]} == set(expected.served)
    (crd,) = [
        c
        for c in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        if c["spec"]["names"]["plural"] == "modelregistries" and "modelregistry." in c["spec"]["group"]
    ]
    assert crd["status"]["storedVersions"] == [expected.stored]
    groups = {g["name"] for g in api.request("GET", "/apis")["groups"]}
    assert ("user.openshift.io" in groups) is expected.openshift
    assert ("components.platform.opendatahub.io" in groups) is expected.aihub
    assert api.get("v1", "Namespace", expected.registries_namespace)
    clusters_there = api.list("datasciencecluster.opendatahub.io/v1", "DataScienceCluster")
    named = [c["status"]["components"]["modelregistry"]["registriesNamespace"] for c in clusters_there]
    assert named == ([expected.registries_namespace] if expected.openshift else [])
    if expected.aihub:
        hub = api.get("components.platform.opendatahub.io/v1alpha1", "AIHub", "default-aihub")
        assert hub and hub["spec"]["instancesNamespace"] == expected.registries_namespace


def test_side_by_side(clusters: dict[str, Registries]) -> None:
    """Clusters at the same addresses, none of which sees the others."""
    one, *others = clusters.values()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "only-here"}}
    one.api.create(namespace)
    assert [other.api.get("v1", "Namespace", "only-here") for other in others] == [None] * 4
    one.api.delete("v1", "Namespace", "only-here")


@dataclass(frozen=True)
class Proxied:
    """What a flavour's user requests, what is stored once the operator has seen it, what runs, and where it is reached."""

    flavour: str
    asked: dict[str, Object]
    stored: set[str]
    containers: list[str]
    ports: list[int]


PROXIED = {
    "istio-stays": Proxied("2.19", {"istio": ISTIO}, {"istio"}, ["rest-container", "grpc-container"], [8080, 9090]),
    "istio-migrates": Proxied(
        "transition", {"istio": ISTIO}, {"oauthProxy"}, ["rest-container", "grpc-container", "oauth-proxy"], [8443]
    ),
    "oauth-migrates": Proxied(
        "current", {"oauthProxy": {}}, {"kubeRBACProxy"}, ["rest-container", "kube-rbac-proxy"], [8443]
    ),
    "is-added": Proxied("current", {}, {"kubeRBACProxy"}, ["rest-container", "kube-rbac-proxy"], [8443]),
    "is-not-added": Proxied("earlier", {}, set(), ["rest-container"], [8080]),
    "is-asked-for": Proxied(
        "earlier", {"kubeRBACProxy": {}}, {"kubeRBACProxy"}, ["rest-container", "kube-rbac-proxy"], [8443]
    ),
    "none": Proxied("plain", {}, set(), ["rest-container"], [8080]),
}


@pytest.mark.parametrize("case", PROXIED)
def test_proxies(clusters: dict[str, Registries], case: str) -> None:
    expected = PROXIED[case]
    registries = clusters[expected.flavour]
    api, namespace = registries.api, registries.namespace
    create(registries, case, {**expected.asked, "grpc": {}})

    def made() -> list[str]:
        deployment = api.get("apps/v1", "Deployment", case, namespace) or {}
        found = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
        return [container["name"] for container in found]

    assert sorted(registries.bed.until("deployment", made)) == sorted(expected.containers)
    registries.bed.until("its status, the last that is written", lambda: condition(registries.get(case))[0])
    stored = registries.get(case)
    assert stored
    assert {name for name in ("istio", "oauthProxy", "kubeRBACProxy") if name in stored["spec"]} == expected.stored
    service = api.get("v1", "Service", case, namespace)
    assert service and [port["port"] for port in service["spec"]["ports"]] == expected.ports
    is_openshift = registries.bed.flavour.openshift
    group = api.get("user.openshift.io/v1", "Group", f"{case}-users") if is_openshift else None
    assert (group is not None) is is_openshift
    routed = "kubeRBACProxy" in stored["spec"] and is_openshift
    policy = api.get("networking.k8s.io/v1", "NetworkPolicy", f"{case}-https-route", namespace)
    assert (policy is not None) is routed


@pytest.mark.parametrize(("flavour", "name"), [(flavour, name) for flavour, names in WORKS.items() for name in names])
def test_a_registry_works_on_every_flavour(clusters: dict[str, Registries], flavour: str, name: str) -> None:
    registries = clusters[flavour]
    assert condition(registries.available(name))[1] == "DeploymentAvailable"
    assert registries.rest(name, "GET", "/readyz/health")[0] == 200
    assert registries.sql(f"USE `{name}`", "SELECT dirty FROM schema_migrations") == [(0,)]


def test_ml_metadata_speaks_for_the_database(clusters: dict[str, Registries]) -> None:
    """If the server works through ML Metadata, the database's words are in that container's log alone."""
    registries = clusters["2.19"]
    registries.make_database("refused")
    registries.make_secret("refused", "not the password")
    registries.create(registries.body("refused"))

    def configuration_error() -> str:
        _, reason, message = condition(registries.get("refused"))
        return message if reason == "ConfigurationError" else ""

    message = registries.bed.until("ConfigurationError", configuration_error)
    assert (
        message.startswith("metadata database configuration error: ") and "Access denied for user 'refused'" in message
    )
    assert "Access denied" not in registries.log("refused")


def test_the_secret_of_a_proxy_on_kubernetes(clusters: dict[str, Registries]) -> None:
    """Without OpenShift's service CA the proxy waits for a Secret that the user makes; its host has no domain."""
    registries = clusters["plain"]
    proxied = registries.available("proxied")
    assert condition(proxied, "KubeRBACProxyAvailable")[:2] == ("True", "ResourcesAvailable")
    assert proxied["status"]["hosts"][0] == "proxied-rest."


@pytest.mark.parametrize(
    ("host", "words"), [({}, "no such key: host"), ({"host": ""}, "GenerateDeployment must be set to true")]
)
def test_a_database_without_a_host(clusters: dict[str, Registries], host: Object, words: str) -> None:
    """The schema refuses it; webhooks, if there are any, drop such a database before."""
    body = clusters["plain"].body("hostless")
    with pytest.raises(ApiError, match=words):
        clusters["plain"].create({**body, "spec": {"rest": {}, "postgres": {**host, "username": "u", "database": "d"}}})


def test_an_open_registry_of_an_earlier_operator(clusters: dict[str, Registries]) -> None:
    """Before v0.3.14 nothing is added if no proxy is requested: no Route, and a server that requires no login."""
    registries = clusters["earlier"]
    registries.available("open")
    api, namespace = registries.api, registries.namespace
    routes = {item["metadata"]["name"] for item in api.list("route.openshift.io/v1", "Route", namespace)}
    registries.available("closed")
    assert "open-https" not in routes
    assert "kubeRBACProxy" not in (registries.get("open") or {})["spec"]


def test_transitions_newer_version_lacks_what_came_later(clusters: dict[str, Registries]) -> None:
    """No generated database before v0.3.2, though v1beta1 is stored."""
    registries = clusters["transition"]
    body = registries.body("generated")
    body["spec"] = {**body["spec"], "mysql": None, "postgres": {"generateDeployment": True, "database": "d"}}
    path = registries.api.path(registries.version, "ModelRegistry", registries.namespace)
    with pytest.raises(ApiError, match='unknown field "spec.postgres.generateDeployment"'):
        registries.api.request("POST", f"{path}?fieldValidation=Strict&dryRun=All", body)


def test_a_patch_through_v1alpha1_strips_newer_fields(clusters: dict[str, Registries]) -> None:
    """Why the newest served version must be written: even a patch of metadata alone loses what the old one does not know.

    The last test of this cluster, whose operator it stops.
    """
    registries = clusters["plain"]
    body = registries.body("stripped")
    body["spec"]["kubeRBACProxy"] = {}
    registries.create(body)
    registries.bed.until("finalizer", lambda: (registries.get("stripped") or {})["metadata"].get("finalizers"))
    registries.bed.stop("operator")
    before = registries.get("stripped")
    assert before and "kubeRBACProxy" in before["spec"]
    annotations = {"openshift.io/description": "edited"}
    meta = {"name": "stripped", "namespace": registries.namespace, "annotations": annotations}
    registries.api.patch({"apiVersion": V1ALPHA1, "kind": "ModelRegistry", "metadata": meta})
    after = registries.get("stripped")
    assert after and "kubeRBACProxy" not in after["spec"]
