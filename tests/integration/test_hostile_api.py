# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules against fake or hostile API servers. They end in time, in little memory, and report the cause."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._module import ALLOWANCE
from hostile import ENDLESS, IMPOSTORS, SLOW, Say, certificate, serving
from modules import Ran, Task, run

WAIT = 1
SLACK = 4.0
"""Seconds for everything except waiting, while a dozen processes begin."""
MEMORY = 200
"""MiB beyond those of a run that gets no answer at all: about twice the largest answer."""
OPTIONS: dict[str, Any] = {"api_key": "canary-token", "validate_certs": False, "namespace": "ns"}
DATABASE = {"type": "mysql", "host": "db", "name": "d", "username": "u", "password": "canary-password"}
MODULES: dict[str, dict[str, Any]] = {
    "model_registry": {"name": "a", "database": DATABASE, "wait_timeout": WAIT},
    "model_registry_info": {"name": "a"},
    "model_registry_preflight": {"name": "a", "database": DATABASE},
    "model_registry_permissions": {"registry": "a", "users": ["u"]},
    "mysql_auth_check": {"registry": "a"},
}
CLOSED = "http://127.0.0.1:1"


def task(url: str, module: str = "model_registry") -> Task:
    """Return a run against the server, whose URL comes with a user and a password."""
    return Task(module, {**OPTIONS, **MODULES[module], "host": url.replace("://", "://user:canary-info@")})


def checked(ran: Ran) -> str:
    """Return why a run failed, as it must, without a secret or a crash."""
    assert "Traceback" not in ran.text and "canary" not in ran.text, ran.text
    assert ran.result.get("failed") and "defect" not in ran.message, ran.text
    return ran.message


def against(servers: Mapping[str, Say], at_once: int) -> dict[str, tuple[Ran, str]]:
    """Return the outcome of a run against each, and the server's URL."""
    with ExitStack() as stack:
        urls = {name: stack.enter_context(serving(say)) for name, say in servers.items()}
        done = run([task(url) for url in urls.values()], at_once)
        return {name: (ran, url) for (name, url), ran in zip(urls.items(), done, strict=True)}


@pytest.mark.timed
def test_wait_timeout_bounds_the_whole(tmp_path: Path) -> None:
    """Whatever the server does with the time."""
    with ExitStack() as stack:
        urls = {name: stack.enter_context(serving(say)) for name, say in SLOW.items()}
        urls["silent before the handshake"] = urls["silent"].replace("http:", "https:")
        urls["silent after the handshake"] = stack.enter_context(serving(SLOW["silent"], certificate(tmp_path)))
        done = run([task(url) for url in urls.values()], len(urls))
    for name, ran in zip(urls, done, strict=True):
        message = checked(ran)
        print(f"{name}: {ran.seconds:.1f} s, {ran.memory} MiB: {message}")
        assert ran.seconds < WAIT + ALLOWANCE + SLACK, name
        assert "API server" in message, name
        assert any(step in message for step in ("Check host", "health", "can be reached")), name


def test_endless_answers() -> None:
    """They exhaust neither memory nor time."""
    (closed,) = run([task(CLOSED)])
    for name, (ran, _url) in against(ENDLESS, 2).items():
        message = checked(ran)
        print(f"{name}: {ran.seconds:.1f} s, {ran.memory} MiB: {message}")
        assert "is no Kubernetes API server" in message, name
        assert ran.memory < closed.memory + MEMORY, name


def test_impostors() -> None:
    """The error names the address, and what to check."""
    for name, (ran, url) in against(IMPOSTORS, 2).items():
        message = checked(ran)
        print(f"{name}: {ran.seconds:.1f} s: {message}")
        assert f"what answered at {url} is no Kubernetes API server: it " in message, name
        assert "Check host and proxy" in message, name


def test_every_module_says_so() -> None:
    """The shared client detects it, whichever request comes first."""
    names = ("HTML", "null", "a redirect", "a web server in Go", "deep lists")
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(IMPOSTORS[name])) for name in names]
        tasks = [task(url, module) for module in MODULES for url in urls]
        for one, ran in zip(tasks, run(tasks), strict=True):
            assert "is no Kubernetes API server" in checked(ran), one.module
