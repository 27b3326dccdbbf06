# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter access_answers: from the answers to the survey of the playbook grant to the lists of its role."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from ansible.errors import AnsibleFilterError

__all__ = ["FilterModule", "access_answers"]

DOCUMENTATION = r"""
name: access_answers
short_description: Turn the answers of a survey into lists of names
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Takes the variables of the playbook C(opendatahub.model_registry.grant), without C(access_), and gives each as a list.
  - A text has names with commas or line breaks between them. White space around them is dropped.
  - The names in a list are taken as they are, so that they can have commas, too. Empty ones are dropped.
  - A value that is not a text is an error that names the variable, since YAML then reads a name as another type.
options:
  _input:
    description: C(users), C(groups), C(projects), C(service_accounts) and C(members).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the names in a text
  ansible.builtin.debug:
    msg: "{{ ({'users': 'alice, bob'} | opendatahub.model_registry.access_answers).users }}"
"""

RETURN = r"""
_value:
  description:
    - The lists by the same keys. Each entry of C(service_accounts) is a mapping of C(namespace) and C(name).
    - C(members) is null if it is not given, and an empty list if an empty list is given.
  type: dict
"""

LISTS = ("users", "groups", "projects", "service_accounts", "members")


def access_answers(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lists. Raises AnsibleFilterError for a name that is not a string."""
    found: dict[str, Any] = {name: _names(f"access_{name}", answers.get(name)) for name in LISTS}
    found["service_accounts"] = [_account(entry) for entry in found["service_accounts"]]
    given = answers.get("members")
    if given is None or (isinstance(given, str) and not found["members"]):
        found["members"] = None
    return found


def _names(variable: str, given: Any) -> list[Any]:
    """Return the names in a string or list. None and an empty string mean that nothing is given."""
    if given is None:
        return []
    entries = [name.strip() for name in re.split(r"[,\n]", given)] if isinstance(given, str) else given
    if not isinstance(entries, (list, tuple)):
        raise AnsibleFilterError(f"{variable}: YAML reads it as {_kind(given)}. Quote the name.")
    names: list[Any] = []
    for entry in entries:
        is_mapping = variable == "access_service_accounts" and isinstance(entry, Mapping)
        wrong = [part for part in (entry.values() if is_mapping else [entry]) if not isinstance(part, str)]
        if wrong:
            raise AnsibleFilterError(f"{variable}: YAML reads a name in it as {_kind(wrong[0])}. Quote the name.")
        if is_mapping or entry.strip():
            names.append(entry)
    return names


def _account(entry: Any) -> Any:
    """Return a service account given as project/name in the form of a mapping. The module checks its names."""
    if isinstance(entry, Mapping):
        return entry
    namespace, slash, name = entry.partition("/")
    if not (slash and namespace and name) or "/" in name:
        why = f"{entry[:80]!r} is not written as project/name"
        raise AnsibleFilterError(f"access_service_accounts: {why}. Give the project, a slash and the account's name.")
    return {"namespace": namespace, "name": name}


def _kind(value: Any) -> str:
    """Describe how YAML reads a name, with the resulting value."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, date):
        return f"the date {value.isoformat()}"
    if value is None:
        return "null"
    return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"


class FilterModule:
    """The entry point for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"access_answers": access_answers}
