#!/usr/bin/python
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module show: its documentation. The action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Show lines of text to the person who runs a play
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Shows each line as it is, without the quotes, commas and escapes of JSON, so that it can be read and pasted.
  - Control characters are escaped, since names and messages come from clusters and databases.
  - With a callback whose output is a JSON document, the lines are in the result alone.
options:
  lines:
    description: The lines. One with line breaks is shown as several.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: full
    description: Nothing is changed in any mode.
  diff_mode:
    support: none
    description: Nothing is changed in any mode.
"""

EXAMPLES = r"""
- name: Show who has access to the registry
  opendatahub.model_registry.show:
    lines: "{{ permissions.grants | opendatahub.model_registry.result_lines }}"
"""

RETURN = r"""
lines:
  description: The lines.
  type: list
  elements: str
  returned: success
"""
