# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathering a namespace with one hostile registry: all others are reported as if it did not exist."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._info.gather import gather_registries
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.reviews import Answer
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import seal
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.shape import misfit, without_nulls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pem_cases import LEAF, A, B, certificate

Object = dict[str, Any]
NAMESPACE = "rhoai-model-registries"
SAMPLES: Object = json.loads(Path(__file__).parents[1].joinpath("samples", "registries.json").read_text())
CA = {"name": "ca", "key": "ca.crt"}


def registry(name: str, sample: str = "good", **database: Any) -> Object:
    item = copy.deepcopy(SAMPLES[sample]["registry"])
    item["metadata"].update(name=name, uid=f"uid-{name}", namespace=NAMESPACE)
    item["spec"]["mysql"].update(database=name, **database)
    return cast("Object", item)


class FakeCluster:
    """What gathering calls on Cluster."""

    clock_skew = None

    def __init__(self, *registries: Object, ca: object = A + B) -> None:
        good = SAMPLES["good"]
        secret = {"metadata": {"name": "good-db", "namespace": NAMESPACE}, "data": {"database-password": "cGFzcw=="}}
        self.objects: dict[str, list[Object]] = {
            "ModelRegistry": list(registries),
            "Deployment": [good["deployment"]],
            "Pod": good["pods"],
            "Endpoints": [good["endpoints"]],
            "Secret": [seal(secret)],
            "ConfigMap": [{"metadata": {"name": "ca", "namespace": NAMESPACE}, "data": {"ca.crt": ca}}],
            "Role": [{"metadata": {"name": "registry-user-good"}, "rules": []}],
            "RoleBinding": [],
        }

    get_many = Cluster.get_many

    def list(self, kind: str, _namespace: str | None = None, **_query: str) -> tuple[list[Object], str]:
        return copy.deepcopy(self.objects.get(kind, [])), "1"

    def get(self, kind: str, _namespace: str | None, name: str) -> Object | None:
        return next((item for item in self.objects.get(kind, []) if item["metadata"]["name"] == name), None)

    def serves(self, _kind: str) -> bool:
        return True

    def log(self, *_arguments: Any, **_options: Any) -> str:
        return ""

    def review(self, *_arguments: Any) -> Answer:
        return Answer(True)


def entries(*registries: Object, **options: Any) -> dict[str, Object]:
    found = gather_registries(cast("Cluster", FakeCluster(*registries, **options)), NAMESPACE).registries
    json.dumps(found)
    return {entry["name"]: entry for entry in found}


GOOD = registry("good", sslRootCertificateConfigMap=CA, verifyServerCert=True)
EXPECTED = entries(GOOD)["good"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.sampled_from(["2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "{{ 1 }}", "[fd00::", "a" * 300, "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List all places in a JSON value, except those that the API server itself sets."""
    if path in (("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid")):
        return []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    own = [path] if path and path != ("metadata",) else []
    return own + [place for key, item in items for place in paths(item, (*path, key))]


def replaced(item: Object, path: tuple[Any, ...], value: Any) -> Object:
    item = copy.deepcopy(item)
    place: Any = item
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return item


WHOLE = registry("odd", sslRootCertificateConfigMap=CA, sslCertificateSecret=CA, sslKeySecret=CA, sslMode="require")
WHOLE["metadata"]["annotations"] = {"openshift.io/display-name": "Odd", "openshift.io/description": "…"}
WHOLE["metadata"]["deletionTimestamp"] = None
WHOLE["spec"]["postgres"] = {**WHOLE["spec"]["mysql"], "hostAddress": "10.0.0.1", "generateDeployment": False}
WHOLE["spec"]["rest"]["resources"] = {"requests": {"cpu": "1"}, "limits": {"memory": 1}}
PROXY = {"port": 8443, "routePort": 443, "serviceRoute": "enabled", "domain": "d", "image": "i"}
PROXY |= {"tlsCertificateSecret": CA, "tlsKeySecret": CA}
WHOLE["spec"].update(istio={"gateway": {}}, oauthProxy=dict(PROXY), grpc={"port": 9090})
WHOLE["spec"]["kubeRBACProxy"] = dict(PROXY)
WHOLE["spec"]["rest"].update(image="i", port=8080, serviceRoute="enabled")
WHOLE["spec"]["postgres"]["image"] = "i"
WHOLE["spec"]["mysql"]["sslCipher"] = "c"
PATHS = paths(WHOLE)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=3))
def test_one_hostile_registry_spoils_no_other(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    odd = WHOLE
    for path, value in changes:
        try:
            odd = replaced(odd, path, value)
        except (KeyError, IndexError, TypeError):
            continue
    found = entries(GOOD, odd)
    assert list(found) == ["good", "odd"]
    codes = {"shared_secret", "database_shared"}
    found["good"]["findings"] = [one for one in found["good"]["findings"] if one["code"] not in codes]
    assert found["good"] == EXPECTED
    assert found["odd"]["status"]["state"]


def test_every_field_may_be_null() -> None:
    for path in PATHS:
        assert list(entries(GOOD, replaced(WHOLE, path, None))) == ["good", "odd"], path


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("spec",), [], "spec"),
        (("spec", "mysql"), "text", "spec.mysql"),
        (("spec", "mysql", "host"), 1, "spec.mysql.host"),
        (("spec", "mysql", "port"), "3306", "spec.mysql.port"),
        (("spec", "mysql", "port"), True, "spec.mysql.port"),
        (("spec", "mysql", "passwordSecret", "key"), None, "spec.mysql.passwordSecret.key"),
        (("metadata", "annotations"), {"openshift.io/display-name": 1}, "metadata.annotations.openshift.io/display-name"),
        (("status", "conditions", 1), None, "status.conditions[1]"),
        (("status", "conditions", 1, "message"), {}, "status.conditions[1].message"),
        (("status", "hosts"), "host", "status.hosts"),
    ],
)  # fmt: skip
def test_what_is_odd_is_named(path: tuple[Any, ...], value: Any, field: str) -> None:
    odd = replaced(WHOLE, path, value)
    assert misfit(without_nulls(odd)) == field
    entry = entries(GOOD, odd)["odd"]
    (finding,) = entry["findings"]
    assert (finding["code"], entry["status"]["reason"]) == ("registry_unreadable", "registry_unreadable")
    assert f"field {field} " in finding["why"]
    assert [
        one["name"] for one in gather_registries(cast("Cluster", FakeCluster(GOOD, odd)), NAMESPACE, "odd").registries
    ] == ["odd"]
    assert [
        one["name"] for one in gather_registries(cast("Cluster", FakeCluster(odd)), NAMESPACE, "else").registries
    ] == []


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (A, []),
        (A + LEAF + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ["ca_unreadable"]),
        (certificate("old", -900, -1) + "-----BEGIN CERTIFICATE-----\n\x00", ["ca_expired", "ca_unreadable"]),
        (certificate("lasting", ends=2_000_000), []),
        ("", ["ca_invalid"]),
        ("\ufeff" + A, ["ca_invalid"]),
        (LEAF, ["ca_invalid"]),
        ("-----BEGIN CERTIFICATE-----" * 1000, ["ca_invalid"]),
    ],
)
def test_a_bundle_with_a_bad_certificate(text: str, codes: list[str]) -> None:
    other = registry("other", "good", passwordSecret={"name": "good-db", "key": "database-password"})
    found = entries(GOOD, other, ca=text)
    assert [one["code"] for one in found["good"]["findings"] if one["code"].startswith("ca_")] == codes
    assert [one["code"] for one in found["other"]["findings"] if one["code"].startswith("ca_")] == []
