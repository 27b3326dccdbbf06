# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file that a playbook shall write on the controller can be written, before anything is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

__all__ = ["unwritable"]

VARIABLE = "export_to"


def unwritable(answers: Mapping[str, Any], start: str) -> Iterator[InvalidInput]:
    """Yield an error if the file cannot be written. start: the folder that a relative path begins at."""
    given = answers.get(VARIABLE)
    if not isinstance(given, str) or "\0" in given:
        return
    path = Path(start, os.path.expanduser(given))  # noqa: PTH111 # unlike Path's, it leaves the home of an unknown user alone
    shown = printable_name(given)
    if given.endswith("/") or path.is_dir():
        yield InvalidInput(VARIABLE, f"'{shown}' is a directory", "Give the name of a file in it, too.")
    elif not path.parent.is_dir():
        yield InvalidInput(VARIABLE, f"the directory of '{shown}' does not exist", "Make it, or give another file.")
    elif not os.access(path.parent, os.W_OK):
        yield InvalidInput(VARIABLE, f"you may not write into the directory of '{shown}'", "Give another file.")
