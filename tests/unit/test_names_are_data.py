# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from a cluster that looks like a template is shown, passed on, saved and read again, and never run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(os.environ.get("TEST_ANSIBLE_PLAYBOOK", Path(sys.executable).with_name("ansible-playbook")))
MODULE = """#!/usr/bin/python
import json
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"text": {"type": "str"}})
module.exit_json(got=module.params["text"], **json.loads(open("RESULT").read()))
"""


def run(folder: Path, result: dict[str, Any], tasks: list[dict[str, Any]]) -> str:
    """Run the tasks, with a module ``hostile`` that returns the result, and return the output."""
    (folder / "library").mkdir()
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "library" / "hostile.py").write_text(MODULE.replace("RESULT", str(folder / "result.json")))
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
        "ANSIBLE_PYTHON_INTERPRETER": str(RUNNER.with_name("python")),
    }
    command = [str(RUNNER), "-i", "localhost,", "-c", "local", "-vvv", "play.yml"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_results_filters_and_files_never_run_as_templates(tmp_path: Path) -> None:
    made = tmp_path / "made"
    text = "{{ lookup('ansible.builtin.pipe', 'touch " + str(made) + "') }}"
    finding = {
        "code": text,
        "severity": "blocker",
        "what": text,
        "why": text,
        "remedy": f"do {text}",
        "rule": "r",
        "page": "p",
    }
    registry = {
        "name": "fraud",
        "display_name": text,
        "description": text,
        "database": {"host": text},
        "findings": [finding],
    }
    registry["access"] = [{"kind": "User", "name": text}]
    hostile = {"registries": [registry], "findings": [finding], "msg": f"it failed: {text}", text: text}
    report = "{'cluster': seen, 'database': {'msg': seen.registries[0].display_name}} | opendatahub.model_registry.preflight_report"
    saved = "lookup('ansible.builtin.file', playbook_dir ~ '/saved.json') | from_json"
    tasks: list[dict[str, Any]] = [
        {"hostile": {}, "register": "seen"},
        {"ansible.builtin.debug": {"msg": "{{ seen }}"}},
        {"ansible.builtin.debug": {"msg": "{{ item.name }}: {{ item.display_name }}"}, "loop": "{{ seen.registries }}",
         "loop_control": {"label": "{{ item.description }}"}},
        {"ansible.builtin.debug": {"msg": "{{ report }}"}, "vars": {"report": "{{ " + report + " }}"}},
        {"ansible.builtin.debug": {"msg": "{{ report.lines + [report.message] }}"}, "vars": {"report": "{{ " + report + " }}"}},
        {"ansible.builtin.set_fact": {"kept": "{{ " + report + " }}", "again": "{{ seen.registries[0] }}"}},
        {"ansible.builtin.debug": {"msg": "{{ kept.findings }} {{ kept.message }} {{ again.database.host }}"}},
        {"ansible.builtin.assert": {"that": "kept.failing | length == 2", "quiet": True, "fail_msg": "{{ kept.message }}"}},
        {"ansible.builtin.copy": {"content": "{{ seen.registries | to_nice_json }}", "dest": str(tmp_path / "saved.json"), "mode": "0600"}},
        {"hostile": {"text": "{{ saved[0].display_name }}"}, "vars": {"saved": "{{ " + saved + " }}"}, "register": "back"},
        {"ansible.builtin.debug": {"msg": "{{ saved }}"}, "vars": {"saved": "{{ " + saved + " }}"}},
        {"ansible.builtin.assert": {"that": "back.got == seen.registries[0].display_name", "quiet": True}},
    ]  # fmt: skip
    output = run(tmp_path, hostile, tasks)
    assert output.count("lookup('ansible.builtin.pipe'") > 10, "it is shown as it is"
    assert not made.exists()
