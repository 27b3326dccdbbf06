# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes at their real times, on a testbed of their own: all others run them at a fifth."""

from __future__ import annotations

from datetime import datetime

from registries import Registries
from testbed.api import Object
from testbed_fixtures import Start


def test_a_generated_database_is_ready_after_a_kubelets_second_round(start: Start) -> None:
    """Its readiness is probed after 5 s every 10 s, by a command in its container: so it is ready 10 s after its start.

    Until then its Service leads nowhere, and the registry server finds no server to talk to.
    """
    with start(time_factor=1.0, databases=(), more_servers=("postgres-16",)) as bed:
        registries = Registries(bed)
        body = registries.body("real-time")
        registries.create({**body, "spec": {"rest": {}, "postgres": {"generateDeployment": True}}})
        pod = bed.until("the database is ready", lambda: _ready_database(registries, "real-time"))
        (status,) = pod["status"]["containerStatuses"]
        assert bed.address("real-time-postgres", registries.namespace) == pod["status"]["podIP"]
    (ready,) = [one["lastTransitionTime"] for one in pod["status"]["conditions"] if one["type"] == "Ready"]
    waited = datetime.fromisoformat(ready) - datetime.fromisoformat(status["state"]["running"]["startedAt"])
    # Both are cut to whole seconds; a busy machine is late, never early.
    assert 9 <= waited.total_seconds() < 20
    assert status["restartCount"] == 0


def _ready_database(registries: Registries, name: str) -> Object | None:
    """Return the pod of a generated database once it is ready and its Service knows it."""
    selector = f"app={name},app.kubernetes.io/name={name}-postgres"
    for pod in registries.api.list("v1", "Pod", registries.namespace, labelSelector=selector):
        if any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ())):
            slices = registries.api.list(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                registries.namespace,
                labelSelector=f"kubernetes.io/service-name={name}-postgres",
            )
            ready = [e for s in slices for e in s["endpoints"] or () if e["conditions"].get("ready")]
            return pod if ready else None
    return None
