# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation in modules and fragments is YAML: one colon too many and ansible-doc, and the modules' options, fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
FILES = sorted(file for folder in ("modules", "doc_fragments", "filter") for file in (PLUGINS / folder).glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_documentation_is_yaml(file: Path) -> None:
    blocks = re.findall(r'(?:DOCUMENTATION|EXAMPLES|RETURN) = r?"""(.*?)"""', file.read_text(), re.DOTALL)
    assert file.name == "__init__.py" or blocks
    for block in blocks:
        assert yaml.safe_load(block)


def unknown_keys(results: dict[str, Any]) -> Iterator[str]:
    """Yield what is no key of a result: a text with a comma in braces gives one, unless it is quoted."""
    for result in results.values():
        yield from result.keys() - {"description", "type", "elements", "returned", "sample", "contains", "choices"}
        yield from unknown_keys(result.get("contains") or {})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_results_are_documented_with_known_keys(file: Path) -> None:
    for block in re.findall(r'RETURN = r?"""(.*?)"""', file.read_text(), re.DOTALL):
        assert list(unknown_keys(yaml.safe_load(block))) == []
