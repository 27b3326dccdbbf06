# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that is safe to show: names, messages, the user's values and a server's words."""

from __future__ import annotations

import re

__all__ = [
    "HIDDEN",
    "JOINERS",
    "LONGEST_WORDS",
    "number",
    "printable",
    "printable_message",
    "printable_name",
    "quoted",
    "sentence",
]

LONGEST_WORDS = 300
"""Characters of a server's words that are shown."""

LONGEST_VALUE = 80
"""Characters of a value that are shown."""

HIDDEN = "***"
"""Replaces what could be a secret."""

JOINERS = "\u200c\u200d"
"""Zero-width characters that some scripts need."""
LONGEST_NAME = 253
"""Characters of a name that are shown: as many as the name of an object can have. Users and groups have no limit."""


def printable_name(name: str) -> str:
    """Return the name on one line: invisible characters are escaped as in Python, and a long name is cut.

    Use it in messages only. Results return the name itself.
    """
    shown = "".join(map(_escaped, name[:LONGEST_NAME]))
    return shown if len(name) <= LONGEST_NAME else f"{shown}… ({len(name)} characters)"


def printable_message(text: str) -> str:
    """Return the message escaped likewise, except for line breaks and tabs."""
    return "".join(character if character in "\n\t" else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode()


def sentence(text: str) -> str:
    """Return the text with a full stop, unless it ends like a sentence, or with a line of a list, which is pasted."""
    text = text.strip()
    is_list = text.rpartition("\n")[2].startswith("- ")
    return text if not text or is_list or text[-1] in ".!?" else f"{text}."


def printable(value: object) -> str:
    """Make a server's words safe to show: no control characters, no terminal escapes, not too long."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    safe = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:LONGEST_WORDS]
    )
    return safe + ("…" if len(text) > LONGEST_WORDS else "")


def number(value: object) -> int | None:
    """Return the count in a server's words, or None if there is none."""
    text = printable(value)
    return int(text) if text.isascii() and text.isdecimal() else None


def quoted(value: object, longest: int = LONGEST_VALUE) -> str:
    """Return a user's value in quotes, cut, and without what could be a secret.

    A connection string is often given as a host or a name: the part before its last ``@``, or after a ``:``, ``=`` or
    ``?``, may be a password. A scheme's ``://`` and a port are shown.
    """
    before, at, after = str(value).rpartition("@")
    scheme = re.match(r"[a-z][a-z0-9+.-]{0,30}://", before, re.IGNORECASE)
    shown = f"{scheme[0] if scheme else ''}{HIDDEN}@{after}" if at else after
    end = re.search(r"[=?]|:(?!//|\d{1,5}(?![^/?]))", shown)
    if end is not None and shown[end.end() :]:
        shown = shown[: end.end()] + HIDDEN
    return repr(shown[:longest])
