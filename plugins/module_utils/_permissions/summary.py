# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use a registry after a run, in a few lines for people."""

from __future__ import annotations

from collections.abc import Iterable

from .._common.model import Object
from .._common.text import printable_name

__all__ = ["permissions_summary"]

MOST = 30
"""Subjects that are listed for each of these."""


def permissions_summary(registry: str, result: Object, check_mode: bool) -> list[str]:
    """Return what became of the access to a registry, who got and who lost it, and who has it.

    result: as the module returns it.
    """
    changed = "changed" if result["changed"] else "unchanged"
    if check_mode:
        head = f"would {'be changed' if result['changed'] else 'stay unchanged'} (check mode: nothing is written)"
    else:
        head = f"is {changed}{', and access reviews confirm it' if result['verified'] else ''}"
    return [
        f"access to {registry} {head}",
        *_lines("granted", result.get("granted", ())),
        *_lines("revoked", result.get("revoked", ())),
        *_lines("may use it", result.get("grants", ()), "no subject, by grants"),
        *_lines(f"member of Group {registry}-users", result.get("members", ())),
        *_lines("may use it by other roles", result.get("other_access", ())),
    ]


def _lines(label: str, subjects: Iterable[Object | str], none: str = "") -> list[str]:
    """Return a line for each subject: a name can have commas."""
    names = [_name(subject) for subject in subjects]
    shown = names[:MOST] or ([none] if none else [])
    more = [f"{len(names) - MOST} more"] if len(names) > MOST else []
    return [f"  {label}: {one}" for one in (*shown, *more)]


def _name(subject: Object | str) -> str:
    if isinstance(subject, str):
        return printable_name(subject)
    place = f"{subject['namespace']}/" if subject.get("namespace") else ""
    return f"{subject['kind']} {place}{printable_name(subject['name'])}"
