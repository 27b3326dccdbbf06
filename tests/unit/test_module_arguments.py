# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook's user types, and what the modules get of it, through all templates of playbooks and roles.

ansible-core before 2.19 evaluates a template's result if it looks like a Python literal.
"""

from __future__ import annotations

import json
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from answer_runs import ROOT, run

TEXTS = ("{'a': 1}", "[1]", "True", '{"a": null}', "None", "1e3", "[a, b]", "0123", "2024_10", "False", "nulls", " x ")
RECORDER = """
import json
import os

FACTS = {"name": "f", "registry_exists": False, "database_checkable": True}
RESULT = {"registry": FACTS, "facts": FACTS, "changes": [], "retained": [], "also_deleted": [], "registries": []}


def run_module(module, work):
    with open(os.environ["ARGUMENTS"], "a") as kept:
        kept.write(json.dumps([module._name.rpartition(".")[2], module.params]) + "\\n")
    module.exit_json(changed=False, **RESULT)
"""
MYSQL = """
import json
import os

from ansible.module_utils.basic import AnsibleModule

NAMES = "host password plugin plugin_auth_string name login_user login_password login_host ca_cert encoding query tls_requires"
spec = {**{name: {} for name in NAMES.split()}, "filter": {"type": "list"}, "positional_args": {"type": "list"}}
spec.update(login_port={}, config_file={}, update_password={}, priv={"type": "dict"}, append_privs={})
module = AnsibleModule(spec)
with open(os.environ["ARGUMENTS"], "a") as kept:
    kept.write(json.dumps(["mysql", module.params]) + "\\n")
module.exit_json(version={"major": 8, "full": "8.0"}, server_engine="MySQL", query_result=[[]])
"""


def linked(source: Path, target: Path, *made: str) -> None:
    """Fill a folder with links to all that another has, except for what is made there."""
    target.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name not in made and not entry.name.startswith("."):
            (target / entry.name).symlink_to(entry)


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a place with this collection, whose modules record their arguments, and with a MySQL collection that does."""
    place = tmp_path_factory.mktemp("recording")
    ours = place / "ansible_collections" / "opendatahub" / "model_registry"
    linked(ROOT, ours, "plugins")
    linked(ROOT / "plugins", ours / "plugins", "module_utils")
    linked(ROOT / "plugins" / "module_utils", ours / "plugins" / "module_utils", "_module.py")
    (ours / "plugins" / "module_utils" / "_module.py").write_text(
        f"{RECORDER}\n\nConnect = Result = run_module\nALLOWANCE = 0\n"
    )
    mysql = place / "ansible_collections" / "ansible" / "mysql"
    (mysql / "plugins" / "modules").mkdir(parents=True)
    names = ("mysql_info", "mysql_query", "mysql_db", "mysql_user")
    for name in names:
        (mysql / "plugins" / "modules" / f"{name}.py").write_text(MYSQL)
    (mysql / "meta").mkdir()
    groups = {"action_groups": {"all": [f"ansible.mysql.{name}" for name in names]}}
    (mysql / "meta" / "runtime.yml").write_text(json.dumps(groups))
    kubernetes = place / "ansible_collections" / "kubernetes"
    kubernetes.mkdir()
    (kubernetes / "core").symlink_to(ROOT / ".venv" / "collections" / "ansible_collections" / "kubernetes" / "core")
    return place


def arguments(place: Path, collections: Path, book: str, answers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the last arguments of each module that a playbook runs."""
    (place / "answers.json").write_text(json.dumps(answers))
    kept = place / "arguments"
    kept.touch()
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ARGUMENTS": str(kept)}
    done = run(place, f"opendatahub.model_registry.{book}", "-e", "@answers.json", environment=environment)
    calls = dict(json.loads(line) for line in kept.read_text().splitlines())
    assert calls, done.stdout + done.stderr
    return calls


REGISTRY = {
    "registry_name": "name",
    "display_name": "display_name",
    "description": "description",
    "registries_namespace": "namespace",
    "registry_image": "image",
    "database_host": "database.host",
    "database_name": "database.name",
    "database_username": "database.username",
    "database_password": "database.password",
    "ca_name": "database.tls.ca_config_map.name",
    "ca_key": "database.tls.ca_config_map.key",
    "auth_proxy_image": "auth_proxy_settings.image",
}
"""Variables that are texts, and the modules' options."""
ROLES: list[tuple[str, str, dict[str, str]]] = [
    ("create", "model_registry", REGISTRY),
    ("update", "model_registry", REGISTRY),
    ("teardown", "model_registry", {"registry_name": "name", "registries_namespace": "namespace"}),
    ("preflight", "model_registry_preflight", {name: path for name, path in REGISTRY.items() if name not in ("description", "registry_image")}),
    ("preflight", "mysql_auth_check", {"relay_image": "relay_image", "database_password": "database.password", "registries_namespace": "namespace"}),
    ("grant", "model_registry_permissions", {"registry_name": "registry", "registries_namespace": "namespace"}),
]  # fmt: skip
MORE = {"preflight": False, "ca_source": "config_map", "ca_name": "n", "ca_key": "k", "access_users": ["[1]", "True"]}


@pytest.mark.parametrize(("book", "module", "options"), ROLES, ids=[f"{book}-{module}" for book, module, _ in ROLES])
@pytest.mark.parametrize("first", [0, 5])
def test_texts_arrive_as_they_are_typed(
    tmp_path: Path, collections: Path, book: str, module: str, options: dict[str, str], first: int
) -> None:
    """Each variable has another text, and in the second run yet another."""
    typed = dict(zip(options, islice(cycle(TEXTS), first, None), strict=False))
    more = {"registry_name": "f", **MORE, **typed}
    found = arguments(tmp_path, collections, book, more)[module]
    assert {name: at(found, path) for name, path in options.items()} == typed
    if book == "grant":
        assert found["users"] == MORE["access_users"]


def at(options: dict[str, Any], path: str) -> Any:
    """Return the value under a path with dots."""
    for name in path.split("."):
        options = options[name]
    return options


@pytest.mark.parametrize("text", TEXTS[:4])
def test_passwords_arrive_as_they_are_typed(tmp_path: Path, collections: Path, text: str) -> None:
    """Those of the database's account and of the administrator."""
    account = {"database_name": "d", "database_username": "u", "database_host": "h"}
    secrets = {"database_password": text, "admin_password": text}
    found = arguments(tmp_path, collections, "prepare_database", {**account, **secrets})["mysql"]
    assert (found["plugin_auth_string"], found["login_password"]) == (text, text)
