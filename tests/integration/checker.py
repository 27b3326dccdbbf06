# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that checks many databases inside a testbed, without Ansible's own seconds for each.

Run as `python checker.py NAMESPACE USER`, it makes sure that it is that user, and reads ModelRegistry objects, one a line
as JSON, from its standard input. For each it writes a line of JSON: the findings about the registry's database, and the
facts.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from testbed.api import Object
from testbed.bed import Testbed
from waiter import COLLECTIONS

__all__ = ["checked"]


def checked(bed: Testbed, registries: Iterable[Object], user: str = "registry-admin") -> dict[str, Any]:
    """Return the result of checking each registry's database, by the registry's name. The registries need not exist."""
    command = bed.command([sys.executable, __file__, bed.flavour.registries_namespace, user])
    environment = {**bed.environment(user), "PYTHONPATH": str(COLLECTIONS)}
    lines = "".join(json.dumps(body) + "\n" for body in registries)
    done = subprocess.run(command, env=environment, input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {answer["name"]: answer for answer in answers}


def main() -> None:
    """Check as the command line says."""
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._database import check as check_module
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.check import (
        Check,
        LazyCluster,
        check,
    )
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.connection import Path, direct
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.relay import Relay
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
    from identity import expect_user

    namespace, user = sys.argv[1:]
    cluster = Cluster(get_api_client(kubeconfig=os.environ["K8S_AUTH_KUBECONFIG"]))
    expect_user(cluster, user)
    planned: dict[str, Object] = {}

    @contextlib.contextmanager
    def relay(_cluster: Cluster, _namespace: str, wanted: Relay, _warn: object) -> Iterator[Path]:
        """Connect directly: this program's address is one of the pods' own, so it sees what a relay would see."""
        with direct(wanted.host, wanted.port) as path:
            yield replace(path, name="relay")

    class Planned(LazyCluster):
        """The cluster, with registries that do not exist yet."""

        def read(self, kind: str, name: str) -> Object | None:
            """Return the planned registry, or an object of the registries namespace."""
            return planned[name] if kind == "ModelRegistry" else super().read(kind, name)

    place = Planned(lambda: cluster, namespace)
    check_module.relay = relay  # type: ignore[assignment, attr-defined]
    for line in sys.stdin:
        registry = json.loads(line)
        name = registry["metadata"]["name"]
        planned[name] = registry
        wanted = Check(None, name, "relay", "any", 10, lambda host, port: Relay("", (), host, port, 0))
        outcome = check(wanted, place, lambda _secret: None)
        assert outcome.error is None, outcome.error
        print(json.dumps({"name": name, "findings": outcome.findings, "facts": outcome.facts}), flush=True)


if __name__ == "__main__":
    main()
