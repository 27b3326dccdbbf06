# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Makefile targets one after the other, each with its seconds, up to the first that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time

__all__ = ["summary"]


def stage(target: str) -> tuple[bool, float]:
    """Whether ``target`` succeeded, and its seconds."""
    started = time.monotonic()
    print(f"── {target} ──", flush=True)
    done = subprocess.run([os.environ.get("MAKE", "make"), "--no-print-directory", target], check=False)
    seconds = time.monotonic() - started
    passed = done.returncode == 0
    print(f"── {target} {'passed' if passed else 'FAILED'} after {seconds:.1f} s ──\n", flush=True)
    return passed, seconds


def summary(targets: list[str], results: list[tuple[bool, float]]) -> str:
    """What happened, in two lines: the seconds of each stage, and how many passed, failed and were not run."""
    ran, left = targets[: len(results)], targets[len(results) :]
    times = ", ".join(f"{target} {seconds:.1f} s" for target, (_, seconds) in zip(ran, results, strict=True))
    total = sum(seconds for _, seconds in results)
    failed = [target for target, (passed, _) in zip(ran, results, strict=True) if not passed]
    passed = len(results) - len(failed)
    told = f"{' and '.join(failed)} failed" if failed else "All passed"
    told += f"; not run: {', '.join(left)}" if left else ""
    return f"{told}. {total:.1f} s in all: {times}\nstages: {passed} passed, {len(failed)} failed, {len(left)} skipped"


def main() -> int:
    """Exit status 0 when every stage passed."""
    targets = sys.argv[1:]
    results: list[tuple[bool, float]] = []
    for target in targets:
        results.append(stage(target))
        if not results[-1][0]:
            break
    print(summary(targets, results), flush=True)
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
