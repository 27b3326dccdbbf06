# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry in the user's words, typed. None always means: unchanged, or the API's default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .text import printable_name

__all__ = ["CaSource", "Database", "Grant", "KeyRef", "Object", "ProxySettings", "Registry", "Tls"]

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""


@dataclass(frozen=True)
class KeyRef:
    """A key of a Secret or ConfigMap in the registries namespace."""

    name: str
    key: str


@dataclass(frozen=True)
class CaSource:
    """The object with the authority that signed the database server's certificate."""

    kind: str
    """ConfigMap or Secret."""
    ref: KeyRef


@dataclass(frozen=True)
class Tls:
    """How the registry server connects to the database."""

    enabled: bool | None = None
    """False removes certificates and verification."""
    ca: CaSource | None = None
    ca_pem: str | None = field(default=None, repr=False)
    """Certificates to store in the registry's own ConfigMap, instead of ``ca``."""
    verify: bool | None = None
    client_certificate: KeyRef | None = None
    client_key: KeyRef | None = None
    mode: str | None = None
    """PostgreSQL's sslmode."""
    cipher: str | None = None
    """MySQL's cipher suites by Go's names, with colons between them. Empty removes them."""


@dataclass(frozen=True)
class Database:
    """The database of a registry, and how to log in."""

    type: str | None = None
    """mysql or postgres."""
    host: str | None = None
    port: int | None = None
    name: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    """Stored in the registry's own Secret, instead of ``password_secret``."""
    password_secret: KeyRef | None = None
    tls: Tls | None = None
    generate: bool | None = None
    """Whether the operator runs a PostgreSQL server for this registry alone."""
    image: str | None = None
    """That server's image. Empty restores the operator's default."""
    host_address: str | None = None
    """The address of a PostgreSQL server, instead of ``host``."""
    is_password_of_new: bool = False
    """Whether the password is only for a registry that does not exist yet."""

    @property
    def address(self) -> str | None:
        """The host, or the address that stands in for it."""
        return self.host or self.host_address


@dataclass(frozen=True)
class ProxySettings:
    """The settings of kube-rbac-proxy or the OAuth proxy. An empty text restores the operator's default."""

    image: str | None = None
    port: int | None = None
    """The proxy listens on it in the pod, and the registry's Service is reached on it."""
    service_route: bool | None = None
    """Whether an OpenShift Route leads to it."""
    domain: str | None = None
    """The domain of the Route's host."""
    route_port: int | None = None
    certificate: KeyRef | None = None
    key: KeyRef | None = None


@dataclass(frozen=True)
class Registry:
    """One model registry."""

    name: str
    """metadata.name, which cannot change."""
    display_name: str | None = None
    description: str | None = None
    """Empty removes it."""
    database: Database | None = None
    auth_proxy: str | None = None
    """kube_rbac, oauth, istio or none; on creation, auto is what the served API version has."""
    resources: Mapping[str, Any] | None = None
    """Requests and limits of the registry server's container."""
    image: str | None = None
    """The registry server's image. Empty restores the operator's default."""
    port: int | None = None
    """The registry server listens on it in its pod."""
    service_route: bool | None = None
    """Whether an OpenShift Route leads to the registry server itself, past the proxy."""
    proxy: ProxySettings | None = None
    is_derived: bool = False
    """Whether the name comes from the display name. Then a registry with another one must not have it."""
    must_exist: bool = False
    """Whether it is an error if there is no such registry yet."""


@dataclass(frozen=True, order=True)
class Grant:
    """A subject that may use a registry. Grants are compared and sorted by all three fields."""

    kind: str
    """User, Group, Project (all service accounts of a project) or ServiceAccount."""
    namespace: str
    """A ServiceAccount's; empty otherwise."""
    name: str

    def __str__(self) -> str:
        """Return the grant as messages name it."""
        place = f"{printable_name(self.namespace)}/" if self.namespace else ""
        return f"{self.kind} {place}{printable_name(self.name)}"
