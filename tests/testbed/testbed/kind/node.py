# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of a kind node, built from Go modules and Debian packages where none can be pulled.

It is a small Debian with systemd and containerd, which kind's own base image is too, with one program that is all of
Kubernetes and etcd (``tests/kind/programs/node``). CoreDNS has the plugins that a cluster's Corefile names, the network
is IPv4 without NetworkPolicy, and ``crictl`` knows the few commands that are needed.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from testbed.cache import Say, cached, fingerprint
from testbed.programs import KUBERNETES, BuildError, go, go_build

from . import images
from .engine import Engine
from .images import Entry, Folder, Image, Link, libraries, write_archive
from .progress import step
from .sources import COREDNS, FOLDER, KIND, NODE, SMALL

__all__ = ["SHELL_IMAGE", "kind", "node_image"]

DEBIAN = "bookworm"
"""The last Debian whose systemd runs on a machine with cgroup v1."""
SHELL_IMAGE = "testbed/shell:v1"
"""In every node: sh, curl and cat, for looking at a Service from inside a pod."""
PACKAGES = (
    *("systemd", "systemd-sysv"),  # the node's first process
    *("containerd", "runc", "containernetworking-plugins"),  # containers and their network
    *(
        "conntrack",
        "iptables",
        "nftables",
        "iproute2",
        "ethtool",
        "kmod",
        "mount",
        "socat",
    ),  # of kubelet and kube-proxy
    *("e2fsprogs", "ca-certificates", "curl", "jq", "procps"),  # of kind, and of a person
)
TAGS = {"etcd": "3.6.5-0", "coredns/coredns": "v1.12.1", "pause": "3.10.1"}
"""The versions that kubeadm asks for: the programs' go.mod have the same."""
CLUSTER = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
# Units that start by themselves; a node needs none of them.
UNWANTED = (
    "usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    *(f"usr/lib/systemd/system/{target}.target.wants/*" for target in ("multi-user", "local-fs", "basic")),
    *(f"usr/lib/systemd/system/sockets.target.wants/*{name}*" for name in ("udev", "initctl")),
    "etc/systemd/system/*.wants/*",
)
# What only a package manager or a reader wants.
BALLAST = (
    *("var/cache/apt/*", "var/lib/apt/lists/*", "var/log/*", "tmp/*", "etc/machine-id"),
    *(f"usr/share/{name}" for name in ("doc", "man", "locale", "info", "zoneinfo", "bash-completion", "lintian")),
    *("usr/bin/containerd-shim", "usr/bin/containerd-shim-runc-v1"),
)
# kubelet looks for its cgroup in every hierarchy that systemd has mounted, and systemd mounts some that kind's
# entrypoint has not seen.
CGROUP_V1 = (
    "[Service]\n"
    "ExecStartPre=/bin/sh -c 'test -f /sys/fs/cgroup/cgroup.controllers ||"
    " for c in /sys/fs/cgroup/*/; do mkdir -p $c/kubelet $c/kubelet.slice; done'\n"
)


def kind(say: Say) -> Path:
    """The program kind, built where it is not cached."""
    return go_build(KIND, say) / KIND.name


def node_image(engine: Engine, say: Say) -> str:
    """The name of the node image, which the engine holds then: loaded from the cache, or built first."""
    modules = [module.fingerprint() for module in (NODE, COREDNS, SMALL, KIND)]
    key = fingerprint(
        [
            Path(__file__),
            Path(images.__file__),
            *sorted((FOLDER / "manifests").iterdir()),
            *modules,
            str(sorted(TAGS.items())),
        ]
    )
    name = f"model-registry-testbed/node:{key}"

    def make(into: Path, say: Say) -> None:
        _build(engine, name, into, say)

    archive = cached("kind-node", key, make, say) / "node.tar.gz"
    if not engine.has_image(name):
        with step("node image loaded", say), archive.open("rb") as content:
            engine.docker("load", stdin=content)
    return name


def _build(engine: Engine, name: str, into: Path, say: Say) -> None:
    """Build the image in the engine, and save it to the folder."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise BuildError(
            "building the image of a kind node takes root and debootstrap: `testbed kind engine` installs it"
        )
    programs = {module.name: go_build(module, say) for module in (NODE, COREDNS, SMALL)}
    kube = programs[NODE.name] / NODE.name
    root, archive = into / "root", into / "images.tar"
    with step("node's root file system", say):
        _debian(root)
        _equip(root, kube)
    with step("images of the cluster's own programs", say):
        names = _cluster_images(root, programs, archive)
        _check_images(kube, names)
    _clean(root)
    with step("node image", say):
        _commit(engine, name, root, archive)
        _save(engine, name, into / "node.tar.gz")
    shutil.rmtree(root)
    archive.unlink()


def _run(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command[:3])} … failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def _debian(root: Path) -> None:
    """A minimal Debian in an empty folder, from the mirror that this machine uses."""
    found = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    mirrors = [mirror for mirror in found if re.search(r"/debian/*$", mirror)]
    if not mirrors:
        raise BuildError("building the image of a kind node takes a Debian machine: it has no sources of Debian")
    # In a mount namespace of its own, so that nothing stays mounted when it is cut off.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", "--merged-usr"]
    _run(*command, f"--include={','.join(PACKAGES)}", DEBIAN, str(root), mirrors[0])


def _equip(root: Path, kube: Path) -> None:
    """Set a Debian up as kind's base image is, with kind's own files, and add Kubernetes."""
    files = Path(json.loads(go("mod", "download", "-json", "sigs.k8s.io/kind", source=KIND.source).stdout)["Dir"])
    for folder in ("etc", "kind", "usr"):
        _run("cp", "-r", "--no-preserve=mode,ownership", str(files / "images/base/files" / folder), str(root))
    for script in (*(root / "usr/local/bin").iterdir(), *(root / "kind/bin").iterdir()):
        script.chmod(0o755)
    (root / "usr/local/bin/containerd").symlink_to("/usr/bin/containerd")
    for folder in ("opt/cni", "etc/kubernetes/manifests", "etc/cni/net.d", "kind/manifests"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "opt/cni/bin").symlink_to("/usr/lib/cni")
    _containerd(root)
    (root / "etc/systemd/system/kubelet.service.d/12-cgroup-v1.conf").write_text(CGROUP_V1)
    for pattern in UNWANTED:
        for unit in root.glob(pattern):
            unit.unlink()
    _run("chroot", str(root), "systemctl", "enable", "--quiet", "containerd", "kubelet", "undo-mount-hacks")
    masked = ("systemd-binfmt", "getty.target", "console-getty", "systemd-logind")
    _run("chroot", str(root), "systemctl", "mask", "--quiet", *masked)
    with (root / "etc/systemd/journald.conf").open("a") as journal:
        journal.write("ReadKMsg=no\n")
    shutil.copy(kube, root / "usr/bin/kube")
    for program in ("kubelet", "kubeadm", "kubectl", "crictl"):
        (root / "usr/bin" / program).symlink_to("kube")
    (root / "kind/version").write_text(KUBERNETES)
    for manifest in (FOLDER / "manifests").iterdir():
        shutil.copy(manifest, root / "kind/manifests")


def _containerd(root: Path) -> None:
    """The specification that every container starts from, without limits, so that containers inherit the node's."""
    specification = json.loads(_run("chroot", str(root), "ctr", "oci", "spec"))
    specification["process"].pop("rlimits", None)
    (root / "etc/containerd/cri-base.json").write_text(json.dumps(specification))
    # Where a machine withholds CAP_SYS_RESOURCE, no process may lower its OOM score: containerd keeps to what it may.
    settings = root / "etc/containerd/config.toml"
    text = settings.read_text()
    settings.write_text(text.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true"))


def _cluster_images(root: Path, programs: dict[str, Path], archive: Path) -> set[str]:
    """Write the images that kubeadm asks for, and the shell, to one archive; give their names."""
    sandbox = re.search(r'sandbox_image = "(.*)"', (root / "etc/containerd/config.toml").read_text())
    assert sandbox is not None  # kind's own file has it
    kube = [f"registry.k8s.io/{name}:{KUBERNETES}" for name in CLUSTER]
    kube += [f"registry.k8s.io/etcd:{TAGS['etcd']}", "localhost/kindnetd:v1"]
    pause = (f"registry.k8s.io/pause:{TAGS['pause']}", sandbox[1])
    layers: dict[str, dict[str, Entry]] = {
        "kube": _kube_layer(root, programs[NODE.name] / NODE.name),
        "coredns": {"coredns": programs[COREDNS.name] / COREDNS.name},
        "pause": {"pause": programs[SMALL.name] / "pause"},
        "shell": _copied(root, "usr/bin/dash", "usr/bin/curl", "usr/bin/cat", "usr/bin/sleep")
        | {"usr/bin/sh": Link("dash"), "tmp": Folder(0o1777)},
    }
    made = [
        Image(tuple(kube), ("kube",)),
        Image((f"registry.k8s.io/coredns/coredns:{TAGS['coredns/coredns']}",), ("coredns",), ("/coredns",)),
        Image(tuple(dict.fromkeys(pause)), ("pause",), ("/pause",)),
        Image((SHELL_IMAGE,), ("shell",), user="65532"),
    ]
    write_archive(archive, layers, made)
    return {tag for image in made for tag in image.tags}


def _kube_layer(root: Path, kube: Path) -> dict[str, Entry]:
    """The one program under the names of all, with what kube-proxy and kindnetd call."""
    names = ("etcd", *CLUSTER, "kindnetd")
    variants = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
    extensions = [str(p.relative_to(root)) for p in (root / "usr/lib").glob("*-linux-gnu/xtables/*.so")]
    return {
        **_copied(root, "usr/sbin/xtables-nft-multi", "usr/sbin/nft", "usr/sbin/conntrack", *extensions),
        **{f"usr/sbin/{name}": Link("xtables-nft-multi") for name in variants},
        "usr/local/bin/kube": kube,
        **{f"usr/local/bin/{name}": Link("kube") for name in names},
        **{f"etc/{name}": root / "etc" / name for name in ("protocols", "services") if (root / "etc" / name).exists()},
        "etc/passwd": b"root:x:0:0:root:/:/sbin/nologin\n",
        "tmp": Folder(0o1777),
        "run": Folder(),
        "var": Folder(),
    }


def _copied(root: Path, *paths: str) -> dict[str, Entry]:
    """Files of the node with the libraries that they need, in a file system with one /usr as Debian's."""
    needed = {library for path in paths for library in libraries(Path("/", path), root=root)}
    files = {path: _resolved(root, path) for path in (*paths, *(_merged(library) for library in needed))}
    return {**files, **{name: Link(f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64")}}


def _merged(path: str) -> str:
    """Where a library lies in a file system with one /usr.

    >>> _merged("/lib64/ld-linux-x86-64.so.2")
    'usr/lib64/ld-linux-x86-64.so.2'
    """
    relative = path.lstrip("/")
    return relative if relative.startswith("usr/") else f"usr/{relative}"


def _resolved(root: Path, path: str) -> Path:
    """The file that a path of the node leads to, its absolute links followed inside of it."""
    found = root / path
    while found.is_symlink():
        target = found.readlink()
        found = root / str(target).lstrip("/") if target.is_absolute() else found.parent / target
    return found


def _check_images(kube: Path, names: set[str]) -> None:
    """Raise BuildError where kubeadm of this version asks for an image that is not there."""
    listed = _run(str(kube), "kubeadm", "config", "images", "list", "--kubernetes-version", KUBERNETES).split()
    if missing := sorted(set(listed) - names):
        raise BuildError(f"kubeadm {KUBERNETES} wants other images than node.py makes: {', '.join(missing)}")


def _clean(root: Path) -> None:
    for pattern in BALLAST:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _commit(engine: Engine, name: str, root: Path, archive: Path) -> None:
    """Make the image: the file system, and the images inside of containerd's own store."""
    base = f"{name.partition(':')[0]}:base"
    with subprocess.Popen(["tar", "--numeric-owner", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
        engine.docker("import", "--change=ENV container=docker", "-", base, stdin=packed.stdout)
    # The image keeps the signal that stops systemd.
    options = ("--network=none", "--stop-signal=SIGRTMIN+3", "--security-opt=seccomp=unconfined", "--entrypoint=sleep")
    builder = f"{name.replace('/', '-').partition(':')[0]}-builder"
    engine.docker("rm", "--force", "--volumes", builder, check=False)  # of a build that was cut off
    engine.docker("run", "--detach", f"--name={builder}", *options, base, "infinity")
    try:
        engine.docker("exec", "--detach", builder, "containerd")
        _until(lambda: engine.docker("exec", builder, "ctr", "version", check=False))
        arguments = (
            "ctr",
            "--namespace=k8s.io",
            "images",
            "import",
            "--all-platforms",
            "--no-unpack",
            "--digests",
            "-",
        )
        with archive.open("rb") as content:
            engine.docker("exec", "--interactive", builder, *arguments, stdin=content)
        engine.docker("exec", builder, "pkill", "-x", "containerd")
        _until(lambda: not engine.docker("exec", builder, "pgrep", "-x", "containerd", check=False))
        start = '--change=ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]'
        engine.docker("commit", start, builder, name)
    finally:
        with suppress(Exception):
            engine.docker("rm", "--force", "--volumes", builder)


def _until(done: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise BuildError("containerd does not start or end in the container that the node image is made in")
        time.sleep(0.2)


def _save(engine: Engine, name: str, to: Path) -> None:
    """Keep the image for other engines, packed lightly: it is loaded more often than it is made."""
    with engine.popen("save", name, stdout=subprocess.PIPE) as saving, gzip.open(to, "wb", compresslevel=1) as packed:
        assert saving.stdout is not None
        content: IO[bytes] = saving.stdout
        shutil.copyfileobj(content, packed, 1 << 20)
    if saving.returncode:
        raise BuildError(f"docker save failed with exit status {saving.returncode}")
