# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of failures in the words of the real registry server, its drivers and the databases; and what is none yet."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from plays import Servers, Start
from registries import Registries
from test_real_databases import postgres
from testbed.api import Object
from testbed.bed import Testbed
from waiter import waiter

CLOSING = r"""
import json, socket, struct, threading
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.connect(("10.88.255.254", 9))
def serve(listener, linger):
    while True:
        sock = listener.accept()[0]
        if linger is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger))
        sock.close()
ports = {}
for name, linger in (("closes", None), ("resets", 0)):
    listener = socket.create_server(("", 0))
    ports[name] = listener.getsockname()[1]
    threading.Thread(target=serve, args=(listener, linger), daemon=True).start()
print(json.dumps({"address": probe.getsockname()[0], **ports}), flush=True)
threading.Event().wait()
"""
"""Two listeners that accept connections and end them at once, on the testbed's own machine."""


@pytest.fixture(scope="module")
def closing(bed: Testbed) -> Iterator[dict[str, Any]]:
    with subprocess.Popen(bed.command([sys.executable, "-c", CLOSING]), stdout=subprocess.PIPE, text=True) as servers:
        assert servers.stdout is not None
        yield json.loads(servers.stdout.readline())
        servers.kill()


def on_postgres(registries: Registries, name: str, service: str, **fields: Any) -> Object:
    """Return a registry on a PostgreSQL server."""
    body = registries.body(name, service=service)
    body["spec"]["postgres"] = {**body["spec"].pop("mysql"), **fields}
    return body


def test_causes(bed: Testbed, registries: Registries, servers: Servers, closing: dict[str, Any]) -> None:
    """All at the same time: several attempts of PostgreSQL's driver, listeners that close, and tables without a key."""
    service, newest = servers("postgres-16"), servers("mysql-9")
    role = ("CREATE ROLE causes LOGIN PASSWORD 'causes-password'", "CREATE DATABASE causes OWNER causes")
    postgres(bed, service, "DROP DATABASE IF EXISTS causes", "DROP ROLE IF EXISTS causes", *role)
    bodies, expected = {}, dict[str, str]()
    for mode in ("prefer", "allow", "require"):
        for database, reason in (("causes", "access_denied"), ("nowhere", "database_missing")):
            name = f"pg-{mode}-{database}"
            registries.make_secret(name, "wrong" if database == "causes" else "causes-password")
            fields = {"database": database, "username": "causes", "sslMode": mode}
            bodies[name] = on_postgres(registries, name, service, **fields)
            expected[name] = "tls_not_offered" if mode == "require" else reason
    for how in ("closes", "resets"):
        for name, make in ((f"my-{how}", registries.body), (f"pg-{how}", partial(on_postgres, registries))):
            registries.make_secret(name)
            bodies[name] = make(name, service=service, host=closing["address"], port=closing[how])
            expected[name] = "connection_closed"
    registries.make_database("keyless", service=newest)
    registries.make_secret("keyless")
    bodies["keyless"] = registries.body("keyless", service=newest)
    registries.sql("SET GLOBAL sql_require_primary_key = ON", service=newest)
    try:
        with waiter(bed) as waiting:
            for body in bodies.values():
                registries.create(body)
            found = waiting.last(*bodies)
    finally:
        registries.sql("SET GLOBAL sql_require_primary_key = OFF", service=newest)
    keyless = found["keyless"]
    # If a server has ended twice before it is checked, only the schema that the first left tells of the cause.
    assert keyless["state"] == "failed", keyless
    assert keyless["reason"] in ("primary_key_required", "schema_dirty"), keyless
    assert "sql_require_primary_key" in keyless["next_step"], keyless
    for name, reason in expected.items():
        told = found[name]
        assert (told["state"], told["reason"]) == ("failed", reason), told
        assert told["next_step"] and "\n" not in told["message"], told
        print(f"{name:20}  {reason:22}  {told['message'][:120]}")


def test_a_registry_that_another_client_deletes(bed: Testbed, registries: Registries) -> None:
    """A task that waits for it reports this at once, not when the time is up."""
    registries.make_secret("deleted", "wrong")
    # Packets without an answer: the task would wait for a while.
    body = registries.body("deleted", host="10.255.255.1")
    with waiter(bed, seconds=60) as waiting:
        registries.create(body)
        telling = waiting.wait_for("deleted")
        next(telling)
        started = time.monotonic()
        registries.api.delete(registries.version, "ModelRegistry", "deleted", registries.namespace)
        told = list(telling)[-1]
    assert (told["state"], told["reason"]) == ("failed", "deleted"), told
    assert time.monotonic() - started < 10


@pytest.mark.timed
def test_a_generated_database_at_real_probe_times(start: Start) -> None:
    """On a first create it is awaited, not failed; one whose image is missing fails with the kubelet's words."""
    with start(time_factor=1.0, more_servers=("postgres-16",)) as bed:
        registries = Registries(bed)
        bodies = {}
        for name, fields in (("slow", {}), ("no-image", {"image": "registry.example/no/such:1"})):
            bodies[name] = registries.body(name)
            del bodies[name]["spec"]["mysql"]
            bodies[name]["spec"]["postgres"] = {"generateDeployment": True, **fields}
        with waiter(bed, seconds=120) as waiting:
            for body in bodies.values():
                registries.create(body)
            created, last, states = time.monotonic(), {}, []
            for told in waiting.wait_for(*bodies):
                last[told["name"]] = told
                states += [told["state"]] if told["name"] == "slow" else []
        print(f"ready after {time.monotonic() - created:.1f} s: {states}")
        assert last["slow"]["state"] == "ready" and "failed" not in states, last
        assert (last["no-image"]["state"], last["no-image"]["reason"]) == ("failed", "image"), last
        assert "no-image-postgres" in last["no-image"]["source"]
