# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Makefile targets, each with its seconds, up to the first that fails.

`stages.py lint unit --beside slow slower --then last` runs two lanes at the same time, one target of each after the other,
and `last` when both are done. If there are several lanes, the output of a target is shown when it ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

__all__ = ["Run", "phases", "summary"]

Phase = list[list[str]]
"""Lanes of targets; they run at the same time."""
TICK = 60.0
"""Seconds between two progress lines."""


@dataclass
class Run:
    """What has run so far."""

    results: dict[str, tuple[bool, float]] = field(default_factory=dict)
    """Whether a target succeeded, and its seconds."""
    begun: dict[str, float] = field(default_factory=dict)
    """When a target that is still running began."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def failed(self) -> bool:
        return not all(passed for passed, _ in self.results.values())

    def lane(self, targets: Sequence[str], alone: bool) -> None:
        """Run the targets of a lane, until one fails here or in another lane."""
        for target in targets:
            if self.failed:
                return
            self._stage(target, alone)

    def tell(self) -> None:
        """Print what is running, and for how long."""
        with self.lock:
            now = time.monotonic()
            running = ", ".join(f"{target} {now - begun:.0f} s" for target, begun in self.begun.items())
            print(f"── running: {running} ──", flush=True)

    def _stage(self, target: str, alone: bool) -> None:
        command = [os.environ.get("MAKE", "make"), "--no-print-directory", target]
        started = time.monotonic()
        with self.lock:
            self.begun[target] = started
            print(f"── {target} ──", flush=True)
        with tempfile.TemporaryFile() as output:
            shown = None if alone else output
            done = subprocess.run(command, stdout=shown, stderr=shown, check=False)
            output.seek(0)
            with self.lock:
                seconds, passed = time.monotonic() - started, done.returncode == 0
                sys.stdout.write(output.read().decode(errors="replace"))
                print(f"── {target} {'passed' if passed else 'FAILED'} after {seconds:.1f} s ──\n", flush=True)
                self.results[target] = (passed, seconds)
                del self.begun[target]


def phases(arguments: Sequence[str]) -> list[Phase]:
    """Return the lanes of each phase.

    >>> phases(["a", "b", "--beside", "c", "--then", "d"])
    [[['a', 'b'], ['c']], [['d']]]
    """
    found: list[Phase] = [[[]]]
    for argument in arguments:
        if argument == "--then":
            found.append([[]])
        elif argument == "--beside":
            found[-1].append([])
        else:
            found[-1][-1].append(argument)
    return found


def summary(targets: Sequence[str], results: dict[str, tuple[bool, float]], seconds: float) -> str:
    """Summarize in two lines: the seconds of each stage, and how many passed, failed and were not run."""
    left = [target for target in targets if target not in results]
    failed = [target for target, (passed, _) in results.items() if not passed]
    times = ", ".join(f"{target} {results[target][1]:.1f} s" for target in targets if target in results)
    told = f"{' and '.join(failed)} failed" if failed else "All passed"
    told += f"; not run: {', '.join(left)}" if left else ""
    counts = f"{len(results) - len(failed)} passed, {len(failed)} failed, {len(left)} skipped"
    return f"{told}. {seconds:.1f} s in all: {times}\nstages: {counts}"


def run(wanted: Sequence[Phase]) -> Run:
    """Run all phases, and print every minute what is running if lanes run beside each other."""
    done = Run()
    for lanes in wanted:
        alone = len(lanes) == 1
        with ThreadPoolExecutor(len(lanes)) as pool:
            ends = [pool.submit(done.lane, lane, alone) for lane in lanes]
            ticked = time.monotonic()
            while not all(end.done() for end in ends):
                time.sleep(0.2)
                if not alone and time.monotonic() - ticked > TICK:
                    ticked = time.monotonic()
                    done.tell()
            for end in ends:
                end.result()
    return done


def main() -> int:
    """Return exit status 0 when every stage passed."""
    wanted = phases(sys.argv[1:])
    started = time.monotonic()
    done = run(wanted)
    targets = [target for lanes in wanted for lane in lanes for target in lane]
    print(summary(targets, done.results, time.monotonic() - started), flush=True)
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
