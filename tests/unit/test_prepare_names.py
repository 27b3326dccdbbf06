# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook prepare_database accepts as names, which become a part of SQL statements."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(sys.executable).with_name("ansible-playbook")
GOOD: dict[str, Any] = {"database_name": "fraud_1", "database_username": "fraud.x", "database_password": "p"}
TAKEN: tuple[dict[str, Any], ...] = (
    {},
    {"database_username": "svc-ml@corp.example"},
    {"database_account_host": "10.0.%"},
    {"database_account_host": "2001:db8::/64"},
    {"database_plugin": "caching_sha2_password"},
    {"database_plugin": None},
)
REFUSED = (
    *({"database_name": name} for name in ("fraud\n", "fr`aud", "fr'aud", "a b", "a;b", "a\nb", "é")),
    *({"database_username": name} for name in ("fraud\n", "fr'aud", "fr'@'%", "fraud@%", '"')),
    *({"database_account_host": host} for host in ("%\n", "'%'", "a b", "%'; DROP USER 'x")),
    *({"database_plugin": plugin} for plugin in ("x\n", "x BY 'y'", "x`", "a b")),
)


def test_names_that_could_end_a_quoted_one_are_refused(tmp_path: Path) -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks" / "prepare_database.yml").read_text())
    check = play["tasks"][0]
    tasks = [
        {**check, "name": f"case {number}", "vars": {**GOOD, **more}, "ignore_errors": True}
        for number, more in enumerate([*TAKEN, *REFUSED])
    ]
    played = {"hosts": "localhost", "gather_facts": False, "vars": play["vars"], "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([played]))
    done = subprocess.run(
        [str(RUNNER), str(tmp_path / "play.yml")],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    results = [line.split(":")[0] for line in done.stdout.splitlines() if line.startswith(("ok:", "fatal:"))]
    assert results == ["ok"] * len(TAKEN) + ["fatal"] * len(REFUSED), done.stdout + done.stderr
    assert done.stdout.count("Give database_password (or") >= len(REFUSED), done.stdout
