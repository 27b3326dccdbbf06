# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task says of its changes: names and fields for the result, before and after for the diff. No secrets."""

from __future__ import annotations

from collections.abc import Iterable

from .model import Object
from .patch import field_paths
from .plan import Change
from .redact import shown

__all__ = ["change_entry", "diffs"]

IDENTITY = {"metadata.resourceVersion", "metadata.name", "metadata.namespace", "apiVersion", "kind", "type"}


def change_entry(change: Change, validated: bool) -> Object:
    """A change as results list it."""
    sent = {} if change.action == "delete" else change.body
    return {
        "kind": change.kind,
        "name": change.name,
        "action": change.action,
        "fields": sorted(path for path in field_paths(sent) if path not in IDENTITY),
        "validated": validated,
    }


def diffs(changes: Iterable[Change]) -> list[Object]:
    """The changes for Ansible's diff mode."""
    return [
        {
            "before_header": f"{change.kind} {change.name}",
            "after_header": f"{change.kind} {change.name}",
            "before": shown(change.before or {}, "(hidden)"),
            "after": shown(change.after or {}, "(hidden, as wanted)"),
        }
        for change in changes
    ]
