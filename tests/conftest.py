# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests have in common: fixtures for those that run against a testbed, and which files are begun first."""

from __future__ import annotations

import pytest

pytest_plugins = ["testbed_fixtures"]

LONGEST = ("test_verdicts", "test_cut", "test_wait", "test_permissions", "test_mysql_facts", "test_model_registry")
"""Files that take minutes, the longest first: processes that share the files end together only if those are not left."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; within a file, and among the others, the order stays."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
