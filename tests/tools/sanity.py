# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on what users get: the archive, built and installed.

Needs `.venv`, and runs in it. ansible-test's own virtual environments are kept in the user's cache. Arguments are
handed on to `ansible-test sanity`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.python_requirements import get_venv_packages
from environment import (
    BUNDLED,
    COLLECTIONS,
    NEWEST,
    ROOT,
    VENV,
    SetupError,
    cache_root,
    interpreters,
    locked,
    outside,
    run,
)

MINORS = range(7, NEWEST + 1)
"""The minor versions of Python 3 that some supported ansible-core runs modules on."""
LINKED = (".config/pip", ".cache/pip")
"""What pip finds in the home directory that ansible-test gets."""


def prepare_home(home: Path) -> None:
    """Prepare ``home`` so that ansible-test can install its requirements there."""
    scripts = home / ".ansible" / "test" / "cache"
    scripts.mkdir(parents=True, exist_ok=True)
    for version in {get_venv_packages(SimpleNamespace(version=f"3.{minor}"))["pip"] for minor in MINORS}:
        shutil.copy(Path(__file__).with_name("get_pip.py"), scripts / f"get_pip_{version.replace('.', '_')}.py")
    for name in LINKED:
        link = home / name
        if not link.is_symlink():
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(Path.home() / name)


def install(target: Path) -> Path:
    """Build this collection and install it below ``target`` with its dependencies. Returns its path."""
    galaxy = VENV / "bin" / "ansible-galaxy"
    collections = target / "ansible_collections"
    run("building the archive", [galaxy, "collection", "build", "--output-path", target, ROOT])
    archive = next(target.glob("*.tar.gz"))
    # Without --force, the link in .venv counts as installed already.
    options = ["--force", "--no-deps", "--offline"]
    run("installing it", [galaxy, "collection", "install", *options, "--collections-path", target, archive])
    shutil.copytree(COLLECTIONS / BUNDLED, collections / BUNDLED)
    return collections / "opendatahub" / "model_registry"


def search_path() -> str:
    """Return PATH with every Python that runs, so that modules are compiled and imported with each of them."""
    path = outside(os.environ.get("PATH", os.defpath), VENV)
    folders = [interpreter.path.parent for interpreter in interpreters({**os.environ, "PATH": path}, MINORS)]
    return os.pathsep.join(map(str, dict.fromkeys([VENV / "bin", *folders, path])))


def sanity(arguments: list[str]) -> int:
    """Return the exit status of ansible-test."""
    home = cache_root() / "ansible-test"
    home.mkdir(parents=True, exist_ok=True)
    with locked(home), tempfile.TemporaryDirectory(prefix="model-registry-sanity-") as name:
        prepare_home(home)
        collection = install(Path(name))
        environment = {**os.environ, "HOME": str(home), "PATH": search_path()}
        command = [str(VENV / "bin" / "ansible-test"), "sanity", *arguments]
        done = subprocess.run(command, cwd=collection, env=environment, check=False, stdin=subprocess.DEVNULL)
        return done.returncode


def main() -> int:
    """Return exit status 0 when every sanity test passed."""
    try:
        return sanity(sys.argv[1:])
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
