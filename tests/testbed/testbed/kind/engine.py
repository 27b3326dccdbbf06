# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine that a cluster runs on: the machine's own, or one of the project's, started on request."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from testbed.cache import Say, cache_root, locked
from testbed.programs import go_build

from .sources import SMALL

__all__ = ["OWN_BRIDGES", "Engine", "EngineError", "find", "start", "stop"]

PACKAGES = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap"}
"""The packages for a Debian machine, by the program that shows that each is installed."""
BRIDGE = "mrkind0"
BRIDGE_ADDRESS = "172.29.255.1/24"
OWN_BRIDGES = "mrkind"
"""The prefix of the names of all network devices of the project's engine."""
STARTING = 60.0
"""Seconds for an engine to answer."""
NONE_FOUND = """\
no Docker engine answers, which a kind cluster needs:
  {reason}
Start Docker, or set DOCKER_HOST. On Debian, as root, `make docker-engine` (or `testbed kind engine`) installs and starts
one of the project's own; `testbed kind engine --stop` takes it away again."""


class EngineError(Exception):
    """A Docker engine is missing or refuses something; the text says what and what to do."""


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers."""

    host: str | None
    """Its address, None for the one that the docker command finds by itself."""

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a command that is to use it."""
        return {**os.environ, **({"DOCKER_HOST": self.host} if self.host else {})}

    @property
    def place(self) -> str:
        """Its location, for people."""
        return self.host or os.environ.get("DOCKER_HOST") or "the one of this machine"

    def docker(self, *arguments: str, stdin: IO[bytes] | None = None, check: bool = True) -> str:
        """Run the docker command and return its standard output. Raises EngineError with its error output."""
        done = subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if check and done.returncode:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise EngineError(f"docker {' '.join(arguments[:2])} failed: {words[-2000:]}")
        return done.stdout.decode(errors="replace").strip()

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start the docker command, for streams."""
        return subprocess.Popen(["docker", *arguments], env=self.environment, **options)

    def has_image(self, name: str) -> bool:
        """Return whether it holds an image of that name."""
        return bool(self.docker("image", "ls", "--quiet", name))


def find() -> Engine:
    """Return the engine to use: that of DOCKER_HOST or of the machine, else the project's own. Raises EngineError."""
    if shutil.which("docker") is None:
        raise EngineError(NONE_FOUND.format(reason="there is no command docker"))
    for engine in (Engine(None), Engine(_address())):
        reason = _refusal(engine)
        if reason is None:
            return engine
        if "DOCKER_HOST" in os.environ:
            break
    raise EngineError(NONE_FOUND.format(reason=reason))


def start(say: Say) -> Engine:
    """Return the engine that answers here, else install and start the project's own. Root of a Debian machine only."""
    try:
        engine = find()
    except EngineError:
        _require_root()
        _install(say)
        return _run(say)
    say(f"a Docker engine answers already: {engine.place}")
    return engine


def stop(say: Say) -> None:
    """Stop the project's engine, and remove its containers, images, networks and files."""
    _require_root()
    if not _folder().is_dir():
        say("the project's Docker engine does not run")
        return
    if shutil.which("dockerd"):
        # Only a running engine knows everything it made: a killed one is started again first.
        engine = _run(say)
        containers = engine.docker("container", "ls", "--all", "--quiet").split()
        if containers:
            engine.docker("container", "rm", "--force", "--volumes", *containers)
        engine.docker("network", "prune", "--force")
    _end()
    for mount in reversed(list(_mounts())):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
    for device in Path("/sys/class/net").glob(f"{OWN_BRIDGES}*"):
        subprocess.run(["ip", "link", "delete", device.name], capture_output=True, check=False)
    shutil.rmtree(_folder())
    say("the project's Docker engine is stopped and removed")


def _folder() -> Path:
    return cache_root() / "engine"


def _address() -> str:
    return f"unix://{_folder()}/docker.sock"


def _require_root() -> None:
    if os.geteuid() != 0:
        raise EngineError("the project's Docker engine is for root: use Docker as your distribution has it")


def _refusal(engine: Engine) -> str | None:
    """Return why an engine does not answer; None if it does."""
    try:
        engine.docker("version", "--format", "{{.Server.Version}}")
    except EngineError as error:
        return str(error).splitlines()[-1]
    return None


def _install(say: Say) -> None:
    wanted = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not wanted:
        return
    if shutil.which("apt-get") is None:
        raise EngineError(f"this needs Debian: install {', '.join(wanted)} by hand")
    say(f"installing {', '.join(wanted)}")
    # At "run level 1" a package's own service is installed but not started, unless systemd decides that.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    # Nothing installed is removed for it: it may be Docker's own packages.
    options = ["--quiet", "--quiet", "--yes", "--no-remove", "--no-install-recommends"]
    install = ["apt-get", "install", *options, *wanted]
    # The remains of an installation that was cut off are finished first.
    for command in (["dpkg", "--configure", "--pending"], ["apt-get", "update", "--quiet", "--quiet"], install):
        done = subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EngineError(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout)[-2000:]}")


def _run(say: Say) -> Engine:
    """Return the project's engine, started if it does not answer."""
    engine = Engine(_address())
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(".engine.lock"), lambda: say("another run is starting the Docker engine, waiting")):
        if _refusal(engine) is None:
            return engine
        started = time.monotonic()
        folder.mkdir(exist_ok=True)
        if _process() is None:
            _bridge()
            # Of an engine that was killed: the numbers can be those of other processes now.
            for stale in (folder / "pid", folder / "run" / "containerd" / "containerd.pid"):
                stale.unlink(missing_ok=True)
            _launch(folder, go_build(SMALL, say) / "runc-fit")
        while reason := _refusal(engine):
            if time.monotonic() - started > STARTING:
                last = (folder / "log").read_text(errors="replace")[-2000:]
                raise EngineError(f"the project's Docker engine did not start: {reason}\n{last}")
            time.sleep(0.3)
        say(f"{time.monotonic() - started:5.1f} s  Docker engine at {engine.host}")
    return engine


def _bridge() -> None:
    """Create the device of the engine's default network.

    It is the engine's own: with "--bridge none" or with a pool of addresses an engine deletes docker0, which may belong
    to another engine.
    """
    if not Path("/sys/class/net", BRIDGE).exists():
        _ip("link", "add", BRIDGE, "type", "bridge")
    if BRIDGE_ADDRESS not in _ip("-oneline", "address", "show", "dev", BRIDGE):
        _ip("address", "add", BRIDGE_ADDRESS, "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"ip {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def _launch(folder: Path, runtime: Path) -> None:
    """Start dockerd in a session of its own. It writes no firewall rules: ports are published by its own proxy."""
    # The machine's own daemon.json, which is another engine's, does not count here.
    (folder / "daemon.json").write_text(
        json.dumps({"default-runtime": "fit", "runtimes": {"fit": {"path": str(runtime)}}})
    )
    # dockerd looks there for the programs that it starts.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                "dockerd",
                f"--config-file={folder}/daemon.json",
                f"--host={_address()}",
                f"--data-root={folder}/data",
                f"--exec-root={folder}/run",
                f"--pidfile={folder}/pid",
                f"--bridge={BRIDGE}",
                "--iptables=false",
            ],
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    # It outlives this process, which need not reap it.
    process.returncode = 0


def _process() -> int | None:
    """Return the process number of the project's dockerd; None if there is none."""
    try:
        pid = int((_folder() / "pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if _address().encode() in arguments else None


def _end() -> None:
    pid = _process()
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while _process() is not None:
        if time.monotonic() > deadline:
            print("the Docker engine does not end: it is killed", file=sys.stderr)
            os.kill(pid, signal.SIGKILL)
            deadline += 30
        time.sleep(0.1)


def _mounts() -> Iterator[str]:
    """Yield the mounts below the engine's folder, outermost first."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount = line.split()[4]
        if mount.startswith(f"{_folder()}/"):
            yield mount
