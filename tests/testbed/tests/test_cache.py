# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of what is slow to make: its keys, one maker at a time, nothing half-made, nothing kept for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from testbed import programs
from testbed.cache import Say, cache_root, cached, fingerprint, locked
from testbed.programs import GoModule

OLD, NEW = "0" * 12, "1" * 12


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_root()


def silent(line: str) -> None:
    """Discard a line of progress."""


def make(into: Path, _say: Say) -> None:
    assert not list(into.iterdir())
    (into / "made").write_text("whole")


def names(root: Path) -> set[str]:
    """Return the names in the cache except its locks."""
    return {path.name for path in root.iterdir() if path.suffix != ".lock"}


def test_a_fingerprint_tells_parts_apart(tmp_path: Path) -> None:
    """The end of each part counts, and so do a file's name and the order."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("content")
    same = [fingerprint(["ab", "c"]), fingerprint([b"ab", "c"])]
    others = [
        fingerprint(parts)
        for parts in (["a", "bc"], ["c", "ab"], ["abc"], [], [tmp_path / "a"], [tmp_path / "b"], ["content"])
    ]
    assert same[0] == same[1]
    assert len({same[0], *others}) == 8
    assert all(len(key) == 12 for key in others)


def test_what_is_there_is_not_made_again(root: Path) -> None:
    first = cached("thing", NEW, make, silent)
    (first / "made").write_text("kept")
    assert cached("thing", NEW, make, silent) == first == root / f"thing-{NEW}"
    assert (first / "made").read_text() == "kept"
    assert names(root) == {first.name}


def test_what_fails_leaves_nothing(root: Path) -> None:
    def fail(into: Path, say: Say) -> None:
        make(into, say)
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        cached("thing", NEW, fail, silent)
    assert names(root) == set()


def test_what_a_killed_run_left_is_cleared(root: Path) -> None:
    """A killed run cannot clean up: the next one does, and does not take the half for the whole."""
    script = f"""
import os
from testbed.cache import cached
def make(into, say):
    (into / "half").touch()
    os.kill(os.getpid(), 9)
cached("thing", "{NEW}", make, print)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    (left,) = names(root)
    assert left.startswith(".thing-")
    assert (cached("thing", NEW, make, silent) / "made").read_text() == "whole"
    assert names(root) == {f"thing-{NEW}"}


def test_old_ones_are_swept_after_thirty_days(root: Path) -> None:
    """Of the same name, and none of others; use counts, not age."""
    day = 86400
    for name, days in (
        (f"thing-{OLD}", 31),
        (f"thing-{'2' * 12}", 29),
        (f"other-{OLD}", 31),
        (f"thing-else-{OLD}", 31),
    ):
        (root / name).mkdir(parents=True)
        os.utime(root / name, (time.time() - days * day,) * 2)
    (root / f"thing-{NEW}").mkdir()
    os.utime(root / f"thing-{NEW}", (time.time() - 40 * day,) * 2)
    used = cached("thing", NEW, make, silent)
    assert names(root) == {used.name, f"thing-{'2' * 12}", f"other-{OLD}", f"thing-else-{OLD}"}
    assert time.time() - used.stat().st_mtime < 60


def test_others_wait_for_the_one_that_makes_it(root: Path) -> None:
    """They report it, and use the result."""
    script = f"""
import sys
from testbed.cache import cached
def make(into, say):
    print("making", flush=True)
    sys.stdin.readline()
    (into / "made").write_text("by the first")
cached("thing", "{NEW}", make, print)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdin is not None and first.stdout is not None
        assert first.stdout.readline() == b"making\n"
        said = []

        def say(line: str) -> None:
            """Let the first one continue when this one must wait."""
            said.append(line)
            assert first.stdin is not None
            first.stdin.write(b"\n")
            first.stdin.flush()

        found = cached("thing", NEW, make, say)
    assert said == ["thing: another run is making it, waiting"]
    assert found.parent == root
    assert (found / "made").read_text() == "by the first"


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    waited = []
    with pytest.raises(KeyError), locked(tmp_path / "lock", lambda: waited.append(1)):
        raise KeyError
    with locked(tmp_path / "lock", lambda: waited.append(2)):
        assert waited == []


def test_a_build_is_known_by_sources_and_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests and other files do not count, the go command's settings and the linker's flags do."""
    module = GoModule("module", tmp_path, "it")
    for name in ("go.mod", "main.go"):
        (tmp_path / name).write_text(name)
    keys = [module.fingerprint()]
    for name in ("main_test.go", "notes.md"):
        (tmp_path / name).touch()
    assert module.fingerprint() == keys[0]
    (tmp_path / "main.go").write_text("changed")
    keys.append(module.fingerprint())
    monkeypatch.setitem(programs.SETTINGS, "CGO_ENABLED", "1")
    keys.append(module.fingerprint())
    monkeypatch.setattr(programs, "LINKING", "-w")
    keys.append(module.fingerprint())
    assert len(set(keys)) == 4
