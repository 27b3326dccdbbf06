# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which codes the collection's source gives to findings and statuses, with what severity or state, and where they appear."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.host import OF_ROUTE
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.confidence import (
    OF_ACCOUNT,
    OF_CLIENT,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.connection_rules import (
    NETWORK,
    TLS,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.rules import (
    REFUSALS,
    STATES,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry import pod_status, verdict

__all__ = ["ROOT", "SEVERITIES", "documented", "given_codes", "mysql_codes"]

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "plugins" / "module_utils"
SEVERITIES = ("blocker", "warning", "info", "failed", "waiting", "deleting", "gone", "ready", "unknown")
"""Of findings, and states, the most severe first."""
STATED = {name: getattr(verdict, name) for name in ("FAILED", "WAITING", "DELETING", "GONE", "READY")}
DOUBTED = {*OF_ROUTE, *OF_CLIENT, *OF_ACCOUNT}
"""Codes of a database check that are warnings if they are not proven for the registry's pods."""
MYSQL = ("_database/mysql/rules", "_database/mysql/connection_rules")
OF_STORED = ("_common/certificates", "_database/ca_rules", "_database/password_rules", "_registry/auth_proxy")
MISSING_KEY, UNREAD_KEY = (f"_registry/stored_keys:{name}_key_finding" for name in ("missing", "unread"))
PLACES = {
    "status": (
        "_registry/status",
        "_registry/pod_status",
        "_registry/failure_causes",
        "_registry/wait",
        "_info/gather",
    ),
    "preflight": ("_preflight/rules", "_registry/shape", "_registry/sharing", MISSING_KEY, UNREAD_KEY, *OF_STORED),
    "check": (
        *(*MYSQL, MISSING_KEY, UNREAD_KEY),
        *("_database/postgres/rules", "_database/check", "_database/credentials", "_database/host"),
        *("_database/password_rules", "_database/postgres/client", "../filter/preflight_report"),
    ),
    "info": ("_info/checks", "_registry/shape", "_registry/sharing", "_registry/description", MISSING_KEY, *OF_STORED),
}
"""Where the codes of a file, or of one function in it, appear: in a status, and in the findings of three modules."""
TABLES = {
    "_database/mysql/connection_rules": {code: {"blocker"} for code, _ in (*NETWORK.values(), *TLS.values())},
    "_database/postgres/rules": {code: {"blocker"} for code in (*STATES.values(), *(code for _, code in REFUSALS))},
    "_registry/status": {"registry_unreadable": {"failed"}},
    "_registry/pod_status": {code: {"failed"} for _, code in pod_status.VOLUMES},
    "_info/gather": {"registry_unreadable": {"unknown"}},
    "_preflight/rules": {"rights_missing": {"blocker"}, "rights_limited": {"info"}},
    "_database/mysql/rules": {"database_error": {"blocker"}, "query_failed": {"warning"}},
}
"""Of codes that a rule takes from a table or a pair, by file."""


def texts(node: ast.AST, known: dict[str, set[str]]) -> set[str]:
    """Return the strings that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return texts(node.body, known) | texts(node.orelse, known)
    if isinstance(node, ast.Tuple):
        return texts(node.elts[0], known) if node.elts else set()
    if isinstance(node, ast.Name):
        return {STATED[node.id]} if node.id in STATED else known.get(node.id, set())
    return set()


def assigned(node: ast.Assign, known: dict[str, set[str]]) -> Iterator[tuple[str, set[str]]]:
    """Yield the names that a statement sets, each with the strings that it can be."""
    target, value = node.targets[0], node.value
    pairs = (
        zip(target.elts, value.elts, strict=False)
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        else ()
    )
    for name, part in (*pairs, *((one, value) for one in node.targets)):
        if isinstance(name, ast.Name):
            yield name.id, texts(part, known)


def pairs(call: ast.Call, known: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield code and severity, or state, of a call that makes a finding, a cause or a verdict."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    first, second = (texts(part, known) for part in (*call.args, ast.Tuple([]), ast.Tuple([]))[:2])
    if name == "Finding":
        yield from product(first, second)
    elif name == "Verdict":
        yield from product(second, first)
    elif name in ("Cause", "Problem", "_simple"):
        # A problem of a stored authority is a warning if nothing is verified with it.
        severities = {"Cause": ("failed",), "Problem": ("blocker", "warning"), "_simple": ("blocker",)}[name]
        yield from ((c, s) for c, s in product(first, severities) if (c, s) != ("ca_invalid", "warning"))


def codes_in(file: str) -> Iterator[tuple[str, str]]:
    """Yield code and severity of each finding, cause and verdict that a file of module_utils, or a function in it, makes."""
    file, _, only = file.partition(":")
    tree = ast.parse((RULES / f"{file}.py").read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inner = {node for function in functions for node in ast.walk(function)}
    rest = [n for n in ast.walk(tree) if n not in inner]
    scopes = [list(ast.walk(function)) for function in functions if only in ("", function.name)]
    scopes += [] if only else [rest]
    for nodes in scopes:
        known: dict[str, set[str]] = {}
        for node in sorted((n for n in nodes if hasattr(n, "lineno")), key=lambda n: n.lineno):
            if isinstance(node, ast.Assign):
                known.update(assigned(node, known))
            if isinstance(node, ast.Call):
                yield from pairs(node, known)
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and file == "_registry/pod_status":
                yield from ((code, "failed") for code in texts(node.value, known) if "_" in code)
    for code, severities in TABLES.get(file, {}).items():
        yield from product((code,), severities)


def given_codes() -> dict[str, tuple[set[str], set[str]]]:
    """Return each code with its severities and states, and the places where it appears."""
    given: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for place, files in PLACES.items():
        for file in files:
            for code, severity in codes_in(file):
                given[code][0].update({severity, "warning"} if place == "check" and code in DOUBTED else {severity})
                given[code][1].add(place)
    return dict(given)


def mysql_codes() -> set[str]:
    """Return the codes of all findings about a MySQL database itself."""
    return {code for file in MYSQL for code, _ in codes_in(file)}


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """Return the table of docs/findings.md: each code with its severities or states, and where it appears."""
    page = (ROOT / "docs" / "findings.md").read_text()
    text = page.split("| code | what it means | severity or state | appears in |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| \[?`(\w+)`(?:\]\(#\w+\))? \| [A-Z][^|]+ \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    assert len(rows) == len(text.strip().split("\n")) - 1, "each row has this form"
    assert [code for code, *_ in rows] == sorted({code for code, *_ in rows})
    return {code: (set(severities.split(", ")), set(places.split(", "))) for code, severities, places in rows}
