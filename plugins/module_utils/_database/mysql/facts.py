# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a MySQL server, an account and a database: the facts that mysql_rules judges."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..._common.text import printable

__all__ = [
    "MOST_NAMES",
    "Account",
    "Certificate",
    "Failure",
    "Grant",
    "Grants",
    "MysqlFacts",
    "Schema",
    "Server",
    "Tls",
    "grants_of",
    "kind_of",
    "names_host",
    "own_version",
    "privileges_on",
    "version_of",
]
LONGEST_NAME = 64
"""Characters of a database's name, and of a pattern for it (MySQL's documentation, Identifier Length Limits)."""
MOST_NAMES = 50
"""Of a certificate, that are shown."""
ALL = "ALL PRIVILEGES"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Host parts of accounts that no other machine is given."""


@dataclass(frozen=True)
class Failure:
    """Where a connection ended, and in whose words."""

    stage: str
    """connect, greeting, tls, login, database or query."""
    words: str
    code: int = 0
    """Of MySQL (its documentation, Server Error Message Reference); 0 where the server has said nothing."""
    reason: str = ""
    """What happened below MySQL: unresolved, refused, timeout, reset, no_mysql, expired, unknown_ca, self_signed, name, …"""


@dataclass(frozen=True)
class Certificate:
    """What the server shows of itself."""

    subject: str
    expires: datetime
    issuer: str = ""
    names: tuple[str, ...] = ()
    """Its subject alternative names: hosts and addresses."""


@dataclass(frozen=True)
class Tls:
    """What came of TLS, with what Go offers."""

    offered: bool
    version: str = ""
    cipher: str = ""
    certificate: Certificate | None = None
    """None where it was not shown, or the library that reads it is missing."""
    issuers: tuple[Certificate, ...] = ()
    """The rest of the chain that the server shows. Python tells it from 3.13 on."""
    names_host: bool | None = None
    """Whether the certificate is for the host as the registry has it; None where none was seen."""
    used: bool = False
    """Whether the login went over it, as the socket shows."""
    verified: bool = False
    """Whether the socket has verified the certificate, its name included."""


@dataclass(frozen=True)
class Account:
    """Who has logged in."""

    matched: str = ""
    """As CURRENT_USER() has it: user@host. Empty where nobody has."""
    plugin: str = ""
    """Its authentication plugin, as the handshake has told. Empty where nobody has logged in: nothing is proven then."""
    seen_from: str = ""
    """The address that the server has seen the connection come from."""
    hosts: tuple[str, ...] | None = None
    """The host parts of all accounts that the name can be matched with; None where the account may not see them."""

    @property
    def is_for_all(self) -> bool:
        """Whether clients of all other machines are given this account, too.

        MySQL prefers the account with the more specific host part (its documentation, Access Control, Stage 1): so it is
        of all addresses, and it was seen that there is none for some.
        """
        return self.matched.endswith("@%") and self.hosts is not None and set(self.hosts) <= {"%", *LOOPBACK}


@dataclass(frozen=True)
class Schema:
    """The database's own state."""

    exists: bool | None = None
    """None where the account may not know."""
    charset: str = ""
    collation: str = ""
    migration: int | None = None
    """The version of the registry's tables; None where there are none, or they may not be read."""
    is_dirty: bool = False
    """Whether a migration has died half-way."""


@dataclass(frozen=True)
class Server:
    """The server's variables and state. None and empty where it does not say."""

    version: str = ""
    kind: str = ""
    """MySQL, MariaDB, Percona or Aurora."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Authentication plugins with their status."""
    variables: Mapping[str, str] = field(default_factory=dict)
    connections: int | None = None
    time: datetime | None = None
    latency: float | None = None
    """Seconds for one question and its answer."""


@dataclass(frozen=True)
class Grant:
    """What one statement of SHOW GRANTS says of databases. The rest of it, such as a password's hash, is not kept."""

    privileges: tuple[str, ...]
    """In capitals."""
    database: str
    """A pattern as LIKE has it; * stands for all databases."""
    account: str
    """Whose it is: on MariaDB also a role's."""
    is_revoked: bool = False
    """Whether it takes away from the grants on all databases (MySQL's partial_revokes)."""


@dataclass(frozen=True)
class Grants:
    """The grants of the account, with those of the roles that are active."""

    known: tuple[Grant, ...] | None = None
    """None where they were not shown."""
    has_roles: bool = False


@dataclass(frozen=True)
class MysqlFacts:
    """All that one check has found out."""

    server: Server = Server()
    tls: Tls = Tls(offered=False)
    account: Account = Account()
    schema: Schema = Schema()
    grants: Grants = Grants()
    failure: Failure | None = None
    """What ended the check early."""


def names_host(names: Iterable[str], host: str) -> bool:
    """Whether a certificate with these names is for the host, as Go has it (documentation of crypto/x509).

    A name's first label may be a ``*``, which stands for one label.
    """
    wanted = host.rstrip(".").lower()
    try:
        address = ipaddress.ip_address(wanted)
    except ValueError:
        return any(name.lower() in (wanted, "*." + wanted.partition(".")[2]) for name in names)
    return str(address) in names


def kind_of(version: str, comment: str, has_aurora: bool) -> str:
    """Who has made the server, as far as it tells (its version, version_comment, and a variable of Aurora's own)."""
    if has_aurora:
        return "Aurora"
    words = f"{version} {comment}".lower()
    return next((kind for kind in ("MariaDB", "Percona") if kind.lower() in words), "MySQL")


def own_version(greeting: str) -> str:
    """The version out of a greeting: MariaDB puts 5.5.5- before its own, for old clients' sake."""
    return re.sub(r"^5\.5\.5-(?=\d+\.\d+\.\d+-mariadb)", "", greeting, flags=re.IGNORECASE)


def version_of(text: str) -> tuple[int, int, int] | None:
    """Major, minor and patch."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", own_version(text))
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


_NAME = r"(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^`'\"\s.@]+)"
_SCOPE = re.compile(rf"({_NAME})\.\* (?:TO|FROM) ({_NAME}(?:@{_NAME})?)", re.DOTALL)
"""Each quote in it is read in one way only: so a text that does not fit is given up in linear time."""


def grants_of(statements: Iterable[str]) -> Grants:
    """What the statements of SHOW GRANTS say. The grant of a role is on nothing."""
    told = list(statements)
    has_roles = any(text.startswith("GRANT ") and " ON " not in text for text in told)
    return Grants(tuple(grant for grant in map(_read, told) if grant is not None), has_roles)


def _read(statement: str) -> Grant | None:
    """What a statement of SHOW GRANTS says of databases; None for what is about something else, as roles and tables are."""
    verb, _blank, rest = statement.partition(" ")
    listed, _on, scope = rest.partition(" ON ")
    found = _SCOPE.match(scope)
    if verb not in ("GRANT", "REVOKE") or found is None:
        return None
    pattern = _unquoted(found[1])
    if len(pattern) > LONGEST_NAME:
        return None
    names = [printable(name.strip().upper()) for name in listed.split(",")]
    return Grant((ALL,) if "ALL" in names else tuple(names), printable(pattern), printable(found[2]), verb == "REVOKE")


def _unquoted(name: str) -> str:
    quote = name[0]
    return name[1:-1].replace(quote * 2, quote) if quote in "`'\"" else name


def privileges_on(database: str, grants: Grants, kind: str, ignores_case: bool) -> frozenset[str]:
    """The privileges that these grants give on all tables of a database, in capitals.

    kind: the server's. ignores_case: whether names of databases in other capitals are the same (lower_case_table_names).

    Of several patterns for a database the most specific counts alone (MySQL's documentation, Access Control, Stage 2),
    for each account or role on MariaDB. MySQL goes another way for an account with roles: 8.0 takes all that match, 9 any
    of them. Then all are taken here, and so where two are as specific: what nobody knows keeps nobody from working.
    """
    wanted = database.lower() if ignores_case else database
    everywhere: set[str] = set()
    revoked: set[str] = set()
    matching: dict[str, list[tuple[tuple[int, ...], Grant]]] = {}
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
    found = everywhere - revoked
    for ranked in matching.values():
        best = max(rank for rank, _grant in ranked)
        takes_all = grants.has_roles and kind != "MariaDB"
        found |= {name for rank, grant in ranked if takes_all or rank == best for name in grant.privileges}
    return frozenset(found)


def _parts(pattern: str) -> Iterator[str]:
    """Its wildcards, % and _, and its other characters, each after a backslash."""
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        yield part if part in ("%", "_") else "\\" + part[-1]


def _rank(parts: list[str], kind: str) -> tuple[int, ...]:
    """How specific a pattern is. Seen on MySQL 5.7, 8.0 and 9.x, and on MariaDB 10.11.

    MySQL looks how long it is before the first wildcard, MariaDB first whether it has a %, then at what else is in it.
    """
    wildcards = [place for place, part in enumerate(parts) if part in ("%", "_")]
    if not wildcards:
        return (1,)
    if kind == "MariaDB":
        literals = len(parts) - len(wildcards)
        return (0, "%" not in parts, len(parts) - parts.count("%"), literals)
    # An escape before it is a character of its own here, and % alone comes last.
    escapes = sum(part in ("\\_", "\\%") for part in parts[: wildcards[0]])
    return (0, parts != ["%"], wildcards[0] + escapes)


def _matches(parts: list[str], name: str) -> bool:
    """As LIKE does. Of several % only the last is tried again, which is enough: it takes no more than one by the other."""
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
