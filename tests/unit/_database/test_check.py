# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check finds out before it creates anything in the cluster."""

from __future__ import annotations

import base64
import contextlib
import socket
import sys
from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    Forbidden,
    Refused,
    RegistryError,
    Unreachable,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database, KeyRef
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database import (
    check as check_module,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.check import (
    Check,
    CheckResult,
    LazyCluster,
    check,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.connection import Path
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.credentials import Credentials
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.inspection import Inspection, Subject
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql import client as mysql
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql import connection
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.facts import (
    Account,
    Failure,
    MysqlFacts,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres import client as postgres
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.facts import PostgresFacts
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.relay import SOCAT, Relay
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import Sealed

HOST = "db.example.invalid"


class FakeCluster:
    """Holds these objects, allows no writes, and refuses port-forwards if configured to."""

    def __init__(self, *, impersonates: bool = False, **objects: Any) -> None:
        self.impersonates, self.objects = impersonates, objects

    def check_port_forward(self) -> None:
        if self.impersonates:
            raise Refused("port-forward", "the client library does not support impersonation there", "Leave it out.")

    def get(self, kind: str, _namespace: str, _name: str) -> Any:
        found = self.objects.get(kind)
        if isinstance(found, RegistryError):
            raise found
        return found

    def list(self, kind: str, *_where: Any, **_how: Any) -> Any:
        found = self.objects.get(f"all of {kind}", [])
        if isinstance(found, RegistryError):
            raise found
        return found, ""

    def write(self, *_change: Any, **_how: Any) -> None:
        pytest.fail("something was made in the cluster")


def checked(fake: FakeCluster, via: str, *, offered: bool | None = None, **database: Any) -> CheckResult:
    """Return the result of a check. offered: whether a relay may be made; by default with that path only."""
    given = Database(**{"type": "mysql", "host": HOST, "name": "d", "username": "u", "password": "p", **database})
    is_offered = via == "relay" if offered is None else offered
    make = (lambda host, port: Relay("image", SOCAT, host, port, 1)) if is_offered else None
    return run(Check(given, None, via, "any", 1, make), fake)


def run(wanted: Check, fake: FakeCluster) -> CheckResult:
    """Return the result of a check. Raises the error that has ended it."""
    outcome = check(wanted, LazyCluster(lambda: cast("Cluster", fake), "registries"), lambda _secret: None)
    if outcome.error is not None:
        raise outcome.error
    return outcome


@pytest.mark.parametrize("via", ["relay", "port_forward"])
def test_impersonation_is_refused_before_a_relay_is_made(via: str) -> None:
    with pytest.raises(Refused):
        checked(FakeCluster(impersonates=True), via)


def test_a_missing_library_is_told_before_a_relay_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyMySQL is needed; without psycopg a PostgreSQL database is not checked, and all else is reported."""
    monkeypatch.setattr(connection, "UNFIT", "version 1.1.1 is installed")
    monkeypatch.setattr(postgres, "MISSING", "no psycopg")
    with pytest.raises(RegistryError, match=r"PyMySQL: version 1\.1\.1 .*1\.2 or newer") as caught:
        checked(FakeCluster(), "relay")
    assert sys.executable in caught.value.why
    outcome = checked(FakeCluster(), "relay", type="postgres")
    (found,) = outcome.findings
    assert (found["code"], found["severity"]) == ("not_checked", "warning")
    assert "psycopg 3" in found["why"] and sys.executable in found["why"] and "psycopg" in outcome.unchecked[0]


SERVICE = {"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "ports": [{"port": 3306}]}}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"Service": SERVICE}, ["host_no_endpoints"]),
        ({}, ["host_unresolved"]),
        ({"Service": Forbidden("Service", "no", "rule")}, ["host_unresolved"]),
        ({"Service": Unreachable("Service", "no answer", "look")}, ["host_unresolved"]),
    ],
)
def test_a_host_of_two_parts(seen: Any, expected: list[str]) -> None:
    """It is a Service's if one exists, and a DNS name otherwise."""
    outcome = checked(FakeCluster(**seen), "auto", host="mysql.invalid")
    assert [found["code"] for found in outcome.findings] == expected


@pytest.mark.parametrize("kind", ["mysql", "postgres"])
@pytest.mark.parametrize(
    ("secret", "code"), [(None, "secret_missing"), (Forbidden("Secret s", "no", "rule"), "secret_unchecked")]
)
def test_without_credentials_the_way_is_checked(secret: Any, code: str, kind: str) -> None:
    """Errors of the host are reported together with errors of the Secret, and that no login took place."""
    given: dict[str, Any] = {"type": kind, "password": None, "password_secret": KeyRef("s", "key")}
    fake = FakeCluster(Secret=secret)
    nowhere = checked(fake, "direct", **given)
    assert [found["code"] for found in nowhere.findings] == [code, "host_unresolved", "not_checked"]
    assert "Secret s" in nowhere.findings[-1]["why"]
    assert [found["code"] for found in checked(fake, "direct", host="localhost", **given).findings] == [
        code,
        "host_is_loopback",
    ]
    no_service = checked(fake, "auto", host="db.x.svc", **given)
    assert [found["code"] for found in no_service.findings] == [code, "host_no_service", "not_checked"]


def test_every_finding_says_where_it_is_explained() -> None:
    (found,) = checked(FakeCluster(), "direct", host="localhost").findings
    assert found["page"].endswith("/docs/findings.md#host_is_loopback") and found["rule"]


def test_words_of_a_relay_are_escaped() -> None:
    """Whatever an image writes into its log is shown escaped, and its length is limited."""

    def refused(_timeout: float) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    path = Path("relay", refused, lambda: "\x1b[2Jgone" + "x" * 5000)
    database = Database(type="mysql", host=HOST, port=3306, name="d", username="u")
    (found,) = mysql.inspect(Subject(database, Credentials(), "any", 1), path).findings
    assert "the relay says: \\x1b[2Jgone" in found["why"] and len(found["why"]) < 600


def stored(value: bytes) -> dict[str, Any]:
    return {"data": {"key": Sealed(base64.b64encode(value).decode())}}


MYSQL = {
    "host": "own.invalid",
    "port": 3306,
    "database": "d",
    "username": "u",
    "passwordSecret": {"name": "s", "key": "key"},
}
REGISTRY = {"metadata": {"name": "fraud", "namespace": "registries"}, "spec": {"mysql": MYSQL}}


@pytest.mark.parametrize("via", ["direct", "auto"])
@pytest.mark.parametrize(
    ("listed", "given", "words"),
    [
        ([REGISTRY], {"host": "evil.invalid"}, "belongs to registry fraud"),
        ([REGISTRY], {"port": 3307}, "belongs to registry fraud"),
        ([REGISTRY], {"username": "root"}, "belongs to registry fraud"),
        (Forbidden("ModelRegistry", "no", "rule"), {"host": "evil.invalid"}, "may not list"),
        ([REGISTRY], {}, ""),
        ([], {"host": "elsewhere.invalid", "password_secret": KeyRef("other", "key")}, ""),
    ],
)
def test_a_stored_password_stays_with_its_database(
    monkeypatch: pytest.MonkeyPatch, via: str, listed: Any, given: dict[str, Any], words: str
) -> None:
    """Whether by the registry's name or its Secret's: it goes to the registry's own host, port and account alone."""
    sent: list[bytes] = []

    def inspect(subject: Subject, _path: Path) -> Inspection:
        sent.append(b"" if subject.credentials.lacks else subject.credentials.password)
        return Inspection({}, [], False, [])

    monkeypatch.setattr(mysql, "inspect", inspect)
    fake = FakeCluster(**{"Secret": stored(b"canary"), "ModelRegistry": REGISTRY, "all of ModelRegistry": listed})
    named = {"password": None, "host": "own.invalid", "password_secret": KeyRef("s", "key"), **given}
    by_secret = checked(fake, via, **named)
    by_registry = run(Check(Database(**given), "fraud", via, "any", 1, None), fake)
    for outcome in (by_secret, by_registry):
        told = [found for found in outcome.findings if found["code"] == "not_checked"]
        assert bool(told) is bool(words) and all(words in found["why"] for found in told)
        assert "canary" not in repr(outcome)
    assert sent == ([b""] * 2 if words else [b"canary"] * 2)


@pytest.mark.parametrize("mysql", ["text", {**MYSQL, "passwordSecret": "s"}, {**MYSQL, "sslKeySecret": {"name": "x"}}])
def test_a_registry_of_another_shape_is_called_so(mysql: Any) -> None:
    fake = FakeCluster(ModelRegistry={**REGISTRY, "spec": {"mysql": mysql}})
    wanted = Check(None, "fraud", "direct", "any", 1, None)
    with pytest.raises(RegistryError, match=r"^ModelRegistry fraud: its field spec\.mysql.* unknown type"):
        run(wanted, fake)


@pytest.mark.parametrize(
    ("deployments", "severity"),
    [([], "warning"), (Forbidden("Deployment", "no", "rule"), "warning"), (["v0.3.1"], None), (["v0.3.8"], "blocker")],
)
def test_a_question_mark_by_the_version_of_the_server(deployments: Any, severity: str | None) -> None:
    if isinstance(deployments, list):
        containers = [{"name": "rest-container", "image": f"model-registry:{tag}"} for tag in deployments]
        deployments = [{"metadata": {"name": "x"}, "spec": {"template": {"spec": {"containers": containers}}}}]
    fake = FakeCluster(**{"all of Deployment": deployments})
    outcome = checked(fake, "direct", host="localhost", password="canary?")
    told = [found["severity"] for found in outcome.findings if found["code"] == "password_breaks_dsn"]
    assert told == ([severity] if severity else []) and "canary" not in repr(outcome)


def test_a_secret_that_breaks_the_url_of_postgres_is_told() -> None:
    fake = FakeCluster(Secret=stored(b"can/ary"))
    given: dict[str, Any] = {"type": "postgres", "password": None, "password_secret": KeyRef("s", "key")}
    (broken, _loopback) = checked(fake, "direct", host="localhost", **given).findings
    assert (broken["code"], broken["severity"]) == ("password_breaks_dsn", "blocker")
    assert "key key of Secret s" in broken["what"] and "can/ary" not in repr(broken)


DENIED = MysqlFacts(failure=Failure("login", "Access denied for user 'u'@'10.0.0.9'", 1045))
NO_HOST = MysqlFacts(failure=Failure("login", "Host '10.0.0.9' is not allowed to connect", 1130))
CLOSED = MysqlFacts(failure=Failure("connect", "refused", reason="refused"))
LET_IN = MysqlFacts(account=Account("u@%", "caching_sha2_password", "10.0.0.1", ("%",)))
WRONG_PASSWORD = PostgresFacts(refusal='FATAL:  password authentication failed for user "u"')
NO_ENTRY = PostgresFacts(refusal='FATAL:  no pg_hba.conf entry for host "10.0.0.9"')
LET_IN_POSTGRES = PostgresFacts(version=160000, account="u", encoding="UTF8", may_create=True, encrypted=True)


@pytest.mark.parametrize(
    ("kind", "here", "from_pod", "expected"),
    [
        ("mysql", DENIED, DENIED, {"access_denied": "blocker"}),
        ("mysql", DENIED, LET_IN, {}),
        ("mysql", NO_HOST, DENIED, {"access_denied": "blocker"}),
        ("mysql", CLOSED, DENIED, {"access_denied": "blocker"}),
        ("mysql", LET_IN, None, {}),
        ("postgres", WRONG_PASSWORD, None, {"access_denied": "blocker"}),
        ("postgres", NO_ENTRY, WRONG_PASSWORD, {"access_denied": "blocker"}),
        ("postgres", NO_ENTRY, LET_IN_POSTGRES, {}),
    ],
)
def test_what_is_refused_for_the_address_is_checked_from_a_pod(
    monkeypatch: pytest.MonkeyPatch, kind: str, here: Any, from_pod: Any, expected: dict[str, str]
) -> None:
    """A relay is made only if it proves more, and its result is the one that counts. None: none is made."""
    monkeypatch.setattr(mysql, "gather", lambda opened, *_rest: opened(1.0))
    monkeypatch.setattr(postgres, "gather", lambda opened, *_rest: opened(1.0))
    monkeypatch.setattr(check_module, "direct", lambda *_to: contextlib.nullcontext(Path("direct", lambda _left: here)))
    made: list[Relay] = []

    def relay(_cluster: Any, _namespace: str, wanted: Relay, _warn: Any) -> Any:
        made.append(wanted)
        return contextlib.nullcontext(Path("relay", lambda _left: from_pod))

    monkeypatch.setattr(check_module, "relay", relay)
    outcome = checked(FakeCluster(), "auto", offered=True, type=kind)
    assert outcome.connection["path"] == ("direct" if from_pod is None else "relay")
    assert [wanted.host for wanted in made] == [HOST] * (from_pod is not None)
    found = {one["code"]: one["severity"] for one in outcome.findings if one["severity"] == "blocker"}
    assert found == expected and all(one["path"] == outcome.connection["path"] for one in outcome.findings)
    for via, offered in (("direct", True), ("auto", False)):
        unproven = checked(FakeCluster(), via, offered=offered, type=kind)
        assert unproven.connection["path"] == "direct" and len(made) == (from_pod is not None)


def test_a_relay_that_cannot_be_made_leaves_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "gather", lambda *_all: DENIED)
    monkeypatch.setattr(
        check_module, "direct", lambda *_to: contextlib.nullcontext(Path("direct", lambda _left: cast("Any", None)))
    )
    outcome = checked(FakeCluster(impersonates=True), "auto", offered=True)
    assert {one["code"]: one["severity"] for one in outcome.findings} == {
        "not_checked": "warning",
        "access_denied": "warning",
    }
    assert "from a pod" in outcome.unchecked[0] and outcome.connection["path"] == "direct"


def test_wrong_options_are_a_blocker() -> None:
    """A path that cannot lead to the host, and a database that no registry can have: nothing can be made with these."""
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("port_forward", {}, "via"),
        ("auto", {"name": None}, "database.name"),
    ]
    for via, given, option in cases:
        database = Database(**{"type": "mysql", "host": HOST, "name": "d", "username": "u", "password": "p", **given})
        outcome = check(
            Check(database, None, via, "any", 1, None),
            LazyCluster(lambda: cast("Cluster", FakeCluster()), "registries"),
            lambda _secret: None,
        )
        (found,) = outcome.findings
        assert (found["code"], found["severity"]) == ("option_invalid", "blocker") and option in found["what"]
        assert outcome.error is not None
