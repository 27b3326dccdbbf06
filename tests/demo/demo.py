# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: the life of a registry by the collection's playbooks, on a testbed of real parts.

It shows what a user reads, and keeps everything in a file. VERBOSE=1 shows everything.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path
from typing import Any, TextIO

import yaml
from terminal import messages
from testbed.bed import Testbed
from testbed.databases import NAMESPACE as DATABASES
from testbed.databases import connect_mysql
from testbed.manifests import database_check

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "tests" / "output" / "demo"
LOG = OUTPUT / "demo.log"
INVENTORY = ROOT / "examples" / "inventory.yml"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
REGISTRIES = "rhoai-model-registries"
MODELS = "/api/model_registry/v1alpha3/registered_models"
USER = "platform-admin"
PASSWORD = "MODEL_REGISTRY_DATABASE_PASSWORD"
WRITES = ("create", "update", "patch", "delete", "deletecollection")
FINDING = re.compile(r" *(BLOCKER|WARNING) ")
"""How a finding begins, which the count above it stands for."""
NEXT = """\
What to try next:
  testbed up                     a cluster for your own first registry: docs/testbed.md (in .venv/bin)
  examples/                      plays for create, update, grant, preflight in CI, several registries, teardown
  make demo VERBOSE=1            the same with everything that ansible-playbook prints"""


class Failed(Exception):
    """A step did not end as it should; the text says how."""


@dataclass
class Demo:
    """What is shown, and what is kept in the log."""

    log: TextIO
    verbose: bool
    steps: list[tuple[str, float]] = field(default_factory=list)
    """The finished steps, each with its seconds."""
    shown: set[str] = field(default_factory=set)
    """The messages of playbooks that were shown."""

    def say(self, line: str) -> None:
        """Show a line, and keep it."""
        print(line, flush=True)
        self.keep(line)

    def keep(self, line: str) -> None:
        """Keep a line in the log; show it only if everything is shown."""
        self.log.write(f"{line}\n")
        self.log.flush()

    def detail(self, line: str) -> None:
        """Keep a line, and show it if everything is shown."""
        (self.say if self.verbose else self.keep)(line)

    def messages(self, output: Iterable[str]) -> None:
        """Keep what a playbook prints. Show its messages, and only count those that were shown before; findings are named again."""
        repeated = 0
        for line in messages(map(self._kept, output)):
            # While a user waits, this is what moves. Read afterwards, it says nothing.
            if self.verbose or line.startswith("  waiting for "):
                continue
            if line in self.shown and not FINDING.match(line):
                repeated += 1
            else:
                self.shown.add(line)
                print(f"  {line}", flush=True)
        if repeated:
            print(f"    … {repeated} {'line' if repeated == 1 else 'lines'} as before", flush=True)

    def _kept(self, line: str) -> str:
        self.detail(f"    {line.rstrip()}")
        return line

    def progress(self, line: str) -> None:
        """Show how far a build is; keep the steps of a start."""
        (self.detail if re.match(r" *[\d.]+ s  ", line) else self.say)(f"  {line}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show a step's title, and remember its seconds if it succeeds."""
        self.say(f"▶ {title}")
        started = time.monotonic()
        yield
        self.steps.append((title, time.monotonic() - started))

    def table(self) -> Iterator[str]:
        """Yield the finished steps, a line each."""
        width = max(len(title) for title, _seconds in self.steps)
        for title, seconds in self.steps:
            yield f"  ✔ {title:{width}}  {seconds:6.1f} s"


@dataclass
class Registry:
    """The registry of the demonstration, on a testbed, as an administrator of registries works with it."""

    demo: Demo
    bed: Testbed
    place: Path
    """The folder with the inventory and the files of variables."""

    def play(self, playbook: str, variables: str, *options: str, password: str = "", fails: str = "") -> None:
        """Run a playbook, and show what it says. fails: words of the error that it must end with."""
        words = [
            "-i",
            "inventory.yml",
            f"opendatahub.model_registry.{playbook}",
            *(["-e", variables] if variables else []),
            *options,
        ]
        shown = " ".join(f"'{word}'" if " " in word else word for word in words)
        self.demo.say(f"  $ {f'{PASSWORD}=… ' if password else ''}ansible-playbook {shown}")
        environment = {**self.bed.environment(USER), **({PASSWORD: password} if password else {})}
        command = self.bed.command([str(PLAYBOOK), *words])
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, env=environment, cwd=self.place, **streams) as process:
            assert process.stdout is not None
            first, second = tee(process.stdout)
            self.demo.messages(first)
            output = "".join(second)
        failed = process.returncode != 0
        if failed is not bool(fails) or fails not in " ".join(output.split()):
            raise Failed(f"{playbook} did not fail with “{fails}”" if fails else f"{playbook} failed")
        if fails:
            self.demo.say("  → refused, as it should be")

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as the database's administrator and return its rows."""
        with connect_mysql(self.bed, "mysql-80") as connection, connection.cursor() as cursor:
            self.demo.detail(f"    mysql> {statement.replace('%%', '%')}")
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def rest(self, method: str, path: str, body: object = None) -> Any:
        """Send one request to the registry's REST API, through a port-forward to its pod."""
        status, text = self.bed.http("deployment/fraud", 8080, REGISTRIES, (method, path), body)
        self.demo.detail(f"    {method} {path} → {status} {text.strip()}")
        if status >= 300:
            raise Failed(f"the registry answered {status}: {text}")
        return json.loads(text)

    def variables(self, name: str, **variables: object) -> str:
        """Write a file of variables, and return the option's value that reads it."""
        (self.place / f"{name}.yml").write_text(yaml.safe_dump(variables, sort_keys=False))
        return f"@{name}.yml"

    def make_database(self, name: str, password: str, charset: str, grants: str) -> None:
        """Create an empty database, and an account of the same name for it."""
        self.sql(f"CREATE DATABASE {name} CHARACTER SET {charset}")
        self.sql(f"CREATE USER '{name}'@'%%' IDENTIFIED BY %s", password)
        self.sql(f"GRANT {grants} ON {name}.* TO '{name}'@'%'")

    def about(self, database: str) -> dict[str, str]:
        """Return the variables of the registry on a database."""
        words = {"registry_name": "fraud", "display_name": "Fraud models", "description": "Models of the fraud team"}
        host = f"mysql-80.{DATABASES}.svc.cluster.local"
        return {**words, "database_host": host, "database_name": database, "database_username": database}

    def no_writes(self, run: Callable[[], None]) -> None:
        """Run, and say how many writes to the cluster the API server's audit log has of it. Raises Failed if any."""
        before = len(self.bed.audit())
        run()
        asked = [one for one in self.bed.audit()[before:] if one["user"]["username"] == USER]
        writes = [
            one
            for one in asked
            if one["verb"] in WRITES
            and "dryRun=All" not in one["requestURI"]
            and not one["objectRef"]["resource"].endswith("reviews")
        ]
        if writes or not asked:
            raise Failed(f"the audit log has {len(asked)} requests, and writes: {writes}")
        self.demo.say(f"  → 0 of its {len(asked)} requests wrote, says the API server's audit log")


def check(registry: Registry) -> None:
    """Check a database that no registry can use."""
    demo, password = registry.demo, secrets.token_urlsafe(18)
    with demo.step("A database that no registry can use: latin1, and rights are missing"):
        registry.make_database("legacy", password, "latin1", "SELECT, INSERT")
        bad = registry.variables("legacy", **registry.about("legacy"))
        registry.play("preflight", bad, password=password, fails="latin1")


def create(registry: Registry) -> None:
    """Create the registry on a good database, use it, and run the same again."""
    demo, password = registry.demo, secrets.token_urlsafe(18)
    with demo.step("A good database: it is checked, and the registry created"):
        registry.make_database("fraud", password, "utf8mb4", "ALL")
        good = registry.variables("fraud", **registry.about("fraud"))
        registry.play("create", good, password=password)
        model = registry.rest("POST", MODELS, {"name": "fraud-detection"})
        demo.say(f"  → it answers, and model {model['id']}, {model['name']}, is registered in it over REST")
    with demo.step("The same run again changes nothing"):
        registry.no_writes(lambda: registry.play("create", good, password=password))


def edit(registry: Registry) -> None:
    """Edit what users see, then rotate the password: first with a wrong one."""
    demo = registry.demo
    edit = registry.variables("edit", registry_name="fraud", description="Models of the fraud and risk teams")
    with demo.step("An edit: what it would change, by check mode, and then the edit"):
        registry.no_writes(lambda: registry.play("update", edit, "--check"))
        registry.play("update", edit)
    rotated = secrets.token_urlsafe(18)
    rotate = "registry_name=fraud rotate_password=true"
    with demo.step("A wrong password: the failure in MySQL's own words, and the registry serves on"):
        registry.sql("ALTER USER 'fraud'@'%%' IDENTIFIED BY %s", rotated)
        unchecked = f"{rotate} preflight=false"
        registry.play(
            "update", unchecked, password="mistyped", fails="Error 1045 (28000): Access denied for user 'fraud'@"
        )
        registry.rest("GET", MODELS)
        demo.say("  → it still answers, with the old pod")
    with demo.step("The right password: stored, and the registry restarted with it"):
        registry.play("update", rotate, password=rotated)


def share(registry: Registry) -> None:
    """Grant a colleague access, who tries before and after."""

    def tried() -> int:
        path = f"/api/v1/namespaces/{REGISTRIES}/services/fraud"
        status: int = registry.bed.api("colleague").raw("GET", path)[0]
        return status

    with registry.demo.step("Share it with a colleague"):
        user = {"apiVersion": "user.openshift.io/v1", "kind": "User", "metadata": {"name": "colleague"}}
        registry.bed.api().apply(user)
        before = tried()
        registry.play("grant", "registry_name=fraud access_users=colleague")
        after = tried()
        if (before, after) != (403, 200):
            raise Failed(f"the colleague got {before} before and {after} after")
        registry.demo.say("  → the colleague was refused before, and has access now")
    with registry.demo.step("All registries, and who may use them"):
        registry.play("info", "")


def tear_down(registry: Registry) -> None:
    """Delete the registry; its rows stay."""
    demo = registry.demo
    with demo.step("A teardown that is not confirmed"):
        registry.play("teardown", "registry_name=fraud", fails="nothing was deleted")
    with demo.step("… and with the name typed again"):
        registry.play("teardown", "registry_name=fraud confirm_name=fraud")
    with demo.step("The data is still there"):
        rows = registry.sql("SELECT id, name FROM fraud.Context WHERE name = %s", "fraud-detection")
        if len(rows) != 1:
            raise Failed(f"the model is not in the database: {rows}")
        demo.say(f"  → the table Context has the model, with number {rows[0][0]}")


def demonstrate(demo: Demo, folder: Path) -> None:
    """Start a cluster, show the life of one registry there, stop it."""
    shutil.copy(INVENTORY, folder)
    with demo.step("A cluster of real parts: etcd, API server, controllers, a node, MySQL 8.0"):
        bed = Testbed.up(folder / "state", owner=os.getpid(), say=demo.progress)
    try:
        registry = Registry(demo, bed, folder)
        for body in database_check(DATABASES, USER):
            bed.api().apply(body)
        check(registry)
        create(registry)
        edit(registry)
        share(registry)
        tear_down(registry)
    except BaseException:
        shutil.copytree(bed.layout.logs, OUTPUT / "parts")
        raise
    finally:
        bed.down()


def main() -> int:
    """Run the demonstration; return an exit status."""
    started = time.monotonic()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    with LOG.open("w") as log, tempfile.TemporaryDirectory(prefix="model-registry-demo-") as folder:
        demo = Demo(log, os.environ.get("VERBOSE", "0") not in ("", "0"))
        demo.say(f"The life of a model registry. Everything that is printed: {LOG.relative_to(ROOT)}, or VERBOSE=1")
        try:
            demonstrate(demo, Path(folder))
        except Failed as error:
            demo.say(f"\n✘ {error}. See {LOG}; the cluster's parts wrote {OUTPUT / 'parts'}")
            return 1
        demo.say("")
        for line in demo.table():
            demo.say(line)
        demo.say(f"Done in {time.monotonic() - started:.0f} s; nothing is left running.\n\n{NEXT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
