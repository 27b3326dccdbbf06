# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go side: its own unit tests, its formatting, and go vet."""

from __future__ import annotations

import subprocess

import pytest
from testbed.programs import SOURCE, go


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
