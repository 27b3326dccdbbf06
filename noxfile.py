# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection on each ansible-core that it supports. `make test-matrix` calls this with `.venv`'s collections.

A Python that this machine lacks is skipped, and the summary says so. Arguments after `--` are what pytest runs beside
the unit tests, instead of the playbooks' tests.
"""

from __future__ import annotations

import os

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False

# Pythons that the support matrix in the documentation of ansible-core has, none left out. kubernetes.core 6 and this
# collection take a client of 24.2.0 or newer: here the oldest, one in between, and the one of tests/requirements.txt.
CELLS = (
    ("3.10", "2.16", "24.2.0"),
    ("3.12", "2.17", ""),
    ("3.11", "2.18", "31.0.0"),
    ("3.13", "2.19", ""),
    ("3.12", "2.20", ""),
    ("3.13", "2.21", ""),
    ("3.14", "2.21", ""),
)
PLAYBOOKS = ("tests/integration/test_roles.py",)
"""The tests against a testbed that use most of ansible-core: playbooks, roles, templates and modules."""


@nox.session
@nox.parametrize("python,core,kubernetes", [nox.param(*cell, id=f"{cell[1]}-python{cell[0]}") for cell in CELLS])
def matrix(session: nox.Session, core: str, kubernetes: str) -> None:
    """Read the documentation, then run a play, the unit tests and the playbooks' tests."""
    session.install("--requirement", "tests/requirements.txt", f"ansible-core~={core}.0")
    if kubernetes:
        session.install(f"kubernetes=={kubernetes}")
    # Only what is set here may decide how a cell behaves.
    session.env.update({name: None for name in os.environ if name.startswith(("ANSIBLE_", "K8S_AUTH_", "KUBECONFIG"))})
    session.env["ANSIBLE_CONFIG"] = "tests/ansible.cfg"
    session.env["ANSIBLE_COLLECTIONS_PATH"] = os.environ["ANSIBLE_COLLECTIONS_PATH"]
    session.env["ANSIBLE_DEPRECATION_WARNINGS"] = "True"
    quiet(session, "ansible-doc", "-t", "module", "--list", "opendatahub.model_registry")
    quiet(session, "ansible-playbook", "--inventory=localhost,", "tests/tools/matrix_smoke.yml")
    session.run("pytest", "-p", "no:cacheprovider", "-q", "tests/unit", *(session.posargs or PLAYBOOKS))


def quiet(session: nox.Session, *command: str) -> None:
    """Run a command that must not warn."""
    output = str(session.run(*command, silent=True))
    if "WARNING]" in output:
        session.error(output)
