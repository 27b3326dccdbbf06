# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module model_registry_permissions returns, and for which registries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import registry as registry_options
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput, NotFound
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.gather import wanted_from
from ansible_collections.opendatahub.model_registry.plugins.modules import model_registry_permissions
from fake_permissions import NAMESPACE, OWNER, FakeCluster, role
from wishes import ANN, binding

PREFLIGHT: dict[str, Any] = {
    **dict.fromkeys(("display_name", "database", "namespace", "auth_proxy", "auth_proxy_settings")),
    "via": "auto",
}
OPTIONS: dict[str, Any] = {
    "registry": "demo",
    "namespace": NAMESPACE,
    "state": "present",
    "adopt": False,
    "verify": True,
    "must_exist": False,
    "wait": True,
    "wait_timeout": 5,
    "members": None,
    "users": None,
    "groups": None,
    "projects": None,
    "service_accounts": None,
}


def run(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, *, check_mode: bool = False, **options: Any
) -> dict[str, Any]:
    """Return the result of the module, also if it fails."""
    place = SimpleNamespace(namespace=NAMESPACE, warnings=[])
    monkeypatch.setattr(model_registry_permissions, "find_registries_namespace", lambda *_: place)
    module: Any = SimpleNamespace(params={**OPTIONS, **options}, check_mode=check_mode)
    connect: Any = lambda: cluster  # noqa: E731
    result: dict[str, Any] = {}
    try:
        model_registry_permissions.work(module, connect, result)
    except NotFound as error:
        result["error"] = str(error)
    return result


def test_a_run_that_fails_early_does_not_say_that_all_have_lost_access(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster(OWNER, role(), binding("by-hand", ANN))
    failed = run(cluster, monkeypatch, users=["unknown"], must_exist=True)
    assert "does not know unknown" in failed["error"] and not cluster.writes
    assert not {"grants", "granted", "revoked", "members"} & failed.keys() and failed["verified"] is False
    done = run(cluster, monkeypatch, users=["ann"])
    assert [entry["name"] for entry in done["grants"]] == ["ann"] and done["granted"] == done["revoked"] == []


UNFIT = ("9lives", "fraud.models", "x" * 50, "model-catalog")
"""Names of registries that exist on some clusters, though none could be created with them today."""


@pytest.mark.parametrize("state", ["present", "exact", "absent"])
@pytest.mark.parametrize("name", UNFIT)
def test_registries_with_names_of_old_are_shared_and_unshared(
    name: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = {**OWNER, "metadata": {**OWNER["metadata"], "name": name}}
    cluster = FakeCluster(owner, role(name), binding("by-hand", ANN, registry=name))
    done = run(cluster, monkeypatch, registry=name, state=state, users=["ann"])
    assert "error" not in done and done["verified"]
    assert [entry["name"] for entry in done["grants"]] == ([] if state == "absent" else ["ann"])


@pytest.mark.parametrize("name", ["", "..", "a/b", "a?b", "A", "a\n", "x" * 254, "-a"])
def test_what_no_object_can_be_called_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster(OWNER, role())
    with pytest.raises(InvalidInput, match="registry: "):
        run(cluster, monkeypatch, registry=name, state="absent", users=["ann"])
    assert not cluster.requests


@pytest.mark.parametrize("name", UNFIT)
def test_check_mode_expects_no_registry_that_could_not_be_created(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="registry: "):
        run(FakeCluster(), monkeypatch, registry=name, users=["ann"], check_mode=True)


JOBS = (
    ("create", True),
    ("update", False),
    ("grant", False),
    ("teardown", False),
)


@pytest.mark.parametrize(("job", "refused"), JOBS)
@pytest.mark.parametrize("name", UNFIT)
def test_the_preflight_wants_a_fit_name_only_of_what_is_to_be_created(job: str, refused: bool, name: str) -> None:
    assert bool(wanted_from({**PREFLIGHT, "job": job, "name": name}).invalid) is refused


@pytest.mark.parametrize(
    ("job", "refused"), [("create", True), ("update", True), ("grant", False), ("teardown", False)]
)
def test_a_wrong_database_keeps_no_registry_from_being_deleted(job: str, refused: bool) -> None:
    database = dict.fromkeys(registry_options()["database"]["options"]) | {"type": "mysql", "port": 70000}
    assert bool(wanted_from({**PREFLIGHT, "job": job, "name": "demo", "database": database}).invalid) is refused
