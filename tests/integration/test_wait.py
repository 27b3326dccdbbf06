# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ready means that the server answers at that moment; each failure is told with the real words, soon after they appear."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
import trustme
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import LOG_BYTES
from plays import Servers, Start
from registries import Registries
from test_failures import FAILURES, Failure
from testbed.api import Object
from testbed.bed import Testbed
from testbed.databases import NAMESPACE as DATABASES
from testbed.databases import connect_mysql, database, service_name
from waiter import COLLECTIONS, Told, Waiter, waiter

BOUND = 10.0
"""Seconds from the first appearance of a failure's words to its report."""
REASONS = {
    "wrong-password": {"access_denied"},
    "no-database": {"database_missing"},
    "not-granted": {"database_denied"},
    "no-create": {"privileges_missing"},
    "latin1": {"charset"},
    "missing-secret": {"secret_missing"},
    "missing-key": {"secret_missing"},
    "no-such-host": {"host_unresolved"},
    "closed-port": {"port_closed"},
    "tls-required": {"access_denied", "tls_required"},
    "unknown-image": {"image"},
}


def tls_required(registries: Registries, name: str) -> None:
    registries.make_database(name)
    registries.make_secret(name)
    registries.sql(f"ALTER USER '{name}'@'%' REQUIRE SSL")


CASES = {**FAILURES, "tls-required": Failure(tls_required)}
BAD_NAMES = ("1digit", "a" * 50)


class On(Registries):
    """Registries whose databases are on a certain server."""

    def __init__(self, bed: Testbed, service: str) -> None:
        super().__init__(bed)
        self.service = service

    def sql(self, *statements: str, service: str = "") -> list[tuple[Any, ...]]:
        return super().sql(*statements, service=service or self.service)

    def make_database(self, name: str, **options: Any) -> None:
        super().make_database(name, **{"service": self.service, **options})

    def body(self, name: str, **options: Any) -> Object:
        return super().body(name, **{"service": self.service, **options})


@pytest.fixture
def on(bed: Testbed) -> Iterator[Callable[[str], On]]:
    made: list[On] = []

    def registries_on(service: str) -> On:
        made.append(On(bed, service))
        return made[-1]

    yield registries_on
    for one in made:
        one.remove()


def told_of(waiting: Waiter, began: Callable[[Told], float], *names: str) -> dict[str, Told]:
    """Return the last report of each, and how many seconds after its beginning a failure is reported.

    When that was is asked at the moment it is told: two restarts later, the first words are lost.
    """
    found = {}
    for told in waiting.wait_for(*names):
        found[told["name"]] = told
        if told["state"] == "failed":
            told["seconds"] = told["at"] - began(told)
    return found


def first_words(registries: Registries, told: Told) -> float:
    """When the words appeared first: by the container's log, or where it has not kept them, when the pod was started.

    That is when the operator wrote its condition at the earliest, too.
    """
    times = []
    for pod in registries.pods(told["name"]):
        times.append(datetime.fromisoformat(pod["status"]["startTime"]).timestamp())
        if any(status["restartCount"] > 1 for status in pod["status"].get("containerStatuses", ())):
            continue
        for previous in ("true", "false"):
            path = f"/api/v1/namespaces/{registries.namespace}/pods/{pod['metadata']['name']}/log"
            query = f"container=rest-container&timestamps=true&previous={previous}"
            _, text = registries.api.raw("GET", f"{path}?{query}")
            lines = [line for line in text.decode(errors="replace").splitlines() if told["message"][:60] in line]
            if lines and "attempt 1/" in lines[0]:
                return datetime.fromisoformat(lines[0][:26] + "+00:00").timestamp()
    if not times:
        registry = registries.get(told["name"])
        assert registry
        return datetime.fromisoformat(registry["metadata"]["creationTimestamp"]).timestamp()
    return min(times)


@pytest.mark.timed
@pytest.mark.parametrize("server", ["mysql-8.0", "mysql-5.7"])
def test_failures_are_told_in_time(bed: Testbed, servers: Servers, on: Callable[[str], On], server: str) -> None:
    """Every failure of the testbed's own table, all but one at the same time, beside a registry that becomes ready."""
    servers(server, name=service_name(server))
    registries = on(service_name(server))
    assert set(REASONS) == set(CASES)
    bodies = {name: registries.body(name) for name in (*BAD_NAMES, "fine")}
    for name, failure in CASES.items():
        failure.prepare(registries, name)
        bodies[name] = registries.body(name, **failure.mysql)
        bodies[name]["spec"]["rest"] = failure.rest
    registries.make_database("fine")
    registries.make_secret("fine")
    with waiter(bed) as first, waiter(bed) as waiting:
        # Alone, and from its first moment: two restarts later, the words of its first start are lost to everybody.
        registries.create(bodies.pop("latin1"))
        began = partial(first_words, registries)
        found = told_of(first, began, "latin1")
        for body in bodies.values():
            registries.create(body)
        found |= told_of(waiting, began, *bodies)
    assert "Error 1267 (HY000): Illegal mix of collations" in found["latin1"]["message"]
    assert found.pop("fine")["state"] == "ready"
    table = []
    for name, told in found.items():
        assert told["state"] == "failed" and told["next_step"] and told["source"], told
        assert told["reason"] in REASONS.get(name, {"name_invalid"}), told
        table.append(
            f"{server}  {name[:16]:16}  {told['reason']:20}  {told['seconds']:5.1f} s  {told['message'][:100]}"
        )
        assert 0 <= told["seconds"] < BOUND, table[-1]
    print("\n".join(table))


def answers(registries: Registries, name: str) -> bool:
    return registries.rest(name, "GET", "/readyz/health")[0] == 200


def ready(bed: Testbed, registries: Registries, name: str) -> Told:
    """Wait until it is told ready, and ask the server at that very moment."""
    with waiter(bed) as waiting:
        for told in waiting.wait_for(name):
            if told["state"] == "ready":
                assert answers(registries, name), told
                return dict(told)
            assert told["state"] == "waiting", told
    raise AssertionError("not ready")


def test_ready_after_create_edit_and_restart(bed: Testbed, registries: Registries) -> None:
    """The moment it is told ready, the server answers, and it is the one on the newest database and password."""
    registries.make("alive")
    ready(bed, registries, "alive")
    first = registries.pod("alive")["metadata"]["name"]

    registries.make_database("alive2")
    registries.sql("GRANT ALL ON alive2.* TO 'alive'@'%'")
    registries.api.patch({**registries.body("alive"), "spec": {"mysql": {"database": "alive2"}}})
    ready(bed, registries, "alive")
    assert registries.pod("alive")["metadata"]["name"] != first
    status, _ = registries.rest("alive", "POST", "/api/model_registry/v1alpha3/registered_models", {"name": "m"})
    assert status == 201
    assert registries.sql("SELECT name FROM alive2.Context WHERE name = 'm'") == [("m",)]

    second = registries.pod("alive")["metadata"]["name"]
    registries.sql("ALTER USER 'alive'@'%' IDENTIFIED BY 'another one'")
    registries.make_secret("alive", "another one")
    restart(registries, "alive")
    ready(bed, registries, "alive")
    assert registries.pod("alive")["metadata"]["name"] != second


def restart(registries: Registries, name: str) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}
    meta = {"name": name, "namespace": registries.namespace}
    registries.api.patch(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}
    )


def test_an_edit_that_fails_beside_a_pod_that_serves(bed: Testbed, registries: Registries) -> None:
    """The registry goes on saying Available=True, by its old pod; mended, it is ready without the old words."""
    registries.make("edited")
    registries.available("edited")
    with waiter(bed) as waiting:
        registries.api.patch({**registries.body("edited"), "spec": {"mysql": {"database": "nowhere"}}})
        told = waiting.last("edited")["edited"]
    assert (told["state"], told["reason"]) == ("failed", "database_denied")
    registry = registries.get("edited")
    assert registry
    assert [c["status"] for c in registry["status"]["conditions"] if c["type"] == "Available"] == ["True"]
    registries.api.patch({**registries.body("edited"), "spec": {"mysql": {"database": "edited"}}})
    ready(bed, registries, "edited")


def test_deletion_and_a_finalizer_that_hangs(bed: Testbed, registries: Registries) -> None:
    registries.make("going")
    body = registries.body("staying")
    body["metadata"]["annotations"] = {"testbed.opendatahub.io/failing-finalizer": "no matches for kind"}
    registries.create(body)
    registries.available("going")
    with waiter(bed, seconds=6) as waiting:
        for name in ("going", "staying"):
            registries.api.delete(registries.version, "ModelRegistry", name, registries.namespace)
        found = waiting.last("gone", "going", "staying")
    assert found["going"]["state"] == "gone"
    assert found["staying"]["state"] == "deleting"
    assert "modelregistry.opendatahub.io/finalizer" in found["staying"]["message"]
    meta = {**body["metadata"], "annotations": {"testbed.opendatahub.io/failing-finalizer": None}}
    registries.api.patch({**body, "metadata": meta, "spec": {}})


def test_it_outlives_the_api_server(bed: Testbed, registries: Registries) -> None:
    """Every watch breaks, requests fail for some seconds, and the registry is ready in the end."""
    with waiter(bed, seconds=90) as waiting:
        # Not before the waiting program has loaded: the registry is ready soon.
        registries.make("patient")
        told = waiting.wait_for("patient")
        # One that was never answered would take the first refusals of a server that starts for its own.
        first = next(one for one in told if one["reason"] != "unknown")
        bed.kill("kube-apiserver")
        states = [first["state"], *(one["state"] for one in told)]
    assert states[-1] == "ready" and set(states) == {"waiting", "ready"}
    assert answers(registries, "patient")


def test_without_the_right_to_read_logs(bed: Testbed, registries: Registries) -> None:
    role = registries.api.get("rbac.authorization.k8s.io/v1", "Role", "model-registry-admin", registries.namespace)
    assert role
    less = [rule for rule in role["rules"] if rule["resources"] != ["pods/log"]]
    assert len(less) == len(role["rules"]) - 1
    registries.make_database("blind")
    registries.make_secret("blind", "not the password")
    meta = {"name": role["metadata"]["name"], "namespace": registries.namespace}
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta}
    registries.api.patch({**kind, "rules": less})
    try:
        with waiter(bed, seconds=12) as waiting:
            registries.create(registries.body("blind"))
            told = list(waiting.wait_for("blind"))[-1]
    finally:
        registries.api.patch({**kind, "rules": role["rules"]})
    assert told["state"] == "waiting"
    assert "resources: [pods/log], verbs: [get]" in told["notes"][0]


def test_an_operator_that_does_not_run(start: Start) -> None:
    with start(flavour="plain") as bed:
        registries = Registries(bed)
        bed.stop("operator")
        registries.make("unheard")
        with waiter(bed) as waiting:
            told = waiting.last("unheard")["unheard"]
        assert (told["state"], told["reason"]) == ("failed", "operator_silent")
        assert "model registry operator" in told["next_step"]


# TLS ----------------------------------------------------------------------------------------------------------------

OPTIONS = ("--ssl-ca=/etc/testbed/ca.crt", "--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key")
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()


def host(service: str) -> str:
    return f"{service}.{DATABASES}.svc.cluster.local"


def available(bed: Testbed, name: str) -> bool:
    deployment = bed.api().get("apps/v1", "Deployment", name, DATABASES) or {}
    return bool(deployment.get("status", {}).get("availableReplicas"))


@pytest.fixture(scope="module")
def tls_servers(bed: Testbed) -> Iterator[None]:
    """MariaDB servers, each with another certificate, and a ConfigMap with authorities."""
    api, past = bed.api(), datetime.now(timezone.utc) - timedelta(days=2)
    certificates = {
        "tls-good": AUTHORITY.issue_cert(host("tls-good")),
        "tls-name": AUTHORITY.issue_cert("db.example.com"),
        "tls-old": AUTHORITY.issue_cert(host("tls-old"), not_before=past - timedelta(days=9), not_after=past),
    }
    for name, leaf in certificates.items():
        api.delete("apps/v1", "Deployment", name, DATABASES)
        files = {
            "ca.crt": AUTHORITY.cert_pem.bytes(),
            "tls.crt": b"".join(pem.bytes() for pem in leaf.cert_chain_pems),
            "tls.key": leaf.private_key_pem.bytes(),
        }
        bed.until("the old pod has ended", lambda: not api.list("v1", "Pod", DATABASES, labelSelector=f"app={name}"))
        for body in database("mariadb-10.11", bed.layout, name=name, options=OPTIONS, files=files):
            api.apply(body)
    for name in certificates:
        bed.until(f"{name} ready", lambda: available(bed, name), 90)
    meta = {"name": "authorities", "namespace": bed.flavour.registries_namespace}
    texts = {"good": AUTHORITY.cert_pem.bytes().decode(), "other": STRANGER.cert_pem.bytes().decode(), "junk": "no PEM"}
    api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": texts})
    yield
    for name in certificates:
        api.delete("apps/v1", "Deployment", name, DATABASES)


TLS_CASES = {
    "tls-works": ("tls-good", "good", "authorities", "ready", "ready"),
    "tls-stranger": ("tls-good", "other", "authorities", "failed", "ca_unknown"),
    "tls-other-name": ("tls-name", "good", "authorities", "failed", "certificate_name"),
    "tls-expired": ("tls-old", "good", "authorities", "failed", "certificate_expired"),
    "tls-not-there": ("mysql-57", "good", "authorities", "failed", "tls_not_offered"),
    "tls-junk": ("tls-good", "junk", "authorities", "failed", "ca_invalid"),
    "tls-no-key": ("tls-good", "nothing", "authorities", "failed", "ca_missing"),
    "tls-no-map": ("tls-good", "good", "nowhere", "failed", "ca_missing"),
}


@pytest.mark.timed
@pytest.mark.usefixtures("tls_servers")
def test_tls(bed: Testbed, registries: Registries, servers: Servers) -> None:
    """What Go's TLS and the kubelet say of certificates, on MariaDB and on a MySQL without TLS."""
    servers("mysql-5.7", name="mysql-57")
    for name, (service, *_) in TLS_CASES.items():
        secure: dict[str, Any] = {"ssl": {"ca": None}} if service.startswith("tls") else {}
        with connect_mysql(bed, service, **secure) as connection, connection.cursor() as cursor:
            for statement in (
                f"CREATE OR REPLACE DATABASE `{name}` CHARACTER SET utf8mb4",
                f"CREATE OR REPLACE USER '{name}'@'%' IDENTIFIED BY '{name}-password' REQUIRE SSL",
                f"GRANT ALL ON `{name}`.* TO '{name}'@'%'",
            ):
                if secure:
                    cursor.execute(statement)
        registries.make_secret(name)
    with waiter(bed) as waiting:
        for name, (service, key, config_map, *_) in TLS_CASES.items():
            ref = {"name": config_map, "key": key}
            tls = {"sslRootCertificateConfigMap": ref, "verifyServerCert": True}
            registries.create(registries.body(name, service=service, **tls))
        found = told_of(waiting, partial(first_words, registries), *TLS_CASES)
    for name, (*_, state, reason) in TLS_CASES.items():
        told = found[name]
        assert (told["state"], told["reason"]) == (state, reason), json.dumps(told)
        if state == "failed":
            print(f"mariadb-10.11  {name:16}  {reason:20}  {told['seconds']:5.1f} s  {told['message'][:100]}")
            assert 0 <= told["seconds"] < BOUND, told
    assert time.time() - found["tls-works"]["at"] < 60 and answers(registries, "tls-works")


LAST_OF_LOG = """
import sys
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
sys.stdout.write(Cluster(get_api_client()).log(*sys.argv[1:]))
"""


def _phase(registries: Registries, pod: str) -> str:
    found = registries.api.get("v1", "Pod", pod, registries.namespace) or {}
    return str(found.get("status", {}).get("phase"))


def test_the_last_words_of_long_lines(bed: Testbed, registries: Registries) -> None:
    """A server that writes long lines has its last ones read to the end."""
    script = 'i=0; while [ $i -lt 300 ]; do printf "%01000d\\n" $i; i=$((i+1)); done; echo Error 1045; sleep 1000'
    container = {"name": "main", "image": "testbed/shell", "command": ["sh", "-c", script]}
    meta = {"name": "talkative", "namespace": registries.namespace}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    registries.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    try:
        where = (registries.namespace, "talkative")
        bed.until("running", lambda: _phase(registries, "talkative") == "Running")
        bed.until("written", lambda: "Error 1045" in registries.api.log(*where, "main"))
        command = [sys.executable, "-c", LAST_OF_LOG, registries.namespace, "talkative", "main"]
        environment = ["env", f"PYTHONPATH={COLLECTIONS}"]
        text = bed.run([*environment, *command], user="registry-admin", capture_output=True, check=True).stdout
    finally:
        registries.api.delete("v1", "Pod", "talkative", registries.namespace)
    assert text.endswith("299\nError 1045\n") and len(text) == LOG_BYTES
