# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many registries at once, at the real timings of their probes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from registries import Registries, processes
from testbed.bed import Testbed
from testbed_fixtures import Start

pytestmark = pytest.mark.timed


@pytest.fixture(scope="module")
def registries(start: Start) -> Iterator[Registries]:
    with start(time_factor=1) as bed:
        yield Registries(bed)


def resident_memory(bed: Testbed) -> int:
    """Return the bytes of memory that all processes of a testbed hold together, shared pages counted once."""
    found = 0
    for pid in processes(bed):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):  # it ended just now
            continue
        found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return found


def test_one_registry_and_one_mysql_fit_into_1500_megabytes(registries: Registries) -> None:
    registries.make("alone")
    registries.available("alone")
    memory = resident_memory(registries.bed)
    print(f"resident: {memory / 1e6:.0f} MB")
    assert 5e8 < memory < 1.5e9


def test_twenty_registries(registries: Registries) -> None:
    """All of them Available within 90 s on two cores, and each of them answers."""
    names = [f"many-{number:02}" for number in range(20)]
    for name in names:
        registries.make_database(name)
        registries.make_secret(name)
    started = time.monotonic()
    for name in names:
        registries.create(registries.body(name))
    for name in names:
        registries.available(name, 90 - (time.monotonic() - started))
    print(f"20 registries: {time.monotonic() - started:.0f} s, {resident_memory(registries.bed) / 1e6:.0f} MB")
    for name in names:
        assert registries.rest(name, "GET", "/readyz/health")[0] == 200
