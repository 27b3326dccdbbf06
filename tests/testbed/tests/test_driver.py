# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver: starting, stopping, several side by side, nothing left behind, every process run by the right user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from registries import Registries, command_lines, processes
from testbed.bed import Testbed, TestbedError
from testbed.layout import PARTS_USER, USERS, command_for, default_state
from testbed.programs import TESTBED as TESTBED_MODULE

TESTBED = [sys.executable, "-m", "testbed.cli"]
ELSEWHERE = """
import os, sys
from testbed.cli import main
sys.platform = "darwin"
del os.O_PATH, os.pidfd_open
sys.exit(main())
"""
"""The command on a system that lacks Linux's own features."""


def cli(
    state: Path, *arguments: str, environment: Mapping[str, str] | None = None, command: Sequence[str] = TESTBED
) -> subprocess.CompletedProcess[str]:
    """Run the command ``testbed``, as a person would."""
    return subprocess.run(
        [*command, "--state", str(state), *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_commands_that_are_shown_name_the_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unless it is the one that commands without --state use."""
    monkeypatch.delenv("TESTBED_STATE", raising=False)
    assert command_for(default_state()) == "testbed"
    assert command_for(tmp_path / "a b") == f"testbed --state '{tmp_path}/a b'"
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))
    assert command_for(tmp_path) == "testbed"


def processes_of(state: Path) -> list[str]:
    """Return the command lines of the processes that were started for a state directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in line:
            found.append(line)
    return found


def gone(state: Path, seconds: float = 15) -> None:
    """Wait until a testbed has left neither a process nor a file; fail if it does not."""
    deadline = time.monotonic() + seconds
    while (left := processes_of(state)) or state.exists():
        assert time.monotonic() < deadline, (
            f"left behind: {left}, {list(state.rglob('*'))[:20] if state.exists() else 'no files'}"
        )
        time.sleep(0.1)


@pytest.mark.parametrize("user", USERS)
def test_everybody_is_who_they_should_be(bed: Testbed, user: str) -> None:
    assert bed.api(user).whoami() == USERS[user].name
    inside = bed.run(["kubectl", "auth", "whoami", "-o", "json"], user=user, capture_output=True)
    assert json.loads(inside.stdout)["status"]["userInfo"]["username"] == USERS[user].name


def test_a_command_inside_is_run_by_its_caller(bed: Testbed) -> None:
    """Not by the namespace's root, whose home directory an ordinary user may not enter."""
    inside = bed.run(["sh", "-c", "id -u; id -g"], capture_output=True)
    uid, gid = inside.stdout.split()
    assert (int(uid), int(gid)) == (os.getuid(), os.getgid()), inside.stderr


def test_parts_are_not_audited_and_people_are(bed: Testbed) -> None:
    bed.api("nobody").raw("GET", "/api/v1/namespaces/default/pods?canary=1")

    def seen() -> list[str]:
        return [e["user"]["username"] for e in bed.audit() if "canary=1" in e["requestURI"]]

    assert bed.until("audited", seen) == ["nobody"]
    assert PARTS_USER not in {entry["user"]["username"] for entry in bed.audit()}


def test_life_at_the_command_line(tmp_path: Path) -> None:
    state = tmp_path / "bed"
    assert cli(state, "status").returncode == 1
    up = cli(state, "up", "--no-database", "--flavour", "plain", "--owner", str(os.getpid()))
    assert up.returncode == 0, up.stderr
    assert "ready after" in up.stderr
    again = cli(state, "up")
    assert again.returncode == 1
    assert "is running already" in again.stderr
    status = json.loads(cli(state, "status").stdout)
    assert status["ready"] and all(part["pid"] for part in status["parts"].values())
    assert cli(state, "logs", "kube-apiserver").stdout.startswith("--- start 1 at ")
    assert f"KUBECONFIG={state}" in cli(state, "env", "--user", "nobody").stdout
    inside = cli(
        state,
        "exec",
        "--user",
        "nobody",
        "--",
        "kubectl",
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
    )
    assert inside.stdout == "nobody", inside.stderr
    assert cli(state, "exec", "--", "sh", "-c", "exit 7").returncode == 7
    assert cli(state, "down").returncode == 0
    gone(state)
    assert cli(state, "down").returncode == 0, "stopping what does not run is no error"
    assert "no testbed is running" in cli(state, "exec", "--", "true").stderr


def started_at(pid: int) -> str:
    """Return when a process started, in clock ticks since the machine did; empty if there is none of that number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_ends_with_its_owner_however_that_ends(tmp_path: Path) -> None:
    """With a registry on MySQL: nothing survives the owner's SIGKILL except a caller's own command inside."""
    state = tmp_path / "bed"
    with subprocess.Popen(["sleep", "600"]) as owner:
        bed = Testbed.up(state, owner=owner.pid, time_factor=0.2)
        registries = Registries(bed)
        registries.make("orphan")
        registries.available("orphan")
        alive = {pid: started_at(pid) for pid in processes(bed)}
        lines = command_lines(bed).values()
        assert any(words[0] == "mysqld" for words in lines) and any("model-registry" in words for words in lines)
        with subprocess.Popen(bed.command(["sleep", "600"])) as guest:
            owner.kill()
            gone(state)
            bed.until("all processes gone", lambda: not [p for p, start in alive.items() if started_at(p) == start])
            assert guest.poll() is None, "a command of `testbed exec` is its caller's"
            guest.kill()


def test_ends_with_its_supervisor(tmp_path: Path) -> None:
    """Even if the supervisor itself is killed no process stays; its files are removed by the next start.

    That one's owner is asked to end, which it does in its own way.
    """
    state = tmp_path / "bed"
    bed = Testbed.up(state, databases=(), owner=os.getpid())
    pid = bed.command(["true"])[1].partition("=")[2]
    os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while left := processes_of(state):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert not bed.running()
    with subprocess.Popen(["sleep", "600"]) as owner:
        bed = Testbed.up(state, databases=(), owner=owner.pid)
        assert bed.running()
        owner.terminate()
    gone(state)


def test_a_failed_start_keeps_its_logs(tmp_path: Path) -> None:
    """The error names the folder where they are, not the one that was removed."""
    broken = tmp_path / "cache" / "opendatahub-model-registry" / f"testbed-{TESTBED_MODULE.fingerprint()}" / "testbed"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho broken; exit 3\n")
    broken.chmod(0o755)
    state = tmp_path / "bed"
    up = cli(state, "up", "--no-database", environment={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert up.returncode == 1
    kept = tmp_path / "bed.failed"
    assert f"the testbed did not start; see {kept}" in up.stderr
    assert "broken" in (kept / "supervisor.log").read_text()
    gone(state)


def test_a_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    with pytest.raises(TestbedError, match="is not empty and no testbed's"):
        Testbed.up(tmp_path, databases=())
    assert (tmp_path / "precious").read_text() == "data"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "--flavour", "3.0"), "choose from"),
        (("up", "--database", "oracle"), "choose from"),
        (("up", "--owner", "me"), "--owner me"),
        (("exec", "--"), "give a command"),
        (("kill", "kubelet"), "choose from"),
    ],
)
def test_wrong_words(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = cli(tmp_path / "bed", *arguments)
    assert result.returncode != 0
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_without_namespaces_it_says_so(tmp_path: Path) -> None:
    """If ``unshare`` is refused or missing, the error names the reason and the fix."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "unshare").write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    (tools / "unshare").chmod(0o755)
    for name in ("nsenter", "setsid", "sh"):
        (tools / name).symlink_to(shutil.which(name) or "/missing")
    result = cli(tmp_path / "bed", "up", environment={"PATH": str(tools)})
    assert result.returncode == 1
    assert "Operation not permitted" in result.stderr
    assert "kind cluster" in result.stderr


@pytest.mark.parametrize("arguments", [("up",), ("status",), ("exec", "--", "true"), ("down",)], ids=lambda a: a[0])
def test_without_linux_it_says_so(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = cli(tmp_path / "bed", *arguments, command=[sys.executable, "-c", ELSEWHERE])
    assert result.returncode == 1
    assert "this is darwin" in result.stderr and "use a kind cluster" in result.stderr
    assert "Traceback" not in result.stderr
