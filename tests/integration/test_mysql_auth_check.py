# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""mysql_auth_check as a user runs it: paths to a database, forms of hosts, permissions, secrets, nothing left behind."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trustme
from plays import Played, Result, book, play, store, task
from registries import Registries, processes
from testbed.bed import Testbed
from testbed.databases import NAMESPACE
from testbed_fixtures import Servers, Start
from waiter import COLLECTIONS

CHECK = "opendatahub.model_registry.mysql_auth_check"
HOST = f"mysql-80.{NAMESPACE}.svc.cluster.local"
RELAY: Result = {
    "via": "relay",
    "relay_image": "testbed/relay",
    "relay_command": ["/relay", "--listen", ":{listen}", "--to", "{host}:{port}"],
}
ROLES = "rbac.authorization.k8s.io/v1"
FORWARD = [
    {"apiGroups": [""], "resources": ["services", "endpoints"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]},
]
JOBS = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "delete"]}]
AUTHORITY = trustme.CA()
SECURE = f"mariadb-checked.{NAMESPACE}.svc.cluster.local"


def database(name: str, **options: Any) -> Result:
    """Return the options of a database of Registries.make_database()."""
    return {"host": HOST, "name": name, "username": name, "password": f"{name}-password", **options}


def checking(**options: Any) -> Result:
    return task(CHECK, **options)


def codes(result: Result) -> set[str]:
    return {finding["code"] for finding in result["findings"]}


@contextmanager
def rights(registries: Registries, namespace: str, rules: list[Result]) -> Iterator[None]:
    """Give registry-admin permissions beyond those of the collection's Role."""
    meta = {"name": "check-more", "namespace": namespace}
    role: Result = {"apiVersion": ROLES, "kind": "Role", "metadata": meta, "rules": rules}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "check-more"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "registry-admin"}]
    binding: Result = {
        "apiVersion": ROLES,
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": ref,
        "subjects": subjects,
    }
    for body in (role, binding):
        registries.api.apply(body)
    try:
        yield
    finally:
        for body in (binding, role):
            registries.api.delete(ROLES, body["kind"], "check-more", namespace)


@pytest.fixture
def registries(bed: Testbed) -> Iterator[Registries]:
    made = Registries(bed)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def secure(servers: Servers) -> str:
    """Start a MariaDB server that requires TLS, with a certificate for its Service's name."""
    leaf = AUTHORITY.issue_cert(SECURE)
    files = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    options = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key", "--require-secure-transport=ON"]
    return servers("mariadb-10.11", name="mariadb-checked", options=options, files=files)


def leftovers(registries: Registries) -> list[str]:
    """Return the relays that still exist."""
    jobs = registries.api.list("batch/v1", "Job", registries.namespace)
    pods = registries.api.list(
        "v1", "Pod", registries.namespace, labelSelector="app.kubernetes.io/name=mysql-auth-check"
    )
    return [item["metadata"]["name"] for item in (*jobs, *pods)]


def test_paths(bed: Testbed, registries: Registries) -> None:
    """The same database on each path, and the requests of each run to the cluster."""
    registries.make_database("paths")
    address = bed.address("mysql-80", NAMESPACE)
    with rights(registries, NAMESPACE, FORWARD), rights(registries, registries.namespace, JOBS):
        played = play(
            bed,
            checking(database=database("paths")),
            checking(database=database("paths", host=address), required_plugin="any"),
            checking(database=database("paths"), **RELAY),
            checking(database=database("paths"), check_mode=True, **RELAY),
        )
    auto, direct, relayed, unmade = played.results
    for result in (auto, direct, relayed):
        assert not result["failed"] and not result["changed"] and "not_checked" not in codes(result), result
        assert result["facts"]
    assert auto["connection"]["path"] == "port_forward" and "the host is a Service" in auto["connection"]["reason"]
    assert (direct["connection"]["path"], relayed["connection"]["path"]) == ("direct", "relay")
    assert not unmade["failed"] and codes(unmade) == {"not_checked"} and set(unmade) == set(auto) | {"warnings"}
    assert [write[:2] for write in played.writes if write[1] != "pods/portforward"] == [
        ("create", "jobs"),
        ("delete", "jobs"),
    ], "only the relay outside check mode has made and removed something"
    assert not leftovers(registries)


def test_without_a_cluster(bed: Testbed, registries: Registries) -> None:
    """A run that needs nothing from the cluster sends it no request, so it needs no credentials."""
    registries.make_database("alone")
    options = database("alone", host=bed.address("mysql-80", NAMESPACE))
    nowhere = {"host": "https://192.0.2.1", "api_key": "none"}
    played = play(bed, checking(database=options, required_plugin="any", **nowhere), user="nobody")
    assert not played.result["failed"] and not played.requests


def test_tls_by_port_forward(bed: Testbed, registries: Registries, secure: str) -> None:
    """The certificate is verified against the Service's name, though the connection is to a pod."""
    registries.make_database("secured", service=secure)
    pem = AUTHORITY.cert_pem.bytes().decode()
    stranger = trustme.CA().cert_pem.bytes().decode()
    with rights(registries, NAMESPACE, FORWARD):
        played = play(
            bed,
            checking(database=database("secured", host=SECURE, tls={"ca_pem": pem})),
            checking(database=database("secured", host=SECURE, tls={"ca_pem": stranger})),
            checking(database=database("secured", host=SECURE.removesuffix(".cluster.local"), tls={"ca_pem": pem})),
        )
    good, unknown, other_name = played.results
    assert not good["failed"] and good["connection"]["path"] == "port_forward", good
    assert unknown["failed"] and codes(unknown) == {"ca_unknown"}, unknown
    assert other_name["failed"] and codes(other_name) == {"certificate_name"}, other_name
    shown = good["facts"]["tls"]
    assert shown["verified"] and shown["names_host"] and shown["certificate"]["names"] == [SECURE]


WRONG_HOSTS = [
    ("mysql-80", 3306, "host_no_service", f"set database.host to {HOST}"),
    ("mysql-80.svc.cluster.local", 3306, "host_form", "mysql-80.<its namespace>.svc.cluster.local"),
    (f"mysql-80.{NAMESPACE}.cluster.local", 3306, "host_form", HOST),
    ("localhost", 3306, "host_is_loopback", "the server's own name"),
    (f"nobody.{NAMESPACE}.svc", 3306, "host_no_service", "create the Service"),
    (HOST, 3307, "host_port", "database.port"),
]


def test_wrong_hosts(bed: Testbed) -> None:
    tasks = [checking(database=database("any", host=host, port=port)) for host, port, _, _ in WRONG_HOSTS]
    for (_, _, code, words), result in zip(WRONG_HOSTS, play(bed, *tasks, user="admin").results, strict=True):
        (finding,) = result["findings"]
        assert result["failed"] and (finding["code"], finding["severity"]) == (code, "blocker")
        assert words in finding["remedy"] and f"[{code}]" in result["msg"] and words in result["msg"]
        assert finding["page"].endswith(f"/docs/findings.md#{code}")


def test_nobody_behind_the_service(bed: Testbed, registries: Registries) -> None:
    meta = {"name": "deserted", "namespace": NAMESPACE}
    spec = {"selector": {"app": "deserted"}, "ports": [{"port": 3306}]}
    registries.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    played = play(bed, checking(database=database("any", host=f"deserted.{NAMESPACE}.svc")), user="admin")
    assert codes(played.result) == {"host_no_endpoints"}


def severities(result: Result) -> dict[str, str]:
    return {finding["code"]: finding["severity"] for finding in result["findings"]}


def test_what_is_proven_on_which_path(bed: Testbed, registries: Registries) -> None:
    """A wrong password, and an account that is another one for loopback: only a relay sees what the pods will see."""
    registries.make_database("proven")
    registries.sql(
        "DROP USER IF EXISTS 'proven'@'127.0.0.1'",
        "CREATE USER 'proven'@'127.0.0.1' IDENTIFIED BY 'proven-password'",
        "GRANT SELECT ON proven.* TO 'proven'@'127.0.0.1'",
    )
    address = bed.address("mysql-80", NAMESPACE)
    wrong = {**database("proven"), "password": "another"}
    offered = {**RELAY, "via": "auto"}
    played = play(
        bed,
        checking(database={**wrong, "host": address}),
        checking(database=wrong),
        checking(database=wrong, **RELAY),
        checking(database=database("proven")),
        checking(database=database("proven"), **RELAY),
        checking(database=database("proven", host="mysql.internal.example.invalid")),
        checking(database=wrong, **offered),
        checking(database=database("proven"), **offered),
        user="admin",
    )
    registries.sql("DROP USER 'proven'@'127.0.0.1'")
    direct, forward, relay, other, own, private, goes_on, let_in = played.results
    assert [severities(one).get("access_denied") for one in (direct, forward, relay)] == [
        "warning",
        "warning",
        "blocker",
    ]
    assert not direct["failed"] and not forward["failed"] and relay["failed"]
    assert severities(other) == {"account_host": "warning", "plaintext": "warning", "privileges_missing": "warning"}
    assert severities(own) == {"plaintext": "warning"}
    assert severities(private) == {"host_unresolved": "warning"} and "via: relay" in private["findings"][0]["remedy"]
    assert goes_on["connection"]["path"] == let_in["connection"]["path"] == "relay"
    assert goes_on["failed"] and severities(goes_on)["access_denied"] == "blocker"
    assert severities(let_in) == {"plaintext": "warning"} and not leftovers(registries)


def test_a_service_in_two_parts(bed: Testbed, registries: Registries) -> None:
    """<service>.<namespace> is the Service if there is one, and a DNS name otherwise."""
    registries.make_database("short")
    short = [database("short", host=host) for host in (f"mysql-80.{NAMESPACE}", f"mysql-99.{NAMESPACE}")]
    there, none = play(bed, *(checking(database=one) for one in short), user="admin").results
    assert not there["failed"] and there["connection"]["path"] == "port_forward" and there["facts"]
    assert none["connection"]["path"] == "direct" and severities(none) == {"host_unresolved": "warning"}


def test_missing_rights_are_named_together(bed: Testbed) -> None:
    """A user without access to the database's namespace learns what is needed; if requested by name it is an error."""
    tasks = [checking(database=database("any"), via=via) for via in ("auto", "port_forward")]
    unchecked, refused, no_jobs = play(bed, *tasks, checking(database=database("any"), **RELAY)).results
    assert not unchecked["failed"] and codes(unchecked) == {"not_checked"} and unchecked["warnings"]
    for text in (unchecked["findings"][0]["remedy"], refused["msg"]):
        assert "resources: [services, endpoints], verbs: [get]" in text
        assert "resources: [pods/portforward], verbs: [get, create]}" in text and f"in namespace {NAMESPACE}" in text
    assert refused["failed"] and no_jobs["failed"]
    assert 'apiGroups: ["batch"], resources: [jobs], verbs: [create]' in no_jobs["msg"]


def test_impersonation_is_refused(bed: Testbed) -> None:
    as_other = {"impersonate_user": "admin", "impersonate_groups": ["system:masters"]}
    played = play(bed, checking(database=database("any"), via="port_forward", **as_other), user="admin")
    assert played.result["failed"] and "impersonat" in played.result["msg"]
    assert not [one for one in played.requests if "portforward" in one["requestURI"]]


def test_a_registry(bed: Testbed, registries: Registries) -> None:
    """What the registry's own Secret and options contain, and what an edit would change."""
    registries.make("looked-at")
    registries.create(registries.body("no-secret"))
    edit = {"password": "canary-wrong"}
    with rights(registries, NAMESPACE, FORWARD):
        played = play(
            bed,
            checking(registry="looked-at"),
            checking(registry="looked-at", database=edit, fail_on="never"),
            checking(registry="no-secret"),
            checking(registry="nobody"),
        )
    good, edited, incomplete, unknown = played.results
    assert not good["failed"] and good["database"]["host"] == HOST and good["facts"], good
    assert not edited["failed"] and codes(edited) and not codes(good) >= codes(edited)
    assert codes(incomplete) == {"secret_missing", "not_checked"} and incomplete["facts"]["server"]["version"]
    assert unknown["failed"] and "there is no registry of that name" in unknown["msg"]


@pytest.mark.usefixtures("secure")
def test_no_password_is_shown(bed: Testbed, registries: Registries) -> None:
    """On every path, from an option, a Secret and a registry; nor the key of a client certificate."""
    registries.make_database("shy")
    registries.make_secret("shy", "canary-from-secret")
    registries.create(registries.body("shy"))
    ref = {"name": "shy-db", "key": "database-password"}
    given = {**database("shy"), "password": "canary-from-option"}
    of_secret = {key: value for key, value in given.items() if key != "password"}
    pem = AUTHORITY.cert_pem.bytes().decode()
    client = AUTHORITY.issue_cert("client@example.com")
    key = client.private_key_pem.bytes().decode()
    store(registries, "Secret", "shy-client", {"crt": client.cert_chain_pems[0].bytes().decode(), "key": key})
    pair = {
        f"client_{one}_secret": {"name": "shy-client", "key": end}
        for one, end in (("certificate", "crt"), ("key", "key"))
    }
    with rights(registries, NAMESPACE, FORWARD), rights(registries, registries.namespace, JOBS):
        played = play(
            bed,
            checking(database=given),
            checking(database={**of_secret, "password_secret": ref}),
            checking(database=given, **RELAY),
            checking(registry="shy"),
            checking(database={**given, "host": SECURE, "tls": {"ca_pem": pem, **pair}}),
            options=("-vvvv", "--diff"),
        )
        answers = {f"database_{key}": value for key, value in of_secret.items()}
        booked = book(
            bed,
            "preflight",
            {"registry_name": "shy-too", **answers},
            "-vvvv",
            environment={"MODEL_REGISTRY_DATABASE_PASSWORD": "canary-from-option"},
        )
    assert all(result["failed"] or result["findings"] for result in played.results)
    *refused, certified = played.results
    assert [sorted(codes(result) & {"access_denied"}) for result in refused] == [["access_denied"]] * 4
    assert certified["facts"]["tls"]["offered"] and "client_certificate" not in codes(certified), certified
    assert "access_denied" in booked.output
    shown = json.dumps(played.results) + played.output + booked.output
    for canary in ("canary-from-option", "canary-from-secret", *key.splitlines()[1:-1]):
        assert canary not in shown and base64.b64encode(canary.encode()).decode() not in shown


@pytest.mark.parametrize("flavour", ["2.19", "transition"])
def test_required_plugin_by_release(start: Start, flavour: str) -> None:
    """Determined from the APIs that the cluster serves, and between two releases, from its registries."""
    with start(flavour=flavour) as bed:
        registries = Registries(bed)
        registries.make_database("old", native=True)

        def look() -> Result:
            return play(bed, checking(database=database("old", host=bed.address("mysql-80", NAMESPACE)))).result

        before = look()["plugin_requirement"]
        if flavour == "transition":
            assert before["plugin"] == "any" and "no registry" in before["reason"]
            registries.make_secret("old")
            registries.create(registries.body("old"))
            place = ("apps/v1", "Deployment", "old", registries.namespace)
            bed.until("its Deployment", lambda: registries.api.get(*place))
            before = look()["plugin_requirement"]
        assert before["plugin"] == "native", before


LEAKS = """
import os, sys, threading, json
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.check import Check, LazyCluster, check
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.login import connected
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.relay import Relay
place = LazyCluster(lambda: connected({}), sys.argv[1])
given = Database(type="mysql", host=sys.argv[2], name="leaks", username="leaks", password="leaks-password")
via, times, image, *command = sys.argv[3:]
relay = lambda host, port: Relay(image, command, host, port, 60)
def counts():
    return [threading.active_count(), len(os.listdir("/proc/self/fd"))]
def once():
    outcome = check(Check(given, None, via, "any", 10, relay), place, lambda secret: None)
    assert outcome.facts and not outcome.error, (outcome.error, outcome.findings)
once()
before = counts()
for _ in range(int(times)):
    once()
print(json.dumps([before, counts()]))
"""


@pytest.mark.parametrize(("via", "times"), [("port_forward", 50), ("relay", 10)])
def test_many_checks_leave_nothing_behind(bed: Testbed, registries: Registries, via: str, times: int) -> None:
    """In one process, where threads and open files would add up; each relay is a pod, which takes its seconds."""
    registries.make_database("leaks")
    environment = {**bed.environment("admin"), "PYTHONPATH": str(COLLECTIONS)}
    image = [RELAY["relay_image"], *RELAY["relay_command"]]
    command = bed.command([sys.executable, "-c", LEAKS, registries.namespace, HOST, via, str(times), *image])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    assert after == before, "threads, open files"
    assert not leftovers(registries)
    print(f"threads and open files before and after {times} checks by {via}: {before} {after}")


def test_fifty_checks_in_one_play(bed: Testbed, registries: Registries) -> None:
    registries.make_database("fifty")
    before = connections(registries), len(processes(bed))
    one = checking(database=database("fifty"))
    played: Played = play(bed, {**one, "loop": list(range(50))}, user="admin")
    assert len(played.result["results"]) == 50 and not played.result["failed"]
    bed.until("no connection is left", lambda: connections(registries) <= before[0])
    assert len(processes(bed)) <= before[1] and not leftovers(registries)


def connections(registries: Registries) -> int:
    """Return the number of connections to the database server, this one included."""
    return len(registries.sql("SHOW PROCESSLIST"))
