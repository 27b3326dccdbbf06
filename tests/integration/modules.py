# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules without playbooks around them: each run is a process that is forked when all is loaded.

A task of a playbook takes seconds to load what is loaded here once. run() runs many at once, outside any testbed, with
nothing in the caches of their clients; a Worker runs one after the other inside a testbed, as one of its users.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from testbed.bed import Testbed

__all__ = ["PACKAGE", "Ran", "Task", "Worker", "run", "worker"]

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


class Worker:
    """A process inside a testbed that has loaded all modules, and forks for each task. It ends with the testbed."""

    def __init__(self, bed: Testbed, user: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="worker-")
        home = {"TMPDIR": self._folder.name, "HOME": self._folder.name, "PYTHONPATH": str(COLLECTIONS)}
        command = [sys.executable, __file__, "serve", str(bed.layout.state)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            bed.command(command), env={**bed.environment(user), **home}, stdin=pipe, stdout=pipe, text=True
        )

    def run(self, task: Task) -> Ran:
        """Run a task to its end."""
        assert self._process.stdin and self._process.stdout
        output = Path(self._folder.name, "output")
        job = (task.module, dict(task.options), dict(task.environment), str(output))
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        seconds, memory = json.loads(self._process.stdout.readline())
        return Ran(output.read_text(), seconds, memory)


@cache
def worker(state: Path, user: str) -> Worker:
    """Return the process for a user of the testbed in this directory; there is one for each."""
    return Worker(Testbed(state), user)


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


def _forked(module: str, options: dict[str, Any], environment: dict[str, str], output: Path) -> int:
    """Start a module's process; gives its number."""
    pid = os.fork()
    if not pid:
        try:
            _play(module, options, environment, output)
        finally:
            os._exit(0)
    return pid


def _serve(state: Path) -> None:
    """Run each line of the standard input, a task, and write its seconds and MiB, as long as the testbed is there."""
    for file in Path(__file__).resolve().parents[2].glob("plugins/modules/*.py"):
        importlib.import_module(f"{PACKAGE}.modules.{file.stem}")
    while state.exists():
        # Whoever has started this process may live on when the testbed has gone. A line comes at a time.
        if not select.select([sys.stdin], [], [], 1)[0]:
            continue
        line = sys.stdin.readline()
        if not line:
            return
        module, options, environment, output = json.loads(line)
        began = time.monotonic()
        _forked(module, options, environment, Path(output))
        usage = os.wait3(0)[2]
        print(json.dumps([time.monotonic() - began, usage.ru_maxrss // 1024]), flush=True)


def main() -> None:
    """Run what the standard input says, in a folder and that many at once. Writes the seconds and MiB of each."""
    if sys.argv[1] == "serve":
        _serve(Path(sys.argv[2]))
        return
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
        pid = _forked(module, options, environment, folder / f"{number}.out")
        running[pid] = (number, time.monotonic())
    while running:
        reap()
    print(json.dumps([ends[number] for number in range(len(jobs))]))


if __name__ == "__main__":
    main()
