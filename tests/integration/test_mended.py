# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cause is fixed, and the same task runs again while the pod is still in its back-off from the last attempt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from plays import Played, play, task
from registries import Registries
from testbed.bed import Testbed

INFO = "opendatahub.model_registry.model_registry_info"
HOST = "mysql-80.databases.svc.cluster.local"
TIMES = r"about the attempt that ended at \d{4}-\d\d-\d\dT[\d:]+Z; the next one comes at about \d{4}-\d\d-\d\dT[\d:]+Z"


def wanted(name: str, **more: Any) -> dict[str, Any]:
    """Return options of a registry on the database of its own name."""
    database = {"type": "mysql", "host": HOST, "name": name, "username": name, **more}
    return {"name": name, "database": database}


@pytest.fixture
def gone(bed: Testbed) -> Iterator[list[str]]:
    """Yield a list for names of registries that are deleted after the test."""
    names: list[str] = []
    yield names
    play(bed, *(task(name=name, state="absent") for name in names))


def resting(registries: Registries, name: str, restarts: int) -> bool:
    """Return whether the server has ended that often and is not started again yet."""
    (status,) = [s for s in registries.pod(name)["status"]["containerStatuses"] if s["name"] == "rest-container"]
    held = status["state"].get("waiting") or {}
    return bool(held.get("reason") == "CrashLoopBackOff" and status["restartCount"] >= restarts)


def unchanged(played: Played) -> dict[str, Any]:
    """Return the result of a run that writes nothing."""
    assert not played.writes and not played.result["changed"], played.output
    return played.result


def test_a_database_that_was_mended_while_the_pod_rests(bed: Testbed, registries: Registries, gone: list[str]) -> None:
    """The old words are no failure of this run, and if the cause is not fixed, the next attempt reports it again."""
    gone.append("mended")
    registries.make_database("mended", grant="SELECT")
    options = wanted("mended", password="mended-password")
    failed = play(bed, task(**options)).result
    assert failed["failed"] and "Error 1142 (42000): CREATE command denied" in failed["msg"]

    registries.bed.until("a rest", lambda: resting(registries, "mended", 2))
    again = unchanged(play(bed, task(**options)))
    assert again["failed"] and "Error 1142 (42000): CREATE command denied" in again["msg"]
    assert registries.pod("mended")["status"]["containerStatuses"][0]["restartCount"] >= 3

    # From now on, a back-off is long enough for three runs.
    registries.bed.until("a rest", lambda: resting(registries, "mended", 5))
    seen = play(bed, task(INFO, name="mended")).result["registries"][0]["status"]
    assert seen["state"] == "failed" and re.search(TIMES, seen["source"]), seen
    # A task that does not wait for its end reports the failure when it comes.
    impatient = unchanged(play(bed, task(**options, wait_timeout=1)))
    assert impatient["failed"] and "not ready after 1 s: It failed and is retried: Error 1142" in impatient["msg"]
    assert re.search(TIMES, impatient["msg"])

    # An attempt that has begun keeps the privileges of its login.
    registries.bed.until("a rest", lambda: resting(registries, "mended", 5))
    registries.sql("GRANT ALL ON mended.* TO 'mended'@'%'")
    mended = unchanged(play(bed, task(**options)))
    assert not mended["failed"], mended
    assert registries.rest("mended", "GET", "/readyz/health")[0] == 200


def test_a_secret_that_was_made_afterwards(bed: Testbed, registries: Registries, gone: list[str]) -> None:
    """The kubelet's own words stay in the pod's status until its next sync."""
    gone.append("late-secret")
    registries.make_database("late-secret")
    ref = {"name": "late-secret-db", "key": "database-password"}
    options = wanted("late-secret", password_secret=ref)
    failed = play(bed, task(**options)).result
    assert failed["failed"] and 'secret "late-secret-db" not found' in failed["msg"]
    registries.make_secret("late-secret")
    assert not unchanged(play(bed, task(**options)))["failed"]
