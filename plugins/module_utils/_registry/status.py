# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's status from the evidence of one moment: whether it is ready, in progress or failed, and why.

A registry's own status is not enough. Its conditions do not say which edit they are about, and Available=True can be the
old pod's. For an unusable database they only say "containers not ready": the database's words are only in the log of
the registry server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from .._common.model import Object
from .._common.names import MAX_NAME_LENGTH_WITH_PROXY
from .failure_causes import (
    container_cause,
    database_cause,
    last_failure,
    scrubbed,
)
from .pod_status import (
    SCHEDULING,
    SLACK,
    database_since,
    failed,
    pod_verdicts,
    stopped,
    unready,
    without_overcome,
    written,
)
from .rollout import (
    acted_at,
    condition,
    database_name,
    edited_at,
    matches_spec,
    restart_backoff,
    rollout_message,
    routes_only_to,
    timestamp,
)
from .shape import misfit, not_understood
from .verdict import DELETING, FAILED, GONE, READY, WAITING, StatusInputs, Verdict

__all__ = ["registry_status"]

FINALIZER = "modelregistry.opendatahub.io/finalizer"
"""The operator's: it removes it once its clean-up succeeds."""
SETTLING = timedelta(seconds=3)
"""After an edit, nothing is trusted for that long. The operator watches registries and acts within that time."""
OPERATOR_SILENCE = timedelta(seconds=20)
"""A running operator that is not busy with other registries answers a new or edited one within a second. This leaves time
for a new leader (15 s)."""
FRONT = timedelta(seconds=8)
"""A router admits a route within seconds."""
_TRANSIENT = re.compile(
    r"the object has been modified|already exists|etcdserver|too many requests|timeout|deadline exceeded|connection refused"
    r"|EOF|connection reset|not yet|is being terminated|object is being deleted",
    re.IGNORECASE,
)


def registry_status(evidence: StatusInputs) -> Verdict:
    """Return the registry's status, by the first check that yields a verdict."""
    field = misfit(evidence.registry) if evidence.registry else None
    if field is not None:
        finding = not_understood(evidence.name, field)
        return Verdict(FAILED, finding.code, f"It cannot be checked: {finding.why}.", finding.remedy, finding.what)
    evidence = without_overcome(evidence)
    verdict = next(verdict for check in _CHECKS for verdict in check(evidence))
    notes = tuple(dict.fromkeys(evidence.unreadable.values()))
    # Here rather than at every place that quotes conditions, events and logs.
    return replace(verdict, message=scrubbed(verdict.message), notes=notes)


def _absent(evidence: StatusInputs) -> Iterator[Verdict]:
    if evidence.registry is None:
        yield Verdict(GONE, "registry_missing", "The registry does not exist.")


def _deleting(evidence: StatusInputs) -> Iterator[Verdict]:
    meta = evidence.registry["metadata"] if evidence.registry else {}
    if not meta.get("deletionTimestamp"):
        return
    left, since = meta.get("finalizers") or [], meta["deletionTimestamp"]
    message = f"It is being deleted since {since}; remaining finalizers: {', '.join(left) or 'none'}."
    others = ", ".join(name for name in left if name != FINALIZER)
    step = (
        "Check the log of the model registry operator, which removes its finalizer once its clean-up succeeds "
        "(deployment model-registry-operator-controller-manager). Do not remove it by hand before you have done that clean-up."
        if FINALIZER in left or not others
        else f"Find out what {others} waits for: the operator's own finalizer is removed already."
    )
    yield Verdict(DELETING, "registry_deleting", message, step, f"metadata of ModelRegistry {meta['name']}")


def _operator(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield that the operator has not processed the registry as it is now, or its error."""
    registry = evidence.registry or {"metadata": {}}
    since_edit = evidence.age(edited_at(registry))
    available = condition(registry, "Available")
    words = available.get("message", "")
    source = f"condition Available of ModelRegistry {evidence.name}"
    if since_edit < SETTLING and not _made_since(evidence.deployment, edited_at(registry)):
        yield Verdict(WAITING, "operator", "The operator has not processed the last edit yet.")
    if words.startswith("unexpected reconcile error") and not _TRANSIENT.search(words):
        yield _refused(words, source)
    behind = evidence.deployment is not None and matches_spec(evidence.deployment, registry) is False
    if available and not behind:
        return
    what = "the last edit" if behind else "the registry"
    if since_edit > OPERATOR_SILENCE >= evidence.age(evidence.operator_acted) and evidence.operator_acted:
        yield Verdict(WAITING, "operator", f"The operator is busy with other registries; {what} is in its queue.")
    if since_edit > OPERATOR_SILENCE:
        step = "Check that the model registry operator runs: its pods, and the component modelregistry of the platform."
        message = f"The operator has not processed {what} since {edited_at(registry):%Y-%m-%dT%H:%M:%SZ}."
        yield Verdict(FAILED, "operator_silent", message, step, f"status of ModelRegistry {evidence.name}")
    yield Verdict(WAITING, "operator", f"The operator has not processed {what} yet.")


def _made_since(deployment: Object | None, edit: datetime | None) -> bool:
    """Return whether the Deployment is younger than the edit: then its status cannot be about an older spec."""
    made = timestamp(deployment["metadata"].get("creationTimestamp")) if deployment else None
    return made is not None and edit is not None and made >= edit


def _refused(words: str, source: str) -> Verdict:
    """Return the verdict on an object of the operator that the API server refuses."""
    name_is_bad = re.search(r"is invalid: metadata\.(name|labels)|must be no more than 63|DNS-1035", words)
    step = (
        f"Create the registry under another name: at most {MAX_NAME_LENGTH_WITH_PROXY} characters, a-z, 0-9 and -, beginning with a letter."
        if name_is_bad
        else "Fix what the message names; the operator tries again by itself."
    )
    return Verdict(FAILED, "name_invalid" if name_is_bad else "operator_error", words, step, source)


def _unrolled(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield why a Deployment is missing, cannot create its pods, or has not begun to."""
    deployment = evidence.deployment
    if deployment is None:
        if "Deployment" not in evidence.unreadable:
            yield Verdict(WAITING, "deployment", "The operator has not created the Deployment yet.")
        return
    yield from _podless(evidence, deployment)
    if "is not processed yet" in rollout_message(deployment):
        yield Verdict(WAITING, "rollout", f"Rollout of Deployment {evidence.name}: {rollout_message(deployment)}.")


def _podless(evidence: StatusInputs, deployment: Object) -> Iterator[Verdict]:
    """Yield the verdict on a Deployment whose pods the API server refuses."""
    refused = condition(deployment, "ReplicaFailure")
    long = evidence.age(timestamp(refused.get("lastTransitionTime")), deployment) > SCHEDULING
    if refused.get("status") == "True" and long:
        step = "Lift the quota, or the policy, that the message names."
        source = f"status of Deployment {deployment['metadata']['name']}"
        yield Verdict(FAILED, "pods_refused", refused.get("message", ""), step, source)


def _generated(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield what a database that the operator runs lacks. Until it is ready, the registry server's log proves nothing.

    Its readiness is only probed 15 s after its creation, when the registry server has tried to connect five times.
    """
    if not evidence.generates or "Pod" in evidence.unreadable:
        return
    if evidence.database:
        yield from _podless(evidence, evidence.database)
    for pod in evidence.newest_of_database:
        for verdict in stopped(evidence, pod):
            yield replace(verdict, next_step=_GENERATED.get(verdict.reason, verdict.next_step))
    since, name = database_since(evidence), database_name(evidence.name)
    if since is None:
        message = f"Its database is starting: no pod of Deployment {name} is ready yet."
        yield Verdict(WAITING, "database_starting", message, "", f"pods of Deployment {name}")
    for pod in evidence.newest:
        for status in unready(pod):
            times = restart_backoff(status)
            if since and times and times[0] <= since + SLACK:
                message = (
                    f"Its database is ready since {written(since)}. Container {status['name']}, which ended "
                    f"before that, starts again at about {written(times[1])}."
                )
                yield Verdict(WAITING, "database_starting", message, "", f"pods of Deployment {name}")


_GENERATED = dict.fromkeys(
    ("secret_missing", "container_config"),
    "Check the log of the model registry operator: it creates this database and the objects that the message names.",
)
"""Next steps for a database that the operator runs itself, by reason: those for the user's own would be wrong."""


def _stuck(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield the failure of a rollout that the Deployment's controller gave up, by default after ten minutes."""
    progressing = condition(evidence.deployment, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        step = "Look at the events and the logs of the newest pod."
        source = f"status of Deployment {evidence.name}"
        yield Verdict(FAILED, "rollout_stuck", progressing.get("message", ""), step, source)


def _conditions(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield what only the operator's conditions tell: proxies and routes, and everything if pods may not be read."""
    available = condition(evidence.registry, "Available")
    words, source = available.get("message", ""), f"condition Available of ModelRegistry {evidence.name}"
    if available.get("reason") == "ResourcesUnavailable" and min(_front_ages(evidence)) > FRONT:
        step = "Check the Route of the registry and the proxy in its pods, or choose another auth_proxy."
        yield Verdict(FAILED, "front_unavailable", words, step, source)
    if available.get("status") == "True" or not {"Pod", "log"} & set(evidence.unreadable):
        return
    known = last_failure(words)
    cause = database_cause(known) if known else container_cause("", words)
    if cause:
        yield failed(evidence, cause, known.message if known else words, source)


def _front_ages(evidence: StatusInputs) -> list[timedelta]:
    """Return how long the proxy or route in front of the server can have been missing, by each condition.

    Their condition is False while the Deployment is unavailable, and keeps its time if it stays False for another reason.
    So the newest of all these conditions counts, and of the status itself.
    """
    conditions = [condition(evidence.registry, kind) for kind in ("Available", *_FRONTS)]
    ages = [evidence.age(timestamp(one.get("lastTransitionTime")), evidence.registry) for one in conditions if one]
    served = condition(evidence.deployment, "Available")
    if served:
        ages.append(evidence.age(timestamp(served.get("lastTransitionTime")), evidence.deployment))
    acted = acted_at(evidence.registry) if evidence.registry else None
    return [*ages, evidence.age(acted)] if acted else ages


_FRONTS = ("KubeRBACProxyAvailable", "OAuthProxyAvailable", "GatewayAvailable", "IstioAvailable")


def _waiting(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield what a registry without a failure still lacks."""
    deployment, newest = evidence.deployment, evidence.newest
    if deployment and rollout_message(deployment):
        message = f"Rollout of Deployment {evidence.name}: {rollout_message(deployment)}."
        yield Verdict(WAITING, "rollout", message, "", f"status of Deployment {evidence.name}")
    available = condition(evidence.registry, "Available")
    if available.get("status") != "True":
        source = f"condition Available of ModelRegistry {evidence.name}"
        yield Verdict(WAITING, "not_available", available.get("message", ""), "", source)
    if "Pod" not in evidence.unreadable and deployment:
        if not newest or any(condition(pod, "Ready").get("status") != "True" for pod in newest):
            yield Verdict(WAITING, "pods", f"The newest pod of Deployment {evidence.name} is not ready.")
        if "Endpoints" not in evidence.unreadable and not routes_only_to(evidence.endpoints, newest):
            yield Verdict(
                WAITING, "endpoints", f"Service {evidence.name} does not route requests only to the newest pod yet."
            )
    if evidence.restart_pending:
        step = "Run the task that changed it again: it restarts the pods."
        why = "The password or the certificate authority has changed, and the pods still have the old one."
        yield Verdict(WAITING, "restart_pending", why, step)


def _ready(evidence: StatusInputs) -> Iterator[Verdict]:
    source = f"Deployment, pods and endpoints of ModelRegistry {evidence.name}"
    yield Verdict(READY, "ready", "The registry server answers, and its Service routes requests to it.", "", source)


_CHECKS = (_absent, _deleting, _operator, _unrolled, _generated, pod_verdicts, _conditions, _stuck, _waiting, _ready)
