# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misconfigured registries, made at once: each shows what the real operator and the real server report of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from registries import OBJECTS, Registries, condition, conditions, labels
from testbed.api import ApiError, Object
from testbed.bed import Testbed
from testbed_fixtures import Servers

TLS_ONLY = "mysql-tls"
"""The Service of a server that refuses connections without TLS."""
POD = r"Deployment is unavailable: pod {name}-\S+ "
NOT_READY = (
    POD + r"containers not ready: \{{reason: ContainersNotReady, "
    r"message: containers with unready status: \[rest-container\]\}}"
)
WAITING = POD + r"has unready containers \[rest-container: \{{waiting: \{{reason: "
REFUSED = r"unexpected reconcile error: "
ALERT = r"\{\{ALERT\}\} error connecting to datastore: "


@dataclass(frozen=True)
class Failure:
    """One way to misconfigure a registry, and its visible effect."""

    prepare: Callable[[Registries, str], None]
    mysql: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    service: str = "mysql-80"
    name: str = ""
    """Of the registry, if it is not that of the row."""
    reason: str = "DeploymentUnavailable"
    message: str = NOT_READY
    """Of the condition Available, a regular expression with {name}."""
    log: str = ""
    """What the registry server writes before it ends or is killed, a regular expression."""
    once: bool = False
    """Only the first run writes it: the second one, which comes at once, takes that log's place."""
    made: int = len(OBJECTS)
    """The number of OBJECTS that exist: the operator stops at the first that is refused."""


def good_database(registries: Registries, name: str) -> None:
    registries.make_database(name)
    registries.make_secret(name)


def wrong_password(registries: Registries, name: str) -> None:
    registries.make_database(name)
    registries.make_secret(name, "not the password")


def no_database(registries: Registries, name: str) -> None:
    good_database(registries, name)
    registries.sql(f"GRANT ALL ON *.* TO '{name}'@'%'", f"DROP DATABASE `{name}`")


def not_granted(registries: Registries, name: str) -> None:
    good_database(registries, name)
    registries.sql(f"REVOKE ALL ON `{name}`.* FROM '{name}'@'%'")


def no_create(registries: Registries, name: str) -> None:
    registries.make_database(name, grant="SELECT, INSERT, UPDATE, DELETE")
    registries.make_secret(name)


def latin1(registries: Registries, name: str) -> None:
    registries.make_database(name, charset="latin1")
    registries.make_secret(name)


def no_secret(registries: Registries, name: str) -> None:
    registries.make_database(name)


def tls_only(registries: Registries, name: str) -> None:
    registries.make_database(name, service=TLS_ONLY)
    registries.make_secret(name)


FAILURES = {
    "wrong-password": Failure(
        wrong_password,
        log=r"Error 1045 \(28000\): Access denied for user 'wrong-password'@'10\.88\.\d+\.\d+' \(using password: YES\)",
    ),
    "no-database": Failure(no_database, log=r"Error 1049 \(42000\): Unknown database 'no-database'"),
    "not-granted": Failure(
        not_granted, log=r"Error 1044 \(42000\): Access denied for user 'not-granted'@'%' to database 'not-granted'"
    ),
    "no-create": Failure(
        no_create,
        reason="ResourcesAlert",
        message=r"rest container alert: .*\{{\{{ALERT\}}\}} error connecting to datastore: .*Error 1142 \(42000\): CREATE command denied to user 'no-create'.*",
        log=ALERT + r".*Error 1142 \(42000\): CREATE command denied to user 'no-create'",
    ),
    "latin1": Failure(
        latin1,
        reason="ResourcesAlert",
        message=r"rest container alert: .*\{{\{{ALERT\}}\}} error connecting to datastore: Dirty database version \d+\. Fix and force version\.",
        log=ALERT + r".*Error 1267 \(HY000\): Illegal mix of collations \(latin1_swedish_ci,IMPLICIT\)",
        once=True,
    ),
    "missing-secret": Failure(
        no_secret,
        message=WAITING + r"CreateContainerConfigError, message: secret \"{name}-db\" not found\}}\}}\]",
    ),
    "missing-key": Failure(
        good_database,
        mysql={"passwordSecret": {"name": "missing-key-db", "key": "nothing"}},
        message=WAITING
        + r"CreateContainerConfigError, message: couldn't find key nothing in Secret \S+/{name}-db\}}\}}\]",
    ),
    "no-such-host": Failure(
        good_database,
        mysql={"host": "nowhere.databases.svc.cluster.local"},
        log=r"dial tcp: lookup nowhere\.databases\.svc\.cluster\.local on 10\.88\.0\.1:53: no such host",
    ),
    "closed-port": Failure(
        good_database, mysql={"port": 3999}, log=r"dial tcp 10\.88\.\d+\.\d+:3999: connect: connection refused"
    ),
    "unknown-image": Failure(
        good_database,
        rest={"image": "example/unknown:1"},
        message=WAITING + r"(ErrImagePull|ImagePullBackOff), message: .*example/unknown:1.*\}}\}}\]",
    ),
}
"""What goes wrong with any server, and on every flavour."""
ROWS = {
    **FAILURES,
    "plaintext": Failure(
        tls_only,
        service=TLS_ONLY,
        log=r"Error 3159 \(HY000\): Connections using insecure transport are prohibited while --require_secure_transport=ON",
    ),
    "rejected-route": Failure(
        good_database,
        annotations={"testbed.opendatahub.io/rejected-route": "taken by another"},
        reason="ResourcesUnavailable",
        message=r"KubeRBACProxy Route {name}-https is unavailable: Host {name}-rest\.\S+ in Route {name}-https is unavailable: "
        r"\{{reason: HostAlreadyClaimed, message: taken by another\}}",
    ),
    "digit": Failure(
        good_database,
        name="1digit",
        message=REFUSED
        + r'Service "{name}" is invalid: metadata.name: Invalid value: "{name}": a DNS-1035 label must .*',
        made=1,
    ),
    "49-characters": Failure(
        good_database,
        name="a" * 49,
        message=REFUSED + r'ClusterRoleBinding\S* "{name}-auth-delegator" is invalid: .*must be no more than 63.*',
        made=6,
    ),
    "50-characters": Failure(
        good_database,
        name="a" * 50,
        message=REFUSED + r'Role\S* "registry-user-{name}" is invalid: .*must be no more than 63.*',
        made=3,
    ),
    "64-characters": Failure(
        good_database,
        name="a" * 64,
        message=REFUSED + r'ServiceAccount "{name}" is invalid: .*must be no more than 63.*',
        made=0,
    ),
}


@dataclass
class Failed:
    """A registry of the table, and its observed state."""

    registries: Registries
    failure: Failure
    created: Object
    words: str = ""
    """The expected words in the server's log, once they were there."""
    available: tuple[str, str, str] = ("", "", "")
    """The condition when the words had appeared and, for a server that writes them, its first run was over."""
    complete: bool = False

    @property
    def name(self) -> str:
        name: str = self.created["metadata"]["name"]
        return name

    def look(self) -> bool:
        """Record the current state; return whether that is all of it."""
        has_spoken = self._has_spoken()
        self.available = condition(self.registries.get(self.name))
        _, reason, message = self.available
        pattern = self.failure.message.format(name=self.name)
        expected = reason == self.failure.reason and re.fullmatch(pattern, message, re.DOTALL)
        self.complete = has_spoken and bool(expected)
        return self.complete

    def follow(self) -> None:
        """Read the log of the first run until it ends."""

        def first_run() -> str:
            pod = self.registries.pod(self.name)["metadata"]["name"]
            try:
                return self.registries.api.log(self.registries.namespace, pod, "rest-container", follow=True)
            except ApiError as error:
                if error.status != 400:
                    raise
                return ""  # it waits to start

        self._find(self.registries.bed.until(f"{self.name} has run", first_run))

    def _find(self, text: str) -> None:
        if found := re.search(self.failure.log, text, re.DOTALL):
            self.words = found[0]

    def _has_spoken(self) -> bool:
        if not self.failure.log:
            return True
        pods = self.registries.pods(self.name)
        if not self.words:
            self._find("".join(map(self.registries.log_of, pods)))
        statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", ())]
        return bool(self.words) and any(s["name"] == "rest-container" and s["restartCount"] for s in statuses)


@pytest.fixture(scope="module")
def failed(bed: Testbed, servers: Servers) -> Iterator[dict[str, Failed]]:
    """Make all registries of the table at once and watch until each has shown its failure or time is up."""
    servers("mysql-8.0", name=TLS_ONLY, options=["--require-secure-transport=ON"])
    registries = Registries(bed)
    found = {}
    for row, failure in sorted(ROWS.items(), key=lambda item: not item[1].once):
        found[row] = Failed(registries, failure, _create(registries, row, failure))
        if failure.once:
            found[row].follow()
    deadline = time.monotonic() + 120
    waiting = list(found.values())
    while waiting and time.monotonic() < deadline:
        waiting = [one for one in waiting if not one.look()]
        time.sleep(0.2)
    yield found
    registries.remove()


def _create(registries: Registries, row: str, failure: Failure) -> Object:
    failure.prepare(registries, row)
    body = registries.body(row, service=failure.service, **failure.mysql)
    body["metadata"].update(name=failure.name or row, annotations=failure.annotations)
    body["spec"]["rest"] = failure.rest
    return registries.create(body)


@pytest.fixture(scope="module")
def histories(failed: dict[str, Failed]) -> dict[str, list[Object]]:
    """Return all states that the table's registries have been in, by name."""
    first = next(iter(failed.values()))
    return first.registries.history(first.created)


@pytest.mark.parametrize("row", ROWS)
def test_failure(failed: dict[str, Failed], histories: dict[str, list[Object]], row: str) -> None:
    """The server's words in its log, then the condition, which was never True in between."""
    one, failure = failed[row], ROWS[row]
    status, reason, message = one.available
    assert bool(one.words) is bool(failure.log), one.registries.describe(one.name)
    assert (status, reason) == ("False", failure.reason)
    assert re.fullmatch(failure.message.format(name=one.name), message, re.DOTALL), message
    assert one.complete, f"the server was not started again\n{one.registries.describe(one.name)}"
    assert {said for said, _ in conditions(histories[one.name])} == {"False"}
    assert condition(one.registries.get(one.name))[0] == "False"


@pytest.mark.parametrize("row", ROWS)
def test_objects_of_a_failure(failed: dict[str, Failed], histories: dict[str, list[Object]], row: str) -> None:
    """All are made, labelled and owned, as far as the operator comes; it reports a created Deployment only once it is through."""
    one, failure = failed[row], ROWS[row]
    api, namespace = one.registries.api, one.registries.namespace
    found = [api.get(version, kind, name.format(one.name), namespace) for version, kind, name in OBJECTS]
    assert [found_one is not None for found_one in found] == [number < failure.made for number in range(len(OBJECTS))]
    for (_, kind, name), item in zip(OBJECTS, found, strict=True):
        if item:
            assert labels(one.name, name.format(one.name)).items() <= item["metadata"]["labels"].items(), kind
            owners = [owner["uid"] for owner in item["metadata"].get("ownerReferences", ())]
            assert owners == ([] if kind == "Group" else [one.created["metadata"]["uid"]]), kind
    through = [("True", "CreatingDeployment"), ("False", "CreatedDeployment")]
    assert conditions(histories[one.name], "Progressing") == (through if failure.made == len(OBJECTS) else [])


def test_a_rejected_route_is_the_proxys(failed: dict[str, Failed]) -> None:
    """The proxy's own condition has the words that Available repeats."""
    one = failed["rejected-route"]
    assert condition(one.registries.get(one.name), "KubeRBACProxyAvailable") == one.available


def test_the_proxy_of_an_unavailable_registry_is_unavailable(failed: dict[str, Failed]) -> None:
    """Its condition follows the Deployment's, with the same words and a reason of its own."""
    registry = failed["missing-secret"].registries.get("missing-secret")
    status, _, message = condition(registry)
    assert condition(registry, "KubeRBACProxyAvailable") == (status, "ResourcesUnavailable", message)


def test_a_half_way_migration_leaves_a_dirty_schema(failed: dict[str, Failed]) -> None:
    """The first run has the database's words, every further one only reports that the schema is dirty."""
    registries = failed["latin1"].registries
    registries.bed.until("said", lambda: "Dirty database version" in registries.log("latin1"))
    assert registries.sql("SELECT dirty FROM latin1.schema_migrations") == [(1,)]
