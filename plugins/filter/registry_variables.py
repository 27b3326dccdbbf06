# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter registry_variables: a registry as a file of variables that the playbooks create and update take back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import registry as registry_options
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.names import (
    ca_config_map,
    password_secret,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.questions import PLAYBOOKS
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.variables import Path, variables_for
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.wording import in_variables
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._registry_lines import not_there
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._written import as_variables

__all__ = ["FilterModule", "registry_variables"]

DOCUMENTATION = r"""
name: registry_variables
short_description: Write a registry as a file of variables
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Takes the result of M(opendatahub.model_registry.model_registry_info), and gives the text of a file that the playbooks
    C(opendatahub.model_registry.create) and C(opendatahub.model_registry.update) take with C(--extra-vars @file).
  - The file has no secret. It names the Secret of a password, and the Secret or ConfigMap of an authority.
  - Texts come from the cluster. None of them is read as a template, a number, a boolean, a date or nothing, whichever
    version of ansible-core reads the file.
  - What no variable stands for is in comments.
positional: _input, options
options:
  _input:
    description: The result of the module.
    type: dict
    required: true
  options:
    description:
      - C(name) is the resource name of the registry. C(namespace) is the registries namespace, if it is to be among the
        variables.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Save a registry
  ansible.builtin.copy:
    content: "{{ (found | opendatahub.model_registry.registry_variables({'name': 'fraud'})).text }}"
    dest: fraud.yml
    mode: "0600"
"""

RETURN = r"""
_value:
  description:
    - C(text), the text of the file, in YAML; and C(error), which says why there is none, or is empty.
  type: dict
"""

HEADING = """\
# The model registry {}, as variables of the playbooks create and update. While it exists, they change nothing:
#   ansible-playbook opendatahub.model_registry.update --extra-vars @FILE
# Texts are data: with !unsafe, Ansible sees no templates in them.
"""
OF_ROLE = (
    "These are variables of the role create, and can be given to its playbook. They have none in the playbook update."
)
WITHOUT = "No variable can be given for these:"
ACCESS = "These are variables of the playbook grant:"


def registry_variables(found: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, str]:
    """Return the text of the file, or an error."""
    name = options["name"]
    entry = next((entry for entry in found["registries"] if entry["name"] == name), None)
    if entry is None:
        return {"text": "", "error": not_there(name, found)}
    if entry["status"]["state"] == "unknown":
        message, step = entry["status"]["message"], entry["status"]["next_step"]
        return {"text": "", "error": f"ModelRegistry {printable_name(name)}: {message} {step}"}
    place = {"namespace": options["namespace"]} if "namespace" in options else {}
    given = {option: entry[option] for option in registry_options() if option in entry}
    variables, left = variables_for(PLAYBOOKS["create"], {**place, **given})
    comments = "".join(f"# {line}\n" for line in _comments(entry, left))
    text = HEADING.format(printable_name(name)) + as_variables(variables) + comments
    return {"text": text.encode("ascii", "backslashreplace").decode(), "error": ""}


def _comments(entry: Mapping[str, Any], left: Mapping[Path, Any]) -> Iterator[str]:
    """Yield what a user should know, and all that is not among the variables."""
    yield from _own_objects(entry)
    of_playbook = {asked.option.partition(".")[0] for asked in PLAYBOOKS["create"].questions}
    of_role = {path: value for path, value in left.items() if path[0] not in of_playbook}
    yield from _listed(OF_ROLE, {f"create_{option}": value for option, value in _nested(of_role).items()})
    rest = {".".join(path): value for path, value in left.items() if path not in of_role}
    yield from _listed(WITHOUT, rest)
    for finding in entry["findings"]:
        if finding["code"] == "not_returnable":
            yield f"{printable_name(in_variables(finding['what']))}: {printable_name(in_variables(finding['why']))}"
    access = {option: names for option, names in (entry.get("permissions") or {}).items() if names}
    yield from _listed(ACCESS, variables_for(PLAYBOOKS["grant"], access)[0])


def _own_objects(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield how to create the registry again if its password or authority is deleted with it."""
    name, database = entry["name"], entry.get("database") or {}
    secret = (database.get("password_secret") or {}).get("name", "")
    again = "is deleted with the registry. To create it again afterwards, give"
    if secret == password_secret(name) or re.fullmatch(rf"{re.escape(name)}-db-[a-z0-9]{{5}}", secret):
        yield f"Secret {secret} {again} database_password instead of database_password_secret_name and _key."
    if (database.get("tls") or {}).get("ca_config_map", {}).get("name") == ca_config_map(name):
        yield f"ConfigMap {ca_config_map(name)} {again} ca_source: pem and ca_pem instead of ca_name and ca_key."


def _listed(heading: str, values: Mapping[str, Any]) -> Iterator[str]:
    if values:
        yield heading
    for name, value in values.items():
        yield as_variables({name: value}, flow=True).strip()[1:-1]


def _nested(left: Mapping[Path, Any]) -> dict[str, Any]:
    """Return options by name as they were before they were taken apart."""
    options: dict[str, Any] = {}
    for path, value in left.items():
        inner = options
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    return options


class FilterModule:
    """The entry point for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"registry_variables": registry_variables}
