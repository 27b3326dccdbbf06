# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding as results list it: what was found, who was checked on which path, and where it is explained."""

from __future__ import annotations

from dataclasses import asdict

from .hosts import Trouble
from .model import Object
from .told import Told

__all__ = ["PAGE", "shown"]

PAGE = "docs/findings.md"
"""It has a section for each code."""


def shown(found: Trouble | Told, checked_as: str = "", path: str = "") -> Object:
    """The finding. checked_as: the account that the server has matched. Both are empty where nobody has asked one."""
    return {**asdict(found), "page": f"{PAGE}#{found.code}", "checked_as": checked_as, "path": path}
