# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops the pods of a registry: scheduling, volumes, containers, and what the registry server logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from .._common.model import Database, KeyRef, Object, Tls
from .export import database_of, is_encrypted
from .failure_causes import (
    CONNECTING,
    GAVE_UP,
    Cause,
    container_cause,
    database_cause,
    is_still_connecting,
    last_failure,
    last_lines,
    next_step,
    relevant_failure,
)
from .rollout import (
    condition,
    database_name,
    restart_backoff,
    timestamp,
)
from .verdict import FAILED, WAITING, Log, StatusInputs, Verdict, host_service

__all__ = [
    "SCHEDULING",
    "SERVERS",
    "SLACK",
    "VOLUMES",
    "claims_of",
    "database_since",
    "failed",
    "pod_verdicts",
    "stopped",
    "unready",
    "without_overcome",
    "written",
]

DATABASE_SILENCE = timedelta(seconds=20)
"""If a database drops packets, the registry server logs nothing. Its startup probe kills it after 40 s."""
MISSING_SERVICE = timedelta(seconds=5)
"""For a host whose Service is missing: the Service may be created together with the registry."""
MOUNTING = timedelta(seconds=6)
"""On OpenShift a pod is created before the platform creates its proxy's certificate. Mounting fails at first, and the kubelet
repeats it after 0.5, 1 and 2 s, then 4 s."""
CERTIFYING = timedelta(seconds=30)
"""The platform queues these certificates, and the operator creates a proxy's settings after the Deployment. Then it may take
the kubelet another 8 s to mount again."""
PROVISIONING = timedelta(seconds=60)
"""A storage class creates a volume on demand within a minute."""
SCHEDULING = timedelta(seconds=5)
"""A pod that replaces a terminating one is unschedulable for a moment."""
MOUNTED_AGAIN = timedelta(seconds=122)
"""The longest pause of the kubelet between two attempts to mount a volume; each is twice as long as the one before."""
STARTUP = 40
"""Seconds after which the startup probe kills a registry server that is not up."""
SLACK = timedelta(seconds=2)
"""Kubernetes writes times in whole seconds."""
SERVERS = ("rest-container", "grpc-container")
"""The containers whose logs quote the database."""


def database_since(evidence: StatusInputs) -> datetime | None:
    """Return when a database that the operator runs itself became ready; None if it is not, or there is none."""
    if not evidence.generates:
        return None
    ready = [condition(pod, "Ready") for pod in evidence.newest_of_database]
    if not ready or any(ready_condition.get("status") != "True" for ready_condition in ready):
        return None
    return max(timestamp(ready_condition.get("lastTransitionTime")) or evidence.now for ready_condition in ready)


def without_overcome(evidence: StatusInputs) -> StatusInputs:
    """Return the evidence without what a registry server logged before its generated database was ready."""
    since = database_since(evidence)
    if since is None:
        return evidence
    logs = dict(evidence.logs)
    for pod in evidence.newest:
        for status in unready(pod):
            key = (pod["metadata"]["name"], status["name"])
            if key in logs:
                logs[key] = _log_since(evidence, logs[key], status, since)
    return replace(evidence, logs=logs)


def _log_since(evidence: StatusInputs, log: Log, status: Object, since: datetime) -> Log:
    """Return the part of a server's log that may be newer. Its attempts have no times, but their pauses are known."""
    last = last_failure(log.current)
    pause = timedelta(seconds=last.attempt) if last and last.attempt < GAVE_UP else timedelta(0)
    ended = timestamp(((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
    current = "" if last and evidence.age(since) <= pause + SLACK else log.current
    return Log(current, "" if ended and ended <= since + SLACK else log.previous)


def pod_verdicts(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield what stops the pods of the newest rollout only: an older pod's failure says nothing about an edit."""
    for pod in evidence.newest:
        yield from stopped(evidence, pod)


def stopped(evidence: StatusInputs, pod: Object) -> Iterator[Verdict]:
    """Yield what stops one pod."""
    yield from _unscheduled(evidence, pod)
    yield from _unmounted(evidence, pod)
    for status in unready(pod):
        for verdict in _container(evidence, pod, status):
            yield _tried(evidence, verdict, pod, status) if verdict.state == FAILED else verdict


def unready(pod: Object) -> list[Object]:
    """Return the statuses of the containers that are not ready."""
    return [one for one in (pod.get("status") or {}).get("containerStatuses") or () if not one.get("ready")]


def _unscheduled(evidence: StatusInputs, pod: Object) -> Iterator[Verdict]:
    scheduled = condition(pod, "PodScheduled")
    waited = evidence.age(timestamp(scheduled.get("lastTransitionTime")), pod)
    if scheduled.get("reason") != "Unschedulable" or waited <= SCHEDULING:
        return
    words, source = scheduled.get("message", ""), f"status of pod {pod['metadata']['name']}"
    if "persistentvolumeclaim" not in words.lower():
        step = "Free resources on the nodes or add one, or lower the registry's resources.requests."
        yield Verdict(FAILED, "unschedulable", words, step, source)
        return
    claims = claims_of(pod)
    messages = [str(event.get("message")) for claim in claims if (event := _newest_event(evidence, claim))]
    if waited > PROVISIONING or any("no storage class is set" in one for one in messages):
        step = f"Provide a volume for PersistentVolumeClaim {', '.join(claims)}, for example by a default StorageClass."
        said_of = f"events of PersistentVolumeClaim {', '.join(claims)}" if messages else source
        yield Verdict(FAILED, "storage_unbound", messages[0] if messages else words, step, said_of)


def claims_of(pod: Object) -> list[str]:
    """Return the names of the PersistentVolumeClaims that the pod waits for."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if volume.get("persistentVolumeClaim")]


def _newest_event(evidence: StatusInputs, name: str) -> Object:
    """Return the newest of an object's events; empty if there is none."""
    own = [event for event in evidence.events if event["involvedObject"].get("name") == name]
    return max(own, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), default={})


def _unmounted(evidence: StatusInputs, pod: Object) -> Iterator[Verdict]:
    """Yield why a pod's volumes cannot be mounted: its status says "ContainerCreating", its events say why."""
    name = pod["metadata"]["name"]
    newest, age = _newest_event(evidence, name), evidence.age(timestamp(pod["metadata"].get("creationTimestamp")))
    if newest.get("reason") != "FailedMount":
        return
    if age < (CERTIFYING if _comes_later(evidence, newest["message"]) else MOUNTING):
        return
    reason, step = _mount_step(evidence, newest["message"])
    verdict = Verdict(FAILED, reason, newest["message"], step, f"events of pod {name}")
    pause = min(age, MOUNTED_AGAIN)
    yield replace(verdict, attempt=f"{name} {newest.get('count')}", retry=pause.total_seconds())


def _mount_step(evidence: StatusInputs, words: str) -> tuple[str, str]:
    """Return the reason and the next step for a volume that cannot be mounted."""
    missing = re.search(r'secret "([^"]{1,253})" not found', words)
    if missing and missing[1] in _proxy_secrets(evidence):
        return "proxy_certificate", (
            f"Create the Secret {missing[1]} in the registries namespace with the certificate of the registry's proxy (keys "
            f"tls.crt and tls.key): kubectl create secret tls {missing[1]} --cert=FILE --key=FILE. Only OpenShift creates it by "
            "itself. Without a proxy (auth_proxy) none is needed."
        )
    reason = next(code for pattern, code in VOLUMES if re.search(pattern, words))
    return reason, "Create what the message names in the registries namespace, or name another with database.tls."


VOLUMES = (
    (r'volume "(mysql|postgres)-ssl-rootcert"', "ca_missing"),
    (r'volume "(mysql|postgres)-ssl-(cert|key)"', "secret_missing"),
    (r"", "volume"),
)
"""The operator's names of the volumes with a database's certificates, and what it means that one cannot be mounted."""


def _comes_later(evidence: StatusInputs, words: str) -> bool:
    """Return whether a volume lacks an object that the platform or the operator creates after the pod."""
    missing = re.search(r'(?:secret|configmap) "([^"]{1,253})" not found', words)
    made = ("kube-rbac-proxy", "oauth-proxy", "kube-rbac-proxy-config", "oauth-cookie-secret")
    return missing is not None and missing[1] in {f"{evidence.name}-{suffix}" for suffix in made}


def _proxy_secrets(evidence: StatusInputs) -> set[str]:
    """Return the names of the Secrets that can hold the certificate of the registry's proxy."""
    spec = (evidence.registry or {}).get("spec") or {}
    proxies = [spec.get(name) or {} for name in ("kubeRBACProxy", "oauthProxy")]
    given = {
        (proxy.get(name) or {}).get("name") for proxy in proxies for name in ("tlsCertificateSecret", "tlsKeySecret")
    }
    return {f"{evidence.name}-kube-rbac-proxy", f"{evidence.name}-oauth-proxy", *filter(None, given)}


def _container(evidence: StatusInputs, pod: Object, status: Object) -> Iterator[Verdict]:
    """Yield why a container is not ready, by the kubelet's words and its own log."""
    state, name = status.get("state") or {}, pod["metadata"]["name"]
    held = state.get("waiting") or state.get("terminated") or {}
    cause = container_cause(held.get("reason", ""), held.get("message", ""))
    if cause:
        words = held.get("message") or held["reason"]
        yield failed(evidence, cause, words, f"status of container {status['name']} in pod {name}")
    log = evidence.logs.get((name, status["name"]))
    source = f"log of container {status['name']} in pod {name}"
    if log:
        yield from _server(evidence, log, source)
        yield from _silent(evidence, log, pod, status)
    if held.get("reason") == "CrashLoopBackOff":
        yield from _crashing(evidence, log, status, name)
    if log and (last := relevant_failure(log.current, log.previous)):
        yield Verdict(
            WAITING, "database", f"The registry server does not reach its database yet: {last.message}.", "", source
        )


def _tried(evidence: StatusInputs, verdict: Verdict, pod: Object, status: Object) -> Verdict:
    """Add to the verdict on a failed container the attempt that it is about and the time of the next one."""
    name = pod["metadata"]["name"]
    log = evidence.logs.get((name, status["name"])) or Log()
    present, times = last_failure(log.current), restart_backoff(status)
    # Until the current run logs something, the words are those of the previous one.
    known, run = present or last_failure(log.previous), status.get("restartCount", 0) - (present is None)
    retry, source = 0.0, verdict.source
    if times:
        ended, again = times
        retry = max(0.0, (again - evidence.now).total_seconds())
        source += f", about the attempt that ended at {written(ended)}; the next one comes at about {written(again)}"
    elif known and known.attempt < GAVE_UP:
        retry = known.attempt
    elif is_still_connecting(log.current):
        retry = STARTUP
    attempt = f"{name} {status['name']} {run} {known.attempt if known else 0}"
    return replace(verdict, source=source, attempt=attempt, retry=retry)


def written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _server(evidence: StatusInputs, log: Log, source: str) -> Iterator[Verdict]:
    """Yield the failure that the registry server logged about its database."""
    failure = relevant_failure(log.current, log.previous)
    if failure is None:
        return
    cause = database_cause(failure)
    if cause is None and evidence.host_exists is False:
        yield _no_service(evidence, failure.message, source)
    if cause:
        yield failed(evidence, cause, failure.message, source)


def _silent(evidence: StatusInputs, log: Log, pod: Object, status: Object) -> Iterator[Verdict]:
    """Yield the failure of a registry server that tries to connect and gets no answer."""
    if not is_still_connecting(log.current):
        return
    running = (status.get("state") or {}).get("running") or {}
    quiet = evidence.age(timestamp(running.get("startedAt")), pod)
    if since := database_since(evidence):
        quiet = min(quiet, evidence.age(since))
    source = f"log of container {status['name']} in pod {pod['metadata']['name']}"
    again = status.get("restartCount", 0) > 0 and is_still_connecting(log.previous)
    words = f"{CONNECTING}..."
    if evidence.host_exists is False and (again or quiet > MISSING_SERVICE):
        yield _no_service(evidence, words, source)
    if again or quiet > DATABASE_SILENCE:
        facts = _facts(evidence)
        message = f"The database {facts['host']}:{facts['port']} does not answer. The registry server's last log line: {words}"
        step = "Check database.host and database.port, NetworkPolicies and firewalls between the registry's pods and the host."
        yield Verdict(FAILED, "database_silent", message, step, source)


def _no_service(evidence: StatusInputs, words: str, source: str) -> Verdict:
    namespace, name = host_service(evidence.registry or {"metadata": {}}) or ("", "")
    message = f"The Service {name} in namespace {namespace} of the database's host does not exist: {words}."
    step = "Correct database.host, or create the Service."
    return Verdict(FAILED, "host_no_service", message, step, source)


def _crashing(evidence: StatusInputs, log: Log | None, status: Object, pod: str) -> Iterator[Verdict]:
    """Yield the failure of a container that keeps ending with unknown words, or with words that may not be read."""
    source = f"log of container {status['name']} in pod {pod}"
    words = last_lines(log.current or log.previous) if log else ""
    if not words:
        # The operator reads the log, too, and quotes a line that it knows.
        words = condition(evidence.registry, "Available").get("message", "")
        source = f"condition Available of ModelRegistry {evidence.name}"
    known = last_failure(words)
    cause = database_cause(known) if known else None
    if known and cause:
        yield failed(evidence, cause, known.message, source)
    message = f"Container {status['name']} keeps ending: {words}"
    yield Verdict(FAILED, "container_ends", message, f"Fix what the log of pod {pod} names.", source)


def failed(evidence: StatusInputs, cause: Cause, words: str, source: str) -> Verdict:
    return Verdict(FAILED, cause.code, words, next_step(cause, _facts(evidence)), source)


def _facts(evidence: StatusInputs) -> dict[str, str]:
    """Return the names that a next step can use."""
    database = database_of((evidence.registry or {}).get("spec") or {})
    if evidence.generates:
        database = _generated_database(evidence.name)
    ref, plain = database.password_secret, not is_encrypted(database.tls or Tls())
    return {
        "name": evidence.name,
        "host": database.address or "",
        "port": str(database.port or ""),
        "database": database.name or "",
        "username": database.username or "",
        "secret": f"key {ref.key} of Secret {ref.name}" if ref else "its Secret",
        "plaintext": " So does an account that requires TLS, which this registry does not use (database.tls)."
        if plain
        else "",
        "encryption": "plaintext, without database.tls" if plain else "TLS, by database.tls",
    }


def _generated_database(registry: str) -> Database:
    """Return the address and the account of a database that the operator runs itself."""
    return Database(
        host=database_name(registry),
        port=5432,
        name="model_registry",
        username="modelregistry",
        password_secret=KeyRef(f"{database_name(registry)}-credentials", "password"),
    )
