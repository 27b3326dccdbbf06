# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``testbed kind``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time

from testbed.layout import USERS

from . import engine
from .cluster import Cluster, ClusterError
from .node import kind
from .supply import Choice, choose

__all__ = ["add_parser"]

CHOICES: tuple[Choice, ...] = ("auto", "released", "built")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``kind`` and its own commands to those of ``testbed``."""
    parser = commands.add_parser("kind", help="the testbed as a kind cluster, with real pods")
    inner = parser.add_subparsers(required=True, metavar="COMMAND")
    own = inner.add_parser("engine", help="install and start a Docker engine of the project's own (Debian, root)")
    own.add_argument("--stop", action="store_true", help="stop it, and remove its containers, images and networks")
    own.set_defaults(run=_engine)
    build = inner.add_parser("build", help="build what a cluster is made of, and no more")
    up = inner.add_parser("up", help="create a cluster and wait until it is ready")
    for command, run in ((build, _build), (up, _up)):
        command.add_argument(
            "--images",
            choices=CHOICES,
            default="auto",
            help="released ones, or ones built here (default: released ones where they can be pulled)",
        )
        command.set_defaults(run=run)
    down = inner.add_parser("down", help="delete the cluster and the state directory")
    for command in (up, down):
        command.add_argument("--name", help="the cluster's name (default: one of the state directory's own)")
    down.set_defaults(run=_down)
    inner.add_parser("status", help="what it is made of, as JSON").set_defaults(run=_status)
    env = inner.add_parser("env", help="shell commands that set KUBECONFIG and the like")
    env.set_defaults(run=_env)
    execute = inner.add_parser("exec", help="run a command: testbed kind exec -- kubectl get pods")
    for command in (env, execute):
        command.add_argument("--user", choices=USERS, default="admin", help="whom to act as (default: %(default)s)")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    execute.set_defaults(run=_exec)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _engine(options: argparse.Namespace) -> int:
    if options.stop:
        engine.stop(_say)
    else:
        engine.start(_say)
    return 0


def _build(options: argparse.Namespace) -> int:
    kind(_say)
    choose(options.images, engine.find(), _say)
    return 0


def _up(options: argparse.Namespace) -> int:
    started = time.monotonic()
    Cluster(options.state, options.name).up(options.images, _say)
    _say(f"ready after {time.monotonic() - started:.1f} s: testbed kind exec -- COMMAND, testbed kind down")
    return 0


def _down(options: argparse.Namespace) -> int:
    Cluster(options.state, options.name).down(_say)
    return 0


def _status(options: argparse.Namespace) -> int:
    status = Cluster(options.state).status()
    print(json.dumps(status, indent=2))
    return 0 if status["running"] else 1


def _env(options: argparse.Namespace) -> int:
    for name, value in Cluster(options.state).environment(options.user).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _exec(options: argparse.Namespace) -> int:
    arguments = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not arguments:
        raise ClusterError("exec: give a command, as in `testbed kind exec -- kubectl get pods`")
    os.execvpe(arguments[0], arguments, {**os.environ, **Cluster(options.state).environment(options.user)})
