# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server says about access and about the connection to it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Answer", "ApiConnection"]


@dataclass(frozen=True)
class Answer:
    """The result of an access review. It is true if access is allowed."""

    allowed: bool
    reason: str = ""
    """In the API server's own words; often empty if access is not allowed."""

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True)
class ApiConnection:
    """How the API server is reached."""

    host: str
    verified: bool
    """Whether its certificate is verified."""
    ca: str | None
    """The file with the trusted authorities; empty for data of a kubeconfig, None for the client's default."""
    default_ca: str = ""
    """The file or folder that the client uses by default."""
