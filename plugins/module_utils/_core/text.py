# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of users in texts for people."""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "quoted"]

LONGEST = 80
"""Characters of a value that are shown."""
HIDDEN = "***"
"""In place of what could be a secret."""


def quoted(value: object, longest: int = LONGEST) -> str:
    """Return a user's value in quotes, cut, and without what could be a secret.

    A connection string is often given for a host or a name: what stands before its last ``@``, and after a ``:``, ``=`` or
    ``?``, may be a password. A scheme's ``://`` and a port are shown.
    """
    before, at, after = str(value).rpartition("@")
    scheme = re.match(r"[a-z][a-z0-9+.-]{0,30}://", before, re.IGNORECASE)
    shown = f"{scheme[0] if scheme else ''}{HIDDEN}@{after}" if at else after
    end = re.search(r"[=?]|:(?!//|\d{1,5}(?![^/?]))", shown)
    if end is not None and shown[end.end() :]:
        shown = shown[: end.end()] + HIDDEN
    return repr(shown[:longest])
