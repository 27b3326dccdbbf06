# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two registries on one database are found, however each of them writes it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.deletion import (
    DeletionOptions,
    Dependents,
    plan_absent,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.export import database_of
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.plan import NamespaceState
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.sharing import (
    others_use,
    sharers,
    sharing_findings,
)

Object = dict[str, Any]
NAMESPACE = "rhoai-model-registries"


def registry(name: str, kind: str = "mysql", **fields: Any) -> Object:
    spec = {kind: {"database": "models", "host": "db", "username": name, **fields}}
    return {
        "kind": "ModelRegistry",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": name, "resourceVersion": "1"},
        "spec": spec,
    }


def mysql(**fields: Any) -> tuple[str, Object]:
    return "mysql", fields


def postgres(**fields: Any) -> tuple[str, Object]:
    return "postgres", fields


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (mysql(), mysql(), True),
        (mysql(), mysql(port=3306), True),
        (mysql(), mysql(port=3307), False),
        (mysql(), mysql(database="others"), False),
        (mysql(), mysql(database="Models"), False),
        (mysql(), mysql(host=f"db.{NAMESPACE}"), True),
        (mysql(), mysql(host=f"db.{NAMESPACE}.svc"), True),
        (mysql(), mysql(host=f"DB.{NAMESPACE}.svc.cluster.local."), True),
        (mysql(), mysql(host="db.databases.svc"), False),
        (mysql(host="db.databases"), mysql(host="db.databases.svc.cluster.local"), True),
        (mysql(host="db.example.com"), mysql(host="DB.example.com."), True),
        (mysql(host="10.0.0.1"), mysql(host="10.0.0.2"), False),
        (mysql(host="[fd00:0::1]"), mysql(host="fd00::1"), True),
        (mysql(host="::ffff:10.0.0.1"), mysql(host="10.0.0.1"), True),
        (postgres(), postgres(port=5432), True),
        (postgres(host=None, hostAddress="10.0.0.1"), postgres(host="10.0.0.1"), True),
        (postgres(), postgres(host="", generateDeployment=True), False),
        (mysql(), postgres(), False),
    ],
)
def test_who_shares_a_database(one: tuple[str, Object], other: tuple[str, Object], shared: bool) -> None:
    found = {"a": registry("a", one[0], **one[1]), "b": registry("b", other[0], **other[1])}
    for name, neighbour in (("a", "b"), ("b", "a")):
        database = database_of(found[name]["spec"])
        assert sharers(name, database, found, NAMESPACE) == ([neighbour] if shared else [])
        codes = [finding.code for finding in sharing_findings(name, database, found, NAMESPACE)]
        assert codes == (["database_shared"] if shared else [])


def test_a_new_registry_is_compared_with_those_that_are_there() -> None:
    secret = {"name": "shared", "key": "password"}
    there = {name: registry(name, passwordSecret=secret) for name in ("x", "y")}
    there["odd"] = {"metadata": {"name": "odd", "namespace": NAMESPACE}, "spec": {"mysql": "text"}}
    wanted = database_of(registry("new", passwordSecret=secret)["spec"])
    database, password = sharing_findings("new", wanted, there, NAMESPACE)
    assert (database.code, password.code) == ("database_shared", "shared_secret")
    assert "x, y" in database.why and "x, y" in password.why


@pytest.mark.parametrize(("database", "shared"), [("models", True), ("other", False)])
def test_a_deletion_says_who_else_uses_the_database(database: str, shared: bool) -> None:
    registries = {"a": registry("a"), "b": registry("b", database=database)}
    kept = plan_absent(
        "a", NamespaceState(NAMESPACE, "v1beta1", registries, {}), Dependents(), DeletionOptions()
    ).retained
    assert [one["kind"] for one in kept] == ["Database"]
    assert kept[0]["reason"].endswith("; the registry b uses it, too") == shared


def test_a_fleet_is_compared_in_a_short_time() -> None:
    """Each registry is compared with each: comparing all of them closely would take minutes for a thousand."""
    secret = {"name": "shared", "key": "password"}
    fleet = {f"r{number}": registry(f"r{number}", database=f"d{number}") for number in range(2000)}
    fleet["same"] = registry("same", passwordSecret=secret, database="other")
    wanted = database_of(registry("r0", passwordSecret=secret, database="d7")["spec"])
    taken = []
    for _ in range(3):
        start = time.process_time()
        codes = [finding.code for finding in sharing_findings("r0", wanted, fleet, NAMESPACE)]
        taken.append(time.process_time() - start)
    assert codes == ["database_shared", "shared_secret"]
    assert min(taken) < 0.1


def test_one_registry_and_several() -> None:
    assert others_use(["a"]) == "the registry a uses"
    assert others_use(["a", "b"]) == "the registries a, b use"
