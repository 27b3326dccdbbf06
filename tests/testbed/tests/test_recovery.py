# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part that is killed in the middle of its work: what was begun is finished once it is back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from registries import Registries, condition, processes
from testbed.bed import Testbed
from testbed.parts import PARTS
from testbed_fixtures import Start


@pytest.fixture(scope="module")
def cluster(start: Start) -> Iterator[Testbed]:
    """A testbed of its own: its parts are going to be killed."""
    with start() as bed:
        yield bed


@pytest.mark.parametrize("part", PARTS)
def test_part_is_killed_while_a_registry_is_made(cluster: Testbed, part: str) -> None:
    registries = Registries(cluster)
    name = f"killed-{part}"
    registries.make(name)
    starts = cluster.status()["parts"][part]["starts"]
    cluster.kill(part)
    cluster.until(f"{part} is back", lambda: cluster.status()["parts"][part]["starts"] > starts)
    cluster.until("API server", lambda: _answers(cluster))
    registries.available(name, 120)
    assert cluster.until("REST", lambda: _healthy(registries, name))


def _answers(bed: Testbed) -> bool:
    try:
        return bed.api().raw("GET", "/readyz")[0] == 200
    except OSError:
        return False


def _healthy(registries: Registries, name: str) -> bool:
    return registries.rest(name, "GET", "/readyz/health")[0] == 200


def test_mysql_is_killed(cluster: Testbed) -> None:
    """The server's container is started again on its data, and registries come back by themselves."""
    registries = Registries(cluster)
    registries.make("survivor")
    registries.available("survivor")
    registries.rest("survivor", "POST", "/api/model_registry/v1alpha3/registered_models", {"name": "kept"})
    api = cluster.api()
    (pod,) = api.list("v1", "Pod", "databases", labelSelector="app=mysql-80")
    restarts = pod["status"]["containerStatuses"][0]["restartCount"]
    servers = [p for p in processes(cluster) if Path(f"/proc/{p}/cmdline").read_bytes().startswith(b"mysqld\0")]
    assert len(servers) == 1
    os.kill(servers[0], signal.SIGKILL)

    def restarted() -> bool:
        found = api.get("v1", "Pod", pod["metadata"]["name"], "databases")
        assert found
        status = found["status"]["containerStatuses"][0]
        return bool(status["restartCount"] > restarts and status["ready"])

    cluster.until("MySQL is back", restarted)
    cluster.until("the registry answers", lambda: _reads(registries, "survivor"))


def _reads(registries: Registries, name: str) -> bool:
    status, found = registries.rest(name, "GET", "/api/model_registry/v1alpha3/registered_models")
    return status == 200 and [model["name"] for model in found["items"]] == ["kept"]


def test_after_a_node_restart_available_is_stale(cluster: Testbed) -> None:
    """The node comes back, and until somebody looks, the registry still says Available=True while its pod is not ready."""
    registries = Registries(cluster)
    registries.make("rebooted")
    registries.available("rebooted")
    cluster.stop("node")
    assert condition(registries.get("rebooted"))[0] == "True"
    cluster.start("node")
    cluster.until(
        "restarted", lambda: registries.pod("rebooted")["status"]["containerStatuses"][0]["restartCount"] >= 1
    )
    registries.available("rebooted")
    assert cluster.until("REST", lambda: _healthy(registries, "rebooted"))
