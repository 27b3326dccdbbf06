# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From facts about a database to findings, and from grants to privileges."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.certificates import Certificate
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.confidence import CheckContext
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.facts import (
    Account,
    Failure,
    MysqlFacts,
    MysqlGrants,
    Schema,
    Server,
    TlsHandshake,
    grants_of,
    privileges_on,
    version_of,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.rules import (
    mysql_findings,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.failure_causes import NEEDED
from finding_codes import mysql_codes

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def grants(*statements: str) -> MysqlGrants:
    return grants_of(statements)


SUBJECT = CheckContext("u", "models", "db.example.com", True, True, "any", "relay", NOW)
GOOD = MysqlFacts(
    Server(
        "8.0.36",
        "MySQL",
        {},
        {"max_connections": "151", "max_user_connections": "0", "sql_mode": "STRICT_ALL_TABLES"},
        3,
        NOW,
    ),
    TlsHandshake(True, "TLSv1.3", "x", Certificate("CN=db", NOW + timedelta(days=300)), used=True, verified=True),
    Account("u@%", "caching_sha2_password", "10.0.0.1"),
    Schema(True, "utf8mb4", "utf8mb4_0900_ai_ci"),
    grants("GRANT USAGE ON *.* TO `u`@`%`", "GRANT ALL PRIVILEGES ON `models`.* TO `u`@`%`"),
)


def failed(code: int = 0, stage: str = "login", words: str = "the server's words", reason: str = "") -> MysqlFacts:
    return MysqlFacts(GOOD.server, failure=Failure(stage, words, code, reason))


def found(facts: MysqlFacts, **subject: Any) -> dict[str, str]:
    """Return severities by code."""
    return {told.code: told.severity for told in mysql_findings(facts, replace(SUBJECT, **subject))}


def server(**changes: Any) -> MysqlFacts:
    return replace(GOOD, server=replace(GOOD.server, **changes))


def variables(**changes: str) -> MysqlFacts:
    return server(variables={**GOOD.server.variables, **changes})


def account(**changes: Any) -> MysqlFacts:
    return replace(GOOD, account=replace(GOOD.account, **changes))


def schema(**changes: Any) -> MysqlFacts:
    return replace(GOOD, schema=replace(GOOD.schema, **changes))


def granted(*privileges: str) -> MysqlFacts:
    return replace(GOOD, grants=grants(f"GRANT {', '.join(privileges)} ON `models`.* TO `u`@`%`"))


def without(*names: str) -> MysqlFacts:
    return granted(*(name for name in NEEDED if name not in names))


def everywhere(privilege: str, *, kind: str = "MySQL", version: str = "8.0.36", **more: str) -> MysqlFacts:
    """Return facts of a server that only some accounts can write to, and of an account with a global privilege."""
    told = grants(f"GRANT {privilege} ON *.* TO `u`@`%`", "GRANT ALL PRIVILEGES ON `models`.* TO `u`@`%`")
    facts = variables(read_only="ON", **more)
    return replace(facts, server=replace(facts.server, kind=kind, version=version), grants=told)


CERTIFICATE = Certificate("CN=db", NOW + timedelta(days=300), "CN=ca", ("db.example.com",))


def looked(names_host: bool, days: int) -> MysqlFacts:
    """Return the facts of a server without a login."""
    shown = replace(CERTIFICATE, expires=NOW + timedelta(days=days))
    return MysqlFacts(Server("8.0.36", "MySQL"), TlsHandshake(True, "TLSv1.3", "x", shown, names_host=names_host))


CASES: list[tuple[MysqlFacts, dict[str, Any], dict[str, str]]] = [
    (GOOD, {}, {}),
    (GOOD, {"verified": False}, {"unverified": "warning"}),
    (GOOD, {"encrypted": False, "verified": False}, {"plaintext": "warning"}),
    (variables(sql_require_primary_key="ON"), {}, {"primary_key_required": "blocker"}),
    (variables(pxc_strict_mode="ENFORCING"), {}, {"cluster_strict_mode": "blocker"}),
    (GOOD, {"required_plugin": "native"}, {"plugin_native": "blocker"}),
    (account(plugin="mysql_native_password"), {"required_plugin": "native"}, {}),
    (account(plugin=""), {"required_plugin": "native"}, {"plugin_unproven": "info"}),
    (account(plugin=""), {}, {}),
    (account(plugin="auth_socket"), {}, {"plugin_unknown": "blocker"}),
    (account(matched="u@localhost"), {"path": "port_forward"}, {"account_host": "warning"}),
    (account(matched="u@10.%"), {"path": "relay"}, {}),
    (failed(1045), {}, {"access_denied": "blocker"}),
    (failed(1045), {"path": "port_forward"}, {"access_denied": "warning"}),
    (failed(1045), {"path": "direct"}, {"access_denied": "warning"}),
    (failed(1045), {"required_plugin": "native"}, {"access_denied": "blocker", "plugin_unproven": "info"}),
    (failed(1130), {}, {"host_denied": "blocker"}),
    (failed(1130), {"path": "direct"}, {"host_denied": "warning"}),
    (failed(1044, "database"), {}, {"database_denied": "blocker"}),
    (failed(1049, "database"), {}, {"database_missing": "blocker"}),
    (failed(1040), {}, {"too_many_connections": "blocker"}),
    (failed(1129), {}, {"host_blocked": "blocker"}),
    (failed(1203), {}, {"account_connections": "blocker"}),
    (failed(1226, words="'max_user_connections' resource"), {}, {"account_connections": "blocker"}),
    (failed(1226, words="'max_queries_per_hour' resource", stage="query"), {}, {"account_hourly": "blocker"}),
    (failed(1226, words="'max_updates_per_hour' resource"), {}, {"account_hourly": "blocker"}),
    (failed(1226, words="'max_connections_per_hour' resource"), {}, {"account_hourly": "blocker"}),
    (failed(1698), {}, {"access_denied": "blocker"}),
    (failed(reason="no_cryptography"), {}, {"not_checked": "warning"}),
    (failed(reason="no_pynacl"), {"path": "direct"}, {"not_checked": "warning"}),
    (failed(1524), {}, {"plugin_missing": "blocker"}),
    (failed(2059), {}, {"plugin_unknown": "blocker"}),
    (failed(1820, "query"), {}, {"password_expired": "blocker"}),
    (failed(1862), {}, {"password_expired": "blocker"}),
    (failed(3118), {}, {"account_locked": "blocker"}),
    (failed(4151), {}, {"account_locked": "blocker"}),
    (failed(3159), {}, {"tls_required": "blocker"}),
    (failed(4031), {}, {"tls_required": "blocker"}),
    (failed(1234), {}, {"database_error": "blocker"}),
    (failed(1234, "database"), {"path": "port_forward"}, {"database_error": "warning"}),
    (failed(1234, "query"), {}, {"query_failed": "warning"}),
    (failed(reason="unresolved", stage="connect"), {}, {"host_unresolved": "blocker"}),
    (failed(reason="refused", stage="connect"), {}, {"port_closed": "blocker"}),
    (failed(reason="timeout"), {}, {"database_silent": "blocker"}),
    (failed(reason="reset"), {}, {"connection_closed": "blocker"}),
    (failed(reason="network"), {}, {"unreachable": "blocker"}),
    (failed(reason="no_mysql"), {}, {"wrong_protocol": "blocker"}),
    (failed(reason="no_tls", stage="tls"), {}, {"tls_not_offered": "blocker"}),
    (failed(reason="handshake", stage="tls"), {}, {"tls_handshake": "blocker"}),
    (failed(reason="expired", stage="tls"), {}, {"certificate_expired": "blocker"}),
    (failed(reason="not_yet_valid", stage="tls"), {}, {"certificate_invalid": "blocker"}),
    (failed(reason="self_signed", stage="tls"), {}, {"ca_unknown": "blocker"}),
    (failed(reason="unknown_ca", stage="tls"), {}, {"ca_unknown": "blocker"}),
    (failed(reason="name", stage="tls"), {}, {"certificate_name": "blocker"}),
    (failed(reason="authority", stage="tls"), {}, {"ca_invalid": "blocker"}),
    (failed(reason="client", stage="tls"), {}, {"client_certificate": "blocker"}),
    (
        replace(GOOD, tls=replace(GOOD.tls, certificate=Certificate("CN=db", NOW + timedelta(days=3)))),
        {},
        {"certificate_expires_soon": "warning"},
    ),
    (looked(True, 300), {}, {}),
    (looked(True, -1), {}, {"certificate_expired": "blocker"}),
    (looked(True, 3), {}, {"certificate_expires_soon": "warning"}),
    (looked(False, 300), {}, {"certificate_name": "blocker"}),
    (looked(False, -1), {"verified": False}, {"unverified": "warning"}),
    (schema(charset="latin1"), {}, {"charset": "blocker"}),
    (schema(charset="latin1", migration=21), {}, {"charset": "warning"}),
    (schema(charset="utf8mb3"), {}, {"charset": "warning"}),
    (schema(migration=3, is_dirty=True), {}, {"schema_dirty": "blocker"}),
    (without("CREATE"), {}, {"privileges_missing": "blocker"}),
    (without("DROP"), {}, {"privileges_missing": "warning"}),
    (replace(without("CREATE"), schema=replace(GOOD.schema, migration=21)), {}, {"privileges_missing": "warning"}),
    (replace(without("INSERT"), schema=replace(GOOD.schema, migration=21)), {}, {"privileges_missing": "warning"}),
    (replace(without("SELECT"), schema=replace(GOOD.schema, migration=21)), {}, {"privileges_missing": "blocker"}),
    (without("INSERT"), {}, {"privileges_missing": "blocker"}),
    (replace(server(version="9.1.0"), schema=Schema(True, "latin1")), {}, {"charset": "warning"}),
    (replace(GOOD, grants=MysqlGrants()), {}, {}),
    (server(version="5.6.50"), {}, {"server_old": "warning"}),
    (variables(read_only="ON"), {}, {"read_only": "blocker"}),
    (everywhere("SUPER"), {}, {"read_only": "warning"}),
    (everywhere("CONNECTION_ADMIN"), {}, {"read_only": "warning"}),
    (everywhere("PROCESS"), {}, {"read_only": "blocker"}),
    (everywhere("SUPER", super_read_only="ON"), {}, {"read_only": "blocker"}),
    (everywhere("SUPER", kind="MariaDB", version="10.4.1-MariaDB"), {}, {"read_only": "warning"}),
    (everywhere("SUPER", kind="MariaDB", version="10.11.6-MariaDB"), {}, {"read_only": "blocker"}),
    (everywhere("READ_ONLY ADMIN", kind="MariaDB", version="10.11.6-MariaDB"), {}, {"read_only": "warning"}),
    (replace(variables(read_only="ON"), grants=MysqlGrants()), {}, {"read_only": "warning"}),
    (variables(innodb_read_only="ON", read_only="OFF"), {}, {"read_only": "blocker"}),
    (variables(sql_mode="ANSI_QUOTES"), {}, {"sql_mode": "warning"}),
    (server(time=NOW + timedelta(minutes=5)), {}, {"clock": "info"}),
    (server(connections=150), {}, {"limits": "warning"}),
    (variables(max_user_connections="1"), {}, {"limits": "warning"}),
]


@pytest.mark.parametrize(("facts", "subject", "expected"), CASES)
def test_findings(facts: MysqlFacts, subject: dict[str, Any], expected: dict[str, str]) -> None:
    assert found(facts, **subject) == expected
    for told in mysql_findings(facts, replace(SUBJECT, **subject)):
        assert told.what and told.why and told.remedy and told.rule
        numbers = re.findall(r"^error (\d+)", told.why)
        assert numbers in ([], [str(facts.failure.code if facts.failure else "")])


@pytest.mark.parametrize(
    ("resource", "option"),
    [
        ("max_user_connections", "MAX_USER_CONNECTIONS"),
        ("max_queries_per_hour", "MAX_QUERIES_PER_HOUR"),
        ("max_updates_per_hour", "MAX_UPDATES_PER_HOUR"),
        ("max_connections_per_hour", "MAX_CONNECTIONS_PER_HOUR"),
    ],
)
def test_the_limit_that_was_reached_is_the_one_that_is_lifted(resource: str, option: str) -> None:
    words = f"User 'u' has exceeded the '{resource}' resource (current value: 1)"
    (told,) = mysql_findings(failed(1226, words=words), SUBJECT)
    assert told.remedy == f"ALTER USER 'u'@'%' WITH {option} 0;"


ROUTE = {
    "unresolved": "host_unresolved",
    "refused": "port_closed",
    "timeout": "database_silent",
    "network": "unreachable",
}


@pytest.mark.parametrize("reason", ROUTE)
def test_what_is_seen_from_elsewhere_is_no_blocker(reason: str) -> None:
    """Private DNS, a firewall: the cluster may have another path. A port-forward reaches the database as pods do."""
    facts, code = failed(reason=reason, stage="connect"), ROUTE[reason]
    for path, severity in (("direct", "warning"), ("port_forward", "blocker"), ("relay", "blocker")):
        (told,) = mysql_findings(facts, replace(SUBJECT, path=path))
        assert (told.code, told.severity) == (code, severity)
        assert ("via: relay" in told.remedy) is (severity == "warning")


@pytest.mark.parametrize("path", ["direct", "port_forward"])
def test_another_account_than_that_of_the_pods_is_no_blocker(path: str) -> None:
    """A fault of u@localhost need not be one of u@%; a fault of the server is one for both."""
    here = account(matched="u@localhost", plugin="auth_socket")
    both = replace(here, schema=Schema(True, "latin1"), grants=grants("GRANT SELECT ON `models`.* TO `u`@`localhost`"))
    assert found(both, path=path) == {
        "account_host": "warning",
        "charset": "blocker",
        "plugin_unknown": "warning",
        "privileges_missing": "warning",
    }
    denied = replace(failed(1044, "database"), account=here.account)
    assert found(denied, path=path)["database_denied"] == "warning"
    assert found(replace(denied, account=GOOD.account), path=path)["database_denied"] == "warning"
    alone = replace(GOOD.account, hosts=("%", "localhost"))
    assert found(replace(denied, account=alone), path=path) == {"database_denied": "blocker"}
    for code, name in ((3118, "account_locked"), (1862, "password_expired"), (1226, "account_connections")):
        assert found(failed(code), path=path) == {name: "warning"}
    assert found(failed(1049, "database"), path=path) == {"database_missing": "blocker"}
    assert found(failed(1129), path=path) == {"host_blocked": "warning"}


@pytest.mark.parametrize(
    ("matched", "hosts", "expected"),
    [
        ("u@%", ("%",), {}),
        ("u@%", ("%", "127.0.0.1", "::1", "localhost"), {}),
        ("u@%", None, {"account_host": "info"}),
        ("u@%", ("%", "10.%"), {"account_host": "warning"}),
        ("u@localhost", None, {"account_host": "warning"}),
        ("u@10.%", ("10.%",), {"account_host": "warning"}),
    ],
)
def test_the_account_of_the_pods(matched: str, hosts: tuple[str, ...] | None, expected: dict[str, str]) -> None:
    """MySQL prefers an account for some addresses to one for all: only a user who sees them all can rule one out."""
    facts = account(matched=matched, hosts=hosts)
    assert found(facts, path="port_forward") == expected and found(facts) == {}
    assert found(facts, path="direct") == expected
    assert all("via: relay" in told.remedy for told in mysql_findings(facts, replace(SUBJECT, path="direct")))


def test_every_code_is_shown_here() -> None:
    seen = {code for _, _, expected in CASES for code in expected}
    assert seen == mysql_codes()


def test_remedies_can_be_pasted() -> None:
    """Names are quoted as MySQL does, whatever they contain, and there is no password."""
    (told,) = mysql_findings(account(matched="o'brien@10.%", plugin="auth_socket"), SUBJECT)
    assert told.remedy == "ALTER USER 'o''brien'@'10.%' IDENTIFIED WITH caching_sha2_password BY '<password>';"
    (missing,) = mysql_findings(failed(1049, "database"), replace(SUBJECT, database="my_models`"))
    assert "CREATE DATABASE `my_models``` CHARACTER SET utf8mb4;" in missing.remedy
    assert "ON `my\\_models```.* TO 'u'@'%'" in missing.remedy


@pytest.mark.parametrize(
    ("version", "kind", "words"),
    [
        ("8.0.36", "MySQL", "ALTER USER 'u'@'%' IDENTIFIED WITH mysql_native_password"),
        ("8.4.1", "MySQL", "mysql_native_password=ON"),
        ("9.1.0", "MySQL", "MySQL 9 has no mysql_native_password"),
        ("10.11.6-MariaDB", "MariaDB", "ALTER USER 'u'@'%' IDENTIFIED WITH mysql_native_password"),
    ],
)
def test_the_plugin_by_release(version: str, kind: str, words: str) -> None:
    (told,) = mysql_findings(server(version=version, kind=kind), replace(SUBJECT, required_plugin="native"))
    assert told.code == "plugin_native" and words in told.remedy


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["GRANT USAGE ON *.* TO `u`@`%`"], {"USAGE"}),
        (["GRANT SELECT, INSERT ON *.* TO 'u'@'%' IDENTIFIED BY PASSWORD 'x'"], {"SELECT", "INSERT"}),
        (["GRANT ALL PRIVILEGES ON `models`.* TO `u`@`%` WITH GRANT OPTION"], {"ALL PRIVILEGES"}),
        (["GRANT SELECT ON `mod%`.* TO `u`@`%`"], {"SELECT"}),
        (["GRANT SELECT ON `model_`.* TO `u`@`%`"], {"SELECT"}),
        (["GRANT SELECT ON `model\\_`.* TO `u`@`%`"], set()),
        (["GRANT SELECT ON `other`.* TO `u`@`%`"], set()),
        (["GRANT SELECT ON `models`.`t` TO `u`@`%`"], set()),
        (["GRANT `role`@`%` TO `u`@`%`"], set()),
        (["GRANT ALL PRIVILEGES ON `m%`.* TO `u`@`%`", "GRANT SELECT ON `models`.* TO `u`@`%`"], {"SELECT"}),
        (["GRANT SELECT, DROP ON *.* TO `u`@`%`", "REVOKE DROP ON `models`.* FROM `u`@`%`"], {"SELECT"}),
        (['GRANT SELECT ON "models".* TO "u"@"%"'], {"SELECT"}),
        (["GRANT SELECT (a, b), INSERT ON `models`.`t` TO `u`@`%`", "nonsense"], set()),
    ],
)
def test_privileges(statements: list[str], expected: set[str]) -> None:
    assert privileges_on("models", grants(*statements), "MySQL", False) == expected


def on(database: str, *statements: str, kind: str = "MySQL", ignores_case: bool = False) -> set[str]:
    return set(privileges_on(database, grants(*statements), kind, ignores_case))


def test_an_underscore_in_a_name() -> None:
    """Without its escape it is a wildcard, which matches the name, too."""
    assert on("my_models", "GRANT SELECT ON `my_models`.* TO `u`@`%`") == {"SELECT"}
    assert on("my_models", "GRANT SELECT ON `my\\_models`.* TO `u`@`%`") == {"SELECT"}
    assert on("myxmodels", "GRANT SELECT ON `my\\_models`.* TO `u`@`%`") == set()


WIDE, NARROW = "GRANT CREATE ON `kz%`.* TO {}", "GRANT SELECT ON `kz\\_13%`.* TO {}"
LOOSE, EXACT = "GRANT DROP ON `kz_13abc`.* TO {}", "GRANT INSERT ON `kz\\_13abc`.* TO {}"
ROLE = "GRANT `r` TO `u`@`%`"


@pytest.mark.parametrize(
    ("statements", "kind", "expected"),
    [
        ([WIDE, NARROW], "MySQL", {"SELECT"}),
        ([WIDE, NARROW], "MariaDB", {"SELECT"}),
        ([WIDE, NARROW, EXACT], "MySQL", {"INSERT"}),
        ([NARROW, LOOSE], "MySQL", {"SELECT"}),
        ([NARROW, LOOSE], "MariaDB", {"DROP"}),
        ([LOOSE, EXACT], "MariaDB", {"INSERT"}),
        ([WIDE, LOOSE], "MySQL", {"CREATE", "DROP"}),
        ([WIDE, NARROW, ROLE], "MySQL", {"CREATE", "SELECT"}),
    ],
)
def test_the_most_specific_pattern_counts(statements: list[str], kind: str, expected: set[str]) -> None:
    assert on("kz_13abc", *(text.format("`u`@`%`") for text in statements), kind=kind) == expected


def test_a_role_of_mariadb_has_its_own_patterns() -> None:
    told = [EXACT.format("`u`@`%`"), ROLE, WIDE.format("`r`"), NARROW.format("`r`")]
    assert on("kz_13abc", *told, kind="MariaDB") == {"INSERT", "SELECT"}


@pytest.mark.parametrize(
    ("settings", "schema", "expected"),
    [
        ({}, {}, {}),
        ({"sql_require_primary_key": "OFF"}, {}, {}),
        ({"sql_require_primary_key": "ON"}, {}, {"primary_key_required": "blocker"}),
        ({"innodb_force_primary_key": "ON"}, {}, {"primary_key_required": "blocker"}),
        ({"sql_require_primary_key": "ON", "sql_generate_invisible_primary_key": "ON"}, {}, {}),
        ({"sql_require_primary_key": "ON"}, {"migration": 7}, {"primary_key_required": "blocker"}),
        ({"sql_require_primary_key": "ON"}, {"migration": 8}, {}),
        (
            {"sql_require_primary_key": "ON"},
            {"migration": 8, "is_dirty": True},
            {"primary_key_required": "blocker", "schema_dirty": "blocker"},
        ),
        ({"pxc_strict_mode": "ENFORCING"}, {}, {"cluster_strict_mode": "blocker"}),
        ({"pxc_strict_mode": "ENFORCING"}, {"migration": 30}, {"cluster_strict_mode": "blocker"}),
        ({"pxc_strict_mode": "MASTER"}, {}, {}),
        ({"pxc_strict_mode": "PERMISSIVE"}, {}, {}),
    ],
)
def test_what_the_server_refuses_of_the_migrations(
    settings: dict[str, str], schema: dict[str, Any], expected: dict[str, str]
) -> None:
    facts = variables(**settings)
    assert found(replace(facts, schema=replace(facts.schema, **schema))) == expected


@pytest.mark.parametrize(
    ("plugin", "is_readable"),
    [
        ("caching_sha2_password", True),
        ("sha256_password", True),
        ("mysql_native_password", False),
        ("client_ed25519", False),
    ],
)
def test_a_password_under_a_key_that_nothing_proves(plugin: str, is_readable: bool) -> None:
    facts = replace(GOOD, account=replace(GOOD.account, plugin=plugin), tls=TlsHandshake(True))
    (told,) = mysql_findings(facts, replace(SUBJECT, encrypted=False, verified=False))
    assert (told.code, told.severity) == ("plaintext", "warning")
    assert ("RSA key" in told.why and "can read the password" in told.why) is is_readable


def test_capitals_of_names() -> None:
    """A server that keeps names in lower case shows them so in its grants."""
    shown = "GRANT SELECT ON `fraud`.* TO `u`@`%`"
    assert on("Fraud", shown) == set() and on("Fraud", shown, ignores_case=True) == {"SELECT"}
    for value, expected in (("0", {"privileges_missing": "blocker"}), ("1", {}), ("2", {})):
        assert found(variables(lower_case_table_names=value), database="Models") == expected


def test_only_privileges_are_kept() -> None:
    """MySQL up to 5.6 and MariaDB show the password's hash."""
    hashed = "GRANT DROP ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*74398CED202E6F48F6820984F19DE6E77FCEBD9D'"
    assert "74398" not in repr(grants(hashed)) and on("models", hashed) == {"DROP"}
    assert "\x1b" not in repr(grants("GRANT DROP\x1b[2J ON `\x1b[2J`.* TO '\x1b'@'%'"))


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT SELECT" + " ON a" * 8000,
        "GRANT SELECT ON `" + "`" * 80000,
        "GRANT SELECT ON '" + "\"'" * 40000,
        "GRANT " + "a," * 40000 + " ON b",
        "GRANT SELECT ON `" + "%a" * 31 + "`.* TO `u`@`%`",
        "GRANT SELECT ON `" + "%a" * 40000 + "`.* TO `u`@`%`",
    ],
    ids=["words", "quotes", "mixed quotes", "privileges", "wildcards", "long name"],
)
def test_hostile_grants_take_no_time(statement: str) -> None:
    started = time.monotonic()
    for _ in range(20):
        on("a" * 63 + "b", statement)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8.0.36", (8, 0, 36)), ("5.5.5-10.11.6-MariaDB-0+deb12u1", (10, 11, 6)), ("5.5.5", (5, 5, 5)), ("x", None)],
)
def test_version(text: str, expected: tuple[int, int, int] | None) -> None:
    assert version_of(text) == expected


def test_printable() -> None:
    assert printable(b"a\x1b[2J\n\xff") == "a\\x1b[2J\\n\N{REPLACEMENT CHARACTER}"
    assert len(printable("x" * 5000)) < 400
