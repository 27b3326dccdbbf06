# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the first task of a playbook, with the ansible-core of this Python, and tells what its role would get."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ROOT", "RUNNER", "Read", "in_one_play", "options_of", "run"]

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(os.environ.get("TEST_ANSIBLE_PLAYBOOK", Path(sys.executable).with_name("ansible-playbook")))
READER = "opendatahub.model_registry.playbook_answers"
Read = dict[str, Any]


def run(place: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook in a folder, with the collection."""
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"), "KUBECONFIG": os.devnull}
    return subprocess.run(
        [str(RUNNER), *arguments],
        cwd=place,
        env={**os.environ, **collections, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def options_of(
    place: Path, book: str, variables: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[Read | None, str]:
    """Return the role's options for a file of extra variables, None for an error; and the whole output."""
    (place / "variables.yml").write_text(variables)
    read = {READER: {"playbook": book}, "register": "read"}
    keep = {"ansible.builtin.copy": {"content": "{{ read.options | to_json }}", "dest": f"{place}/read.json"}}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [read, {**keep, "no_log": True}]}
    (place / "play.yml").write_text(yaml.safe_dump([play]))
    kept = place / "read.json"
    kept.unlink(missing_ok=True)
    done = run(place, "play.yml", "-e", f"@{place}/variables.yml", *arguments, environment=environment)
    assert (done.returncode == 0) is kept.exists(), done.stdout + done.stderr
    return json.loads(kept.read_text()) if kept.exists() else None, done.stdout + done.stderr


def in_one_play(
    place: Path,
    book: str,
    common: Read,
    files: Sequence[str],
    *arguments: str,
    environment: Mapping[str, str] | None = None,
) -> tuple[list[Read | None], str]:
    """Return the role's options for each of several files of variables, None for an error; and the whole output."""
    tasks: list[Read] = []
    for number, text in enumerate(files):
        (place / f"{number}.yml").write_text(text)
        keep = {"content": "{{ read.options | to_json }}", "dest": f"{place}/{number}.json"}
        tasks.append({"ansible.builtin.include_vars": f"{place}/{number}.yml", "no_log": True})
        tasks.append({READER: {"playbook": book}, "register": "read", "ignore_errors": True})
        tasks.append({"ansible.builtin.copy": keep, "no_log": True, "when": "read is not failed"})
    play = {"hosts": "localhost", "gather_facts": False, "vars": common, "tasks": tasks}
    (place / "play.yml").write_text(yaml.safe_dump([play]))
    done = run(place, "play.yml", *arguments, environment=environment)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    kept = [place / f"{number}.json" for number in range(len(files))]
    return [json.loads(file.read_text()) if file.exists() else None for file in kept], output
