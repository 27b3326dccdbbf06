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
