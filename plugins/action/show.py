# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show lines to the person who runs a play."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils._terminal import show

__all__ = ["ActionModule"]


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no annotations
    """The entry point for Ansible."""

    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"lines"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Show the lines, and return them."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _known, options = self.validate_argument_spec({"lines": {"type": "list", "elements": "str", "required": True}})
        if not self._task.no_log:
            show(options["lines"])
        return {**result, "changed": False, "lines": options["lines"]}
