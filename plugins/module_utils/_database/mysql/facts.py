# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about a MySQL server, an account and a database, on which the findings are based."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..._common.certificates import Certificate
from ..._common.text import printable

__all__ = [
    "MOST_NAMES",
    "Account",
    "Failure",
    "MysqlFacts",
    "MysqlGrant",
    "MysqlGrants",
    "Schema",
    "Server",
    "TlsHandshake",
    "grants_of",
    "kind_of",
    "own_version",
    "privileges_on",
    "version_of",
]
LONGEST_NAME = 64
"""Characters of a database's name, and of a pattern for it (MySQL's documentation, Identifier Length Limits)."""
MOST_NAMES = 50
"""How many of a certificate's names are shown."""
ALL = "ALL PRIVILEGES"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Host parts of accounts that no other machine can have."""


@dataclass(frozen=True)
class Failure:
    """Where a connection ended, and the message."""

    stage: str
    """connect, greeting, tls, login, database or query."""
    words: str
    code: int = 0
    """MySQL's error code (its documentation, Server Error Message Reference); 0 if the server sent none."""
    reason: str = ""
    """What happened below MySQL: unresolved, refused, timeout, reset, no_mysql, expired, unknown_ca, self_signed, name, …"""


@dataclass(frozen=True)
class TlsHandshake:
    """The result of TLS, with what Go offers."""

    offered: bool
    version: str = ""
    cipher: str = ""
    certificate: Certificate | None = None
    """None if it was not shown, or the library that reads it is missing."""
    issuers: tuple[Certificate, ...] = ()
    """The rest of the chain that the server shows. Python gives it from 3.13 on."""
    names_host: bool | None = None
    """Whether the certificate is for the host as the registry has it; None if there is none."""
    used: bool = False
    """Whether the login used it, as the socket shows."""
    verified: bool = False
    """Whether the socket verified the certificate, its name included."""


@dataclass(frozen=True)
class Account:
    """The account that the check logged in as."""

    matched: str = ""
    """As CURRENT_USER() has it: user@host. Empty without a login."""
    plugin: str = ""
    """Its authentication plugin, according to the handshake. Empty without a login: nothing is proven then."""
    seen_from: str = ""
    """The address from which the server sees the connection come."""
    hosts: tuple[str, ...] | None = None
    """The host parts of all accounts that the name can match; None if the account may not see them."""

    @property
    def is_for_all(self) -> bool:
        """Whether clients on all other machines get this account, too.

        MySQL prefers the account with the more specific host part (its documentation, Access Control, Stage 1). So this
        one must match all addresses, and the server must be known to have no other for some of them.
        """
        return self.matched.endswith("@%") and self.hosts is not None and set(self.hosts) <= {"%", *LOOPBACK}


@dataclass(frozen=True)
class Schema:
    """The database's own state."""

    exists: bool | None = None
    """None if the account may not know."""
    charset: str = ""
    collation: str = ""
    migration: int | None = None
    """The version of the registry's tables; None if there are none, or they may not be read."""
    is_dirty: bool = False
    """Whether a migration failed half-way."""


@dataclass(frozen=True)
class Server:
    """The server's variables and state. None or empty if the server does not report them."""

    version: str = ""
    kind: str = ""
    """MySQL, MariaDB, Percona or Aurora."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Authentication plugins with their status."""
    variables: Mapping[str, str] = field(default_factory=dict)
    connections: int | None = None
    time: datetime | None = None
    latency: float | None = None
    """Seconds for one query."""


@dataclass(frozen=True)
class MysqlGrant:
    """The database privileges in one statement of SHOW GRANTS. The rest, such as a password's hash, is not kept."""

    privileges: tuple[str, ...]
    """In capitals."""
    database: str
    """A LIKE pattern; * stands for all databases."""
    account: str
    """The grantee; on MariaDB it can also be a role."""
    is_revoked: bool = False
    """Whether it restricts the grants on all databases (MySQL's partial_revokes)."""


@dataclass(frozen=True)
class MysqlGrants:
    """The grants of the account, with those of its active roles."""

    known: tuple[MysqlGrant, ...] | None = None
    """None if the server did not show them."""
    has_roles: bool = False


@dataclass(frozen=True)
class MysqlFacts:
    """All facts that one check gathers."""

    server: Server = Server()
    tls: TlsHandshake = TlsHandshake(offered=False)
    account: Account = Account()
    schema: Schema = Schema()
    grants: MysqlGrants = MysqlGrants()
    failure: Failure | None = None
    """What ended the check early."""


def kind_of(version: str, comment: str, has_aurora: bool) -> str:
    """Return the server's vendor, as far as it tells (its version, version_comment, and a variable of Aurora's own)."""
    if has_aurora:
        return "Aurora"
    words = f"{version} {comment}".lower()
    return next((kind for kind in ("MariaDB", "Percona") if kind.lower() in words), "MySQL")


def own_version(greeting: str) -> str:
    """Return the version in a greeting: MariaDB puts 5.5.5- before its own, for the sake of old clients."""
    return re.sub(r"^5\.5\.5-(?=\d+\.\d+\.\d+-mariadb)", "", greeting, flags=re.IGNORECASE)


def version_of(text: str) -> tuple[int, int, int] | None:
    """Return major, minor and patch."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", own_version(text))
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


_NAME = r"(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^`'\"\s.@]+)"
_SCOPE = re.compile(rf"({_NAME})\.\* (?:TO|FROM) ({_NAME}(?:@{_NAME})?)", re.DOTALL)
"""Each quote in it matches in one way only, so a text that does not fit fails in linear time."""


def grants_of(statements: Iterable[str]) -> MysqlGrants:
    """Parse the statements of SHOW GRANTS. The grant of a role has no database."""
    lines = list(statements)
    has_roles = any(text.startswith("GRANT ") and " ON " not in text for text in lines)
    return MysqlGrants(tuple(grant for grant in map(_read, lines) if grant is not None), has_roles)


def _read(statement: str) -> MysqlGrant | None:
    """Parse a statement of SHOW GRANTS; None if it is not about databases but, say, roles or tables."""
    verb, _blank, rest = statement.partition(" ")
    listed, _on, scope = rest.partition(" ON ")
    match = _SCOPE.match(scope)
    if verb not in ("GRANT", "REVOKE") or match is None:
        return None
    pattern = _unquoted(match[1])
    if len(pattern) > LONGEST_NAME:
        return None
    names = [printable(name.strip().upper()) for name in listed.split(",")]
    return MysqlGrant(
        (ALL,) if "ALL" in names else tuple(names), printable(pattern), printable(match[2]), verb == "REVOKE"
    )


def _unquoted(name: str) -> str:
    quote = name[0]
    return name[1:-1].replace(quote * 2, quote) if quote in "`'\"" else name


def privileges_on(database: str, grants: MysqlGrants, kind: str, ignores_case: bool) -> frozenset[str]:
    """Return the privileges that these grants give on all tables of a database, in capitals.

    kind: the server's. ignores_case: whether names that differ only in case are one database (lower_case_table_names).

    If several patterns match, only the most specific counts (MySQL's documentation, Access Control, Stage 2), on
    MariaDB for each account or role. If the account has roles, MySQL 8.0 combines all matches and 9 uses any one. All
    count then, and if equally specific, since a privilege must not be reported missing in doubt.
    """
    wanted = database.lower() if ignores_case else database
    everywhere: set[str] = set()
    revoked: set[str] = set()
    matching: dict[str, list[tuple[tuple[int, ...], MysqlGrant]]] = {}
    for grant in grants.known or ():
        parts = list(_parts(grant.database.lower() if ignores_case else grant.database))
        if grant.database == "*":
            everywhere |= set(grant.privileges)
        elif not _matches(parts, wanted):
            continue
        elif grant.is_revoked:
            revoked |= set(grant.privileges)
        else:
            matching.setdefault(grant.account, []).append((_rank(parts, kind), grant))
    privileges = everywhere - revoked
    for ranked in matching.values():
        best = max(rank for rank, _grant in ranked)
        takes_all = grants.has_roles and kind != "MariaDB"
        privileges |= {name for rank, grant in ranked if takes_all or rank == best for name in grant.privileges}
    return frozenset(privileges)


def _parts(pattern: str) -> Iterator[str]:
    """Yield the pattern's wildcards, % and _, and its other characters, each after a backslash."""
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        yield part if part in ("%", "_") else "\\" + part[-1]


def _rank(parts: list[str], kind: str) -> tuple[int, ...]:
    """Return how specific a pattern is. Observed on MySQL 5.7, 8.0 and 9.x, and on MariaDB 10.11.

    MySQL compares the length before the first wildcard. MariaDB compares first whether there is a %, then the rest.
    """
    wildcards = [place for place, part in enumerate(parts) if part in ("%", "_")]
    if not wildcards:
        return (1,)
    if kind == "MariaDB":
        literals = len(parts) - len(wildcards)
        return (0, "%" not in parts, len(parts) - parts.count("%"), literals)
    # MySQL counts an escape before the first wildcard as a character of its own, and ranks % alone last.
    escapes = sum(part in ("\\_", "\\%") for part in parts[: wildcards[0]])
    return (0, parts != ["%"], wildcards[0] + escapes)


def _matches(parts: list[str], name: str) -> bool:
    """Match as LIKE does. Of several %, retrying the last is enough: no other can match more."""
    at = index = 0
    retry = (-1, 0)
    while index < len(name):
        part = parts[at] if at < len(parts) else ""
        if part == "%":
            at += 1
            retry = (at, index)
        elif part in ("_", "\\" + name[index]):
            at, index = at + 1, index + 1
        elif retry[0] >= 0:
            retry = (retry[0], retry[1] + 1)
            at, index = retry
        else:
            return False
    return all(part == "%" for part in parts[at:])
