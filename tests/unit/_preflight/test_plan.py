# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's own plan says before it: whether it changes the database of a registry that exists, and what it refuses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import Forbidden
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
    Database,
    KeyRef,
    Registry,
    Tls,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.gather import (
    Wanted,
    _planned,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.manifests import (
    wanted_registry,
    wanted_secret,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.restart import RESTART_PENDING
from pem_cases import A

Object = dict[str, Any]
GIVEN = Database("mysql", "db", None, "fraud", "fraud", "right")
STORED = replace(GIVEN, password=None, password_secret=KeyRef("fraud-db-password", "database-password"))


def stored(kind: Object, name: str) -> Object:
    return {
        **kind,
        "metadata": {**kind.get("metadata", {}), "name": name, "namespace": "n", "resourceVersion": "1", "uid": name},
    }


REGISTRY = stored(wanted_registry(Registry("fraud", database=STORED), "v1beta1", {}), "fraud")
SECRET = stored(wanted_secret(Registry("fraud", database=GIVEN)), "fraud-db-password")


class FakeCluster:
    """Has the registry's Secret, unless it may not be read."""

    def __init__(self, secret: Object | None) -> None:
        self._secret = secret

    def version(self) -> str:
        return "v1beta1"

    def spec_fields(self) -> frozenset[str]:
        return frozenset({"mysql", "mysql.sslRootCertificateConfigMap"})

    def serves(self, _kind: str) -> bool:
        return True

    def get_many(self, kind: str, _namespace: str, names: Collection[str], **_how: Any) -> list[Object]:
        if kind == "Secret" and self._secret is None:
            raise Forbidden("Secret fraud-db-password", "no", "rule")
        return [self._secret] if kind == "Secret" and self._secret and self._secret["metadata"]["name"] in names else []

    def list(self, _kind: str, *_where: Any, **_how: Any) -> tuple[list[Object], str]:
        return [], ""


MARKED = {**SECRET, "metadata": {**SECRET["metadata"], "annotations": {RESTART_PENDING: "2026-01-01T00:00:00Z"}}}
CASES: list[tuple[str, Database | None, Object | None, bool | None]] = [
    ("nothing given", None, SECRET, False),
    ("the same", GIVEN, SECRET, False),
    ("the same reference", STORED, SECRET, False),
    ("a part of it", Database(host="db"), SECRET, False),
    ("another password", replace(GIVEN, password="wrong"), SECRET, True),
    ("another host", Database(host="db2"), SECRET, True),
    ("another port", Database(port=3307), SECRET, True),
    ("another account", Database(username="ann"), SECRET, True),
    ("another Secret", replace(STORED, password_secret=KeyRef("mine", "key")), SECRET, True),
    ("an authority", Database(tls=Tls(ca_pem=A)), SECRET, True),
    ("another type", Database("postgres", "db", None, "fraud", "fraud", "right"), SECRET, True),
    ("a restart that is due", None, MARKED, True),
    ("a password that may not be compared", GIVEN, None, None),
    ("options that are refused", Database("mysql", generate=True), SECRET, None),
]


@pytest.mark.parametrize(
    ("database", "secret", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_changes_the_database(database: Database | None, secret: Object | None, expected: bool | None) -> None:
    cluster = cast("Cluster", FakeCluster(secret))
    assert _planned(cluster, Wanted("update", "fraud", None, database), "n", [REGISTRY]).database_changed is expected


@pytest.mark.parametrize(("job", "name"), [("create", "other"), ("create", None), ("update", "other")])
def test_a_registry_that_does_not_exist_has_no_database_to_change(job: str, name: str | None) -> None:
    cluster = cast("Cluster", FakeCluster(SECRET))
    plan = _planned(cluster, Wanted(job, name, None, GIVEN), "n", [REGISTRY])
    assert plan.database_changed is None and plan.refusal is None


FOREIGN = {**SECRET, "metadata": {**SECRET["metadata"], "labels": {}, "annotations": {}}}
REFUSED: list[tuple[Database, Object, str]] = [
    (GIVEN, FOREIGN, "Secret fraud-db-password: it exists without this registry's label"),
    (replace(GIVEN, port=70000), SECRET, ""),
    (Database("mysql", generate=True), SECRET, "database.generate: "),
]


@pytest.mark.parametrize(("database", "secret", "words"), REFUSED)
def test_what_creating_would_refuse(database: Database, secret: Object, words: str) -> None:
    """The job's own words, before anything is stored."""
    refusal = _planned(cast("Cluster", FakeCluster(secret)), Wanted("create", "fraud", None, database), "n", []).refusal
    assert str(refusal or "").startswith(words) and bool(refusal) is bool(words)


@pytest.mark.parametrize(
    ("job", "name", "database", "action"),
    [
        ("create", "fresh", GIVEN, "create"),
        ("update", "fraud", Database(host="db2"), "patch"),
        ("update", "fraud", GIVEN, None),
        ("update", "fraud", replace(GIVEN, password="wrong"), None),
        ("update", "fresh", GIVEN, None),
    ],
)
def test_the_change_that_is_tried(job: str, name: str, database: Database, action: str | None) -> None:
    """It is the registry's own, as the job would write it."""
    change = _planned(cast("Cluster", FakeCluster(SECRET)), Wanted(job, name, None, database), "n", [REGISTRY]).change
    assert (change.action if change else None) == action
    assert change is None or change.body["spec"]["mysql"]["host"] == database.host
