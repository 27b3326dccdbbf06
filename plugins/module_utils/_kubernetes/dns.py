# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's name means to the resolver of a pod: a Service, an address, or a name from outside."""

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
    "resolved",
    "service_of",
]

SERVICE, ADDRESS, EXTERNAL = "service", "address", "external"

DOMAIN = "cluster.local"
"""The cluster domain of nearly all clusters (Kubernetes' documentation, DNS for Services and Pods)."""


@dataclass(frozen=True)
class Host:
    """A host as the registry's pod takes it."""

    given: str
    kind: str
    """SERVICE, ADDRESS or EXTERNAL."""
    service: str = ""
    namespace: str = ""
    pod: str = ""
    """The pod's own name before that of a headless Service, where it is given."""

    @property
    def right_form(self) -> str:
        """Of a Service, the name that holds in every namespace."""
        return ".".join(part for part in (self.pod, self.service, self.namespace, "svc", DOMAIN) if part)

    @property
    def dialled(self) -> str:
        """What resolves, or is an address, for somebody who is no pod of the registries namespace."""
        if self.kind == SERVICE and "svc" not in labels_of(self.given):
            return self.right_form
        return self.given.strip("[]")


def host_of(given: str, namespace: str) -> Host:
    """What the host means in a pod of that namespace.

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
    """What ``<service>.<namespace>`` means, which a pod's resolver completes, too, where there is such a Service.

    None for other forms. Where there is no such Service it is a name of DNS, as db.corp is.
    """
    labels = labels_of(given)
    if address_of(given) is not None or len(labels) != 2 or not all(labels):
        return None
    return Host(given, SERVICE, labels[0], labels[1])


def resolved(given: str, namespace: str) -> str:
    """Return the one spelling of a host for all that a pod of that namespace takes for the same.

    ``<service>.<namespace>`` is taken for that Service: a pod's resolver tries it first.
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
