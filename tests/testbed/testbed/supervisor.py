# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process inside a testbed's namespaces: it starts the cluster's parts, keeps them running, ends with its owner.

The driver starts it through ``unshare``; it is not meant to be called by hand. Since it is the first process of
its PID namespace, the kernel ends everything else when it ends, for any reason.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from .api import Api, Object
from .databases import NAMESPACE as DATABASES
from .databases import database, service_name
from .flavours import FLAVOURS, Flavour
from .install import apply, define, has, until
from .layout import ADDRESS, BRIDGE, OPERATOR_HEALTH, Layout
from .manifests import cluster_objects, custom_resources, webhooks
from .parts import Part, parts

__all__ = ["Settings", "main"]


@dataclass(frozen=True)
class Settings:
    """The settings of a testbed."""

    binary: str
    flavour: str
    databases: tuple[str, ...]
    """Servers that run from the start, by their names in servers.SERVERS."""
    time_factor: float
    """The factor for the delays of probes and of restarts."""
    tls: bool = False
    """Whether those servers take only encrypted connections."""


class _Process:
    """A part, started again whenever it ends, until it is told to stay down."""

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self.starts = 0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = threading.Event()
        self._gone = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def pid(self) -> int | None:
        """The process number, None while it is down."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        self._wanted.set()

    def stop(self) -> None:
        """End it for good, at once, as a crash would."""
        self._wanted.clear()
        self.kill()

    def kill(self) -> None:
        """Make it crash; it is started again after a second unless it is to stay down."""
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            with self._log.open("ab") as log:
                log.write(f"--- start {self.starts + 1} at {time.strftime('%H:%M:%S')}\n".encode())
                log.flush()
                self._process = subprocess.Popen(
                    self.part.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self.starts += 1
            self._process.wait()
            time.sleep(1)


class _Supervisor:
    """The whole of one testbed."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        self.layout = layout
        self.settings = settings
        self.flavour: Flavour = FLAVOURS[settings.flavour]
        self.steps: list[tuple[str, float]] = []
        """The finished steps, each with the seconds since the start."""
        self.ready = False
        self.error: str | None = None
        self.started = time.monotonic()
        commands = parts(Path(settings.binary), layout, self.flavour, settings.time_factor)
        self.processes = {part.name: _Process(part, layout.log(part.name)) for part in commands}

    def boot(self) -> None:
        """Start the cluster; an error is kept for the driver's status request."""
        try:
            self._boot()
            self.ready = True
        except Exception:  # whatever it is, the driver shows it and takes the testbed down
            self.error = traceback.format_exc()

    def status(self) -> Object:
        return {
            "ready": self.ready,
            "error": self.error,
            "steps": self.steps,
            "parts": {name: {"pid": process.pid, "starts": process.starts} for name, process in self.processes.items()},
            "settings": asdict(self.settings),
        }

    def _boot(self) -> None:
        subprocess.run([self.settings.binary, "network", f"--bridge={BRIDGE}", f"--address={ADDRESS}/16"], check=True)
        self._start("etcd", "kube-apiserver")
        api = Api(self.layout.kubeconfig("parts"))
        self._until("API server", lambda: api.raw("GET", "/readyz")[0] == 200)
        authority = (self.layout.certificates / "ca.crt").read_bytes()
        define(api, custom_resources(self.flavour))
        self._done("custom resources")
        # The controller manager looks for new kinds every 30 s only: its garbage collector must find them at its start.
        self._start("kube-controller-manager", "kube-scheduler", "node", "operator")
        for body in cluster_objects(self.flavour, authority, self.layout.data / "volumes"):
            apply(api, body)
        self._done("objects")
        self._until("node", partial(has, api, "v1", "Node", "testbed", None, "Ready"))
        for name in self.settings.databases:
            for body in database(name, self.layout, tls=self.settings.tls):
                apply(api, body)
        self._until("operator", partial(_is_ready, f"http://{OPERATOR_HEALTH}/readyz"))
        for body in webhooks(self.flavour, authority):
            apply(api, body)
        for name in map(service_name, self.settings.databases):
            self._until(f"database {name}", partial(has, api, "apps/v1", "Deployment", name, DATABASES, "Available"))

    def _start(self, *names: str) -> None:
        for name in names:
            self.processes[name].start()

    def _until(self, what: str, done: Callable[[], bool]) -> None:
        until(what, done)
        self._done(what)

    def _done(self, what: str) -> None:
        self.steps.append((what, round(time.monotonic() - self.started, 1)))


def _is_ready(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - an address of ours
        return bool(answer.status == 200)


def _answer(supervisor: _Supervisor, end: Callable[[], None], client: socket.socket) -> None:
    """Answer one request of the driver: a line of JSON in, a line of JSON out, with a connected socket for "connect"."""
    with client:
        try:
            request = json.loads(client.makefile().readline())
            name = request["do"]
            if name == "connect":
                with socket.create_connection((request["host"], request["port"]), request["timeout"]) as found:
                    socket.send_fds(client, [b"{}\n"], [found.fileno()])
                return
            reply: Object = {}
            if name == "status":
                reply = supervisor.status()
            elif name in ("start", "stop", "kill"):
                getattr(supervisor.processes[request["part"]], name)()
            elif name != "down":
                reply = {"error": f"no such request: {name}"}
        except OSError as error:
            reply = {"errno": error.errno, "error": str(error)}
        client.sendall(json.dumps(reply).encode() + b"\n")
    if name == "down":
        end()


def _serve(supervisor: _Supervisor, server: socket.socket, end: Callable[[], None]) -> None:
    while True:
        client, _ = server.accept()
        threading.Thread(target=_answer, args=(supervisor, end, client), daemon=True).start()


def main() -> None:
    """Run ``supervisor STATE [PIDFD]``: that directory's testbed, until its owner, a process descriptor, ends."""
    layout = Layout(Path(sys.argv[1]))
    owner = int(sys.argv[2]) if len(sys.argv) > 2 else None
    settings = Settings(**json.loads(layout.settings.read_text()))
    supervisor = _Supervisor(layout, settings)
    asked_to_end, end = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(end, b"x"))
    server = socket.socket(socket.AF_UNIX)
    os.chdir(layout.state)  # the path of a socket may have 107 bytes at most
    server.bind(layout.control.name)
    server.listen(64)
    os.chdir("/")
    threading.Thread(target=_serve, args=(supervisor, server, lambda: os.write(end, b"x")), daemon=True).start()
    threading.Thread(target=supervisor.boot, daemon=True).start()
    with selectors.DefaultSelector() as selector:
        selector.register(asked_to_end, selectors.EVENT_READ)
        if owner is not None:
            selector.register(owner, selectors.EVENT_READ)
        selector.select()
    # The processes go with the namespace: the state directory must go before, and nothing may write to it again.
    for process in reversed(supervisor.processes.values()):
        process.stop()
    shutil.rmtree(layout.state, ignore_errors=True)


if __name__ == "__main__":
    main()
