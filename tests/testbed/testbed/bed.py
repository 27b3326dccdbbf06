# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A testbed as its users hold it: start it, run commands and open connections inside it, break and fix its parts, stop it."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from .api import Api, Object
from .cache import Say, cached
from .certificates import write_certificates
from .databases import TLS_SERVERS
from .flavours import FLAVOURS, Flavour
from .layout import USERS, Layout, command_for
from .programs import go_binary
from .servers import SERVERS
from .supervisor import Settings

__all__ = ["DEFAULT_DATABASES", "Testbed", "TestbedError", "prepare"]

DEFAULT_DATABASES = ("mysql-8.0",)
MANIFESTS = Path(__file__).resolve().parent.parent / "manifests"
START_LIMIT = 180.0
"""Seconds after which a start fails; it takes about ten on an idle machine."""
NO_NAMESPACES = """\
This machine does not let an ordinary process have its own user and network namespaces, which the testbed needs:
  {reason}
On Linux: check `sysctl user.max_user_namespaces` (must not be 0), `kernel.unprivileged_userns_clone` (1) and, on Ubuntu,
`kernel.apparmor_restrict_unprivileged_userns` (0). Elsewhere, or where this must stay so, use a kind cluster."""


class TestbedError(Exception):
    """The testbed could not do what was requested; the text says why and what to do."""

    __test__ = False


def _silent(line: str) -> None:
    """Discard a line of progress."""


def prepare(databases: Iterable[str], say: Say) -> tuple[Path, dict[str, Path]]:
    """Make all that a testbed is started from: the binary, and the folder of each database server."""
    binary = go_binary(say)
    homes = {}
    for name in databases:
        server = SERVERS[name]
        homes[name] = cached(f"server-{name}", server.fingerprint(), server.fetch, say)
    return binary, homes


class Testbed:
    """One running testbed, known by its state directory."""

    __test__ = False

    def __init__(self, state: Path) -> None:
        self.layout = Layout(state.resolve())

    @classmethod
    def up(
        cls,
        state: Path,
        *,
        flavour: str = "current",
        databases: Sequence[str] = DEFAULT_DATABASES,
        more_servers: Sequence[str] = (),
        tls: bool = False,
        time_factor: float = 1.0,
        owner: int | None = None,
        say: Say = _silent,
    ) -> Testbed:
        """Start a testbed and wait until it is ready.

        ``databases`` run from the start, ``more_servers`` can be started later with :func:`database`. With ``tls``,
        databases take only encrypted connections. It ends with the process ``owner`` (its number), or with
        :meth:`down` if that is None. Raises TestbedError.
        """
        _check_namespaces()
        for name in databases if tls else ():
            if name not in TLS_SERVERS:
                why = "the registry server cannot use its TLS"
                raise TestbedError(f"{name}: {why}. Give one of {', '.join(TLS_SERVERS)}")
        bed = cls(state)
        if bed.running():
            raise TestbedError(
                f"a testbed is running already in {state}: stop it with `{command_for(state)} down`, or choose another --state"
            )
        binary, homes = prepare({*databases, *more_servers}, say)
        try:
            bed._write(Settings(str(binary), flavour, tuple(databases), time_factor, tls), homes)
            bed._launch(owner)
            bed._wait(say)
        except BaseException:
            bed.down(keep_state=True)
            raise
        return bed

    def _write(self, settings: Settings, homes: Mapping[str, Path]) -> None:
        layout = self.layout
        if layout.state.exists() and not layout.settings.exists() and any(layout.state.iterdir()):
            raise TestbedError(f"{layout.state} is not empty and no testbed's: choose another --state")
        shutil.rmtree(layout.state, ignore_errors=True)
        layout.state.mkdir(parents=True, mode=0o700)
        for folder in (layout.logs, layout.data, layout.state / "pods"):
            folder.mkdir()
        layout.settings.write_text(json.dumps(asdict(settings)))
        write_certificates(layout)
        shutil.copy(MANIFESTS / "audit-policy.yaml", layout.state)
        (layout.state / "images.yaml").write_text(yaml.safe_dump(_images(settings.binary, homes)))

    def _launch(self, owner: int | None) -> None:
        namespaces = [
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]
        command = [
            "setsid",
            "--fork",
            "unshare",
            *namespaces,
            sys.executable,
            "-m",
            "testbed.supervisor",
            str(self.layout.state),
        ]
        watched = [] if owner is None else [os.pidfd_open(owner)]
        with self.layout.log("supervisor").open("wb") as log:
            subprocess.run(
                [*command, *map(str, watched)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=watched,
                cwd="/",
                check=True,
            )
        for handle in watched:
            os.close(handle)

    def _wait(self, say: Say) -> None:
        started = time.monotonic()
        shown = 0
        while True:
            status = self.status() if self.layout.control.exists() else None
            for name, seconds in (status or {}).get("steps", [])[shown:]:
                say(f"{seconds:5.1f} s  {name}")
                shown += 1
            if status and status["ready"]:
                return
            if status and status["error"]:
                raise TestbedError(f"the testbed did not start; see {self._kept_logs}\n{status['error']}")
            if time.monotonic() - started > START_LIMIT or (not status and time.monotonic() - started > 20):
                raise TestbedError(
                    f"the testbed did not start in time; see {self._kept_logs}\n{self.log('supervisor')[-2000:]}"
                )
            time.sleep(0.1)

    def down(self, *, keep_state: bool = False) -> None:
        """Stop it and remove its state; one that does not run is no error. ``keep_state`` keeps the logs for inspection."""
        if keep_state and self.layout.logs.is_dir():
            shutil.rmtree(self._kept_logs, ignore_errors=True)
            shutil.copytree(self.layout.logs, self._kept_logs)
        pid = self._pid()
        if pid is not None:
            waiting = os.pidfd_open(pid)
            self._ask(do="down")
            _wait_for_end(waiting, pid)
        if self.layout.settings.exists():
            shutil.rmtree(self.layout.state, ignore_errors=True)

    @property
    def _kept_logs(self) -> Path:
        """The folder of the logs after a failed start."""
        return self.layout.state.with_name(self.layout.state.name + ".failed")

    def running(self) -> bool:
        """Return whether its supervisor answers."""
        return self._pid() is not None

    def status(self) -> Object:
        """Return the supervisor's status: ready, error, steps, parts with their process numbers and starts, settings."""
        return self._ask(do="status")

    @property
    def settings(self) -> Settings:
        """What it was started with."""
        return Settings(**json.loads(self.layout.settings.read_text()))

    @property
    def flavour(self) -> Flavour:
        """The kind of cluster it is."""
        return FLAVOURS[self.settings.flavour]

    def start(self, part: str) -> None:
        """Start a part that was stopped."""
        self._ask(do="start", part=part)

    def stop(self, part: str) -> None:
        """Make a part crash, and leave it down."""
        self._ask(do="stop", part=part)

    def kill(self, part: str) -> None:
        """Make a part crash; it is started again a second later."""
        self._ask(do="kill", part=part)

    def log(self, part: str) -> str:
        """Return a part's log."""
        return self.layout.log(part).read_text(errors="replace")

    def audit(self) -> list[Object]:
        """Return the requests of people that the API server has answered, oldest first."""
        return [json.loads(line) for line in self.layout.audit.read_text().splitlines() if line.endswith("}")]

    def connect(self, host: str, port: int, timeout: float = 5) -> socket.socket:
        """Open a TCP connection inside the testbed's network, usable here. Raises OSError as a connection does."""
        return self._ask_for_socket(do="connect", host=host, port=port, timeout=timeout)

    def address(self, service: str, namespace: str) -> str:
        """Return the address of a pod that is behind a Service now. Raises TestbedError if none is ready."""
        slices = self.api("parts").list(
            "discovery.k8s.io/v1", "EndpointSlice", namespace, labelSelector=f"kubernetes.io/service-name={service}"
        )
        for endpoint in (e for s in slices for e in s["endpoints"] or ()):
            if endpoint["conditions"].get("ready"):
                found: str = endpoint["addresses"][0]
                return found
        raise TestbedError(f"no ready pod stands behind the Service {service} in {namespace}")

    def api(self, user: str = "admin") -> Api:
        """Return a client of the API server that acts as one of USERS."""
        return Api(self.layout.kubeconfig(user), self.connect)

    def environment(self, user: str = "admin") -> dict[str, str]:
        """Return the environment of a command that acts as one of USERS."""
        if user not in USERS:
            raise TestbedError(f"no user {user}: there are {', '.join(USERS)}")
        config = str(self.layout.kubeconfig(user))
        return {
            **os.environ,
            "KUBECONFIG": config,
            "K8S_AUTH_KUBECONFIG": config,
            "TESTBED_STATE": str(self.layout.state),
        }

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command line that runs another one inside the testbed's user and network namespaces."""
        pid = self._pid()
        if pid is None:
            raise TestbedError(f"no testbed is running in {self.layout.state}: start one with `testbed up`")
        enter = ["nsenter", f"--target={pid}", "--user", "--net", "--preserve-credentials"]
        # Every process is root in the testbed's user namespace; in one more, the command is its caller again.
        become = ["unshare", "--user", f"--map-user={os.getuid()}", f"--map-group={os.getgid()}"]
        return [*enter, "--", *become, "--", *arguments]

    def run(self, arguments: Sequence[str], user: str = "admin", **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as :func:`subprocess.run` does with text."""
        return subprocess.run(self.command(arguments), env=self.environment(user), text=True, **options)

    @contextmanager
    def forward(self, target: str, port: int, namespace: str, user: str = "admin") -> Iterator[int]:
        """Forward a port of a pod, ``deployment/NAME`` or ``service/NAME``; yield the port of 127.0.0.1 inside (see connect)."""
        arguments = [_tool("kubectl"), f"--namespace={namespace}", "port-forward", target, f":{port}"]
        with subprocess.Popen(
            self.command(arguments),
            env=self.environment(user),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None and process.stderr is not None
                match = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) ", process.stdout.readline())
                if match is None:
                    process.kill()
                    raise TestbedError(f"no port-forward to {target}: {process.stderr.read().strip()}")
                yield int(match[1])
            finally:
                process.kill()

    def http(
        self, target: str, port: int, namespace: str, request: tuple[str, str], body: object = None
    ) -> tuple[int, str]:
        """Send one HTTP request, (method, path), with a JSON body, through a port-forward; return status and text."""
        with self.forward(target, port, namespace) as local, closing(HTTPConnection("127.0.0.1", local)) as connection:
            connection.sock = self.connect("127.0.0.1", local)
            connection.sock.settimeout(30)
            data = None if body is None else json.dumps(body)
            connection.request(*request, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def until(self, what: str, done: Callable[[], object], seconds: float = 60) -> Any:
        """Call ``done`` until it returns something true, and return that; an AssertionError of it means "not yet", too.

        Raises TestbedError that names ``what`` and the last answer.
        """
        deadline = time.monotonic() + seconds
        while True:
            last: AssertionError | None = None
            answer: object = None
            try:
                answer = done()
            except AssertionError as error:
                last = error
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise TestbedError(f"{what}: not so after {seconds:.0f} s, but {answer!r}") from last
            time.sleep(0.1)

    def _dial(self) -> socket.socket:
        """Connect to the supervisor, by a relative path, since a socket's path may have 107 bytes at most."""
        _require_linux()
        folder = os.open(self.layout.state, os.O_PATH)
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(f"/proc/self/fd/{folder}/{self.layout.control.name}")
        except OSError:
            client.close()
            raise
        finally:
            os.close(folder)
        return client

    def _pid(self) -> int | None:
        """Return the supervisor's process number, None if none answers."""
        try:
            with self._dial() as client:
                pid, _, _ = struct.unpack(
                    "3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                )
                return int(pid)
        except OSError:
            return None

    def _ask(self, **request: Any) -> Object:
        with self._dial() as client:
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile() as answer:
                reply: Object = json.loads(answer.readline())
        _raise(reply)
        return reply

    def _ask_for_socket(self, **request: Any) -> socket.socket:
        with self._dial() as client:
            client.sendall(json.dumps(request).encode() + b"\n")
            data, handles, _, _ = socket.recv_fds(client, 65536, 1)
        _raise(json.loads(data))
        found = socket.socket(fileno=handles[0])
        found.setblocking(True)  # the supervisor's end had a timeout, and the two share their flags
        return found


def _tool(name: str) -> str:
    """Return a command of the virtual environment that this runs in."""
    return str(Path(sys.executable).with_name(name))


def _raise(reply: Object) -> None:
    if reply.get("errno") is not None:
        raise OSError(reply["errno"], reply["error"])
    if reply.get("error") and "parts" not in reply:
        raise OSError(reply["error"])


def _wait_for_end(handle: int, pid: int, seconds: float = 20) -> None:
    """Wait until a process is gone."""
    try:
        if not select.select([handle], [], [], seconds)[0]:
            os.kill(pid, 9)
            select.select([handle], [], [], seconds)
    finally:
        os.close(handle)


def _require_linux() -> None:
    if not sys.platform.startswith("linux"):
        raise TestbedError(NO_NAMESPACES.format(reason=f"they are Linux's, and this is {sys.platform}"))


def _check_namespaces() -> None:
    _require_linux()
    for tool in ("unshare", "nsenter", "setsid"):
        if shutil.which(tool) is None:
            raise TestbedError(NO_NAMESPACES.format(reason=f"the command {tool} is missing (package util-linux)"))
    probe = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode != 0:
        raise TestbedError(NO_NAMESPACES.format(reason=probe.stderr.strip()))


def _images(binary: str, homes: Mapping[str, Path]) -> Object:
    """Return the node's table: which local program stands for which program of which image."""
    table = [
        ("opendatahub/model-registry", "/model-registry", [binary, "model-registry"]),
        ("opendatahub/kube-rbac-proxy", "/usr/local/bin/kube-rbac-proxy", [binary, "kube-rbac-proxy"]),
        ("opendatahub/oauth-proxy", "/usr/bin/oauth-proxy", [binary, "oauth-proxy"]),
        ("opendatahub/mlmd-grpc-server", "/bin/metadata_store_server", [binary, "grpc"]),
        ("testbed/relay", "/relay", [binary, "relay"]),
    ]
    for name, home in homes.items():
        server = SERVERS[name]
        table.append((server.image, "/entrypoint", [binary, server.program, f"--home={home}"]))
    # A probe of the generated database's image runs this.
    more = {SERVERS["postgres-16"].image: {"/usr/libexec/check-container": [binary, "postgres-check"]}}
    entries = [
        {"image": image, "entrypoint": [program], "programs": {program: argv, **more.get(image, {})}}
        for image, program, argv in table
    ]
    # An image without programs of its own: a container's command is found on the machine.
    return {"images": [*entries, {"image": "testbed/shell"}]}
