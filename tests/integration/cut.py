# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the engine inside a testbed, many times at once, and ends some of the runs by SIGKILL after their n-th write.

As a program, it takes the namespace and the expected user as arguments, and reads the runs as JSON from standard input.
Each is a process of its own, forked when everything is loaded. It writes how each run ends, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from testbed.bed import Testbed

__all__ = ["Ended", "Wanted", "run_all"]

COLLECTIONS = Path(__file__).resolve().parents[2] / ".venv" / "collections"
Tell = Callable[[str], object]
"""Takes a line from a run."""
AT_ONCE = 9
"""With many more, a machine with two cores is so busy that the operator counts as one that does not run."""
SECONDS = 180.0
"""The time for a registry to become ready or be gone, with many at once."""


@dataclass(frozen=True)
class Wanted:
    """A run."""

    options: dict[str, Any]
    """Options of the module model_registry."""
    cut: int = 0
    """The write after which it is killed; 0 lets it finish."""
    kubeconfig: str | None = None
    """The way to the API server, if it is not the user's own."""


@dataclass
class Ended:
    """How a run ended."""

    status: int
    """Of the process: 0, or the negative number of the signal that ended it."""
    writes: list[str] = field(default_factory=list)
    """Action and kind of each stored write, in order."""
    error: str = ""


def run_all(bed: Testbed, runs: Iterable[Wanted], user: str = "registry-admin") -> list[Ended]:
    """Run all of them at the same time."""
    done = subprocess.run(
        bed.command([sys.executable, __file__, bed.flavour.registries_namespace, user]),
        env={**bed.environment(user), "PYTHONPATH": str(COLLECTIONS)},
        input=json.dumps([asdict(run) for run in runs]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Ended(**one) for one in json.loads(done.stdout)]


def _apart(work: Callable[[Tell], None]) -> tuple[int, int]:
    """Do the work in a process of its own, given a function to send a line; return its number and the pipe."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    status = 1
    try:
        os.close(ours)
        work(lambda line: os.write(theirs, f"{line}\n".encode()))
        status = 0
    except BaseException:
        os.write(theirs, f"error {json.dumps(traceback.format_exc())}\n".encode())
    finally:
        os._exit(status)


def _end(process: tuple[int, int]) -> Ended:
    pid, lines = process
    with os.fdopen(lines) as source:
        told = source.read().splitlines()
    ended = Ended(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    for line in told:
        if line.startswith("error "):
            ended.error = json.loads(line.removeprefix("error "))
        else:
            ended.writes.append(line)
    return ended


def _filled(given: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Return the options as a module has them, with those that are not given."""
    filled = {name: given.get(name, one.get("default")) for name, one in spec.items()}
    for name, one in spec.items():
        if "options" in one and filled[name] is not None:
            filled[name] = _filled(filled[name], one["options"])
    return filled


def main() -> None:
    """Run what standard input says."""
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import registry
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Object
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import Change
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.run import Run
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.deletion import DeletionOptions
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.options import registry_from
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.reconcile import (
        ReconcileResult,
        ensure_absent,
        ensure_present,
    )
    from identity import expect_user

    class CutCluster(Cluster):
        """The API server, up to a certain write, which is stored."""

        def __init__(self, kubeconfig: str | None, cut: int, tell: Tell) -> None:
            super().__init__(get_api_client(**({"kubeconfig": kubeconfig} if kubeconfig else {})))
            self._left, self._tell, self._lock = cut, tell, threading.Lock()

        def write(self, change: Change, dry_run: bool) -> Object:
            answer = super().write(change, dry_run)
            if dry_run:
                return answer
            with self._lock:
                self._tell(f"{change.action} {change.kind}")
                self._left -= 1
                if self._left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return answer

    namespace, user = sys.argv[1:]

    def run(one: Wanted, tell: Tell) -> None:
        options = _filled(one.options, registry())
        place = Run(CutCluster(one.kubeconfig, one.cut, tell), namespace, check_mode=False, timeout=SECONDS)
        wanted, outcome = registry_from(options, datetime.now(timezone.utc)), ReconcileResult()
        if one.options.get("state") == "absent":
            ensure_absent(place, DeletionOptions(), {wanted.name: outcome})
        else:
            ensure_present(place, [wanted], {wanted.name: outcome})
        if outcome.error is not None:
            raise outcome.error

    # In a process of its own, too: what a client learns stays with its process.
    identity = _end(_apart(lambda tell: expect_user(CutCluster(None, 0, tell), user)))
    assert identity.status == 0, identity.error
    wanted = [Wanted(**one) for one in json.load(sys.stdin)]
    ended: list[Ended] = []
    for begin in range(0, len(wanted), AT_ONCE):
        started = [_apart(partial(run, one)) for one in wanted[begin : begin + AT_ONCE]]
        ended += map(_end, started)
    print(json.dumps([asdict(one) for one in ended]))


if __name__ == "__main__":
    main()
