# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks in examples/ are valid, and the page there lists them; tests/integration/test_examples.py runs them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from answer_runs import ROOT, run

EXAMPLES = ROOT / "examples"
PLAYBOOKS = sorted(file.name for file in EXAMPLES.glob("*.yml") if "\n  hosts: localhost\n" in file.read_text())


def test_page_lists_all_and_has_their_commands() -> None:
    page = (EXAMPLES / "README.md").read_text()
    rows = dict(re.findall(r"^\| \[([\w.]+)\]\(\1\) \| [^|]+ \| `([^`]+)` \|$", page, re.MULTILINE))
    assert sorted(rows) == PLAYBOOKS
    for name, command in rows.items():
        needs_vault = "vault.yml" in (EXAMPLES / name).read_text()
        assert command == f"ansible-playbook -i inventory.yml {name}{' --ask-vault-pass' if needs_vault else ''}"


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_syntax(tmp_path: Path, name: str) -> None:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "vault.example.yml", tmp_path / "vault.yml")
    done = run(tmp_path, "--inventory", "inventory.yml", "--syntax-check", name)
    assert done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr


def in_copy(place: Path, *arguments: str, **passwords: str) -> str:
    """Run registries.yml in a copy of the examples, without a cluster; return the whole output of the failure."""
    shutil.copytree(EXAMPLES, place, dirs_exist_ok=True)
    done = run(place, "--inventory", "inventory.yml", "registries.yml", *arguments, environment=passwords)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize("verbosity", [(), ("-v",), ("-vvv",)])
def test_an_item_that_fails_shows_no_password(tmp_path: Path, verbosity: tuple[str, ...]) -> None:
    """Ansible shows such an item whole, whatever its label."""
    output = in_copy(tmp_path, *verbosity, RISK_PASSWORD="of-the-risk-team", CREDIT_PASSWORD="of-the-credit-team")
    assert re.search(r"^failed: \[localhost\] \(item=risk\).*\"item\": \{", output, re.MULTILINE | re.DOTALL), output
    assert "of-the-" not in output


def test_a_password_that_is_not_set_is_named(tmp_path: Path) -> None:
    output = in_copy(tmp_path, RISK_PASSWORD="", CREDIT_PASSWORD="of-the-credit-team")
    assert "risk: the environment variable RISK_PASSWORD is not set." in output and "of-the-" not in output
    assert "CREDIT_PASSWORD is not set" not in output and "TASK [Create each registry]" not in output
