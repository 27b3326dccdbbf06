# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/findings.md explains every code of a finding with the severities that the code gives it, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.rules import CODES
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.rules import (
    REFUSALS,
    STATES,
)

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "rights_missing": {"blocker"},
    "rights_limited": {"info"},
    "login_refused": {"blocker"},
    "query_failed": {"warning"},
}
"""Codes that are not given by a name ``code``, and their severities."""
TABLES = {
    **{code: {"blocker"} for code in (*STATES.values(), *(code for _, code in REFUSALS), "unreachable")},
    **{code: {"blocker", "warning"} for code in ("ca_expired", "ca_not_yet_valid")},
}
"""Of codes that a rule takes from a table. Those of CODES that no rule names are blockers."""
SEVERITIES = ("blocker", "warning", "info")


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the strings that an expression can be."""
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


def findings_in(source: str) -> Iterator[tuple[str, str]]:
    """Yield code and severity of each finding that the text of its function shows."""
    for simple in re.findall(r'_simple\(\s*"(\w+)"', source):
        yield simple, "blocker"
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        nodes = sorted((n for n in ast.walk(function) if hasattr(n, "lineno")), key=lambda n: n.lineno)
        known: dict[str, set[str]] = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                known[node.targets[0].id] = set(texts(node.value))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                first, second = (
                    known.get(part.id, set()) if isinstance(part, ast.Name) else set(texts(part))
                    for part in node.args[:2]
                )
                yield from ((code, severity) for code in first for severity in second)


def sources() -> list[str]:
    return [file.read_text() for file in (ROOT / "plugins" / "module_utils").rglob("*.py")]


def sections() -> dict[str, str]:
    page = (ROOT / "docs" / "findings.md").read_text()
    return {part.split("\n")[0]: part.split("\n## ")[0] for part in page.split("\n### ")[1:]}


def test_every_code_has_its_place_and_none_is_superfluous() -> None:
    codes = set().union(*map(codes_in, sources()))
    codes |= {*CODES, *TABLES, *ELSEWHERE}
    page = (ROOT / "docs" / "findings.md").read_text()
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == codes


def test_each_says_how_severe_it_is_and_how_to_fix_it() -> None:
    for part in sections().values():
        assert re.search(r"^\*(blocker|warning|info)\.\* \w", part, re.MULTILINE), part
        assert re.search(r"^To fix it: \w?", part, re.MULTILINE), part


def test_the_severities_are_those_of_the_code() -> None:
    """The first one is the most severe that it can have; the others are named in the text."""
    given: dict[str, set[str]] = {code: set(severities) for code, severities in {**TABLES, **ELSEWHERE}.items()}
    for source in sources():
        for code, severity in findings_in(source):
            given.setdefault(code, set()).add(severity)
    for code in CODES:
        given.setdefault(code, {"blocker"})
    wrong = {}
    for code, text in sections().items():
        (first,) = re.findall(r"^\*(\w+)\.\*", text, re.MULTILINE)
        named = {severity for severity in SEVERITIES if re.search(rf"\b{severity}", text)}
        severities = given.get(code, set())
        if not severities or first != min(severities, key=SEVERITIES.index) or not severities <= named:
            wrong[code] = (first, named, severities)
    assert not wrong


def test_the_page_about_info_lists_all_that_it_finds() -> None:
    rules = ROOT / "plugins" / "module_utils"
    files = (
        "_info/checks",
        "_registry/shape",
        "_registry/sharing",
        "_registry/auth_proxy",
        "_database/ca_rules",
        "_database/password_rules",
        "_common/certificates",
    )
    codes = set().union(*(codes_in((rules / f"{file}.py").read_text()) for file in files))
    page = (ROOT / "docs" / "info.md").read_text()
    table = page.split("| about | codes |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == codes
