# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Password Secrets that another client changes, and those that are no longer used."""

from __future__ import annotations

import time
from typing import Any

import pytest
from plays import INFO, mysql, play, succeeded, task
from registries import Registries
from testbed.bed import Testbed


def findings(bed: Testbed, name: str) -> dict[str, dict[str, str]]:
    """Return the findings of model_registry_info about a registry, by code."""
    (registry,) = succeeded(play(bed, task(INFO, name=name))).result["registries"]
    return {finding["code"]: finding for finding in registry["findings"]}


@pytest.mark.parametrize("way", ["apply", "patch"])
def test_a_secret_that_was_changed_after_the_pods_had_started(bed: Testbed, registries: Registries, way: str) -> None:
    """Both usual ways to write Secrets are noticed, and the password is not revealed."""
    name = f"behind-{way}"
    registries.make(name)
    registries.available(name)
    assert "secret_newer" not in findings(bed, name)
    time.sleep(1.1)  # managedFields has whole seconds
    if way == "apply":
        registries.make_secret(name, "canary-another")
    else:
        meta = {"name": f"{name}-db", "namespace": registries.namespace}
        values = {"database-password": "canary-another"}
        registries.api.patch({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": values})
    found = findings(bed, name)["secret_newer"]
    assert (found["severity"], found["what"]) == ("warning", f"Secret {name}-db")
    assert f"kubectl rollout restart deployment/{name}" in found["remedy"] and "canary" not in str(found)


def test_the_own_secret_goes_when_another_one_takes_its_place(bed: Testbed, registries: Registries) -> None:
    """After the rollout, and as check mode predicts; a Secret of the user stays in the opposite case."""
    name = "moving"
    registries.make_database(name)
    registries.make_secret(name)
    succeeded(play(bed, task(**mysql(name, password=f"{name}-password"))))
    ref = {"name": f"{name}-db", "key": "database-password"}
    move: dict[str, Any] = {"name": name, "database": {"password_secret": ref}}
    predicted, moved, again = (succeeded(play(bed, task(**move, check_mode=check))) for check in (True, False, False))
    assert not [write for write in predicted.writes if write[0] != "delete"]
    assert moved.writes == [
        ("patch", "modelregistries", name),
        ("delete", "secrets", f"{name}-db-password"),
        ("patch", "modelregistries", name),
    ]
    assert moved.result["changes"] == predicted.result["changes"]
    assert not again.writes and not again.result["changed"]
    assert registries.api.get("v1", "Secret", f"{name}-db-password", registries.namespace) is None
    stored = registries.get(name)
    assert stored and stored["spec"]["mysql"]["passwordSecret"] == ref
    assert not any("unused-secret" in key for key in stored["metadata"].get("annotations") or {})
    assert registries.rest(name, "GET", "/readyz/health")[0] == 200

    back: dict[str, Any] = {"name": name, "database": {"password": f"{name}-password"}}
    returned = succeeded(play(bed, task(**back)))
    # The last write removes the annotation of the switch, once new pods serve.
    assert [write[:2] for write in returned.writes] == [("create", "secrets"), *[("patch", "modelregistries")] * 2]
    assert registries.api.get("v1", "Secret", f"{name}-db", registries.namespace)
    succeeded(play(bed, task(name=name, state="absent")))


def test_a_rotation_with_a_wrong_name_first(bed: Testbed, registries: Registries) -> None:
    """The old pod serves on beside the failing one, and the edit that corrects the name makes the operator return to it.

    The password is not reported as rotated until a pod with the new one serves.
    """
    name = "corrected"
    registries.make_database(name)
    succeeded(play(bed, task(**mysql(name, password=f"{name}-password"))))
    (first,) = {pod["metadata"]["uid"] for pod in registries.pods(name)}
    registries.sql(f"ALTER USER '{name}'@'%' IDENTIFIED BY 'another one'")
    right: dict[str, Any] = {"name": name, "database": {"password": "another one", "name": name}}
    wrong = {**right, "database": {"password": "another one", "name": "nowhere"}}
    assert play(bed, task(**wrong)).result["failed"]
    corrected = succeeded(play(bed, task(**right)))
    assert ("patch", "deployments", name) in corrected.writes
    assert first not in {pod["metadata"]["uid"] for pod in registries.pods(name)}
    assert registries.rest(name, "GET", "/readyz/health")[0] == 200
    stored = registries.api.get("v1", "Secret", f"{name}-db-password", registries.namespace)
    assert stored and "restart-pending" not in str(stored["metadata"]["annotations"])
    assert not succeeded(play(bed, task(**right))).writes
    succeeded(play(bed, task(name=name, state="absent")))


def test_a_finalizer_that_hangs_is_told_by_the_module(bed: Testbed, registries: Registries) -> None:
    """Its name, since when, and what to do; once it is removed, the next run finishes the deletion."""
    name = "stuck"
    registries.make_database(name)
    succeeded(play(bed, task(**mysql(name, password=f"{name}-password"))))
    meta = {"name": name, "namespace": registries.namespace}
    failing = {"testbed.opendatahub.io/failing-finalizer": "no matches for kind HTTPRoute"}
    body = {"apiVersion": registries.version, "kind": "ModelRegistry"}
    registries.api.patch({**body, "metadata": {**meta, "annotations": failing}})
    hung = play(bed, task(name=name, state="absent", wait_timeout=5)).result
    registry = registries.get(name)
    assert registry
    assert hung["failed"] and "not gone after 5 s" in hung["msg"], hung
    assert f"It is being deleted since {registry['metadata']['deletionTimestamp']}" in hung["msg"]
    assert (
        "modelregistry.opendatahub.io/finalizer" in hung["msg"] and "log of the model registry operator" in hung["msg"]
    )
    registries.api.patch({**body, "metadata": {**meta, "annotations": dict.fromkeys(failing)}})
    finished = succeeded(play(bed, task(name=name, state="absent")))
    assert finished.writes[-1] == ("delete", "secrets", f"{name}-db-password")
    assert registries.get(name) is None
