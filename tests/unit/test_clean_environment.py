# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests do not depend on the settings of the user who runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SETTINGS = {
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
    "ANSIBLE_STDOUT_CALLBACK": "oneline",
    "K8S_AUTH_HOST": "https://elsewhere.example",
    "KUBECONFIG": "/elsewhere",
    "MYSQL_PWD": "elsewhere",
    "PGHOST": "elsewhere",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_caller_are_gone(name: str) -> None:
    assert name not in os.environ


def test_the_same_with_settings() -> None:
    """This file again, from a shell that has them all."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "gone"]
    done = subprocess.run(
        command, cwd=TESTS.parent, env={**os.environ, **SETTINGS}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and f"{len(SETTINGS)} passed" in done.stdout, done.stdout + done.stderr
