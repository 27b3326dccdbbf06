# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter saved_permissions: who may use a registry, as a file of variables that the playbook grant takes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._written import as_variables

__all__ = ["FilterModule", "saved_permissions"]

DOCUMENTATION = r"""
name: saved_permissions
short_description: Write permissions as a file of variables
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Takes C(permissions) of one of RV(opendatahub.model_registry.model_registry_info#module:registries), and gives the text of
    a file that the playbook C(opendatahub.model_registry.grant) takes with C(--extra-vars @file).
  - Names come from the cluster and can be any text. None of them is read as a template, a number, a boolean, a date or
    nothing, whichever version of ansible-core reads the file.
positional: _input, registry
options:
  _input:
    description: The permissions.
    type: dict
    required: true
  registry:
    description: The resource name of the registry.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Save who may use a registry
  ansible.builtin.copy:
    content: "{{ found.registries[0].permissions | opendatahub.model_registry.saved_permissions('fraud') }}"
    dest: fraud-access.yml
    mode: "0600"
"""

RETURN = r"""
_value:
  description: The text of the file, in YAML.
  type: str
"""

HEADING = """\
# Who may use the model registry {}. To grant it again, once there is such a registry:
#   ansible-playbook opendatahub.model_registry.grant --extra-vars @FILE
# Names are data: with !unsafe, Ansible sees no templates in them.
---
"""
LISTS = ("users", "groups", "projects", "service_accounts", "members")


def saved_permissions(permissions: Mapping[str, Any], registry: str) -> str:
    """Return the text of the file. Members are left out if they are not known."""
    found: dict[str, Any] = {"registry_name": registry}
    found.update({f"access_{name}": permissions[name] for name in LISTS if permissions.get(name) is not None})
    return HEADING.format(printable_name(registry)) + as_variables(found)


class FilterModule:
    """The entry point for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"saved_permissions": saved_permissions}
