# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's status from the evidence of one moment: whether it is ready, in progress or failed, and why.

A registry's own status is not enough. Its conditions do not say which edit they are about, and Available=True can be the
old pod's. For an unusable database they only say "containers not ready": the database's words are only in the log of
the registry server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .._common.model import Database, KeyRef, Object, Tls
from .._common.names import MAX_NAME_LENGTH_WITH_PROXY
from .export import database_of, is_encrypted, is_generated
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
    scrubbed,
)
from .rollout import (
    acted_at,
    condition,
    database_name,
    edited_at,
    matches_spec,
    newest_pods,
    restart_backoff,
    rollout_message,
    routes_only_to,
    timestamp,
)
from .shape import misfit, not_understood

__all__ = [
    "DELETING",
    "FAILED",
    "GONE",
    "READY",
    "VOLUMES",
    "WAITING",
    "Log",
    "StatusInputs",
    "Verdict",
    "claims_of",
    "host_service",
    "registry_status",
]

READY, WAITING, FAILED, DELETING, GONE = "ready", "waiting", "failed", "deleting", "gone"

FINALIZER = "modelregistry.opendatahub.io/finalizer"
"""The operator's: it removes it once its clean-up succeeds."""
SETTLING = timedelta(seconds=3)
"""After an edit, nothing is trusted for that long. The operator watches registries and acts within that time."""
OPERATOR_SILENCE = timedelta(seconds=20)
"""A running operator that is not busy with other registries answers a new or edited one within a second. This leaves time
for a new leader (15 s)."""
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
FRONT = timedelta(seconds=8)
"""A router admits a route within seconds."""
SLACK = timedelta(seconds=2)
"""Kubernetes writes times in whole seconds."""

SERVERS = ("rest-container", "grpc-container")
"""The containers whose logs quote the database."""
_TRANSIENT = re.compile(
    r"the object has been modified|already exists|etcdserver|too many requests|timeout|deadline exceeded|connection refused"
    r"|EOF|connection reset|not yet|is being terminated|object is being deleted",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Verdict:
    """The state of a registry, the reason, and what to do about it."""

    state: str
    """ready, waiting, failed, deleting, gone."""
    reason: str
    """A short code, stable across languages and releases."""
    message: str
    """One sentence, with the database's or Kubernetes' own words."""
    next_step: str = ""
    """What to do; empty if there is nothing to do."""
    source: str = ""
    """Where the message comes from."""
    notes: tuple[str, ...] = ()
    """What could not be read, and the missing permission."""
    attempt: str = ""
    """The failed attempt of something that repeats by itself; empty if nothing does."""
    retry: float = 0.0
    """Approximate seconds until the next attempt."""

    @property
    def settled(self) -> bool:
        """Whether waiting any longer for a ready registry would not change it."""
        return self.state != WAITING


@dataclass(frozen=True)
class Log:
    """The logs of a container: of its current run, and of the one before its last restart."""

    current: str = ""
    previous: str = ""


@dataclass(frozen=True)
class StatusInputs:
    """All that is known about one registry. What does not exist is empty; what may not be read is in ``unreadable``."""

    registry: Object | None
    now: datetime
    """By the cluster's clock."""
    deployment: Object | None = None
    pods: Sequence[Object] = ()
    """All of the registry's."""
    database: Object | None = None
    """The Deployment of a database that the operator runs itself."""
    database_pods: Sequence[Object] = ()
    endpoints: Object | None = None
    logs: Mapping[tuple[str, str], Log] = field(default_factory=dict)
    """By pod and container."""
    events: Sequence[Object] = ()
    """Of pods that wait for their volumes, and of the claims of pods that cannot be scheduled."""
    host_exists: bool | None = None
    """Whether the Service that the database's host names exists; None if it names none, or if that is unknown."""
    restart_pending: bool = False
    """Whether the password or the authority changed and the pods still have the old one."""
    operator_acted: datetime | None = None
    """When the operator last acted in the namespace, by the API server's clock."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """By kind (Deployment, Pod, log, …), the missing permission, in words."""

    def age(self, since: datetime | None, item: Object | None = None) -> timedelta:
        """Return how long ago that was; zero if there is no time.

        item: the object whose status has the time. A node's or a controller's clock may be behind the API server's, so the
        age of the item is the limit.
        """
        made = timestamp(item["metadata"].get("creationTimestamp")) if item else None
        return timedelta(0) if since is None else self.now - max(since, made or since)

    @property
    def name(self) -> str:
        """The registry's resource name."""
        name: str = self.registry["metadata"]["name"] if self.registry else ""
        return name

    @property
    def newest(self) -> list[Object]:
        """The pods of the newest rollout."""
        return newest_pods(self.deployment or {"metadata": {}}, self.pods)

    @property
    def newest_of_database(self) -> list[Object]:
        """The same for a database that the operator runs itself."""
        return newest_pods(self.database or {"metadata": {}}, self.database_pods)

    @property
    def generates(self) -> bool:
        """Whether the operator runs the registry's database itself."""
        return is_generated((self.registry or {}).get("spec") or {})


def registry_status(evidence: StatusInputs) -> Verdict:
    """Return the registry's status, by the first check that yields a verdict."""
    field = misfit(evidence.registry) if evidence.registry else None
    if field is not None:
        finding = not_understood(evidence.name, field)
        return Verdict(FAILED, finding.code, f"It cannot be checked: {finding.why}.", finding.remedy, finding.what)
    evidence = _without_overcome(evidence)
    verdict = next(verdict for check in _CHECKS for verdict in check(evidence))
    notes = tuple(dict.fromkeys(evidence.unreadable.values()))
    # Here rather than at every place that quotes conditions, events and logs.
    return replace(verdict, message=scrubbed(verdict.message), notes=notes)


def host_service(registry: Object) -> tuple[str, str] | None:
    """Return namespace and name of the Service that the database's host names; None if it names none.

    A bare name is looked up in the pod's own namespace (Kubernetes' DNS for Services).
    """
    host = database_of(registry.get("spec") or {}).host or ""
    own = registry["metadata"].get("namespace", "")
    match = re.fullmatch(r"([a-z0-9-]+)(?:\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?\.?)?", host)
    if match is None or match[1].isdigit():
        return None
    return match[2] or own, match[1]


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
        for verdict in _stopped(evidence, pod):
            yield replace(verdict, next_step=_GENERATED.get(verdict.reason, verdict.next_step))
    since, name = _database_since(evidence), database_name(evidence.name)
    if since is None:
        message = f"Its database is starting: no pod of Deployment {name} is ready yet."
        yield Verdict(WAITING, "database_starting", message, "", f"pods of Deployment {name}")
    for pod in evidence.newest:
        for status in _unready(pod):
            times = restart_backoff(status)
            if since and times and times[0] <= since + SLACK:
                message = (
                    f"Its database is ready since {_written(since)}. Container {status['name']}, which ended "
                    f"before that, starts again at about {_written(times[1])}."
                )
                yield Verdict(WAITING, "database_starting", message, "", f"pods of Deployment {name}")


_GENERATED = dict.fromkeys(
    ("secret_missing", "container_config"),
    "Check the log of the model registry operator: it creates this database and the objects that the message names.",
)
"""Next steps for a database that the operator runs itself, by reason: those for the user's own would be wrong."""


def _database_since(evidence: StatusInputs) -> datetime | None:
    """Return when a database that the operator runs itself became ready; None if it is not, or there is none."""
    if not evidence.generates:
        return None
    ready = [condition(pod, "Ready") for pod in evidence.newest_of_database]
    if not ready or any(ready_condition.get("status") != "True" for ready_condition in ready):
        return None
    return max(timestamp(ready_condition.get("lastTransitionTime")) or evidence.now for ready_condition in ready)


def _without_overcome(evidence: StatusInputs) -> StatusInputs:
    """Return the evidence without what a registry server logged before its generated database was ready."""
    since = _database_since(evidence)
    if since is None:
        return evidence
    logs = dict(evidence.logs)
    for pod in evidence.newest:
        for status in _unready(pod):
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


def _pods(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield what stops the pods of the newest rollout only: an older pod's failure says nothing about an edit."""
    for pod in evidence.newest:
        yield from _stopped(evidence, pod)


def _stopped(evidence: StatusInputs, pod: Object) -> Iterator[Verdict]:
    """Yield what stops one pod."""
    yield from _unscheduled(evidence, pod)
    yield from _unmounted(evidence, pod)
    for status in _unready(pod):
        for verdict in _container(evidence, pod, status):
            yield _tried(evidence, verdict, pod, status) if verdict.state == FAILED else verdict


def _unready(pod: Object) -> list[Object]:
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
        yield _failed(evidence, cause, words, f"status of container {status['name']} in pod {name}")
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
        source += f", about the attempt that ended at {_written(ended)}; the next one comes at about {_written(again)}"
    elif known and known.attempt < GAVE_UP:
        retry = known.attempt
    elif is_still_connecting(log.current):
        retry = STARTUP
    attempt = f"{name} {status['name']} {run} {known.attempt if known else 0}"
    return replace(verdict, source=source, attempt=attempt, retry=retry)


def _written(moment: datetime) -> str:
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
        yield _failed(evidence, cause, failure.message, source)


def _silent(evidence: StatusInputs, log: Log, pod: Object, status: Object) -> Iterator[Verdict]:
    """Yield the failure of a registry server that tries to connect and gets no answer."""
    if not is_still_connecting(log.current):
        return
    running = (status.get("state") or {}).get("running") or {}
    quiet = evidence.age(timestamp(running.get("startedAt")), pod)
    if since := _database_since(evidence):
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
        yield _failed(evidence, cause, known.message, source)
    message = f"Container {status['name']} keeps ending: {words}"
    yield Verdict(FAILED, "container_ends", message, f"Fix what the log of pod {pod} names.", source)


def _failed(evidence: StatusInputs, cause: Cause, words: str, source: str) -> Verdict:
    return Verdict(FAILED, cause.code, words, next_step(cause, _facts(evidence)), source)


def _stuck(evidence: StatusInputs) -> Iterator[Verdict]:
    """Yield the failure of a rollout that the Deployment's controller gave up, by default after ten minutes."""
    progressing = condition(evidence.deployment, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        step = "Look at the events and the logs of the newest pod."
        source = f"status of Deployment {evidence.name}"
        yield Verdict(FAILED, "rollout_stuck", progressing.get("message", ""), step, source)


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
        yield _failed(evidence, cause, known.message if known else words, source)


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
    written = acted_at(evidence.registry) if evidence.registry else None
    return [*ages, evidence.age(written)] if written else ages


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


_CHECKS = (_absent, _deleting, _operator, _unrolled, _generated, _pods, _conditions, _stuck, _waiting, _ready)
