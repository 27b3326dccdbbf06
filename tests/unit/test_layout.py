# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of module_utils import those below them only, and a file without I/O imports none that has it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins" / "module_utils"
FLOORS = (
    {"_common"},
    {"_kubernetes"},
    {"_registry"},
    {"_permissions", "_database"},
    {"_info", "_preflight"},
    {"_fleet"},
    {"_argspec", "_module"},
)
FILES = {file.relative_to(UTILS).with_suffix("").parts: file for file in sorted(UTILS.rglob("[!_]*.py"))}
FILES.update({(file.stem,): file for file in UTILS.glob("*.py")})
WITH_IO = {
    Path(name).relative_to("plugins/module_utils").with_suffix("").parts
    for name in re.findall(
        r'^"(plugins/module_utils/[^*"]+)" = \["TID251"\]', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
}


def floor(module: tuple[str, ...]) -> int:
    return next(number for number, packages in enumerate(FLOORS) if module[0] in packages)


def imported(module: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """List the files of the collection that a file imports."""
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*module[: -node.level], *(node.module.split(".") if node.module else ()))
            yield from (base if base in FILES else (*base, alias.name) for alias in node.names)


@pytest.mark.parametrize("module", FILES, ids=".".join)
def test_imports_go_down_only(module: tuple[str, ...]) -> None:
    others = {other for other in imported(module) if other[0] != module[0]}
    assert others <= FILES.keys()
    # The two flat files are no package of one level, but one above the other.
    assert not {
        other for other in others if floor(other) >= floor(module) and (module, other) != (("_module",), ("_argspec",))
    }


@pytest.mark.parametrize("module", sorted(FILES.keys() - WITH_IO), ids=".".join)
def test_a_file_without_io_imports_none_with_it(module: tuple[str, ...]) -> None:
    assert not WITH_IO & set(imported(module))


def test_files_with_io_are_there() -> None:
    assert WITH_IO
    assert not WITH_IO - FILES.keys()
