# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast and how large a testbed is, and what a run with nothing to do takes, beside kubernetes.core on the same objects.

Speed depends on the machine and on what else it does, so nothing is asserted here. Run it on an idle one:

    .venv/bin/python tests/benchmark/benchmark.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "testbed" / "tests"), str(TESTS / "integration")]

from plays import MODULE, Played, mysql, play, succeeded, task  # noqa: E402
from registries import Registries, processes  # noqa: E402
from testbed.bed import Testbed  # noqa: E402

Options = dict[str, Any]
NAME = "measured"
SETTLED = 10.0
"""Seconds after which an edit is no longer recent."""
WANTED: Options = {**mysql(NAME, password=f"{NAME}-password"), "description": "Measured"}


def resident(bed: Testbed) -> float:
    """Return the megabytes of memory of all processes of a testbed; shared memory counts once for each (VmRSS)."""
    found = 0
    for pid in processes(bed):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        found += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return found / 1024


def same_objects(registries: Registries) -> Options:
    """Return the task that users would write with kubernetes.core for the objects that the module made."""
    namespace = registries.namespace
    secret = registries.api.get("v1", "Secret", f"{NAME}-db-password", namespace)
    registry = registries.get(NAME)
    assert secret and registry
    definitions = []
    for item, fields in ((secret, ("data", "type")), (registry, ("spec",))):
        meta = {key: item["metadata"].get(key, {}) for key in ("name", "namespace", "annotations", "labels")}
        kind = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": meta}
        definitions.append({**kind, **{field: item[field] for field in fields}})
    wait = {"wait": True, "wait_condition": {"type": "Available", "status": "True"}}
    # The condition is the registry's: a Secret has none to wait for.
    return {
        "name": "the same objects",
        "block": [
            {"kubernetes.core.k8s": {"apply": True, "definition": definitions[0]}},
            {"kubernetes.core.k8s": {"apply": True, "definition": definitions[1], **wait}},
        ],
    }


def flat(block: Options) -> list[Options]:
    """Return the tasks of a block, each to be registered by itself."""
    return [{"name": block["name"], **one} for one in block["block"]]


def measured(run: Callable[[], Played], times: int) -> tuple[list[float], Played]:
    """Return the seconds that each run takes, and the last result."""
    seconds = []
    for _ in range(times):
        started = time.monotonic()
        played = succeeded(run())
        seconds.append(time.monotonic() - started)
    return seconds, played


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def spread(values: Iterable[float]) -> str:
    """Return median, least and most."""
    found = sorted(values)
    return f"{statistics.median(found):.1f} s ({found[0]:.1f} to {found[-1]:.1f})"


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="how often each is measured (%(default)s)")
    times: int = parser.parse_args().times
    starts, empty, full = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(times):
            started = time.monotonic()
            bed = Testbed.up(
                Path(folder, str(number)), owner=os.getpid(), say=lambda line: print(line, file=sys.stderr)
            )
            starts.append(time.monotonic() - started)
            try:
                empty.append(resident(bed))
                registries = Registries(bed)
                registries.make_database(NAME)
                succeeded(play(bed, task(**WANTED)))
                full.append(resident(bed))
                if number == times - 1:
                    compare(bed, registries, times)
            finally:
                bed.down()
    print(row("the testbed", f"{times} starts, median (least to most)"))
    print(row("---", "---"))
    print(row("up, with MySQL 8.0, once built", spread(starts)))
    print(row("memory, with MySQL 8.0", f"{statistics.median(empty):.0f} MB"))
    print(row("memory, with MySQL 8.0 and one registry", f"{statistics.median(full):.0f} MB"))


def compare(bed: Testbed, registries: Registries, times: int) -> None:
    """Compare the module with kubernetes.core's on a registry that needs no change."""
    theirs = flat(same_objects(registries))
    print(row("nothing to do", f"a playbook, {times} runs", "requests", "writes"))
    print(row("---", "---", "---", "---"))
    ours = [task(**WANTED, namespace=registries.namespace)]
    for name, tasks in ((f"`{MODULE}`", ours), ("`kubernetes.core.k8s`, two tasks", theirs)):
        # The first run of kubernetes.core annotates the objects with what it applied; the operator reconciles them.
        succeeded(play(bed, *tasks))
        registries.available(NAME)
        time.sleep(SETTLED)
        seconds, last = measured(lambda: play(bed, *tasks), times)
        print(row(name, spread(seconds), len(last.requests), len(last.writes)))
    print()


if __name__ == "__main__":
    main()
