# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: the life of a registry by the collection's playbooks, on a testbed of real parts."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from testbed.bed import Testbed
from testbed.databases import NAMESPACE as DATABASES
from testbed.databases import connect_mysql

HERE = Path(__file__).resolve().parent
REGISTRIES = "rhoai-model-registries"
MODELS = "/api/model_registry/v1alpha3/registered_models"
QUIET = {
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
}
NAMED = {"registry_name": "fraud"}
Result = TypeVar("Result")


def step(text: str, do: Callable[[], Result]) -> Result:
    """Run a step and print what it does and how long it takes."""
    print(f"\n▶ {text}", flush=True)
    started = time.monotonic()
    result = do()
    print(f"✔ {text} ({time.monotonic() - started:.1f} s)", flush=True)
    return result


def sql(bed: Testbed, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Run a statement as the database's administrator and return its rows."""
    with connect_mysql(bed, "mysql-80") as connection, connection.cursor() as cursor:
        print(f"    mysql> {statement.replace('%%', '%')}")
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def play(bed: Testbed, playbook: str, answers: dict[str, str], *, password: str = "", fails: str = "") -> None:
    """Run a playbook inside the testbed, as an administrator of registries would. fails: the expected error."""
    environment = {**bed.environment("registry-admin"), "MODEL_REGISTRY_DATABASE_PASSWORD": password, **QUIET}
    name = playbook if playbook.endswith(".yml") else f"opendatahub.model_registry.{playbook}"
    command = [str(Path(sys.executable).with_name("ansible-playbook")), name]
    if answers:
        command += ["--extra-vars", json.dumps(answers)]
    print(f"    $ ansible-playbook {shlex.join(command[1:])}", flush=True)
    command = bed.command(command)
    said = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            said.append(line)
    failed = process.returncode != 0
    if failed is not bool(fails) or fails not in " ".join("".join(said).split()):
        what = f"did not fail with “{fails}”" if fails else "failed"
        raise SystemExit(f"✘ the playbook {playbook} {what}; what the parts wrote: {bed.layout.logs}")


def rest(bed: Testbed, method: str, path: str, body: object = None) -> Any:
    """Send one request to the registry's REST API, through a port-forward to its pod."""
    status, text = bed.http("deployment/fraud", 8080, REGISTRIES, (method, path), body)
    print(f"    {method} {path} → {status} {text.strip()}")
    if status >= 300:
        raise SystemExit(f"✘ the registry answered {status}")
    return json.loads(text)


def make_account(bed: Testbed, name: str, password: str) -> None:
    """Create an empty database, and an account of the same name for it."""
    sql(bed, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    sql(bed, f"CREATE USER '{name}'@'%%' IDENTIFIED BY %s", password)
    sql(bed, f"GRANT ALL ON {name}.* TO '{name}'@'%'")


def database(name: str) -> dict[str, str]:
    """Return the survey's answers about a registry's database."""
    host = f"mysql-80.{DATABASES}.svc.cluster.local"
    return {"database_type": "mysql", "database_host": host, "database_name": name, "database_username": name}


def create(bed: Testbed) -> None:
    """Create the registry, with a database of its own."""
    password = secrets.token_urlsafe(18)
    step(
        "An empty database and an account for the registry, on a real MySQL server",
        lambda: make_account(bed, "fraud", password),
    )
    words = {"display_name": "Fraud models", "description": "Models of the fraud team"}
    about = {"registry_name": "fraud", **words, **database("fraud")}
    step("A registry, ready to serve", lambda: play(bed, "create", about, password=password))


def use(bed: Testbed) -> None:
    """Register a model, as a data scientist's client would."""
    model = step("A model is registered over REST", lambda: rest(bed, "POST", MODELS, {"name": "fraud-detection"}))
    found = step("… and read back", lambda: rest(bed, "GET", f"{MODELS}/{model['id']}"))
    assert found["name"] == "fraud-detection"


def edit(bed: Testbed) -> None:
    """Edit what users see, then rotate the password."""
    words = {"display_name": "Fraud and risk models", "description": "Models of the fraud and risk teams"}
    step("Another display name and description", lambda: play(bed, "update", {**NAMED, **words}))
    rotated = secrets.token_urlsafe(18)

    def rotate() -> None:
        sql(bed, "ALTER USER 'fraud'@'%%' IDENTIFIED BY %s", rotated)
        play(bed, "update", {**NAMED, "rotate_password": "true"}, password=rotated)

    step("Another database password: the registry is restarted with it, and answers", rotate)
    found = step("The model is still there", lambda: rest(bed, "GET", MODELS))
    assert [item["name"] for item in found["items"]] == ["fraud-detection"]


def look(bed: Testbed) -> None:
    """Show the status of a registry that works and of one that does not."""
    broken = {"registry_name": "broken", **database("fraud")}
    step(
        "A second registry, whose password is wrong: why it does not work, in MySQL's own words",
        lambda: play(bed, "create", broken, password="wrong", fails="Error 1045 (28000): Access denied for user"),
    )
    step("Both registries, as model_registry_info sees them", lambda: play(bed, str(HERE / "info.yml"), {}))
    step("The second one goes", lambda: play(bed, "teardown", {"registry_name": "broken", "confirm_name": "broken"}))


def tear_down(bed: Testbed) -> None:
    """Delete the registry; its rows stay."""
    step("A teardown that nobody has confirmed", lambda: play(bed, "teardown", NAMED, fails="nothing was deleted"))
    step(
        "… and one with the name typed again",
        lambda: play(bed, "teardown", {**NAMED, "confirm_name": "fraud"}),
    )
    rows = step(
        "The database is still there, and the model in it",
        lambda: sql(bed, "SELECT id, name FROM fraud.Context WHERE name = %s", "fraud-detection"),
    )
    print(f"    {rows}")
    assert len(rows) == 1, "the row should have stayed"


def demonstrate(bed: Testbed) -> None:
    """Demonstrate the life of one registry, seen from outside."""
    create(bed)
    use(bed)
    edit(bed)
    look(bed)
    tear_down(bed)


def main() -> None:
    """Start, demonstrate, stop."""
    started = time.monotonic()
    print(f"Namespaces: registries live in {REGISTRIES}, the database in {DATABASES}.")
    with tempfile.TemporaryDirectory(prefix="model-registry-demo-") as folder:
        state = Path(folder) / "state"
        bed = step(
            "A cluster of real parts: etcd, API server, controllers, a node, MySQL 8.0",
            lambda: Testbed.up(state, owner=os.getpid(), say=lambda line: print(f"    {line}", flush=True)),
        )
        try:
            demonstrate(bed)
        finally:
            step("Everything is stopped and removed", bed.down)
    print(f"\nDone in {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
