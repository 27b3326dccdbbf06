# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""model_registry_info on real registries: its result, its cost in requests, and what it never reveals."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from plays import INFO, PERMISSIONS, book, play, task
from registries import Registries
from testbed.bed import Testbed

RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
def registries(bed: Testbed) -> Iterator[Registries]:
    """Make registries on the shared testbed, and remove them after the test."""
    made = Registries(bed)
    yield made
    made.remove()


class Others:
    """Makes what others set up in the namespace, and removes it after the test."""

    def __init__(self, registries: Registries) -> None:
        self.api, self.namespace = registries.api, registries.namespace
        self.made: list[tuple[str, str]] = []

    def role(self, name: str, registry: str) -> None:
        """Make a role that lets its subjects get one Service."""
        rule = {"apiGroups": [""], "resources": ["services"], "resourceNames": [registry], "verbs": ["get"]}
        self._create("Role", name, rules=[rule])

    def bind(self, name: str, role: tuple[str, str], *subjects: tuple[str, str], dashboard: str = "") -> None:
        """Make a RoleBinding; dashboard: the registry that the dashboard lists it for."""
        labels = {"app": dashboard, "component": "model-registry", "opendatahub.io/dashboard": "true"}
        labels |= {f"app.kubernetes.io/{key}": "model-registry" for key in ("component", "part-of")}
        labels["app.kubernetes.io/name"] = dashboard
        found = [
            {"kind": kind, "name": subject, "namespace": "data-science"}
            if kind == "ServiceAccount"
            else {"kind": kind, "name": subject, "apiGroup": RBAC}
            for kind, subject in subjects
        ]
        ref = {"apiGroup": RBAC, "kind": role[0], "name": role[1]}
        self._create("RoleBinding", name, labels if dashboard else None, roleRef=ref, subjects=found)

    def members(self, group: str, *names: str) -> None:
        """Set the members of one of OpenShift's Groups."""
        kind = {"apiVersion": "user.openshift.io/v1", "kind": "Group"}
        self.api.patch({**kind, "metadata": {"name": group}, "users": names})

    def _create(self, kind: str, name: str, labels: dict[str, str] | None = None, **body: Any) -> None:
        meta = {"name": name, "namespace": self.namespace, "labels": labels or {}}
        self.api.create({"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": meta, **body})
        self.made.append((kind, name))

    def remove(self) -> None:
        """Delete everything that was made."""
        for kind, name in self.made:
            self.api.delete(f"{RBAC}/v1", kind, name, self.namespace)


@pytest.fixture
def others(registries: Registries) -> Iterator[Others]:
    """Make what others set up, and remove it after the test."""
    made = Others(registries)
    yield made
    made.remove()


def info(bed: Testbed, user: str = "registry-admin", **options: Any) -> dict[str, Any]:
    """Return the registries by name."""
    result = play(bed, task(INFO, **options), user=user).result
    assert not result["failed"] and not result["changed"], result
    return {registry["name"]: registry for registry in result["registries"]}


def codes(registry: dict[str, Any]) -> set[str]:
    for finding in registry["findings"]:
        assert finding["page"].endswith(f"/docs/findings.md#{finding['code']}") and finding["rule"]
    return {finding["code"] for finding in registry["findings"]}


def lines(registry: dict[str, Any]) -> list[str]:
    """Return who can use it; those with a star are listed by the dashboard."""
    return [
        f"{'*' if one['dashboard'] else ''}{one['kind']} {one.get('namespace', '')}{one['name']}: {one['through']['name']}"
        for one in registry["access"]
    ]


ADMINISTRATORS = ["User platform-admin: model-registry-admin", "User registry-admin: model-registry-admin"]
"""The testbed's own: registry-admin.yaml lets them get all Services of the namespace."""


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
        "message": "The registry server answers, and its Service routes requests to it.",
        "source": "Deployment, pods and endpoints of ModelRegistry info-good",
    }
    assert f"info-good.{registries.namespace}.svc.cluster.local" in good["hosts"]
    assert good["database"]["password_secret"] == shared and good["database"]["username"] == "info-good"
    assert good["tls"] == {"encrypted": False, "verified": False}
    assert codes(good) == {"plaintext", "shared_secret"}
    assert lines(good) == ["Group info-good-users: info-good-users", *ADMINISTRATORS]
    assert {one["verified"] for one in good["access"]} == {None}, "nobody was asked about"

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


def test_hostile_names_and_one_damaged_certificate(
    bed: Testbed, registries: Registries, others: Others, tmp_path: Path
) -> None:
    """Names are data wherever they are shown, passed on and checked again; and each certificate is read on its own."""
    made = tmp_path / "made"
    text = "{{ lookup('ansible.builtin.pipe', 'touch " + str(made) + "') }}"
    authority = trustme.CA().cert_pem.bytes().decode()
    meta = {"name": "info-hostile-ca", "namespace": registries.namespace}
    pem = authority.replace("MII", "M!I") + authority
    registries.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": pem}})
    ref = {"name": "info-hostile-ca", "key": "ca.crt"}
    secret = {"name": "info-hostile-db", "key": text}
    spec: dict[str, Any] = {"passwordSecret": secret, "sslRootCertificateConfigMap": ref, "verifyServerCert": True}
    body = registries.body("info-hostile", host="db.example.com", **spec)
    body["metadata"]["annotations"] = {"openshift.io/display-name": text, "openshift.io/description": text}
    body["spec"]["mysql"].update(host=text, database=text, username=text)
    registries.create(body)
    role = ("Role", "registry-user-info-hostile")
    others.bind("info-hostile", role, ("User", text), ("Group", text), ("User", f"system:serviceaccount:dev:{text}"))

    shown = task(INFO, name="info-hostile", access="verified")
    found = "{{ result_0.registries[0].permissions.users }}"
    again = task(PERMISSIONS, registry="info-hostile", users=found, check_mode=True)
    debug = {"name": "{{ result_0.registries[0].name }}", "ansible.builtin.debug": {"msg": "{{ result_0 }}"}}
    played = play(bed, shown, debug, again, options=("-vvv",))
    (entry,) = played.results[0]["registries"]
    assert (entry["display_name"], entry["description"]) == (text, text)
    # No option takes such a host, so it is not shown as one.
    assert "host" not in entry["database"] and "not_returnable" in codes(entry)
    assert text in entry["permissions"]["users"], entry["permissions"]
    assert {"secret_missing", "ca_unreadable"} <= codes(entry)
    assert len(entry["tls"]["ca"]["certificates"]) == 1
    checked = book(bed, "preflight", {"registry_name": "info-hostile", "job": "update"}, user="admin")
    assert text[3:20] in checked.output, checked.output
    assert not made.exists()


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
    assert found["status"]["state"] == "ready" and not {"access", "permissions"} & set(found)
    for resource in gone:
        assert any(f"resources: [{resource}], verbs: [list]" in words for words in played.result["warnings"]), resource


def test_who_may_see_nothing_is_told_the_rule(bed: Testbed) -> None:
    played = play(bed, task(INFO, namespace=bed.flavour.registries_namespace), user="nobody")
    assert played.result["failed"]
    assert "resources: [modelregistries], verbs: [list]" in played.result["msg"]


def test_who_can_use_a_registry(bed: Testbed, registries: Registries, others: Others) -> None:
    """By what the dashboard lists, by what it does not, by other roles, by the Group; and the API server agrees."""
    registries.make("info-who")
    registries.available("info-who")
    own = ("Role", "registry-user-info-who")
    others.bind("dashboard-permissions-infoann1", own, ("User", "info:Ann Smith"), dashboard="info-who")
    others.bind("dashboard-permissions-infoprj1", own, ("Group", "system:serviceaccounts:info"), dashboard="info-who")
    others.bind("dashboard-permissions-infosa1", own, ("ServiceAccount", "runner"), dashboard="info-who")
    others.bind("info-unlabelled", own, ("Group", "system:authenticated"))
    others.bind("info-several", own, ("User", "info:Ann Smith"), ("Group", "info-team"), dashboard="info-who")
    others.role("info-helper", "info-who")
    others.role("info-elsewhere", "another")
    others.bind("info-helpers", ("Role", "info-helper"), ("User", "info-helper"))
    others.bind("info-elsewhere", ("Role", "info-elsewhere"), ("User", "info-nobody"))
    others.bind("info-viewers", ("ClusterRole", "view"), ("User", "info-viewer"))
    others.members("info-who-users", "alice", "bob")

    played = play(bed, task(INFO, name="info-who", access="verified"), user="platform-admin")
    assert not played.writes and not played.result.get("warnings"), played.result
    (found,) = played.result["registries"]
    assert lines(found) == [
        "Group info-team: info-several",
        "Group info-who-users: info-who-users",
        "Group system:authenticated: info-unlabelled",
        "*Project info: dashboard-permissions-infoprj1",
        "ServiceAccount data-sciencerunner: dashboard-permissions-infosa1",
        "User alice: info-who-users",
        "User bob: info-who-users",
        "User info-helper: info-helpers",
        "User info-viewer: info-viewers",
        "*User info:Ann Smith: dashboard-permissions-infoann1",
        "User info:Ann Smith: info-several",
        *ADMINISTRATORS,
    ]
    assert {one["verified"] for one in found["access"]} == {True}
    through = {one["name"]: one["through"] for one in found["access"]}
    assert through["info-viewer"] == {"kind": "RoleBinding", "name": "info-viewers", "role": "ClusterRole view"}
    assert through["alice"] == {"kind": "Group", "name": "info-who-users"}
    about = {finding["what"] for finding in found["findings"] if finding["code"] in ("hidden_grant", "duplicate_grant")}
    assert about == {"RoleBinding info-several", "RoleBinding info-unlabelled", "User info:Ann Smith"}
    assert found["permissions"] == {
        "users": ["info:Ann Smith"],
        "groups": ["info-team", "system:authenticated"],
        "projects": ["info"],
        "service_accounts": [{"namespace": "data-science", "name": "runner"}],
        "members": ["alice", "bob"],
    }

    here = {"name": "info-who", "namespace": registries.namespace}
    listed = play(bed, task(INFO, **here), task(INFO, **here, access="none"))
    ((less,), (nothing,)) = (result["registries"] for result in listed.results)
    unseen = {"User alice: info-who-users", "User bob: info-who-users", "User info-viewer: info-viewers"}
    assert set(lines(found)) - set(lines(less)) == unseen and less["permissions"]["members"] is None
    for resource in ("clusterroles", "groups"):
        assert any(f"resources: [{resource}], verbs: [get]" in words for words in listed.results[0]["warnings"])
    assert not {"access", "permissions"} & set(nothing) and not listed.results[1].get("warnings")


def test_permissions_can_be_given_back(bed: Testbed, registries: Registries) -> None:
    """The module makes exactly what info shows: it finds nothing left to do."""
    registries.make("info-back")
    registries.available("info-back")
    given: dict[str, Any] = {
        "users": ["Ann Smith", "kube:admin"],
        "groups": ["cn=a,ou=b"],
        "projects": ["data-science"],
    }
    given |= {"service_accounts": [{"namespace": "data-science", "name": "runner.1"}], "members": ["alice"]}
    made = play(bed, task(PERMISSIONS, registry="info-back", **given), user="platform-admin").result
    assert made["changed"], made
    exported = info(bed, user="platform-admin", name="info-back")["info-back"]["permissions"]
    assert exported == given
    again = play(bed, task(PERMISSIONS, registry="info-back", state="exact", **exported), user="platform-admin")
    assert not again.result["failed"] and not again.result["changed"] and not again.writes, again.result
