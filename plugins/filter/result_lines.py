# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter result_lines: subjects, objects and changes of a result, one per line, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

__all__ = ["FilterModule", "result_lines"]

DOCUMENTATION = r"""
name: result_lines
short_description: Show entries of a result, a line each
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Takes a list that a module of the collection returns, such as C(grants), C(members) or C(changes), and returns a line for
    each entry.
  - Names come from the cluster and can be any text. Control characters, and characters that hide or reorder text, are
    escaped, and a long name is cut.
positional: _input, keys
options:
  _input:
    description: Dictionaries, or names.
    type: list
    required: true
  keys:
    description: The keys whose values are shown, in this order. Keys that an entry lacks are left out.
    type: list
    elements: str
    default: [kind, namespace, name]
"""

EXAMPLES = r"""
- name: Show who has access to the registry
  ansible.builtin.debug:
    msg: "{{ permissions.grants | opendatahub.model_registry.result_lines }}"

- name: Show the changes
  ansible.builtin.debug:
    msg: "{{ registry.changes | opendatahub.model_registry.result_lines(['action', 'kind', 'name', 'fields']) }}"
"""

RETURN = r"""
_value:
  description: The lines, such as C(User alice), C(ServiceAccount fraud-detection runner) and C(patch Secret fraud-db-password data).
  type: list
  elements: str
"""


def result_lines(
    entries: Iterable[Mapping[str, Any] | str], keys: Sequence[str] = ("kind", "namespace", "name")
) -> list[str]:
    """Return a line for each entry."""
    return [_line(entry, keys) for entry in entries]


def _line(entry: Mapping[str, Any] | str, keys: Sequence[str]) -> str:
    if isinstance(entry, str):
        return printable_name(entry)
    return " ".join(_text(entry[key]) for key in keys if entry.get(key))


def _text(value: Any) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, (list, tuple)) else printable_name(str(value))


class FilterModule:
    """The entry point for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"result_lines": result_lines}
