# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""model_registry_info on real registries: what it says, what it costs, what it never says."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from plays import play, task
from registries import Registries
from testbed.bed import Testbed

INFO = "opendatahub.model_registry.model_registry_info"


@pytest.fixture
def registries(bed: Testbed) -> Iterator[Registries]:
    """Makes registries on the shared testbed, and removes them after the test."""
    made = Registries(bed)
    yield made
    made.remove()


def info(bed: Testbed, **options: Any) -> dict[str, Any]:
    """The registries by name."""
    result = play(bed, task(INFO, **options)).result
    assert not result["failed"] and not result["changed"], result
    return {registry["name"]: registry for registry in result["registries"]}


def codes(registry: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in registry["findings"]}


def test_good_and_bad_registries(bed: Testbed, registries: Registries) -> None:
    """In check mode, too: status in words, facts, findings, by reading alone, and without any secret."""
    authority = trustme.CA()
    meta = {"name": "info-ca", "namespace": registries.namespace}
    text = authority.cert_pem.bytes().decode()
    registries.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": text}})
    registries.make_database("info-bad")
    registries.make_secret("info-bad", "canary-not-the-password")
    registries.create(registries.body("info-bad"))
    ref = {"name": "info-ca", "key": "ca.crt"}
    shared = {"name": "info-good-db", "key": "database-password"}
    registries.make("info-good")
    registries.create(
        registries.body("info-tls", passwordSecret=shared, sslRootCertificateConfigMap=ref, verifyServerCert=False)
    )
    registries.available("info-good")
    registries.bed.until("its words", lambda: "attempt 1/" in registries.log("info-bad"))

    played = play(bed, task(INFO, check_mode=True))
    assert not played.writes
    assert len(played.requests) <= 20, [request["requestURI"] for request in played.requests]
    shown = json.dumps(played.result) + played.output
    for canary in ("canary-not-the-password", "info-good-password"):
        assert canary not in shown and base64.b64encode(canary.encode()).decode() not in shown
    found = {registry["name"]: registry for registry in played.result["registries"]}
    assert list(found) == sorted(found)

    good = found["info-good"]
    assert good["status"] == {
        "state": "ready",
        "reason": "ready",
        "message": "The registry server answers, and its Service passes requests on to it.",
        "source": "Deployment, pods and endpoints of ModelRegistry info-good",
    }
    assert f"info-good.{registries.namespace}.svc.cluster.local" in good["hosts"]
    assert good["database"]["password_secret"] == shared and good["database"]["username"] == "info-good"
    assert good["tls"] == {"encrypted": False, "verified": False}
    assert codes(good) == {"plaintext", "shared_secret"}
    group = {"name": "info-good-users", "subjects": [{"kind": "Group", "name": "info-good-users"}], "dashboard": False}
    assert good["grants"] == [group], "what the operator itself grants is no finding"

    bad = found["info-bad"]["status"]
    assert (bad["state"], bad["reason"]) == ("failed", "access_denied")
    assert bad["message"].startswith("Error 1045 (28000): Access denied for user 'info-bad'@'10.88.")
    assert "key database-password of Secret info-bad-db" in bad["next_step"]

    tls = found["info-tls"]
    assert tls["tls"]["encrypted"] and not tls["tls"]["verified"]
    (certificate,) = tls["tls"]["ca"].pop("certificates")
    assert tls["tls"]["ca"] == {"kind": "ConfigMap", **ref}
    assert "O=trustme" in certificate["subject"] and certificate["expires"].startswith("3000-")
    assert codes(tls) == {"unverified", "shared_secret"}


def test_one_by_name(bed: Testbed, registries: Registries) -> None:
    registries.make("info-one")
    registries.make("info-two")
    assert list(info(bed, name="info-one")) == ["info-one"]
    assert info(bed, name="info-nobody") == {}


def test_missing_rights_are_named_and_the_rest_is_shown(bed: Testbed, registries: Registries) -> None:
    registries.make("info-half")
    registries.available("info-half")
    role = registries.api.get("rbac.authorization.k8s.io/v1", "Role", "model-registry-admin", registries.namespace)
    assert role
    gone = ("pods", "roles", "rolebindings")
    less = [rule for rule in role["rules"] if not set(gone) & set(rule["resources"])]
    meta = {"name": role["metadata"]["name"], "namespace": registries.namespace}
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta}
    registries.api.patch({**kind, "rules": less})
    try:
        played = play(bed, task(INFO, name="info-half"))
    finally:
        registries.api.patch({**kind, "rules": role["rules"]})
    (found,) = played.result["registries"]
    assert found["status"]["state"] == "ready" and "grants" not in found
    for resource in gone:
        assert any(f"resources: [{resource}], verbs: [list]" in words for words in played.result["warnings"]), resource


def test_who_may_see_nothing_is_told_the_rule(bed: Testbed) -> None:
    played = play(bed, task(INFO, namespace=bed.flavour.registries_namespace), user="nobody")
    assert played.result["failed"]
    assert "resources: [modelregistries], verbs: [list]" in played.result["msg"]
