# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords in variables and in the environment: passed on unchanged, or an error that shows nothing of them.

The plays run with the ansible-core of this Python, so that the matrix runs them with each.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from answer_runs import in_one_play

VARIABLE = "MODEL_REGISTRY_DATABASE_PASSWORD"
BRACES = (
    "s3a{{b",
    "s3{{ b }}c",
    "s3{% if %}x",
    "s3{% b",
    "s3{#x",
    "s3{#x#}y",
    "s3}}{{",
    "s3{{ 'b' | nofilter }}",
    "s3{{ 1/0 }}",
)
"""Passwords that are no templates, though Ansible takes them for some."""
PLAIN = ("simple", "p%}a}}'\"\\ $(x) €", "0123456", "True", "[1,2]", "{'a': 1}", "yes", " x ", "!unsafe x")


def passwords(place: Path, given: list[str], environment: str = "", *options: str) -> tuple[list[str | None], str]:
    """Return the password that create's role gets from each variables file, None for an error; and all output."""
    account = {"registry_name": "fraud", "database_username": "fraud"}
    secret = {VARIABLE: environment} if environment else {}
    found, output = in_one_play(place, "create", account, given, *options, environment=secret)
    return [None if read is None else read["database"].get("password") for read in found], output


def test_braces_in_a_variable_are_an_error_that_does_not_show_them(tmp_path: Path) -> None:
    texts = [yaml.safe_dump({"database_password": text}) for text in BRACES]
    found, output = passwords(tmp_path, texts, "", "-vvv")
    assert found == [None] * len(BRACES)
    assert output.count("database_password: it") >= len(BRACES) and f"environment variable {VARIABLE}" in output
    assert "s3" not in output, "an error shows a part of the password"


def test_passwords_are_handed_on_as_they_are(tmp_path: Path) -> None:
    """With !unsafe, and quoted. A quoted number is a text."""
    tagged = [f"database_password: !unsafe {json.dumps(text, ensure_ascii=False)}\n" for text in BRACES]
    quoted = [f"database_password: {json.dumps(text, ensure_ascii=False)}\n" for text in PLAIN]
    assert passwords(tmp_path, tagged + quoted)[0] == [*BRACES, *PLAIN]


@pytest.mark.parametrize("text", [BRACES[0], BRACES[5], "p%}a}}'\"\\ $(x) €", "[1,2]", "0123456"])
def test_the_environment(text: str, tmp_path: Path) -> None:
    """Used as it is, if the variable is not given, is empty or null."""
    given = ["x: 1\n", "database_password: ''\n", "database_password:\n", "database_password: given\n"]
    assert passwords(tmp_path, given, text)[0] == [text, text, text, "given"]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    given = ("0123456", "true", "1.5", "2026-01-01", "[a]")
    found, output = passwords(tmp_path, [f"database_password: {text}\n" for text in given], "other")
    assert found == [None] * len(given)
    assert output.count("database_password: it is not a text, but for example a number") >= len(given)


def test_templates_still_work(tmp_path: Path) -> None:
    """A variable that names another one, or that a lookup fills."""
    named = "vaulted: !unsafe 'a{{b'\ndatabase_password: '{{ vaulted }}'\n"
    looked_up = "database_password: \"{{ lookup('ansible.builtin.env', 'HOME') }}\"\n"
    assert passwords(tmp_path, [named, looked_up])[0] == ["a{{b", os.environ["HOME"]]
