# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is observed of a cluster to findings: tables of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import trustme
import yaml
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    Forbidden,
    InvalidInput,
    InvalidObject,
    NotFound,
    Refused,
    RegistryError,
    Unreachable,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database, KeyRef
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.reviews import ApiConnection
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.required_rights import (
    AccessRule,
    allowed_by,
    path_rights,
    rights_for,
    yaml_rules,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.rules import (
    OPERATOR,
    ClusterState,
    DryRun,
    Source,
    ignored_credentials,
    passed,
    preflight_findings,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.stored_keys import StoredKey
from cryptography.x509 import load_pem_x509_certificate

Object = dict[str, Any]
NOW = datetime.now(timezone.utc)
FORBIDDEN = Forbidden("x", "it is forbidden", "The user needs this rule in a ClusterRole: {}.")
PEM = trustme.CA().cert_pem.bytes().decode()


def component(state: str, ready: str | None = None) -> Object:
    spec = {"components": {"modelregistry": {"managementState": state}}}
    status: Object = {"conditions": [{"type": "ModelRegistryReady", "status": ready, "message": "m"}]} if ready else {}
    return {"metadata": {"name": "default-dsc"}, "spec": spec, "status": status}


def component_v3(state: str) -> Object:
    spec = {"components": {"aiHub": {"managementState": state}}}
    return {"apiVersion": "datasciencecluster.opendatahub.io/v3", "metadata": {"name": "default-dsc"}, "spec": spec}


def operator(available: int) -> Object:
    return {"metadata": {"name": OPERATOR, "namespace": "opendatahub"}, "status": {"availableReplicas": available}}


GOOD = ClusterState(
    job="create",
    name="fraud",
    namespace="registries",
    now=NOW,
    connection=ApiConnection("https://api:6443", True, "/ca.pem"),
    user="alice",
    declared_namespace="registries",
    namespace_object={"metadata": {"name": "registries"}},
    components=[component("Managed", "True")],
    served=("v1beta1",),
    operators=[operator(1)],
    dry_run=DryRun(True),
)
THERE: Object = {"metadata": {"name": "fraud", "namespace": "registries"}, "spec": {"kubeRBACProxy": {}}}
BARE: Object = {**THERE, "spec": {"rest": {"port": 8080}}}
GOING: Object = {**THERE, "metadata": {"name": "fraud", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
WEBHOOK = Unreachable("x", "Internal error occurred: failed calling webhook: connection refused", "Check.")
TAKEN = InvalidObject(
    "x", "admission webhook denied: registry named fraud already exists in namespace b", "Correct it."
)

NO_CLASS = InvalidObject("x", "admission webhook denied: no policy of kind Quota not found for fraud", "Ask.")
EXCEEDED = InvalidObject("x", "exceeded quota: fraud has used 3 of 3 already", "Ask.")


def ca(item: Object | Forbidden | None, verified: bool = True) -> Source:
    return Source(StoredKey("ConfigMap", KeyRef("ca", "ca.crt"), "database.tls", is_ca=True), item, verified)


def pem(text: str) -> Object:
    return {"data": {"ca.crt": text}}


PASSWORD = StoredKey("Secret", KeyRef("s", "k"), "o")


CASES: list[tuple[str, Object, list[str]]] = [
    ("all is well", {}, []),
    ("no verification", {"connection": ApiConnection("https://a", False, None)}, ["warning api_unverified"]),
    ("no authority", {"connection": ApiConnection("https://a", True, None, "/b")}, ["info api_default_ca"]),
    ("plain http", {"connection": ApiConnection("http://a", True, None, "/b")}, []),
    ("authority in data", {"connection": ApiConnection("https://a", True, "")}, []),
    (
        "a Secret of others",
        {"refusal": Refused("Secret fraud-db-password", "it exists", "Delete it.")},
        ["blocker object_taken"],
    ),
    (
        "it goes",
        {"registry": GOING, "refusal": Refused("ModelRegistry fraud", "it goes", "Wait.")},
        ["blocker registry_deleting", "info name_exists"],
    ),
    ("two credentials", {"ignored_credentials": ("api_key", "kubeconfig")}, ["warning api_credentials_twice"]),
    ("no proxy", {"job": "update", "registry": BARE, "openshift": True}, ["warning no_auth_proxy"]),
    (
        "a field of another type",
        {"job": "update", "registry": {"metadata": THERE["metadata"]}, "odd_field": "spec.mysql", "openshift": True},
        ["warning registry_unreadable"],
    ),
    ("no proxy, perhaps OpenShift", {"job": "grant", "registry": BARE}, ["warning no_auth_proxy"]),
    ("no proxy, plain", {"job": "update", "registry": BARE, "openshift": False}, ["info no_auth_proxy"]),
    ("no proxy, and it goes", {"job": "teardown", "registry": BARE, "openshift": True}, []),
    ("component removed", {"components": [component("Removed")]}, ["blocker component_disabled"]),
    ("component unmanaged", {"components": [component("Unmanaged")]}, ["blocker component_disabled"]),
    ("component removed, v3", {"components": [component_v3("Removed")]}, ["blocker component_disabled"]),
    ("component enabled, v3", {"components": [component_v3("Managed")]}, []),
    ("component not ready", {"components": [component("Managed", "False")]}, ["warning component_not_ready"]),
    ("component with odd conditions", {"components": [{**component("Managed"), "status": {"conditions": [{}]}}]}, []),
    ("component unseen", {"components": FORBIDDEN}, ["info component_unchecked"]),
    ("no such kind", {"components": None}, []),
    ("not served", {"served": None, "dry_run": DryRun()}, ["blocker crd_not_served"]),
    ("unknown version", {"served": ("v2",), "dry_run": DryRun()}, ["blocker crd_version_unknown"]),
    ("operator without pods", {"operators": [operator(0)]}, ["blocker operator_down"]),
    ("operator unseen", {"operators": FORBIDDEN}, ["info operator_unchecked"]),
    ("operator of another name", {"operators": []}, ["info operator_unchecked"]),
    ("webhook down", {"operators": FORBIDDEN, "dry_run": DryRun(True, WEBHOOK)}, ["blocker operator_down"]),
    ("no namespace known", {"namespace": RegistryError("namespace", "w", "s")}, ["blocker namespace_unknown"]),
    ("no such namespace", {"namespace_object": None}, ["blocker namespace_missing"]),
    (
        "no such namespace, unseen",
        {
            "namespace_object": FORBIDDEN,
            "dry_run": DryRun(True, NotFound("x", 'namespaces "registries" not found', "")),
        },
        ["blocker namespace_missing"],
    ),
    ("namespace goes", {"namespace_object": {"metadata": GOING["metadata"]}}, ["blocker namespace_terminating"]),
    (
        "namespace goes, unseen",
        {
            "namespace_object": FORBIDDEN,
            "dry_run": DryRun(True, InvalidObject("x", "cannot create: namespace registries is being terminated", "")),
        },
        ["blocker namespace_terminating"],
    ),
    ("namespace unseen", {"namespace_object": FORBIDDEN}, []),
    ("other namespace", {"declared_namespace": "elsewhere"}, ["warning namespace_other"]),
    ("name elsewhere", {"elsewhere": ("b",)}, ["blocker name_taken"]),
    ("name elsewhere, unseen", {"elsewhere": FORBIDDEN, "dry_run": DryRun(True, TAKEN)}, ["blocker name_taken"]),
    ("names unseen", {"elsewhere": FORBIDDEN}, ["info name_unchecked"]),
    ("it is there", {"registry": THERE}, ["info name_exists"]),
    ("it is another", {"registry": THERE, "clash": Refused("x", "w", "s")}, ["blocker name_derived"]),
    (
        "it is another to edit",
        {"job": "update", "registry": THERE, "clash": Refused("x", "w", "s")},
        ["blocker name_derived"],
    ),
    ("it goes", {"registry": GOING}, ["blocker registry_deleting", "info name_exists"]),
    ("no name yet", {"name": None, "elsewhere": ()}, []),
    ("nothing to edit", {"job": "update"}, ["blocker registry_missing"]),
    ("nothing to share", {"job": "grant"}, ["blocker registry_missing"]),
    ("edit what is there", {"job": "update", "registry": THERE}, []),
    ("edit what is unseen", {"job": "update", "registry": FORBIDDEN}, []),
    (
        "another refusal",
        {"dry_run": DryRun(True, InvalidObject("x", "quota exceeded", "s"))},
        ["blocker dry_run_refused"],
    ),
    ("refused: something is not found", {"dry_run": DryRun(True, NO_CLASS)}, ["blocker dry_run_refused"]),
    ("refused: something is exceeded already", {"dry_run": DryRun(True, EXCEEDED)}, ["blocker dry_run_refused"]),
    (
        "another name is taken",
        {"dry_run": DryRun(True, InvalidObject("x", "secret other already exists", "s"))},
        ["blocker dry_run_refused"],
    ),
    (
        "quota, and the operator without pods",
        {"operators": [operator(0)], "dry_run": DryRun(True, EXCEEDED)},
        ["blocker operator_down", "blocker dry_run_refused"],
    ),
    (
        "refused, and taken elsewhere",
        {"elsewhere": ("b",), "dry_run": DryRun(True, EXCEEDED)},
        ["blocker name_taken", "blocker dry_run_refused"],
    ),
    ("a right is missing", {"dry_run": DryRun(True, FORBIDDEN)}, []),
    ("bad name", {"name": "9", "invalid": (InvalidInput("name", "w", "s"),)}, ["blocker name_invalid"]),
    ("bad option", {"invalid": (InvalidInput("database.host", "w", "s"),)}, ["blocker option_invalid"]),
    ("authority", {"sources": (ca(pem(PEM)),)}, []),
    ("authority missing", {"sources": (ca(None),)}, ["blocker ca_missing"]),
    ("authority without its key", {"sources": (ca({"data": None}),)}, ["blocker ca_missing"]),
    ("authority unseen", {"sources": (ca(FORBIDDEN),)}, ["info ca_unchecked"]),
    ("no certificate", {"sources": (ca(pem("")),)}, ["blocker ca_invalid"]),
    ("cut certificate", {"sources": (ca(pem(PEM.replace("MII", ""))),)}, ["blocker ca_invalid"]),
    ("password missing", {"sources": (Source(PASSWORD, None),)}, ["blocker secret_missing"]),
    ("password unseen", {"sources": (Source(PASSWORD, FORBIDDEN),)}, ["info secret_unchecked"]),
]


@pytest.mark.parametrize(("seen", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_findings(seen: Object, expected: list[str]) -> None:
    found = preflight_findings(replace(GOOD, **seen))
    assert [f"{finding.severity} {finding.code}" for finding in found] == expected
    assert all(finding.what and finding.why and finding.remedy and finding.rule for finding in found)


def test_all_findings_at_once() -> None:
    """A problem in several places is reported for all of them, blockers first."""
    missing = (AccessRule("", "secrets", "create", "a"), AccessRule("", "pods", "list", "b", False))
    found = preflight_findings(replace(GOOD, components=[component("Removed")], operators=FORBIDDEN, missing=missing))
    expected = ["component_disabled", "rights_missing", "operator_unchecked", "rights_limited"]
    assert [finding.code for finding in found] == expected


@pytest.mark.parametrize(
    ("days", "verified", "expected"),
    [(-1, True, "blocker ca_expired"), (-1, False, "warning ca_expired"), (5, True, "warning ca_expires_soon")],
)
def test_end_of_an_authority(days: int, verified: bool, expected: str) -> None:
    end = load_pem_x509_certificate(PEM.encode()).not_valid_after_utc
    seen = replace(GOOD, now=end - timedelta(days=days), sources=(ca(pem(PEM), verified),))
    (found,) = preflight_findings(seen)
    assert f"{found.severity} {found.code}" == expected


def test_missing_rights_are_rules_to_paste() -> None:
    """They are YAML that, put into a Role, grants what was missing."""
    rights = rights_for("create", "fraud", Database(password="p"))
    (found,) = [one for one in preflight_findings(replace(GOOD, missing=tuple(rights))) if one.severity == "blocker"]
    rules = yaml.safe_load(found.remedy.partition("\n")[2])
    assert all(allowed_by(right, rules) for right in rights if right.needed)
    assert found.remedy.count("modelregistries") == 1, "verbs on one resource are one rule"
    assert "store the database's password" in found.why


def test_rights_follow_the_job() -> None:
    """Each job asks for what it does, and the collection's Role grants all of it."""
    password = {(right.resource, right.verb) for right in rights_for("create", None, Database(password="p"))}
    reference = {(right.resource, right.verb) for right in rights_for("create", None, Database())}
    assert password - reference == {("secrets", verb) for verb in ("get", "create", "patch")}
    assert ("modelregistries", "delete") in {(one.resource, one.verb) for one in rights_for("teardown", "a", None)}
    assert not any(one.verb == "delete" for one in rights_for("update", "a", None))
    assert yaml_rules([]) == ""


@pytest.mark.parametrize(
    ("via", "host", "expected"),
    [
        ("auto", "mysql", [("", "services"), ("", "endpoints"), ("", "pods/portforward"), ("", "pods/portforward")]),
        (
            "auto",
            "mysql.db.svc.cluster.local",
            [("db", "services"), ("db", "endpoints"), *[("db", "pods/portforward")] * 2],
        ),
        ("port_forward", "mysql.db", [("db", "services"), ("db", "endpoints"), *[("db", "pods/portforward")] * 2]),
        ("auto", "mysql.db", []),
        ("auto", "mysql.example.com", []),
        ("direct", "mysql.db.svc", []),
        ("relay", "mysql.example.com", [("", "jobs"), ("", "jobs"), ("", "pods"), *[("", "pods/portforward")] * 2]),
    ],
)
def test_rights_on_the_path_to_the_database(via: str, host: str, expected: list[tuple[str, str]]) -> None:
    found = path_rights(via, host, "registries")
    assert [(right.namespace, right.resource) for right in found] == expected
    assert not any(right.needed for right in found), "the job goes on without its check"


def test_rights_of_several_namespaces_are_told_apart() -> None:
    missing = (AccessRule("", "secrets", "get", "a"), *path_rights("auto", "mysql.db.svc", "registries"))
    first, second = preflight_findings(replace(GOOD, missing=missing))
    assert (first.code, first.what) == ("rights_missing", "the user's permissions in namespace registries")
    assert (second.code, second.what) == ("rights_limited", "the user's permissions in namespace db")
    assert yaml.safe_load(second.remedy.partition("\n")[2])[-1]["verbs"] == ["get", "create"]


RULE = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RULE, True),
        ({**RULE, "verbs": ["*"]}, True),
        ({**RULE, "apiGroups": ["*"], "resources": ["*"]}, True),
        ({**RULE, "resources": ["configmaps"]}, False),
        ({**RULE, "apiGroups": ["apps"]}, False),
        ({**RULE, "verbs": ["list"]}, False),
        ({**RULE, "resourceNames": ["mine"]}, True),
        ({**RULE, "resourceNames": ["other"]}, False),
    ],
)
def test_what_a_rule_gives(rule: Object, expected: bool) -> None:
    assert allowed_by(AccessRule("", "secrets", "get", "", name="mine"), [rule]) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], None),
        (["kubeconfig"], None),
        (["api_key", "host"], None),
        (["kubeconfig", "api_key"], ("api_key", "kubeconfig")),
        (["kubeconfig", "api_key", "host"], ("kubeconfig", "api_key")),
        (["kubeconfig", "username", "password", "host"], ("kubeconfig", "username and password")),
        (["kubeconfig", "username"], None),
    ],
)
def test_credentials_given_twice(given: list[str], expected: tuple[str, str] | None) -> None:
    assert ignored_credentials(dict.fromkeys(given, True)) == expected


UNSEEN: Object = {"components": FORBIDDEN, "operators": FORBIDDEN, "elsewhere": FORBIDDEN}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["component Managed", "operator runs", "permissions to create", "dry run accepted", "name free"]),
        (UNSEEN, ["permissions to create", "dry run accepted"]),
        ({"job": "update", "registry": THERE}, ["component Managed", "operator runs", "permissions to update", "dry run accepted"]),
        ({"registry": THERE}, ["component Managed", "operator runs", "permissions to create", "dry run accepted"]),
        ({"components": [component("Removed")], "operators": [operator(0)], "dry_run": DryRun(True, WEBHOOK), "name": None,
          "missing": (AccessRule("", "secrets", "get", "store"),)}, []),
        ({"missing": (AccessRule("", "pods", "list", "report", False),), "dry_run": DryRun(), "elsewhere": ("b",)},
         ["component Managed", "operator runs", "permissions to create"]),
        ({"components": None, "operators": [], "namespace": NotFound("n", "unknown", "Give it."), "served": None}, ["dry run accepted"]),
    ],
)  # fmt: skip
def test_what_passed(change: Object, expected: list[str]) -> None:
    """Only what was seen; nothing that a finding is about."""
    state = replace(GOOD, **change)
    assert list(passed(state, preflight_findings(state))) == expected


@pytest.mark.parametrize(
    ("item", "key"),
    [
        (component("Removed"), "modelregistry"),
        ({**component("Removed"), "apiVersion": "datasciencecluster.opendatahub.io/v2"}, "modelregistry"),
        (component_v3("Removed"), "aiHub"),
        ({**component_v3("Removed"), "spec": {}}, "aiHub"),
    ],
)
def test_the_patch_that_enables_the_component_fits_the_version(item: Object, key: str) -> None:
    (found,) = preflight_findings(replace(GOOD, components=[item]))
    assert f'{{"spec": {{"components": {{"{key}": {{"managementState": "Managed"}}}}}}}}' in found.remedy
