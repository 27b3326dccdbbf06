# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind cluster's own parts that need no Docker engine: images, names, configuration, errors without an engine."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from testbed.flavours import FLAVOURS
from testbed.kind import engine
from testbed.kind.cluster import Cluster, ClusterError
from testbed.kind.images import DATABASES, Entry, Folder, Image, Link, write_archive
from testbed.kind.images import IMAGES as MADE
from testbed.kind.supply import released
from testbed.manifests import webhooks
from testbed.programs import SOURCE, go
from testbed.servers import SERVERS

LAYERS: dict[str, dict[str, Entry]] = {
    "one": {"bin/hello": b"hello", "bin/hi": Link("hello"), "tmp": Folder(0o1777)},
    "two": {"etc/passwd": b"root"},
}
IMAGES = [
    Image(("hello:v1",), ("one",), ("/bin/hello",), "65532"),
    Image(("example/both:v1", "localhost/both:v1", "registry.example/both:v1"), ("one", "two")),
]


def test_an_archive_is_what_docker_would_save(tmp_path: Path) -> None:
    write_archive(tmp_path / "images.tar", LAYERS, IMAGES)
    assert [path.name for path in tmp_path.iterdir()] == ["images.tar"]
    with tarfile.open(tmp_path / "images.tar") as archive:

        def read(name: str) -> bytes:
            content = archive.extractfile(name)
            assert content is not None
            return content.read()

        manifest = json.loads(read("manifest.json"))
        config = json.loads(read(manifest[0]["Config"]))
        (layer,) = manifest[0]["Layers"]
        layers = [name for name in archive.getnames() if name.endswith(".tar")]
    assert len(layers) == 2 and manifest[1]["Layers"] == [layer, *(name for name in layers if name != layer)]
    assert config["config"]["Entrypoint"] == ["/bin/hello"] and config["config"]["User"] == "65532"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer.removesuffix('.tar')}"]
    assert manifest[0]["RepoTags"] == ["docker.io/library/hello:v1"]
    assert manifest[1]["RepoTags"] == ["docker.io/example/both:v1", "localhost/both:v1", "registry.example/both:v1"]


def test_the_same_content_gives_the_same_archive(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_archive(tmp_path / name, LAYERS, IMAGES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_operator_writes_names_of_images_that_there_are() -> None:
    names = (SOURCE / "operator" / "names.go").read_text()
    wanted = dict(re.findall(r'(\w+Image)\s+= "(.*)"', names))
    made = {tag for image in MADE for tag in image.tags}
    assert {wanted["restImage"], wanted["kubeRBACProxyImage"]} <= made
    assert {SERVERS[name].image for name in DATABASES} <= made
    assert not [name for name in made if name.endswith(":latest") or ":" not in name]


def test_released_images_are_pinned() -> None:
    supply = released()
    assert supply.operator is not None
    images = [supply.node, supply.relay, supply.shell, *supply.databases.values()]
    images += [supply.operator["image"], *supply.operator["environment"].values()]
    assert all(re.search(r":v?\d", image) for image in images)
    assert set(supply.databases) == set(DATABASES)


def test_webhooks_are_those_of_the_operators_service() -> None:
    for body in webhooks(FLAVOURS["current"], b"authority", "somewhere"):
        (hook,) = body["webhooks"]
        assert hook["clientConfig"]["service"]["namespace"] == "somewhere" and "url" not in hook["clientConfig"]


def test_each_state_directory_has_a_cluster_of_its_own(tmp_path: Path) -> None:
    names = {Cluster(tmp_path / name).name for name in ("a", "b", "a")}
    assert len(names) == 2 and all(re.fullmatch(r"model-registry-[0-9a-f]{8}", name) for name in names)
    assert Cluster(tmp_path, "mine").name == "mine"


def test_without_a_cluster_nobody_can_act(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="create one with `testbed kind up`"):
        Cluster(tmp_path).environment("admin")
    assert Cluster(tmp_path).status() == {"running": False}


def test_without_an_engine_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(engine.EngineError, match="make docker-engine") as caught:
        engine.find()
    assert "no Docker engine answers" in str(caught.value)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engine.EngineError, match="there is no command docker"):
        engine.find()


def test_a_directory_of_somebody_elses_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    (tmp_path / "mine").write_text("")
    said: list[str] = []
    Cluster(tmp_path).down(said.append)
    assert (tmp_path / "mine").exists() and "no Docker engine answers" in said[0]


def test_a_deletion_that_was_cut_off_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that names the cluster of a state directory goes last."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    state = tmp_path / "state"
    (state / "logs").mkdir(parents=True)
    (state / "kind.json").write_text(json.dumps({"name": "mine", "engine": None}))

    def cut_off(_path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("testbed.kind.cluster.shutil.rmtree", cut_off)
        with pytest.raises(KeyboardInterrupt):
            Cluster(state).down(print)
    assert Cluster(state).name == "mine"
    Cluster(state).down(print)
    assert not state.exists()


@pytest.mark.parametrize("module", ["kind", "small"])
def test_vet(module: str) -> None:
    result = go("vet", "./...", source=SOURCE.parent / "kind" / "programs" / module)
    assert result.returncode == 0, result.stderr


def test_format() -> None:
    root = go("env", "GOROOT").stdout.strip()
    programs = SOURCE.parent / "kind" / "programs"
    result = subprocess.run([f"{root}/bin/gofmt", "-l", str(programs)], capture_output=True, text=True, check=True)
    assert result.stdout == ""
