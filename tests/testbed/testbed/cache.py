# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is slow to make is made once per user and kept under a hash of its inputs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Say", "cache_root", "cached", "fingerprint", "locked"]

Say = Callable[[str], None]
"""Takes one line of progress, without its newline."""


def cache_root() -> Path:
    """Return the directory of everything that the project keeps for this user, honoring ``$XDG_CACHE_HOME``."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "opendatahub-model-registry"


def fingerprint(parts: Iterable[bytes | str | Path]) -> str:
    """Return a hash (12 hexadecimal digits) of strings, and of the names and contents of files, in the given order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            digest.update(f"{part.name}\0".encode())
            part = part.read_bytes()
        elif isinstance(part, str):
            part = part.encode()
        digest.update(b"%d\0" % len(part))
        digest.update(part)
    return digest.hexdigest()[:12]


def cached(name: str, key: str, make: Callable[[Path, Say], None], say: Say) -> Path:
    """Return the directory ``name-key`` of the cache, made by ``make(empty directory, say)`` if it is missing.

    It appears whole or not at all, and one process makes it while others wait. What an older key left
    behind under the same name is removed once it has not been used for 30 days.
    """
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    done = root / f"{name}-{key}"
    with locked(root / f".{name}.lock", lambda: say(f"{name}: another run is making it, waiting")):
        # No other process makes it now, so what is there is left by a run that was cut off.
        for unfinished in root.glob(f".{name}-" + "?" * 8):
            shutil.rmtree(unfinished, ignore_errors=True)
        if not done.is_dir():
            work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
            try:
                make(work, say)
                work.chmod(0o755)
                work.rename(done)
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
        os.utime(done)
        _sweep(root, name, done)
    return done


def _sweep(root: Path, name: str, keep: Path, days: int = 30) -> None:
    for old in root.glob(f"{name}-" + "?" * 12):
        if old != keep and old.is_dir() and old.stat().st_mtime < time.time() - days * 86400:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Let one process in after the other; call ``waiting`` if another one is inside."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
