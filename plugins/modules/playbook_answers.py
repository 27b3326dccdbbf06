#!/usr/bin/python
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module playbook_answers: its documentation. The action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: playbook_answers
short_description: Read the variables of a playbook of this collection
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - The first task of each playbook of this collection. It reads the flat variables that the playbook is given, such as
    the answers to a survey, and returns them as the options of the playbook's role.
  - A variable that is not one of the playbook's and looks like one, a value that it cannot have, and answers that do not
    go together are errors. All of them are reported at once.
  - An empty text, white space and null mean that a variable is not given.
options:
  playbook:
    description: The name of the playbook.
    type: str
    required: true
    choices: [create, update, grant, teardown, preflight, prepare_database, info, export]
attributes:
  check_mode:
    support: full
    description: Nothing is changed in any mode.
  diff_mode:
    support: none
    description: Nothing is changed in any mode.
"""

EXAMPLES = r"""
- name: Read the variables
  opendatahub.model_registry.playbook_answers:
    playbook: create
  register: model_registry_answers
"""

RETURN = r"""
options:
  description:
    - The options of the role, without the role's name before them. What is not given is left out.
    - The result is not shown if a password is among them.
  type: dict
  returned: success
lines:
  description: What the first task shows, such as the variables that come from the inventory.
  type: list
  elements: str
  returned: success
"""
