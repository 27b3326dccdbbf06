# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight reports what a registry server cannot do with a password, given in clear or in an existing Secret."""

from __future__ import annotations

import base64
from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import Forbidden, RegistryError
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database, KeyRef
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import Sealed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.gather import _password

FORBIDDEN = Forbidden("Secret s", "no", "rule")


class FakeCluster:
    """Has one Secret, and registries on a server of one version."""

    def __init__(self, secret: Any, tag: str) -> None:
        self._secret, self._tag = secret, tag

    def get(self, _kind: str, _namespace: str, _name: str) -> Any:
        if isinstance(self._secret, RegistryError):
            raise self._secret
        return self._secret

    def list(self, *_what: Any, **_how: Any) -> Any:
        containers = [{"name": "rest-container", "image": f"model-registry:{self._tag}"}]
        return [{"metadata": {"name": "x"}, "spec": {"template": {"spec": {"containers": containers}}}}], ""


def secret(value: str) -> dict[str, Any]:
    return {"data": {"k": Sealed(base64.b64encode(value.encode()).decode())}}


@pytest.mark.parametrize(
    ("kind", "there", "tag", "expected"),
    [
        ("postgres", secret("canary/x"), "v0.3.0", ["blocker"]),
        ("postgres", secret("canary+x"), "v0.3.0", []),
        ("postgres", FORBIDDEN, "v0.3.0", []),
        ("postgres", None, "v0.3.0", []),
        ("postgres", {"data": {}}, "v0.3.0", []),
        ("mysql", secret("canary/@x"), "v0.3.8", []),
        ("mysql", secret("canary?x"), "v0.3.8", ["blocker"]),
        ("mysql", secret("canary?x"), "latest", ["warning"]),
        ("mysql", secret("canary?x"), "v0.3.1", []),
    ],
)
def test_a_password_in_a_secret(kind: str, there: Any, tag: str, expected: list[str]) -> None:
    database = Database(type=kind, username="u", password_secret=KeyRef("s", "k"))
    found = list(_password(cast("Cluster", FakeCluster(there, tag)), "registries", database))
    assert [one.severity for one in found] == expected
    assert all(one.what == "key k of Secret s" and "canary" not in repr(one) for one in found)


@pytest.mark.parametrize(("tag", "expected"), [("v0.3.1", []), ("v0.3.2", ["blocker"]), ("latest", ["warning"])])
def test_a_password_in_clear(tag: str, expected: list[str]) -> None:
    database = Database(type="mysql", username="u", password="canary?")
    found = list(_password(cast("Cluster", FakeCluster(FORBIDDEN, tag)), "registries", database))
    assert [one.severity for one in found] == expected and "canary" not in repr(found)
