# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a newcomer types: the commands of docs/testbed.md as they stand there, and `testbed sql` and `testbed sample`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from testbed.bed import Testbed, TestbedError
from testbed.sql import sample
from testbed_fixtures import Servers

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "testbed.md").read_text()
SECTION = PAGE.split("\n## A first registry of your own\n")[1].split("\n## ")[0]
WALKS = [
    re.sub(r"^\$ ", "", block, flags=re.MULTILINE) for block in re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL)
]


def shell(place: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run commands in a shell of their own session, as in a terminal; stop at the first that fails, and show each."""
    variables = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TESTBED_STATE": str(place / "state"),
    }
    return subprocess.run(
        ["bash", "-euxc", text],
        cwd=place,
        env={**os.environ, **variables, **environment},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )


def test_the_page_has_walks() -> None:
    assert len(WALKS) == 3
    assert all(walk.startswith("testbed up") and walk.endswith("\ntestbed down\n") for walk in WALKS)


@pytest.mark.parametrize("walk", WALKS, ids=["sample", "tls", "own"])
def test_the_page_works_line_by_line(tmp_path: Path, walk: str) -> None:
    (inventory,) = re.findall(r"`export ANSIBLE_INVENTORY=\$PWD/(.*)`", SECTION)
    done = shell(tmp_path, walk, ANSIBLE_INVENTORY=str(ROOT / inventory))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No inventory was parsed" not in done.stdout + done.stderr, done.stderr
    if "SHOW TABLES" in walk:
        assert "RegisteredModel" in done.stdout or "Context" in done.stdout, done.stdout


def test_the_examples_on_a_testbed(tmp_path: Path) -> None:
    """The commands of examples/README.md; registries.yml stands for all that is typed in the shell."""
    shutil.copytree(ROOT / "examples", tmp_path, dirs_exist_ok=True)
    section = (tmp_path / "README.md").read_text().split("\n## On the testbed\n")[1]
    (block,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    *commands, enter = re.sub(r"^\$ ", "", block, flags=re.MULTILINE).splitlines()
    assert enter == "testbed shell --user platform-admin"
    play = f"{enter.replace('shell', 'exec')} -- ansible-playbook -i inventory.yml registries.yml"
    done = shell(tmp_path, "\n".join([*commands, play, "testbed down"]))
    assert done.returncode == 0 and "risk is created and ready" in done.stdout, done.stdout + done.stderr


def command(bed: Testbed, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "testbed.cli", "--state", str(bed.layout.state), *arguments]
    return subprocess.run(words, input=typed, capture_output=True, text=True, check=False)


def test_a_statement_and_its_table(bed: Testbed) -> None:
    done = command(bed, "sql", "SELECT 1 AS one, NULL AS nothing, 'a text' AS words")
    assert done.stdout.splitlines() == ["one | nothing | words", "----+---------+-------", "1   | NULL    | a text"]
    assert command(bed, "sql", "mysql-8.0", "SELECT VERSION()").stdout.splitlines()[-1].startswith("8.0.")


def test_an_error_is_the_servers(bed: Testbed) -> None:
    done = command(bed, "sql", "SELECT 1 FROM nowhere.nothing")
    assert done.returncode == 1 and done.stderr.startswith("ERROR 1") and "nowhere" in done.stderr, done.stderr


def test_statements_are_typed(bed: Testbed) -> None:
    """Over several lines, and one that fails does not end the session."""
    done = command(bed, "sql", "mysql-80", typed="SELECT\n 41 + 1;\nnonsense;\nSELECT 43")
    assert done.returncode == 0 and done.stdout.splitlines()[2::3] == ["42", "43"], done.stdout
    assert done.stderr.startswith("ERROR 1064: ")


def test_no_server_of_the_name(bed: Testbed) -> None:
    done = command(bed, "sql", "oracle")
    assert done.returncode == 1 and "no database server oracle: there are" in done.stderr and "mysql-80" in done.stderr


def test_postgresql(bed: Testbed, servers: Servers) -> None:
    """With PostgreSQL's own client; a sample is made once, and again without harm."""
    service = servers("postgres-16")
    done = command(bed, "sql", service, "SELECT 41 + 1 AS answer")
    assert done.returncode == 0 and "42" in done.stdout, done.stderr
    texts = {sample(bed, service, "walk") for _time in range(2)}
    assert yaml.safe_load(*texts)["database_type"] == "postgres"
    assert "walk" in command(bed, "sql", service, "SELECT datname FROM pg_database").stdout


def test_a_sample(bed: Testbed) -> None:
    """Its variables are those of the playbook create, and a second time nothing is lost."""
    first = command(bed, "sample", "mine")
    command(bed, "sql", "CREATE TABLE mine.kept (id INT)")
    assert command(bed, "sample", "mine").stdout == first.stdout
    assert "kept" in command(bed, "sql", "SHOW TABLES IN mine").stdout
    assert yaml.safe_load(first.stdout) == {
        "registry_name": "mine",
        "display_name": "Mine models",
        "database_type": "mysql",
        "database_host": "mysql-80.databases.svc.cluster.local",
        "database_name": "mine",
        "database_username": "mine",
    }
    assert first.stdout.startswith("# The password, for one command: MODEL_REGISTRY_DATABASE_PASSWORD=mine-password\n")


def test_a_sample_has_a_registrys_name(bed: Testbed) -> None:
    with pytest.raises(TestbedError, match="sample A b: at most 41"):
        sample(bed, None, "A b")


def test_tls_needs_a_server_that_has_it(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match=r"mysql-8\.0: the registry server cannot use its TLS. Give one of mariadb"):
        Testbed.up(tmp_path / "bed", databases=("mysql-8.0",), tls=True)


def test_without_a_testbed(tmp_path: Path) -> None:
    done = command(Testbed(tmp_path / "none"), "sql", "SELECT 1")
    assert done.returncode == 1 and "start one with `testbed up`" in done.stderr
