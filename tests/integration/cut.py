# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the engine inside a testbed and ends it by SIGKILL after its n-th write.

Arguments: n, the namespace, and the module's options as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime, timezone
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import database, registry
from ansible_collections.opendatahub.model_registry.plugins.module_utils._cluster import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.model import Object
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.params import registry_from
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.plan import Change
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.removal import Confirmed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._engine import (
    Outcome,
    Run,
    ensure_absent,
    ensure_present,
)


class CutCluster(Cluster):
    """The API server, up to a certain write, which is stored."""

    def __init__(self, client: Any, writes: int) -> None:
        super().__init__(client)
        self._left = writes

    def write(self, change: Change, dry_run: bool) -> Object:
        answer = super().write(change, dry_run)
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def main() -> None:
    """Exit status 0 when it had no such write."""
    writes, namespace, text = sys.argv[1:]
    given = json.loads(text)
    options = {**dict.fromkeys(registry()), **given}
    if options["database"]:
        options["database"] = {**dict.fromkeys(database()), **options["database"]}
    run = Run(CutCluster(get_api_client(), int(writes)), namespace, check_mode=False, timeout=60)
    wanted = registry_from(options, datetime.now(timezone.utc))
    if given.get("state") == "absent":
        ensure_absent(run, wanted.name, Confirmed(), Outcome())
    else:
        ensure_present(run, wanted, Outcome())


if __name__ == "__main__":
    main()
