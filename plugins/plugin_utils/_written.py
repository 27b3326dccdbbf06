# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values from a cluster as YAML that every supported ansible-core reads back unchanged."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import yaml

__all__ = ["as_data", "as_variables", "plain"]

UNSAFE = "!unsafe"
TEXT = "tag:yaml.org,2002:str"
NEVER_A_TEMPLATE = re.compile(r"[A-Za-z0-9 _.,:/@+=-]*")


class _Text(str):
    """A text from a cluster."""


class _Dumper(yaml.SafeDumper):
    """Writes texts quoted, and tags individually each that could be a template.

    A whole list cannot be tagged: ansible-core before 2.19 loses the mappings in one.
    """


def _written(dumper: yaml.SafeDumper, text: _Text) -> yaml.ScalarNode:
    """Return the node of a text.

    ansible-core from 2.19 on reads a string after ``!unsafe`` as if it were not quoted: ``!unsafe "null"`` is nothing,
    and ``!unsafe "0123"`` is 83. Only quote such a string: it cannot be a template, since no string that YAML reads as
    another type can contain a brace.
    """
    other = dumper.resolve(yaml.ScalarNode, str(text), (True, False)) != TEXT  # type: ignore[no-untyped-call]  # types-PyYAML
    tag = TEXT if other or NEVER_A_TEMPLATE.fullmatch(text) else UNSAFE
    return dumper.represent_scalar(tag, str(text), style='"')


_Dumper.add_representer(_Text, _written)


class _LineDumper(yaml.SafeDumper):
    """Writes each text on one line."""


def _on_one_line(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(TEXT, text, style=None if text.isprintable() else '"')


_LineDumper.add_representer(str, _on_one_line)


def as_variables(values: Mapping[str, Any], flow: bool = False) -> str:
    """Return the text of a file of variables; with flow, of a mapping or list on one line."""
    # Write ASCII alone, so that neither an encoding nor a character that only some readers take for a line end matters.
    text: str = yaml.dump(
        _marked(plain(values)),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=False,
        width=sys.maxsize,
        default_flow_style=flow,
    )
    return text


def as_data(value: Any) -> str:
    """Return any value of results as YAML, in ASCII: control characters are escaped, and each text is on one line."""
    text: str = yaml.dump(plain(value), Dumper=_LineDumper, sort_keys=False, allow_unicode=False, width=sys.maxsize)
    return text.removesuffix("...\n")


def plain(value: Any) -> Any:
    """Return a value of results in Python's own types, of which Ansible's are subclasses."""
    if isinstance(value, Mapping):
        return {str.__str__(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else float(value)


def _marked(value: Any) -> Any:
    """Return a plain value with its texts marked for the dumper."""
    if isinstance(value, dict):
        return {key: _marked(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_marked(entry) for entry in value]
    return _Text(value) if isinstance(value, str) else value
