# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages run in their order, lanes at the same time, and nothing starts after a failure. A script stands for make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import stages

SCRIPT = """\
#!/bin/sh
# Two that wait for each other end only if they run at the same time.
cd "${0%/*}" && target=$2 && touch "$target.begun" && echo "words of $target"
case $target in
  bad) exit 3 ;;
  left|right) while ! [ -e left.begun ] || ! [ -e right.begun ]; do sleep 0.01; done ;;
esac
touch "$target.ended"
"""


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return the program's exit status and output."""
    make = folder / "make"
    make.write_text(SCRIPT)
    make.chmod(0o755)
    command = [sys.executable, stages.__file__, *arguments]
    done = subprocess.run(command, env={"MAKE": str(make)}, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout


def test_one_after_the_other(tmp_path: Path) -> None:
    status, said = run(tmp_path, "one", "two")
    assert status == 0
    assert [line for line in said.splitlines() if line.startswith("words")] == ["words of one", "words of two"]
    assert said.endswith("stages: 2 passed, 0 failed, 0 skipped\n") and "All passed. " in said


def test_beside_each_other(tmp_path: Path) -> None:
    status, said = run(tmp_path, "left", "--beside", "right", "--then", "last")
    assert status == 0
    assert said.index("words of last") > max(said.index("words of left"), said.index("words of right"))
    assert said.endswith("stages: 3 passed, 0 failed, 0 skipped\n")


@pytest.mark.parametrize(
    ("arguments", "left"), [(("bad", "two", "three"), "two, three"), (("bad", "two", "--then", "three"), "two, three")]
)
def test_a_failure_is_the_end(tmp_path: Path, arguments: tuple[str, ...], left: str) -> None:
    status, said = run(tmp_path, *arguments)
    assert status == 1 and "bad FAILED" in said
    assert f"bad failed; not run: {left}. " in said
    assert said.endswith("stages: 0 passed, 1 failed, 2 skipped\n")
    assert not (tmp_path / "two.begun").exists()
