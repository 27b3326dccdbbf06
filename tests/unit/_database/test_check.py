# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check finds out before it creates anything in the cluster."""

from __future__ import annotations

import base64
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
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database import (
    examine as examine_module,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.check import (
    Check,
    CheckResult,
    LazyCluster,
    check,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.connection import Path
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.credentials import Credentials
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.plugin_requirement import Requirement
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres import client as postgres
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
            raise Refused("port-forward", "the client library drops impersonation there", "Leave it out.")

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


def checked(fake: FakeCluster, via: str, **database: Any) -> CheckResult:
    given = Database(**{"type": "mysql", "host": HOST, "name": "d", "username": "u", "password": "p", **database})
    wanted = Check(given, None, via, "any", 1, lambda host, port: Relay("image", SOCAT, host, port, 1))
    outcome = CheckResult()
    check(wanted, LazyCluster(lambda: cast("Cluster", fake), "registries"), outcome, lambda _secret: None)
    return outcome


@pytest.mark.parametrize("via", ["relay", "port_forward"])
def test_impersonation_is_refused_before_a_relay_is_made(via: str) -> None:
    with pytest.raises(Refused):
        checked(FakeCluster(impersonates=True), via)


def test_a_missing_library_is_told_before_a_relay_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyMySQL is needed; without psycopg a PostgreSQL database is not checked, and all else is reported."""
    monkeypatch.setattr(examine_module, "UNFIT", "version 1.1.1 is installed")
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
    assert found["page"] == "docs/findings.md#host_is_loopback" and found["rule"]


def test_words_of_a_relay_are_escaped() -> None:
    """Whatever an image writes into its log is shown escaped, and its length is limited."""

    def refused(_timeout: float) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    path = Path(refused, lambda: "\x1b[2Jgone" + "x" * 5000)
    database = Database(type="mysql", host=HOST, port=3306, name="d", username="u")
    _, (found,) = examine_module.inspect_database(database, Credentials(), path, Requirement("any", ""), ("relay", 1))
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
        ([REGISTRY], {"host": "evil.invalid"}, "of registry fraud"),
        ([REGISTRY], {"port": 3307}, "of registry fraud"),
        ([REGISTRY], {"username": "root"}, "of registry fraud"),
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

    def examined(_database: Database, credentials: Credentials, *_rest: Any) -> tuple[dict[str, Any], list[Any]]:
        sent.append(b"" if credentials.lacks else credentials.password)
        return {}, []

    monkeypatch.setattr(check_module, "inspect_database", examined)
    fake = FakeCluster(**{"Secret": stored(b"canary"), "ModelRegistry": REGISTRY, "all of ModelRegistry": listed})
    named = {"password": None, "host": "own.invalid", "password_secret": KeyRef("s", "key"), **given}
    by_secret = checked(fake, via, **named)
    by_registry = CheckResult()
    wanted = Check(Database(**given), "fraud", via, "any", 1, None)
    check(wanted, LazyCluster(lambda: cast("Cluster", fake), "registries"), by_registry, lambda _secret: None)
    for outcome in (by_secret, by_registry):
        told = [found for found in outcome.findings if found["code"] == "not_checked"]
        assert bool(told) is bool(words) and all(words in found["why"] for found in told)
        assert "canary" not in repr(outcome)
    assert sent == ([b""] * 2 if words else [b"canary"] * 2)


@pytest.mark.parametrize("mysql", ["text", {**MYSQL, "passwordSecret": "s"}, {**MYSQL, "sslKeySecret": {"name": "x"}}])
def test_a_registry_of_another_shape_is_called_so(mysql: Any) -> None:
    fake = FakeCluster(ModelRegistry={**REGISTRY, "spec": {"mysql": mysql}})
    wanted = Check(None, "fraud", "direct", "any", 1, None)
    with pytest.raises(RegistryError, match=r"^ModelRegistry fraud: its field spec\.mysql.* another type"):
        check(wanted, LazyCluster(lambda: cast("Cluster", fake), "registries"), CheckResult(), lambda _secret: None)


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
