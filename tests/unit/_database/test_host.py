# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms of hosts: what each means in a registry's pod, what is wrong with it, and the path that leads there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.host import (
    Backend,
    PodPort,
    ServiceState,
    choose_path,
    resolve_backend,
    wrong_form,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.dns import Host, host_of

NAMESPACE = "rhoai-model-registries"
POD = {"ip": "10.88.1.7", "targetRef": {"kind": "Pod", "name": "mysql-0"}}


@pytest.mark.parametrize(
    ("given", "kind", "service", "namespace", "pod"),
    [
        ("mysql", "service", "mysql", NAMESPACE, ""),
        ("mysql.databases.svc", "service", "mysql", "databases", ""),
        ("mysql.databases.svc.cluster.local", "service", "mysql", "databases", ""),
        ("MySQL.databases.svc.cluster.local.", "service", "mysql", "databases", ""),
        ("mysql.databases.svc.example.internal", "service", "mysql", "databases", ""),
        ("mysql-0.mysql.databases.svc.cluster.local", "service", "mysql", "databases", "mysql-0"),
        ("db.example.com", "external", "", "", ""),
        ("db.corp", "external", "", "", ""),
        ("localhost", "external", "", "", ""),
        ("10.0.0.7", "address", "", "", ""),
        ("[fd00::7]", "address", "", "", ""),
    ],
)
def test_meaning(given: str, kind: str, service: str, namespace: str, pod: str) -> None:
    assert host_of(given, NAMESPACE) == Host(given, kind, service, namespace, pod)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("mysql.svc.cluster.local", "mysql.<its namespace>.svc.cluster.local"),
        ("mysql.svc", "mysql.<its namespace>.svc.cluster.local"),
        ("mysql.databases.cluster.local", "mysql.databases.svc.cluster.local"),
        ("mysql.databases.svc.cluster", "mysql.databases.svc.cluster.local"),
    ],
)
def test_wrong_forms_are_given_right(given: str, right: str) -> None:
    found = wrong_form(given)
    assert found and (found.code, found.severity) == ("host_form", "blocker")
    assert found.remedy == f"Set database.host to {right}."


@pytest.mark.parametrize("given", [f"{'a' * 64}.example.com", f"db.{'a' * 64}.svc.cluster.local", "a" * 64])
def test_a_part_that_is_too_long_for_dns(given: str) -> None:
    found = wrong_form(given)
    assert found and (found.code, found.severity) == ("host_form", "blocker")
    assert "64 characters, and 63 is the most" in found.why
    assert wrong_form(given.replace("a" * 64, "a" * 63)) is None


@pytest.mark.parametrize("given", ["localhost", "db.localhost", "DB.LOCALHOST.", "127.0.0.1", "[::1]", "[::]"])
def test_the_pod_itself(given: str) -> None:
    found = wrong_form(given)
    assert found and found.code == "host_is_loopback"


@pytest.mark.parametrize(
    "given",
    [
        "mysql",
        "mysql.databases.svc",
        "mysql.databases.svc.cluster.local",
        "a.b.c.svc.cluster.local.",
        "db.example.com",
        "10.0.0.7",
        "fd00::7",
        "svc.example.com",
    ],
)
def test_right_forms(given: str) -> None:
    assert wrong_form(given) is None


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "sql", "port": 3306, "targetPort": "sql", "protocol": "TCP"}]
    return {"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "ports": ports, **spec}}


def endpoints(*addresses: Any, port: int = 33060, waiting: int = 0) -> dict[str, Any]:
    ports = [{"name": "sql", "port": port}]
    subsets = [{"addresses": list(addresses), "ports": ports}] if addresses else []
    if waiting:
        subsets.append({"notReadyAddresses": [POD] * waiting, "ports": ports})
    return {"subsets": subsets}


BARE, FULL = host_of("mysql", NAMESPACE), host_of("mysql.databases.svc.cluster.local", NAMESPACE)


def test_a_named_target_port_is_mapped() -> None:
    found = resolve_backend(FULL, 3306, ServiceState(service(), endpoints(POD)))
    assert found == Backend(PodPort("databases", "mysql-0", 33060))


def test_a_port_without_a_name() -> None:
    found = ServiceState(
        service(ports=[{"port": 3306}]), {"subsets": [{"addresses": [POD], "ports": [{"port": 13306}]}]}
    )
    assert resolve_backend(FULL, 3306, found).pod == PodPort("databases", "mysql-0", 13306)


def test_a_headless_service_maps_nothing() -> None:
    headless = service(clusterIP="None")
    assert resolve_backend(FULL, 33060, ServiceState(headless, endpoints(POD))).pod == PodPort(
        "databases", "mysql-0", 33060
    )
    (trouble,) = resolve_backend(FULL, 3306, ServiceState(headless, endpoints(POD))).findings
    assert (trouble.code, trouble.severity) == ("host_port", "blocker")
    assert "listen on 33060, not on 3306" in trouble.why


def test_one_pod_of_a_headless_service() -> None:
    first, second = (
        {**POD, "hostname": f"mysql-{i}", "targetRef": {"kind": "Pod", "name": f"mysql-{i}"}} for i in (0, 1)
    )
    host = host_of("mysql-1.mysql.databases.svc", NAMESPACE)
    found = resolve_backend(host, 33060, ServiceState(service(clusterIP="None"), endpoints(first, second)))
    assert found.pod == PodPort("databases", "mysql-1", 33060)


def test_servers_outside_behind_a_service() -> None:
    outside = ServiceState(service(type="ExternalName", externalName="db.example.com", ports=[]))
    assert resolve_backend(FULL, 3306, outside).address == ("db.example.com", 3306)
    by_hand = ServiceState(service(), endpoints({"ip": "192.0.2.7"}))
    assert resolve_backend(FULL, 3306, by_hand).address == ("192.0.2.7", 33060)


@pytest.mark.parametrize(
    ("host", "found", "code", "words"),
    [
        (BARE, ServiceState(None, elsewhere=("databases",)), "host_no_service", "to mysql.databases.svc.cluster.local"),
        (BARE, ServiceState(None), "host_no_service", "mysql.<its namespace>.svc.cluster.local"),
        (FULL, ServiceState(None), "host_no_service", "Correct database.host"),
        (FULL, ServiceState(service(ports=[{"port": 3307}]), endpoints(POD)), "host_port", "database.port"),
        (
            FULL,
            ServiceState(service(ports=[{"port": 3306, "protocol": "UDP"}]), endpoints(POD)),
            "host_port",
            "database.port",
        ),
        (FULL, ServiceState(service(), None), "host_no_endpoints", "selector"),
        (FULL, ServiceState(service(), endpoints()), "host_no_endpoints", "selector"),
        (FULL, ServiceState(service(), endpoints(waiting=2)), "host_no_endpoints", "not ready"),
    ],
)
def test_what_is_wrong_with_a_service(host: Host, found: ServiceState, code: str, words: str) -> None:
    seen = resolve_backend(host, 3306, found)
    (trouble,) = seen.findings
    assert (trouble.code, trouble.severity, seen.pod, seen.address) == (code, "blocker", None, None)
    assert words in trouble.remedy


@pytest.mark.parametrize(
    ("via", "host", "seen", "path"),
    [
        ("auto", FULL, Backend(PodPort("databases", "mysql-0", 3306)), "port_forward"),
        ("auto", FULL, Backend(address=("db.example.com", 3306)), "direct"),
        ("auto", host_of("db.example.com", NAMESPACE), Backend(), "direct"),
        ("direct", FULL, Backend(PodPort("databases", "mysql-0", 3306)), "direct"),
        ("relay", host_of("db.example.com", NAMESPACE), Backend(), "relay"),
    ],
)
def test_path(via: str, host: Host, seen: Backend, path: str) -> None:
    assert choose_path(via, host, seen)[0] == path


def test_a_port_forward_leads_to_pods_alone() -> None:
    with pytest.raises(InvalidInput, match="db.example.com has no known pod .* Use direct, or relay"):
        choose_path("port_forward", host_of("db.example.com", NAMESPACE), Backend())


def test_what_is_dialled_from_elsewhere() -> None:
    assert BARE.dialled == f"mysql.{NAMESPACE}.svc.cluster.local"
    assert host_of("[fd00::7]", NAMESPACE).dialled == "fd00::7"
