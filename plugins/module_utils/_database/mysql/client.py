# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to a MySQL server: gather facts over given sockets, in bounded time and memory. It writes nothing."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ..._common.errors import RegistryError
from ..._common.finding import Finding
from ..._common.model import Database, Tls
from ..._common.text import number, printable
from ..connection import OpenSocket, Path
from ..credentials import Credentials
from ..effective import verifies
from ..inspection import Inspection, Subject, inspection_of
from .confidence import CheckContext
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
    verify_reason,
)

OLDEST, TOO_NEW = (1, 2), (2,)
"""Of PyMySQL. Older releases log in without TLS to a server that offers none, even if TLS is required."""
OVERRIDDEN = (
    "_request_authentication",
    "_get_auth_plugin_handler",
    "_read_bytes",
    "_force_close",
    "_sock",
    "connect",
    "write_packet",
    "select_db",
)
"""What this file overrides or uses of PyMySQL's connection. If one is missing, secrets that are withheld would be sent."""


def unfit(version: tuple[Any, ...], connection: type) -> str:
    """Return why this PyMySQL cannot be used; empty if it can."""
    numbers = tuple(version[:2])
    if not OLDEST <= numbers < TOO_NEW:
        return f"version {'.'.join(map(str, version[:3]))} is installed"
    lost = [name for name in OVERRIDDEN if not hasattr(connection, name)]
    return f"its Connection has no {lost[0]}" if lost else ""


try:
    import pymysql
    from pymysql.constants import CLIENT
except ImportError:
    UNFIT = "it is not installed"
    """Why no MySQL server can be queried; empty if one can."""
    BASE: Any = object
    ERRORS: tuple[type[Exception], ...] = ()
else:
    UNFIT = unfit(pymysql.VERSION, pymysql.connections.Connection)
    BASE = pymysql.connections.Connection
    ERRORS = (pymysql.err.MySQLError,)

try:
    from cryptography.exceptions import UnsupportedAlgorithm
except ImportError:
    # Certificates are then not read, and no password is encrypted with a server's key.
    pass
else:
    ERRORS = (*ERRORS, UnsupportedAlgorithm)

__all__ = ["UNFIT", "Target", "gather", "inspect", "require_pymysql", "unfit"]

LARGEST_PACKET = 1024 * 1024
"""Bytes of one packet. The expected answers have a few hundred."""
MOST_BYTES = 4 * LARGEST_PACKET
"""Bytes of one connection."""
MOST_ROWS = 1000
"""Of one answer. An account with more grants is not evaluated by them."""
PROTOCOL_ERRORS: tuple[type[Exception], ...] = (
    *ERRORS,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""PyMySQL's own errors, and those it raises on bytes that are not MySQL's, since it trusts servers."""
_VARIABLES = """SHOW VARIABLES WHERE Variable_name IN ('version_comment', 'aurora_version', 'require_secure_transport',
'default_authentication_plugin', 'authentication_policy', 'sql_mode', 'max_connections', 'max_user_connections',
'read_only', 'super_read_only', 'innodb_read_only', 'lower_case_table_names', 'sql_require_primary_key',
'sql_generate_invisible_primary_key', 'innodb_force_primary_key', 'pxc_strict_mode')"""
UTF8MB4 = 45
"""The number of the collation utf8mb4_general_ci."""
NO_TLS_CODE = 2026
"""PyMySQL's code for a server that offers no TLS."""
NEEDS = re.compile(r"'(cryptography|pynacl)' package is required")
"""PyMySQL's message if the library that an account's plugin needs is missing."""
_HOSTS = """SELECT Host FROM mysql.user WHERE User = LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1)
OR (User = '' AND Host <> '%')"""
"""An account without a name matches every user from its hosts, and precedes one of the name for all hosts."""
REFUSED_PLUGINS = ("mysql_clear_password", "mysql_old_password", "dialog", "authentication_openid_connect_client")
"""Plugins that would send the password in plain text, or hardly hidden, to any server that asks."""


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


def require_pymysql() -> None:
    """Raise RegistryError if the MySQL client is not installed here, or is a release that must not be used."""
    if UNFIT:
        why = f"{UNFIT} for {sys.executable}, the Python that runs this module, and 1.2 or newer, below 2, is needed"
        raise RegistryError("PyMySQL", why, f"Run: {sys.executable} -m pip install 'PyMySQL[rsa]>=1.2,<2'")


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
        with self._socket() as sock, self._connection(verify) as connection, _as_failure("greeting", self._deadline):
            connection.greet(sock)

    @contextlib.contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        """Open a connection that ends at the deadline, whatever it is being used for."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise CheckEnded(Failure("connect", "the time was over before the connection", reason="timeout"))
        with _as_failure("connect"):
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
        with _as_failure("tls"):
            context = _context(target, verify) if target.encrypted else None
        connection = _Connection(
            host=target.server_name,
            user=target.username.encode(),
            password=target.password,
            charset="utf8mb4",
            ssl=context,
            ssl_disabled=context is None,
            auth_plugin_map=dict.fromkeys(REFUSED_PLUGINS, _Refusal),
            defer_connect=True,
            autocommit=None,
        )
        try:
            yield connection
        finally:
            self._record_handshake(connection, context)

    def _login(self, sock: socket.socket) -> Any:
        with self._connection(self._target.verified) as connection, _as_failure("login", self._deadline):
            connection.connect(sock)
        sock = connection.socket
        if self._target.encrypted and not is_encrypted(sock):
            raise CheckEnded(NO_TLS)
        tls = replace(self.facts.tls, used=is_encrypted(sock), verified=is_verified(sock))
        self.facts = replace(self.facts, tls=tls, account=Account(plugin=connection.plugin))
        return connection

    def _record_handshake(self, connection: Any, context: Context | None) -> None:
        version = printable(getattr(connection, "server_version", ""))
        offered = bool(getattr(connection, "server_capabilities", 0) & CLIENT.SSL)
        tls = context.tls if context is not None and context.tls else TlsHandshake(offered)
        self.facts = replace(self.facts, server=Server(own_version(version), kind_of(version, "", False)), tls=tls)

    def _read_facts(self, connection: Any) -> None:
        ask = _Queries(connection, self._deadline)
        matched, seen_from = ask.row("SELECT CURRENT_USER(), USER()", 2)
        seen_from = printable(seen_from).rpartition("@")[2]
        account = replace(self.facts.account, matched=printable(matched), seen_from=seen_from, hosts=_hosts(ask))
        self.facts = replace(self.facts, account=account)
        self.facts = replace(self.facts, server=_server(ask, self.facts.server.version), grants=_grants(ask))
        self.facts = replace(self.facts, schema=_schema(ask, connection, self._target.database, self._deadline))


class _Refusal:
    """Ends a login rather than reveal the password."""

    def __init__(self, connection: Any) -> None:
        """Ignore the connection that PyMySQL passes."""

    def authenticate(self, _packet: Any) -> None:
        """Raise an error."""
        raise pymysql.err.OperationalError(
            2059, "a registry server does not support the account's authentication plugin"
        )


class _Greeted(Exception):
    """Leaves PyMySQL's connect() before the login."""


class _Connection(BASE):  # type: ignore[misc]
    """A connection that limits what is read: PyMySQL itself reads whatever length a server announces."""

    _sock: Any
    _read_so_far = 0
    _only_greets = False
    plugin = ""
    """The authentication plugin that the server named last: the account's, once it has logged in."""

    def greet(self, sock: socket.socket) -> None:
        """Read the server's greeting, and do the TLS handshake if the connection is to be encrypted. Do not log in."""
        self._only_greets = True
        with contextlib.suppress(_Greeted):
            self.connect(sock)

    @property
    def socket(self) -> object:
        """The socket in use now."""
        return self._sock

    def _request_authentication(self) -> None:
        if not self._only_greets:
            super()._request_authentication()
            return
        if self.ssl:
            self._start_tls()
        raise _Greeted

    def _start_tls(self) -> None:
        """Do what PyMySQL does before it sends the login (MySQL's documentation, Protocol::SSLRequest)."""
        if not self.server_capabilities & CLIENT.SSL:
            raise CheckEnded(NO_TLS)
        flags = self.client_flag | CLIENT.SSL
        self.write_packet(struct.pack("<iIB23x", flags, LARGEST_PACKET, UTF8MB4))
        self._sock = self.ctx.wrap_socket(self._sock, server_hostname=self.host)

    def _get_auth_plugin_handler(self, plugin_name: Any) -> Any:
        name = plugin_name.decode("ascii", "replace") if isinstance(plugin_name, bytes) else str(plugin_name)
        self.plugin = printable(name) or self.plugin
        return super()._get_auth_plugin_handler(plugin_name)

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._read_so_far += num_bytes
        if num_bytes > LARGEST_PACKET or self._read_so_far > MOST_BYTES:
            self._force_close()
            raise CheckEnded(Failure("greeting", f"a packet of {num_bytes} bytes was announced", reason="no_mysql"))
        data: bytes = super()._read_bytes(num_bytes)
        return data


class _Queries:
    """Runs read-only queries. Their texts are constants: no value is ever inserted."""

    def __init__(self, connection: Any, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def rows(self, question: str, columns: int) -> list[tuple[Any, ...]]:
        """Return the rows of the answer. Raises CheckEnded if they do not have that many columns."""
        with _as_failure("query", self._deadline), self._connection.cursor() as cursor:
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
    with _as_failure("database", deadline):
        connection.select_db(database.encode())
    charset, collation = ask.row("SELECT @@character_set_database, @@collation_database", 2)
    state = ask.optional("SELECT version, dirty FROM schema_migrations LIMIT 1", 2)
    version, dirty = state[0] if state else (None, 0)
    return Schema(True, printable(charset), printable(collation), number(version), number(dirty) not in (0, None))


@contextlib.contextmanager
def _as_failure(stage: str, deadline: float | None = None) -> Iterator[None]:
    """Turn any error of a server or the network into CheckEnded."""
    try:
        yield
    except CheckEnded as ended:
        if ended.failure.stage == "greeting" and stage != "greeting":
            raise CheckEnded(replace(ended.failure, stage=stage)) from None
        raise
    except ssl.SSLError as error:
        raise CheckEnded(_tls_failure(error, deadline)) from None
    except (OSError, EOFError) as error:
        raise CheckEnded(_network(stage, error)) from None
    except PROTOCOL_ERRORS as error:
        raise CheckEnded(_mysql_failure(stage, error, deadline)) from None


def _network(stage: str, error: BaseException) -> Failure:
    reasons = (
        (socket.gaierror, "unresolved"),
        (ConnectionRefusedError, "refused"),
        (TimeoutError, "timeout"),
        (socket.timeout, "timeout"),
        (ConnectionError, "reset"),
        (EOFError, "reset"),
    )
    reason = next((reason for kind, reason in reasons if isinstance(error, kind)), "network")
    return Failure(stage, printable(error) or "the connection was closed", reason=reason)


def _tls_failure(error: ssl.SSLError, deadline: float | None) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure("tls", printable(error.verify_message), reason=verify_reason(error.verify_code))
    if isinstance(error, ssl.SSLEOFError) and deadline is not None and time.monotonic() >= deadline:
        return Failure("tls", "the server did not answer in time", reason="timeout")
    return Failure("tls", printable(error.reason or error), reason="handshake")


def _mysql_failure(stage: str, error: Exception, deadline: float | None) -> Failure:
    """Return the failure. PyMySQL raises its own errors for a server's messages, any other if it is not MySQL."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLError):
        return _tls_failure(cause, deadline)
    known = isinstance(error, pymysql.err.MySQLError) and len(error.args) > 1 and isinstance(error.args[0], int)
    if known and not 2000 <= error.args[0] < 2059:
        return Failure(stage, printable(error.args[1]), error.args[0])
    if deadline is not None and time.monotonic() >= deadline:
        return Failure(stage, "the server did not answer in time", reason="timeout")
    if known and error.args[0] == NO_TLS_CODE:
        return NO_TLS
    if known:
        return Failure(stage, printable(error.args[1]), reason="reset")
    lacks = NEEDS.search(str(error)) if stage == "login" else None
    if lacks:
        return Failure(stage, f"the account's plugin needs the package {lacks[1]}", reason=f"no_{lacks[1]}")
    return Failure(stage, f"the answer is not MySQL's protocol ({type(error).__name__})", reason="no_mysql")


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
