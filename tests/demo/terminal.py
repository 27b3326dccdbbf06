# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-playbook prints, without what it prints around the messages of the collection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["messages"]

AROUND = re.compile(
    r"(PLAY|TASK|RUNNING HANDLER) \[.*\] \**|PLAY RECAP \**|\S+ +: ok=\d.*|included: .*|(ok|changed|skipping): \[[^]]*\].*|fatal: \[.*"
)
BLOCKS = ((re.compile(r".* => \{"), re.compile(r"\}")), (re.compile(r"Origin: .*"), re.compile(r" *\^ column \d+")))
"""First and last lines of a result, and of the place of an error in a file."""


def messages(output: Iterable[str]) -> Iterator[str]:
    """Yield the lines that are messages, as they come: those of the collection, warnings and errors."""
    end: re.Pattern[str] | None = None
    for text in output:
        line = text.rstrip("\n")
        if end is not None:
            end = None if end.fullmatch(line) else end
            continue
        end = next((last for first, last in BLOCKS if first.fullmatch(line)), None)
        if end is None and line.strip() and not AROUND.fullmatch(line):
            yield line
