# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks info and export: what is there as people read it, and as variables that change nothing if given back."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from plays import Answers, Book, book, dashboards_secret, store
from registries import Registries
from testbed.api import Object
from testbed.bed import Testbed

Fields = dict[str, Any]
TEXT = "{{ lookup('ansible.builtin.pipe', 'touch /nowhere/at-all') }} #jinja2: x"
"""A text that fails the play if anything takes it for a template."""


def shown(
    bed: Testbed, name: str, answers: Answers, *options: str, user: str = "registry-admin", fails: bool = False
) -> Book:
    """Run a playbook that only reads."""
    done = book(bed, name, answers, *options, user=user)
    assert done.succeeded is not fails, done.output
    assert not done.writes
    return done


def test_info(bed: Testbed, registries: Registries, tmp_path: Path) -> None:
    """All as a table, one in detail, and what an expression picks; with a registry that works and one that does not."""
    registries.make("shown-good")
    registries.make_database("shown-bad")
    registries.make_secret("shown-bad", "not-the-password")
    body = registries.body("shown-bad")
    body["metadata"]["annotations"] = {"openshift.io/display-name": TEXT, "openshift.io/description": "a\x1b[2J\nb"}
    registries.create(body)
    registries.available("shown-good")
    bed.until("its words", lambda: "attempt 1/" in registries.log("shown-bad"))

    everything = shown(bed, "info", {})
    rows = {line.split()[0]: line.split() for line in everything.output.splitlines() if line.strip()}
    assert rows["NAME"] == ["NAME", "STATE", "DATABASE", "TLS", "WHO", "FINDINGS"]
    assert rows["shown-good"][1:4] == ["ready", "mysql", "shown-good"]
    denied = "Error 1045 (28000): Access denied for user 'shown-bad'@'10.88."
    assert f"  shown-bad is failed: {denied}" in everything.output
    assert "database_password" in everything.output and "database.password" not in everything.output

    one = shown(bed, "info", {"registry_name": "shown-bad"})
    assert f"ModelRegistry shown-bad in namespace {registries.namespace}: failed (access_denied)" in one.output
    assert denied in one.output and f"display name    {TEXT}\n" in one.output and "a\\x1b[2J\\nb" in one.output
    assert "\x1b[2J" not in one.output

    query = {
        "info_query": "registries[?status.state=='ready'].{name: name, host: database.host}",
        "registry_name": "shown-good",
    }
    picked = shown(bed, "info", query)
    (block,) = re.findall(r"(?:^  (?:- name|  host): .*\n)+", picked.output, re.MULTILINE)
    assert yaml.safe_load(block) == [{"name": "shown-good", "host": "mysql-80.databases.svc.cluster.local"}]
    spaced = shown(bed, "info", {}, "--extra-vars", 'info_query="registries[].{name: name, state: status.state}"')
    assert "- name: shown-bad\n    state: failed\n" in spaced.output

    urls = re.findall(r"^  +URL +(.*)", shown(bed, "info", {"registry_name": "shown-good"}).output, re.MULTILINE)
    assert urls == ["https://shown-good-rest.apps.testbed.example"]

    # From a bastion, which has the connection of the inventory; its file is on the machine where Ansible runs.
    (tmp_path / "hosts").write_text(f"bastion ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    bastion = ("--inventory", str(tmp_path / "hosts"), "--extra-vars", "registry_hosts=bastion")
    assert "ok: [bastion]" in shown(bed, "info", query, *bastion).output
    export = {"registry_name": "shown-good", "export_to": str(tmp_path / "shown.yml")}
    assert f"Written to {tmp_path}/shown.yml" in shown(bed, "export", export, *bastion).output

    wrong = shown(bed, "info", {"info_query": "registries[].{name:"}, fails=True)
    assert "info_query: 'registries[].{name:' ends too early, after character 19" in wrong.output
    absent = shown(bed, "info", {"registry_name": "shown-god"}, fails=True)
    assert (
        f"ModelRegistry shown-god: it does not exist in namespace {registries.namespace}. There are: " in absent.output
    )
    assert "shown-bad, shown-good" in absent.output


def on_postgres(registries: Registries, name: str, **fields: Any) -> Object:
    """Return a registry on a PostgreSQL server that does not exist."""
    body = registries.body(name)
    mysql = body["spec"].pop("mysql")
    body["spec"]["postgres"] = (
        fields if "generateDeployment" in fields else {**mysql, "host": "pg.example.com", **fields}
    )
    return body


def of_dashboard(registries: Registries, name: str) -> Object:
    """Return a registry as the dashboard makes it, with its Secret and the authority that was uploaded."""
    store(registries, "ConfigMap", f"{name}-db-credential", {"ca.crt": "not read here"})
    secret = {"name": dashboards_secret(registries, name), "key": "database-password"}
    ca = {"name": f"{name}-db-credential", "key": "ca.crt"}
    body = registries.body(name, port=3306, passwordSecret=secret, sslRootCertificateConfigMap=ca, skipDBCreation=False)
    body["spec"]["kubeRBACProxy"] = {}
    body["metadata"]["annotations"] = {"openshift.io/display-name": TEXT, "openshift.io/description": "a: #\n'b"}
    return body


BUNDLE = "odh-trusted-ca-bundle"
REF = {"name": "own", "key": "tls.crt"}
AUTHORITIES: dict[str, tuple[Fields, str]] = {
    "cluster": ({"sslRootCertificateConfigMap": {"name": BUNDLE, "key": "ca-bundle.crt"}}, "ca_source: "),
    "openshift-ai": ({"sslRootCertificateConfigMap": {"name": BUNDLE, "key": "odh-ca-bundle.crt"}}, "ca_source: "),
    "config-map": ({"sslRootCertificateConfigMap": REF, "verifyServerCert": True}, "ca_name: "),
    "secret": (
        {"sslRootCertificateSecret": REF, "sslCipher": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
        "database_tls_cipher: ",
    ),
    "client": ({"sslCertificateSecret": REF, "sslKeySecret": {**REF, "key": "tls.key"}}, "client_key_secret_key: "),
    "none": ({"port": 3307}, "database_port: 3307"),
}


def given_back(bed: Testbed, name: str, file: Path, *playbooks: str) -> None:
    """Assert that the exported variables change nothing, without a wait for registries whose databases do not exist."""
    exported = shown(bed, "export", {"registry_name": name, "export_to": str(file)})
    assert f"Written to {file}" in exported.output and stat.S_IMODE(file.stat().st_mode) == 0o600
    for playbook in playbooks:
        again = book(bed, playbook, file, "--extra-vars", f"preflight=false {playbook}_wait=false")
        assert again.succeeded and again.counts["changed"] == 0 and not again.writes, again.output


@pytest.mark.parametrize("kind", AUTHORITIES)
def test_export_of_each_authority(bed: Testbed, registries: Registries, tmp_path: Path, kind: str) -> None:
    fields, line = AUTHORITIES[kind]
    registries.create(registries.body(f"exported-{kind}", **fields))
    given_back(bed, f"exported-{kind}", tmp_path / "file.yml", "update")
    assert f"\n{line}" in (tmp_path / "file.yml").read_text()


def test_export_of_others(bed: Testbed, registries: Registries, tmp_path: Path) -> None:
    """Of the dashboard, on PostgreSQL, and with a PostgreSQL server that the operator runs."""
    ssl = {"sslMode": "verify-ca", "sslRootCertificateSecret": REF}
    bodies = {
        "exported-dashboard": of_dashboard(registries, "exported-dashboard"),
        "exported-postgres": on_postgres(registries, "exported-postgres", **ssl),
        "exported-generated": on_postgres(registries, "exported-generated", generateDeployment=True),
    }
    for name, body in bodies.items():
        registries.create(body)
        file = tmp_path / f"{name}.yml"
        given_back(bed, name, file, "create", "update")
        text = file.read_text()
        assert (': !unsafe "' in text) is (name == "exported-dashboard")
        assert ("is deleted with the registry" in text) is (name == "exported-dashboard")
    dashboard = (tmp_path / "exported-dashboard.yml").read_text()
    assert dashboard.count("# ConfigMap exported-dashboard-db-credential is deleted with the registry.") == 1


def test_export_of_what_create_made(bed: Testbed, registries: Registries, tmp_path: Path) -> None:
    """Ready on a real database: with the check before, and the wait for the server, nothing is written either."""
    name, file = "exported-made", tmp_path / "made.yml"
    registries.make_database(name)
    answers = {
        "registry_name": name,
        "display_name": "Made",
        "database_host": "mysql-80.databases.svc.cluster.local",
        "database_name": name,
        "database_username": name,
        "create_resources": {"limits": {"memory": "1Gi"}},
    }
    made = book(bed, "create", answers, environment={"MODEL_REGISTRY_DATABASE_PASSWORD": f"{name}-password"})
    assert made.succeeded, made.output
    exported = shown(bed, "export", {"registry_name": name})
    shown(bed, "export", {"registry_name": name, "export_to": str(file)})
    text = file.read_text()
    assert all(f"  {line}\n" in exported.output for line in text.splitlines()), exported.output
    assert f"{name}-password" not in text and '# create_resources: {limits: {memory: "1Gi"}}' in text
    for playbook in ("create", "update"):
        again = book(bed, playbook, file)
        assert again.succeeded and again.counts["changed"] == 0 and not again.writes, again.output
    gone = book(bed, "teardown", {"registry_name": name, "confirm_name": name})
    assert gone.succeeded, gone.output
    absent = shown(bed, "export", {"registry_name": name, "export_to": str(tmp_path / "other.yml")}, fails=True)
    assert f"ModelRegistry {name}: it does not exist" in absent.output and not (tmp_path / "other.yml").exists()
