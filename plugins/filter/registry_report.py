# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter registry_report: registries as lines for people: a table, one in detail, or what an expression picks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._query import picked
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._registry_lines import (
    not_there,
    registry_details,
    table_of_registries,
)
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._written import as_data

__all__ = ["FilterModule", "registry_report"]

DOCUMENTATION = r"""
name: registry_report
short_description: Show registries as lines for people
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Takes the result of M(opendatahub.model_registry.model_registry_info), and gives lines to show, as the playbook
    C(opendatahub.model_registry.info) does.
positional: _input, options
options:
  _input:
    description: The result of the module.
    type: dict
    required: true
  options:
    description:
      - What to show, as the playbook's first task reads it. C(name) is the resource name of the registry to show in detail;
        by default, a table shows all. C(query) is a JMESPath expression. It picks from the result, which has C(namespace),
        C(names) and C(registries), and what it picks is shown as YAML.
      - An expression needs the Python library C(jmespath) on the controller.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the registries
  opendatahub.model_registry.show:
    lines: "{{ (found | opendatahub.model_registry.registry_report).lines }}"

- name: Show the databases
  opendatahub.model_registry.show:
    lines: "{{ (found | opendatahub.model_registry.registry_report({'query': 'registries[].database.host'})).lines }}"
"""

RETURN = r"""
_value:
  description:
    - C(lines); and C(error), which says why there are none, or is empty. There is no registry of that name, for example.
  type: dict
"""

DATA = ("namespace", "names", "registries")
"""Results of the module that an expression picks from."""


def registry_report(found: Mapping[str, Any], options: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the lines, or an error."""
    name, query = (options or {}).get("name", ""), (options or {}).get("query", "")
    if name and not found["registries"]:
        return {"lines": [], "error": not_there(name, found)}
    try:
        return {"lines": _lines(found, name, query), "error": ""}
    except InvalidInput as error:
        return {"lines": [], "error": str(error)}


def _lines(found: Mapping[str, Any], name: str, query: str) -> list[str]:
    if query:
        return as_data(picked({key: found[key] for key in DATA}, query)).splitlines()
    return registry_details(found["registries"][0]) if name else table_of_registries(found)


class FilterModule:
    """The entry point for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"registry_report": registry_report}
