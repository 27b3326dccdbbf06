# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a MySQL server, an account and a database: the facts that mysql_rules judges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = [
    "Account",
    "Certificate",
    "Failure",
    "Grants",
    "MysqlFacts",
    "Schema",
    "Server",
    "Tls",
    "kind_of",
    "own_version",
    "printable",
    "privileges_on",
    "version_of",
]

LONGEST = 300
"""Characters of a server's words that are shown."""
ALL = "ALL PRIVILEGES"


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


@dataclass(frozen=True)
class Tls:
    """What came of TLS, with what Go offers."""

    offered: bool
    version: str = ""
    cipher: str = ""
    certificate: Certificate | None = None
    """None where it was not shown, or the library that reads it is missing."""
    used: bool = False
    """Whether the login went over it."""
    verified: bool = False


@dataclass(frozen=True)
class Account:
    """Who has logged in."""

    matched: str = ""
    """As CURRENT_USER() has it: user@host. Empty where nobody has."""
    plugin: str = ""
    """Its authentication plugin, as the handshake has told. Empty where nobody has logged in: nothing is proven then."""
    seen_from: str = ""
    """The address that the server has seen the connection come from."""


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
class Grants:
    """The statements of SHOW GRANTS, with those of the roles that are active."""

    statements: tuple[str, ...] | None = None
    """None where they were not shown."""


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


def printable(value: object) -> str:
    """A server's words as they can be shown: no control characters, no terminal escapes, not too long."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:LONGEST])
    return safe + ("…" if len(text) > LONGEST else "")


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


def privileges_on(database: str, statements: Iterable[str]) -> frozenset[str]:
    """The privileges that these grants give on all tables of a database, in capitals.

    Of several grants on databases, MySQL takes the most specific: an exact name goes before patterns (its documentation,
    Access Control, Stage 2). Revokes are those of partial_revokes.
    """
    everywhere: set[str] = set()
    exact: set[str] = set()
    patterns: set[str] = set()
    revoked: set[str] = set()
    for verb, privileges, scope in filter(None, map(_parse, statements)):
        if verb == "REVOKE":
            revoked |= privileges if _unescaped(scope) == database else set()
        elif scope == "*":
            everywhere |= privileges
        elif _unescaped(scope) == database:
            exact |= privileges
        elif _matches(scope, database):
            patterns |= privileges
    return frozenset((everywhere - revoked) | (exact or patterns))


_GRANT = re.compile(r"(GRANT|REVOKE) (.+?) ON ([`\"]?)(\*|(?:[^`\"]|``|\"\")+)\3\.\* (?:TO|FROM) ", re.DOTALL)


def _parse(statement: str) -> tuple[str, set[str], str] | None:
    """Verb, privileges and the database's pattern; None for what is about something else, such as roles and tables."""
    found = _GRANT.match(statement)
    if found is None:
        return None
    names = {name.strip().upper() for name in found[2].split(",")}
    return found[1], {ALL} if "ALL" in names else names, found[4].replace("``", "`")


def _unescaped(pattern: str) -> str | None:
    """The only name that a pattern stands for; None where it has a wildcard."""
    if re.search(r"(?<!\\)[%_]", pattern):
        # A name with an underscore that nobody has escaped is a pattern that matches the name itself, too.
        return pattern if "%" not in pattern and "\\" not in pattern else None
    return re.sub(r"\\([%_])", r"\1", pattern)


def _matches(pattern: str, database: str) -> bool:
    parts = re.findall(r"\\[%_]|%|_|.", pattern, re.DOTALL)
    regex = "".join({"%": ".*", "_": "."}.get(part, re.escape(part.lstrip("\\") or part)) for part in parts)
    return re.fullmatch(regex, database, re.DOTALL) is not None
