# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meaning of a host name to a pod's resolver: a Service, an address, or an external name."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

__all__ = [
    "ADDRESS",
    "DOMAIN",
    "EXTERNAL",
    "SERVICE",
    "Host",
    "address_of",
    "host_of",
    "labels_of",
    "overlong",
    "resolved",
    "service_of",
]

SERVICE, ADDRESS, EXTERNAL = "service", "address", "external"

LONGEST_LABEL = 63
"""Characters of a part of a name (RFC 1035, section 2.3.4)."""
DOMAIN = "cluster.local"
"""The cluster domain of nearly all clusters (Kubernetes' documentation, DNS for Services and Pods)."""


@dataclass(frozen=True)
class Host:
    """A host as the registry's pod understands it."""

    given: str
    kind: str
    """SERVICE, ADDRESS or EXTERNAL."""
    service: str = ""
    namespace: str = ""
    pod: str = ""
    """The pod's own name before that of a headless Service, if given."""

    @property
    def right_form(self) -> str:
        """The name of a Service that works in every namespace."""
        return ".".join(part for part in (self.pod, self.service, self.namespace, "svc", DOMAIN) if part)

    @property
    def dialled(self) -> str:
        """The name or address that works outside the pods of the registries namespace."""
        if self.kind == SERVICE and "svc" not in labels_of(self.given):
            return self.right_form
        return self.given.strip("[]")


def host_of(given: str, namespace: str) -> Host:
    """Parse a host as a pod of that namespace understands it.

    A pod's resolver completes a bare name with its own namespace, and ``<service>.<namespace>.svc`` with the cluster's
    domain (Kubernetes' documentation, DNS for Services and Pods).
    """
    if address_of(given) is not None:
        return Host(given, ADDRESS)
    labels = labels_of(given)
    if len(labels) == 1 and labels != ["localhost"]:
        return Host(given, SERVICE, labels[0], namespace)
    if "svc" in labels[2:4]:
        place = labels.index("svc", 2)
        return Host(given, SERVICE, labels[place - 2], labels[place - 1], ".".join(labels[: place - 2]))
    return Host(given, EXTERNAL)


def service_of(given: str) -> Host | None:
    """Parse ``<service>.<namespace>``, which a pod's resolver completes, too, if there is such a Service.

    Returns None for other forms. If there is no such Service, it is an ordinary DNS name like db.corp.
    """
    labels = labels_of(given)
    if address_of(given) is not None or len(labels) != 2 or not all(labels):
        return None
    return Host(given, SERVICE, labels[0], labels[1])


def resolved(given: str, namespace: str) -> str:
    """Return one canonical spelling for all spellings of a host that are the same in a pod of that namespace.

    ``<service>.<namespace>`` counts as that Service: a pod's resolver tries it first.
    """
    address, host = address_of(given), service_of(given) or host_of(given, namespace)
    if address is not None:
        return str(getattr(address, "ipv4_mapped", None) or address)
    return host.right_form if host.kind == SERVICE else ".".join(labels_of(given))


def address_of(given: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that the host is, or None."""
    try:
        return ipaddress.ip_address(given.strip("[]"))
    except ValueError:
        return None


def labels_of(given: str) -> list[str]:
    """Return the parts of the host's name."""
    return given.rstrip(".").lower().split(".")


def overlong(given: str) -> str:
    """Return why DNS allows no such name: a part of it is too long. Empty if it is not."""
    longest = max(map(len, labels_of(given)))
    if longest <= LONGEST_LABEL:
        return ""
    return f"a part of it has {longest} characters, and {LONGEST_LABEL} is the most that DNS allows"
