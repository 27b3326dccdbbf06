# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deserves attention in a registry, one change of a good one after the other."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.certificates import Authority, Bundle
from ansible_collections.opendatahub.model_registry.plugins.module_utils._info.checks import (
    Inventory,
    registry_findings,
    tls_facts,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import Sealed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.verdict import Verdict

NAMESPACE = "rhoai-model-registries"
SAMPLES: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("samples", "registries.json").read_text())
NOW = datetime(2026, 11, 23, 9, tzinfo=timezone.utc)
CA = {"sslRootCertificateConfigMap": {"name": "ca", "key": "ca.crt"}, "verifyServerCert": True}
LABELS = {
    "app": "good",
    "app.kubernetes.io/name": "good",
    "app.kubernetes.io/component": "model-registry",
    "app.kubernetes.io/part-of": "model-registry",
    "component": "model-registry",
    "opendatahub.io/dashboard": "true",
}


@dataclass
class Scene:
    """A registry without findings, to be changed by a case."""

    registry: Any = field(default_factory=lambda: copy.deepcopy(SAMPLES["good"]["registry"]))
    secret: Any = None
    ca: Any = None
    deployment: Any = None
    role: bool = True
    bindings: list[Any] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=lambda: Verdict("ready", "ready", "It answers."))
    bundle: Bundle | None = None
    read: frozenset[str] = frozenset({"Secret", "ConfigMap", "Role", "RoleBinding"})
    openshift: bool | None = None

    def __post_init__(self) -> None:
        self.registry["spec"]["mysql"].update(CA)
        made = {"creationTimestamp": "2026-11-23T08:00:00Z", "annotations": {}, "managedFields": []}
        self.secret = {"metadata": {"name": "good-db", **made}, "data": {"database-password": "(hidden)"}}
        self.ca = {"metadata": {"name": "ca"}, "data": {"ca.crt": "PEM"}}

    @property
    def mysql(self) -> dict[str, Any]:
        found: dict[str, Any] = self.registry["spec"]["mysql"]
        return found

    def inventory(self) -> Inventory:
        found = {("Secret", "good-db"): self.secret, ("ConfigMap", "ca"): self.ca}
        found |= {("RoleBinding", binding["metadata"]["name"]): binding for binding in self.bindings}
        if self.role:
            found[("Role", "registry-user-good")] = {"metadata": {"name": "registry-user-good"}}
        name = self.registry["metadata"]["name"]
        return Inventory(
            registries={name: self.registry, **self.others},
            objects={(kind, NAMESPACE, one): item for (kind, one), item in found.items() if item},
            read=self.read,
            pods={name: SAMPLES["good"]["pods"]},
            verdicts={name: self.verdict},
            bundles={name: self.bundle} if self.bundle else {},
            deployments={name: self.deployment} if self.deployment else {},
            now=NOW,
            openshift=self.openshift,
        )

    def codes(self) -> list[tuple[str, str]]:
        found = registry_findings(self.registry["metadata"]["name"], self.inventory())
        for finding in found:
            assert finding.what and finding.why and finding.remedy
        return [(finding.code, finding.severity) for finding in found]


def binding(*subjects: str, role: str = "registry-user-good", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "dashboard-permissions-abcdefgh", "labels": {**LABELS, **labels}},
        "roleRef": {"kind": "Role", "name": role},
        "subjects": [{"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"} for name in subjects],
    }


def other_name(one: dict[str, Any]) -> dict[str, Any]:
    one["metadata"]["name"] = "dashboard-permissions-hgfedcba"
    return one


def written(manager: str, time: str = "2026-11-23T08:59:00Z", field: str = "f:data") -> Callable[[Scene], None]:
    entry = {
        "manager": manager,
        "operation": "Update",
        "time": time,
        "fieldsV1": {field: {"f:database-password": {}}},
    }
    return lambda scene: scene.secret["metadata"]["managedFields"].append(entry)


def change(target: str, value: Any) -> Callable[[Scene], None]:
    return lambda scene: setattr(scene, target, value)


def spec(**fields: Any) -> Callable[[Scene], None]:
    return lambda scene: scene.mysql.update(fields)


def authority(days: int, *unreadable: int, begins: int = -999) -> Bundle:
    """Return an expired authority, and one that expires after so many days."""
    old = Authority("CN=old", NOW - timedelta(days=900))
    new = Authority("CN=ca", NOW + timedelta(days=days), NOW + timedelta(days=begins))
    return Bundle((old, new), 1, unreadable)


def cut(store: str, mark: str, *restarted: str | None, at: str = "2026-11-23T08:59:00Z") -> Callable[[Scene], None]:
    """Simulate a run cut after it wrote a Secret or an authority at this time. restarted: in the pod template."""

    def leave(scene: Scene) -> None:
        meta = getattr(scene, store)["metadata"]
        meta["annotations"] = {**meta.get("annotations", {}), "ansible.opendatahub.io/restart-pending": mark}
        meta["managedFields"] = [{"manager": "opendatahub.model_registry", "time": at, "fieldsV1": {"f:data": {}}}]
        for time in restarted:
            annotations = {"kubectl.kubernetes.io/restartedAt": time} if time else {}
            scene.deployment = {"metadata": {}, "spec": {"template": {"metadata": {"annotations": annotations}}}}

    return leave


def no_proxy(openshift: bool | None) -> Callable[[Scene], None]:
    def take_away(scene: Scene) -> None:
        del scene.registry["spec"]["kubeRBACProxy"]
        scene.openshift = openshift

    return take_away


READ = frozenset({"Secret", "ConfigMap", "Role", "RoleBinding"})


def password(value: bytes) -> Callable[[Scene], None]:
    sealed = Sealed(base64.b64encode(value).decode())
    return lambda scene: scene.secret["data"].update({"database-password": sealed})


def bind(role: str, labelled: bool = False) -> Callable[[Scene], None]:
    one = binding("ann", role=role)
    if not labelled:
        one["metadata"]["labels"] = {}
    return lambda scene: scene.bindings.append(one)


def same_database(scene: Scene) -> dict[str, Any]:
    """Return another registry, which names its database in another way."""
    mysql = {**scene.mysql, "host": "MySQL-80.databases.svc", "passwordSecret": None}
    mysql.pop("port")
    return {"metadata": {"name": "other", "namespace": NAMESPACE}, "spec": {"mysql": mysql}}


def postgres(scene: Scene) -> dict[str, Any]:
    ref = scene.mysql["passwordSecret"]
    return {
        **scene.registry["spec"],
        "mysql": None,
        "postgres": {**POSTGRES, "sslMode": "verify-ca", "passwordSecret": ref},
    }


OTHER = {
    "metadata": {"name": "other", "namespace": NAMESPACE},
    "spec": {"mysql": {"passwordSecret": {"name": "good-db", "key": "database-password"}}},
}
POSTGRES = {"host": "pg", "database": "d", "username": "u"}
UNAVAILABLE = Verdict("failed", "access_denied", "Error 1045", "Give the right password.")

CASES: list[tuple[str, Callable[[Scene], Any], list[tuple[str, str]]]] = [
    ("all is well", lambda _scene: None, []),
    ("no secret", change("secret", None), [("secret_missing", "blocker")]),
    ("no key", lambda s: s.secret["data"].clear(), [("secret_missing", "blocker")]),
    ("unreadable", lambda s: (change("secret", None)(s), change("read", frozenset())(s)), []),
    ("shared", lambda s: s.others.update(other=OTHER), [("shared_secret", "warning")]),
    ("shared database", lambda s: s.others.update(other=same_database(s)), [("database_shared", "warning")]),
    ("question mark", password(b"why?"), [("password_breaks_dsn", "warning")]),
    ("nothing that breaks MySQL", password(b"@:/#%$(X) \xff"), []),
    (
        "a password that breaks a URL",
        lambda s: (s.registry.update(spec=postgres(s)), password(b"a/b")(s)),
        [("password_breaks_dsn", "blocker")],
    ),
    ("one that breaks no URL", lambda s: (s.registry.update(spec=postgres(s)), password(b"a+b$&!")(s)), []),
    ("no role of that name", bind("registry-users-good"), [("grant_without_role", "warning")]),
    ("no role, by labels", bind("gone", labelled=True), [("grant_without_role", "warning")]),
    ("no role, of nothing known", bind("gone"), []),
    ("no role of another registry", bind("registry-users-other"), []),
    ("roles are not to be seen", lambda s: (bind("registry-users-good")(s), change("read", READ - {"Role"})(s)), []),
    ("newer", written("kubectl-edit"), [("secret_newer", "warning")]),
    ("newer, by server-side apply", written("kubectl", field="f:stringData"), [("secret_newer", "warning")]),
    ("newer, but not in its values", written("kubectl-label", field="f:metadata"), []),
    ("older", written("kubectl-edit", "2026-11-23T08:10:00Z"), []),
    ("our own", written("opendatahub.model_registry"), []),
    (
        "made anew",
        lambda s: s.secret["metadata"].update(creationTimestamp="2026-11-23T08:59:00Z"),
        [("secret_newer", "warning")],
    ),
    ("cut", cut("secret", "2026", "2025"), [("restart_pending", "warning")]),
    ("cut, of a Deployment that was never restarted", cut("secret", "2026", None), [("restart_pending", "warning")]),
    ("cut at a renewal of the authority", cut("ca", "2026", "2027"), [("restart_pending", "warning")]),
    ("cut, and its restart has begun", cut("secret", "2026", "2026"), []),
    ("cut, and the pods are younger", cut("secret", "2026", "2027", at="2026-11-23T08:00:01Z"), []),
    ("the same, of the authority", cut("ca", "2026", None, at="2026-11-23T08:00:01Z"), []),
    ("cut before there was a Deployment", cut("secret", "never"), []),
    ("unverified", spec(verifyServerCert=False), [("unverified", "warning")]),
    ("plaintext", spec(sslRootCertificateConfigMap=None, verifyServerCert=None), [("plaintext", "warning")]),
    ("no CA", change("ca", None), [("ca_missing", "blocker")]),
    ("no CA key", lambda s: s.ca["data"].clear(), [("ca_missing", "blocker")]),
    ("expired", change("bundle", authority(-1)), [("ca_expired", "blocker")]),
    ("expires", change("bundle", authority(20)), [("ca_expires_soon", "warning")]),
    ("lasts", change("bundle", authority(40)), []),
    ("not valid yet", change("bundle", authority(400, begins=40)), [("ca_not_yet_valid", "blocker")]),
    ("a part is unreadable", change("bundle", authority(400, 34)), [("ca_unreadable", "warning")]),
    ("no part is readable", change("bundle", Bundle(unreadable=(1, 2))), [("ca_invalid", "blocker")]),
    ("a server's alone", change("bundle", Bundle(others=1)), [("ca_invalid", "blocker")]),
    (
        "expired and unreadable, and not verified",
        lambda s: (change("bundle", authority(-1, 1))(s), spec(verifyServerCert=False)(s)),
        [("unverified", "warning"), ("ca_expired", "warning"), ("ca_unreadable", "warning")],
    ),
    ("in binary data", lambda s: s.ca.update(data=None, binaryData={"ca.crt": "UEVN"}), []),
    ("stale", change("verdict", UNAVAILABLE), [("stale_status", "warning")]),
    ("no role", change("role", False), [("role_missing", "warning")]),
    ("listed grant", change("bindings", [binding("ann")]), []),
    ("two subjects", change("bindings", [binding("ann", "bob")]), [("hidden_grant", "info")]),
    ("twice", change("bindings", [binding("ann"), other_name(binding("ann"))]), [("duplicate_grant", "info")]),
    ("no label", change("bindings", [binding("ann", component="other")]), [("hidden_grant", "info")]),
    (
        "another role, which is not there",
        change("bindings", [binding("ann", "bob", role="registry-user-other")]),
        [("grant_without_role", "warning")],
    ),
    ("long name", lambda s: s.registry["metadata"].update(name="a" * 50), [("name_invalid", "blocker")]),
    ("no proxy", no_proxy(True), [("no_auth_proxy", "warning")]),
    ("no proxy, plain", no_proxy(False), [("no_auth_proxy", "info")]),
    ("no proxy, perhaps OpenShift", no_proxy(None), [("no_auth_proxy", "warning")]),
    ("Istio's proxy", lambda s: (no_proxy(True)(s), s.registry["spec"].update(istio={})), []),
    ("no database", lambda s: s.registry.update(spec={"oauthProxy": {}}), [("database_count", "blocker")]),
    ("two", lambda s: s.registry["spec"].update(postgres=POSTGRES), [("database_count", "blocker")]),
    (
        "generated",
        lambda s: s.registry.update(spec={"postgres": {**POSTGRES, "generateDeployment": True}, "kubeRBACProxy": {}}),
        [("generated_database", "info")],
    ),
]


@pytest.mark.parametrize(("change_it", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_findings(change_it: Callable[[Scene], Any], expected: list[tuple[str, str]]) -> None:
    scene = Scene()
    change_it(scene)
    found = scene.codes()
    if scene.registry["metadata"]["name"] == "a" * 50:
        found = [one for one in found if one[0] == "name_invalid"]
    assert found == expected


def test_the_most_severe_come_first() -> None:
    scene = Scene()
    spec(verifyServerCert=False)(scene)
    scene.bindings, scene.secret = [binding("ann", "bob")], None
    assert [severity for _, severity in scene.codes()] == ["blocker", "warning", "info"]


def test_no_finding_quotes_a_password() -> None:
    for kind, value in (("mysql", b"canary?"), ("postgres", b"canary@")):
        scene = Scene()
        password(value)(scene)
        if kind == "postgres":
            scene.registry.update(spec=postgres(scene))
        found = registry_findings("good", scene.inventory())
        assert [one.code for one in found] == ["password_breaks_dsn"]
        assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ({"mysql": {"database": "d"}}, (False, False)),
        ({"mysql": {"database": "d", "verifyServerCert": True}}, (True, True)),
        ({"mysql": {"database": "d", "sslRootCertificateSecret": {"name": "s", "key": "k"}}}, (True, False)),
        ({"postgres": {"database": "d", "sslMode": "prefer"}}, (False, False)),
        ({"postgres": {"database": "d", "sslMode": "require"}}, (True, False)),
        ({"postgres": {"database": "d", "sslMode": "verify-ca"}}, (True, True)),
        # The API has this field for MySQL only.
        ({"postgres": {"database": "d", "verifyServerCert": True}}, (False, False)),
    ],
)
def test_tls_facts(database: dict[str, Any], expected: tuple[bool, bool]) -> None:
    facts = tls_facts({"spec": database})
    assert (facts["encrypted"], facts["verified"]) == expected


def test_nothing_is_changed_by_looking() -> None:
    scene = Scene()
    inventory = scene.inventory()
    before = copy.deepcopy(inventory)
    registry_findings("good", inventory)
    assert replace(inventory) == before


def test_a_value_of_a_secret_that_is_no_base64() -> None:
    """No API server sends it. The others are reported all the same."""
    scene = Scene()
    scene.secret["data"] = {key: Sealed("YQ") for key in scene.secret["data"]}
    assert scene.codes() is not None
