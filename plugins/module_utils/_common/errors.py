# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's errors: each names its subject, the problem, and what to do next."""

from __future__ import annotations

from .text import sentence

__all__ = [
    "AlreadyExists",
    "BlockerFound",
    "Conflict",
    "Forbidden",
    "InvalidInput",
    "InvalidObject",
    "NoApiServer",
    "NotFound",
    "NotReady",
    "OutcomeUnknown",
    "PermissionsNotEffective",
    "Refused",
    "RegistryError",
    "Unauthorized",
    "Unreachable",
]


class RegistryError(Exception):
    """The base of all errors of this collection; its text is the three parts in one sentence each.

    what: the option or object that it is about. why: the problem, in the server's own words if there are any.
    next_step: what the user can do.
    """

    def __init__(self, what: str, why: str, next_step: str) -> None:
        super().__init__(what, why, next_step)
        self.what = what
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.what}: {sentence(self.why)} {sentence(self.next_step)}".rstrip()


class InvalidInput(RegistryError):
    """A module option cannot be right."""


class InvalidObject(RegistryError):
    """The API server or a webhook found an object invalid (400 or 422, or 403 with an admission webhook's words)."""


class Unauthorized(RegistryError):
    """The API server did not accept the credentials (401)."""


class Forbidden(RegistryError):
    """The user lacks a right (403)."""


class NotFound(RegistryError):
    """Something that is needed does not exist."""


class AlreadyExists(RegistryError):
    """An object to create already exists (409)."""


class Conflict(RegistryError):
    """An object has changed since it was read (409)."""


class OutcomeUnknown(RegistryError):
    """The answer to a write was lost: it may have been stored or not. Reading again tells."""


class Unreachable(RegistryError):
    """No usable answer from the API server, after retries if these are safe."""


class NoApiServer(Unreachable):
    """What answered is not a Kubernetes API server."""


class Refused(RegistryError):
    """The operation needs explicit confirmation, or would overwrite others' work."""


class PermissionsNotEffective(RegistryError):
    """What is stored does not have the requested effect."""


class BlockerFound(RegistryError):
    """A database cannot serve a registry as it is."""


class NotReady(RegistryError):
    """Registries did not reach the expected state."""
