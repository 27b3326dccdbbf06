# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that waits inside a testbed, and what a test sees of it: which verdict came when.

Run as `python waiter.py NAMESPACE SECONDS USER`, it checks that it is that user, reads names of registries from a line
of its standard input, waits until they are ready ("gone" instead of names' first word: until they are gone), and
writes a line of JSON for each change.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from testbed.bed import Testbed

__all__ = ["Told", "Waiter", "waiter"]

COLLECTIONS = Path(__file__).resolve().parents[2] / ".venv" / "collections"
Told = dict[str, Any]
"""A verdict's fields, with ``name`` and ``at``, the time of day in seconds."""


class Waiter:
    """A waiting program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait_for(self, *names: str) -> Iterator[Told]:
        """Let it wait for these from now on; yield each verdict as it comes, until all have ended."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(" ".join(names) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            yield json.loads(line)

    def last(self, *names: str) -> dict[str, Told]:
        """Let it wait for these; return the last verdict on each."""
        return {told["name"]: told for told in self.wait_for(*names)}


@contextmanager
def waiter(bed: Testbed, user: str = "registry-admin", seconds: float = 60) -> Iterator[Waiter]:
    """Start a waiting program that loads everything it needs before it is asked to wait."""
    command = bed.command([sys.executable, __file__, bed.flavour.registries_namespace, str(seconds), user])
    environment = {**bed.environment(user), "PYTHONPATH": str(COLLECTIONS)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "loaded\n"
            yield Waiter(process)
        finally:
            process.kill()


def main() -> None:
    """Wait as the command line says."""
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.verdict import Verdict
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.wait import (
        Hooks,
        wait_until_gone,
        wait_until_ready,
    )
    from identity import expect_user

    namespace, seconds, user = sys.argv[1:]
    cluster = Cluster(get_api_client(kubeconfig=os.environ["K8S_AUTH_KUBECONFIG"]))
    expect_user(cluster, user)

    def tell(name: str, verdict: Verdict) -> None:
        print(json.dumps({"name": name, "at": time.time(), **asdict(verdict)}), flush=True)

    print("loaded", flush=True)
    names = sys.stdin.readline().split()
    wait = wait_until_gone if names[0] == "gone" else wait_until_ready
    wait(
        cluster,
        namespace,
        [name for name in names if name != "gone"],
        time.monotonic() + float(seconds),
        Hooks(report=tell),
    )


if __name__ == "__main__":
    main()
