# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names from the cluster are data: the file that teardown saves, and what the playbook grant reads of it.

The play runs with the ansible-core of this Python, so that the matrix runs it with each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.filter.result_lines import result_lines
from ansible_collections.opendatahub.model_registry.plugins.filter.saved_permissions import saved_permissions

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(sys.executable).with_name("ansible-playbook")
EXPRESSION = "lookup('ansible.builtin.pipe', 'touch {}')"
TEMPLATES = (
    "{{{{ {} }}}}",
    "system:serviceaccount:dev:{{{{ {} }}}}",
    "{{%- if {} %}}x{{% endif %}}",
    "#jinja2:variable_start_string:'[[',variable_end_string:']]'\n[[ {} ]]",
    "#jinja2: block_start_string:'<%', variable_start_string: '<<', variable_end_string: '>>'\n<< {} >>",
    "{{{{ {} }}}}\u2028{{# x #}}",
    "!unsafe {{{{ {} }}}}",
    "'\"\\{{{{ {} }}}}",
)
"""Texts that run a command if anything takes them for a template. ``{}`` is the expression."""
OTHER_TYPES = (
    *("yes", "no", "on", "off", "true", "False", "y", "n", "null", "~", "Null", "NULL", "=", "<<"),
    *(
        "0",
        "1",
        "-1",
        "0123",
        "0o14",
        "0x1F",
        "0b1",
        "1_000",
        "2024_10",
        "12:30",
        "190:20:30",
        "1e3",
        "1.5",
        ".5",
        ".inf",
    ),
    *(".nan", "2026-01-01", "2026-01-01 10:00:00", "null\n", "yes\n", "None", "True", "[]", "{}", "['x']", "{'a': 1}"),
)
"""Texts that YAML, or Ansible's own reading of a template's result, can take for something else."""
AWKWARD = (
    *(
        "😀 Zoë",
        "a\u0085b\x7f\u2028",
        "\ufeffq\U000e0001",
        "- x",
        "a: b #c",
        "tab\tx",
        "\\",
        "!x",
        "!vault x",
        "&a",
        "*a",
        "? x",
    ),
    *(
        "%TAG",
        "---",
        "...",
        "@x",
        "`x`",
        "|",
        ">",
        "# x",
        "a\nb\n",
        "é" * 300,
        "x y " * 80 + "z",
        " x ",
        "\x1b[2J",
        "a,b",
    ),
)


def hostile(canary: Path) -> list[str]:
    """Return all names. Those that are templates create the file."""
    expression = EXPRESSION.format(canary)
    return [*(text.format(expression) for text in TEMPLATES), *OTHER_TYPES, *AWKWARD]


def run(saved: Path, place: Path) -> subprocess.CompletedProcess[str]:
    """Run the playbook grant with the file, with a task in its role's place that records the role's input."""
    (play,) = yaml.safe_load((ROOT / "playbooks" / "grant.yml").read_text())
    (role,) = play.pop("roles")
    names = [
        name for name in role["vars"] if name not in ("grant_state", "grant_adopt", "grant_verify", "grant_must_exist")
    ]
    told = "{{ {" + ", ".join(f"'{name}': {name} | default(none)" for name in names) + "} | to_json }}"
    keep = {"ansible.builtin.copy": {"content": told, "dest": str(place / "read.json")}, "vars": role["vars"]}
    folder = ROOT / "playbooks"
    files = [str(folder / file) for file in play["vars_files"]]
    (place / "play.yml").write_text(yaml.safe_dump([{**play, "vars_files": files, "tasks": [keep]}]))
    return subprocess.run(
        [str(RUNNER), "--extra-vars", f"@{saved}", str(place / "play.yml")],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_name_is_read_as_it_was(tmp_path: Path) -> None:
    """In each list, also those that grant then refuses; and a registry whose name YAML reads as another type."""
    canary = tmp_path / "ran"
    names = hostile(canary)
    account = {"namespace": names[0], "name": "null"}
    found = {"users": names, "groups": names, "projects": names, "members": names, "service_accounts": [account]}
    saved = tmp_path / "saved.yml"
    saved.write_text(saved_permissions(found, "yes"))
    done = run(saved, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {f"grant_{name}": value for name, value in found.items()}
    read = json.loads((tmp_path / "read.json").read_text())
    assert read == {**expected, "grant_registry": "yes", "grant_namespace": ""}
    assert not canary.exists(), "a name was run as a template"
    assert saved.read_text().isascii()


def test_the_same_names_as_variables_are_templates(tmp_path: Path) -> None:
    """So that the test above could fail."""
    saved, canary = tmp_path / "saved.yml", tmp_path / "ran"
    saved.write_text(yaml.safe_dump({"registry_name": "demo", "access_users": hostile(canary)}))
    run(saved, tmp_path)
    assert canary.exists()


@pytest.mark.parametrize("name", ["yes", "true", "null", "0123", "1e3", "on", "nan"])
def test_registries_keep_their_names(name: str) -> None:
    assert yaml.safe_load(saved_permissions({"users": []}, name).replace("!unsafe ", ""))["registry_name"] == name


@pytest.mark.parametrize(("job", "kept"), [({}, False), ({"AWX_PRIVATE_DATA_DIR": "/runner"}, True)])
def test_what_a_controllers_job_would_lose_is_in_its_output(job: dict[str, str], kept: bool, tmp_path: Path) -> None:
    """Its files go with it. In every case, the whole path is named."""
    tasks = yaml.safe_load((ROOT / "roles" / "teardown" / "tasks" / "save.yml").read_text())
    (tell,) = (task for task in tasks if task["name"] == "Show where the permissions are saved")
    name = "{{ lookup('ansible.builtin.pipe', 'touch " + str(tmp_path / "ran") + "') }}"
    facts = {
        "found": {"registries": [{"permissions": {"users": [name], "members": ["ann"]}}]},
        "saved": {"dest": "/x/y.yml"},
    }
    (tmp_path / "seen.json").write_text(json.dumps({"ansible_facts": facts}))
    module = (
        "#!/usr/bin/python\nimport json\nfrom ansible.module_utils.basic import AnsibleModule\n"
        f"AnsibleModule({{}}).exit_json(**json.load(open('{tmp_path}/seen.json'))['ansible_facts'])\n"
    )
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "hostile.py").write_text(module)
    told = {"teardown_name": "fraud", "teardown_found": "{{ seen.found }}", "teardown_saved": "{{ seen.saved }}"}
    steps = [{"hostile": {}, "register": "seen"}, {**tell, "vars": told}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": steps}]))
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections")}
    environment = {name: value for name, value in os.environ.items() if name != "AWX_PRIVATE_DATA_DIR"}
    done = subprocess.run(
        [str(RUNNER), "play.yml"],
        cwd=tmp_path,
        env={**environment, **collections, **job},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "the permissions are saved in /x/y.yml" in done.stdout, done.stdout + done.stderr
    assert ("access_members:" in done.stdout) is kept and ("!unsafe" in done.stdout) is kept
    assert not (tmp_path / "ran").exists()


def test_members_that_are_not_known_are_left_out() -> None:
    """So that grant leaves the Group unchanged. None of them is an empty list."""
    assert "access_members" not in saved_permissions({"users": [], "members": None}, "fraud")
    assert "access_members: []" in saved_permissions({"users": [], "members": []}, "fraud")


def test_lines_for_people() -> None:
    """One line each, with nothing in it that a terminal acts on."""
    entries: list[dict[str, Any]] = [
        {"kind": "User", "name": "alice", "bindings": ["x"]},
        {"kind": "ServiceAccount", "namespace": "a", "name": "b"},
        {"kind": "User", "name": "\x1b[2J\u202etxt\nok: all\x9b"},
        {"kind": "Group", "name": "x" * 10_000},
    ]
    assert result_lines(entries) == [
        "User alice",
        "ServiceAccount a b",
        "User \\x1b[2J\\u202etxt\\nok: all\\x9b",
        f"Group {'x' * 253}… (10000 characters)",
    ]
    assert result_lines(["bob", "a\tb"]) == ["bob", "a\\tb"]


def test_lines_of_changes() -> None:
    changes = [
        {"kind": "Secret", "name": "demo-db-password", "action": "patch", "fields": ["data", "metadata"]},
        {"kind": "ModelRegistry", "name": "demo", "action": "delete", "fields": []},
    ]
    assert result_lines(changes, ["action", "kind", "name", "fields"]) == [
        "patch Secret demo-db-password data, metadata",
        "delete ModelRegistry demo",
    ]
    assert result_lines(changes) == ["Secret demo-db-password", "ModelRegistry demo"]
