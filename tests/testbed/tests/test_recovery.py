# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part that is killed in the middle of its work: what it began is finished once it is back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from registries import Registries, command_lines, condition
from testbed.api import Object
from testbed.bed import Testbed, TestbedError
from testbed.parts import PARTS
from testbed_fixtures import Start


@pytest.fixture(scope="module")
def cluster(start: Start) -> Iterator[Testbed]:
    """Start a testbed for this module alone: its parts are going to be killed."""
    with start() as bed:
        yield bed


@pytest.mark.parametrize("part", PARTS)
def test_part_is_killed_while_a_registry_is_made(cluster: Testbed, part: str) -> None:
    Registries(cluster).make(f"killed-{part}")
    starts = cluster.status()["parts"][part]["starts"]
    cluster.kill(part)
    cluster.until(f"{part} is back", lambda: cluster.status()["parts"][part]["starts"] > starts)
    cluster.until("API server", lambda: _answers(cluster))


@pytest.mark.parametrize("part", PARTS)
def test_the_registry_of_that_time_is_finished(cluster: Testbed, part: str) -> None:
    """After the test above, during which it may have met the end of other parts, too."""
    registries = Registries(cluster)
    registries.available(f"killed-{part}", 120)
    cluster.until("REST", lambda: _healthy(registries, f"killed-{part}"))


def _answers(bed: Testbed) -> bool:
    try:
        return bed.api().raw("GET", "/readyz")[0] == 200
    except OSError:
        return False


def _healthy(registries: Registries, name: str) -> bool:
    try:
        return registries.rest(name, "GET", "/readyz/health")[0] == 200
    except (TestbedError, ConnectionError):  # no port-forward yet, or its other end is just gone
        return False


def _mysqld(bed: Testbed) -> int:
    """Return the process number of the only MySQL server."""
    (found,) = [pid for pid, words in command_lines(bed).items() if words[0] == "mysqld"]
    return found


def _server_pod(bed: Testbed) -> Object:
    (pod,) = bed.api().list("v1", "Pod", "databases", labelSelector="app=mysql-80")
    return pod


def _until_restarted(bed: Testbed, before: Object) -> None:
    """Wait until MySQL's container, in the same pod, runs anew and is ready."""
    restarts = before["status"]["containerStatuses"][0]["restartCount"]

    def restarted() -> bool:
        pod = _server_pod(bed)
        assert pod["metadata"]["uid"] == before["metadata"]["uid"]
        status = pod["status"]["containerStatuses"][0]
        return bool(status["restartCount"] > restarts and status["ready"])

    bed.until("MySQL is back", restarted)


def test_mysql_is_killed(cluster: Testbed) -> None:
    """The server's container is started again on its data, and registries come back by themselves."""
    registries = Registries(cluster)
    registries.make("survivor")
    registries.available("survivor")
    registries.rest("survivor", "POST", "/api/model_registry/v1alpha3/registered_models", {"name": "kept"})
    pod = _server_pod(cluster)
    os.kill(_mysqld(cluster), signal.SIGKILL)
    _until_restarted(cluster, pod)
    cluster.until("the registry answers", lambda: _reads(registries, "survivor"))


def _reads(registries: Registries, name: str) -> bool:
    try:
        status, found = registries.rest(name, "GET", "/api/model_registry/v1alpha3/registered_models")
    except (TestbedError, ConnectionError):
        return False
    return status == 200 and [model["name"] for model in found["items"]] == ["kept"]


def test_mysql_is_killed_while_a_registry_is_made(cluster: Testbed) -> None:
    """In the middle of the registry server's first connection: the frozen server has taken it and never greets."""
    registries = Registries(cluster)
    registries.make_database("begun")
    registries.make_secret("begun")
    pod, server = _server_pod(cluster), _mysqld(cluster)
    os.kill(server, signal.SIGSTOP)
    registries.create(registries.body("begun"))
    cluster.until("the registry server waits for MySQL", lambda: registries.log("begun"))
    assert condition(registries.get("begun"))[0] == "False"
    os.kill(server, signal.SIGKILL)
    _until_restarted(cluster, pod)
    registries.available("begun")
    assert "connection reset by peer" in registries.log("begun"), "it was in the middle of connecting"
    assert registries.sql("SELECT dirty FROM begun.schema_migrations") == [(0,)]
    cluster.until("REST", lambda: _healthy(registries, "begun"))


def test_after_a_node_restart_available_is_stale(cluster: Testbed) -> None:
    """A machine's restart takes the operator with it: until it is back, the registry reports Available=True of a pod that is 0/1."""
    registries = Registries(cluster)
    registries.make("rebooted")
    registries.available("rebooted")
    for part in ("operator", "node"):
        cluster.stop(part)
    cluster.start("node")
    cluster.until("restarted", lambda: _readiness(registries, "rebooted") == (1, False))
    assert condition(registries.get("rebooted"))[0] == "True"
    cluster.until("ready again", lambda: _readiness(registries, "rebooted") == (1, True))
    cluster.start("operator")
    registries.available("rebooted")
    cluster.until("REST", lambda: _healthy(registries, "rebooted"))


def _readiness(registries: Registries, name: str) -> tuple[int, bool]:
    """Return the registry server's restarts, and whether its pod is ready by its condition."""
    status = registries.pod(name)["status"]
    (restarts,) = [c["restartCount"] for c in status["containerStatuses"] if c["name"] == "rest-container"]
    (ready,) = [c["status"] for c in status["conditions"] if c["type"] == "Ready"]
    return restarts, ready == "True"
