# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A search for a password, in every form it can take, in everything a run leaves: output, results, URLs, files."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from plays import HOST, ROOT
from registries import Registries
from testbed.bed import Testbed

Options = dict[str, Any]
CORE = "Zx81kanaRie"
PASSWORD = f"é?{CORE}-'\"{{{{ no }}}}%"
"""Whatever is quoted or escaped in it, CORE stays as it is."""
ROTATED = {"rotate_password": "true"}
BROKEN = '''\
"""Breaks requests of the module's process alone: TROUBLE says how."""
import os, signal, sys

if "AnsiballZ" in " ".join(sys.orig_argv) or "-" in sys.orig_argv[1:]:
    import urllib3.connectionpool as pools

    asked = pools.HTTPConnectionPool.urlopen

    def urlopen(self, method, url, body=None, *rest, **more):
        if method in ("POST", "PATCH") and "/secrets" in url:
            if os.environ["TROUBLE"] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if os.environ["TROUBLE"] == "reset":
                asked(self, method, url, body, *rest, **more)
                raise pools.ProtocolError(f"broken with {body}", ConnectionResetError(str(body)))
            raise RuntimeError(f"unforeseen, with {body} and {self}")
        return asked(self, method, url, body, *rest, **more)

    pools.HTTPConnectionPool.urlopen = urlopen
'''


def forms() -> list[str]:
    """Return the password's core in clear, in hexadecimal, and in base64 at each of three alignments."""
    encoded = [base64.b64encode(b" " * shift + CORE.encode() + b"  ").decode() for shift in range(3)]
    return [CORE, CORE.encode().hex(), *(text[4:12] for text in encoded)]


@dataclass(frozen=True)
class Traces:
    """What a run leaves."""

    succeeded: bool
    text: str
    """All terminal output, and the URLs of the audit log."""
    files: dict[Path, bytes]
    """All files below its home and temporary folders."""

    def clean(self) -> bool:
        """Return whether the password is nowhere."""
        found = [form for form in forms() if form in self.text]
        where = [path for path in self.files if self.holds(path)]
        assert not found, self.text
        assert not where, where
        return True

    def holds(self, path: Path) -> bool:
        """Return whether a file contains the password."""
        return any(form.encode() in self.files[path] for form in forms())


class Runner:
    """Runs playbooks of the collection as loud as can be, each with a home and a temporary folder of its own."""

    def __init__(self, bed: Testbed, folder: Path) -> None:
        self._bed = bed
        self._folder = folder
        (folder / "broken").mkdir()
        (folder / "broken" / "sitecustomize.py").write_text(BROKEN)

    def start(self, name: str, answers: Options, **variables: str) -> tuple[subprocess.Popen[str], Path]:
        """Begin one. variables: of its environment."""
        home = self._folder / f"run{time.time_ns()}"
        for part in (home, home / "tmp"):
            part.mkdir()
        survey = home.with_suffix(".json")
        survey.write_text(json.dumps(answers))
        environment = {
            **self._bed.environment("registry-admin"),
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(home / "remote"),  # otherwise below the home that the system knows
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
            "ANSIBLE_LOG_PATH": str(home / "ansible.log"),
            "MODEL_REGISTRY_DATABASE_PASSWORD": PASSWORD,
            **variables,
        }
        runner = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [runner, f"opendatahub.model_registry.{name}", "-vvvv", "--diff", "--extra-vars", f"@{survey}"]
        process = subprocess.Popen(
            self._bed.command(command),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return process, home

    def run(
        self, name: str, answers: Options, during: Callable[[int], None] = lambda _: None, **variables: str
    ) -> Traces:
        """Run one to its end. during: what happens meanwhile, given its process number."""
        before = len(self._bed.audit())
        process, home = self.start(name, answers, **variables)
        with process:
            during(process.pid)
            text = process.communicate(timeout=150)[0]
        asked = [one["requestURI"] for one in self._bed.audit()[before:]]
        files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
        return Traces(process.returncode == 0, text + "\n".join(asked), files)

    def broken(self, trouble: str, name: str, answers: Options) -> Traces:
        """Run one whose module fails in the given way when it writes the password."""
        return self.run(name, answers, PYTHONPATH=str(self._folder / "broken"), TROUBLE=trouble)


@pytest.fixture
def runner(bed: Testbed) -> Iterator[Runner]:
    """Run in a folder with a short name: Ansible makes a socket there, whose path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="leaks") as folder:
        yield Runner(bed, Path(folder))


def answers(name: str, **more: Any) -> Options:
    """Return the answers for a registry on the database of its own name."""
    database = {"database_type": "mysql", "database_host": HOST, "database_name": name, "database_username": name}
    return {"registry_name": name, **database, **more}


def gone(name: str) -> Options:
    return {"registry_name": name, "confirm_name": name}


def prepare(registries: Registries, name: str) -> None:
    """Make a database whose account has the password."""
    registries.make_database(name)
    quoted = PASSWORD.replace("'", "''")
    registries.sql(f"ALTER USER '{name}'@'%' IDENTIFIED BY '{quoted}'")


def test_the_search_finds_what_it_searches_for() -> None:
    """Whatever is around it."""
    for text in (PASSWORD, f"a{PASSWORD}", f"ab{PASSWORD}"):
        for shown in (
            text,
            base64.b64encode(text.encode()).decode(),
            text.encode().hex(),
            json.dumps(text),
            repr(text),
        ):
            assert any(form in shown for form in forms()), shown


def test_every_playbook(registries: Registries, runner: Runner) -> None:
    """From creation to teardown; in check mode, refused, and with a kubeconfig that is none."""
    prepare(registries, "quiet")
    books: list[tuple[str, Options, bool, dict[str, str]]] = [
        ("create", answers("quiet"), True, {}),
        ("update", answers("quiet", description="edited", **ROTATED), True, {}),
        ("update", answers("quiet", database_port="no number", **ROTATED), False, {}),
        ("update", answers("quiet", database_type="oracle", **ROTATED), False, {}),
        ("update", answers("nowhere", **ROTATED), False, {}),
        ("update", answers("quiet", database_host="nowhere", update_wait_timeout=15, **ROTATED), False, {}),
        ("update", answers("quiet", **ROTATED), False, {"K8S_AUTH_KUBECONFIG": "/dev/null", "KUBECONFIG": "/dev/null"}),
        ("teardown", {"registry_name": "quiet"}, False, {}),
        ("teardown", gone("quiet"), True, {}),
    ]
    for name, given, succeeds, variables in books:
        traces = runner.run(name, given, lambda _: None, **variables)
        assert traces.succeeded is succeeds, traces.text
        assert traces.clean() and len(traces.text) > 2000


@pytest.mark.parametrize("trouble", ["exception", "reset", "kill"])
def test_a_module_that_breaks_with_the_password_in_its_hands(
    registries: Registries, runner: Runner, trouble: str
) -> None:
    """An exception that quotes the request's body; a connection that breaks with it; the module's process killed."""
    prepare(registries, trouble)
    traces = runner.broken(trouble, "create", answers(trouble))
    assert traces.clean()
    assert traces.succeeded is (trouble == "reset"), traces.text
    words = {"exception": "Unexpected RuntimeError at", "reset": "changed=1", "kill": "deserialization failed"}
    assert words[trouble] in traces.text, traces.text
    if trouble == "reset":
        assert runner.run("teardown", gone(trouble)).clean()


def test_an_api_server_that_stops_in_the_middle(bed: Testbed, registries: Registries, runner: Runner) -> None:
    """The password is stored, the registry not ready yet, and the server no longer answers."""
    prepare(registries, "middle")

    def stop(_: int) -> None:
        bed.until("the Secret", lambda: registries.get("middle"))
        bed.stop("kube-apiserver")

    try:
        traces = runner.run("create", answers("middle", create_wait_timeout=20), stop)
    finally:
        bed.start("kube-apiserver")
    assert not traces.succeeded and traces.clean()
    bed.until("the API server", lambda: _serves(registries), 90)
    assert runner.run("teardown", gone("middle")).clean()


def descendants(pid: int) -> list[int]:
    """Return the process numbers of all descendants of a process."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found[1:]


def _serves(registries: Registries) -> bool:
    try:
        return registries.get("middle") is not None
    except Exception:  # whatever a server says that is still starting
        return False


def test_a_run_that_is_killed(bed: Testbed, registries: Registries, runner: Runner) -> None:
    """With all its processes: only Ansible's own copies of modules stay, private to the user; with pipelining, none."""
    prepare(registries, "killed")
    for pipelining in ("0", "1"):
        given = answers("killed", create_wait_timeout=100)

        def kill(process: int) -> None:
            bed.until("the registry", lambda: registries.get("killed"))
            for pid in [process, *descendants(process)]:
                os.kill(pid, signal.SIGKILL)

        traces = runner.run("create", given, kill, ANSIBLE_PIPELINING=pipelining)
        assert not any(form in traces.text for form in forms())
        left = [path for path in traces.files if traces.holds(path)]
        assert all(path.name.startswith("AnsiballZ_") for path in left), left
        assert all(stat.S_IMODE(path.parent.stat().st_mode) == 0o700 for path in left)
        assert pipelining == "0" or not left, left
        print(f"pipelining {pipelining}: {[path.name for path in left]}")
        assert runner.run("teardown", gone("killed")).clean()
