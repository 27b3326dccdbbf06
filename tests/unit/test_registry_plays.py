# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks info and export on texts that can be anything: data wherever they are shown, written and read again.

The plays run with the ansible-core of this Python, so that the matrix runs them with each.
"""

from __future__ import annotations

import json
import stat
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.questions import Question
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.values import is_blank
from answer_runs import ROOT, in_one_play, options_of, run
from registry_entries import binding, entry, finding, found
from test_registry_variables import text_of
from test_saved_permissions import hostile

Result = dict[str, Any]
VARIABLES = 21
"""Of the playbook create, that a registry with texts everywhere has a text for."""
READ = "opendatahub.model_registry.model_registry_info"


def everywhere(*texts: str) -> Result:
    """Return a registry with the texts, one after the other, wherever the cluster can have one."""
    text = cycle(texts)

    def ref() -> Result:
        return {"name": next(text), "key": next(text)}

    settings = {"image": next(text), "domain": next(text), "certificate_secret": ref(), "key_secret": ref()}
    tls = {"ca_secret": ref(), "client_certificate_secret": ref(), "client_key_secret": ref(), "cipher": next(text)}
    names = {"host": next(text), "name": next(text), "username": next(text)}
    words = ("reason", "message", "next_step", "source")
    return entry(
        "fraud",
        display_name=next(text),
        description=next(text),
        database={"type": "mysql", **names, "password_secret": ref(), "tls": tls},
        image=next(text),
        auth_proxy="kube_rbac",
        auth_proxy_settings=settings,
        hosts=[next(text)],
        resources={"limits": {"cpu": next(text)}},
        status={"state": "failed", **{word: next(text) for word in words}},
        access=[binding("User", next(text))],
        permissions={"users": [next(text)], "groups": [], "projects": [], "service_accounts": []},
        findings=[finding("not_returnable", "blocker", what=next(text), why=next(text), remedy=next(text))],
    )


def answered(one: Result) -> Result:
    """Return the options of the role create that stand for a registry."""
    names = ("name", "display_name", "description", "database", "image", "auth_proxy", "auth_proxy_settings")
    return {name: one[name] for name in names if name in one}


def play(place: Path, book: str, registries: list[Result], variables: Result, *arguments: str, **env: str) -> str:
    """Run a playbook on results that a module of the test returns; return its output."""
    (one,) = yaml.safe_load((ROOT / "playbooks" / f"{book}.yml").read_text())
    (place / "found.json").write_text(json.dumps(found(*registries)))
    module = (
        "#!/usr/bin/python\nimport json\nfrom ansible.module_utils.basic import AnsibleModule\n"
        "module = AnsibleModule({'name': {}, 'namespace': {}}, supports_check_mode=True)\n"
        f"module.exit_json(**json.load(open('{place}/found.json')))\n"
    )
    (place / "library").mkdir(exist_ok=True)
    (place / "library" / "hostile.py").write_text(module)
    tasks = [{("hostile" if key == READ else key): value for key, value in task.items()} for task in one["tasks"]]
    assert tasks != one["tasks"]
    files = [str(ROOT / "playbooks" / file) for file in one["vars_files"]]
    (place / "play.yml").write_text(yaml.safe_dump([{**one, "vars_files": files, "tasks": tasks}]))
    (place / "given.json").write_text(json.dumps(variables))
    done = run(place, "play.yml", "-e", f"@{place}/given.json", *arguments, environment={"PWD": str(place), **env})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_text_is_read_as_it_was(tmp_path: Path) -> None:
    """Written by the playbook export, and read by the first task of create."""
    canary = tmp_path / "ran"
    # What no variable can be for is in a comment.
    texts = [text for text in hostile(canary) if not is_blank(Question("description"), text)]
    registries = [everywhere(*texts[first : first + VARIABLES]) for first in range(0, len(texts), VARIABLES)]
    written = [text_of(one) for one in registries]
    assert all(file.isascii() for file in written)
    read, output = in_one_play(tmp_path, "create", {}, written)
    assert read == [answered(one) for one in registries], output
    assert not canary.exists(), "a text was run as a template"


def test_texts_are_data_in_both_playbooks(tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    text = "{{ lookup('ansible.builtin.pipe', 'touch " + str(canary) + "') }}\x1b[2J"
    one = {**everywhere(text), "name": "fraud"}
    for variables in ({}, {"registry_name": "fraud"}, {"info_query": "registries[].[name, description]"}):
        shown = play(tmp_path, "info", [one], variables)
        assert "touch" in shown and "\x1b[2J" not in shown
    play(tmp_path, "export", [one], {"registry_name": "fraud", "export_to": "fraud.yml"})
    assert options_of(tmp_path, "create", (tmp_path / "fraud.yml").read_text())[0] == answered(one)
    assert not canary.exists(), "a text was run as a template"


@pytest.mark.parametrize(
    ("variables", "environment", "is_shown"),
    [
        ({}, {}, True),
        ({"export_to": "fraud.yml"}, {}, False),
        ({"export_to": "fraud.yml"}, {"AWX_PRIVATE_DATA_DIR": "/runner"}, True),
        ({"export_to": "fraud.yml", "awx_job_id": 7}, {}, True),
    ],
)
def test_where_an_export_goes(tmp_path: Path, variables: Result, environment: dict[str, str], is_shown: bool) -> None:
    """To the file that is named, readable by its owner alone, or into the output. A controller's job has both."""
    shown = play(tmp_path, "export", [entry("fraud")], {"registry_name": "fraud", **variables}, **environment)
    file = tmp_path / "fraud.yml"
    assert ('database_name: "fraud"' in shown) is is_shown
    assert file.exists() is ("export_to" in variables) is (f"Written to {file}" in shown)
    if file.exists():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text() == text_of(entry("fraud"))
        foreseen = play(tmp_path, "export", [entry("risk")], {"registry_name": "risk", **variables}, "--check")
        assert 'database_name: "risk"' in foreseen and "fraud" in file.read_text()
