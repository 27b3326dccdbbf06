# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of Molecule leaves behind is found, and earlier remains are not counted against it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import remains

PROGRAM = [sys.executable, remains.__file__]


def run(folder: Path, command: str) -> tuple[int, str]:
    """Return the exit status and output of a shell command; no Docker engine answers."""
    environment = {**os.environ, "DOCKER_HOST": f"unix://{folder}/none.sock"}
    arguments = [*PROGRAM, str(folder), "sh", "-c", command]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("command", "status"), [("true", 0), ("exit 3", 3), ("touch state.yml ansible.cfg; mkdir inventory", 0)]
)
def test_nothing_is_left(tmp_path: Path, command: str, status: int) -> None:
    (tmp_path / "before").touch()
    assert run(tmp_path, f"cd {tmp_path}; {command}") == (status, "left behind: 0\n")


def test_a_file_is_left(tmp_path: Path) -> None:
    assert run(tmp_path, f"mkdir {tmp_path}/kind") == (1, f"left behind: 1\n  file {tmp_path}/kind\n")


def test_a_process_is_left(tmp_path: Path) -> None:
    note = tmp_path / "state.yml"
    # A process has no command line while it becomes another program: the command ends when the one left behind has begun.
    left = f"exec >/dev/null 2>&1; setsid sh -c 'echo $$ > {note}; sleep 60; : {tmp_path}/testbed' &"
    status, said = run(tmp_path, f"{left} until [ -s {note} ]; do sleep 0.05; done")
    os.killpg(int(note.read_text()), signal.SIGKILL)
    assert status == 1
    assert "process " in said and f"{tmp_path}/testbed" in said
