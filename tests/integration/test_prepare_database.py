# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that prepares a database, on real servers: predicted, done, and done once."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pymysql
import pytest
from plays import ROOT, Servers
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, ROOT_PASSWORD, connect_mysql

RUNNER = Path(sys.executable).with_name("ansible-playbook")
PASSWORD = "canary-Zx82-'\"%#"
NEEDED = {"CREATE", "ALTER", "DROP", "INDEX", "REFERENCES", "SELECT", "INSERT", "UPDATE", "DELETE"}


def prepare(bed: Testbed, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], *options: str) -> tuple[str, int]:
    """Return the playbook's output, and the number of changed tasks."""
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".venv" / "collections"))
    monkeypatch.setenv("ANSIBLE_NOCOLOR", "1")
    monkeypatch.setenv("MODEL_REGISTRY_ADMIN_PASSWORD", ROOT_PASSWORD)
    monkeypatch.setenv("MODEL_REGISTRY_DATABASE_PASSWORD", PASSWORD)
    command = [str(RUNNER), "opendatahub.model_registry.prepare_database", "-e", json.dumps(answers), *options]
    done = bed.run(command, capture_output=True, check=False)
    output = done.stdout + done.stderr
    changed = re.search(r"changed=(\d+) .* failed=0", output)
    return output, int(changed[1]) if changed else -1


@pytest.mark.parametrize(
    ("server", "plugin"),
    [
        ("mysql-8.0", "caching_sha2_password"),
        ("mysql-9", "caching_sha2_password"),
        ("mysql-5.7", "mysql_native_password"),
        ("mariadb-10.11", "mysql_native_password"),
    ],
)
def test_prepared_once(
    bed: Testbed, servers: Servers, monkeypatch: pytest.MonkeyPatch, server: str, plugin: str
) -> None:
    """Check mode stores nothing; a run makes what a registry needs and no more; a second one changes nothing."""
    name, service = "pre_pared", servers(server)
    answers = {"database_host": bed.address(service, NAMESPACE), "database_name": name, "database_username": "prepared"}
    with connect_mysql(bed, service) as root, root.cursor() as cursor:
        # A testbed that outlives the tests has them already.
        cursor.execute("DROP DATABASE IF EXISTS pre_pared")
        cursor.execute("DROP USER IF EXISTS 'prepared'@'%'")
    output, changed = prepare(bed, monkeypatch, answers, "--check")
    assert changed == 2, output
    with connect_mysql(bed, service) as root, root.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (name,))
        assert cursor.fetchone() == (0,)
        output, changed = prepare(bed, monkeypatch, answers, "-vvvv")
        assert changed == 2, output
        assert "Zx82" not in output and ROOT_PASSWORD not in output
        cursor.execute(
            "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (name,)
        )
        assert cursor.fetchone() == ("utf8mb4",)
        cursor.execute("SELECT plugin FROM mysql.user WHERE user = 'prepared' AND host = '%'")
        assert cursor.fetchone() == (plugin,)
        cursor.execute("SHOW GRANTS FOR 'prepared'@'%'")
        usage, grant = sorted((row[0] for row in cursor.fetchall()), key=lambda text: "USAGE" not in text)
        assert usage.startswith("GRANT USAGE ON *.*") and "GRANT OPTION" not in grant
        assert " ON `pre\\_pared`.* TO " in grant, "an underscore alone would stand for any character"
        assert set(grant[len("GRANT ") : grant.index(" ON ")].split(", ")) == NEEDED
    with connect_mysql(bed, service, "prepared", PASSWORD, database=name):
        pass
    output, changed = prepare(bed, monkeypatch, answers)
    assert changed == 0, output


@pytest.mark.parametrize(
    ("server", "by"),
    [("mysql-8.0", "IDENTIFIED WITH sha256_password BY 'old'"), ("mariadb-10.11", "IDENTIFIED BY 'old'")],
)
def test_an_account_that_is_there_is_altered(
    bed: Testbed, servers: Servers, monkeypatch: pytest.MonkeyPatch, server: str, by: str
) -> None:
    """It gets the password, the plugin and TLS, keeps its earlier grants, and a second run changes nothing."""
    plugin, service = "mysql_native_password", servers(server)
    with connect_mysql(bed, service) as root, root.cursor() as cursor:
        for statement in (
            "DROP DATABASE IF EXISTS prealtered",
            "DROP USER IF EXISTS 'prealtered'@'%'",
            f"CREATE USER 'prealtered'@'%' {by}",
            "GRANT SELECT ON prealtered_other.* TO 'prealtered'@'%'",
        ):
            cursor.execute(statement)
        answers = {
            "database_host": bed.address(service, NAMESPACE),
            "database_name": "prealtered",
            "database_username": "prealtered",
            "database_plugin": plugin,
            "database_require_tls": "true",
        }
        output, changed = prepare(bed, monkeypatch, answers)
        assert changed == 2, output
        cursor.execute("SELECT plugin, ssl_type FROM mysql.user WHERE user = 'prealtered' AND host = '%'")
        assert cursor.fetchone() == (plugin, "ANY")
        cursor.execute("SHOW GRANTS FOR 'prealtered'@'%'")
        grants = " ".join(row[0] for row in cursor.fetchall())
        assert "prealtered_other" in grants and "ON `prealtered`.*" in grants
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            # The password is right, and the connection is not encrypted.
            connect_mysql(bed, service, "prealtered", PASSWORD, ssl_disabled=True)
        cursor.execute("ALTER USER 'prealtered'@'%' REQUIRE NONE")
        connect_mysql(bed, service, "prealtered", PASSWORD).close()
        output, changed = prepare(bed, monkeypatch, {**answers, "database_require_tls": ""})
        assert changed == 0, output


def test_an_account_that_requires_tls_is_prepared_once(
    bed: Testbed, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predicted, done, and a third run changes nothing: it logs in with TLS, as the account requires."""
    service = servers("mysql-9")
    with connect_mysql(bed, service) as root, root.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS pretls")
        cursor.execute("DROP USER IF EXISTS 'pretls'@'%'")
    answers = {
        "database_host": bed.address(service, NAMESPACE),
        "database_name": "pretls",
        "database_username": "pretls",
        "database_require_tls": "true",
    }
    runs = [prepare(bed, monkeypatch, answers, *options) for options in (("--check",), (), (), ("--check",))]
    assert [changed for _, changed in runs] == [2, 2, 0, 0], runs[-1][0]
    with connect_mysql(bed, service) as root, root.cursor() as cursor:
        cursor.execute("SELECT plugin, ssl_type FROM mysql.user WHERE user = 'pretls'")
        assert cursor.fetchone() == ("caching_sha2_password", "ANY")
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        connect_mysql(bed, service, "pretls", PASSWORD, ssl_disabled=True)
    connect_mysql(bed, service, "pretls", PASSWORD).close()


def test_other_character_set_is_left_alone(bed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect_mysql(bed, "mysql-80") as root, root.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS prelatin CHARACTER SET latin1")
    answers = {
        "database_host": bed.address("mysql-80", NAMESPACE),
        "database_name": "prelatin",
        "database_username": "prelatin",
    }
    output, changed = prepare(bed, monkeypatch, answers)
    assert changed == -1 and "ALTER DATABASE `prelatin` CHARACTER SET utf8mb4" in output
