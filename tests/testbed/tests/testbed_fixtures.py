# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One testbed for the whole run (flavour current, MySQL 8.0), and short-lived others for tests that request one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from registries import Registries
from testbed.bed import Testbed, TestbedError
from testbed.databases import NAMESPACE, database, service_name

__all__ = ["Servers", "Start"]

Start = Callable[..., AbstractContextManager[Testbed]]
Servers = Callable[..., str]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Return a function that starts a testbed, which ends with its ``with`` block, and with the run at the latest.

    It takes the arguments of Testbed.up(). Probes and restarts run at a fifth of their delays, unless told otherwise.
    """

    @contextmanager
    def up(*, time_factor: float = 0.2, **options: Any) -> Iterator[Testbed]:
        state: Path = tmp_path_factory.mktemp("testbed") / "state"
        bed = Testbed.up(state, owner=os.getpid(), say=print, time_factor=time_factor, **options)
        try:
            _assert_administrator(bed)
            yield bed
        finally:
            bed.down()

    return up


def _assert_administrator(bed: Testbed) -> None:
    assert bed.api().whoami() == "admin", "the tests act as the administrator"


@pytest.fixture(scope="session")
def bed(start: Start) -> Iterator[Testbed]:
    """Yield the testbed that most tests share, or the running one that $TESTBED_STATE names."""
    if state := os.environ.get("TESTBED_STATE"):
        running = Testbed(Path(state))
        _assert_administrator(running)
        yield running
        return
    with start(more_servers=("mysql-5.7", "mysql-9", "mariadb-10.11", "postgres-16")) as shared:
        yield shared


@pytest.fixture(scope="session")
def servers(bed: Testbed) -> Servers:
    """Return a function that starts a server as ``database()`` describes it, and returns its Service's name."""

    def start_server(server: str, name: str | None = None, **options: Any) -> str:
        name = name or service_name(server)
        for body in database(server, bed.layout, name=name, **options):
            bed.api().apply(body)
        bed.until(f"{name} ready", lambda: _ready(bed, name))
        return name

    return start_server


def _ready(bed: Testbed, name: str) -> bool:
    """Return whether the server as last requested serves, and not the one that it replaces."""
    deployment = bed.api().get("apps/v1", "Deployment", name, NAMESPACE)
    status = deployment["status"] if deployment else {}
    is_new = deployment is not None and status.get("observedGeneration") == deployment["metadata"]["generation"]
    if not is_new or not status.get("updatedReplicas") == status.get("availableReplicas") == 1:
        return False
    try:
        return bool(bed.address(name, NAMESPACE))
    except TestbedError:
        return False


@pytest.fixture
def registries(bed: Testbed, request: pytest.FixtureRequest) -> Iterator[Registries]:
    """Make registries and their databases on the shared testbed, and remove those registries after the test."""
    made = Registries(bed)
    yield made
    if request.node.stash.get(FAILED, False):
        print(made.describe())
    made.remove()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Remember for the fixtures whether the test failed, so that they show the cluster's state."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report
