# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry server cannot do with a password, and to which databases a stored one may go."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database, KeyRef
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.password_rules import (
    breaking,
    server_version,
    withheld,
)

Object = dict[str, Any]
OLD, NEW = (0, 3, 1), (0, 3, 2)


def unknown() -> None:
    """Return the version of a server that does not report it."""


@pytest.mark.parametrize("character", [*'/?#%[] "^', "€", "@/", "%:"])
def test_a_postgres_password_goes_into_a_url(character: str) -> None:
    (found,) = breaking(f"canary{character}x", Database(type="postgres", username="u"), "key k of Secret s", unknown)
    assert (found.code, found.severity) == ("password_breaks_dsn", "blocker")
    assert found.what == "key k of Secret s" and "canary" not in repr(found)


@pytest.mark.parametrize("password", ["a@b", "a:b", "@:"])
def test_a_postgres_password_that_one_server_has_taken(password: str) -> None:
    (found,) = breaking(password, Database(type="postgres", username="u"), "key k of Secret s", unknown)
    assert (found.code, found.severity) == ("password_breaks_dsn", "warning") and "0.3.0" in found.why


@pytest.mark.parametrize("password", ["a+b", "a$(X)b", "aZ0._~!$&'()*+,;=-", ""])
def test_a_postgres_password_that_fits(password: str) -> None:
    assert not list(breaking(password, Database(type="postgres", username="u"), "s", unknown))


@pytest.mark.parametrize(
    ("version", "severity"), [(None, "warning"), (OLD, ""), ((0, 2, 20), ""), (NEW, "blocker"), ((0, 4, 0), "blocker")]
)
def test_a_question_mark_stops_newer_servers_on_mysql(version: tuple[int, ...] | None, severity: str) -> None:
    for password, username, what in (("canary?", "u", "password"), ("canary", "u?", "account u?")):
        found = list(breaking(password, Database(type="mysql", username=username), "password", lambda: version))
        assert [(one.what, one.severity) for one in found] == ([(what, severity)] if severity else [])
        assert all("0.3.2" in one.why and "canary" not in repr(one) for one in found)
    assert not list(breaking("@:/#%$(X) €", Database(type="mysql", username="a@b"), "password", lambda: version))


def deployment(*images: str, name: str = "rest-container") -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": name, "image": image} for image in images]}}}}


@pytest.mark.parametrize(
    ("deployments", "version"),
    [
        ([], None),
        ([{}], None),
        ([deployment("quay.io:5000/opendatahub/model-registry:v0.3.0")], (0, 3, 0)),
        ([deployment("model-registry:0.3.10")], (0, 3, 10)),
        ([deployment("model-registry:v0.3.0"), deployment("model-registry:v0.3.8")], (0, 3, 8)),
        ([deployment("model-registry:v0.3.4-rc1")], (0, 3, 4)),
        ([deployment("model-registry@sha256:0123")], None),
        ([deployment("model-registry:latest")], None),
        ([deployment("odh-model-registry-rhel9:v2.22.0")], None),
        ([deployment("odh-model-registry-rhel9:v3.0.0"), deployment("model-registry:v0.3.1")], (0, 3, 1)),
        ([deployment("proxy:v9.9.9", name="kube-rbac-proxy")], None),
    ],
)
def test_the_version_of_the_server(deployments: list[Object], version: tuple[int, ...] | None) -> None:
    assert server_version(deployments) == version


def registry(name: str, kind: str = "mysql", **spec: Any) -> Object:
    values = {"host": "db.example.com", "username": "u", "database": "d", **spec}
    return {"metadata": {"name": name, "namespace": "registries"}, "spec": {kind: values}}


KEY = {"name": "s", "key": "k"}
MINE = registry("mine", passwordSecret=KEY)
BARE, IN_FULL = (registry("s", host=host, passwordSecret=KEY) for host in ("db", "db.registries.svc.cluster.local"))
ELSEWHERE = registry("s", host="db.dev.svc.cluster.local", passwordSecret=KEY)


@pytest.mark.parametrize(
    ("registries", "given", "goes"),
    [
        ([], {}, True),
        ([MINE], {}, True),
        ([MINE], {"host": "DB.example.com."}, True),
        ([MINE], {"port": 3306}, True),
        ([MINE], {"name": "another"}, True),
        ([MINE], {"host": "evil.example.com"}, False),
        ([MINE], {"host": "db.example.com.evil.example"}, False),
        ([MINE], {"port": 3307}, False),
        ([MINE], {"username": "root"}, False),
        ([MINE], {"username": "U"}, False),
        ([MINE], {"password_secret": KeyRef("s", "other-key"), "host": "evil"}, False),
        ([MINE], {"password_secret": KeyRef("other", "k"), "host": "evil"}, True),
        ([MINE, registry("two", host="two", passwordSecret=KEY)], {"host": "two"}, True),
        ([MINE, registry("two", host="two", passwordSecret=KEY)], {"host": "three"}, False),
        ([registry("x", sslKeySecret=KEY)], {"host": "evil"}, False),
        ([registry("x", sslRootCertificateSecret=KEY)], {"host": "evil"}, False),
        ([registry("x", "postgres", passwordSecret=KEY)], {"type": "postgres", "port": 5432}, True),
        ([registry("x", "postgres", passwordSecret=KEY)], {"type": "postgres", "port": 1}, False),
        (
            [registry("g", "postgres", generateDeployment=True)],
            {"password_secret": KeyRef("g-postgres-credentials", "password"), "host": "evil"},
            False,
        ),
        ([MINE], {"password_secret": None, "password": "canary", "host": "anywhere"}, True),
        ([BARE], {"host": "db.registries.svc"}, True),
        ([BARE], {"host": "DB.registries.svc.cluster.local."}, True),
        ([IN_FULL], {"host": "db"}, True),
        ([BARE], {"host": "db.other.svc.cluster.local"}, False),
        ([IN_FULL], {"host": "db.registries.svc.evil.example"}, False),
        ([IN_FULL], {"host": "db.registries.svc.cluster.local.evil.example"}, False),
        # A DNS name, too: mysql.dev has an owner.
        ([ELSEWHERE], {"host": "db.dev"}, False),
        ([ELSEWHERE], {"host": "db.dev.svc"}, True),
        # An entry that no schema allows spoils nothing, and fails closed.
        ([registry("odd", passwordSecret="s"), MINE], {}, True),
        ([registry("odd", passwordSecret={"name": "s"})], {}, False),
        ([registry("odd", passwordSecret=KEY, port="x")], {}, False),
        ([{**MINE, "spec": {"mysql": "text"}}, {**MINE, "spec": None}], {"host": "anywhere"}, True),
        ([registry("nulls", passwordSecret=KEY, port=None, sslCertificateSecret=None)], {}, True),
    ],
)
def test_where_a_stored_password_goes(registries: list[Object], given: Object, goes: bool) -> None:
    base: Object = {"type": "mysql", "host": "db.example.com", "username": "u", "name": "d"}
    why = withheld(Database(**{**base, "password_secret": KeyRef("s", "k"), **given}), registries)
    assert (why == "") is goes
    assert goes or "Secret belongs to regist" in why
