# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for people, through Ansible's Display: on a terminal and in a controller's job output, but never in JSON."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.utils.display import Display

from ..module_utils._common.progress import PROGRESS
from ..module_utils._common.text import printable_message

__all__ = ["follow", "show", "shown_progress"]

INDENT = "  "
"""Sets the lines apart from what a callback prints at the beginning of its lines."""
PAUSE = 0.5
"""Seconds between looks at the progress file."""
REPEAT = 10.0
"""Seconds after which the same progress is shown again: a wait is never silent for longer."""


def show(lines: Iterable[str]) -> None:
    """Show each line as it is, control characters escaped, unless the output is a JSON document.

    Each entry is an event of its own in a controller, which cuts the text of an event after 1,024 bytes.
    """
    if "json" in str(constants.DEFAULT_STDOUT_CALLBACK):
        return
    for entry in lines:
        text = "\n".join(f"{INDENT}{line}" for line in printable_message(entry).splitlines())
        if text:
            Display().display(text)


@contextmanager
def shown_progress(environment: list[Any], host: str) -> Iterator[list[Any]]:
    """Show what a module on this machine waits for, while it runs.

    Yields the environment of the task with PROGRESS, the file to which the module appends its progress.
    host: the name of the play's host, shown unless it is localhost.
    """
    # Ansible removes its own folder at its end, even if it ends this process.
    with tempfile.TemporaryDirectory(prefix="model-registry-", dir=constants.DEFAULT_LOCAL_TMP) as folder:
        file = Path(folder) / "progress"
        file.touch(mode=0o600)
        end = threading.Event()
        prefix = "" if host == "localhost" else f"{host}: "
        thread = threading.Thread(target=follow, args=(file, end, lambda line: show([prefix + line])), daemon=True)
        thread.start()
        try:
            yield [*environment, {PROGRESS: str(file)}]
        finally:
            end.set()
            thread.join()


def follow(file: Path, end: threading.Event, say: Callable[[str], None]) -> None:
    """Say what each registry waits for when that changes, and again every REPEAT seconds."""
    began = 0.0
    waiting: dict[str, tuple[str, float]] = {}
    """By registry: the reason, and when it was said."""
    with file.open(encoding="utf-8") as lines:
        while not end.wait(PAUSE):
            now = time.monotonic()
            latest = dict(_entries(lines))
            began = began or (now if latest else 0.0)
            for name, reason in {**{name: reason for name, (reason, _said) in waiting.items()}, **latest}.items():
                before, said = waiting.get(name, ("", 0.0))
                if not reason:
                    waiting.pop(name, None)
                elif reason != before or now - said >= REPEAT:
                    waiting[name] = (reason, now)
                    say(f"waiting for {name}, {now - began:.0f} s: {reason}")


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield registry and reason of each complete line; an empty reason: it is no longer waited for."""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # written half: the reason is shown when it changes again
            continue
        yield entry["name"], entry["waiting_for"]
