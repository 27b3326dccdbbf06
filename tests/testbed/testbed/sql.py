# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases of a testbed by hand: a SQL prompt, and a database with an account that is ready for a registry."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pymysql
import yaml
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from .bed import Testbed, TestbedError
from .databases import NAMESPACE, ROOT_PASSWORD, connect_mysql, service_name
from .manifests import database_check

__all__ = ["sample", "sql"]

NAME = r"[a-z][a-z0-9-]{0,40}"
PRIVILEGES = "CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE"
MYSQL_SAMPLE = f"""\
CREATE DATABASE IF NOT EXISTS `{{name}}` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '{{name}}'@'%' IDENTIFIED BY '{{password}}';
GRANT {PRIVILEGES} ON `{{name}}`.* TO '{{name}}'@'%'"""
POSTGRES_SAMPLE = """\
SELECT 'CREATE ROLE "{name}" LOGIN PASSWORD ''{password}''' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec
SELECT 'CREATE DATABASE "{name}" OWNER "{name}" ENCODING ''UTF8'' TEMPLATE template0'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec
"""


def sql(bed: Testbed, server: str | None, statement: str | None) -> int:
    """Run a statement, or those that are typed, as the administrator of a server. Return an exit status."""
    service, image = _service(bed, server)
    if _is_postgres(image):
        command, environment = _psql(bed, service, image)
        return subprocess.run(
            [*command, *(["-c", statement] if statement else [])], env=environment, check=False
        ).returncode
    with connect_mysql(bed, service, client_flag=CLIENT.MULTI_STATEMENTS) as connection, connection.cursor() as cursor:
        # Only the last statement decides: at a prompt, an error is no end.
        return [_run(cursor, text) for text in ([statement] if statement else _typed(service))][-1:] == [1]


def sample(bed: Testbed, server: str | None, name: str) -> str:
    """Make a database and an account of this name, unless they exist; return the variables for a registry on it.

    The administrators of registries may check it afterwards.
    """
    if not re.fullmatch(NAME, name):
        raise TestbedError(f"sample {name}: at most 41 lowercase letters, digits and dashes, and first a letter")
    service, image = _service(bed, server)
    for body in database_check(NAMESPACE, "registry-admin", "platform-admin"):
        bed.api("parts").apply(body)
    values = {"name": name, "password": f"{name}-password"}
    if _is_postgres(image):
        command, environment = _psql(bed, service, image)
        script = POSTGRES_SAMPLE.format_map(values)
        subprocess.run([*command, "-v", "ON_ERROR_STOP=1", "-q"], env=environment, input=script, text=True, check=True)
    else:
        with (
            connect_mysql(bed, service, client_flag=CLIENT.MULTI_STATEMENTS) as connection,
            connection.cursor() as cursor,
        ):
            for _rows in _results(cursor, MYSQL_SAMPLE.format_map(values)):
                pass
    variables = {
        "registry_name": name,
        "display_name": f"{name.capitalize()} models",
        "database_type": "postgres" if _is_postgres(image) else "mysql",
        "database_host": f"{service}.{NAMESPACE}.svc.cluster.local",
        "database_name": name,
        "database_username": name,
        **({"ca_source": "cluster"} if bed.settings.tls else {}),
    }
    password = f"# The password, for one command: MODEL_REGISTRY_DATABASE_PASSWORD={values['password']}\n"
    return password + yaml.safe_dump(variables, sort_keys=False)


def _service(bed: Testbed, server: str | None) -> tuple[str, str]:
    """Return the Service of a server that runs, and its image. Raises TestbedError."""
    if not bed.running():
        raise TestbedError(f"no testbed is running in {bed.layout.state}: start one with `testbed up`")
    deployments = bed.api("parts").list("apps/v1", "Deployment", NAMESPACE)
    images = {one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]["image"] for one in deployments}
    name = service_name(server or next(iter(bed.settings.databases), "") or next(iter(images), ""))
    if name not in images:
        running = f"there are {', '.join(images)}" if images else "none runs"
        raise TestbedError(f"no database server {server or ''}: {running}. Start one with `testbed up --database`")
    return name, images[name]


def _is_postgres(image: str) -> bool:
    return image.startswith("postgres:")


def _psql(bed: Testbed, service: str, image: str) -> tuple[list[str], dict[str, str]]:
    """Return the command of PostgreSQL's own client, and its environment."""
    table = yaml.safe_load((bed.layout.state / "images.yaml").read_text())["images"]
    (argv,) = (entry["programs"]["/entrypoint"] for entry in table if entry["image"] == image)
    (home,) = (Path(word.partition("=")[2]) for word in argv if word.startswith("--home="))
    command = [
        str(home / "bin" / "psql"),
        f"--host={bed.address(service, NAMESPACE)}",
        "--username=postgres",
        "--no-psqlrc",
    ]
    return bed.command(command), {**os.environ, "PGPASSWORD": ROOT_PASSWORD, "LD_LIBRARY_PATH": str(home / "lib")}


def _typed(service: str) -> Iterator[str]:
    """Yield the statements that are typed or piped in; each ends with a semicolon at the end of a line."""
    with suppress(ImportError):
        import readline  # noqa: F401 - input() edits lines with it
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        print("Each statement ends with a semicolon; Ctrl+D ends.")
    lines: list[str] = []
    while True:
        try:
            lines.append(input(("    -> " if lines else f"{service}> ") if is_terminal else ""))
        except EOFError:
            break
        if lines[-1].rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if "".join(lines).strip():
        yield "\n".join(lines)


def _run(cursor: Cursor, statements: str) -> int:
    """Print the results of statements, or the server's error. Return an exit status."""
    try:
        for lines in _results(cursor, statements):
            print("\n".join(lines))
    except pymysql.MySQLError as error:
        number, text = error.args if len(error.args) == 2 else ("", error)
        print(f"ERROR {number}: {text}", file=sys.stderr)
        return 1
    return 0


def _results(cursor: Cursor, statements: str) -> Iterator[list[str]]:
    """Yield the lines of each statement's result: a table, or the number of rows."""
    cursor.execute(statements)
    while True:
        if cursor.description:
            yield _table([[column[0] for column in cursor.description], *cursor.fetchall()])
        else:
            yield [f"OK, {cursor.rowcount} row{'' if cursor.rowcount == 1 else 's'} affected"]
        if not cursor.nextset():
            return


def _table(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return rows as aligned lines, the first as their heading."""
    texts = [["NULL" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in texts]
    return [lines[0], "-+-".join("-" * width for width in widths), *lines[1:]]
