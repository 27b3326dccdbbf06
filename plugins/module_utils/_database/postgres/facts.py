# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a PostgreSQL server, a role and a database: the facts that the rules are about."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Asked", "PostgresFacts"]


@dataclass(frozen=True)
class Asked:
    """The database that was asked for, as the registry will name it."""

    host: str
    name: str
    username: str
    mode: str
    """sslmode."""


@dataclass(frozen=True)
class PostgresFacts:
    """What a server tells of itself, of the account and of the database."""

    refusal: str = ""
    """Why nobody could log in, in the server's own words; the rest is empty then."""
    version: int = 0
    """server_version_num, such as 160003."""
    account: str = ""
    encoding: str = ""
    schema: str = ""
    """The one that tables are made in; empty where none of the search path is there."""
    may_create: bool = False
    """In that schema."""
    read_only: bool = False
    """A standby, or a database whose transactions are read-only by default."""
    encrypted: bool = False
    connections_left: int | None = None
    dirty_version: int | None = None
    """Of schema_migrations, where a migration has died half-way."""
    asked_password: bool = False
    """Whether the server has wanted the password to be proven."""
    state: str = ""
    """The SQLSTATE of the refusal, where one is known."""
    is_looked_at: bool = False
    """Whether the server answers as PostgreSQL does, and nobody was to log in; the rest is empty then."""
