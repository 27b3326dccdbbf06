# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Will a registry be able to use this MySQL database? From facts to findings, each with its fix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Callable

from ..._common.finding import MIGRATIONS, MYSQL, PRODUCT, Finding, severest_first
from ..._registry.failure_causes import NEEDED
from ..host import RELAY
from ..plugin_requirement import NATIVE
from .confidence import OF_ACCOUNT, CheckContext, downgrade_unless_proven
from .connection_rules import broken, certificate, transport
from .facts import ALL, Failure, MysqlFacts, privileges_on, version_of

__all__ = ["mysql_findings"]

VITAL = ("CREATE", "SELECT", "INSERT", "DELETE")
"""Those without which registry server 0.3 fails to start on an empty database, seen on MySQL 5.7, 8.0 and MariaDB 10.11."""
NATIVE_PLUGIN = "mysql_native_password"
KNOWN_PLUGINS = (NATIVE_PLUGIN, "caching_sha2_password", "sha256_password", "client_ed25519")
"""Plugins that the registry server's driver supports (documentation of go-sql-driver/mysql)."""
KEY_VARIABLES = {"sql_require_primary_key": 3750, "innodb_force_primary_key": 1173}
"""Of MySQL from 8.0.13 on and of MariaDB, with the error that each raises."""
OWN_KEYS = "sql_generate_invisible_primary_key"
KEYLESS_MIGRATION = 8
"""The step of registry server 0.3 that creates a table without a primary key."""
FEW_CONNECTIONS = 5
CLOCK_SKEW = timedelta(minutes=1)


def mysql_findings(facts: MysqlFacts, context: CheckContext) -> tuple[Finding, ...]:
    """Return all findings, the most severe first."""
    rules = _FAILED if facts.failure else ()
    found = [downgrade_unless_proven(one, facts, context) for rule in (*rules, *_RULES) for one in rule(facts, context)]
    return tuple(severest_first(sorted(found, key=lambda one: one.code)))


def account_name(facts: MysqlFacts, context: CheckContext) -> str:
    """Return the account in SQL. Before a login, its host is any."""
    user, _at, host = (facts.account.matched or f"{context.username}@%").rpartition("@")
    return f"{_text(user)}@{_text(host)}"


def _text(value: str) -> str:
    """Return a string literal for any sql_mode: quotes are doubled, backslashes dropped, as account names have none."""
    return "'" + value.replace("\\", "").replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _grant(privileges: str, facts: MysqlFacts, context: CheckContext) -> str:
    # An underscore in a name is a wildcard in a grant unless it is escaped.
    scope = _identifier(context.database.replace("_", "\\_").replace("%", "\\%"))
    return f"GRANT {privileges} ON {scope}.* TO {account_name(facts, context)};"


def _create(context: CheckContext) -> str:
    return f"CREATE DATABASE {_identifier(context.database)} CHARACTER SET utf8mb4;"


def _set_plugin(plugin: str, facts: MysqlFacts, context: CheckContext) -> str:
    return f"ALTER USER {account_name(facts, context)} IDENTIFIED WITH {plugin} BY '<password>';"


def _login_failed(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    """Yield findings about MySQL's own error."""
    failure = facts.failure or Failure("", "")
    make = _BY_CODE.get(failure.code)
    if make is not None:
        yield make(facts, context, failure.words)
    elif failure.code:
        what = f"server at {context.host}"
        why = f"error {failure.code}: {failure.words}"
        code, severity = ("query_failed", "warning") if failure.stage == "query" else ("database_error", "blocker")
        yield Finding(code, severity, what, why, "Look the error up in the server's documentation.", MYSQL)


def _denied(facts: MysqlFacts, context: CheckContext, message: str) -> Finding:
    remedy = f"Check database.username and database.password. To set it:\nALTER USER {account_name(facts, context)} IDENTIFIED BY '<password>';"
    if not context.encrypted:
        remedy += "\nAn account with REQUIRE SSL gets the same error: give database.tls for it."
    number = facts.failure.code if facts.failure else 1045
    why = f"error {number}: {message}. Its plugin cannot be checked before a login succeeds"
    return Finding("access_denied", "blocker", _account(context), why, remedy, MYSQL)


def _host_denied(facts: MysqlFacts, context: CheckContext, message: str) -> Finding:
    remedy = f"Create the account for the pods' addresses:\nCREATE USER {account_name(facts, context)} IDENTIFIED BY '<password>';"
    return Finding("host_denied", "blocker", _account(context), f"error 1130: {message}", remedy, MYSQL)


def _no_database(facts: MysqlFacts, context: CheckContext, message: str) -> Finding:
    why = f"error 1049: {message}. The registry server does not create it"
    remedy = f"{_create(context)}\n{_grant(', '.join(NEEDED), facts, context)}"
    return Finding("database_missing", "blocker", _database(context), why, remedy, PRODUCT)


def _database_denied(facts: MysqlFacts, context: CheckContext, message: str) -> Finding:
    why = f"error 1044: {message}. MySQL says the same of a database that does not exist"
    remedy = f"{_grant(', '.join(NEEDED), facts, context)}\nIf it does not exist:\n{_create(context)}"
    return Finding("database_denied", "blocker", _database(context), why, remedy, MYSQL)


def _not_loaded(facts: MysqlFacts, context: CheckContext, message: str) -> Finding:
    version = version_of(facts.server.version) or (0, 0, 0)
    remedy = f"Load the plugin in the server, or give the account another one:\n{_set_plugin('caching_sha2_password', facts, context)}"
    if NATIVE_PLUGIN in message and facts.server.kind != "MariaDB":
        remedy = f"Start the server with mysql_native_password=ON, or give the account another plugin:\n{_set_plugin('caching_sha2_password', facts, context)}"
        if version >= (9, 0, 0):
            remedy = (
                f"MySQL 9 no longer has mysql_native_password:\n{_set_plugin('caching_sha2_password', facts, context)}"
            )
            if context.required_plugin == NATIVE:
                remedy = "This release needs mysql_native_password, which MySQL 9 no longer has: use MySQL 8.0 or MariaDB, or upgrade OpenShift AI to 2.23."
    return Finding("plugin_missing", "blocker", _account(context), f"error 1524: {message}", remedy, MYSQL)


def _unknown_plugin(facts: MysqlFacts, context: CheckContext, message: str) -> Finding:
    wanted = (
        NATIVE_PLUGIN
        if context.required_plugin == NATIVE or facts.server.kind == "MariaDB"
        else "caching_sha2_password"
    )
    why = f"{message}. A registry server supports {', '.join(KNOWN_PLUGINS)}"
    return Finding("plugin_unknown", "blocker", _account(context), why, _set_plugin(wanted, facts, context), MYSQL)


def _simple(code: str, number: int, remedy: str) -> Callable[[MysqlFacts, CheckContext, str], Finding]:
    """Return a maker of a blocker from the server's error. {account} in the remedy stands for the account."""

    def make(facts: MysqlFacts, context: CheckContext, message: str) -> Finding:
        what = _account(context) if code in OF_ACCOUNT else f"server at {context.host}"
        return Finding(
            code,
            "blocker",
            what,
            f"error {number}: {message}",
            remedy.format(account=account_name(facts, context)),
            MYSQL,
        )

    return make


def _resource(facts: MysqlFacts, context: CheckContext, message: str) -> Finding:
    """Read from the message whether error 1226 means current connections, or the account's use in the last hour."""
    found = re.search(r"max_(?:queries|updates|connections)_per_hour", message)
    name = found[0].upper() if found else "MAX_USER_CONNECTIONS"
    remedy = f"ALTER USER {account_name(facts, context)} WITH {name} 0;"
    code = "account_hourly" if found else "account_connections"
    return Finding(code, "blocker", _account(context), f"error 1226: {message}", remedy, MYSQL)


_TOO_MANY = "End unneeded connections, or raise max_connections:\nSET GLOBAL max_connections = 500;"
_ACCOUNT_LIMIT = "ALTER USER {account} WITH MAX_USER_CONNECTIONS 0;"
_EXPIRED = "ALTER USER {account} IDENTIFIED BY '<password>' PASSWORD EXPIRE NEVER;"
_TLS_ONLY = "Give database.tls with the authority that signed the server's certificate."
_BY_CODE: dict[int, Callable[[MysqlFacts, CheckContext, str], Finding]] = {
    1040: _simple("too_many_connections", 1040, _TOO_MANY),
    1044: _database_denied,
    1045: _denied,
    1049: _no_database,
    1129: _simple(
        "host_blocked", 1129, "FLUSH HOSTS;\nOn MySQL 8.4 and newer:\nTRUNCATE TABLE performance_schema.host_cache;"
    ),
    1130: _host_denied,
    1203: _simple("account_connections", 1203, "SET GLOBAL max_user_connections = 0;"),
    1226: _resource,
    1251: _unknown_plugin,
    1524: _not_loaded,
    1698: _denied,
    1820: _simple("password_expired", 1820, _EXPIRED),
    1862: _simple("password_expired", 1862, _EXPIRED),
    2059: _unknown_plugin,
    3118: _simple("account_locked", 3118, "ALTER USER {account} ACCOUNT UNLOCK;"),
    3159: _simple("tls_required", 3159, _TLS_ONLY),
    4031: _simple("tls_required", 4031, _TLS_ONLY),
    4151: _simple("account_locked", 4151, "ALTER USER {account} ACCOUNT UNLOCK;"),
}
"""Of MySQL and MariaDB (their documentation, error messages). 4000 and above are MariaDB's own."""


def _plugin(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    plugin, needs_native = facts.account.plugin, context.required_plugin == NATIVE
    if not facts.account.matched:
        if needs_native and facts.failure and facts.failure.code in (1045, 1130):
            why = "a server shows the account's plugin only after a login, and the login failed"
            yield Finding("plugin_unproven", "info", _account(context), why, "Fix the login first.", PRODUCT)
        return
    if needs_native and not plugin:
        why = f"the server does not show its plugin, and ML Metadata in this release supports only {NATIVE_PLUGIN}"
        remedy = f"As the server's administrator, run:\nSHOW CREATE USER {account_name(facts, context)};"
        yield Finding("plugin_unproven", "info", _account(context), why, remedy, PRODUCT)
        return
    if needs_native and plugin != NATIVE_PLUGIN:
        why = f"its plugin is {plugin}, and ML Metadata in this release supports only {NATIVE_PLUGIN}"
        remedy = _set_plugin(NATIVE_PLUGIN, facts, context)
        version = version_of(facts.server.version) or (0, 0, 0)
        if facts.server.kind != "MariaDB" and version >= (9, 0, 0):
            remedy = "MySQL 9 has no mysql_native_password: use MySQL 8.0 or MariaDB, or upgrade OpenShift AI to 2.23."
        elif facts.server.kind != "MariaDB" and version >= (8, 4, 0):
            remedy = f"Start the server with mysql_native_password=ON, then:\n{remedy}"
        yield Finding("plugin_native", "blocker", _account(context), why, remedy, PRODUCT)
    elif plugin and plugin not in KNOWN_PLUGINS:
        yield _unknown_plugin(facts, context, f"its plugin is {plugin}")


def _account_host(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    account = facts.account
    if not account.matched or context.path == RELAY or account.is_for_all:
        return
    what, seen_from = f"account {account.matched}", account.seen_from or "here"
    why = f"the server matched it for a connection from {seen_from}; the registry's pods have other addresses"
    if account.matched.endswith("@%") and account.hosts is None:
        why += ". The server would prefer an account for those addresses, and this account may not see whether there is one"
        yield Finding("account_host", "info", what, why, "To be sure, check with via: relay.", MYSQL)
        return
    why += " and may get another account, or none"
    if account.hosts is not None:
        why += f". The server has accounts of this name, or without a name, for {', '.join(account.hosts)}"
    remedy = "Check with via: relay."
    if not account.matched.endswith("@%"):
        make = f"CREATE USER {_text(context.username)}@'%' IDENTIFIED BY '<password>';"
        remedy = f"Check with via: relay, or create an account for all addresses:\n{make}"
    yield Finding("account_host", "warning", what, why, remedy, MYSQL)


def _privileges(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    if facts.grants.known is None or facts.schema.exists is not True:
        return
    ignores_case = facts.server.variables.get("lower_case_table_names", "0") != "0"
    has = privileges_on(context.database, facts.grants, facts.server.kind, ignores_case)
    lacks = [] if ALL in has else [name for name in NEEDED if name not in has]
    if not lacks:
        return
    vital = [name for name in lacks if name in VITAL]
    is_made = facts.schema.migration is not None and not facts.schema.is_dirty
    # On existing tables, the registry starts without writing to them.
    works = not vital or (is_made and "SELECT" not in vital)
    why = f"{', '.join(lacks)} on database {context.database} {'is' if len(lacks) == 1 else 'are'} missing"
    if works:
        why += ". The registry starts without; later changes of models or upgrades may fail"
    remedy = _grant(", ".join(lacks), facts, context)
    yield Finding(
        "privileges_missing",
        "warning" if works else "blocker",
        f"account {facts.account.matched}",
        why,
        remedy,
        MIGRATIONS,
    )


def _charset(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    schema = facts.schema
    if not schema.exists or schema.charset == "utf8mb4":
        return
    # MariaDB and MySQL 9 convert what MySQL 5.7 and 8.0 reject as an illegal mix of collations.
    converts = facts.server.kind == "MariaDB" or (version_of(facts.server.version) or (0, 0, 0)) >= (9, 0, 0)
    is_made = (schema.migration is not None or converts) and not schema.is_dirty
    why = f"its character set is {schema.charset}, and the registry's migrations fail on it (error 1267)"
    if is_made:
        why = f"its character set is {schema.charset}, which cannot store all names"
    remedy = f"ALTER DATABASE {_identifier(context.database)} CHARACTER SET utf8mb4;"
    if not is_made and schema.charset in ("utf8", "utf8mb3"):
        why = f"its character set is {schema.charset}, which cannot store characters of four bytes"
        is_made = True
    yield Finding("charset", "warning" if is_made else "blocker", _database(context), why, remedy, MIGRATIONS)


def _dirty(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    if facts.schema.is_dirty:
        why = f"migration {facts.schema.migration} broke off half-way, and no registry server starts on it"
        name = _identifier(context.database)
        remedy = (
            f"If there are no models in it yet:\nDROP DATABASE {name};\n{_create(context)}\nOtherwise restore a backup."
        )
        yield Finding("schema_dirty", "blocker", _database(context), why, remedy, MIGRATIONS)


def _primary_key(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    """Check for required primary keys. Existing tables do not matter; an invisible key (MySQL 8.0.30) is sufficient."""
    variables, schema = facts.server.variables, facts.schema
    names = [name for name in KEY_VARIABLES if variables.get(name) in ("ON", "1")]
    is_made = schema.migration is not None and schema.migration >= KEYLESS_MIGRATION and not schema.is_dirty
    if not names or schema.exists is not True or is_made or variables.get(OWN_KEYS) in ("ON", "1"):
        return
    error = KEY_VARIABLES[names[0]]
    why = f"{names[0]} is ON, and migration {KEYLESS_MIGRATION} creates a table without a primary key (error {error})"
    remedy = f"SET GLOBAL {names[0]} = OFF;\nAlso in the server's configuration, at least until the registry is ready."
    yield Finding("primary_key_required", "blocker", f"server at {context.host}", why, remedy, MIGRATIONS)


def _strict_mode(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    """Check Percona XtraDB Cluster's setting. A registry server takes the lock at each start."""
    if facts.server.variables.get("pxc_strict_mode") == "ENFORCING":
        why = "pxc_strict_mode is ENFORCING, which refuses GET_LOCK (error 1105), and a registry server takes this lock at each start"
        remedy = "SET GLOBAL pxc_strict_mode = PERMISSIVE;\nOr use a server outside a cluster."
        yield Finding("cluster_strict_mode", "blocker", f"server at {context.host}", why, remedy, MIGRATIONS)


def _server(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    what, variables = f"server at {context.host}", facts.server.variables
    version = version_of(facts.server.version)
    if version and version < (5, 7, 0):
        why = f"its version is {facts.server.version}, and registries are tested from 5.7 on"
        yield Finding("server_old", "warning", what, why, "Use 5.7 or newer.", PRODUCT)
    mode = variables.get("sql_mode", "").split(",")
    odd = [name for name in ("ANSI_QUOTES", "NO_BACKSLASH_ESCAPES") if name in mode]
    if odd:
        remedy = f"SET GLOBAL sql_mode = '{','.join(name for name in mode if name not in odd)}';"
        yield Finding("sql_mode", "warning", what, f"sql_mode has {' and '.join(odd)}", remedy, MYSQL)
    skew = facts.server.time and abs(facts.server.time - context.now)
    if skew and skew > CLOCK_SKEW:
        why = f"it is {int(skew.total_seconds())} s off, which affects certificates and the times of models"
        yield Finding("clock", "info", what, why, "Synchronize the server's clock with NTP.", MYSQL)


def _read_only(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    """Check read-only modes. Some accounts bypass read_only, none the others (MySQL's and MariaDB's documentation)."""
    variables = facts.server.variables
    names = [
        name for name in ("super_read_only", "innodb_read_only", "read_only") if variables.get(name) in ("ON", "1")
    ]
    if not names:
        return
    why, severity = f"{names[0]} is ON", "blocker"
    if names == ["read_only"] and facts.grants.known is None:
        why, severity = f"{why}, and it is not known whether the account may write anyway", "warning"
    elif names == ["read_only"] and (unbound := _unbound(facts)):
        why, severity = f"{why}, and the account can write only through {' and '.join(unbound)}", "warning"
    remedy = f"Give the host of the primary server, or:\nSET GLOBAL {names[0]} = OFF;"
    yield Finding("read_only", severity, f"server at {context.host}", why, remedy, MYSQL)


def _unbound(facts: MysqlFacts) -> list[str]:
    """Return the account's privileges that bypass read_only. MariaDB 10.11 removed SUPER from them."""
    wanted = {ALL, "SUPER", "CONNECTION_ADMIN"}
    if facts.server.kind == "MariaDB":
        is_old = (version_of(facts.server.version) or (0, 0, 0)) < (10, 11, 0)
        wanted = {ALL, "READ_ONLY ADMIN", *(["SUPER"] if is_old else [])}
    everywhere = {name for grant in facts.grants.known or () if grant.database == "*" for name in grant.privileges}
    return sorted(wanted & everywhere)


def _limits(facts: MysqlFacts, context: CheckContext) -> Iterator[Finding]:
    variables, used = facts.server.variables, facts.server.connections
    most = variables.get("max_connections", "")
    own = variables.get("max_user_connections", "")
    if used is not None and most.isdecimal() and int(most) - used < FEW_CONNECTIONS:
        why = f"{used} of {most} connections are in use"
        yield Finding("limits", "warning", f"server at {context.host}", why, _TOO_MANY, MYSQL)
    if own.isdecimal() and 0 < int(own) < FEW_CONNECTIONS:
        remedy = _ACCOUNT_LIMIT.format(account=account_name(facts, context))
        yield Finding(
            "limits",
            "warning",
            f"account {facts.account.matched}",
            f"it may have {own} connections at once",
            remedy,
            MYSQL,
        )


def _account(context: CheckContext) -> str:
    return f"account {context.username}"


def _database(context: CheckContext) -> str:
    return f"database {context.database}"


_FAILED = (_login_failed, broken)
_RULES = (
    _plugin,
    _account_host,
    _privileges,
    _charset,
    _dirty,
    _primary_key,
    _strict_mode,
    transport,
    certificate,
    _server,
    _read_only,
    _limits,
)
