# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options fail_on and accept, shared by modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Which findings make a task fail."""

    DOCUMENTATION = r"""
options:
  fail_on:
    description:
      - The findings that make the task fail, as severities and codes. All findings are returned in any case.
      - V(warning) stands for warnings and blockers, V(info) for all findings. A code stands for that finding whatever its severity.
      - Blockers make it fail whatever the list has, except those of O(accept), and except with V(never), which stands alone.
    type: list
    elements: str
    default: [blocker]
  accept:
    description:
      - The codes of findings that do not make the task fail, whatever their severity.
    type: list
    elements: str
    default: []
"""
