# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about a PostgreSQL server, a role and a database, on which the findings are based."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Asked", "PostgresFacts"]


@dataclass(frozen=True)
class Asked:
    """The requested database, as the registry will name it."""

    host: str
    name: str
    username: str
    mode: str
    """sslmode."""


@dataclass(frozen=True)
class PostgresFacts:
    """What a server reports about itself, the account and the database."""

    refusal: str = ""
    """Why the login failed, in the server's own words; the rest is empty then."""
    version: int = 0
    """server_version_num, such as 160003."""
    account: str = ""
    encoding: str = ""
    schema: str = ""
    """The schema in which tables are created; empty if none of the search path exists."""
    may_create: bool = False
    """In that schema."""
    read_only: bool = False
    """A standby, or a database whose transactions are read-only by default."""
    encrypted: bool = False
    connections_left: int | None = None
    dirty_version: int | None = None
    """Of schema_migrations, if a migration failed half-way."""
    asked_password: bool = False
    """Whether the server required proof of the password."""
    state: str = ""
    """The SQLSTATE of the refusal, if known."""
    is_looked_at: bool = False
    """Whether the server answers as PostgreSQL does and no login was required; the rest is empty then."""
