# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images, written as the archive that ``docker save`` would give: no engine is needed to make them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from testbed.cache import Say, cached, fingerprint
from testbed.programs import TESTBED, go_binary
from testbed.servers import SERVERS

__all__ = [
    "DATABASES",
    "IMAGES",
    "OPERATOR_IMAGE",
    "Entry",
    "Folder",
    "Image",
    "Link",
    "libraries",
    "testbed_images",
    "write_archive",
]

DATABASES = ("mysql-8.0", "mysql-9")
"""The servers that a cluster starts with, by their names in SERVERS. The TLS of 8.0.12 is too old for a registry."""
OPERATOR_IMAGE = "testbed/operator:v1"
RELAY_IMAGE = "testbed/relay:v1"
NOBODY = "65532"
"""The user of images whose pods demand one that is not root; they demand a number."""


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    to: str


@dataclass(frozen=True)
class Folder:
    """An empty folder, with its mode."""

    mode: int = 0o755


Entry = Path | bytes | Link | Folder
"""What stands at a path of an image: a file's copy, text, a link or a folder."""


@dataclass(frozen=True)
class Image:
    """An image: its names, the layers that it is made of, and how it starts."""

    tags: tuple[str, ...]
    """Without a registry, as in ``docker pull``; never "latest", which a cluster would pull anew."""
    layers: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    path: str = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


_PROGRAMS = ("programs",)
IMAGES = (
    Image(("opendatahub/model-registry:v0.3.0",), _PROGRAMS, ("/model-registry",), NOBODY),
    Image(("opendatahub/kube-rbac-proxy:v0.19.1",), _PROGRAMS, ("/usr/local/bin/kube-rbac-proxy",), NOBODY),
    Image((OPERATOR_IMAGE,), _PROGRAMS, ("/operator",), NOBODY),
    Image((RELAY_IMAGE,), _PROGRAMS, ("/relay",), NOBODY),
    *(
        Image((SERVERS[name].image,), ("programs", name), ("/testbed", "mysql", f"--home=/opt/{name}"))
        for name in DATABASES
    ),
)
"""All are made of the testbed's one binary; the names are those that the operator writes (see operator/names.go)."""


def write_archive(to: Path, layers: Mapping[str, Mapping[str, Entry]], images: Sequence[Image]) -> None:
    """Write images to one file; layers that they share are in it once. The same content gives the same bytes."""
    scratch = {name: to.with_name(f"{to.name}.{name}") for name in layers}
    digests = {name: _write_layer(scratch[name], entries) for name, entries in layers.items()}
    with tarfile.open(to, "w") as archive:
        for name, digest in digests.items():
            archive.add(scratch[name], f"{digest}.tar", filter=_plain)
            scratch[name].unlink()
        manifest = []
        for image in images:
            config = json.dumps(_config(image, [digests[name] for name in image.layers])).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(archive, name, config)
            files = [f"{digests[layer]}.tar" for layer in image.layers]
            manifest.append({"Config": name, "RepoTags": [_full(tag) for tag in image.tags], "Layers": files})
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def libraries(program: Path, folder: Path | None = None, root: Path | None = None) -> list[str]:
    """The absolute paths of the shared libraries and the loader that a program takes from this machine.

    ``folder`` has libraries of its own, which are left out; ``root`` is another machine's file system, the program's
    path then being one inside of it.
    """
    listing = subprocess.run(
        [*(["chroot", str(root)] if root else []), "ldd", str(program)],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **({"LD_LIBRARY_PATH": str(folder)} if folder else {})},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.findall(r"(/\S+) \(0x", listing)
    return sorted({path for path in found if folder is None or not Path(path).is_relative_to(folder)})


def testbed_images(say: Say) -> Path:
    """The archive with the images of registry server, proxy, operator, relay and MySQL; made where it is not cached."""
    binary = go_binary(say)
    servers = {name: SERVERS[name] for name in DATABASES}
    prints = {name: server.fingerprint() for name, server in servers.items()}
    homes = {name: cached(f"server-{name}", prints[name], server.fetch, say) for name, server in servers.items()}

    def make(into: Path, say: Say) -> None:
        say("packing the images of registry server, operator and databases")
        layers = {name: _server(name, home) for name, home in homes.items()}
        write_archive(into / "images.tar", {"programs": _programs(binary), **layers}, IMAGES)

    key = fingerprint([TESTBED.fingerprint(), *prints.values(), Path(__file__)])
    return cached("kind-images", key, make, say) / "images.tar"


def _programs(binary: Path) -> dict[str, Entry]:
    names = ("model-registry", "operator", "relay", "usr/local/bin/kube-rbac-proxy")
    return {
        "testbed": binary,
        **{name: Link("/testbed") for name in names},
        "etc/passwd": b"root:x:0:0:root:/:/sbin/nologin\nnobody:x:65532:65532:nobody:/:/sbin/nologin\n",
        "tmp": Folder(0o1777),
    }


def _server(name: str, home: Path) -> dict[str, Entry]:
    """The server's folder, and what it takes from this machine: libraries, and a shell where a script starts it."""
    files: dict[str, Entry] = {
        f"opt/{name}/{path.relative_to(home)}": path for path in sorted(home.rglob("*")) if path.is_file()
    }
    program = home / "bin" / "mysqld"
    if program.read_bytes()[:2] == b"#!":
        program = Path("/bin/sh")
        files["bin/sh"] = program.resolve()
    shared = libraries(program, home / "lib")
    return {**files, **{path.lstrip("/"): Path(path).resolve() for path in shared}}


def _config(image: Image, digests: list[str]) -> dict[str, object]:
    run = {"Entrypoint": list(image.entrypoint), "User": image.user, "Env": [f"PATH={image.path}"]}
    layers = {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]}
    return {"architecture": "amd64", "os": "linux", "config": run, "rootfs": layers}


def _full(tag: str) -> str:
    """A name with its registry, as containerd keeps it."""
    first, _, rest = tag.partition("/")
    if rest and ("." in first or first == "localhost"):
        return tag
    return f"docker.io/{tag}" if rest else f"docker.io/library/{tag}"


def _write_layer(to: Path, entries: Mapping[str, Entry]) -> str:
    """Write one layer and give its hash."""
    with tarfile.open(to, "w") as layer:
        parents = {str(parent) for name in entries for parent in PurePosixPath(name).parents} - {"."}
        for name, entry in sorted({**dict.fromkeys(parents, Folder()), **entries}.items()):
            _add(layer, name, entry)
    digest = hashlib.sha256()
    with to.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _add(archive: tarfile.TarFile, name: str, entry: Entry) -> None:
    member = tarfile.TarInfo(name)
    if isinstance(entry, Folder):
        member.type, member.mode = tarfile.DIRTYPE, entry.mode
    elif isinstance(entry, Link):
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.to, 0o777
    elif isinstance(entry, bytes):
        member.size, member.mode = len(entry), 0o644
        archive.addfile(member, io.BytesIO(entry))
        return
    else:
        member.size, member.mode = entry.stat().st_size, entry.stat().st_mode & 0o7777
        with entry.open("rb") as content:
            archive.addfile(member, content)
        return
    archive.addfile(member)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's, of no time: the bytes depend on the content alone."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
