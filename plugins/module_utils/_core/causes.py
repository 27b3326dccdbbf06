# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the words of a registry server, a database or a kubelet mean, and what to do about each.

The words are those of real servers: registry server 0.3.0, MySQL 5.7 and 8.0, MariaDB 10.11, PostgreSQL 16, Go's TLS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "CONNECTING",
    "LAST",
    "Cause",
    "Said",
    "broke_off",
    "calls_dirty",
    "container_cause",
    "database_cause",
    "last_lines",
    "last_said",
    "next_step",
    "said",
    "scrubbed",
    "silent",
]

CONNECTING = "Connecting to EmbedMD service"
"""What the registry server writes before its first attempt to reach the database."""
AT_ONCE = 1
MAY_BE_STARTING = 4
"""The attempt from which on a database that cannot be reached counts as a failure.

The registry server pauses for 1, 2, 3 … s between its attempts, so the fourth is made 6 s after the first: a database that
is starting, or a Service that has just been created, gets that long.
"""
LAST = 1000
"""Stands for "no further attempt": the server has given up and ends."""


@dataclass(frozen=True)
class Cause:
    """A known reason of a failure."""

    code: str
    pattern: str
    next_step: str
    """With {name}, {host}, {port}, {database}, {username} and {secret} of the registry, and {plaintext}."""
    attempt: int = AT_ONCE
    """The attempt from which on it counts: earlier, it may pass by itself."""


@dataclass(frozen=True)
class Said:
    """The last that a registry server has said about its database."""

    words: str
    attempt: int


_ACCOUNT = "Correct the account, or give another one with database.username and a password."
_UTF8MB4 = (
    "Make the database utf8mb4 (ALTER DATABASE `{database}` CHARACTER SET utf8mb4), drop the tables that the broken "
    "migration has left in it, then run the task again."
)
_GRANT = (
    "GRANT CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE ON `{database}`.* to the account "
    "{username}, for the addresses of the registry's pods."
)
_BUSY = "Raise the limit at the database, or end connections that are not needed; the server tries again by itself."
_REACH = (
    "Check database.host and database.port ({host}:{port}), that the database runs and listens there, and that no "
    "NetworkPolicy or firewall stands between it and the registry's pods."
)
_VERIFY = "Give the authority that has signed the certificate of {host}: database.tls with ca_pem or another source."

DATABASE_CAUSES = (
    Cause(
        "access_denied",
        r"Error 1045 ",
        "Give the right password with database.password, or correct it in {secret}: pods read it only when they start."
        " An account that is not for the addresses of the registry's pods, or that needs a client certificate, gets the"
        " same answer.{plaintext}",
    ),
    Cause(
        "access_denied", r"Error (1130|1698)\b", _ACCOUNT + " It must be allowed to log in from the registry's pods."
    ),
    Cause("database_not_granted", r"Error 1044 ", _GRANT),
    Cause(
        "database_missing",
        r"Error 1049 |database \".*\" does not exist \(SQLSTATE 3D000\)",
        "Create the database {database} on {host}, or correct database.name: the registry server never creates it.",
    ),
    Cause("no_privilege", r"Error (1142|1227) ", _GRANT),
    Cause("charset", r"Error 1267 ", _UTF8MB4),
    Cause(
        "dirty_schema",
        r"Dirty database version \d+",
        "A migration broke off half-way. Restore {database} from a backup, or empty it where no models are in it yet, then"
        " run the task again. A database that is not utf8mb4 is the usual reason.",
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
        r"Error 3159 ",
        "The database takes no plaintext connections: give database.tls with the authority of its certificate.",
    ),
    Cause("too_many_connections", r"Error (1040|1203|1226)\b|SQLSTATE 53300", _BUSY, MAY_BE_STARTING),
    Cause(
        "access_denied",
        r"SQLSTATE 28P01|SQLSTATE 28000",
        "Give the right database.username and database.password, or correct {secret}: pods read it only when they start. "
        "The characters @ : / ? # % in a password of PostgreSQL break the server's connection URL: choose one without.",
    ),
    Cause(
        "no_privilege",
        r"permission denied for (schema|database|table) .*SQLSTATE 42501",
        "Make {username} the owner: ALTER DATABASE {database} OWNER TO {username}, or grant CONNECT on the database and "
        "CREATE on its schema public.",
    ),
    Cause(
        "password_breaks_url",
        r"cannot parse .*URL|failed to parse PostgreSQL URL",
        "Choose a password without the characters @ : / ? # %: the operator puts it into a URL as it is.",
    ),
    Cause(
        "tls_not_offered",
        r"TLS requested but server does not support TLS|server refused TLS connection",
        "Turn on TLS at the database; or, where plaintext is acceptable, set database.tls.enabled to false.",
    ),
    Cause("ca_unknown", r"x509: certificate signed by unknown authority", _VERIFY),
    Cause(
        "certificate_name",
        r"x509: certificate (is valid for|is not valid for any names)|x509: cannot validate certificate for",
        "Set database.host to a name that the certificate holds, or give the database a certificate for {host}.",
    ),
    Cause(
        "certificate_expired",
        r"x509: certificate has expired or is not yet valid",
        "Renew the database server's certificate, or correct a clock that is wrong.",
    ),
    Cause(
        "tls_handshake",
        r"tls: (handshake failure|protocol version not supported|no supported)|tls: server selected unsupported",
        "Let the database offer TLS 1.2 or newer with an ECDHE cipher suite, which the registry server needs.",
    ),
    Cause(
        "ca_unreadable",
        r"failed to (read|parse) SSL root certificate",
        "Check the key of the ConfigMap or Secret that database.tls names: it must be there and hold certificates as PEM.",
    ),
    Cause(
        "client_certificate",
        r"failed to load SSL certificate pair",
        "Check database.tls.client_certificate_secret and client_key_secret: both keys must be there and belong together.",
    ),
    Cause(
        "host_unknown",
        r"no such host|server misbehaving|Temporary failure in name resolution",
        "Correct database.host ({host}). A bare name is one of a Service in the registry's own namespace; elsewhere it is "
        "<service>.<namespace>.svc.cluster.local.",
        MAY_BE_STARTING,
    ),
    Cause(
        "unreachable",
        r"connect: connection refused|no route to host|network is unreachable|i/o timeout|connection timed out",
        _REACH,
        MAY_BE_STARTING,
    ),
    Cause(
        "wrong_protocol",
        r"unknown message type|malformed packet|unexpected read from socket|busy buffer",
        "What listens at {host}:{port} is no database of this kind: check database.type, host and port.",
        MAY_BE_STARTING,
    ),
)
"""In the order in which they are looked for."""

_PULL = "Correct the image of the registry server, or give the nodes access to its registry (a pull secret)."
_SPECIFICATION = "Correct what the message names: the container cannot be made from the registry's specification."

CONTAINER_CAUSES = (
    Cause(
        "secret_missing",
        r'CreateContainerConfigError.*secret "[^"]+" not found',
        "Create the Secret in the registries namespace, name another with database.password_secret, or give "
        "database.password.",
    ),
    Cause(
        "secret_key_missing",
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
"""Patterns match "reason: message" of a waiting or ended container, as the kubelet writes it."""

_OTHER = Cause(
    "database_error", "", "Mend what the message names; the log of the registry's pod says more.", MAY_BE_STARTING
)


def said(log: str) -> Said | None:
    """The last failure in a log of the registry server or of ML Metadata; None where there is none or it is overcome."""
    last = None
    for found in _STATEMENTS.finditer(log):
        if found["retried"]:
            last = Said(scrubbed(found["retried"]), int(found["attempt"]))
        elif found["alert"]:
            last = Said(scrubbed(_core_of(found["alert"])), LAST)
        elif found["status"]:
            last = Said(scrubbed(f"{found['text']}: {found['status']}"), LAST)
        else:
            last = None
    return last


_STATEMENTS = re.compile(
    r"Successfully connected to"
    r"|Retrying connection to \w+ \(attempt (?P<attempt>\d+)/\d+\): (?P<retried>[^\n]*)"
    r"|\{\{ALERT\}\} error connecting to datastore: (?P<alert>.+?)(?=\nUsage:|\n[IWEF]\d{4} |\Z)"
    r"|Check failed: absl::OkStatus\(\) == status \(OK vs\. (?P<status>[^)]+)\) (?P<text>[^\n]*)",
    re.DOTALL,
)
"""What a registry server (0.3.0) and ML Metadata (up to 0.2.19) say of their database, in their log."""


def _core_of(alert: str) -> str:
    """What matters of the server's last words: a migration's failure quotes the whole statement before its details."""
    details = re.search(r"\(details: ([^\n]*)\)", alert)
    return details[1] if details else alert.split("\n", 1)[0]


def last_said(current: str, previous: str) -> Said | None:
    """The failure that counts, of a server's run now and the one before: the newest.

    But where a migration broke off, every later start only calls the schema dirty: the words that say why count then.
    """
    now, before = said(current), said(previous)
    if now is None:
        return None if connected(current) else before
    return before if calls_dirty(current) and broke_off(previous) else now


def broke_off(log: str) -> bool:
    """Whether a migration ended in that run of the server, with the reason in its log."""
    last = said(log)
    return last is not None and connected(log) and _DIRTY not in last.words


def calls_dirty(log: str) -> bool:
    """Whether that run of the server only says that a migration has ended in a run before."""
    last = said(log)
    return last is not None and _DIRTY in last.words


_DIRTY = "Dirty database version"


def connected(log: str) -> bool:
    """Whether the run of the registry server has logged in to its database."""
    return "Successfully connected to" in log


def silent(log: str) -> bool:
    """Whether the run of the registry server ends at its first attempt to connect."""
    return CONNECTING in log.rstrip().rpartition("\n")[2]


def database_cause(what: Said) -> Cause | None:
    """Why the registry server has no database; None where it may still come by itself."""
    cause = next((cause for cause in DATABASE_CAUSES if re.search(cause.pattern, what.words)), _OTHER)
    return cause if what.attempt >= cause.attempt else None


def container_cause(reason: str, message: str) -> Cause | None:
    """Why a container does not run; None where the reason is no failure, or one that passes."""
    text = f"{reason}: {message}"
    return next((cause for cause in CONTAINER_CAUSES if re.search(cause.pattern, text, re.DOTALL)), None)


def next_step(cause: Cause, facts: Mapping[str, str]) -> str:
    """What to do, with the registry's own names."""
    return cause.next_step.format_map(facts)


def scrubbed(text: str) -> str:
    """The text without what a password can be in: connection URLs and strings, and values that are called a password.

    PostgreSQL's driver quotes a URL that it cannot read. Since a password can hold any character, all that may still be
    part of it is hidden. What has been scrubbed stays as it is.
    """
    start = _URL.search(text)
    text = text if start is None else f"{text[: start.start()]}URL (hidden: the password is in it)"
    return _CALLED_SO.sub(r"\g<name>(hidden)", _DSN.sub("(hidden)", text))


_URL = re.compile(r"[`\"']?(postgres(ql)?|mysql|mariadb)://")
_DSN = re.compile(r"[^\n]*(?=@(tcp|unix)\()")
"""MySQL's connection string: USER:PASSWORD@tcp(HOST:PORT)/DATABASE."""
_CALLED_SO = re.compile(r"(?P<name>(password|passwd|pwd)[\"']?\s*[=:])(?!\s*(YES|NO)\b)[^\n]+", re.IGNORECASE)
"""As in settings, options and printed structures. MySQL says itself "using password: YES"."""


def last_lines(log: str, count: int = 3) -> str:
    """The end of a log that nobody knows how to read, without the usage text that the registry server adds."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    usage = next((i for i, line in enumerate(lines) if line.startswith("Usage:")), len(lines))
    return scrubbed(" ".join(lines[max(0, usage - count) : usage]))
