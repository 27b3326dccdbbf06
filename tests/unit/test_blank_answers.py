# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are left blank are not given, whatever an ansible-core reads in them.

The play runs with the ansible-core of this Python, so that the matrix runs it with each.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(sys.executable).with_name("ansible-playbook")
ANSWERS = ROOT / "playbooks" / "vars" / "answers.yml"
ASKED = sorted(set(re.findall(r"\b((?:auth_proxy|ca|client|database)_[a-z_]+) \| default", ANSWERS.read_text())))
"""All variables of the database and of the proxy that the playbooks read."""


def given(place: Path, variables: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the roles get as database and as settings of the proxy."""
    keep = {"content": "{{ [answers_given, answers_proxy_given] | to_json }}", "dest": f"{place}/given.json"}
    files = [str(ANSWERS)]
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": files, "tasks": [{"ansible.builtin.copy": keep}]}
    (place / "play.yml").write_text(yaml.safe_dump([play]))
    (place / "answers.yml").write_text(variables)
    done = subprocess.run(
        [str(RUNNER), str(place / "play.yml"), "-e", f"@{place}/answers.yml"],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    database, proxy = json.loads((place / "given.json").read_text())
    return database, proxy


@pytest.mark.parametrize("blank", ["", "!unsafe ''"])
def test_blank_answers_are_not_given(tmp_path: Path, blank: str) -> None:
    """A name of ``None`` would be a name, and a ``tls`` of nulls asks for TLS."""
    assert {"database_name", "database_tls_cipher", "auth_proxy_certificate_secret_name", "ca_source"} <= set(ASKED)
    assert given(tmp_path, "".join(f"{name}: {blank}\n" for name in ASKED)) == ({}, {})


def test_false_is_an_answer(tmp_path: Path) -> None:
    answers = "database_verify: false\ndatabase_generate: false\nauth_proxy_service_route: false\ndatabase_name: d\n"
    database, proxy = given(tmp_path, answers)
    assert database == {"generate": False, "name": "d", "tls": {"verify": False}}
    assert proxy == {"service_route": False}
