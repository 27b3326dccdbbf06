# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server says about access and about the connection to it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Answer", "ApiConnection"]


@dataclass(frozen=True)
class Answer:
    """What an access review says. It is true where access is allowed."""

    allowed: bool
    reason: str = ""
    """In the API server's own words; often empty where access is not allowed."""

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True)
class ApiConnection:
    """How the API server is reached."""

    host: str
    verified: bool
    """Whether its certificate is looked at."""
    ca: str | None
    """The file with the authorities that are believed; empty for data of a kubeconfig, None for the client's default."""
    default_ca: str = ""
    """The file or folder that the client takes where it is told nothing."""
