# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database's host means to a registry's pod, what is wrong with it, and which path leads there from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .._common.errors import InvalidInput
from .._common.finding import DNS, Finding
from .._common.model import Object
from .._kubernetes.dns import DOMAIN, SERVICE, Host, address_of, labels_of, overlong

__all__ = [
    "DIRECT",
    "OF_ROUTE",
    "PORT_FORWARD",
    "RELAY",
    "Backend",
    "PodPort",
    "ServiceState",
    "choose_path",
    "resolve_backend",
    "wrong_form",
]
DIRECT, PORT_FORWARD, RELAY = "direct", "port_forward", "relay"
OF_ROUTE = ("connection_closed", "database_silent", "host_unresolved", "port_closed", "unreachable")
"""Codes that another machine's DNS, firewall or place in the network may cause."""


@dataclass(frozen=True)
class ServiceState:
    """What the cluster has under a Service's name."""

    service: Object | None
    endpoints: Object | None = None
    elsewhere: tuple[str, ...] = ()
    """Other namespaces that have a Service of the name, if this one has none and the user may see them."""


@dataclass(frozen=True)
class PodPort:
    """The target of a port-forward."""

    namespace: str
    pod: str
    port: int


@dataclass(frozen=True)
class Backend:
    """The backend of a host, a pod or else an address, and what is wrong with it."""

    pod: PodPort | None = None
    address: tuple[str, int] | None = None
    findings: tuple[Finding, ...] = ()


def wrong_form(given: str) -> Finding | None:
    """Return what is wrong with a host regardless of the cluster, or None."""
    address, labels, what = address_of(given), labels_of(given), f"database.host {given}"
    if labels[-1] == "localhost" or (address is not None and (address.is_loopback or address.is_unspecified)):
        why = "it is a loopback address, which in the registry's pod is the pod itself"
        step = f"Give the server's own name or address, such as mysql.databases.svc.{DOMAIN}."
        return Finding("host_is_loopback", "blocker", what, why, step, DNS)
    if why := overlong(given):
        return Finding("host_form", "blocker", what, why, "Give the server's right name.", DNS)
    right = _completed_service_name(labels)
    if right is None:
        return None
    why = f"pods cannot resolve it: a Service's full name is <service>.<namespace>.svc.{DOMAIN}"
    return Finding("host_form", "blocker", what, why, f"Set database.host to {right}.", DNS)


def _completed_service_name(labels: list[str]) -> str | None:
    """Return the right form of a Service's name that lacks a part. None if it is complete, or not a Service's."""
    full = [*labels, "local"] if labels[-2:] == ["svc", "cluster"] else labels
    inner = full[:-2] if full[-2:] == DOMAIN.split(".") else full
    if inner == labels and labels[-1] != "svc":
        return None
    names = [label for label in inner if label != "svc"]
    if len(names) >= 2 and inner[-1] == "svc" and full == labels:
        return None
    namespace = names[1] if len(names) > 1 else "<its namespace>"
    return f"{names[0] if names else '<service>'}.{namespace}.svc.{DOMAIN}"


def resolve_backend(host: Host, port: int, state: ServiceState) -> Backend:
    """Return the backend of a Service's port."""
    what = f"Service {host.service} in namespace {host.namespace}"
    if state.service is None:
        return Backend(findings=(_no_service(host, state.elsewhere, what),))
    spec = state.service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return Backend(address=(spec.get("externalName", ""), port))
    headless = spec.get("clusterIP") == "None"
    entry = _entry(spec.get("ports") or (), port)
    if entry is None and not headless:
        return Backend(findings=(_no_port(spec.get("ports") or (), port, what),))
    subsets = list(_ready(host, state.endpoints))
    if not subsets:
        return Backend(findings=(_no_endpoints(state.endpoints, what),))
    address, ports = subsets[0]
    number = port if headless else _number(ports, (entry or {}).get("name", ""), port)
    target = address.get("targetRef") or {}
    troubles = (_headless_port(port, ports, what),) if headless and entry and port not in _numbers(ports) else ()
    if target.get("kind") == "Pod":
        return Backend(PodPort(host.namespace, target["name"], number), findings=troubles)
    return Backend(address=(address["ip"], number), findings=troubles)


def choose_path(via: str, host: Host, backend: Backend) -> tuple[str, str]:
    """Return the path, and the reason for it. Raises InvalidInput if the requested path cannot lead to the host."""
    if via == PORT_FORWARD and backend.pod is None:
        why = f"{host.given} has no known pod in the cluster, and a port-forward needs one"
        raise InvalidInput("via", why, "Use direct, or relay if only the cluster can reach the database.")
    if via != "auto":
        return via, "the task requests it"
    if backend.pod is not None:
        place = f"{backend.pod.pod} in namespace {backend.pod.namespace}"
        return PORT_FORWARD, f"the host is a Service, and the API server forwards to its pod {place}"
    if host.kind == SERVICE:
        return DIRECT, "the host is a Service for a server outside the cluster"
    return DIRECT, "the host is not a Service of the cluster"


def _no_service(host: Host, elsewhere: tuple[str, ...], what: str) -> Finding:
    why = "it does not exist"
    forms = [f"{host.service}.{namespace}.svc.{DOMAIN}" for namespace in elsewhere]
    if forms:
        step = f"There is a Service of that name elsewhere: set database.host to {' or '.join(forms)}."
    elif "." not in host.given:
        step = (
            "A name without dots is a Service in the registries namespace. For a Service in another namespace, set "
            f"database.host to {host.service}.<its namespace>.svc.{DOMAIN}."
        )
    else:
        step = "Correct database.host, or create the Service."
    return Finding("host_no_service", "blocker", what, why, step, DNS)


def _no_port(ports: Iterable[Object], port: int, what: str) -> Finding:
    there = ", ".join(str(entry.get("port")) for entry in ports) or "none"
    why = f"it has no port {port}, but {there}"
    return Finding(
        "host_port", "blocker", what, why, "Set database.port to the Service's port, or add the port to it.", DNS
    )


def _headless_port(port: int, ports: Iterable[Object], what: str) -> Finding:
    there = ", ".join(str(number) for number in _numbers(ports))
    why = f"it is headless, and its pods listen on {there}, not on {port}"
    return Finding("host_port", "blocker", what, why, f"Set database.port to {there}.", DNS)


def _no_endpoints(endpoints: Object | None, what: str) -> Finding:
    waiting = sum(len(subset.get("notReadyAddresses") or ()) for subset in (endpoints or {}).get("subsets") or ())
    why = "it has no ready pod"
    step = "Correct its selector, or start the database."
    if waiting:
        why += f"; not ready: {waiting}"
        step = "Check why the database's pods are not ready."
    return Finding("host_no_endpoints", "blocker", what, why, step, DNS)


def _entry(ports: Iterable[Object], port: int) -> Object | None:
    return next((entry for entry in ports if entry.get("port") == port and entry.get("protocol", "TCP") == "TCP"), None)


def _ready(host: Host, endpoints: Object | None) -> Iterator[tuple[Object, list[Object]]]:
    """Yield each ready address of the host with the ports that it listens on."""
    for subset in (endpoints or {}).get("subsets") or ():
        for address in subset.get("addresses") or ():
            if not host.pod or host.pod == address.get("hostname"):
                yield address, subset.get("ports") or []


def _numbers(ports: Iterable[Object]) -> list[int]:
    return [entry["port"] for entry in ports]


def _number(ports: Iterable[Object], name: str, port: int) -> int:
    """Return the number of a port by its name, which Service and endpoints share; the latter resolve a named targetPort."""
    return next((int(entry["port"]) for entry in ports if entry.get("name", "") == name), port)
