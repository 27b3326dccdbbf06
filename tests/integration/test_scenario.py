# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule scenario default fails when it should: what is wrong with a registry turns its verify red."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import ROOT_PASSWORD

ROOT = Path(__file__).resolve().parents[2]
NAME = "molecule"
"""The scenario's registry, and its database and account."""
BEFORE = ("prepare", "converge", "side-effect")
SEEN = "It says so, in the database's words"


def grant_missing(registries: Registries) -> None:
    kind = ("rbac.authorization.k8s.io/v1", "RoleBinding")
    labels = f"app={NAME},opendatahub.io/rb-project-subject=true"
    (binding,) = registries.api.list(*kind, registries.namespace, labelSelector=labels)
    registries.api.delete(*kind, binding["metadata"]["name"], registries.namespace)


def password_stale(registries: Registries) -> None:
    registries.sql(f"ALTER USER '{NAME}'@'%' IDENTIFIED BY 'known to nobody'")


def not_ready(registries: Registries) -> None:
    image = {"spec": {"rest": {"image": "opendatahub/no-such-server:v1"}}}
    registries.api.patch({**registries.body(NAME), **image})


def database_gone(registries: Registries) -> None:
    registries.sql(f"DROP DATABASE {NAME}")


@pytest.mark.parametrize(
    ("steps", "fault", "red"),
    [
        (("prepare",), None, SEEN),
        (BEFORE, grant_missing, SEEN),
        (BEFORE, password_stale, "Create the registry"),
        (BEFORE, not_ready, SEEN),
        (BEFORE, database_gone, "Stop where something stands against it"),
    ],
    ids=["role skipped", "grant missing", "password stale", "registry not ready", "database gone"],
)
def test_a_fault_turns_it_red(
    bed: Testbed,
    registries: Registries,
    tmp_path: Path,
    steps: tuple[str, ...],
    fault: Callable[[Registries], None] | None,
    red: str,
) -> None:
    """The task that fails is the one that looks for it."""
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
        "MODEL_REGISTRY_MYSQL_ROOT_PASSWORD": ROOT_PASSWORD,
        "MODEL_REGISTRY_TESTBED": "existing",
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path),
        "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def molecule(step: str) -> tuple[int, str]:
        environment = [f"{name}={value}" for name, value in settings.items()]
        command = ["env", f"--chdir={ROOT}", *environment, "molecule", step, "--scenario-name", "default"]
        done = bed.run(command, capture_output=True, check=False)
        return done.returncode, done.stdout + done.stderr

    try:
        for step in ("create", *steps):
            status, output = molecule(step)
            assert status == 0, output
        if fault:
            fault(registries)
        status, output = molecule("verify")
        assert status != 0
        last = re.findall(r"^TASK \[(?:.* : )?(.*)\]", output, re.MULTILINE)[-1]
        assert last == red, output[-3000:]
    finally:
        molecule("cleanup")
