# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the archive, run in their order as they stand there, on a database that takes encrypted connections only."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plays import ROOT, RUNNER, Servers
from registries import Registries
from testbed.bed import Testbed

VAULT_PASSWORD = "of the vault"
NAMES = ("fraud", "risk", "credit")


@pytest.fixture(scope="module")
def place(bed: Testbed, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Copy the examples as a user would, with a vault; give them the database server that they name."""
    registries = Registries(bed)
    servers("mariadb-10.11", name="mysql", tls=True)
    for name in NAMES:
        registries.make_database(name, service="mysql")
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "examples", folder, dirs_exist_ok=True)
    text = (folder / "vault.example.yml").read_text().replace("change me", "fraud-password")
    (folder / "vault.yml").write_text(text)
    (folder / "password").write_text(VAULT_PASSWORD)
    vault = Path(sys.executable).with_name("ansible-vault")
    subprocess.run([str(vault), "encrypt", "--vault-password-file", "password", "vault.yml"], cwd=folder, check=True)
    yield folder
    for name in NAMES:
        if registries.get(name):
            registries.api.delete(registries.version, "ModelRegistry", name, registries.namespace)
    bed.until("all gone", lambda: not any(map(registries.get, NAMES)))


def run(bed: Testbed, place: Path, *arguments: str) -> tuple[bool, str]:
    """Run a playbook of the examples; return whether it succeeded, and its output."""
    return in_shell(bed, place, "ansible-playbook", "-i", "inventory.yml", *arguments, user="platform-admin")


def in_shell(
    bed: Testbed, place: Path, program: str, *arguments: str, user: str = "registry-admin"
) -> tuple[bool, str]:
    """Run one of Ansible's programs there; return whether it succeeded, and its output."""
    passwords = {"RISK_PASSWORD": "risk-password", "CREDIT_PASSWORD": "credit-password"}
    environment = {
        **bed.environment(user),
        **passwords,
        "ANSIBLE_VAULT_PASSWORD_FILE": str(place / "password"),
    }
    command = bed.command([str(RUNNER.with_name(program)), *arguments])
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode == 0, done.stdout + done.stderr


def succeeded(bed: Testbed, place: Path, *arguments: str) -> str:
    done, output = run(bed, place, *arguments)
    assert done, output
    assert "[WARNING]: No inventory was parsed" not in output
    return output


def test_in_their_order(bed: Testbed, place: Path) -> None:
    registries = Registries(bed)
    succeeded(bed, place, "preflight.yml")
    findings = json.loads((place / "findings.json").read_text())
    assert not [finding for finding in findings if finding["severity"] == "blocker"]

    created = succeeded(bed, place, "create.yml")
    assert "changed=1" in created and registries.rest("fraud", "GET", "/readyz/health")[0] == 200
    # The playbook of the collection, with the same values as flat variables.
    again = succeeded(bed, place, "opendatahub.model_registry.create", "-e", "@fraud.yml", "-e", "@vault.yml")
    assert "changed=0" in again

    assert "changed=1" in succeeded(bed, place, "update.yml")
    annotations = (registries.get("fraud") or {})["metadata"]["annotations"]
    assert annotations["openshift.io/description"] == "Models of the fraud and risk teams"

    assert "changed=1" in succeeded(bed, place, "grant.yml")
    subjects = [
        subject["name"]
        for binding in registries.api.list("rbac.authorization.k8s.io/v1", "RoleBinding", registries.namespace)
        if binding["roleRef"]["name"] == "registry-user-fraud"
        for subject in binding["subjects"]
    ]
    assert {"fraud-team", "alice@example.com", "system:serviceaccounts:data-science"} <= set(subjects)

    created = succeeded(bed, place, "registries.yml")
    assert "risk-password" not in created and "credit-password" not in created
    assert all(registries.rest(name, "GET", "/readyz/health")[0] == 200 for name in ("risk", "credit"))
    assert "changed=0" in succeeded(bed, place, "registries.yml")
    assert "failed=0" in succeeded(bed, place, "info.yml")

    # There is no terminal, so nothing is typed.
    refused, output = run(bed, place, "teardown.yml")
    told = " ".join(output.split())
    assert not refused and "nothing was deleted, since teardown_confirm is not given" in told, output
    assert "give fraud there, as with -e teardown_confirm=fraud" in told, output
    assert registries.get("fraud")
    succeeded(bed, place, "teardown.yml", "-e", "teardown_confirm=fraud")
    assert not registries.get("fraud") and "alice@example.com" in (place / "fraud-access.yml").read_text()


def test_preflight_fails_the_job_and_keeps_the_findings(bed: Testbed, place: Path) -> None:
    """In CI, a job that fails still has its artifact."""
    wrong = (
        "-e",
        '{"fraud_database": {"type": "mysql", "host": "mysql.databases.svc.cluster.local", "name": "fraud"}}',
    )
    done, output = run(bed, place, "preflight.yml", *wrong)
    assert not done, output
    findings = json.loads((place / "findings.json").read_text())
    assert [finding for finding in findings if finding["severity"] == "blocker"]


def test_info_fails_and_says_why(bed: Testbed, place: Path, registries: Registries) -> None:
    """A registry whose password is wrong, in the database's words."""
    registries.make_database("silent")
    registries.make_secret("silent", "wrong")
    registries.create(registries.body("silent"))
    bed.until("refused", lambda: "Error 1045" in registries.log("silent"))
    done, output = run(bed, place, "info.yml")
    assert not done and "silent: " in output and "Access denied" in output, output


def test_the_commands_of_the_readme(bed: Testbed, place: Path) -> None:
    """All that run against a cluster, in their order."""
    commands = re.findall(r"^\$ (ansible(?:-playbook)? .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [words.split()[1].rpartition(".")[2] for words in commands[1:]] == [
        "preflight",
        "create",
        "update",
        "grant",
        "info",
        "teardown",
    ]
    for command in commands:
        program, *arguments = shlex.split(command.replace(" --ask-vault-pass", ""))
        done, output = in_shell(bed, place, program, *arguments)
        assert done, output
        if program == "ansible":
            facts = json.loads(output[output.index("=> {") + 3 : output.rindex("}") + 1])["facts"]
            assert facts["user"] == "registry-admin" and facts["api"]["host"] and facts["namespace"]
