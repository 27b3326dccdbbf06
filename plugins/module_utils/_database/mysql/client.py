# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to a MySQL server: gather facts over given sockets, in bounded time and memory. It writes nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ..._common.finding import Finding
from ..._common.model import Database, Tls
from ..._common.text import number, printable
from ..connection import OpenSocket, Path
from ..credentials import Credentials
from ..effective import verifies
from ..inspection import Inspection, Subject, inspection_of
from .confidence import CheckContext
from .connection import Connection, as_failure
from .facts import (
    MOST_NAMES,
    Account,
    Failure,
    MysqlFacts,
    MysqlGrants,
    Schema,
    Server,
    TlsHandshake,
    grants_of,
    kind_of,
    own_version,
)
from .rules import mysql_findings
from .tls import (
    NO_TLS,
    CheckEnded,
    ClearLimit,
    Context,
    is_encrypted,
    is_verified,
    load_authority,
    load_client,
)

__all__ = ["Target", "gather", "inspect"]

MOST_ROWS = 1000
"""Of one answer. An account with more grants is not evaluated by them."""
_VARIABLES = """SHOW VARIABLES WHERE Variable_name IN ('version_comment', 'aurora_version', 'require_secure_transport',
'default_authentication_plugin', 'authentication_policy', 'sql_mode', 'max_connections', 'max_user_connections',
'read_only', 'super_read_only', 'innodb_read_only', 'lower_case_table_names', 'sql_require_primary_key',
'sql_generate_invisible_primary_key', 'innodb_force_primary_key', 'pxc_strict_mode')"""
_HOSTS = """SELECT Host FROM mysql.user WHERE User = LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1)
OR (User = '' AND Host <> '%')"""
"""An account without a name matches every user from its hosts, and precedes one of the name for all hosts."""


@dataclass(frozen=True)
class Target:
    """What to log in to, as the registry server would."""

    username: str
    database: str
    server_name: str
    """The host as the registry has it; the certificate must name it."""
    password: bytes = field(default=b"", repr=False)
    encrypted: bool = False
    verified: bool = False
    ca_pem: str | None = field(default=None, repr=False)
    """None stands for the authorities of this machine."""
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    logs_in: bool = True
    """Whether to log in. Otherwise only the server's greeting and certificate are read, and no password is sent."""


def inspect(subject: Subject, path: Path) -> Inspection:
    """Return what is seen of the database on the path."""
    target = _target(subject.database, subject.credentials)
    facts = gather(path.open_socket, target, subject.timeout)
    context = CheckContext(
        target.username,
        target.database,
        target.server_name,
        target.encrypted,
        verifies(subject.database.tls or Tls()),
        subject.required_plugin,
        path.name,
        datetime.now(timezone.utc),
    )
    words = printable(path.words()) if facts.failure else ""

    def findings_on(name: str) -> tuple[Finding, ...]:
        found = mysql_findings(facts, replace(context, path=name))
        if not words or not found:
            return found
        return (replace(found[0], why=f"{found[0].why}; the relay says: {words}"), *found[1:])

    return inspection_of(_few_names(facts), facts.account.matched, path.name, findings_on)


def _few_names(facts: MysqlFacts) -> MysqlFacts:
    """Return the facts with only as many of a certificate's names as a result should list; all of them were compared."""
    shown = facts.tls.certificate
    if shown is None:
        return facts
    return replace(facts, tls=replace(facts.tls, certificate=replace(shown, names=shown.names[:MOST_NAMES])))


def _target(database: Database, credentials: Credentials) -> Target:
    """Return what the registry server would log in to, and how."""
    tls = database.tls or Tls()
    # Without the authority, nothing can be verified; no login is attempted then.
    verified = verifies(tls) and not (tls.ca and credentials.ca_pem is None)
    return Target(
        username=str(database.username),
        database=str(database.name),
        server_name=str(database.host).strip("[]"),
        password=credentials.password,
        encrypted=bool(verifies(tls) or tls.ca or credentials.ca_pem or credentials.client_certificate or tls.cipher),
        verified=verified,
        ca_pem=credentials.ca_pem,
        client_certificate=credentials.client_certificate,
        client_key=credentials.client_key,
        logs_in=not credentials.lacks,
    )


def gather(open_socket: OpenSocket, target: Target, timeout: float) -> MysqlFacts:
    """Return all facts that can be gathered within so many seconds. Whatever a server does is a fact, never an exception."""
    check = _Check(open_socket, target, time.monotonic() + timeout)
    try:
        check.run()
    except CheckEnded as ended:
        check.facts = replace(check.facts, failure=ended.failure)
    return check.facts


class _Check:
    """One check: its deadline, and the facts so far."""

    def __init__(self, open_socket: OpenSocket, target: Target, deadline: float) -> None:
        self._open = open_socket
        self._target = target
        self._deadline = deadline
        self.facts = MysqlFacts()

    def run(self) -> None:
        """Gather the facts. Raises CheckEnded if it cannot go on."""
        try:
            if self._target.logs_in:
                with self._socket() as sock, contextlib.closing(self._login(sock)) as connection:
                    self._read_facts(connection)
            else:
                self._read_greeting(self._target.verified)
        except CheckEnded as ended:
            if ended.failure.stage == "tls" and self.facts.tls.offered:
                self._show_certificate()
            raise

    def _show_certificate(self) -> None:
        """Gather the refused certificate, which best shows the reason, with a second handshake that does not log in.

        Do so only then: a server blocks a host after a hundred handshakes without a login in between (MySQL's
        documentation, max_connect_errors).
        """
        before = self.facts
        with contextlib.suppress(CheckEnded):
            self._read_greeting(verify=False)
        if self.facts.tls.certificate is None:
            self.facts = before

    def _read_greeting(self, verify: bool) -> None:
        """Gather what a server shows before a login."""
        with self._socket() as sock, self._connection(verify) as connection, as_failure("greeting", self._deadline):
            connection.greet(sock)

    @contextlib.contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        """Open a connection that ends at the deadline, whatever it is being used for."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise CheckEnded(Failure("connect", "the time was over before the connection", reason="timeout"))
        with as_failure("connect"):
            sock = self._open(left)
        if self._target.encrypted or not self._target.logs_in:
            sock = ClearLimit.over(sock)
        # TLS takes the socket over, but shutting down a copy of it still ends it.
        copy = sock.dup()
        timer = threading.Timer(max(0.0, self._deadline - time.monotonic()), _shut, (copy,))
        timer.daemon = True
        timer.start()
        sock.settimeout(max(0.1, self._deadline - time.monotonic() + 0.2))
        try:
            yield sock
        finally:
            timer.cancel()
            timer.join()
            _shut(copy)
            copy.close()
            sock.close()

    @contextlib.contextmanager
    def _connection(self, verify: bool) -> Iterator[Any]:
        """Yield a connection that is not open yet, and record what its greeting and handshake have shown."""
        target = self._target
        with as_failure("tls"):
            context = _context(target, verify) if target.encrypted else None
        connection = Connection.to(target.server_name, target.username, target.password, context)
        try:
            yield connection
        finally:
            self._record_handshake(connection, context)

    def _login(self, sock: socket.socket) -> Any:
        with self._connection(self._target.verified) as connection, as_failure("login", self._deadline):
            connection.connect(sock)
        sock = connection.socket
        if self._target.encrypted and not is_encrypted(sock):
            raise CheckEnded(NO_TLS)
        tls = replace(self.facts.tls, used=is_encrypted(sock), verified=is_verified(sock))
        self.facts = replace(self.facts, tls=tls, account=Account(plugin=connection.plugin))
        return connection

    def _record_handshake(self, connection: Any, context: Context | None) -> None:
        version = printable(getattr(connection, "server_version", ""))
        tls = context.tls if context is not None and context.tls else TlsHandshake(connection.offers_tls)
        self.facts = replace(self.facts, server=Server(own_version(version), kind_of(version, "", False)), tls=tls)

    def _read_facts(self, connection: Any) -> None:
        ask = _Queries(connection, self._deadline)
        matched, seen_from = ask.row("SELECT CURRENT_USER(), USER()", 2)
        seen_from = printable(seen_from).rpartition("@")[2]
        account = replace(self.facts.account, matched=printable(matched), seen_from=seen_from, hosts=_hosts(ask))
        self.facts = replace(self.facts, account=account)
        self.facts = replace(self.facts, server=_server(ask, self.facts.server.version), grants=_grants(ask))
        self.facts = replace(self.facts, schema=_schema(ask, connection, self._target.database, self._deadline))


class _Queries:
    """Runs read-only queries. Their texts are constants: no value is ever inserted."""

    def __init__(self, connection: Any, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def rows(self, question: str, columns: int) -> list[tuple[Any, ...]]:
        """Return the rows of the answer. Raises CheckEnded if they do not have that many columns."""
        with as_failure("query", self._deadline), self._connection.cursor() as cursor:
            cursor.execute(question)
            rows = list(cursor.fetchall())[:MOST_ROWS]
        if any(len(row) != columns for row in rows):
            raise CheckEnded(Failure("query", "the server returned other columns than requested", reason="no_mysql"))
        return rows

    def row(self, question: str, columns: int) -> tuple[Any, ...]:
        """Return the only row."""
        rows = self.rows(question, columns)
        if len(rows) != 1:
            raise CheckEnded(
                Failure("query", f"the server returned {len(rows)} rows instead of one", reason="no_mysql")
            )
        return rows[0]

    def optional(self, question: str, columns: int) -> list[tuple[Any, ...]]:
        """Return the rows; none if the account lacks the privilege, or the server does not support the query."""
        try:
            return self.rows(question, columns)
        except CheckEnded as ended:
            if not ended.failure.code or 2000 <= ended.failure.code < 3000:
                raise
            return []


def _server(ask: _Queries, version: str) -> Server:
    started = time.monotonic()
    ask.row("SELECT 1", 1)
    latency = time.monotonic() - started
    variables = {printable(name).lower(): printable(value) for name, value in ask.optional(_VARIABLES, 2)}
    status = ask.optional("SHOW STATUS LIKE 'Threads_connected'", 2)
    now = ask.optional("SELECT UTC_TIMESTAMP()", 1)
    plugins = ask.optional(
        "SELECT PLUGIN_NAME, PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'AUTHENTICATION'", 2
    )
    comment = variables.get("version_comment", "")
    return Server(
        version=version,
        kind=kind_of(version, comment, "aurora_version" in variables),
        plugins={printable(name): printable(state) for name, state in plugins},
        variables=variables,
        connections=number(status[0][1]) if status else None,
        time=now[0][0].replace(tzinfo=timezone.utc) if now and isinstance(now[0][0], datetime) else None,
        latency=latency,
    )


def _grants(ask: _Queries) -> MysqlGrants:
    """Return the current account's grants, with those of its active roles (MySQL's documentation, SHOW GRANTS)."""
    statements = [str(statement) for (statement,) in ask.optional("SHOW GRANTS", 1)]
    return grants_of(statements) if 0 < len(statements) < MOST_ROWS else MysqlGrants()


def _hosts(ask: _Queries) -> tuple[str, ...] | None:
    """Return the hosts of all accounts that the name can match, as far as they are visible."""
    found = sorted({printable(host) or "%" for (host,) in ask.optional(_HOSTS, 1)})
    return tuple(found) if 0 < len(found) < MOST_ROWS else None


def _schema(ask: _Queries, connection: Any, database: str, deadline: float) -> Schema:
    """Return the state of the database. Raises CheckEnded if it cannot be selected."""
    with as_failure("database", deadline):
        connection.select_db(database.encode())
    charset, collation = ask.row("SELECT @@character_set_database, @@collation_database", 2)
    state = ask.optional("SELECT version, dirty FROM schema_migrations LIMIT 1", 2)
    version, dirty = state[0] if state else (None, 0)
    return Schema(True, printable(charset), printable(collation), number(version), number(dirty) not in (0, None))


def _context(target: Target, verify: bool) -> Context:
    context = Context.like_go(verify)
    if verify:
        load_authority(context, target.ca_pem)
    if target.client_certificate and target.client_key:
        load_client(context, target.client_certificate, target.client_key)
    return context


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
