# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and messages as they can be shown on a terminal: nothing in them moves the cursor, hides or reorders text."""

from __future__ import annotations

__all__ = ["JOINERS", "printable_message", "printable_name"]

JOINERS = "\u200c\u200d"
"""Characters without a width that words of some scripts are written with."""
LONGEST = 253
"""Characters of a name that are shown: as many as the name of an object can have. Users and groups have no limit."""


def printable_name(name: str) -> str:
    """Return the name on one line: what cannot be seen is escaped as in Python, and a long name is cut.

    This is for people. What a result returns as data is the name itself.
    """
    shown = "".join(map(_escaped, name[:LONGEST]))
    return shown if len(name) <= LONGEST else f"{shown}… ({len(name)} characters)"


def printable_message(text: str) -> str:
    """Return the message with all but its line breaks and tabs escaped likewise."""
    return "".join(character if character in "\n\t" else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode()
