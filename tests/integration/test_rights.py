# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each permission of the Role for administrators removed in turn: the error names it, or the task works without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trustme
from plays import INFO, MODULE, PERMISSIONS, mysql, play, succeeded, task
from registries import Registries
from rights import RBAC, ROLES, without
from testbed.bed import Testbed

Options = dict[str, Any]

CHECK = "opendatahub.model_registry.mysql_auth_check"
PEM, OTHER_PEM = (trustme.CA().cert_pem.bytes().decode() for _ in range(2))
GROUPS = {
    "modelregistries": "modelregistry.opendatahub.io",
    "deployments": "apps",
    "roles": RBAC,
    "rolebindings": RBAC,
    "localsubjectaccessreviews": "authorization.k8s.io",
}
ERROR, WARNING, WORKS = "error", "warning", "works"


@dataclass(frozen=True)
class Case:
    """A task without a permission that it needs."""

    verb: str
    resource: str
    module: str
    options: Options
    outcome: str = ERROR
    step: str = ""
    """What the error says to do, if that is more than the one rule."""

    def __str__(self) -> str:
        return f"{self.verb}-{self.resource}-{self.module.rpartition('.')[2]}"

    @property
    def right(self) -> tuple[str, str]:
        return self.verb, self.resource


def registry(name: str, password: str = "", **database: Any) -> Options:
    """Return a registry on the database of its own name."""
    return mysql(name, password=password or f"{name}-password", **database)


# The registry "rights" exists and is ready; "unready" has the wrong password; "authority" has an uploaded CA.
NEW = registry("new", tls={"ca_pem": PEM})
EDIT = {"name": "rights", "description": "edited", "database": {"password": "another one", "tls": {"ca_pem": PEM}}}
DELETE = {"name": "rights", "state": "absent"}
UNREADY = {"name": "unready", "wait_timeout": 5}
MOUNTING = {"name": "mounting", "wait_timeout": 5}
RENEW = {"name": "authority", "database": {"tls": {"ca_pem": OTHER_PEM}}}
DELETE_AUTHORITY = {"name": "authority", "state": "absent"}
GRANT = {"registry": "rights", "users": ["ada"]}
REVOKE = {"registry": "rights", "state": "exact", "groups": ["fraud"]}
REVOKE_ONE_OF_TWO = {"registry": "rights", "state": "absent", "users": ["ken"]}
# A Service with a pod is enough to reach the port-forward.
FORWARD = {
    "database": {"host": "rights", "port": 8443, "name": "d", "username": "u", "password": "canary-unused"},
    "via": "port_forward",
    "required_plugin": "any",
    "connect_timeout": 2,
}
FORWARD_STEP = (
    "/playbooks/files/database-check.yaml in namespace {namespace}, or give the user a Role there with these rules:\n"
    '- {{apiGroups: [""], resources: [services, endpoints], verbs: [get]}}\n'
    '- {{apiGroups: [""], resources: [pods/portforward], verbs: [get, create]}}'
)
HOLD_STEP = (
    "The user must have the rights that the task grants. These rules in a Role in namespace {{namespace}} are missing, best without "
    'resourceNames, so that they hold for all registries: {{{{apiGroups: [""], resources: [{resource}], resourceNames: '
    "[{names}], verbs: [get]}}}}."
)


def rollout(case: str) -> Options:
    """Return an edit that starts a rollout to wait for."""
    return {"name": "rights", "resources": {"requests": {"memory": f"{100 + len(case)}Mi"}}}


def hold(resource: str, names: str = "rights") -> str:
    """Return the message for a user who grants permissions without holding them."""
    return HOLD_STEP.format(resource=resource, names=names)


CASES = [
    Case("list", "modelregistries", MODULE, NEW),
    Case("list", "modelregistries", INFO, {}),
    Case("get", "modelregistries", PERMISSIONS, GRANT),
    Case("create", "modelregistries", MODULE, NEW),
    Case("patch", "modelregistries", MODULE, EDIT),
    Case("delete", "modelregistries", MODULE, DELETE),
    Case("get", "secrets", MODULE, NEW),
    Case("list", "secrets", MODULE, DELETE, WORKS),
    Case("list", "secrets", INFO, {}, WORKS),
    Case("create", "secrets", MODULE, NEW),
    Case("patch", "secrets", MODULE, EDIT),
    Case("delete", "secrets", MODULE, DELETE),
    Case("get", "configmaps", MODULE, NEW),
    Case("list", "configmaps", INFO, {}, WORKS),
    Case("create", "configmaps", MODULE, NEW),
    Case("patch", "configmaps", MODULE, RENEW),
    Case("delete", "configmaps", MODULE, DELETE_AUTHORITY),
    Case("get", "deployments", MODULE, EDIT),
    Case("patch", "deployments", MODULE, EDIT),
    Case("list", "rolebindings", MODULE, DELETE),
    Case("list", "rolebindings", PERMISSIONS, GRANT),
    Case("create", "rolebindings", PERMISSIONS, GRANT),
    Case("patch", "rolebindings", PERMISSIONS, REVOKE_ONE_OF_TWO),
    Case("delete", "rolebindings", PERMISSIONS, REVOKE),
    Case("get", "services", PERMISSIONS, GRANT, step=hold("services")),
    Case("get", "endpoints", PERMISSIONS, GRANT, step=hold("endpoints")),
    Case("get", "services", CHECK, FORWARD, step=FORWARD_STEP),
    Case("get", "endpoints", CHECK, FORWARD, step=FORWARD_STEP),
    Case("get", "pods/portforward", CHECK, FORWARD, step=FORWARD_STEP),
    Case("list", "roles", INFO, {}, WARNING),
    Case("list", "deployments", MODULE, UNREADY, WARNING),
    Case("list", "pods", MODULE, UNREADY, WARNING),
    Case("list", "endpoints", MODULE, UNREADY, WARNING),
    Case("get", "pods/log", MODULE, UNREADY, WARNING),
    Case("get", "pods/log", INFO, {"name": "unready"}, WARNING),
    Case("list", "events", MODULE, MOUNTING, WARNING),
    Case("watch", "modelregistries", MODULE, rollout("modelregistries"), WORKS),
    Case("watch", "deployments", MODULE, rollout("deployments"), WORKS),
    Case("watch", "pods", MODULE, rollout("pods"), WORKS),
    Case("watch", "endpoints", MODULE, rollout("endpoints"), WORKS),
]
IN_OTHER_TESTS = {
    ("create", "localsubjectaccessreviews"): "test_a_permission_that_cannot_be_verified",
    ("get", "roles"): "test_a_role_that_the_operator_has_not_made",
}
BEYOND = {
    ("create", "pods/portforward"): "only API servers of Kubernetes 1.35 and later ask for it, and this one is older"
}
"""Permissions that no test can remove, and why."""


@pytest.fixture(scope="module")
def prepared(bed: Testbed) -> Iterator[Registries]:
    """Make the registries that the cases are about."""
    registries = Registries(bed)
    names = ("rights", "unready", "mounting", "authority")
    for name in names:
        registries.make_database(name)
    succeeded(
        play(
            bed,
            task(**registry("rights")),
            task(**registry("unready", "wrong"), wait=False),
            task(PERMISSIONS, registry="rights", users=["grace"]),
            task(**registry("mounting", tls={"ca_config_map": {"name": "nowhere", "key": "ca"}}), wait=False),
            task(**registry("authority", tls={"ca_pem": PEM}), wait=False),
        )
    )
    registries.api.create(of_two(registries.namespace))
    registries.bed.until("its log", lambda: "Error 1045" in registries.log("unready"))
    yield registries
    play(bed, *(task(name=name, state="absent") for name in names))


def of_two(namespace: str) -> Options:
    """Return a RoleBinding made by hand for two people at once."""
    people = [{"apiGroup": RBAC, "kind": "User", "name": name} for name in ("ken", "dennis")]
    ref = {"apiGroup": RBAC, "kind": "Role", "name": "registry-user-rights"}
    meta = {"name": "of-two", "namespace": namespace}
    return {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": ref, "subjects": people}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_right_that_is_missing(prepared: Registries, case: Case) -> None:
    """The server's words with verb, resource and namespace, and the rule to add; nothing is half done."""
    waits = "wait_timeout" in case.options or "resources" in case.options or case.module == CHECK
    with without(prepared, case.resource, case.verb):
        task_of_it = task(case.module, **case.options, namespace=prepared.namespace)
        played = play(prepared.bed, task_of_it, options=() if waits else ("--check",))
    told = played.result["msg"] if case.outcome == ERROR else " ".join(played.result.get("warnings", []))
    never_ready = case.options in (UNREADY, MOUNTING)
    assert played.result["failed"] is (case.outcome == ERROR or never_ready), played.output
    if case.outcome == WORKS:
        assert f"resources: [{case.resource}]" not in told, told
        return
    rule = f'{{apiGroups: ["{GROUPS.get(case.resource, "")}"], resources: [{case.resource}], verbs: [{case.verb}]}}'
    step = (
        case.step
        or "The user needs this rule in a Role in namespace {namespace}: "
        + rule.replace("{", "{{").replace("}", "}}")
        + "."
    )
    assert step.format(namespace=prepared.namespace) in told, told
    grants = "must have" in case.step
    said = "attempting to grant RBAC permissions" if grants else f'cannot {case.verb} resource "{case.resource}"'
    assert case.outcome == WARNING or said in told, told
    # The log does not show that a deletion was a dry run: its body says so.
    assert {one for one, _, _ in played.writes} <= {"delete"}
    assert prepared.get("rights") and prepared.get("authority") and prepared.get("new") is None


def test_with_all_rights_the_port_forward_is_made(prepared: Registries) -> None:
    """What is behind it is no database: that is another error, and shows that the cases above are about permissions."""
    result = play(prepared.bed, task(CHECK, **FORWARD, namespace=prepared.namespace)).result
    assert result["connection"]["path"] == "port_forward" and "resources: [" not in result["msg"], result


def test_a_permission_that_cannot_be_verified(prepared: Registries) -> None:
    """It is stored, and the message names the permission that its review needs."""
    with without(prepared, "localsubjectaccessreviews", "create"):
        played = play(prepared.bed, task(PERMISSIONS, registry="rights", users=["linus"], namespace=prepared.namespace))
    told = " ".join([played.result.get("msg") or "", *played.result.get("warnings", [])])
    rule = '{apiGroups: ["authorization.k8s.io"], resources: [localsubjectaccessreviews], verbs: [create]}'
    assert f"The user needs this rule in a Role in namespace {prepared.namespace}: {rule}." in told, told
    assert [write[:2] for write in played.writes] == [("create", "rolebindings")]


def test_a_role_that_the_operator_has_not_made(prepared: Registries) -> None:
    """Its existence is checked once a RoleBinding to it is refused; without that permission, the error names it."""
    bed, wish = prepared.bed, task(PERMISSIONS, registry="rights", users=["barbara"], wait_timeout=2)
    bed.stop("operator")
    try:
        prepared.api.delete(f"{RBAC}/v1", "Role", "registry-user-rights", prepared.namespace)
        late = play(bed, wish)
        with without(prepared, "roles", "get"):
            refused = play(bed, wish)
    finally:
        bed.start("operator")
    assert "Role registry-user-rights: it does not exist after 2 s" in late.result["msg"], late.output
    rule = f'{{apiGroups: ["{RBAC}"], resources: [roles], verbs: [get]}}'
    assert f"The user needs this rule in a Role in namespace {prepared.namespace}: {rule}." in refused.result["msg"]
    assert 'cannot get resource "roles"' in refused.result["msg"]
    there = lambda: prepared.api.get(f"{RBAC}/v1", "Role", "registry-user-rights", prepared.namespace)  # noqa: E731
    bed.until("the Role", there)


def test_every_right_is_taken_away(prepared: Registries) -> None:
    """The Role has no permission without a test, and no test is about a permission that it lacks."""
    role = prepared.api.get(f"{RBAC}/v1", "Role", ROLES["Role"], prepared.namespace)
    assert role
    there = {(verb, one) for rule in role["rules"] for one in rule["resources"] for verb in rule["verbs"]}
    known = {case.right for case in CASES} | set(IN_OTHER_TESTS) | set(BEYOND)
    assert known == there, {"of no test": there - known, "not in the Role": known - there}
    assert set(IN_OTHER_TESTS.values()) <= set(globals())
