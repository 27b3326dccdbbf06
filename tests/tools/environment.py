#!/usr/bin/env python3
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make `.venv`: Python packages, kubernetes.core, and this collection where Ansible finds it.

Runs with the standard library alone. Does nothing if `.venv` is up to date. PYTHON=/path/to/python chooses the
interpreter, which otherwise is the newest one on this machine that ansible-core supports.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BUNDLED",
    "COLLECTIONS",
    "NEWEST",
    "OLDEST",
    "ROOT",
    "VENV",
    "Interpreter",
    "SetupError",
    "cache_root",
    "candidates",
    "fingerprint",
    "interpreters",
    "locked",
    "outside",
    "run",
    "unpack",
]

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
COLLECTIONS = VENV / "collections" / "ansible_collections"
STAMP = "made-from"
"""The file that says what a virtual environment was made from. Without it, the environment is not finished."""
REQUIREMENTS = (ROOT / "tests" / "requirements.txt", ROOT / "tests" / "requirements-checks.txt")
TESTBED_PROJECT = ROOT / "tests" / "testbed" / "pyproject.toml"
INPUTS = (*REQUIREMENTS, TESTBED_PROJECT, Path(__file__).resolve())

BUNDLE = "ansible==14.5.0"
"""The package whose wheel carries kubernetes.core: a user who can install Python packages needs no Galaxy."""
BUNDLED = "kubernetes/core"
OTHERS = ("ansible/mysql", "ansible/posix")
"""What the playbook prepare_database needs, and a callback whose output is JSON, for tests."""
OLDEST, NEWEST = 10, 14
"""The minor versions of Python 3 that tests/requirements-checks.txt can be installed on."""

PROBE = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.executable, flush=True); import ensurepip, venv"
SITE_PACKAGES = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
PYTHON_WANTED = f"""\
No usable Python: one of 3.{OLDEST} to 3.{NEWEST} with the venv module is needed.
  Debian, Ubuntu:  apt install python3 python3-venv
  Fedora, RHEL:    dnf install python3.12
  macOS:           brew install python@3.13
or name one: make venv PYTHON=/path/to/python3"""
GIT_WANTED = "git is needed (ansible-lint asks it which files there are): install the package git."


class SetupError(Exception):
    """What is missing or failed, and what to do about it."""


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs, and its real path."""

    path: Path
    version: tuple[int, ...]
    has_venv: bool = True

    def __str__(self) -> str:
        return f"Python {'.'.join(map(str, self.version))} ({self.path})"


def cache_root() -> Path:
    """Return the directory of everything that the project keeps for this user, ``$XDG_CACHE_HOME`` obeyed."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "opendatahub-model-registry"


def outside(path: str, venv: Path) -> str:
    """Return the value ``path`` of PATH without ``venv``, which is to be replaced: a shim may lead into it too."""
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if Path(entry) != venv / "bin")


def candidates(environ: Mapping[str, str], minors: range) -> Iterator[Path]:
    """List files that may be interpreters, preferred first: by version on PATH and in pyenv, then plain ``python3``."""
    folders = [Path(entry) for entry in environ.get("PATH", os.defpath).split(os.pathsep) if entry]
    pyenv = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/")) / ".pyenv")
    for minor in reversed(minors):
        name = f"python3.{minor}"
        yield from (folder / name for folder in folders if (folder / name).is_file())
        # pyenv's shims run only the versions that the user switched on; the others are as good.
        yield from sorted(pyenv.glob(f"versions/3.{minor}.*/bin/{name}"), reverse=True)
    yield from (folder / "python3" for folder in folders if (folder / "python3").is_file())


def probe(path: Path) -> Interpreter | None:
    """Return the interpreter at ``path``, or None if it does not run."""
    try:
        done = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = re.fullmatch(r"(\d+)\.(\d+)\.(\d+) (.+)", done.stdout.strip())
    if not answer:
        return None
    *numbers, executable = answer.groups()
    return Interpreter(Path(executable), tuple(map(int, numbers)), done.returncode == 0)


def interpreters(environ: Mapping[str, str], minors: range) -> Iterator[Interpreter]:
    """List the candidates that run and have one of the versions, preferred first."""
    for path in candidates(environ, minors):
        found = probe(path)
        if found and found.version[0] == 3 and found.version[1] in minors:
            yield found


def choose() -> Interpreter:
    """Choose the interpreter for `.venv`."""
    minors = range(OLDEST, NEWEST + 1)
    named = os.environ.get("PYTHON")
    if named:
        path = Path(shutil.which(named) or named).absolute()
        found = probe(path)
        if found and found.has_venv and found.version[1] in minors:
            return found
        raise SetupError(f"PYTHON={named} is {found or 'no Python that runs'}.\n{PYTHON_WANTED}")
    without_venv: list[Interpreter] = []
    for found in interpreters(os.environ, minors):
        if found.has_venv:
            return found
        without_venv.append(found)
    raise SetupError("\n".join([*(f"{found} has no venv module." for found in without_venv), PYTHON_WANTED]))


def fingerprint(root: Path, inputs: tuple[Path, ...]) -> str:
    """Hash what `.venv` is made from; its path too, since its programs name it."""
    digest = hashlib.sha256(str(root).encode())
    for path in inputs:
        digest.update(b"\0" + path.read_bytes())
    return digest.hexdigest()


def finished(venv: Path, made_from: str) -> Interpreter | None:
    """Return the Python of ``venv`` if it was finished from today's contents and that Python still runs."""
    stamp = venv / STAMP
    if not stamp.is_file() or stamp.read_text() != made_from:
        return None
    return probe(venv / "bin" / "python")


def up_to_date() -> bool:
    """Check whether `.venv` is finished, and its Python is the one asked for."""
    present = finished(VENV, fingerprint(ROOT, INPUTS))
    if present and os.environ.get("PYTHON"):
        return choose().version == present.version
    return present is not None


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold ``directory`` for this process; another that needs it waits."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another run is at work in {directory}, waiting", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def run(what: str, command: Sequence[str | Path]) -> None:
    """Run ``command`` with its seconds shown on a terminal, and its output only if it fails."""
    live = sys.stdout.isatty()
    started = time.monotonic()
    print(f"  {what} … ", end="", flush=True)
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            while process.poll() is None:
                if live:
                    print(f"\r  {what} … {time.monotonic() - started:.0f} s", end="", flush=True)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(1)
        seconds = f"{time.monotonic() - started:.1f} s"
        print(f"\r  {what} … {seconds}" if live else seconds, flush=True)
        if process.returncode:
            output.seek(0)
            tail = "\n".join(output.read().splitlines()[-40:])
            raise SetupError(f"{what} failed (exit status {process.returncode}):\n{tail}")


def unpack(wheel: Path, collection: str, target: Path) -> None:
    """Put ``collection`` (``namespace/name``) of ``wheel`` below ``target``."""
    prefix = f"ansible_collections/{collection}/"
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith(prefix)]
        if not members:
            raise SetupError(f"{wheel.name} has no {collection.replace('/', '.')}.")
        archive.extractall(target, members)


def bundled_collection(python: Path) -> Path:
    """Return the unpacked `ansible_collections` directory of BUNDLE in the user's cache, filled if it is missing."""
    cache = cache_root()
    cache.mkdir(parents=True, exist_ok=True)
    done = cache / f"{BUNDLE.replace('==', '-')}-3"
    with locked(cache):
        if not done.is_dir():
            with tempfile.TemporaryDirectory(prefix=".ansible-", dir=cache) as name:
                scratch = Path(name)
                # Any wheel will do: nothing of it but the collection is used, so .venv's Python may be older.
                options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--python-version=3.12"]
                run(
                    f"downloading {BUNDLE} for its {BUNDLED.replace('/', '.')}",
                    [python, "-m", "pip", "download", *options, "--dest", scratch, BUNDLE],
                )
                for collection in (BUNDLED, *OTHERS):
                    unpack(next(scratch.glob("*.whl")), collection, scratch / "unpacked")
                (scratch / "unpacked").rename(done)
    return done / "ansible_collections"


def add_collections(python: Path) -> None:
    """Lay out what Ansible finds in `.venv`: kubernetes.core, and this collection as a link to the repository."""
    bundle = bundled_collection(python)
    source = bundle / BUNDLED
    for collection in (BUNDLED, *OTHERS):
        shutil.copytree(bundle / collection, COLLECTIONS / collection)
    version = json.loads((source / "MANIFEST.json").read_text())["collection_info"]["version"]
    own = COLLECTIONS / "opendatahub" / "model_registry"
    own.parent.mkdir()
    own.symlink_to(ROOT, target_is_directory=True)
    # Ansible looks for collections where Python looks for packages, so whatever is started from .venv finds these.
    packages = subprocess.run([python, "-c", SITE_PACKAGES], capture_output=True, text=True, check=True).stdout.strip()
    Path(packages, "collections.pth").write_text(f"{COLLECTIONS.parent}\n")
    print(f"  collections: kubernetes.core {version}, opendatahub.model_registry as a link")


def create(venv: Path, interpreter: Interpreter, packages: Sequence[str | Path]) -> None:
    """Make ``venv`` anew with ``packages``, as pip takes them. The caller writes its stamp last."""
    (venv / STAMP).unlink(missing_ok=True)
    if venv.is_dir():
        shutil.rmtree(venv)
    run("creating the virtual environment", [interpreter.path, "-m", "venv", venv])
    pip = ("-m", "pip", "--disable-pip-version-check")
    run("installing packages", [venv / "bin" / "python", *pip, "install", *packages])


def make() -> None:
    """Make `.venv` anew."""
    started = time.monotonic()
    if not shutil.which("git"):
        raise SetupError(GIT_WANTED)
    chosen = choose()
    print(f"Making .venv with {chosen}", flush=True)
    create(VENV, chosen, [argument for file in REQUIREMENTS for argument in ("--requirement", file)])
    add_collections(VENV / "bin" / "python")
    (VENV / STAMP).write_text(fingerprint(ROOT, INPUTS))
    print(f".venv is ready after {time.monotonic() - started:.1f} s", flush=True)


def main() -> int:
    """Return exit status 0 when `.venv` is ready."""
    os.environ["PATH"] = outside(os.environ.get("PATH", os.defpath), VENV)
    try:
        with locked(ROOT):
            if not up_to_date():
                make()
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
