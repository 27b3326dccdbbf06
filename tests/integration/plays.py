# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks on a testbed as a user would, and tells what they have asked of the API server."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from testbed.bed import Testbed
from testbed_fixtures import Servers, Start

__all__ = ["MODULE", "Played", "Servers", "Start", "play", "task"]

MODULE = "opendatahub.model_registry.model_registry"
ROOT = Path(__file__).resolve().parents[2]
WRITES = ("create", "update", "patch", "delete", "deletecollection")
Result = dict[str, Any]


def task(module: str = MODULE, **options: Any) -> Result:
    """A task; check_mode may be among the options."""
    keywords: Result = {name: options.pop(name) for name in ("check_mode", "diff") if name in options}
    return {"name": f"{module} {options.get('name', '')}", module: options, **keywords}


@dataclass
class Played:
    """What a play has come to."""

    results: list[Result]
    """Of each task, in order."""
    output: str
    """All that ansible-playbook has written."""
    requests: list[Result]
    """What the user has asked of the API server, from the audit log."""

    @property
    def result(self) -> Result:
        """Of the only task."""
        (result,) = self.results
        return result

    @property
    def writes(self) -> list[tuple[str, str, str]]:
        """Verb, resource and name of each write that was meant to persist."""
        return [
            (request["verb"], request["objectRef"]["resource"], request["objectRef"].get("name", ""))
            for request in self.requests
            if request["verb"] in WRITES
            and "dryRun=All" not in request["requestURI"]
            and not request["objectRef"]["resource"].endswith("reviews")
        ]


def play(bed: Testbed, *tasks: Result, user: str = "registry-admin", options: tuple[str, ...] = ()) -> Played:
    """Run the tasks in one play inside the testbed. A task that fails does not keep the next ones from running."""
    with tempfile.TemporaryDirectory() as folder:
        answers, book = Path(folder, "answers.json"), Path(folder, "play.yml")
        steps = [{**one, "register": f"result_{i}", "ignore_errors": True} for i, one in enumerate(tasks)]
        names = ", ".join(f"result_{i}" for i in range(len(tasks)))
        keep = {
            "ansible.builtin.copy": {"content": f"{{{{ [{names}] | to_json }}}}", "dest": str(answers), "mode": "0600"},
            "check_mode": False,
            "no_log": True,
        }
        book.write_text(
            yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [*steps, keep]}], sort_keys=False)
        )
        before = len(bed.audit())
        command = [
            "env",
            f"ANSIBLE_COLLECTIONS_PATH={ROOT / '.venv' / 'collections'}",
            "ANSIBLE_NOCOLOR=1",
            str(Path(sys.executable).with_name("ansible-playbook")),
            *options,
            str(book),
        ]
        done = bed.run(command, user=user, capture_output=True, check=False)
        assert answers.exists(), done.stdout + done.stderr
        requests = [one for one in bed.audit()[before:] if one["user"]["username"] == user]
        return Played(json.loads(answers.read_text()), done.stdout + done.stderr, requests)
