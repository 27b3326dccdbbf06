# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the flavours: proxies and their migrations, containers, what a patch through an old version does."""

from __future__ import annotations

from typing import Any

import pytest
from registries import Registries, condition
from testbed.api import Object
from testbed.databases import connect_mysql
from testbed_fixtures import Start

V1ALPHA1 = "modelregistry.opendatahub.io/v1alpha1"
V1BETA1 = "modelregistry.opendatahub.io/v1beta1"
ISTIO: Object = {"gateway": {"rest": {"tls": {}}, "grpc": {"tls": {}}}}


@pytest.mark.parametrize(
    ("flavour", "version", "proxy", "stored_proxies", "containers"),
    [
        ("2.19", V1ALPHA1, {"istio": ISTIO}, {"istio"}, ["rest-container", "grpc-container"]),
        ("transition", V1ALPHA1, {"istio": ISTIO}, {"oauthProxy"}, ["rest-container", "grpc-container", "oauth-proxy"]),
        ("current", V1BETA1, {"oauthProxy": {}}, {"kubeRBACProxy"}, ["rest-container", "kube-rbac-proxy"]),
        ("current", V1BETA1, {}, {"kubeRBACProxy"}, ["rest-container", "kube-rbac-proxy"]),
        ("plain", V1BETA1, {}, set(), ["rest-container"]),
    ],
)
def test_proxies(
    start: Start, flavour: str, version: str, proxy: dict[str, Any], stored_proxies: set[str], containers: list[str]
) -> None:
    """What is asked for, what is stored once the operator has seen it, and what runs."""
    with start(flavour=flavour, databases=()) as bed:
        registries = Registries(bed)
        body = registries.body("proxied")
        body["apiVersion"] = version
        body["spec"] = {**body["spec"], **proxy, "grpc": {}}
        registries.create(body)

        def made() -> list[str]:
            deployment = bed.api().get("apps/v1", "Deployment", "proxied", registries.namespace) or {}
            found = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
            return [container["name"] for container in found]

        assert sorted(bed.until("deployment", made)) == sorted(containers)
        stored = bed.api().get(version, "ModelRegistry", "proxied", registries.namespace)
        assert stored
        assert {name for name in ("istio", "oauthProxy", "kubeRBACProxy") if name in stored["spec"]} == stored_proxies
        group = bed.api().get("user.openshift.io/v1", "Group", "proxied-users") if bed.flavour.openshift else None
        assert (group is not None) is bed.flavour.openshift


@pytest.mark.parametrize(
    ("flavour", "proxy"),
    [("2.19", {"istio": ISTIO}), ("transition", {"oauthProxy": {}}), ("transition", {"istio": ISTIO}), ("plain", {})],
)
def test_a_registry_works_on_every_flavour(start: Start, flavour: str, proxy: dict[str, Any]) -> None:
    """The flavour ``current`` is that of all other tests."""
    with start(flavour=flavour) as bed:
        registries = Registries(bed)
        registries.make_database("works")
        registries.make_secret("works")
        body = registries.body("works")
        registries.create({**body, "spec": {**body["spec"], **proxy}})
        registry = registries.available("works")
        assert condition(registry)[1] == "DeploymentAvailable"
        assert registries.rest("works", "GET", "/readyz/health")[0] == 200
        with connect_mysql(bed, "mysql-80") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT dirty FROM works.schema_migrations")
            assert [tuple(row) for row in cursor.fetchall()] == [(0,)]


def test_a_patch_through_v1alpha1_strips_newer_fields(start: Start) -> None:
    """Why the newest served version must be written: even a patch of metadata alone loses what the old one does not know."""
    with start(flavour="plain", databases=()) as bed:
        registries = Registries(bed)
        body = registries.body("stripped")
        body["spec"]["kubeRBACProxy"] = {}
        registries.create(body)
        bed.until("finalizer", lambda: (registries.get("stripped") or {})["metadata"].get("finalizers"))
        bed.stop("operator")
        before = registries.get("stripped")
        assert before and "kubeRBACProxy" in before["spec"]
        meta = {
            "name": "stripped",
            "namespace": registries.namespace,
            "annotations": {"openshift.io/description": "edited"},
        }
        bed.api().patch({"apiVersion": V1ALPHA1, "kind": "ModelRegistry", "metadata": meta})
        after = registries.get("stripped")
        assert after and "kubeRBACProxy" not in after["spec"]
