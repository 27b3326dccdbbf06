# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay: a Job whose one pod forwards TCP connections to a database that only the cluster can reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._common.model import Object

__all__ = ["LISTEN", "SOCAT", "Relay", "RelayProblem", "relay_job", "relay_state"]

LISTEN = 13306
"""The relay's port. It is above 1023, where ordinary users may listen."""
SOCAT = ("socat", "TCP-LISTEN:{listen},fork,reuseaddr", "TCP:{host}:{port}")
"""Forwards connections in any image that has socat."""
SPARE = 120
"""Seconds that a relay lives beyond its start-up time; by then, a check is done."""
FINAL = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError")
"""The kubelet's reasons that waiting does not fix."""


@dataclass(frozen=True)
class Relay:
    """A relay as the user specifies it."""

    image: str
    command: Sequence[str]
    """With {listen}, {host} and {port} as placeholders."""
    host: str
    port: int
    timeout: int
    """Seconds in which its pod must run."""


@dataclass(frozen=True)
class RelayProblem:
    """Why a relay does not run."""

    words: str
    is_final: bool


def relay_job(name: str, relay: Relay) -> Object:
    """Return the Job. Its pod meets the Pod Security Standard "restricted".

    It sets no user ID: OpenShift gives each namespace its own, and elsewhere the image has one.
    """
    labels = {
        "app.kubernetes.io/name": "mysql-auth-check",
        "app.kubernetes.io/managed-by": "opendatahub.model_registry",
    }
    container = {
        "name": "relay",
        "image": relay.image,
        "command": _command(relay),
        "ports": [{"containerPort": LISTEN}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "activeDeadlineSeconds": relay.timeout + SPARE,
            "ttlSecondsAfterFinished": 0,
            "backoffLimit": 0,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def relay_state(pod: Object | None) -> tuple[bool, RelayProblem | None]:
    """Return whether the relay's pod runs, and what prevents it."""
    status = (pod or {}).get("status") or {}
    containers = status.get("containerStatuses") or [{}]
    state = containers[0].get("state") or {}
    if "running" in state:
        return True, None
    ended = state.get("terminated")
    if ended or status.get("phase") == "Failed":
        code = (ended or {}).get("exitCode", "unknown")
        return False, RelayProblem(f"its program has ended with exit code {code}", True)
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return False, RelayProblem(f"{reason}: {waiting.get('message') or 'no further message'}", reason in FINAL)
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "Unschedulable":
            return False, RelayProblem(f"Unschedulable: {condition.get('message', '')}", False)
    return False, None


def _command(relay: Relay) -> list[str]:
    host = f"[{relay.host}]" if ":" in relay.host else relay.host
    values = {"{listen}": str(LISTEN), "{host}": host, "{port}": str(relay.port)}
    words = list(relay.command)
    for placeholder, value in values.items():
        words = [word.replace(placeholder, value) for word in words]
    return words
