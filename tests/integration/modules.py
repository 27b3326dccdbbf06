# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules without playbooks around them: each run is a process that is forked when all is loaded.

A task of a playbook takes seconds to load what is loaded here once. No run finds anything in the caches of its client.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Ran", "Task", "run"]

COLLECTIONS = Path(__file__).resolve().parents[2] / ".venv" / "collections"
PACKAGE = "ansible_collections.opendatahub.model_registry.plugins"


@dataclass(frozen=True)
class Task:
    """A module with its options, and variables of its environment."""

    module: str
    options: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """What has become of a run."""

    text: str
    """All that it has written."""
    seconds: float
    memory: int
    """The most that was resident, in MiB."""

    @property
    def result(self) -> dict[str, Any]:
        """What the module has returned."""
        lines = [line for line in self.text.splitlines() if line.startswith("{")]
        result: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return result

    @property
    def message(self) -> str:
        """Why it has failed; empty if it has not."""
        return str(self.result.get("msg", ""))


def run(tasks: Sequence[Task], at_once: int = 2) -> list[Ran]:
    """Run them, some at the same time, and return what has become of each. Their invocation is shown."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_", "KUBE"))}
    jobs = [(task.module, {**task.options, "_ansible_inject_invocation": True}, task.environment) for task in tasks]
    with tempfile.TemporaryDirectory() as folder:
        clean |= {"PYTHONPATH": str(COLLECTIONS), "TMPDIR": folder, "HOME": folder}
        command = [sys.executable, __file__, folder, str(at_once)]
        done = subprocess.run(command, env=clean, input=json.dumps(jobs), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [
            Ran(Path(folder, f"{number}.out").read_text(), seconds, memory)
            for number, (seconds, memory) in enumerate(json.loads(done.stdout))
        ]


def _play(module: str, options: dict[str, Any], environment: dict[str, str], output: Path) -> None:
    """Be a module's process."""
    from ansible.module_utils import basic

    with output.open("w") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ.update(environment, TMPDIR=tempfile.mkdtemp())
    tempfile.tempdir = None
    # As the wrapper around a module leaves them; ansible-core before 2.19 knows no profile.
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()  # noqa: SLF001
    basic._ANSIBLE_PROFILE = "legacy"  # noqa: SLF001
    with contextlib.suppress(SystemExit):
        importlib.import_module(f"{PACKAGE}.modules.{module}").main()
    sys.stdout.flush()


def main() -> None:
    """Run what the standard input says, in a folder and that many at once. Writes the seconds and MiB of each."""
    folder, at_once = Path(sys.argv[1]), int(sys.argv[2])
    jobs: list[tuple[str, dict[str, Any], dict[str, str]]] = json.load(sys.stdin)
    for module in {name for name, _options, _environment in jobs}:
        importlib.import_module(f"{PACKAGE}.modules.{module}")
    ends: dict[int, tuple[float, int]] = {}
    running: dict[int, tuple[int, float]] = {}

    def reap() -> None:
        pid, _status, usage = os.wait3(0)
        number, began = running.pop(pid)
        ends[number] = (time.monotonic() - began, usage.ru_maxrss // 1024)

    for number, (module, options, environment) in enumerate(jobs):
        while len(running) >= at_once:
            reap()
        pid = os.fork()
        if not pid:
            try:
                _play(module, options, environment, folder / f"{number}.out")
            finally:
                os._exit(0)
        running[pid] = (number, time.monotonic())
    while running:
        reap()
    print(json.dumps([ends[number] for number in range(len(jobs))]))


if __name__ == "__main__":
    main()
