# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook prepare_database accepts as names, which become a part of SQL statements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from answer_runs import in_one_play

BLANK: dict[str, Any] = {"database_account_host": "", "database_plugin": ""}
GOOD: dict[str, Any] = {
    "database_name": "fraud_1",
    "database_username": "fraud.x",
    "database_password": "p",
    "database_host": "h",
}
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
    # Each file has all of them, since they stay from one to the next.
    files = [yaml.safe_dump({**BLANK, **GOOD, **more}) for more in (*TAKEN, *REFUSED)]
    found, output = in_one_play(tmp_path, "prepare_database", {}, files)
    assert [read is not None for read in found] == [True] * len(TAKEN) + [False] * len(REFUSED), output
    assert output.count(": it cannot be ") >= len(REFUSED), output
