# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database servers as a cluster has them: a Deployment, its Service and its root password, in the namespace "databases"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pymysql

from .api import Object
from .layout import Layout
from .servers import SERVERS

if TYPE_CHECKING:
    from .bed import Testbed

__all__ = ["NAMESPACE", "ROOT_PASSWORD", "TLS_SERVERS", "connect_mysql", "database", "service_name"]

NAMESPACE = "databases"
TLS_SERVERS = ("mariadb-10.11", "mysql-9")
"""Servers whose TLS the registry server can use."""
TLS_OPTIONS = ("--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key", "--require-secure-transport=ON")
ROOT_PASSWORD = "testbed root"
"""Of every database server here; the blank in it breaks unquoted words."""


def service_name(server: str) -> str:
    """Return the Service of a server that was started under its own name: ``mysql-8.0`` is ``mysql-80``."""
    return re.sub(r"[^a-z0-9-]", "", server)


def database(
    server: str,
    layout: Layout,
    *,
    name: str | None = None,
    options: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
    tls: bool = False,
) -> list[Object]:
    """Return the objects of one database server.

    ``server`` is a name of SERVERS, ``name`` that of the Deployment and Service, ``options`` go to the server's
    command line, ``files`` are mounted at /etc/testbed by name (TLS material, as PEM). With ``tls``, the server has
    a certificate of the cluster's authority, and takes only encrypted connections. The data directory lies in the
    testbed's state and outlives the pod.
    """
    name = name or service_name(server)
    if tls:
        options = (*options, *TLS_OPTIONS)
        certificate, key = layout.database_certificate
        files = {**(files or {}), "tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()}
    kind = SERVERS[server]
    port = 5432 if kind.program == "postgres" else 3306
    variable, home = (
        ("POSTGRES_PASSWORD", "/var/lib/postgresql/data") if port == 5432 else ("MYSQL_ROOT_PASSWORD", "/var/lib/mysql")
    )
    labels = {"app": name}
    meta = {"name": name, "namespace": NAMESPACE, "labels": labels}
    secrets = {"root": ROOT_PASSWORD, **{key: value.decode() for key, value in (files or {}).items()}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": secrets}
    volumes: list[Object] = [
        {"name": "data", "hostPath": {"path": str(layout.data / name), "type": "DirectoryOrCreate"}}
    ]
    mounts: list[Object] = [{"name": "data", "mountPath": home}]
    if files:
        volumes.append(
            {"name": "files", "secret": {"secretName": name, "items": [{"key": key, "path": key} for key in files]}}
        )
        mounts.append({"name": "files", "mountPath": "/etc/testbed"})
    env: list[Object] = [{"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": "root"}}}]
    if port == 5432:
        # A folder below the mount: PostgreSQL requires one that no other user may enter.
        env.append({"name": "PGDATA", "value": f"{home}/pgdata"})
    container = {
        "name": "server",
        "image": kind.image,
        "args": list(options),
        "env": env,
        "ports": [{"containerPort": port, "name": "sql"}],
        "volumeMounts": mounts,
        "readinessProbe": {"tcpSocket": {"port": "sql"}, "periodSeconds": 1, "failureThreshold": 1},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": 10,
                    "containers": [container],
                    "volumes": volumes,
                },
            },
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": labels, "ports": [{"name": "sql", "port": port, "targetPort": "sql"}]},
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        secret,
        deployment,
        service,
    ]


def connect_mysql(
    bed: Testbed, service: str, user: str = "root", password: str = ROOT_PASSWORD, **options: Any
) -> pymysql.Connection[Any]:
    """Connect to a MySQL or MariaDB server of the testbed; every statement is committed at once."""
    connection = pymysql.connect(user=user, password=password, autocommit=True, defer_connect=True, **options)
    connection.connect(bed.connect(bed.address(service, NAMESPACE), 3306))
    return connection
