# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests have in common: a clean environment, the testbed's fixtures, and which files are begun first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["testbed_fixtures"]

LONGEST = ("test_verdicts", "test_cut", "test_wait", "test_permissions", "test_mysql_facts", "test_model_registry")
"""Files that take minutes, the longest first: processes that share the files end together only if those are not left."""

OF_CALLER = ("ANSIBLE_", "AWX_", "K8S_AUTH_", "KUBECONFIG", "MYSQL_", "PG", "PYTHONPATH")
"""Environment variables, by how they begin, that would make the tests depend on who runs them."""
OF_MATRIX = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_DEPRECATION_WARNINGS")
"""What tests/tools/matrix.py sets on purpose."""


def pytest_configure() -> None:
    """Forget the caller's settings. The configuration file has none, and keeps Ansible from reading the user's own."""
    for name in [name for name in os.environ if name.startswith(OF_CALLER) and name not in OF_MATRIX]:
        del os.environ[name]
    os.environ["ANSIBLE_CONFIG"] = str(Path(__file__).with_name("ansible.cfg"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; within a file, and among the others, the order stays."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
