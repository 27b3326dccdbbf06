# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in texts: possible secrets are hidden, all else is shown."""

from __future__ import annotations

import time

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import quoted, sentence


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("mysql.example", "'mysql.example'"),
        ("mysql.example:3306", "'mysql.example:3306'"),
        ("mysql.example:3306/fraud", "'mysql.example:3306/fraud'"),
        ("mysql://mysql.example", "'mysql://mysql.example'"),
        ("mysql://u:SECRET@db", "'mysql://***@db'"),
        ("mysql://u:SECRET@db:3306/x", "'mysql://***@db:3306/x'"),
        ("mysql://u:SEC@RET@db", "'mysql://***@db'"),
        ("u:SECRET@h", "'***@h'"),
        ("SECRET@h", "'***@h'"),
        ("u:SECRET", "'u:***'"),
        ("u:123456", "'u:***'"),
        ("u:12345:SECRET", "'u:***'"),
        ("jdbc:mysql://db/x?user=u&password=SECRET", "'jdbc:***'"),
        ("db/x?password=SECRET", "'db/x?***'"),
        ("password=SECRET", "'password=***'"),
        ("u:SECRET@tcp(db:3306)/x?charset=utf8mb4", "'***@tcp(db:***'"),
        ("[fd00::1", "'[fd00:***'"),
        ("a" * 100, repr("a" * 80)),
        ("a" * 100 + "@SECRET:x", "'***@SECRET:***'"),
        ("", "''"),
        (5, "'5'"),
    ],
)
def test_quoted(value: object, shown: str) -> None:
    assert quoted(value) == shown


@pytest.mark.parametrize("part", ["@", ":", "a:", "://", "=", ":1"])
def test_quoted_takes_linear_time(part: str) -> None:
    start = time.monotonic()
    quoted(part * 500_000)
    assert time.monotonic() - start < 1


def test_a_line_to_be_pasted_gets_no_full_stop() -> None:
    assert sentence("Give these rules:\n- {verbs: [get]}\n") == "Give these rules:\n- {verbs: [get]}"
    assert sentence("Give it - now") == "Give it - now."
