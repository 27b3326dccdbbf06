# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is cut after any one of its writes is finished by the next: the same final state, nothing doubled."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from plays import ROOT, play, task
from registries import Registries
from resetter import resetting
from testbed.bed import Testbed

Options = dict[str, Any]
HOST = "mysql-80.databases.svc.cluster.local"
DATABASE = {"type": "mysql", "host": HOST, "name": "cutrun", "username": "cutrun", "password": "cutrun-password"}
CREATE: Options = {"name": "cutrun", "display_name": "Cut", "database": DATABASE}
EDIT: Options = {"name": "cutrun", "description": "edited"}
ROTATE: Options = {"name": "cutrun", "database": {"password": "another one"}}
DELETE: Options = {"name": "cutrun", "state": "absent"}
WRITES = {"create": (CREATE, 2), "edit": (EDIT, 1), "rotate": (ROTATE, 3), "delete": (DELETE, 2)}


def state(registries: Registries) -> Options:
    """All that is left of a registry's own, without what time and chance write."""
    registry = registries.get("cutrun")
    secrets = registries.api.list("v1", "Secret", registries.namespace)
    return {
        "spec": registry and registry["spec"],
        "annotations": registry and registry["metadata"].get("annotations"),
        "secrets": {
            secret["metadata"]["name"]: (secret["data"], secret["metadata"].get("annotations"))
            for secret in secrets
            if secret["metadata"]["name"].startswith("cutrun-db")
        },
    }


def prepare(bed: Testbed, registries: Registries, job: str) -> None:
    """The state from which the job starts."""
    play(bed, task(**DELETE))
    registries.make_database("cutrun")
    if job != "create":
        assert not play(bed, task(**CREATE)).result["failed"]
    if job == "rotate":
        registries.sql("ALTER USER 'cutrun'@'%' IDENTIFIED BY 'another one'")


@pytest.mark.parametrize(("job", "write"), [(job, n + 1) for job, (_, count) in WRITES.items() for n in range(count)])
def test_cut(bed: Testbed, registries: Registries, tmp_path: Path, job: str, write: int) -> None:
    options = WRITES[job][0]
    prepare(bed, registries, job)
    assert not play(bed, task(**options)).result["failed"]
    expected = state(registries)
    for cut in (killed, reset):
        prepare(bed, registries, job)
        cut(bed, registries, options, write, tmp_path)
        finished = play(bed, task(**options))
        assert not finished.result["failed"], finished.output
        assert state(registries) == expected, cut.__name__


def killed(bed: Testbed, registries: Registries, options: Options, write: int, _folder: Path) -> None:
    """SIGKILL after a write has been stored."""
    program = str(Path(__file__).with_name("cut.py"))
    command = [sys.executable, program, str(write), registries.namespace, json.dumps(options)]
    path = f"PYTHONPATH={ROOT / '.venv' / 'collections'}"
    done = bed.run(["env", path, *command], user="registry-admin", capture_output=True, check=False)
    assert done.returncode == -9, done.stderr


def reset(bed: Testbed, _registries: Registries, options: Options, write: int, folder: Path) -> None:
    """The connection ends by RST after a write has been stored, before its answer comes."""
    with resetting(bed, folder, write) as proxy:
        played = play(bed, task(**options, kubeconfig=str(proxy.kubeconfig)))
        told = proxy.reset()
    assert len(told) == 1, (told, played.output)
