# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run waits for, appended to the file from which the action plugin shows it while the module runs."""

from __future__ import annotations

import json
import os

from .text import printable

__all__ = ["PROGRESS", "report_progress"]

PROGRESS = "MODEL_REGISTRY_PROGRESS"
"""The environment variable that names the file."""


def report_progress(name: str, waiting_for: str) -> None:
    """Append why a registry is waited for; an empty text: it no longer is. Without a file, do nothing.

    Progress is only shown: whatever goes wrong here, the run goes on.
    """
    path = os.environ.get(PROGRESS)
    if not path:
        return
    line = json.dumps({"name": name, "waiting_for": printable(waiting_for)}) + "\n"
    try:
        # The file is there already, and nothing else is written to.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
    except OSError:
        return
