# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blockers of a job, found on a real cluster by users with various permissions; and nothing is stored by checking."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trustme
from plays import Played, Servers, play, task
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, ROOT_PASSWORD

PREFLIGHT = "opendatahub.model_registry.model_registry_preflight"
CHECK = "opendatahub.model_registry.mysql_auth_check"
DATABASE = {
    "type": "mysql",
    "host": "mysql-80.databases.svc.cluster.local",
    "name": "looked",
    "username": "looked",
    "password": "canary-preflight",
}

MAKE = """
import sys, psycopg
with psycopg.connect(host=sys.argv[1], user="postgres", password=sys.argv[2], dbname="postgres", autocommit=True) as it:
    it.execute("DROP DATABASE IF EXISTS looked_latin")
    it.execute("DROP DATABASE IF EXISTS looked_good")
    it.execute("DROP ROLE IF EXISTS looked")
    it.execute("CREATE ROLE looked LOGIN PASSWORD 'canary-preflight'")
    it.execute("CREATE DATABASE looked_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    it.execute("CREATE DATABASE looked_good OWNER looked")
"""
"""Run inside the testbed, where the server's address is reachable."""


RELAY = ["/relay", "--listen", ":{listen}", "--to", "{host}:{port}"]
RULES = """
import sys, psycopg, psycopg.sql
with psycopg.connect(host=sys.argv[1], user="postgres", password=sys.argv[2], dbname="postgres", autocommit=True) as it:
    (file,) = it.execute("SHOW hba_file").fetchone()
    lines = psycopg.sql.SQL(" UNION ALL ").join(psycopg.sql.SQL("SELECT {}").format(line) for line in sys.argv[3:])
    it.execute(psycopg.sql.SQL("COPY ({}) TO {}").format(lines, file))
    it.execute("SELECT pg_reload_conf()")
"""
"""Writes pg_hba.conf, which the server reads again."""


def look(bed: Testbed, *wishes: dict[str, Any], user: str = "registry-admin") -> Played:
    found = play(bed, *(task(PREFLIGHT, fail_on="never", **wish) for wish in wishes), user=user)
    assert not found.writes and "canary-preflight" not in found.output
    assert not any(result.get("failed") for result in found.results), found.output
    return found


def codes(result: dict[str, Any], *severities: str) -> list[str]:
    return [one["code"] for one in result["findings"] if one["severity"] in (severities or ("blocker", "warning"))]


def test_registry_admin_is_ready(bed: Testbed, registries: Registries) -> None:
    """With the collection's Role no permission is missing; what needs cluster permissions is reported as unchecked."""
    wishes = [{"job": job, "name": "looked", "database": DATABASE} for job in ("create", "teardown", "grant")]
    create, teardown, grant = look(bed, *wishes).results
    assert codes(create) == []
    expected = ["component_unchecked", "operator_unchecked", "rights_limited", "name_unchecked"]
    assert codes(create, "info") == expected
    (path,) = [one for one in create["findings"] if one["code"] == "rights_limited"]
    assert path["what"] == "the user's permissions in namespace databases" and "pods/portforward" in path["remedy"]
    assert codes(teardown) == codes(grant) == ["registry_missing"]
    assert create["facts"]["user"] == "registry-admin" and create["facts"]["database_checkable"]
    assert create["facts"]["namespace"] == registries.namespace
    assert create["passed"] == ["permissions to create", "dry run accepted"]


def test_all_at_once(bed: Testbed, registries: Registries) -> None:
    """An invalid name, a Secret and an authority are reported together, in one run."""
    api = registries.api
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "looked-ca", "namespace": registries.namespace},
    }
    api.apply({**body, "data": {"good": trustme.CA().cert_pem.bytes().decode(), "bad": "no certificate"}})
    tls = {"ca_config_map": {"name": "looked-ca", "key": "bad"}}
    reference = {key: value for key, value in DATABASE.items() if key != "password"}
    secret = {"name": "looked-none", "key": "password"}
    wrong = {"name": "9-looked", "database": {**reference, "password_secret": secret, "tls": tls}}
    good = {"name": "looked", "database": {**DATABASE, "tls": {"ca_config_map": {"name": "looked-ca", "key": "good"}}}}
    first, second = look(bed, wrong, good).results
    assert sorted(codes(first)) == ["ca_invalid", "name_invalid", "secret_missing"]
    assert first["facts"]["database_checkable"], "host, Service and certificate can be looked at all the same"
    assert codes(second) == []


def test_rights_of_nobody(bed: Testbed, registries: Registries) -> None:
    """All missing permissions are in one finding, and the rules in it name each resource once."""
    (result,) = look(
        bed, {"name": "looked", "namespace": registries.namespace, "database": DATABASE}, user="nobody"
    ).results
    (found,) = [one for one in result["findings"] if one["severity"] == "blocker"]
    assert found["code"] == "rights_missing"
    for rule in (
        "resources: [modelregistries], verbs: [list, watch, get, create]",
        "resources: [secrets], verbs: [get, create, patch]",
    ):
        assert rule in found["remedy"]


def test_cluster_rights_see_more(bed: Testbed) -> None:
    """With the optional ClusterRole the component and the names of all namespaces are checked."""
    (result,) = look(
        bed, {"name": "looked", "namespace": "data-science", "database": DATABASE}, user="platform-admin"
    ).results
    assert "namespace_other" in codes(result) and "rights_missing" in codes(result)
    assert result["facts"]["component"] == {"default-dsc": "Managed"}


@pytest.mark.parametrize("state", ["Removed"])
def test_component_is_removed(bed: Testbed, registries: Registries, state: str) -> None:
    api, kind = registries.api, ("datasciencecluster.opendatahub.io/v1", "DataScienceCluster")
    cluster = api.get(*kind, "default-dsc")
    assert cluster is not None
    changed = {**cluster, "spec": {"components": {"modelregistry": {"managementState": state}}}}
    for item in (changed, cluster):
        item["metadata"] = {"name": "default-dsc"}
        item.pop("status", None)
    try:
        api.apply(changed)
        (result,) = look(bed, {"name": "looked"}, user="platform-admin").results
        # A new registry needs a database, too.
        assert codes(result, "blocker") == ["option_invalid", "component_disabled"]
    finally:
        api.apply(cluster)


def test_operator_is_down(bed: Testbed) -> None:
    """Its webhook does not answer the dry run: that is visible without permission to see the operator."""
    bed.stop("operator")
    try:
        (result,) = look(bed, {"name": "looked", "database": DATABASE}).results
        assert codes(result, "blocker") == ["operator_down"]
    finally:
        bed.start("operator")


def test_postgres(bed: Testbed, servers: Servers) -> None:
    """The same shape of findings, on a real server: login, database, encoding, permissions on the schema."""
    host = bed.address(servers("postgres-16"), NAMESPACE)
    bed.run([sys.executable, "-c", MAKE, host, ROOT_PASSWORD])
    base = {"type": "postgres", "host": host, "username": "looked", "password": "canary-preflight"}
    names = ("looked_latin", "looked_none", "looked_good")
    wishes = [task(CHECK, database={**base, "name": name}, via="direct", fail_on="never") for name in names]
    wishes.append(task(CHECK, database={**base, "name": "postgres", "password": "wrong"}, via="direct"))
    relay = {"via": "relay", "relay_image": "testbed/relay", "relay_command": RELAY}
    changes: tuple[dict[str, str], ...] = ({}, {"password": "wrong"})
    wishes += [task(CHECK, database={**base, "name": "looked_good", **changed}, **relay) for changed in changes]
    latin, missing, good, refused, relayed, denied = play(bed, *wishes, user="admin").results
    assert codes(good) == ["plaintext"] and codes(good, "info") == ["account_host"]
    assert codes(relayed) == ["plaintext"] and not codes(relayed, "info") and relayed["facts"]["asked_password"]
    assert codes(denied) == ["access_denied"] and denied["failed"]
    assert codes(latin) == ["privileges_missing", "charset", "plaintext"]
    assert latin["findings"][0]["checked_as"] == "looked"
    assert codes(missing) == ["database_missing"]
    assert codes(refused, "blocker") == ["access_denied"] and refused["failed"], (
        "a role has one password for all addresses"
    )


def test_a_login_to_postgres_by_port_forward(bed: Testbed, servers: Servers) -> None:
    """The server sees its own loopback address. If that is trusted, as in the official image, any password will do."""
    service = servers("postgres-16")
    host = bed.address(service, NAMESPACE)
    bed.run([sys.executable, "-c", MAKE, host, ROOT_PASSWORD], check=True)
    given = {"type": "postgres", "host": f"{service}.{NAMESPACE}.svc.cluster.local", "name": "looked_good"}
    login = {"username": "looked", "password": "canary-preflight"}
    wishes = [task(CHECK, database={**given, **login, **one}) for one in ({}, {"password": "wrong"})]
    right, wrong = play(bed, *wishes, user="admin").results
    assert right["connection"]["path"] == "port_forward" and right["facts"]["asked_password"]
    assert codes(right) == ["plaintext"] and codes(right, "info") == ["account_host"]
    assert codes(wrong, "blocker") == ["access_denied"] and wrong["failed"]
    with trusted(bed, host):
        (trusting,) = play(bed, wishes[1], user="admin").results
    assert not trusting["failed"] and not trusting["facts"]["asked_password"]
    (found,) = [one for one in trusting["findings"] if one["code"] == "account_host"]
    assert found["severity"] == "warning" and "did not ask for the password" in found["why"]


@contextmanager
def trusted(bed: Testbed, host: str) -> Iterator[None]:
    """Make the server trust every login from its own loopback address, as the official image does."""
    write = [sys.executable, "-c", RULES, host, ROOT_PASSWORD]
    others = "host all all all scram-sha-256"
    bed.run([*write, "host all all 127.0.0.1/32 trust", others], check=True)
    try:
        yield
    finally:
        bed.run([*write, others], check=True)
