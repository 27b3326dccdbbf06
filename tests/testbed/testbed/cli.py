# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``testbed``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .bed import DEFAULT_DATABASES, Testbed, TestbedError, prepare
from .databases import TLS_SERVERS
from .flavours import FLAVOURS
from .kind import cli as kind
from .kind.engine import EngineError
from .layout import USERS, command_for, default_state
from .parts import PARTS
from .programs import BuildError
from .servers import SERVERS, ServerError
from .sql import sample, sql

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, the exit status of what was executed, or 1 with the reason on standard error."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (TestbedError, BuildError, ServerError, EngineError, OSError) as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="testbed", description="A Kubernetes cluster of real parts, as plain processes, without root."
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=default_state(),
        help="the testbed's directory (default: $TESTBED_STATE, or %(default)s)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="build what is missing, start a testbed, wait until it is ready")
    up.add_argument(
        "--flavour", choices=FLAVOURS, default="current", help="which release's APIs it serves (default: %(default)s)"
    )
    up.add_argument(
        "--database",
        choices=SERVERS,
        action="append",
        help=f"a server to start, may be repeated (default: {DEFAULT_DATABASES[0]}, or {TLS_SERVERS[0]} with --tls)",
    )
    up.add_argument(
        "--tls",
        action="store_true",
        help=f"servers ({', '.join(TLS_SERVERS)}) take only encrypted connections; their authority is where ca_source finds it",
    )
    up.add_argument("--no-database", action="store_true", help="start no server")
    up.add_argument(
        "--time-factor",
        type=float,
        default=1.0,
        help="multiplies delays of probes, restarts and the operator's requests, such as 0.2 (default: 1)",
    )
    up.add_argument(
        "--owner", default="session", help="it ends with this process: a number, session (the terminal's), or none"
    )
    up.set_defaults(run=_up)
    build = commands.add_parser("build", help="build and fetch what a testbed is started from, and no more")
    build.add_argument(
        "--database", choices=SERVERS, action="append", help="a server to fetch, may be repeated (default: all)"
    )
    build.set_defaults(run=_build)
    commands.add_parser("down", help="stop it and remove its directory").set_defaults(run=_down)
    commands.add_parser("status", help="what runs, as JSON").set_defaults(run=_status)
    env = commands.add_parser("env", help="shell commands that set KUBECONFIG and the like")
    env.add_argument("--user", choices=USERS, default="admin")
    env.set_defaults(run=_env)
    execute = commands.add_parser("exec", help="run a command inside: testbed exec -- kubectl get pods")
    execute.add_argument(
        "--user", choices=USERS, default="admin", help="whom the command acts as (default: %(default)s)"
    )
    execute.add_argument("command", nargs=argparse.REMAINDER)
    execute.set_defaults(run=_exec)
    shell = commands.add_parser("shell", help="a shell inside")
    shell.add_argument("--user", choices=USERS, default="admin")
    shell.set_defaults(run=_exec, command=[os.environ.get("SHELL", "/bin/sh")])
    statement = commands.add_parser("sql", help="a SQL prompt, or one statement, as the database's administrator")
    statement.add_argument("server", nargs="?", help="such as mysql-80 (default: the first that was started)")
    statement.add_argument("statement", nargs="?", help='such as "SHOW DATABASES"; without one, statements are read')
    statement.set_defaults(run=_sql)
    prepared = commands.add_parser(
        "sample", help="make a database with an account; print the variables for a registry on it"
    )
    prepared.add_argument(
        "name", nargs="?", default="sample", help="of registry, database and account (default: %(default)s)"
    )
    prepared.add_argument("--server", help="such as mysql-80 (default: the first that was started)")
    prepared.set_defaults(run=_sample)
    logs = commands.add_parser("logs", help="what a part has written")
    logs.add_argument("part", choices=(*PARTS, "supervisor", "audit"))
    logs.set_defaults(run=_logs)
    for verb, text in (
        ("kill", "crash a part; it comes back"),
        ("stop", "crash a part for good"),
        ("start", "start a part that was stopped"),
    ):
        command = commands.add_parser(verb, help=text)
        command.add_argument("part", choices=PARTS)
        command.set_defaults(run=_part, verb=verb)
    kind.add_parser(commands)
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _up(options: argparse.Namespace) -> int:
    started = time.monotonic()
    default = TLS_SERVERS[:1] if options.tls else DEFAULT_DATABASES
    databases = () if options.no_database else tuple(options.database or default)
    Testbed.up(
        options.state,
        flavour=options.flavour,
        databases=databases,
        tls=options.tls,
        time_factor=options.time_factor,
        owner=_owner(options.owner),
        say=_say,
    )
    command = command_for(options.state)
    ready = f"ready after {time.monotonic() - started:.1f} s"
    _say(f"{ready}: {command} exec -- COMMAND, {command} shell, {command} down")
    return 0


def _owner(text: str) -> int | None:
    """Return the process that a testbed ends with. A session without a visible leader is that of the calling process."""
    if text == "none":
        return None
    if text == "session":
        return os.getsid(0) or os.getppid()
    if not text.isdigit():
        raise TestbedError(f"--owner {text}: give a process number, session or none")
    return int(text)


def _build(options: argparse.Namespace) -> int:
    prepare(tuple(options.database or SERVERS), _say)
    return 0


def _down(options: argparse.Namespace) -> int:
    Testbed(options.state).down()
    return 0


def _status(options: argparse.Namespace) -> int:
    bed = Testbed(options.state)
    if not bed.running():
        print(json.dumps({"running": False}))
        return 1
    print(json.dumps({"running": True, **bed.status()}, indent=2))
    return 0


def _env(options: argparse.Namespace) -> int:
    environment = Testbed(options.state).environment(options.user)
    for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG", "TESTBED_STATE"):
        print(f"export {name}={shlex.quote(environment[name])}")
    return 0


def _exec(options: argparse.Namespace) -> int:
    bed = Testbed(options.state)
    arguments = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not arguments:
        raise TestbedError("exec: give a command, as in `testbed exec -- kubectl get pods`")
    command = bed.command(arguments)
    os.execvpe(command[0], command, bed.environment(options.user))


def _sql(options: argparse.Namespace) -> int:
    given = [word for word in (options.server, options.statement) if word is not None]
    # A statement has a blank in it, and the name of a server has none.
    statement = given.pop() if len(given) == 2 or (given and " " in given[0]) else None
    return sql(Testbed(options.state), given[0] if given else None, statement)


def _sample(options: argparse.Namespace) -> int:
    sys.stdout.write(sample(Testbed(options.state), options.server, options.name))
    return 0


def _logs(options: argparse.Namespace) -> int:
    bed = Testbed(options.state)
    sys.stdout.write(bed.log(options.part))
    return 0


def _part(options: argparse.Namespace) -> int:
    getattr(Testbed(options.state), options.verb)(options.part)
    return 0


if __name__ == "__main__":
    sys.exit(main())
