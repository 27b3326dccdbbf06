# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter subject_lines: users, groups, projects and service accounts of a result, one per line, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

__all__ = ["FilterModule", "subject_lines"]

DOCUMENTATION = r"""
name: subject_lines
short_description: Show subjects and names, a line each
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Takes one of the lists that M(opendatahub.model_registry.model_registry_permissions) returns, such as C(grants) or
    C(members), and gives a line for each entry.
  - Names come from the cluster and can be any text. Control characters, and characters that hide or reorder text, are
    escaped, and a long name is cut.
options:
  _input:
    description: Mappings with C(kind), C(name) and perhaps C(namespace), or names.
    type: list
    required: true
"""

EXAMPLES = r"""
- name: Show who may use the registry
  ansible.builtin.debug:
    msg: "{{ result.grants | opendatahub.model_registry.subject_lines }}"
"""

RETURN = r"""
_value:
  description: The lines, such as C(User alice) and C(ServiceAccount fraud-detection runner).
  type: list
  elements: str
"""


def subject_lines(entries: Iterable[Mapping[str, Any] | str]) -> list[str]:
    """Return a line for each entry."""
    return [_line(entry) for entry in entries]


def _line(entry: Mapping[str, Any] | str) -> str:
    if isinstance(entry, str):
        return printable_name(entry)
    words = [str(entry[key]) for key in ("kind", "namespace", "name") if entry.get(key)]
    return " ".join(map(printable_name, words))


class FilterModule:
    """The entry point for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"subject_lines": subject_lines}
