# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every code of a finding is explained in docs/findings.md, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.mysql_rules import CODES
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.postgres_rules import REFUSALS

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"rights_missing", "rights_limited", "unreachable"}
"""Codes that are chosen in another way than by a name ``code``."""


def texts(node: ast.AST) -> Iterator[str]:
    """The strings that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)


def codes_in(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Finding", "Problem"):
            found.update(texts(node.args[0]))
        if isinstance(node, ast.Assign) and [name.id for name in node.targets if isinstance(name, ast.Name)] == [
            "code"
        ]:
            found.update(texts(node.value))
    return found


def test_every_code_has_its_place_and_none_is_superfluous() -> None:
    files = (ROOT / "plugins" / "module_utils").rglob("*.py")
    codes = set().union(*(codes_in(file.read_text()) for file in files))
    codes |= set(CODES) | {code for _, code in REFUSALS} | ELSEWHERE
    page = (ROOT / "docs" / "findings.md").read_text()
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == codes


def test_each_says_how_severe_it_is_and_how_to_mend_it() -> None:
    page = (ROOT / "docs" / "findings.md").read_text()
    for part in page.split("\n### ")[1:]:
        assert re.search(r"^\*(blocker|warning|info)\.\* \w", part, re.MULTILINE), part
        assert re.search(r"^To mend it: \w?", part, re.MULTILINE), part
