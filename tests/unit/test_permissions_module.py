# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module model_registry_permissions returns, and for which registries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.errors import InvalidInput, Missing
from ansible_collections.opendatahub.model_registry.plugins.modules import model_registry_permissions
from fake_permissions import NAMESPACE, OWNER, FakeCluster, role
from wishes import ANN, binding

OPTIONS: dict[str, Any] = {
    **{"registry": "demo", "namespace": NAMESPACE, "state": "present", "adopt": False, "verify": True},
    **{"must_exist": False, "wait": True, "wait_timeout": 5, "members": None},
    **{"users": None, "groups": None, "projects": None, "service_accounts": None},
}


def run(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """Return the result as it is when the module ends, or fails."""
    place = SimpleNamespace(namespace=NAMESPACE, warnings=[])
    monkeypatch.setattr(model_registry_permissions, "find_place", lambda *_: place)
    module: Any = SimpleNamespace(params={**OPTIONS, **options}, check_mode=False)
    connect: Any = lambda: cluster  # noqa: E731
    result: dict[str, Any] = {}
    try:
        model_registry_permissions.work(module, connect, result)
    except Missing as error:
        result["error"] = str(error)
    return result


def test_a_run_that_fails_early_does_not_say_that_all_have_lost_access(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster(OWNER, role(), binding("by-hand", ANN))
    failed = run(cluster, monkeypatch, users=["unknown"], must_exist=True)
    assert "does not know unknown" in failed["error"] and not cluster.writes
    assert not {"grants", "granted", "revoked", "members"} & failed.keys() and failed["verified"] is False
    done = run(cluster, monkeypatch, users=["ann"])
    assert [entry["name"] for entry in done["grants"]] == ["ann"] and done["granted"] == done["revoked"] == []
