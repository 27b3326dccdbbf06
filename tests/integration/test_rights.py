# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each right of the Role for administrators taken away in turn: what is missing is named, or what is done without it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trustme
from plays import MODULE, play, task
from registries import Registries
from testbed.bed import Testbed

Options = dict[str, Any]
ROLE = "model-registry-admin"
INFO = "opendatahub.model_registry.model_registry_info"
PERMISSIONS = "opendatahub.model_registry.model_registry_permissions"
HOST = "mysql-80.databases.svc.cluster.local"
PEM = trustme.CA().cert_pem.bytes().decode()
GROUPS = {
    "modelregistries": "modelregistry.opendatahub.io",
    "deployments": "apps",
    "roles": "rbac.authorization.k8s.io",
    "rolebindings": "rbac.authorization.k8s.io",
    "localsubjectaccessreviews": "authorization.k8s.io",
}
ERROR, WARNING, WORKS = "error", "warning", "works"


def registry(name: str, **database: Any) -> Options:
    """A registry on the database of its own name."""
    own = {"type": "mysql", "host": HOST, "name": name, "username": name, "password": f"{name}-password"}
    return {"name": name, "database": {**own, **database}}


# The registry "rights" is there and ready; "unready" has the wrong password; nobody can use any of them yet.
NEW = registry("new", tls={"ca_pem": PEM})
EDIT = {"name": "rights", "description": "edited", "database": {"password": "another one", "tls": {"ca_pem": PEM}}}
DELETE = {"name": "rights", "state": "absent"}
UNREADY = {"name": "unready", "wait_timeout": 5}
MOUNTING = {"name": "mounting", "wait_timeout": 5}
GRANT = {"registry": "rights", "users": ["ada"]}
REVOKE = {"registry": "rights", "state": "exact", "groups": ["fraud"]}


def rollout(case: str) -> Options:
    """An edit after which there is something to wait for."""
    return {"name": "rights", "resources": {"requests": {"memory": f"{100 + len(case)}Mi"}}}


CASES: list[tuple[str, str, str, Options, str]] = [
    ("list", "modelregistries", MODULE, NEW, ERROR),
    ("list", "modelregistries", INFO, {}, ERROR),
    ("create", "modelregistries", MODULE, NEW, ERROR),
    ("patch", "modelregistries", MODULE, EDIT, ERROR),
    ("delete", "modelregistries", MODULE, DELETE, ERROR),
    ("get", "secrets", MODULE, NEW, ERROR),
    ("list", "secrets", MODULE, DELETE, WORKS),
    ("list", "secrets", INFO, {}, WORKS),
    ("create", "secrets", MODULE, NEW, ERROR),
    ("patch", "secrets", MODULE, EDIT, ERROR),
    ("delete", "secrets", MODULE, DELETE, ERROR),
    ("get", "configmaps", MODULE, NEW, ERROR),
    ("list", "configmaps", INFO, {}, WORKS),
    ("create", "configmaps", MODULE, NEW, ERROR),
    ("get", "deployments", MODULE, EDIT, ERROR),
    ("patch", "deployments", MODULE, EDIT, ERROR),
    ("list", "rolebindings", MODULE, DELETE, ERROR),
    ("list", "rolebindings", PERMISSIONS, GRANT, ERROR),
    ("create", "rolebindings", PERMISSIONS, GRANT, ERROR),
    ("delete", "rolebindings", PERMISSIONS, REVOKE, ERROR),
    ("list", "deployments", MODULE, {**UNREADY}, WARNING),
    ("list", "pods", MODULE, UNREADY, WARNING),
    ("list", "endpoints", MODULE, UNREADY, WARNING),
    ("get", "pods/log", MODULE, UNREADY, WARNING),
    ("get", "pods/log", INFO, {"name": "unready"}, WARNING),
    ("list", "events", MODULE, MOUNTING, WARNING),
    ("watch", "modelregistries", MODULE, rollout("modelregistries"), WORKS),
    ("watch", "deployments", MODULE, rollout("deployments"), WORKS),
    ("watch", "pods", MODULE, rollout("pods"), WORKS),
    ("watch", "endpoints", MODULE, rollout("endpoints"), WORKS),
]


@pytest.fixture(scope="module")
def prepared(bed: Testbed) -> Iterator[Registries]:
    """The registries that the cases are about."""
    registries = Registries(bed)
    for name in ("rights", "unready", "mounting"):
        registries.make_database(name)
    made = play(
        bed,
        task(**registry("rights")),
        task(**registry("unready", password="wrong"), wait=False),
        task(PERMISSIONS, registry="rights", users=["grace"]),
        task(**registry("mounting", tls={"ca_config_map": {"name": "nowhere", "key": "ca"}}), wait=False),
    )
    assert not any(result["failed"] for result in made.results), made.output
    registries.bed.until("its log", lambda: "Error 1045" in registries.log("unready"))
    yield registries
    play(bed, *(task(name=name, state="absent") for name in ("rights", "unready", "mounting")))


@contextmanager
def without(registries: Registries, verb: str, resource: str) -> Iterator[None]:
    """For so long, nobody who has the Role may do that; all other rights stay."""
    role = registries.api.get("rbac.authorization.k8s.io/v1", "Role", ROLE, registries.namespace)
    assert role
    less = {**copy.deepcopy(role), "rules": []}
    for rule in role["rules"]:
        others = [one for one in rule["resources"] if one != resource]
        verbs = [one for one in rule["verbs"] if one != verb]
        if resource not in rule["resources"] or verb not in rule["verbs"]:
            less["rules"].append(rule)
            continue
        less["rules"] += [{**rule, "resources": others}] if others else []
        less["rules"] += [{**rule, "resources": [resource], "verbs": verbs}] if verbs else []
    assert less["rules"] != role["rules"]
    try:
        registries.api.patch(less)
        yield
    finally:
        del role["metadata"]["resourceVersion"]
        registries.api.patch(role)


@pytest.mark.parametrize(
    ("verb", "resource", "module", "options", "outcome"),
    CASES,
    ids=[f"{verb}-{resource}-{module.rpartition('.')[2]}" for verb, resource, module, *_ in CASES],
)
def test_a_right_that_is_missing(
    prepared: Registries, verb: str, resource: str, module: str, options: Options, outcome: str
) -> None:
    """The server's words with verb, resource and namespace, and the rule to add; nothing is half done."""
    check = () if "wait_timeout" in options or "resources" in options else ("--check",)
    with without(prepared, verb, resource):
        played = play(prepared.bed, task(module, **options, namespace=prepared.namespace), options=check)
    told = played.result["msg"] if outcome == ERROR else " ".join(played.result.get("warnings", []))
    assert played.result["failed"] is (outcome == ERROR or options in (UNREADY, MOUNTING)), played.output
    if outcome == WORKS:
        assert f"resources: [{resource}]" not in told, told
        return
    rule = f'{{apiGroups: ["{GROUPS.get(resource, "")}"], resources: [{resource}], verbs: [{verb}]}}'
    assert f"The user needs this rule in a Role in namespace {prepared.namespace}: {rule}." in told, told
    assert outcome == WARNING or f'cannot {verb} resource "{resource}"' in told
    # The log does not show that a deletion was a dry run: its body says so.
    assert {one for one, _, _ in played.writes} <= {"delete"}
    assert prepared.get("rights") and prepared.get("new") is None


def test_a_permission_that_cannot_be_verified(prepared: Registries) -> None:
    """It is stored, and which right its review needs is said."""
    with without(prepared, "create", "localsubjectaccessreviews"):
        played = play(prepared.bed, task(PERMISSIONS, registry="rights", users=["linus"], namespace=prepared.namespace))
    told = " ".join([played.result.get("msg") or "", *played.result.get("warnings", [])])
    rule = '{apiGroups: ["authorization.k8s.io"], resources: [localsubjectaccessreviews], verbs: [create]}'
    assert f"The user needs this rule in a Role in namespace {prepared.namespace}: {rule}." in told, told
    assert [write[:2] for write in played.writes] == [("create", "rolebindings")]


def test_every_right_is_taken_away(prepared: Registries) -> None:
    """What of the Role no case is about."""
    role = prepared.api.get("rbac.authorization.k8s.io/v1", "Role", ROLE, prepared.namespace)
    assert role
    there = {(verb, one) for rule in role["rules"] for one in rule["resources"] for verb in rule["verbs"]}
    known = {(verb, resource) for verb, resource, *_ in CASES}
    assert known <= there, known - there
    print("of no case:", ", ".join(sorted(" ".join(right) for right in there - known)))
