# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that makes many registries at once inside a testbed, in one run of the engine, and reports each outcome.

Run as `python fleet.py NAMESPACE COUNT SECONDS USER`, it checks that it is that user, makes registries that share one
password Secret, waits that long, and writes a line of JSON for each: its name, and its error's message or null.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from testbed.bed import Testbed
from waiter import COLLECTIONS

__all__ = ["made_at_once"]


def made_at_once(bed: Testbed, count: int, seconds: float, user: str = "registry-admin") -> dict[str, str | None]:
    """Return each registry's error message by its name, None if it is ready."""
    command = bed.command([sys.executable, __file__, bed.flavour.registries_namespace, str(count), str(seconds), user])
    environment = {**bed.environment(user), "PYTHONPATH": str(COLLECTIONS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {answer["name"]: answer["error"] for answer in answers}


def main() -> None:
    """Make them as the command line says."""
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
        Database,
        KeyRef,
        Registry,
    )
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.run import Run
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.reconcile import (
        ReconcileResult,
        ensure_present,
    )
    from identity import expect_user

    namespace, count, seconds, user = sys.argv[1:]
    cluster = Cluster(get_api_client(kubeconfig=os.environ["K8S_AUTH_KUBECONFIG"]))
    expect_user(cluster, user)
    database = Database(
        type="mysql",
        host="mysql.example",
        name="shared",
        username="shared",
        password_secret=KeyRef("fleet", "password"),
    )
    wanted = [Registry(f"fleet-{number:02}", database=database) for number in range(int(count))]
    outcomes = {registry.name: ReconcileResult() for registry in wanted}
    ensure_present(Run(cluster, namespace, False, float(seconds)), wanted, outcomes)
    for name, outcome in outcomes.items():
        print(json.dumps({"name": name, "error": str(outcome.error) if outcome.error else None}))


if __name__ == "__main__":
    main()
