# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests have in common: a clean environment, the testbed's fixtures, and which files are begun first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["testbed_fixtures"]

LONGEST = ("test_verdicts", "test_cut", "test_wait", "test_permissions", "test_mysql_facts", "test_model_registry")
"""Files that take minutes, the longest first: processes that share the files end together only if those are not left."""
EXHAUSTIVE = (
    "test_cut",
    "test_every_flavour",
    "test_fleet",
    "test_leaks",
    "test_mysql_facts",
    "test_prepare_database",
    "test_verdicts",
    "test_fifty_checks_in_one_play",
    "test_blank_answers_are_not_given",
    "test_module_arguments",
    "test_export_of_each_authority",
    "test_export_of_others",
    "test_flat_answers_choose_certificates",
    "test_in_their_order",
    "test_strange_passwords",
)
"""Files and tests that prove again, in every case, what others prove once: `make test` leaves them to `make test-rest`."""
PLAYBOOKS = (
    "test_blank_answers",
    "test_example_files",
    "test_module_arguments",
    "test_names_are_data",
    "test_prepare_names",
    "test_registry_plays",
    "test_saved_permissions",
    "test_secret_answer",
)
"""Files of unit tests that run ansible-playbook, which takes seconds: `make quick` leaves them out."""

OF_CALLER = ("ANSIBLE_", "AWX_", "K8S_AUTH_", "KUBECONFIG", "MYSQL_", "PG", "PYTHONPATH")
"""Environment variables, by how they begin, that would make the tests depend on who runs them."""
OF_MATRIX = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_DEPRECATION_WARNINGS")
"""What noxfile.py sets on purpose."""


def pytest_configure() -> None:
    """Forget the caller's settings. The configuration file has none, and keeps Ansible from reading the user's own.

    On a busy machine, an example may take long.
    """
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")
    for name in [name for name in os.environ if name.startswith(OF_CALLER) and name not in OF_MATRIX]:
        del os.environ[name]
    os.environ["ANSIBLE_CONFIG"] = str(Path(__file__).with_name("ansible.cfg"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tiers, and begin with the longest files; within a file, and among the others, the order stays."""
    for item in items:
        names = (item.path.stem, getattr(item, "originalname", None))
        for marker, marked in ((pytest.mark.exhaustive, EXHAUSTIVE), (pytest.mark.playbook, PLAYBOOKS)):
            if any(name in marked for name in names):
                item.add_marker(marker)
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
