# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command, and fail if it leaves anything of a cluster behind: `remains.py FOLDER COMMAND ...`.

What counts are the containers, volumes and networks of the Docker engine that answers, the network devices and mounts of
its machine, processes that name the folder, and what lies in the folder itself, but for the notes that Molecule keeps there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from testbed.kind.engine import Engine, EngineError, find

__all__ = ["remains"]

NOTES = ("inventory", "ansible.cfg", "molecule.yml", "state.yml")
"""Molecule's own files, which are not a cluster's."""
LISTS = (("container", "ls", "--all"), ("volume", "ls"), ("network", "ls"))


def remains(folder: Path, engine: Engine | None) -> set[str]:
    """List everything that a cluster consists of, as one line each."""
    return {*(_of_engine(engine) if engine else ()), *_processes(folder), *_files(folder)}


def _of_engine(engine: Engine) -> Iterator[str]:
    """List what an engine makes. Without one, devices and mounts do not count: one started meanwhile makes its own."""
    for what in LISTS:
        yield from (f"{what[0]} {one}" for one in engine.docker(*what, "--quiet").split())
    yield from (f"network device {path.name}" for path in Path("/sys/class/net").iterdir())
    yield from (f"mount {line.split()[4]}" for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _processes(folder: Path) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has just ended
            continue
        if str(folder) in " ".join(words) and Path(__file__).name not in " ".join(words):
            yield f"process {path.parent.name}: {' '.join(words)[:200]}"


def _files(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield from (f"file {path}" for path in folder.iterdir() if path.name not in NOTES)


def main() -> int:
    """Return the command's exit status, or 1 if something is left."""
    folder, command = Path(sys.argv[1]).absolute(), sys.argv[2:]
    try:
        engine = find()
    except EngineError:
        engine = None
    before = remains(folder, engine)
    status = subprocess.run(command, check=False).returncode
    left = sorted(remains(folder, engine) - before)
    print(f"left behind: {len(left)}", *left, sep="\n  ", flush=True)
    return status or min(len(left), 1)


if __name__ == "__main__":
    sys.exit(main())
