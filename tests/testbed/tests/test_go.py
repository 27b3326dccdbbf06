# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go side: its own unit tests, its formatting, and go vet."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from testbed import programs
from testbed.programs import SOURCE, GoModule, go, go_build


@pytest.mark.parametrize("package", ["node", "operator", "programs"])
def test_unit_tests(package: str) -> None:
    result = go("test", f"./{package}")
    assert result.returncode == 0, result.stdout + result.stderr


def test_vet() -> None:
    result = go("vet", ".", "./node", "./operator", "./programs")
    assert result.returncode == 0, result.stderr


def test_format() -> None:
    root = go("env", "GOROOT").stdout.strip()
    result = subprocess.run([f"{root}/bin/gofmt", "-l", str(SOURCE)], capture_output=True, text=True, check=True)
    assert result.stdout == ""


def test_a_build_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In packages out of all that must be compiled, and each line is further than the one before."""
    for name, folder in (("XDG_CACHE_HOME", "cache"), ("GOCACHE", "gocache")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setattr(programs, "PAUSE", 0.05)
    source = tmp_path / "source"
    source.mkdir()
    (source / "go.mod").write_text("module small\n")
    (source / "main.go").write_text("package main\n\nfunc main() {}\n")
    said: list[str] = []
    assert (go_build(GoModule("small", source, "a small program"), said.append) / "small").exists()
    progress = [re.fullmatch(r"still building, \d+ s: package (\d+) of (\d+)", line) for line in said]
    numbers = [(int(match[1]), int(match[2])) for match in progress if match]
    assert len({done for done, _all in numbers}) > 1, said
    assert numbers == sorted(numbers) and all(done <= every for done, every in numbers)
    assert said[0] == "building a small program" and said[-1].startswith("built in ")
