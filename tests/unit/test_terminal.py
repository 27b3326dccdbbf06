# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for people: shown as they are, and never where they would break a document."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.progress import (
    PROGRESS,
    report_progress,
)
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils import _terminal as terminal

pytestmark = pytest.mark.playbook
LINES = [
    "the sum first",
    '  - apiGroups: [""]',
    "a very long line " + "x" * 300,
    "bell \a and \x1b[31mred\x1b[0m",
    "{{ 7 * 6 }}",
]


def play(folder: Path, **environment: str) -> str:
    """Return the output of a play that shows LINES."""
    task = {"name": "Show lines", "opendatahub.model_registry.show": {"lines": "{{ shown }}"}}
    plays = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]
    (folder / "play.yml").write_text(json.dumps(plays))
    (folder / "vars.json").write_text(json.dumps({"shown": [{"__ansible_unsafe": line} for line in LINES]}))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml", "--extra-vars", "@vars.json"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_lines_are_shown_as_they_are(tmp_path: Path, form: str) -> None:
    output = play(tmp_path, ANSIBLE_CALLBACK_RESULT_FORMAT=form)
    for line in [*LINES[:3], "{{ 7 * 6 }}", "bell \\x07 and \\x1b[31mred\\x1b[0m"]:
        assert f"\n  {line}\n" in output
    assert "\x1b" not in output and "\a" not in output


def test_a_json_document_stays_one(tmp_path: Path) -> None:
    output = play(tmp_path, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
    (task,) = json.loads(output)["plays"][0]["tasks"]
    assert task["hosts"]["localhost"]["lines"] == LINES


def test_progress_is_said_when_it_changes_and_when_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, end, said = tmp_path / "progress", threading.Event(), list[str]()
    file.touch()
    monkeypatch.setenv(PROGRESS, str(file))
    monkeypatch.setattr(terminal, "PAUSE", 0.01)
    monkeypatch.setattr(terminal, "REPEAT", 0.1)
    thread = threading.Thread(target=terminal.follow, args=(file, end, said.append))
    thread.start()
    for reason in ("its pod is starting", "its pod is starting", "Error 1045 (28000): \x1b[2J", ""):
        report_progress("fraud", reason)
        seen = len(said)
        while reason and len(said) < seen + 2:  # said once, and again because it lasts
            assert not end.wait(0.01)
    counts = [len(said)]
    while len(counts) < 20 and counts[-2:-1] != counts[-1:]:
        end.wait(0.5)
        counts.append(len(said))
    assert counts[-2] == counts[-1], "something is said although the wait is over"
    end.set()
    thread.join()
    reasons = [line.partition(": ")[2] for line in said]
    assert all(re.match(r"waiting for fraud, \d+ s: ", line) for line in said)
    assert list(dict.fromkeys(reasons)) == [
        "its pod is starting",
        "Error 1045 (28000): \\x1b[2J",
    ]


def test_progress_goes_nowhere_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRESS, raising=False)
    report_progress("fraud", "its pod is starting")
    monkeypatch.setenv(PROGRESS, str(tmp_path / "absent"))
    report_progress("fraud", "its pod is starting")
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    monkeypatch.setenv(PROGRESS, str(tmp_path / "link"))
    report_progress("fraud", "its pod is starting")
    assert [path.name for path in tmp_path.iterdir() if path.is_file() and path.stat().st_size] == []
