# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of failures, by the words of a registry server, a database or a kubelet, and what to do about each.

The words come from real servers: registry server 0.3.0, MySQL 5.7 and 8.0, MariaDB 10.11, PostgreSQL 16, Go's TLS.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "CONNECTING",
    "GAVE_UP",
    "NEEDED",
    "Cause",
    "LogFailure",
    "container_cause",
    "database_cause",
    "is_still_connecting",
    "last_failure",
    "last_lines",
    "migration_failed",
    "next_step",
    "relevant_failure",
    "reports_dirty_schema",
    "scrubbed",
]

CONNECTING = "Connecting to EmbedMD service"
"""The registry server logs this before its first attempt to reach the database."""
FIRST_ATTEMPT = 1
MAY_BE_STARTING = 4
"""The first attempt at which an unreachable database counts as a failure.

The registry server pauses for 1, 2, 3 … s between its attempts, so the fourth comes 6 s after the first. A database that
is starting, or a Service that was just created, gets that long.
"""
GAVE_UP = 1000
"""Stands for "no further attempt": the server gives up and exits."""
MAX_TEXT = 4096
"""Characters of a statement that are read: far more than a server or kubelet writes, and few enough for any pattern."""
MOST_ATTEMPTS = 20
"""Of one statement, the last ones are compared: two for each address of a host."""


@dataclass(frozen=True)
class Cause:
    """A known reason of a failure."""

    code: str
    pattern: str
    next_step: str
    """With {name}, {host}, {port}, {database}, {username} and {secret} of the registry, {plaintext} and {encryption}."""
    attempt: int = FIRST_ATTEMPT
    """The first attempt at which it counts; before that, it may pass by itself."""


@dataclass(frozen=True)
class LogFailure:
    """The last statement of a registry server about its database."""

    message: str
    attempt: int


NEEDED = ("CREATE", "ALTER", "DROP", "INDEX", "REFERENCES", "SELECT", "INSERT", "UPDATE", "DELETE")
"""The privileges that a registry's migrations and operation may use on MySQL."""
_ACCOUNT = "Correct the account, or give another one with database.username and a password."
_UTF8MB4 = (
    "Make the database utf8mb4 (ALTER DATABASE `{database}` CHARACTER SET utf8mb4), drop the tables that the broken "
    "migration left in it, then run the task again."
)
_GRANT = f"GRANT {', '.join(NEEDED)} ON `{{database}}`.* to the account {{username}}, for the addresses of the registry's pods."
_OWNER = (
    "Make {username} the owner: ALTER DATABASE {database} OWNER TO {username}, or grant CONNECT on the database and "
    "CREATE on its schema public."
)
_BUSY = "Raise the limit at the database, or end connections that are not needed; the server tries again by itself."
_REACH = (
    "Check database.host and database.port ({host}:{port}), that the database runs and listens there, and that no "
    "NetworkPolicy or firewall blocks the registry's pods."
)
_NO_KEYS = (
    "The registry's migrations create a table without a primary key, which the database refuses. Switch {setting} off, then "
    "empty {database} (or restore it from a backup) and run the task again: the migration broke off half-way."
)
_VERIFY = "Give the authority that signed the certificate of {host}: database.tls with ca_pem or another source."

DATABASE_CAUSES = (
    Cause(
        "access_denied",
        r"Error 1045 ",
        "Give the right password with database.password, or correct it in {secret}: pods read it only when they start."
        " An account that is not for the addresses of the registry's pods, or that needs a client certificate, gets the"
        " same answer.{plaintext}",
    ),
    Cause("host_denied", r"Error 1130\b", _ACCOUNT + " It needs a host part that matches the registry's pods."),
    Cause("access_denied", r"Error 1698\b", _ACCOUNT),
    Cause(
        "host_blocked",
        r"Error 1129\b",
        "Run FLUSH HOSTS on the database: it blocks the registry's pods after too many broken connections.",
    ),
    Cause("database_denied", r"Error 1044 ", _GRANT),
    Cause(
        "database_missing",
        r"Error 1049 |database \".*\" does not exist \(SQLSTATE 3D000\)",
        "Create the database {database} on {host}, or correct database.name: the registry server never creates it.",
    ),
    Cause("privileges_missing", r"Error (1142|1227) ", _GRANT),
    Cause("charset", r"Error 1267 ", _UTF8MB4),
    Cause("primary_key_required", r"Error 3750\b", _NO_KEYS.replace("{setting}", "sql_require_primary_key")),
    Cause("primary_key_required", r"Error 3098\b", _NO_KEYS.replace("{setting}", "Group Replication")),
    Cause("primary_key_required", r"Error 1173\b", _NO_KEYS.replace("{setting}", "innodb_force_primary_key")),
    Cause(
        "cluster_strict_mode",
        r"Error 1105\b.*(GET_LOCK|pxc_strict_mode)",
        "Percona XtraDB Cluster with pxc_strict_mode=ENFORCING refuses the lock that the registry's migrations take, and "
        "tables without a primary key. Set pxc_strict_mode to PERMISSIVE, or give the registry a database on a server outside a cluster.",
    ),
    Cause(
        "schema_dirty",
        r"Dirty database version \d+",
        "A migration broke off half-way. Restore {database} from a backup, or empty it if no models are in it yet, then"
        " run the task again. The usual causes are a database that is not utf8mb4, and a server that refuses tables without a primary"
        " key (sql_require_primary_key, innodb_force_primary_key).",
    ),
    Cause(
        "plugin_missing",
        r"Error 1524 ",
        "Give the account an authentication plugin that the database has: "
        "ALTER USER … IDENTIFIED WITH caching_sha2_password (or mysql_native_password) BY ….",
    ),
    Cause("account_locked", r"Error (3118|4151) ", "Unlock the account: ALTER USER … ACCOUNT UNLOCK."),
    Cause(
        "password_expired",
        r"Error (1820|1862) ",
        "Give the account a password that does not expire (ALTER USER … IDENTIFIED BY … PASSWORD EXPIRE NEVER), then set "
        "it with database.password.",
    ),
    Cause(
        "tls_required",
        r"Error (3159|4031) ",
        "The database takes no plaintext connections: give database.tls with the authority of its certificate.",
    ),
    Cause("account_hourly", r"Error 1226\b.*_per_hour", _BUSY, MAY_BE_STARTING),
    Cause(
        "account_connections",
        r"Error (1203|1226)\b|too many connections for role .*SQLSTATE 53300",
        _BUSY,
        MAY_BE_STARTING,
    ),
    Cause("too_many_connections", r"Error 1040\b|SQLSTATE 53300", _BUSY, MAY_BE_STARTING),
    Cause(
        "host_denied",
        r"(no pg_hba\.conf entry for|pg_hba\.conf rejects) .*SQLSTATE 28000",
        "Add a line to the database's pg_hba.conf for the addresses of the registry's pods.",
    ),
    Cause(
        "access_denied",
        r"SQLSTATE 28P01|SQLSTATE 28000",
        "Give the right database.username and database.password, or correct {secret}: pods read it only when they start. "
        "The characters @ : / ? # % in a password of PostgreSQL break the server's connection URL: choose one without.",
    ),
    Cause("database_denied", r"permission denied for database .*SQLSTATE 42501", _OWNER),
    Cause("privileges_missing", r"permission denied for (schema|table) .*SQLSTATE 42501", _OWNER),
    Cause(
        "password_breaks_dsn",
        r"cannot parse .*URL|failed to parse PostgreSQL URL",
        "Choose a password without the characters @ : / ? # %: the operator puts it into a URL as it is.",
    ),
    Cause(
        "password_breaks_dsn",
        r"invalid MySQL DSN: database name must not contain '\?'",
        "Choose a password, a user name and a database name without a question mark, for the password in {secret}, too: "
        "registry servers from 0.3.2 on do not start with one in them.",
    ),
    Cause(
        "tls_not_offered",
        r"TLS requested but server does not support TLS|server refused TLS connection",
        "Turn on TLS in the database, or set database.tls.enabled to false if plain text is acceptable.",
    ),
    Cause("ca_unknown", r"x509: certificate signed by unknown authority", _VERIFY),
    Cause(
        "certificate_name",
        r"x509: certificate (is valid for|is not valid for any names)|x509: cannot validate certificate for",
        "Set database.host to a name in the certificate, or give the database a certificate for {host}.",
    ),
    Cause(
        "certificate_invalid",
        r"x509: certificate has expired or is not yet valid: .* is before ",
        "Correct the clock that is wrong, or renew the database server's certificate.",
    ),
    Cause(
        "certificate_expired",
        r"x509: certificate has expired or is not yet valid",
        "Renew the database server's certificate, or correct the clock that is wrong.",
    ),
    Cause(
        "tls_handshake",
        r"tls: (handshake failure|protocol version not supported|no supported)|tls: server selected unsupported",
        "Enable TLS 1.2 or newer with an ECDHE cipher suite in the database: the registry server needs it.",
    ),
    Cause(
        "ca_missing",
        r"failed to read SSL root certificate",
        "Check the ConfigMap or Secret that database.tls names: it must have the key, with certificates as PEM.",
    ),
    Cause(
        "ca_invalid",
        r"failed to parse SSL root certificate",
        "Check the key of the ConfigMap or Secret that database.tls names: it must hold certificates as PEM.",
    ),
    Cause(
        "client_certificate",
        r"failed to load SSL certificate pair",
        "Check database.tls.client_certificate_secret and client_key_secret: both keys must exist and match.",
    ),
    Cause(
        "metadata_connection",
        r"mysql_real_connect failed: errno: ?, ",
        "ML Metadata gives no reason. Check, in this order: that the account's plugin is mysql_native_password (it supports no "
        "other), that {host}:{port} can be reached from the registry's pods, and that the database accepts this registry's "
        "kind of connection: {encryption}.",
        MAY_BE_STARTING,
    ),
    Cause(
        "database_starting",
        r"SQLSTATE 57P0[123]|Error 1053\b",
        "Wait until the database on {host} is up; the server tries again by itself.",
        MAY_BE_STARTING,
    ),
    Cause(
        "host_unresolved",
        r"no such host|server misbehaving|Temporary failure in name resolution",
        "Correct database.host ({host}). A bare name is a Service in the registry's own namespace; for another namespace it is "
        "<service>.<namespace>.svc.cluster.local.",
        MAY_BE_STARTING,
    ),
    Cause("port_closed", r"connect: connection refused", _REACH, MAY_BE_STARTING),
    Cause("unreachable", r"no route to host|network is unreachable", _REACH, MAY_BE_STARTING),
    Cause("database_silent", r"i/o timeout|connection timed out", _REACH, MAY_BE_STARTING),
    Cause(
        "wrong_protocol",
        r"unknown message type|malformed packet|unexpected read from socket|busy buffer",
        "The server at {host}:{port} is not a database of this type: check database.type, host and port.",
        MAY_BE_STARTING,
    ),
    Cause(
        "connection_closed",
        r"\bEOF\b|bad connection|invalid connection|connection reset|broken pipe|connection (was )?closed",
        "The server at {host}:{port} closes the connection at once. A service mesh with mutual TLS does that, and so does a "
        "load balancer without a backend or a firewall. Exclude the database's port from the mesh, or allow the "
        "registry's pods; check that the database itself runs.",
        MAY_BE_STARTING,
    ),
)
"""In the order in which they are tried."""

_PULL = "Correct the image that the message names, or give the nodes access to its image registry (a pull secret)."
_SPECIFICATION = "Correct what the message names: the container cannot be created from the registry's specification."

CONTAINER_CAUSES = (
    Cause(
        "secret_missing",
        r'CreateContainerConfigError.*secret "[^"]+" not found',
        "Create the Secret in the registries namespace, name another with database.password_secret, or give "
        "database.password.",
    ),
    Cause(
        "secret_missing",
        r"CreateContainerConfigError.*couldn't find key",
        "Correct database.password_secret.key, or add the key to the Secret.",
    ),
    Cause("container_config", r"CreateContainer(Config)?Error", _SPECIFICATION),
    Cause(
        "image",
        r"ImagePullBackOff|ErrImageNeverPull|InvalidImageName|ErrImagePull.*(not found|denied|unauthorized)",
        _PULL,
    ),
    Cause("container_start", r"(RunContainer|Start)Error|ContainerCannotRun", _SPECIFICATION),
)
"""Patterns match "reason: message" of a waiting or terminated container, as the kubelet writes it."""

_OTHER = Cause(
    "database_error", "", "Fix what the message names; the log of the registry's pod says more.", MAY_BE_STARTING
)


def last_failure(log: str) -> LogFailure | None:
    """Return the last failure in a log of the registry server or of ML Metadata; None if there is none, or it is over."""
    last = None
    for statement in _STATEMENTS.finditer(log):
        if statement["retried"]:
            last = LogFailure(_meant(statement["retried"]), int(statement["attempt"]))
        elif statement["alert"]:
            last = LogFailure(_meant(_core_of(statement["alert"])), GAVE_UP)
        elif statement["config"]:
            last = LogFailure(_meant(statement["config"]), GAVE_UP)
        elif statement["client"]:
            last = LogFailure(_meant(statement["client"]), GAVE_UP)
        elif statement["status"]:
            last = LogFailure(_meant(f"{statement['text']}: {statement['status']}"), GAVE_UP)
        else:
            last = None
    return last


_STATEMENTS = re.compile(
    r"Successfully connected to"
    r"|Retrying connection to \w{1,20} \(attempt (?P<attempt>\d{1,3})/\d+\): (?P<retried>[^\n]*(?:\n\t[^\n]*)*)"
    r"|\{\{ALERT\}\} error connecting to datastore: (?P<alert>.+?)(?=\nUsage:|\n[IWEF]\d{4} |\Z)"
    r"|Error: error creating datastore: (?P<config>[^\n]*)"
    r"|Check failed: absl::OkStatus\(\) == status \(OK vs\. (?P<status>[^)\n]+)\) (?P<text>[^\n]*)"
    r"|(?P<client>mysql_real_connect failed: errno: ?\d*, error:[^\n]*)",
    re.DOTALL,
)
"""Statements about the database in the logs of a registry server (0.3.0; without an alert from 0.3.2 on) and of ML Metadata
(up to 0.2.19). For each of several attempts, PostgreSQL's driver writes a line that begins with a tab."""


def _core_of(alert: str) -> str:
    """Return the relevant part of the server's alert: a failed migration quotes the whole SQL before its details."""
    _statement, quoted, details = alert.partition("(details: ")
    if quoted:
        line = details.partition("\n")[0]
        return line.rpartition(")")[0] or line
    first, *others = alert.split("\n")
    attempts = itertools.takewhile(lambda line: line.startswith("\t"), others)
    return "\n".join([first, *attempts])


def _meant(text: str) -> str:
    """Return a statement on one line, without secrets: of several attempts to connect, the most telling one.

    PostgreSQL's driver tries an address with and without TLS (sslMode prefer and allow), and each address of a host. It stops
    when the database refuses the account. If an attempt is refused for its lack of TLS, another may follow that only says
    that there is no TLS.
    """
    head, *attempts = scrubbed(_without_quote(text))[:MAX_TEXT].split("\n\t")
    if not attempts:
        return head
    attempts = attempts[-MOST_ATTEMPTS:]
    answers = [line for line in attempts if "(SQLSTATE " in line]
    known = [line for line in attempts if _cause_of(line) not in (None, "tls_not_offered")]
    return f"{head} {(answers or known or attempts)[-1]}"


def _without_quote(text: str) -> str:
    """Return the error about a question mark in a connection string without the part that it quotes."""
    plain, about, _quote = text.partition("database name must not contain '?' characters")
    return plain + about


def relevant_failure(current: str, previous: str) -> LogFailure | None:
    """Return the failure that counts, of a server's current and previous run: the newer one.

    But if a migration broke off, every later start only calls the schema dirty. Then the earlier words, with the reason,
    count.
    """
    now, before = last_failure(current), last_failure(previous)
    if now is None:
        return None if connected(current) else before
    return before if reports_dirty_schema(current) and migration_failed(previous) else now


def migration_failed(log: str) -> bool:
    """Return whether a migration broke off in that run of the server, with the reason in its log."""
    last = last_failure(log)
    return last is not None and connected(log) and _DIRTY not in last.message


def reports_dirty_schema(log: str) -> bool:
    """Return whether that run of the server only reports a migration that broke off in an earlier run."""
    last = last_failure(log)
    return last is not None and _DIRTY in last.message


_DIRTY = "Dirty database version"


def connected(log: str) -> bool:
    """Return whether that run of the registry server logged in to its database."""
    return "Successfully connected to" in log


def is_still_connecting(log: str) -> bool:
    """Return whether the log of that run ends at its first attempt to connect."""
    return CONNECTING in log.rstrip().rpartition("\n")[2]


def database_cause(what: LogFailure) -> Cause | None:
    """Return why the registry server cannot use its database; None if that may still pass by itself."""
    # ML Metadata logs the client library's error numbers.
    words = re.sub(r"errno: (\d{4}), error: ", r"Error \1 (HY000): ", what.message[:MAX_TEXT])
    cause = next((cause for cause in DATABASE_CAUSES if re.search(cause.pattern, words)), _OTHER)
    return cause if what.attempt >= cause.attempt else None


def _cause_of(line: str) -> str | None:
    return next((cause.code for cause in DATABASE_CAUSES if re.search(cause.pattern, line)), None)


def container_cause(reason: str, message: str) -> Cause | None:
    """Return why a container does not run; None if the reason is no failure, or a temporary one."""
    text = f"{reason}: {message[:MAX_TEXT]}"
    return next((cause for cause in CONTAINER_CAUSES if re.search(cause.pattern, text, re.DOTALL)), None)


def next_step(cause: Cause, facts: Mapping[str, str]) -> str:
    """Return what to do, with the registry's own names."""
    return cause.next_step.format_map(facts)


def scrubbed(text: str) -> str:
    """Hide what can contain a password: connection URLs and strings, and values that are called a password.

    PostgreSQL's driver quotes a URL that it cannot parse. A password can contain any character, so all that may be part
    of it is hidden. Scrubbing twice changes nothing more.
    """
    start = _URL.search(text)
    text = text if start is None else f"{text[: start.start()]}URL (hidden: the password is in it)"
    return _CALLED_SO.sub(r"\g<name>(hidden)", _DSN.sub("(hidden)", text))


_URL = re.compile(r"[`\"']?(postgres(ql)?|mysql|mariadb)://")
_DSN = re.compile(r"^[^\n]*(?=@([a-z0-9]{1,20}\(|\(|/))", re.MULTILINE)
"""MySQL's connection string: USER:PASSWORD@tcp(HOST:PORT)/DATABASE, with optional protocol and address."""
_CALLED_SO = re.compile(
    r"(?P<name>(pass(word|wd|phrase)?|pwd|token)[\"']?\s{0,9}[=:]|--(pass(word|wd)?|pwd)\s|identified\s{1,9}by\s|bearer\s"
    r"|(?<![\w-])(?-i:-p)(?=\S))"
    r"(?!\s*(YES|NO)\b)[^\n]+",
    re.IGNORECASE,
)
"""As in settings, options (mysql -pSECRET), statements and printed structures. MySQL itself writes "using password: YES"."""


def last_lines(log: str, count: int = 3) -> str:
    """Return the end of a log without known statements, and without the registry server's usage text."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    usage = next((i for i, line in enumerate(lines) if line.startswith("Usage:")), len(lines))
    return scrubbed(" ".join(lines[max(0, usage - count) : usage]))
