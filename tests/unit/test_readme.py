# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""README.md lists what there is, with the versions that are tested. tests/integration/test_examples.py runs its commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MATRIX = (ROOT / "noxfile.py").read_text()
CELLS = re.findall(r'^    \("([\d.]+)", "([\d.]+)", "([\d.]*)"\),$', MATRIX, re.MULTILINE)


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> dict[str, list[str]]:
    """Return the rows of a text's tables by their first cell, which may be a link."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {re.sub(r"^\[([^]]*)\].*", r"\1", first.strip()): rest for first, *rest in lines}


def stems(pattern: str) -> set[str]:
    return {file.stem for file in ROOT.glob(pattern) if not file.stem.startswith("_")}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("playbooks", stems("playbooks/*.yml")),
        ("roles", {folder.name for folder in (ROOT / "roles").iterdir()}),
        ("modules", stems("plugins/modules/*.py")),
        ("filters and lookups", stems("plugins/filter/*.py") | stems("plugins/lookup/*.py")),
    ],
)
def test_content(kind: str, names: set[str]) -> None:
    (table,) = re.findall(rf"^\| {kind} \| \|\n\| --- \| --- \|\n((?:\| .*\n)+)", section("Content"), re.MULTILINE)
    listed = rows(table)
    assert set(listed) == names
    assert all(text for text in listed.values())


def numbers(cell: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)+", cell)


def ordered(versions: set[str]) -> list[str]:
    return sorted(versions - {""}, key=lambda version: [int(part) for part in version.split(".")])


def test_versions() -> None:
    """The tested ones are those of the matrix, of .venv and of the testbed; the others are what the collection asks for."""
    table = rows(section("Versions"))
    pinned = re.findall(r"^kubernetes==(\S+)$", (ROOT / "tests" / "requirements.txt").read_text(), re.MULTILINE)
    core = ROOT / ".venv" / "collections" / "ansible_collections" / "kubernetes" / "core" / "MANIFEST.json"
    servers = (ROOT / "tests" / "testbed" / "testbed" / "servers.py").read_text()
    assert numbers(table["ansible-core"][0]) == ordered({core for _python, core, _kubernetes in CELLS})
    assert numbers(table["Python of the controller"][0]) == ordered({python for python, *_others in CELLS})
    assert numbers(table["Python library kubernetes"][0]) == ordered({cell[2] for cell in CELLS} | set(pinned))
    assert numbers(table["kubernetes.core"][0]) == [json.loads(core.read_text())["collection_info"]["version"]]
    needed = yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]["kubernetes.core"]
    assert f">={numbers(table['kubernetes.core'][1])[0]}" == needed
    assert yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"] == ">=2.16.0"
    assert set(re.findall(r'^    "\w+-([\d.]+)": Server', servers, re.MULTILINE)) == set(
        re.findall(r"\d+(?:\.\d+)?", table["databases"][0])
    )


def test_python_libraries() -> None:
    needed = [
        line for line in (ROOT / "meta" / "ee-requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    (command,) = re.findall(r"^\$ python3 -m pip install (.*)$", README, re.MULTILINE)
    assert sorted(re.findall(r"'([^']*)'", command)) == sorted(needed)


def test_variables_are_those_of_the_examples() -> None:
    (block,) = re.findall(r"```yaml\n(# fraud.yml\n.*?)```", README, re.DOTALL)
    assert yaml.safe_load(block) == yaml.safe_load((ROOT / "examples" / "fraud.yml").read_text())


def test_requirements_file_is_one() -> None:
    (block,) = re.findall(r"```yaml\n(collections:\n.*?)```", README, re.DOTALL)
    (entry,) = yaml.safe_load(block)["collections"]
    url = entry["name"].removesuffix(".git")
    assert entry == {"name": f"{url}.git", "type": "git", "version": "main"}
    assert url == yaml.safe_load((ROOT / "galaxy.yml").read_text())["repository"]
    assert f"collection install git+{entry['name']}\n" in README


def test_the_archive_installs(tmp_path: Path) -> None:
    """By the command of the page, with kubernetes.core there and without a network."""
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    environment = {**os.environ, "HOME": str(tmp_path)}

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [str(galaxy), *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("collection", "build", str(ROOT))
    (command,) = re.findall(r"^\$ ansible-galaxy (collection install \S+\.tar\.gz)$", README, re.MULTILINE)
    # This checkout counts as installed already, unless it is forced.
    run(*command.split(), "--force", "--offline", "--collections-path", str(tmp_path / "collections"))
    installed = tmp_path / "collections" / "ansible_collections" / "opendatahub" / "model_registry"
    assert (installed / "playbooks" / "create.yml").exists()
