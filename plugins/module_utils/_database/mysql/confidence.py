# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a MySQL finding proves for the registry's pods, which connect from elsewhere than the check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ..._common.finding import Finding
from ..host import DIRECT, OF_ROUTE, RELAY
from .facts import MysqlFacts

__all__ = ["OF_ACCOUNT", "OF_CLIENT", "CheckContext", "downgrade_unless_proven"]

OF_CLIENT = ("host_blocked", "host_denied")
"""Codes that hold for the address that the check comes from."""
OF_ACCOUNT = (
    "access_denied",
    "account_connections",
    "account_hourly",
    "account_locked",
    "database_denied",
    "database_error",
    "password_expired",
    "plugin_missing",
    "plugin_native",
    "plugin_unknown",
    "privileges_missing",
)
"""Codes that hold for the account that the server matches with that address."""


@dataclass(frozen=True)
class CheckContext:
    """What is checked, and how."""

    username: str
    database: str
    host: str
    encrypted: bool
    verified: bool
    required_plugin: str
    """native or any."""
    path: str
    now: datetime


def downgrade_unless_proven(found: Finding, facts: MysqlFacts, context: CheckContext) -> Finding:
    """Downgrade a blocker to a warning unless it is proven for the registry's pods, which have other addresses.

    A relay has such an address, too. A port-forward ends at the database itself, as the pods' connections do, but the
    server sees its own loopback address. An account for all addresses is also the pods' if the server is known to have
    no other of that name, which it would prefer for some addresses.
    """
    doubt = ""
    if found.code in OF_ROUTE and context.path == DIRECT:
        doubt = "the check ran from here, and the cluster may connect in another way"
    elif found.code in OF_CLIENT:
        doubt = "the registry's pods have other addresses than this check"
    elif found.code in OF_ACCOUNT and not facts.account.is_for_all:
        doubt = "the registry's pods have other addresses, and the server may have another account for them"
    if found.severity != "blocker" or context.path == RELAY or not doubt:
        return found
    why, remedy = f"{found.why}; {doubt}", f"{found.remedy}\nIf in doubt, check with via: relay and relay_image."
    return replace(found, severity="warning", why=why, remedy=remedy)
