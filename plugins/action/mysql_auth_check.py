# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens on the controller before mysql_auth_check runs: the same as before model_registry."""

from __future__ import annotations

from .model_registry import ActionModule

__all__ = ["ActionModule"]
