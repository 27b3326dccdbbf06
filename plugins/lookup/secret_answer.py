# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup secret_answer: a secret from a variable, or else the environment; errors name the variable and show none of it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_answer
short_description: Take a secret from a variable, or else from the environment
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Gives the value of a variable, or, if the variable is not given or empty, of an environment variable.
  - A variable's value is a template, unless it is tagged C(!unsafe). If the secret contains a C({{) and is no valid template,
    Ansible's own error shows the secret. The error of this lookup names the variable and shows nothing of its value.
  - A value that YAML does not read as a text is an error, too, since YAML alters it.
options:
  _terms:
    description: The name of the variable.
    type: list
    elements: str
    required: true
  env:
    description: The name of the environment variable.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Hand on a password
  opendatahub.model_registry.model_registry:
    name: fraud
    database:
      password: >-
        {{ lookup('opendatahub.model_registry.secret_answer', 'database_password', env='MODEL_REGISTRY_DATABASE_PASSWORD') }}
"""

RETURN = r"""
_raw:
  description: The secret, or an empty text.
  type: list
  elements: str
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils._common.errors import InvalidInput
from ..plugin_utils._answers.secrets import secret_text

__all__ = ["LookupModule"]


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core has no annotations
    """The entry point for Ansible."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the secret of each variable. Raises AnsibleLookupError."""
        self.set_options(var_options=variables, direct=kwargs)
        environment = self.get_option("env")
        try:
            found = [secret_text(name, (variables or {}).get(name), self._templar, environment) for name in terms]
        except InvalidInput as error:
            raise AnsibleLookupError(str(error)) from None
        return [secret or os.environ.get(environment, "") for secret in found]
