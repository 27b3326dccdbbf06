# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the development environment decides, without making one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import environment
import pytest


def program(path: Path, text: str = "#!/bin/sh\nexit 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Return the environment variables of a machine with nothing but two empty folders on PATH and no pyenv."""
    return {"PATH": f"{tmp_path / 'a'}:{tmp_path / 'b'}", "HOME": str(tmp_path)}


def test_newest_interpreter_comes_first_wherever_it_is(tmp_path: Path, machine: dict[str, str]) -> None:
    shim = program(tmp_path / "a" / "python3.13")
    plain = program(tmp_path / "a" / "python3")
    older = program(tmp_path / "a" / "python3.11")
    newer = program(tmp_path / "b" / "python3.13")
    pyenv = program(tmp_path / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3.13")
    assert list(environment.candidates(machine, range(10, 15))) == [shim, newer, pyenv, older, plain]


def test_versions_out_of_range_are_no_candidates(tmp_path: Path, machine: dict[str, str]) -> None:
    program(tmp_path / "b" / "python3.9")
    assert list(environment.candidates(machine, range(10, 15))) == []


def test_the_environment_itself_is_taken_off_the_path() -> None:
    assert environment.outside("/repo/.venv/bin:/usr/bin:/other/.venv/bin", Path("/repo/.venv")) == (
        "/usr/bin:/other/.venv/bin"
    )


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 3.12.1 /real/python", [(3, 12, 1, True)]),
        ("echo 3.12.1 /real/python; exit 1", [(3, 12, 1, False)]),
        ("echo 'command not found' >&2; exit 127", []),
        ("echo not a version", []),
        ("echo 3.9.2 /real/python", []),
        ("echo 2.7.18 /real/python", []),
    ],
    ids=["usable", "no venv module", "shim of a version switched off", "no Python", "too old", "Python 2"],
)
def test_only_what_runs_is_an_interpreter(
    tmp_path: Path, machine: dict[str, str], script: str, expected: list[tuple[int, int, int, bool]]
) -> None:
    program(tmp_path / "a" / "python3", f"#!/bin/sh\n{script}\n")
    found = list(environment.interpreters(machine, range(10, 15)))
    assert [(*item.version, item.has_venv) for item in found] == expected
    assert all(item.path == Path("/real/python") for item in found)


def test_fingerprint_tells_contents_and_places_apart(tmp_path: Path) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text("ruff==1\n")
    here = environment.fingerprint(tmp_path, (pins,))
    assert environment.fingerprint(tmp_path, (pins,)) == here
    assert environment.fingerprint(tmp_path / "elsewhere", (pins,)) != here
    pins.write_text("ruff==2\n")
    assert environment.fingerprint(tmp_path, (pins,)) != here


def test_unpack_takes_the_one_collection(tmp_path: Path) -> None:
    wheel = tmp_path / "bundle.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("ansible_collections/kubernetes/core/README.md", "wanted")
        archive.writestr("ansible_collections/kubernetes/core_of_others/README.md", "not wanted")
        archive.writestr("ansible_collections/community/mysql/README.md", "not wanted")
    environment.unpack(wheel, "kubernetes/core", tmp_path / "out")
    files = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files == [Path("ansible_collections/kubernetes/core/README.md")]


def test_unpack_says_what_is_missing(tmp_path: Path) -> None:
    wheel = tmp_path / "bundle.whl"
    zipfile.ZipFile(wheel, "w").close()
    with pytest.raises(environment.SetupError, match=r"bundle\.whl has no kubernetes\.core"):
        environment.unpack(wheel, "kubernetes/core", tmp_path / "out")
