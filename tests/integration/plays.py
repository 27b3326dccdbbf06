# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks, playbooks and programs on a testbed as a user would, and tells what they have asked of the API server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from modules import Task, worker
from registries import Registries
from testbed.bed import Testbed
from testbed_fixtures import Servers, Start

__all__ = [
    "HOST",
    "INFO",
    "MODULE",
    "PERMISSIONS",
    "ROOT",
    "RUNNER",
    "Answers",
    "Book",
    "Played",
    "Servers",
    "Start",
    "book",
    "dashboards_secret",
    "full",
    "in_playbook",
    "mysql",
    "play",
    "program",
    "store",
    "succeeded",
    "task",
    "versions",
]

MODULE = "opendatahub.model_registry.model_registry"
INFO = "opendatahub.model_registry.model_registry_info"
PERMISSIONS = "opendatahub.model_registry.model_registry_permissions"
HOST = "mysql-80.databases.svc.cluster.local"
"""The database server that is always there."""
ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".venv" / "collections"
RUNNER = Path(sys.executable).with_name("ansible-playbook")
WRITES = ("create", "update", "patch", "delete", "deletecollection")
CONFLICT = 409
CLIENT = "OpenAPI-Generator/"
"""How the Kubernetes client for Python begins to name itself to the API server: nothing else of the tests uses it."""
Result = dict[str, Any]
Answers = dict[str, Any]


def task(module: str = MODULE, **options: Any) -> Result:
    """Return a task; check_mode may be among the options."""
    keywords: Result = {name: options.pop(name) for name in ("check_mode", "diff") if name in options}
    return {"name": f"{module} {options.get('name', '')}", module: options, **keywords}


def mysql(name: str, **more: Any) -> Result:
    """Options of a registry on the database of its own name, as Registries.make_database() makes it, without password."""
    return {"name": name, "database": {"type": "mysql", "host": HOST, "name": name, "username": name, **more}}


def full(name: str, **more: Any) -> Result:
    """Return the same options with the password that the account has."""
    return mysql(name, **{"password": f"{name}-password", **more})


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
            # Refused because the object has changed meanwhile: it is sent again.
            and request.get("responseStatus", {}).get("code") != CONFLICT
            and "dryRun=All" not in request["requestURI"]
            and not request["objectRef"]["resource"].endswith("reviews")
        ]


@dataclass
class Book(Played):
    """What a playbook of the collection has come to."""

    succeeded: bool = True

    @property
    def counts(self) -> dict[str, int]:
        """The recap: ok, changed, failed, …"""
        recap = self.output.rpartition("PLAY RECAP")[2]
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", recap)}

    @property
    def said(self) -> list[str]:
        """The lines for people, in order, without their indent."""
        # Where the play is loud, results are indented, too.
        return [line.strip() for line in self.output.splitlines() if line.startswith("  ")]

    def lines(self, label: str) -> list[str]:
        """Return what the lines with that label have after it."""
        return [line[len(label) + 2 :] for line in self.said if line.startswith(f"{label}: ")]


def succeeded(played: Played) -> Played:
    """Return the play if none of its tasks has failed."""
    assert not any(result.get("failed") for result in played.results), played.output
    return played


def play(
    bed: Testbed,
    *tasks: Result,
    user: str = "registry-admin",
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Played:
    """Run the tasks one after the other inside the testbed. One that fails does not keep the next ones from running.

    Modules of the collection run without a playbook around them where nothing is asked for that only a playbook has:
    options of ansible-playbook, an environment, keywords of a task, expressions.
    """
    if not options and not environment and all(map(_is_plain, tasks)):
        return _run_modules(bed, user, tasks)
    return in_playbook(bed, *tasks, user=user, options=options, environment=environment)


def in_playbook(
    bed: Testbed,
    *tasks: Result,
    user: str = "registry-admin",
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Played:
    """Run the tasks in one play of ansible-playbook inside the testbed."""
    with tempfile.TemporaryDirectory() as folder:
        answers, file = Path(folder, "answers.json"), Path(folder, "play.yml")
        steps = [{**one, "register": f"result_{i}", "ignore_errors": True} for i, one in enumerate(tasks)]
        names = ", ".join(f"result_{i}" for i in range(len(tasks)))
        keep = {
            "ansible.builtin.copy": {"content": f"{{{{ [{names}] | to_json }}}}", "dest": str(answers), "mode": "0600"},
            "check_mode": False,
            "no_log": True,
        }
        file.write_text(
            yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [*steps, keep]}], sort_keys=False)
        )
        done, requests = _run(bed, user, [*options, str(file)], environment or {})
        assert answers.exists(), done.stdout + done.stderr
        return Played(json.loads(answers.read_text()), done.stdout + done.stderr, requests)


def _is_plain(one: Result) -> bool:
    """Whether a task is a module of this collection with values as options, and no more."""
    names = set(one) - {"name", "check_mode", "diff"}
    return all(name.startswith("opendatahub.") for name in names) and "{{" not in json.dumps(one)


def _run_modules(bed: Testbed, user: str, tasks: Sequence[Result]) -> Played:
    expect_login(bed.layout.state, user)
    before = len(bed.audit())
    ran = [worker(bed.layout.state, user).run(_as_module(one)) for one in tasks]
    results = [{"changed": False, "failed": False, **_registered(one.result)} for one in ran]
    return Played(results, "\n".join(one.text for one in ran), _asked(bed, user, before))


def _registered(result: Result) -> Result:
    """Return a module's result as a play registers it: since ansible-core 2.19, a warning is more than its text."""
    texts = [one if isinstance(one, str) else one["event"]["msg"] for one in result.get("warnings", [])]
    return {**result, "warnings": texts} if texts else result


def _as_module(one: Result) -> Task:
    ((name, options),) = ((key, value) for key, value in one.items() if key.startswith("opendatahub."))
    mode = {"_ansible_check_mode": one.get("check_mode", False), "_ansible_diff": one.get("diff", False)}
    return Task(name.rpartition(".")[2], {**options, **mode})


def book(
    bed: Testbed,
    name: str,
    answers: Answers | Path,
    *options: str,
    user: str = "registry-admin",
    environment: Mapping[str, str] | None = None,
) -> Book:
    """Run a playbook of the collection inside the testbed, with answers as a survey gives them, or a file of them."""
    with tempfile.TemporaryDirectory() as folder:
        survey = answers if isinstance(answers, Path) else Path(folder, "answers.json")
        if not isinstance(answers, Path):
            survey.write_text(json.dumps(answers))
        command = [f"opendatahub.model_registry.{name}", "--extra-vars", f"@{survey}", *options]
        done, requests = _run(bed, user, command, environment or {})
        return Book([], done.stdout + done.stderr, requests, done.returncode == 0)


def program(
    bed: Testbed, file: str, *arguments: str, user: str = "registry-admin", paths: tuple[Path, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a Python program of this folder inside the testbed, with the collections (and more) on its path."""
    path = ":".join(map(str, (COLLECTIONS, *paths)))
    command = [sys.executable, str(Path(__file__).with_name(file)), *arguments]
    return bed.run(["env", f"PYTHONPATH={path}", *command], user=user, capture_output=True, check=False)


def store(registries: Registries, kind: str, name: str, data: Mapping[str, str]) -> None:
    """Store a Secret or ConfigMap of the user's own in the registries namespace."""
    meta = {"name": name, "namespace": registries.namespace}
    field = "stringData" if kind == "Secret" else "data"
    registries.api.apply({"apiVersion": "v1", "kind": kind, "metadata": meta, field: dict(data)})


def dashboards_secret(registries: Registries, name: str) -> str:
    """Create a password's Secret as the dashboard does; return the name that the API server generates."""
    keys = (("database_name", "name"), ("username", "user"), ("password", "password"))
    expose = {f"template.openshift.io/expose-{word}": f"{{.data['database-{key}']}}" for word, key in keys}
    meta = {"generateName": f"{name}-db-", "namespace": registries.namespace, "annotations": expose}
    values = {"database-name": name, "database-user": name, "database-password": f"{name}-password"}
    body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "stringData": values}
    made: str = registries.api.create(body)["metadata"]["name"]
    return made


def versions(registries: Registries, name: str) -> dict[str, str]:
    """Return the resourceVersion of each object of a registry, by kind and name: any write changes it."""
    kinds = [
        (registries.version, "ModelRegistry"),
        ("v1", "Secret"),
        ("v1", "ConfigMap"),
        ("apps/v1", "Deployment"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ]
    return {
        f"{kind} {item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for version, kind in kinds
        for item in registries.api.list(version, kind, registries.namespace)
        if f"{item['metadata']['name']}-".startswith(f"{name}-")
    }


def _run(
    bed: Testbed, user: str, arguments: list[str], environment: Mapping[str, str]
) -> tuple[subprocess.CompletedProcess[str], list[Result]]:
    """ansible-playbook's end, and what the user has asked of the API server meanwhile."""
    expect_login(bed.layout.state, user)
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"}
    before = len(bed.audit())
    done = subprocess.run(
        bed.command([str(RUNNER), *arguments]),
        env={**bed.environment(user), **settings, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, _asked(bed, user, before)


def _asked(bed: Testbed, user: str, before: int) -> list[Result]:
    """Return the user's requests since the audit log had that many lines."""
    asked = bed.audit()[before:]
    others = {one["user"]["username"] for one in asked if one.get("userAgent", "").startswith(CLIENT)} - {user}
    assert not others, f"the modules were to act as {user}, and were {others}"
    return [one for one in asked if one["user"]["username"] == user]


@cache
def expect_login(state: Path, user: str) -> None:
    """Raise AssertionError where the API server takes the user's kubeconfig for another's; asked once for each."""
    found = Testbed(state).api(user).whoami()
    assert found == user, f"the kubeconfig of {user} logs in as {found}"
