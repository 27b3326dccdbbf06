# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd servers at the other end of a path through the cluster, and relays that fail or are abandoned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from plays import Result, play, task
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, connect_mysql
from testbed_fixtures import Servers
from waiter import COLLECTIONS

CHECK = "opendatahub.model_registry.mysql_auth_check"
RELAY: Result = {
    "via": "relay",
    "relay_image": "testbed/relay",
    "relay_command": ["/relay", "--listen", ":{listen}", "--to", "{host}:{port}"],
}
FULL = "mariadb-full"
MOST = 10
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}

ODD = r"""
import json, socket, struct, threading
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.connect(("10.88.255.254", 9))
address = probe.getsockname()[0]
def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
SAY = {
    "silent": lambda sock: sock.recv(1),
    "reset": reset,
    "http": lambda sock: (sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), sock.recv(1)),
    "ssh": lambda sock: (sock.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), sock.recv(1)),
}
def serve(listener, say):
    def treat(sock):
        with sock:
            try:
                say(sock)
            except OSError:
                pass
    while True:
        threading.Thread(target=treat, args=(listener.accept()[0],), daemon=True).start()
ports = {"address": address}
for name, say in SAY.items():
    listener = socket.create_server(("", 0))
    ports[name] = listener.getsockname()[1]
    threading.Thread(target=serve, args=(listener, say), daemon=True).start()
print(json.dumps(ports), flush=True)
threading.Event().wait()
"""
"""Servers that are not MySQL, by what they do, on ports of the testbed's own machine."""

LONG = """
import sys
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.check import Check, LazyCluster, check
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.login import connected
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.relay import Relay
namespace, host, port, image, *command = sys.argv[1:]
given = Database(type="mysql", host=host, port=int(port), name="d", username="u", password="p")
relay = lambda host, port: Relay(image, command, host, port, 60)
check(Check(given, None, "relay", "any", 300, relay), LazyCluster(lambda: connected({}), namespace), lambda _: None)
"""
"""A check that takes long enough to be killed."""


SIXTH = """
import json, socket, sys, threading
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.dns import host_of
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.client import Target, gather
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.connection import direct
address, name = sys.argv[1:]
listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
def pump(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)
def serve():
    near, far = listener.accept()[0], socket.create_connection((address, 3306))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
with direct(host_of("[::1]", "").dialled, listener.getsockname()[1]) as path:
    facts = gather(path.open_socket, Target(name, name, "::1", f"{name}-password".encode()), 10)
print(json.dumps([facts.account.matched, facts.schema.charset, repr(facts.failure)]))
"""
"""A check over IPv6, which no server of the testbed supports: what listens there passes on to it."""


TIMED = """
import json, sys, time
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.login import connected
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.relay import Relay
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.client import Target, gather
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.connection import direct, relay
namespace, host, port, image, *command = sys.argv[1:]
wanted = Relay(image, command, host, int(port), 60)
for path in (direct(host, int(port)), relay(connected({}), namespace, wanted, print)):
    with path as up:
        started = time.monotonic()
        facts = gather(up.open_socket, Target("u", "d", host, b"p"), 2)
        print(json.dumps([time.monotonic() - started, facts.failure.reason]), flush=True)
"""
"""Times a check of two seconds with a silent server, once its path is up: a relay's is a port-forward, too."""


@pytest.fixture(scope="module")
def odd(bed: Testbed) -> Iterator[dict[str, Any]]:
    with subprocess.Popen(bed.command([sys.executable, "-c", ODD]), stdout=subprocess.PIPE, text=True) as servers:
        assert servers.stdout is not None
        yield json.loads(servers.stdout.readline())
        servers.kill()


def checking(host: str, port: int = 3306, name: str = "odd", **options: Any) -> Result:
    given = {"host": host, "port": port, "name": name, "username": name, "password": f"{name}-password"}
    return task(CHECK, database=given, required_plugin="any", connect_timeout=3, **options)


def blockers(result: Result) -> list[str]:
    return [found["code"] for found in result["findings"] if found["severity"] == "blocker"]


def leftovers(registries: Registries) -> list[str]:
    """Return the relays that still exist."""
    selector = "app.kubernetes.io/name=mysql-auth-check"
    kinds = (("batch/v1", "Job"), ("v1", "Pod"))
    return [
        item["metadata"]["name"]
        for kind in kinds
        for item in registries.api.list(*kind, registries.namespace, labelSelector=selector)
    ]


def test_odd_servers_behind_a_relay(bed: Testbed, registries: Registries, odd: dict[str, Any]) -> None:
    """A relay is reached by a port-forward: its target is reported as if there was none. All relays are removed."""
    expected = {
        "silent": "database_silent",
        "reset": "connection_closed",
        "http": "wrong_protocol",
        "ssh": "wrong_protocol",
    }
    tasks = [checking(odd["address"], odd[name], **RELAY) for name in expected]
    results = play(bed, *tasks, user="admin").results
    assert {name: blockers(result) for name, result in zip(expected, results, strict=True)} == {
        name: [code] for name, code in expected.items()
    }
    assert not leftovers(registries)


@pytest.mark.timed
def test_time_on_each_path(bed: Testbed, registries: Registries, odd: dict[str, Any]) -> None:
    address = [odd["address"], str(odd["silent"])]
    image = [RELAY["relay_image"], *RELAY["relay_command"]]
    program = [sys.executable, "-c", TIMED, registries.namespace, *address, *image]
    environment = {**bed.environment("admin"), "PYTHONPATH": str(COLLECTIONS)}
    done = subprocess.run(bed.command(program), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        seconds, reason = json.loads(line)
        assert reason == "timeout" and 2 <= seconds < 3, line
    assert len(done.stdout.splitlines()) == 2 and not leftovers(registries)


def test_a_server_without_a_connection_left(bed: Testbed, registries: Registries, servers: Servers) -> None:
    servers("mariadb-10.11", name=FULL, options=[f"--max-connections={MOST}"])
    registries.make_database("full", service=FULL)
    held = [connect_mysql(bed, FULL, "full", "full-password") for _ in range(MOST)]
    try:
        host = f"{FULL}.{NAMESPACE}.svc.cluster.local"
        result = play(bed, checking(host, name="full", via="port_forward"), user="admin").result
    finally:
        for connection in held:
            connection.close()
        registries.api.delete("apps/v1", "Deployment", FULL, NAMESPACE)
    assert blockers(result) == ["too_many_connections"] and "error 1040" in result["findings"][0]["why"]


def test_ipv6(bed: Testbed, registries: Registries) -> None:
    registries.make_database("sixth")
    command = bed.command([sys.executable, "-c", SIXTH, bed.address("mysql-80", NAMESPACE), "sixth"])
    environment = {**bed.environment("admin"), "PYTHONPATH": str(COLLECTIONS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["sixth@%", "utf8mb4", "None"]


def test_relays_that_fail_are_removed(bed: Testbed, registries: Registries) -> None:
    """A missing image, and an unreachable database; the namespace admits restricted pods alone."""
    api = registries.api
    namespace = api.get("v1", "Namespace", registries.namespace)
    assert namespace is not None
    before = namespace["metadata"].get("labels") or {}
    bare: Result = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": registries.namespace}}
    registries.make_database("restricted")
    address = bed.address("mysql-80", NAMESPACE)
    api.apply({**bare, "metadata": {**bare["metadata"], "labels": {**before, **RESTRICTED}}})
    try:
        played = play(
            bed,
            checking(address, name="restricted", **RELAY),
            checking(address, 3999, **RELAY),
            checking(address, **{**RELAY, "relay_image": "registry.invalid/nobody/none:1", "relay_timeout": 15}),
            user="admin",
        )
    finally:
        api.apply({**bare, "metadata": {**bare["metadata"], "labels": before}})
    good, closed, none = played.results
    assert good["facts"] and not blockers(good), good
    assert set(blockers(closed)) <= {"connection_closed", "port_closed"} and blockers(closed)
    assert none["failed"] and "relay" in none["msg"], none
    assert not leftovers(registries)


def test_a_relay_that_nobody_removes(bed: Testbed, registries: Registries, odd: dict[str, Any]) -> None:
    """The run is killed: the cluster ends the Job by its deadline, and removes it with its pod."""
    address = [odd["address"], str(odd["silent"])]
    program = [
        sys.executable,
        "-c",
        LONG,
        registries.namespace,
        *address,
        RELAY["relay_image"],
        *RELAY["relay_command"],
    ]
    environment = {**bed.environment("admin"), "PYTHONPATH": str(COLLECTIONS)}
    with subprocess.Popen(bed.command(program), env=environment) as run:
        bed.until("the relay and its pod", lambda: len(leftovers(registries)) == 2)
        os.kill(run.pid, signal.SIGKILL)
    (job,) = registries.api.list("batch/v1", "Job", registries.namespace)
    spec = job["spec"]
    assert (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (180, 0)
    # The test does not wait for three minutes: it moves the deadline, and all else is the cluster's.
    registries.api.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": job["metadata"]["name"], "namespace": registries.namespace},
            "spec": {**spec, "activeDeadlineSeconds": 1},
        }
    )
    bed.until("nothing is left", lambda: not leftovers(registries))
