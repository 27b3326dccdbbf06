# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive has what users need and nothing else, and the links in its pages work there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/opendatahub-io/model_registry/blob/main/"
CONTENT = {
    "": {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "requirements.txt"},
    "changelogs": {"changelog.yaml"},
    "meta": {"ee-bindep.txt", "ee-requirements.txt", "execution-environment.yml", "runtime.yml"},
    "tests": {"config.yml"},
}
"""The files of the folders that hold more than users need in the repository."""
WHOLE = ("docs/", "examples/", "playbooks/", "plugins/", "roles/")
"""Folders that are in the archive as they are in the repository, except the pages for contributors."""
FOR_CONTRIBUTORS = {f"docs/{page}.md" for page in ("architecture", "contributing", "molecule", "testbed")}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the archive, and return the folder that it unpacks into."""
    folder = tmp_path_factory.mktemp("archive")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    command = [str(galaxy), "collection", "build", "--output-path", str(folder), str(ROOT)]
    done = subprocess.run(command, env={**os.environ, "HOME": str(folder)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.tar.gz")
    unpacked = folder / "collection"
    with tarfile.open(built) as packed:
        packed.extractall(unpacked, filter="data")
    return unpacked


def files_of(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def in_repository() -> set[str]:
    """Return the files that git knows or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return {file for file in listed if file and (ROOT / file).exists()}


def test_content(archive: Path) -> None:
    listed = {f"{folder}/{name}".lstrip("/") for folder, names in CONTENT.items() for name in names}
    whole = {file for file in in_repository() if file.startswith(WHOLE)}
    assert files_of(archive) == listed | whole - FOR_CONTRIBUTORS


def test_no_folder_is_empty(archive: Path) -> None:
    assert [folder for folder in archive.rglob("*") if folder.is_dir() and not any(folder.iterdir())] == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)).lower() for title in titles)
    return {title.strip().replace(" ", "-") for title in plain}


def broken_links(folder: Path) -> list[str]:
    """Return the links of a folder's pages that lead to nothing in it; URLs of the repository's pages are checked there."""
    broken = []
    for page in folder.rglob("*.md"):
        for link in LINK.findall(page.read_text()):
            target, _hash, anchor = link.partition("#")
            if target.startswith(REPOSITORY):
                found = ROOT / target.removeprefix(REPOSITORY)
            elif "://" in target:
                continue
            else:
                found = (page.parent / target).resolve() if target else page
            wrong_anchor = bool(anchor) and found.suffix == ".md" and found.exists() and anchor not in anchors(found)
            if not found.exists() or wrong_anchor:
                broken.append(f"{page.relative_to(folder)}: {link}")
    return broken


def test_links_lead_somewhere(archive: Path) -> None:
    assert broken_links(archive) == []


def test_links_of_contributors_pages_lead_somewhere() -> None:
    """They are not in the archive, and lead to files that are not in it either."""
    assert broken_links(ROOT / "docs") == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        f"# A page\n[a](#a-page) [b](no.md) [c](#no) [d]({REPOSITORY}no.md) [e]({REPOSITORY}README.md)\n"
    )
    assert broken_links(tmp_path) == ["page.md: no.md", "page.md: #no", f"page.md: {REPOSITORY}no.md"]
