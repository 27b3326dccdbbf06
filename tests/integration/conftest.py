# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One testbed for the whole run (flavour current), and short-lived others where a test asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from plays import Servers, Start
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, database


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Starts a testbed that ends with the block it is used in, and with the run at the latest."""

    @contextmanager
    def up(**options: Any) -> Iterator[Testbed]:
        state: Path = tmp_path_factory.mktemp("testbed") / "state"
        bed = Testbed.up(state, owner=os.getpid(), say=print, time_factor=0.2, **options)
        try:
            yield bed
        finally:
            bed.down()

    return up


@pytest.fixture(scope="session")
def bed(start: Start) -> Iterator[Testbed]:
    """The testbed that most tests share, or the running one that $TESTBED_STATE names."""
    if state := os.environ.get("TESTBED_STATE"):
        yield Testbed(Path(state))
        return
    with start(more_servers=("mysql-5.7", "mariadb-10.11", "postgres-16")) as shared:
        yield shared


@pytest.fixture(scope="session")
def servers(bed: Testbed) -> Servers:
    """Starts a database server of one's own: the arguments of testbed.databases.database()."""

    def start_server(server: str, *, name: str, **options: Any) -> None:
        for body in database(server, bed.layout, name=name, **options):
            bed.api().apply(body)

        def ready() -> object:
            deployment = bed.api().get("apps/v1", "Deployment", name, NAMESPACE) or {}
            return deployment.get("status", {}).get("availableReplicas")

        bed.until(f"{name} ready", ready)

    return start_server


@pytest.fixture
def registries(bed: Testbed) -> Registries:
    """Databases on the shared testbed, and a look at its registries."""
    return Registries(bed)
