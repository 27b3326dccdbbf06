# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding: what is wrong, how severe it is, how to fix it, and which rule says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TypeVar

from .model import Object
from .references import findings_page

__all__ = [
    "CODES",
    "CONFIG_OBJECTS",
    "DNS",
    "MIGRATIONS",
    "MYSQL",
    "NAMES",
    "OPTIONS",
    "PRODUCT",
    "RBAC",
    "SEVERITIES",
    "UNSEEN",
    "Finding",
    "finding_result",
    "severest_first",
]

SEVERITIES = ("blocker", "warning", "info")
"""blocker: the registry cannot work. warning: it works, at a risk. info: good to know."""
CODES = (
    "access_denied",
    "account_connections",
    "account_host",
    "account_hourly",
    "account_locked",
    "api_credentials_twice",
    "api_default_ca",
    "api_unverified",
    "ca_expired",
    "ca_expires_soon",
    "ca_invalid",
    "ca_missing",
    "ca_not_yet_valid",
    "ca_unchecked",
    "ca_unknown",
    "ca_unreadable",
    "certificate_expired",
    "certificate_expires_soon",
    "certificate_invalid",
    "certificate_name",
    "charset",
    "client_certificate",
    "clock",
    "cluster_strict_mode",
    "component_disabled",
    "component_not_ready",
    "component_unchecked",
    "connection_closed",
    "crd_not_served",
    "crd_version_unknown",
    "database_count",
    "database_denied",
    "database_error",
    "database_missing",
    "database_shared",
    "database_silent",
    "database_starting",
    "dry_run_refused",
    "duplicate_grant",
    "generated_database",
    "grant_without_role",
    "hidden_grant",
    "host_blocked",
    "host_denied",
    "host_form",
    "host_is_loopback",
    "host_no_endpoints",
    "host_no_service",
    "host_port",
    "host_unresolved",
    "host_unverified",
    "limits",
    "name_derived",
    "name_exists",
    "name_invalid",
    "name_taken",
    "name_unchecked",
    "namespace_missing",
    "namespace_other",
    "namespace_terminating",
    "namespace_unknown",
    "no_auth_proxy",
    "not_checked",
    "not_returnable",
    "object_taken",
    "operator_down",
    "operator_unchecked",
    "option_invalid",
    "password_breaks_dsn",
    "password_expired",
    "password_line_break",
    "plaintext",
    "plugin_missing",
    "plugin_native",
    "plugin_unknown",
    "plugin_unproven",
    "port_closed",
    "primary_key_required",
    "privileges_missing",
    "query_failed",
    "read_only",
    "registry_deleting",
    "registry_missing",
    "registry_unreadable",
    "restart_pending",
    "rights_limited",
    "rights_missing",
    "role_missing",
    "schema_dirty",
    "secret_missing",
    "secret_newer",
    "secret_unchecked",
    "server_old",
    "shared_secret",
    "sql_mode",
    "stale_status",
    "tls_handshake",
    "tls_not_offered",
    "tls_required",
    "too_many_connections",
    "unreachable",
    "unverified",
    "wrong_protocol",
)
"""Of all findings, whichever check they are of."""

# Sources of the rules.
CONFIG_OBJECTS = "Kubernetes documentation, Secrets and ConfigMaps"
DNS = "Kubernetes documentation, DNS for Services and Pods"
MIGRATIONS = "the registry server's own migrations"
MYSQL = "MySQL documentation"
NAMES = "Kubernetes documentation, Object Names and IDs"
OPTIONS = "documentation of the module's options"
PRODUCT = "product documentation, managing model registries"
RBAC = "Kubernetes documentation, Using RBAC Authorization"
UNSEEN = "What cannot be seen is not judged"


@dataclass(frozen=True)
class Finding:
    """A problem, a risk or a note."""

    code: str
    severity: str
    """One of SEVERITIES."""
    what: str
    """The object, setting or account that it is about."""
    why: str
    remedy: str
    """What to do; for a database in SQL, ready to be pasted."""
    rule: str
    """The source of the rule."""


T = TypeVar("T", Finding, Object)


def severest_first(findings: Iterable[T]) -> list[T]:
    """Sort findings, or their results, by severity; those of one severity keep their order."""
    return sorted(findings, key=_rank)


def _rank(finding: Finding | Object) -> int:
    return SEVERITIES.index(finding.severity if isinstance(finding, Finding) else finding["severity"])


def finding_result(found: Finding, **more: str) -> Object:
    """Return the finding as results list it, with a link to its explanation and further fields."""
    return {**asdict(found), "page": findings_page(found.code), **more}
