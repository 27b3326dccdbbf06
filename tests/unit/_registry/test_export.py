# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database in a stored spec, as all other code gets it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
    CaSource,
    Database,
    KeyRef,
    Tls,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.export import database_of

ACCOUNT: dict[str, Any] = {"host": "db", "port": 3306, "database": "models", "username": "server"}
PASSWORD = {"passwordSecret": {"name": "login", "key": "password"}}
CONFIG_MAP = {"sslRootCertificateConfigMap": {"name": "public", "key": "ca.crt"}}
SECRET = {"sslRootCertificateSecret": {"name": "private", "key": "ca.pem"}}
CLIENT = {
    "sslCertificateSecret": {"name": "client", "key": "tls.crt"},
    "sslKeySecret": {"name": "client", "key": "tls.key"},
}

PUBLIC = CaSource("ConfigMap", KeyRef("public", "ca.crt"))


def stored(kind: str, tls: Tls, **more: Any) -> Database:
    account = Database(type=kind, host="db", port=3306, name="models", username="server", tls=tls)
    return Database(**{**vars(account), **more})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Database(tls=Tls())),
        ({"mysql": None, "postgres": {}}, Database(tls=Tls())),
        (
            {"mysql": {**ACCOUNT, **PASSWORD}},
            stored("mysql", Tls(verify=False), password_secret=KeyRef("login", "password")),
        ),
        (
            {"mysql": {**ACCOUNT, **CONFIG_MAP, **CLIENT, "verifyServerCert": True, "sslCipher": "A:B"}},
            stored(
                "mysql",
                Tls(
                    ca=PUBLIC,
                    verify=True,
                    client_certificate=KeyRef("client", "tls.crt"),
                    client_key=KeyRef("client", "tls.key"),
                    cipher="A:B",
                ),
            ),
        ),
        ({"mysql": {**ACCOUNT, **SECRET, **CONFIG_MAP}}, stored("mysql", Tls(ca=PUBLIC, verify=False))),
        (
            {"postgres": {**ACCOUNT, **SECRET, "sslMode": "verify-full"}},
            stored("postgres", Tls(ca=CaSource("Secret", KeyRef("private", "ca.pem")), mode="verify-full")),
        ),
        (
            {"postgres": {"generateDeployment": True, "image": "postgres:16"}},
            Database(type="postgres", generate=True, image="postgres:16", tls=Tls()),
        ),
    ],
)
def test_the_database_of_a_spec(spec: dict[str, Any], expected: Database) -> None:
    assert database_of(spec) == expected


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({"host": "db"}, "db"),
        ({"hostAddress": "10.0.0.1"}, "10.0.0.1"),
        ({"host": "db", "hostAddress": "10.0.0.1"}, "db"),
    ],
)
def test_the_host_counts_before_the_address(values: dict[str, str], address: str) -> None:
    assert database_of({"postgres": values}).address == address
