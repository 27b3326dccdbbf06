# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver: starting, stopping, several side by side, nothing left behind, everybody who they should be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from testbed.bed import Testbed, TestbedError
from testbed.flavours import FLAVOURS
from testbed.layout import PARTS_USER, USERS
from testbed_fixtures import Start

TESTBED = [sys.executable, "-m", "testbed.cli"]


def cli(state: Path, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command ``testbed``, as a person would."""
    return subprocess.run(
        [*TESTBED, "--state", str(state), *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )


def processes_of(state: Path) -> list[str]:
    """The command lines of the processes that were started for a state directory."""
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
    """Wait until a testbed has left neither a process nor a file; fail where it does not."""
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
    assert "Started" in cli(state, "logs", "kube-apiserver").stdout or cli(state, "logs", "kube-apiserver").stdout
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


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_ends_with_its_owner(tmp_path: Path, how: signal.Signals) -> None:
    state = tmp_path / "bed"
    owner = subprocess.Popen(["sleep", "600"])
    up = cli(state, "up", "--no-database", "--owner", str(owner.pid))
    assert up.returncode == 0, up.stderr
    assert processes_of(state)
    owner.send_signal(how)
    owner.wait()
    gone(state)


def test_ends_with_its_supervisor(tmp_path: Path) -> None:
    """Even where the supervisor itself is killed no process stays; its files are removed by the next start."""
    state = tmp_path / "bed"
    bed = Testbed.up(state, databases=(), owner=os.getpid())
    pid = bed.command(["true"])[1].partition("=")[2]
    os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while left := processes_of(state):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert not bed.running()
    bed = Testbed.up(state, databases=(), owner=os.getpid())
    assert bed.running()
    bed.down()
    gone(state)


def test_side_by_side(start: Start, bed: Testbed) -> None:
    """Two clusters at the same addresses, neither of which sees the other."""
    with start(flavour="2.19", databases=()) as other:
        other.api().create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "only-here"}})
        assert bed.api().get("v1", "Namespace", "only-here") is None
    assert bed.running()


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
    """Where ``unshare`` is refused or missing, the reason and the way out are named."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "unshare").write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    (tools / "unshare").chmod(0o755)
    for name in ("nsenter", "setsid", "sh"):
        (tools / name).symlink_to(shutil.which(name) or "/missing")
    result = subprocess.run(
        [*TESTBED, "--state", str(tmp_path / "bed"), "up"],
        env={**os.environ, "PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "Operation not permitted" in result.stderr
    assert "kind cluster" in result.stderr


@pytest.mark.parametrize("flavour", [name for name in FLAVOURS if name != "current"])
def test_flavours_serve_their_apis(start: Start, flavour: str) -> None:
    expected = FLAVOURS[flavour]
    with start(flavour=flavour, databases=()) as bed:
        api = bed.api()
        group = api.request("GET", "/apis/modelregistry.opendatahub.io")
        assert {version["version"] for version in group["versions"]} == set(expected.served)
        (crd,) = [
            c
            for c in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
            if c["spec"]["names"]["plural"] == "modelregistries" and "modelregistry." in c["spec"]["group"]
        ]
        assert crd["status"]["storedVersions"] == [expected.stored]
        groups = {g["name"] for g in api.request("GET", "/apis")["groups"]}
        assert ("user.openshift.io" in groups) is expected.openshift
        assert ("components.platform.opendatahub.io" in groups) is expected.aihub
        assert api.get("v1", "Namespace", expected.registries_namespace)
        clusters = api.list("datasciencecluster.opendatahub.io/v1", "DataScienceCluster")
        named = [c["status"]["components"]["modelregistry"]["registriesNamespace"] for c in clusters]
        assert named == ([expected.registries_namespace] if expected.openshift else [])
