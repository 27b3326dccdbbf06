# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on registries: objects and log lines are real, of a registry server 0.3.0 with the databases named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.description import described
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.failure_causes import scrubbed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.rollout import (
    database_run_by,
    matches_spec,
    registry_of,
    restart_backoff,
    timestamp,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.status import registry_status
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.verdict import (
    Log,
    StatusInputs,
    Verdict,
    host_service,
)

SAMPLES: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("samples", "registries.json").read_text())
LATER = timedelta(minutes=1)


def evidence(name: str, after: timedelta = LATER) -> StatusInputs:
    """Return the evidence of one of the sampled registries, that long after its creation."""
    sample = copy.deepcopy(SAMPLES[name])
    made = timestamp(sample["registry"]["metadata"]["creationTimestamp"])
    assert made
    return StatusInputs(
        registry=sample["registry"],
        now=made + after,
        deployment=sample["deployment"],
        pods=sample["pods"],
        endpoints=sample["endpoints"],
        events=sample.get("events", ()),
    )


def logged(log: Log, name: str = "wrong", **changes: Any) -> StatusInputs:
    """Return a registry whose server runs, is not ready, and has logged that."""
    found = evidence(name, timedelta(seconds=10))
    return replace(found, logs={(found.pods[0]["metadata"]["name"], "rest-container"): log}, **changes)


BEGINNING = (
    "I1123 08:36:07.072318       1 proxy.go:171] Proxy server started at 0.0.0.0:8080\n"
    "I1123 08:36:07.072722       1 service.go:53] Connecting to EmbedMD service...\n"
)
CONNECTED = (
    "I1123 08:36:40.838114       1 connect.go:92] Successfully connected to MySQL database\n"
    "I1123 08:36:40.838133       1 service.go:60] Connected to EmbedMD service\n"
)


def retrying(words: str, attempts: int = 1, database: str = "MySQL") -> Log:
    """Return the log of a server that retries, in the words of its connect.go."""
    begin = f"W1123 08:36:07.079033       1 connect.go:83] Retrying connection to {database} (attempt "
    return Log(BEGINNING + "".join(f"{begin}{attempt + 1}/25): {words}\n" for attempt in range(attempts)))


def ended(words: str) -> str:
    """Return the log of a server that gave up, in the words of its proxy.go and its command line library."""
    usage = 'Usage:\n  model-registry proxy [flags]\n\nFlags:\n      --datastore-type string   Datastore type (default "embedmd")\n'
    error = f"{{{{ALERT}}}} error connecting to datastore: {words}"
    return f"{BEGINNING}{CONNECTED}Error: {error}\n{usage}\nF1123 08:37:30.050115       1 root.go:42] error: {error}\n"


MIGRATION = """migration failed in line 0: INSERT INTO `Type` (`name`, `version`)
SELECT t.* FROM (
    SELECT 'mlmd.Dataset' as name, NULL as version
) t
WHERE NOT EXISTS (
    SELECT 1 FROM `Type`
);
 (details: Error 1267 (HY000): Illegal mix of collations (latin1_swedish_ci,IMPLICIT) and (utf8mb4_general_ci,COERCIBLE) for operation '=')"""
DIRTY = "Dirty database version 16. Fix and force version."
PG = "failed to connect to `user=good database=good`: 10.88.1.8:5432 (postgres-16.databases.svc.cluster.local): "

DATABASE = [
    ("access_denied", "Error 1045 (28000): Access denied for user 'wrong'@'10.88.1.4' (using password: YES)"),
    ("database_denied", "Error 1044 (42000): Access denied for user 'wrong'@'%' to database 'wrong'"),
    ("database_missing", "Error 1049 (42000): Unknown database 'wrong'"),
    ("plugin_missing", "Error 1524 (HY000): Plugin 'sha_nowhere' is not loaded"),
    ("account_locked", "Error 3118 (HY000): Access denied for user 't-locked'@'10.88.1.25'. Account is locked."),
    ("account_locked", "Error 4151 (HY000): Access denied, this account is locked"),
    (
        "password_expired",
        "Error 1862 (HY000): Your password has expired. To log in you must change it using a client that supports expired passwords.",
    ),
    (
        "tls_required",
        "Error 3159 (HY000): Connections using insecure transport are prohibited while --require_secure_transport=ON.",
    ),
    ("tls_not_offered", "TLS requested but server does not support TLS"),
    ("ca_unknown", "tls: failed to verify certificate: x509: certificate signed by unknown authority"),
    (
        "certificate_name",
        "tls: failed to verify certificate: x509: certificate is valid for db.example.com, not m-name.databases.svc.cluster.local",
    ),
    (
        "certificate_expired",
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: "
            "current time 2026-11-23T08:40:43Z is after 2026-11-21T08:39:11Z"
        ),
    ),
    (
        "certificate_invalid",
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: "
            "current time 2026-11-23T08:40:43Z is before 2026-11-24T08:39:11Z"
        ),
    ),
    ("host_denied", "Error 1130 (HY000): Host '10.88.1.4' is not allowed to connect to this MySQL server"),
    ("host_denied", f'{PG}server error: FATAL: no pg_hba.conf entry for host "10.88.1.4", user "u" (SQLSTATE 28000)'),
    ("host_blocked", "Error 1129 (HY000): Host '10.88.1.4' is blocked because of many connection errors"),
    ("tls_handshake", "remote error: tls: handshake failure"),
    ("access_denied", f'{PG}failed SASL auth: FATAL: password authentication failed for user "good" (SQLSTATE 28P01)'),
    ("access_denied", f'{PG}server error: FATAL: role "nologin" is not permitted to log in (SQLSTATE 28000)'),
    ("database_missing", f'{PG}server error: FATAL: database "nowhere" does not exist (SQLSTATE 3D000)'),
    ("database_denied", f'{PG}server error: FATAL: permission denied for database "nopub" (SQLSTATE 42501)'),
    ("tls_not_offered", f"{PG}tls error: server refused TLS connection"),
    ("access_denied", "mysql_real_connect failed: errno: 1045, error: Access denied for user 'x'@'10.88.1.4'"),
]


@pytest.mark.parametrize(("reason", "words"), DATABASE)
def test_first_words_are_final(reason: str, words: str) -> None:
    verdict = registry_status(logged(retrying(words)))
    assert (verdict.state, verdict.reason, verdict.message) == ("failed", reason, words)
    assert verdict.next_step and "{" not in verdict.next_step
    assert verdict.source == "log of container rest-container in pod wrong-7687d45fcc-csvmc"


MAY_PASS = [
    ("port_closed", "dial tcp 10.88.1.1:3999: connect: connection refused"),
    ("unreachable", "dial tcp 10.88.200.200:3306: connect: no route to host"),
    ("host_unresolved", "dial tcp: lookup nowhere.databases.svc.cluster.local on 10.88.0.1:53: no such host"),
    ("too_many_connections", "Error 1040: Too many connections"),
    ("account_hourly", "Error 1226 (42000): User 't-limit' has exceeded the 'max_connections_per_hour' resource"),
    (
        "account_connections",
        "Error 1203 (42000): User t already has more than 'max_user_connections' active connections",
    ),
    ("too_many_connections", f"{PG}server error: FATAL: sorry, too many clients already (SQLSTATE 53300)"),
    ("database_silent", "dial tcp 10.88.200.200:3306: i/o timeout"),
    ("account_connections", f'{PG}server error: FATAL: too many connections for role "limited" (SQLSTATE 53300)'),
    ("port_closed", f"{PG}dial error: dial tcp 10.88.1.8:5999: connect: connection refused"),
    (
        "host_unresolved",
        "hostname resolving error: lookup nowhere.databases.svc.cluster.local on 10.88.0.1:53: no such host",
    ),
    ("wrong_protocol", f"{PG}failed to receive message: unknown message type: J"),
    ("connection_closed", "invalid connection"),
    ("connection_closed", "driver: bad connection"),
    ("connection_closed", "unexpected EOF"),
    ("connection_closed", "EOF"),
    ("connection_closed", "read tcp 10.88.1.7:41522->10.88.1.1:3306: read: connection reset by peer"),
    ("connection_closed", "write tcp 10.88.1.7:41522->10.88.1.1:3306: write: broken pipe"),
    ("connection_closed", f"{PG}failed to receive message: unexpected EOF"),
    ("connection_closed", f"{PG}tls error: EOF"),
    ("database_starting", f"{PG}server error: FATAL: the database system is starting up (SQLSTATE 57P03)"),
    ("database_starting", "Error 1053 (08S01): Server shutdown in progress"),
    ("database_error", "words that nobody has met"),
]


@pytest.mark.parametrize(("reason", "words"), MAY_PASS)
def test_what_may_pass_has_three_more_attempts(reason: str, words: str) -> None:
    early = registry_status(logged(retrying(words, 3)))
    assert (early.state, early.reason) == ("waiting", "database") and words in early.message
    late = registry_status(logged(retrying(words, 4)))
    assert (late.state, late.reason, late.message) == ("failed", reason, words)


GET_LOCK = "Error 1105 (HY000): Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING"
ENDED = [
    (
        "privileges_missing",
        "Error 1142 (42000): CREATE command denied to user 'x'@'10.88.1.7' for table 'schema_migrations' in line 0",
    ),
    (
        "privileges_missing",
        "ERROR: permission denied for schema public (SQLSTATE 42501) in line 0: CREATE TABLE IF NOT EXISTS",
    ),
    ("schema_dirty", DIRTY),
    ("ca_invalid", "failed to parse SSL root certificate from /etc/mysql_ssl_rootcert/junk.crt"),
    (
        "ca_missing",
        (
            "failed to read SSL root certificate from /etc/mysql_ssl_rootcert/nothing.crt: open "
            "/etc/mysql_ssl_rootcert/nothing.crt: no such file or directory"
        ),
    ),
    ("database_error", "words that nobody has met"),
    ("cluster_strict_mode", f"try lock failed in line 0: SELECT GET_LOCK(?, 10) (details: {GET_LOCK})"),
    (
        "cluster_strict_mode",
        GET_LOCK.replace("GET_LOCK", "DML command on a table (d.t) without an explicit primary key"),
    ),
]


@pytest.mark.parametrize(("reason", "words"), ENDED)
def test_a_server_that_ends_has_failed(reason: str, words: str) -> None:
    verdict = registry_status(logged(Log(ended(words))))
    assert (verdict.state, verdict.reason) == ("failed", reason)
    assert verdict.message in words and verdict.next_step


def test_a_migration_quotes_its_statement_before_the_reason() -> None:
    verdict = registry_status(logged(Log(ended(MIGRATION))))
    assert verdict.reason == "charset"
    assert verdict.message.startswith("Error 1267 (HY000): Illegal mix of collations (latin1_swedish_ci,IMPLICIT)")
    assert "ALTER DATABASE `wrong`" in verdict.next_step


NO_KEY = {
    "sql_require_primary_key": "Error 3750 (HY000): Unable to create or change a table without a primary key, when the system "
    "variable 'sql_require_primary_key' is set.",
    "innodb_force_primary_key": "Error 1173 (42000): This table type requires a primary key",
    "Group Replication": "Error 3098 (HY000): The table does not comply with the requirements by an external plugin.",
}


@pytest.mark.parametrize("setting", NO_KEY)
def test_a_table_without_a_primary_key(setting: str) -> None:
    """The run that broke off gives the reason; each later one only that the schema is dirty."""
    broken = ended(f"migration failed in line 0: CREATE TABLE `t` (\n `a` int\n);\n (details: {NO_KEY[setting]})")
    for log in (Log(broken), Log(ended(DIRTY), previous=broken)):
        verdict = registry_status(logged(log))
        assert (verdict.reason, verdict.message) == ("primary_key_required", NO_KEY[setting])
        assert f"Switch {setting} off" in verdict.next_step
    later = registry_status(logged(Log(ended(DIRTY), previous=ended(DIRTY))))
    assert later.reason == "schema_dirty" and "without a primary key" in later.next_step


TLS_REFUSED = "10.88.1.8:5432 (pg): tls error: server refused TLS connection"
CLOSED = "10.88.1.9:5432 (pg): dial error: dial tcp 10.88.1.9:5432: connect: connection refused"
WRONG = '10.88.1.8:5432 (pg): failed SASL auth: FATAL: password authentication failed for user "u" (SQLSTATE 28P01)'
NO_ENTRY = '10.88.1.8:5432 (pg): server error: FATAL: no pg_hba.conf entry for host "10.88.1.4", no encryption (SQLSTATE 28000)'
NOWHERE = '10.88.1.8:5432 (pg): server error: FATAL: database "nowhere" does not exist (SQLSTATE 3D000)'
SEVERAL = [
    ("prefer, wrong password", [TLS_REFUSED, WRONG], "access_denied", WRONG),
    ("allow, refused without TLS, and there is none", [NO_ENTRY, TLS_REFUSED], "host_denied", NO_ENTRY),
    ("allow, refused without TLS, wrong password", [NO_ENTRY, WRONG], "access_denied", WRONG),
    ("prefer, no database", [TLS_REFUSED, NOWHERE], "database_missing", NOWHERE),
    ("two addresses, one closed", [CLOSED, WRONG], "access_denied", WRONG),
    ("two addresses, the last closed", [WRONG, CLOSED], "access_denied", WRONG),
    ("two addresses, both closed", [CLOSED, CLOSED], "port_closed", CLOSED),
    ("prefer, closed", [TLS_REFUSED, CLOSED], "port_closed", CLOSED),
    ("prefer, nothing known", ["10.88.1.8:5432 (pg): what", "10.88.1.8:5432 (pg): ever"], "database_error", "ever"),
    ("no TLS anywhere", [TLS_REFUSED, TLS_REFUSED], "tls_not_offered", TLS_REFUSED),
]


@pytest.mark.parametrize(("case", "attempts", "reason", "words"), SEVERAL, ids=[case for case, *_ in SEVERAL])
def test_of_several_attempts_the_one_that_tells_most_counts(
    case: str, attempts: list[str], reason: str, words: str
) -> None:
    """PostgreSQL's driver logs a line for each: with and without TLS, and for each address of the host."""
    told = "failed to connect to `user=u database=d`:" + "".join(f"\n\t{line}" for line in attempts)
    for log in (retrying(told, 4, "PostgreSQL"), Log(ended(told))):
        verdict = registry_status(logged(log))
        assert (verdict.state, verdict.reason) == ("failed", reason), case
        assert verdict.message.startswith("failed to connect to `user=u database=d`: ") and verdict.message.endswith(
            words
        )
        assert "\n" not in verdict.message


QUESTION_MARK = (
    f"{BEGINNING}Error: error creating datastore: invalid EmbedMD config: invalid MySQL DSN: database name must not contain "
    "'?' characters; got \"cr?et@tcp(db:3306)/d\"\nUsage:\n  model-registry proxy [flags]\n"
)


@pytest.mark.parametrize("held", [{}, {"reason": "CrashLoopBackOff", "message": "back-off 10s x"}])
def test_a_question_mark_in_the_connection_string(held: dict[str, str]) -> None:
    """Registry servers from 0.3.2 on end with words of their own, which can quote parts of the password."""
    found = logged(Log(QUESTION_MARK))
    found.pods[0]["status"]["containerStatuses"][0]["state"] = {"waiting": held} if held else {"running": {}}
    verdict = registry_status(found)
    assert (verdict.state, verdict.reason) == ("failed", "password_breaks_dsn")
    assert "0.3.2" in verdict.next_step and "Secret wrong-db" in verdict.next_step
    assert "database name must not contain '?' characters" in verdict.message and "cr" not in verdict.message[-30:-15]
    assert "et@" not in str(verdict)


NO_REASON = "mysql_real_connect failed: errno: , error: "
ML_METADATA = [
    f"Check failed: absl::OkStatus() == status (OK vs. INTERNAL: {NO_REASON} [mysql-error-info='\\x08\\xfd']) MetadataStore",
    f"Non-OK-status: status status: INTERNAL: {NO_REASON} MetadataStore cannot be created",
    NO_REASON,
]


@pytest.mark.parametrize("words", ML_METADATA)
def test_ml_metadata_that_does_not_say_why(words: str) -> None:
    found = logged(Log())
    name = found.pods[0]["metadata"]["name"]
    server = {"name": "grpc-container", "ready": False, "restartCount": 1, "state": {"running": {}}}
    found.pods[0]["status"]["containerStatuses"] = [server]
    log = Log(f"F1123 08:36:07.079033 1 metadata_store_server_main.cc:555] {words}\n")
    verdict = registry_status(replace(found, logs={(name, "grpc-container"): log}))
    assert (verdict.state, verdict.reason) == ("failed", "metadata_connection")
    for word in ("mysql_native_password", "mysql-80.databases.svc.cluster.local:3306", "database.tls"):
        assert word in verdict.next_step


def test_the_run_that_broke_off_has_the_reason_and_the_next_one_has_not() -> None:
    assert registry_status(logged(Log(ended(DIRTY), previous=ended(MIGRATION)))).reason == "charset"
    assert (
        registry_status(
            logged(Log(ended(DIRTY), previous=retrying("Error 1045 (28000): Access denied").current))
        ).reason
        == "schema_dirty"
    )


@pytest.mark.parametrize(
    ("log", "state"),
    [
        (Log(retrying("Error 1040: Too many connections", 5).current + CONNECTED), "waiting"),
        (Log(BEGINNING, previous=retrying("Error 1045 (28000): Access denied").current), "failed"),
        (Log(BEGINNING + CONNECTED, previous=retrying("Error 1045 (28000): Access denied").current), "waiting"),
        (Log(), "waiting"),
    ],
)
def test_words_that_were_overcome_do_not_count(log: Log, state: str) -> None:
    assert registry_status(logged(log)).state == state


LEAKS = [
    (
        'cannot parse `postgresql://good:xxxxxx@pg:5432/good?sslmode=disable`: failed to parse as URL (parse "postgresql://good:'
        's3cr?et@pg:5432/good?sslmode=disable": invalid port ":s3cr" after host)'
    ),
    'failed to parse PostgreSQL URL DSN: parse "postgresql://good:s3cr%zzet@pg:5432/good": invalid URL escape "%zz"',
]


@pytest.mark.parametrize("words", LEAKS)
def test_a_password_in_a_url_is_never_shown(words: str) -> None:
    """The driver hides it in its own text and quotes it in the error of the URL parser."""
    for log in (retrying(words, 1, "PostgreSQL"), Log(ended(words))):
        verdict = registry_status(logged(log))
        assert verdict.reason == "password_breaks_dsn"
        assert "s3cr" not in str(verdict)
    assert "s3cr" not in scrubbed(f"rest container alert: {words}")


CANARY = "s3cr)et, \"'; ?/s3cr"
TELLTALES = [
    f"parse postgresql://good:{CANARY}@pg:5432/good: invalid port",
    f"invalid connection string mysql://good:{CANARY}@db:3306/good",
    f"open datastore good:{CANARY}@tcp(db:3306)/good?charset=utf8mb4 failed",
    f"environment: HOME=/ MYSQL_PASSWORD={CANARY}",
    f'config {{"user": "good", "password": "{CANARY}"}}',
    f"{{User:good Passwd:{CANARY} Net:tcp}}",
    f"dsn good:{CANARY}@(db:3306)/good",
    f"dsn good:{CANARY}@/good",
    f"dsn good:{CANARY}@cloudsql(project:db)/good",
    f"mysql --user good --password {CANARY}",
    f"syntax error near ALTER USER good IDENTIFIED BY '{CANARY}'",
    f"Authorization: Bearer {CANARY}",
    f"token: {CANARY}",
    f"mysql -u good -p{CANARY} -P3306",
    f"mysqldump -p'{CANARY}'",
    f"mysql --pass {CANARY}",
    f"pass: {CANARY}",
    f"DB_PASS={CANARY}",
    f"user=good pwd = {CANARY}",
]


def _with_condition(found: StatusInputs, what: str, words: str, **fields: str) -> StatusInputs:
    """Put a condition with these words into the named object."""
    holders: dict[str, Any] = {"registry": found.registry, "deployment": found.deployment, "pod": found.pods[0]}
    holders[what]["status"]["conditions"] = [{"status": "False", "message": words, **fields}]
    return found


def _waiting(found: StatusInputs, reason: str, words: str) -> StatusInputs:
    found.pods[0]["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason, "message": words}}
    return found


QUOTES: dict[str, Callable[[str], StatusInputs]] = {
    "attempt": lambda words: logged(retrying(words, 9)),
    "attempt that may pass": lambda words: logged(retrying(f"connection refused {words}")),
    "end": lambda words: logged(Log(ended(words))),
    "unknown end": lambda words: _waiting(logged(Log(f"panic: {words}\nbye\n")), "CrashLoopBackOff", ""),
    "ML Metadata": lambda words: logged(
        Log(f"F1 Check failed: absl::OkStatus() == status (OK vs. INTERNAL) {words}\n")
    ),
    "operator, without logs": lambda words: _with_condition(
        replace(_waiting(evidence("wrong"), "CrashLoopBackOff", ""), unreadable={"log": "…"}),
        "registry",
        words,
        type="Available",
    ),
    "reconcile error": lambda words: _with_condition(
        evidence("wrong"), "registry", f"unexpected reconcile error: {words}", type="Available"
    ),
    "not available": lambda words: _with_condition(
        evidence("good"), "registry", words, type="Available", reason="Sulking"
    ),
    "front": lambda words: _with_condition(
        evidence("good"), "registry", words, type="Available", reason="ResourcesUnavailable"
    ),
    "quota": lambda words: _with_condition(
        evidence("wrong"),
        "deployment",
        words,
        type="ReplicaFailure",
        status="True",
        lastTransitionTime="2026-11-23T08:00:00Z",
    ),
    "stuck": lambda words: _with_condition(
        evidence("wrong"), "deployment", words, type="Progressing", reason="ProgressDeadlineExceeded"
    ),
    "unschedulable": lambda words: _with_condition(
        evidence("wrong"),
        "pod",
        words,
        type="PodScheduled",
        reason="Unschedulable",
        lastTransitionTime="2026-11-23T08:00:00Z",
    ),
    "container": lambda words: _waiting(evidence("wrong"), "CreateContainerConfigError", words),
    "volume": lambda words: replace(
        evidence("nomap"), events=[{**event, "message": words} for event in evidence("nomap").events]
    ),
}


@pytest.mark.parametrize("words", TELLTALES)
@pytest.mark.parametrize("quote", QUOTES)
def test_no_words_show_a_password(quote: str, words: str) -> None:
    """Whatever the source of the words, and whatever form the password has in them."""
    verdict = registry_status(QUOTES[quote](words))
    assert "s3cr" not in str(verdict) and "hidden" in verdict.message, verdict
    assert scrubbed(verdict.message) == verdict.message


NO_PASSWORDS = ["mysql -u good -P3306 -h db-primary", "a load-balancer kube-proxy", "passed: 3", "using password: YES"]


@pytest.mark.parametrize("words", [*(words for _, words in DATABASE), *NO_PASSWORDS])
def test_what_shows_no_password_stays_as_it_is(words: str) -> None:
    assert scrubbed(words) == words


def test_a_database_that_never_answers() -> None:
    """Dropped packets leave no words: the server is killed by its startup probe, again and again."""
    silent = logged(Log(BEGINNING))
    assert registry_status(silent).state == "waiting"
    verdict = registry_status(replace(silent, now=silent.now + timedelta(seconds=15)))
    assert (verdict.state, verdict.reason) == ("failed", "database_silent")
    assert "mysql-80.databases.svc.cluster.local:3306" in verdict.message
    restarted = logged(Log(BEGINNING, BEGINNING))
    restarted.pods[0]["status"]["containerStatuses"][0]["restartCount"] = 1
    assert registry_status(restarted).reason == "database_silent"


def test_a_host_without_a_service_is_known_before_its_words_are_final() -> None:
    """The cluster's DNS may need time to say so; that no Service of that name exists is known at once."""
    verdict = registry_status(logged(Log(BEGINNING), host_exists=False))
    assert (verdict.state, verdict.reason) == ("failed", "host_no_service")
    assert "The Service mysql-80 in namespace databases of the database's host does not exist" in verdict.message
    words = "dial tcp: lookup mysql-80.databases.svc.cluster.local on 10.88.0.1:53: no such host"
    assert registry_status(logged(retrying(words), host_exists=False)).state == "failed"


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("mysql", ("rhoai-model-registries", "mysql")),
        ("mysql.databases.svc", ("databases", "mysql")),
        ("mysql.databases.svc.cluster.local", ("databases", "mysql")),
        ("db.example.com", None),
        ("10.0.0.1", None),
        ("2001:db8::1", None),
        ("", None),
    ],
)
def test_service_of_a_host(host: str, service: tuple[str, str] | None) -> None:
    registry = {"metadata": {"namespace": "rhoai-model-registries"}, "spec": {"mysql": {"host": host, "database": "d"}}}
    assert host_service(registry) == service


SAMPLED = [
    ("good", "ready", "ready", ""),
    ("missing-secret", "failed", "secret_missing", 'secret "missing-secret-db" not found'),
    (
        "nomap",
        "failed",
        "ca_missing",
        'MountVolume.SetUp failed for volume "mysql-ssl-rootcert" : configmap "nowhere" not found',
    ),
    ("large", "failed", "unschedulable", "0/1 nodes are available: 1 Insufficient cpu."),
    ("1digit", "failed", "name_invalid", 'unexpected reconcile error: Service "1digit" is invalid'),
    ("hanging", "deleting", "registry_deleting", "since 2026-11-23T08:58:58Z; remaining finalizers: modelregistry"),
]


@pytest.mark.parametrize(("name", "state", "reason", "words"), SAMPLED)
def test_sampled_registry(name: str, state: str, reason: str, words: str) -> None:
    verdict = registry_status(evidence(name))
    assert (verdict.state, verdict.reason) == (state, reason), verdict
    assert words in verdict.message
    assert bool(verdict.next_step) == (state != "ready")


@pytest.mark.parametrize(
    ("left", "step"),
    [
        (["modelregistry.opendatahub.io/finalizer"], "log of the model registry operator"),
        (["example.com/hold", "modelregistry.opendatahub.io/finalizer"], "log of the model registry operator"),
        (["example.com/hold"], "Find out what example.com/hold waits for"),
    ],
)
def test_a_deletion_that_hangs_says_which_finalizers_are_left_and_since_when(left: list[str], step: str) -> None:
    found = evidence("hanging")
    assert found.registry
    found.registry["metadata"]["finalizers"] = left
    verdict = registry_status(found)
    assert verdict.state == "deleting" and "since 2026-11-23T08:58:58Z" in verdict.message
    assert all(name in verdict.message for name in left) and step in verdict.next_step


WAITING_CONTAINERS = [
    (
        "CreateContainerConfigError",
        "couldn't find key nothing in Secret rhoai-model-registries/x-db",
        "secret_missing",
    ),
    ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", "container_config"),
    (
        "ErrImagePull",
        'failed to resolve reference "docker.io/example/unknown:1": docker.io/example/unknown:1: not found',
        "image",
    ),
    ("ImagePullBackOff", 'Back-off pulling image "example/unknown:1": ErrImagePull', "image"),
    ("InvalidImageName", "couldn't parse image name", "image"),
    ("RunContainerError", "exec: no such file", "container_start"),
    ("ErrImagePull", "dial tcp: i/o timeout", None),
    ("PodInitializing", "", None),
]


@pytest.mark.parametrize(("state", "words", "reason"), WAITING_CONTAINERS)
def test_container_that_does_not_start(state: str, words: str, reason: str | None) -> None:
    found = evidence("missing-secret")
    found.pods[0]["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": state, "message": words}}
    verdict = registry_status(found)
    assert (verdict.state == "failed", verdict.reason) == ((True, reason) if reason else (False, verdict.reason))


def test_a_crash_with_unknown_words_is_told_with_its_last_lines() -> None:
    found = logged(
        Log("I1123 start\nError: unknown flag: --embedmd-database-ssl-ca\nUsage:\n  model-registry proxy [flags]\n")
    )
    crash = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    found.pods[0]["status"]["containerStatuses"][0]["state"] = crash
    verdict = registry_status(found)
    assert (verdict.state, verdict.reason) == ("failed", "container_ends")
    assert "unknown flag: --embedmd-database-ssl-ca" in verdict.message and "Usage" not in verdict.message


BACK_OFF = "back-off 2m40s restarting failed container=rest-container pod=x_y(z)"
OVER = {"terminated": {"finishedAt": "2026-11-23T08:57:31Z", "exitCode": 1}}
CONTAINERS = [
    ({"state": {"running": {}}, "lastState": OVER}, None),
    ({"state": {"waiting": {"reason": "ContainerCreating"}}}, None),
    ({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no"}}, "lastState": OVER}, None),
    ({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": BACK_OFF}}, "lastState": OVER}, 160),
    ({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s x"}}, "lastState": OVER}, 10),
    ({"state": OVER, "restartCount": 1}, 20),
    ({"state": OVER, "restartCount": 9}, 300),
]


@pytest.mark.parametrize(("status", "seconds"), CONTAINERS)
def test_when_a_container_is_started_again(status: Any, seconds: int | None) -> None:
    ended = datetime(2026, 11, 23, 8, 57, 31, tzinfo=timezone.utc)
    assert restart_backoff(status) == (None if seconds is None else (ended, ended + timedelta(seconds=seconds)))


def test_words_of_an_attempt_that_is_over_come_with_its_time_and_that_of_the_next() -> None:
    found = logged(Log(ended("Error 1142 (42000): CREATE command denied")))
    status = found.pods[0]["status"]["containerStatuses"][0]
    status.update(CONTAINERS[3][0], restartCount=5)
    verdict = registry_status(found)
    assert (verdict.state, verdict.reason) == ("failed", "privileges_missing")
    assert verdict.source.endswith(
        "about the attempt that ended at 2026-11-23T08:57:31Z; the next one comes at about 2026-11-23T09:00:11Z"
    )
    times = timestamp("2026-11-23T09:00:11Z")
    assert times and verdict.retry == (times - found.now).total_seconds()
    # The next run counts from its own words on, not from its start.
    status.update(state={"running": {}}, restartCount=6)
    (key,) = found.logs
    (begun, again) = (Log(current, found.logs[key].current) for current in (BEGINNING, found.logs[key].current))
    assert registry_status(replace(found, logs={key: begun})).attempt == verdict.attempt
    assert registry_status(replace(found, logs={key: again})).attempt != verdict.attempt


ALERT = (
    "rest container alert: Error: {{ALERT}} error connecting to datastore: Error 1142 (42000): CREATE command denied to user "
    "'x'@'10.88.1.7' for table 'schema_migrations'"
)


def test_without_the_right_to_logs_the_operator_has_the_words() -> None:
    found = replace(evidence("wrong"), unreadable={"log": "The user needs this rule: …"})
    assert found.registry
    found.registry["status"]["conditions"][1].update(
        type="Available", status="False", reason="ResourcesAlert", message=ALERT
    )
    verdict = registry_status(found)
    assert (verdict.state, verdict.reason) == ("failed", "privileges_missing")
    assert verdict.notes == ("The user needs this rule: …",)


# The way to ready ---------------------------------------------------------------------------------------------------


def changed(path: str, value: Any) -> StatusInputs:
    """Return the good registry with one value of its objects changed; dots separate the parts of the path."""
    found = evidence("good")
    *parents, last = path.split(".")
    target: Any = found
    for part in parents:
        target = (
            target[int(part)] if part.isdigit() else target[part] if isinstance(target, dict) else getattr(target, part)
        )
    target[last] = value
    return found


NOT_READY = [
    ("deployment.metadata.generation", 2, "rollout"),
    ("deployment.status.updatedReplicas", 0, "rollout"),
    ("deployment.status.replicas", 2, "rollout"),
    ("deployment.status.availableReplicas", 0, "rollout"),
    ("pods.0.metadata.ownerReferences", [{"kind": "ReplicaSet", "name": "good-older"}], "pods"),
    ("pods.0.metadata.deletionTimestamp", "2026-11-23T08:59:00Z", "pods"),
    ("pods.0.status.conditions", [{"type": "Ready", "status": "False"}], "pods"),
    ("endpoints.subsets", [], "endpoints"),
    ("endpoints.subsets", [{"addresses": [{"ip": "10.88.1.101"}, {"ip": "10.88.1.9"}]}], "endpoints"),
    ("endpoints.subsets", [{"notReadyAddresses": [{"ip": "10.88.1.101"}]}], "endpoints"),
    ("registry.status.conditions.1.status", "False", "not_available"),
    ("registry.spec.mysql.host", "elsewhere", "operator_silent"),
    ("registry.spec.mysql.passwordSecret", {"name": "other", "key": "database-password"}, "operator_silent"),
    ("registry.spec.mysql.verifyServerCert", True, "operator_silent"),
    ("registry.status.conditions", [], "operator_silent"),
]


@pytest.mark.parametrize(("path", "value", "reason"), NOT_READY)
def test_available_alone_is_not_ready(path: str, value: Any, reason: str) -> None:
    found = changed(path, value)
    if path == "registry.status.conditions.1.status":
        assert found.registry
        assert found.registry["status"]["conditions"][1]["type"] == "Available"
    verdict = registry_status(found)
    assert (verdict.state != "ready", verdict.reason) == (True, reason)


def test_restart_pending_is_not_ready() -> None:
    assert registry_status(replace(evidence("good"), restart_pending=True)).reason == "restart_pending"


def test_an_edit_has_time_to_reach_the_deployment() -> None:
    """An edit of the database shows in the Deployment; after any other, nothing counts for a few seconds."""
    found = changed("registry.spec.mysql.host", "elsewhere")
    assert found.registry
    edit = {"manager": "opendatahub.model_registry", "operation": "Update", "time": "2026-11-23T08:59:40Z"}
    found.registry["metadata"]["managedFields"].append(edit)
    assert (registry_status(found).state, registry_status(found).reason) == ("waiting", "operator")
    other = evidence("good")
    assert other.registry
    other.registry["metadata"]["managedFields"].append(edit)
    assert (
        registry_status(replace(other, now=datetime(2026, 11, 23, 8, 59, 41, tzinfo=timezone.utc))).state == "waiting"
    )
    assert registry_status(replace(other, now=datetime(2026, 11, 23, 8, 59, 44, tzinfo=timezone.utc))).state == "ready"


def test_an_older_pods_failure_is_not_the_edits() -> None:
    """The old pod still reports why the old password was wrong while the new one starts."""
    found = logged(retrying("Error 1045 (28000): Access denied"))
    assert found.deployment
    progressing = {"type": "Progressing", "status": "True", "message": 'Created new replica set "wrong-new"'}
    found.deployment["status"]["conditions"] = [progressing]
    assert registry_status(found).state == "waiting"


def test_a_transient_reconcile_error_is_waited_for() -> None:
    words = 'unexpected reconcile error: Operation cannot be fulfilled on deployments.apps "x": the object has been modified'
    found = evidence("1digit")
    assert found.registry
    found.registry["status"]["conditions"][0]["message"] = words
    assert registry_status(found).state == "waiting"


def test_unknown_kinds_of_deployment_are_not_compared() -> None:
    sample = SAMPLES["good"]
    assert matches_spec(sample["deployment"], sample["registry"]) is True
    assert matches_spec({"metadata": {}, "spec": {}}, sample["registry"]) is None


def test_absent() -> None:
    gone = registry_status(StatusInputs(None, datetime.now(timezone.utc)))
    assert gone == Verdict("gone", "registry_missing", "The registry does not exist.")


# A database that the operator runs itself ----------------------------------------------------------------------------

REFUSED = "failed to connect to `user=modelregistry database=model_registry`: dial tcp 10.88.9.9:5432: connect: connection refused"
REAL = {"app": "wrong", "component": "model-registry", "app.kubernetes.io/name": "wrong-postgres"}


def generated(at: int, ready: int | None, log: Log, **changes: Any) -> StatusInputs:
    """Return a registry with a database of the operator's, that many seconds after their creation.

    ready: when the database became ready, as seconds; None if it has not.
    """
    made = timestamp(SAMPLES["wrong"]["registry"]["metadata"]["creationTimestamp"])
    assert made
    found = logged(log, now=made + timedelta(seconds=at))
    assert found.registry
    found.registry["spec"] = {"rest": {}, "postgres": {"generateDeployment": True}}
    pod = copy.deepcopy(found.pods[0])
    since = f"{made + timedelta(seconds=ready or 0):%Y-%m-%dT%H:%M:%SZ}"
    pod["metadata"].update(
        name="wrong-postgres-1", labels=REAL, ownerReferences=[{"kind": "ReplicaSet", "name": "wrong-postgres-1"}]
    )
    status = {"name": "postgres", "ready": ready is not None, "restartCount": 0, "state": {"running": {}}}
    known = {"type": "Ready", "status": "True" if ready is not None else "False", "lastTransitionTime": since}
    pod["status"].update(conditions=[known], containerStatuses=[status])
    return replace(found, database_pods=[pod], **changes)


STARTING = [
    ("its probe has not been made", generated(12, None, retrying(REFUSED, 5, "PostgreSQL"))),
    ("no pod yet", replace(generated(2, None, Log()), database_pods=[])),
    ("ready this moment, and nothing tried since", generated(16, 15, retrying(REFUSED, 6, "PostgreSQL"))),
    ("the pause of the attempt before is not over", generated(20, 15, retrying(REFUSED, 6, "PostgreSQL"))),
    ("ended before, and just started again", generated(50, 49, Log(BEGINNING, retrying(REFUSED, 9).current))),
]


@pytest.mark.parametrize(("case", "found"), STARTING, ids=[case for case, _ in STARTING])
def test_a_generated_database_has_time_to_start(case: str, found: StatusInputs) -> None:
    status = found.pods[0]["status"]["containerStatuses"][0]
    if "started again" in case:
        status.update(lastState={"terminated": {"finishedAt": "2026-11-23T08:59:34Z"}}, restartCount=1)
        status["state"] = {"running": {"startedAt": "2026-11-23T08:59:35Z"}}
    verdict = registry_status(found)
    assert verdict.state == "waiting", verdict
    if not found.database_pods or found.database_pods[0]["status"]["conditions"][0]["status"] == "False":
        assert verdict.reason == "database_starting" and "Its database is starting" in verdict.message


def test_a_server_that_waits_for_its_next_start_is_not_judged_by_the_database_that_was_not_there() -> None:
    found = generated(160, 150, Log("", retrying(REFUSED, 9).current))
    status = found.pods[0]["status"]["containerStatuses"][0]
    over = {"terminated": {"finishedAt": "2026-11-23T09:00:08Z", "exitCode": 2}}
    status.update(state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s x"}}, lastState=over)
    verdict = registry_status(found)
    assert (verdict.state, verdict.reason) == ("waiting", "database_starting")
    assert "2026-11-23T09:00:48Z" in verdict.message


def test_what_a_server_says_once_its_generated_database_is_ready_counts() -> None:
    verdict = registry_status(generated(60, 15, retrying(REFUSED, 9, "PostgreSQL")))
    assert (verdict.state, verdict.reason) == ("failed", "port_closed")
    assert "wrong-postgres:5432" in verdict.next_step


def _held(reason: str, words: str) -> StatusInputs:
    found = generated(30, None, retrying(REFUSED, 5, "PostgreSQL"))
    state = {"waiting": {"reason": reason, "message": words}}
    found.database_pods[0]["status"]["containerStatuses"][0].update(state=state, restartCount=3)
    return found


def _unplaced(words: str, after: int, *events: str) -> StatusInputs:
    found = generated(after, None, Log())
    pod = found.database_pods[0]
    since = found.registry["metadata"]["creationTimestamp"] if found.registry else ""
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    pod["status"] = {"phase": "Pending", "conditions": [{**scheduled, "lastTransitionTime": since}]}
    pod["spec"] = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "wrong-postgres-storage"}}]}
    about = {"involvedObject": {"name": "wrong-postgres-storage"}, "reason": "FailedBinding"}
    return replace(found, events=[{**about, "message": text} for text in events])


UNBOUND = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
NO_CLASS = "no persistent volumes available for this claim and no storage class is set"
STOPPED = [
    (_held("ImagePullBackOff", "Back-off pulling image"), "image", "Back-off pulling image"),
    (_held("CreateContainerConfigError", 'secret "x" not found'), "secret_missing", 'secret "x" not found'),
    (_held("CrashLoopBackOff", "back-off 10s"), "container_ends", "Container postgres keeps ending"),
    (_unplaced("0/3 nodes are available: 3 Insufficient memory.", 30), "unschedulable", "Insufficient memory"),
    (_unplaced(UNBOUND, 30, NO_CLASS), "storage_unbound", NO_CLASS),
    (_unplaced(UNBOUND, 90), "storage_unbound", UNBOUND),
    (_unplaced(UNBOUND, 30, "waiting for a volume to be created"), None, "Its database is starting"),
    (_unplaced(UNBOUND, 3, NO_CLASS), None, "Its database is starting"),
]


@pytest.mark.parametrize(("found", "reason", "words"), STOPPED)
def test_a_generated_database_that_cannot_start(found: StatusInputs, reason: str | None, words: str) -> None:
    verdict = registry_status(found)
    assert (verdict.state == "failed", verdict.reason) == (reason is not None, reason or "database_starting"), verdict
    assert words in verdict.message and bool(verdict.next_step) == (reason is not None)
    assert "database.password" not in verdict.next_step


@pytest.mark.parametrize(
    ("labels", "registry", "database"),
    [
        (REAL, None, "wrong-postgres"),
        ({"app": "wrong-postgres"}, None, None),
        ({"app": "wrong", "component": "model-registry", "app.kubernetes.io/name": "wrong"}, "wrong", None),
        ({"app": "wrong", "component": "model-registry"}, "wrong", None),
        (
            {"app": "x-postgres", "component": "model-registry", "app.kubernetes.io/name": "x-postgres"},
            "x-postgres",
            None,
        ),
        ({"app": "other"}, None, None),
        ({}, None, None),
    ],
)
def test_whose_pod_it_is(labels: dict[str, str], registry: str | None, database: str | None) -> None:
    pod = {"metadata": {"name": "p", "labels": labels}}
    assert (registry_of(pod), database_run_by(pod)) == (registry, database)


# Whose turn, whose clock, and what stands in front ------------------------------------------------------------------


@pytest.mark.parametrize(("ago", "reason"), [(None, "operator_silent"), (21, "operator_silent"), (19, "operator")])
@pytest.mark.parametrize("what", ["no status", "an edit"])
def test_an_operator_that_is_busy_is_not_silent(what: str, ago: int | None, reason: str) -> None:
    """It has one worker, and a limit on its requests: the last of many registries have to wait."""
    path, value = ("status.conditions", []) if what == "no status" else ("spec.mysql.host", "elsewhere")
    found = changed(f"registry.{path}", value)
    acted = None if ago is None else found.now - timedelta(seconds=ago)
    verdict = registry_status(replace(found, operator_acted=acted))
    assert (verdict.state == "failed", verdict.reason) == (reason == "operator_silent", reason)
    assert reason == "operator_silent" or "is in its queue" in verdict.message


def _front(**times: int) -> Verdict:
    """Return the verdict on a proxy that is False from the beginning. times: each one's last change, in s ago."""
    found = evidence("good")
    assert found.registry and found.deployment

    def at(what: str) -> str:
        return f"{found.now - timedelta(seconds=times.get(what, 60)):%Y-%m-%dT%H:%M:%SZ}"

    common = {"status": "False", "reason": "ResourcesUnavailable", "message": "Route good-https is not admitted"}
    found.registry["status"]["conditions"] = [
        {**common, "type": kind, "lastTransitionTime": at(kind)} for kind in ("Available", "KubeRBACProxyAvailable")
    ]
    for one in found.deployment["status"]["conditions"]:
        one["lastTransitionTime"] = at("Deployment")
    entries = found.registry["metadata"]["managedFields"]
    entries[:] = [{**one, "time": at("status")} if one.get("subresource") else one for one in entries]
    return registry_status(found)


@pytest.mark.parametrize("what", ["Available", "KubeRBACProxyAvailable", "Deployment", "status"])
def test_what_stands_in_front_has_time_from_when_the_rest_was_ready(what: str) -> None:
    assert _front().reason == "front_unavailable"
    assert _front(**{what: 9}).reason == "front_unavailable"
    assert _front(**{what: 7}).state == "waiting"


@pytest.mark.parametrize(
    ("secret", "spec", "reason"),
    [
        ("nomap-kube-rbac-proxy", {"kubeRBACProxy": {}}, "proxy_certificate"),
        (
            "front-cert",
            {"kubeRBACProxy": {"tlsCertificateSecret": {"name": "front-cert", "key": "c"}}},
            "proxy_certificate",
        ),
        ("front-cert", {"oauthProxy": {"tlsKeySecret": {"name": "front-cert", "key": "c"}}}, "proxy_certificate"),
        ("database-ca", {"kubeRBACProxy": {}}, "volume"),
    ],
)
def test_the_certificate_of_the_proxy_is_not_that_of_the_database(secret: str, spec: Any, reason: str) -> None:
    found = evidence("nomap")
    assert found.registry
    found.registry["spec"].update(spec)
    words = f'MountVolume.SetUp failed for volume "kube-rbac-proxy-tls" : secret "{secret}" not found'
    found = replace(found, events=[{**event, "message": words} for event in found.events])
    verdict = registry_status(found)
    assert (verdict.state, verdict.reason) == ("failed", reason)
    assert ("database.tls" in verdict.next_step) == (reason == "volume")
    assert reason == "volume" or all(word in verdict.next_step for word in (secret, "tls.crt", "tls.key"))


@pytest.mark.parametrize(
    ("missing", "seconds", "state"),
    [
        ('configmap "nomap-kube-rbac-proxy-config"', 20, "waiting"),
        ('configmap "nomap-kube-rbac-proxy-config"', 30, "failed"),
        ('secret "nomap-oauth-cookie-secret"', 20, "waiting"),
        ('secret "nomap-kube-rbac-proxy"', 29, "waiting"),
        ('configmap "other-kube-rbac-proxy-config"', 10, "failed"),
        ('secret "given-by-the-user"', 10, "failed"),
    ],
)
def test_what_the_operator_makes_after_the_deployment_is_waited_for(missing: str, seconds: int, state: str) -> None:
    found = evidence("nomap")
    made = timestamp(found.pods[0]["metadata"]["creationTimestamp"])
    assert made
    words = f'MountVolume.SetUp failed for volume "v" : {missing} not found'
    events = [{**event, "message": words} for event in found.events]
    assert registry_status(replace(found, events=events, now=made + timedelta(seconds=seconds))).state == state


def test_a_node_whose_clock_is_behind_cuts_no_patience_short() -> None:
    """Its times are an hour behind; the pod was made ten seconds ago, by the API server's clock."""
    found = logged(Log(BEGINNING))
    (server, *_) = found.pods[0]["status"]["containerStatuses"]
    server["state"] = {"running": {"startedAt": "2026-11-23T07:58:49Z"}}
    assert registry_status(found).state == "waiting"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-23T08:57:31Z", True),
        ("2026-11-23T08:57:31.123456Z", True),
        ("2026-11-23T08:57:31.123456789Z", True),
        ("2026-11-23T09:57:31+01:00", True),
        ("2026-11-23T08:57:31", False),
        ("2026-11-23", False),
        ("soon", False),
        ("", False),
        (None, False),
    ],
)
def test_times(text: str | None, time: bool) -> None:
    assert timestamp(text) == (datetime(2026, 11, 23, 8, 57, 31, tzinfo=timezone.utc) if time else None)


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        (["gw.example.com/model-registry/fraud", "fraud.ns"], ["gw.example.com/model-registry/fraud", "fraud.ns"]),
        (["fraud-rest.", "fraud.ns.svc.cluster.local", "fraud"], ["fraud.ns.svc.cluster.local", "fraud"]),
        (["fraud-rest./x", "/model-registry/fraud", ".example", "", "fraud"], ["fraud"]),
        ([], []),
        (None, None),
    ],
)
def test_hosts_that_can_be_used(hosts: list[str] | None, shown: list[str] | None) -> None:
    registry = copy.deepcopy(SAMPLES["good"]["registry"])
    registry["status"]["hosts"] = hosts
    assert described(registry).get("hosts") == shown


@pytest.mark.parametrize(
    ("database", "is_plain"),
    [
        ({"mysql": {}}, True),
        ({"mysql": {"verifyServerCert": True}}, False),
        ({"mysql": {"sslCipher": "TLS_AES_128_GCM_SHA256"}}, False),
        ({"postgres": {"sslMode": "disable"}}, True),
        ({"postgres": {"sslMode": "prefer"}}, True),
        ({"postgres": {"sslMode": "require"}}, False),
        ({"postgres": {"sslMode": "verify-full"}}, False),
    ],
)
def test_a_next_step_says_that_a_connection_is_plain_only_if_it_is(database: dict[str, Any], is_plain: bool) -> None:
    found = logged(Log(ended("Error 1045 (28000): Access denied for user 'u'@'10.88.1.4' (using password: YES)")))
    assert found.registry and found.deployment
    found.registry["spec"] = {"rest": {}, **database}
    # A form in which the two are not compared.
    for container in found.deployment["spec"]["template"]["spec"]["containers"]:
        container["args"] = []
    verdict = registry_status(found)
    assert verdict.reason == "access_denied"
    assert ("requires TLS, which this registry does not use" in verdict.next_step) is is_plain
