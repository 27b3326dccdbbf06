# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a registry at one moment -> whether it is ready, on its way, or failed and why.

A registry's own status is not enough. Its conditions do not say which edit they are about, and Available=True can be the
old pod's. For a database that cannot be used they say "containers not ready" and no more: the database's words are in
the log of the registry server alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .._common.model import Object
from .._common.names import LONGEST_WITH_PROXY
from .export import database_type
from .failure_causes import (
    CONNECTING,
    LAST,
    Cause,
    container_cause,
    database_cause,
    last_lines,
    last_said,
    next_step,
    said,
    scrubbed,
    silent,
)
from .rollout import (
    acted_at,
    carries_out,
    condition,
    database_name,
    edited_at,
    newest_pods,
    pending,
    restarts,
    serves,
    timestamp,
)

__all__ = [
    "DELETING",
    "FAILED",
    "GONE",
    "READY",
    "WAITING",
    "Evidence",
    "Log",
    "Verdict",
    "claims_of",
    "host_service",
    "judge",
]

READY, WAITING, FAILED, DELETING, GONE = "ready", "waiting", "failed", "deleting", "gone"

FINALIZER = "modelregistry.opendatahub.io/finalizer"
"""The operator's: it takes it off once its clean-up has worked."""
SETTLING = timedelta(seconds=3)
"""After an edit, nothing is believed for that long: the operator, which watches registries, has acted by then."""
OPERATOR_SILENCE = timedelta(seconds=20)
"""An operator that runs, and is not busy with other registries, answers a new or edited one within a second; this leaves
time for a new leader (15 s)."""
DATABASE_SILENCE = timedelta(seconds=20)
"""A database that drops packets lets the registry server say nothing. It is killed by its startup probe after 40 s."""
MISSING_SERVICE = timedelta(seconds=5)
"""A host that names no Service: the Service may be created together with the registry."""
MOUNTING = timedelta(seconds=6)
"""On OpenShift a pod is made before the platform has made its proxy's certificate: mounting fails at first, and the kubelet
repeats it after 0.5, 1 and 2 s, then 4 s."""
CERTIFYING = timedelta(seconds=30)
"""The platform has a queue for these certificates, and the operator makes a proxy's settings after the Deployment; then the
kubelet may have 8 s left until it mounts again."""
PROVISIONING = timedelta(seconds=60)
"""A volume that a storage class makes on demand is there within a minute at most."""
SCHEDULING = timedelta(seconds=5)
"""A pod is unschedulable for a moment where it takes the place of one that ends."""
MOUNTED_AGAIN = timedelta(seconds=122)
"""The longest pause of the kubelet between two attempts to mount a volume; each is twice as long as the one before."""
STARTUP = 40
"""Seconds after which a registry server that has not come up is killed by its startup probe."""
FRONT = timedelta(seconds=8)
"""A router admits a route within seconds."""
SLACK = timedelta(seconds=2)
"""Kubernetes writes times in whole seconds."""

SERVERS = ("rest-container", "grpc-container")
"""The containers that log their database's words."""
_TRANSIENT = re.compile(
    r"the object has been modified|already exists|etcdserver|too many requests|timeout|deadline exceeded|connection refused"
    r"|EOF|connection reset|not yet|is being terminated|object is being deleted",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Verdict:
    """What a registry's state is, why, and what to do about it."""

    state: str
    """ready, waiting, failed, deleting, gone."""
    reason: str
    """A short code, the same in every language and release."""
    message: str
    """One sentence, with the database's or Kubernetes' own words."""
    next_step: str = ""
    """What to do; empty where there is nothing to do."""
    source: str = ""
    """Where the words were read."""
    notes: tuple[str, ...] = ()
    """What could not be looked at, and the right that is missing."""
    attempt: str = ""
    """Which attempt has failed, of one that is repeated by itself; empty where nothing is."""
    retry: float = 0.0
    """Seconds until about the next attempt."""

    @property
    def settled(self) -> bool:
        """Whether waiting any longer for a ready registry would not change it."""
        return self.state != WAITING


@dataclass(frozen=True)
class Log:
    """What a container has written: its run now, and the one before its last restart."""

    current: str = ""
    previous: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that is known of one registry. Empty is what is not there; what may not be read is in ``unreadable``."""

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
    """Of the pods that wait for their volumes, and of the claims of those that cannot be scheduled."""
    host_exists: bool | None = None
    """Whether the Service that the database's host names is there; None where it names none, or that is not known."""
    restart_pending: bool = False
    """Whether the password or the authority was changed and the pods still have the old one."""
    operator_acted: datetime | None = None
    """When the operator has last done something in the namespace, by the API server's clock."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """By kind (Deployment, Pod, log, …), the right that is missing, in words."""

    def age(self, since: datetime | None, item: Object | None = None) -> timedelta:
        """Return how long ago that was; nothing is known to be long ago that has no time.

        item: whose status says so. A node's or a controller's clock may be behind the API server's, so it is no longer ago
        than the item was made.
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
        """The same of a database that the operator runs itself."""
        return newest_pods(self.database or {"metadata": {}}, self.database_pods)

    @property
    def generates(self) -> bool:
        """Whether the operator runs the registry's database itself."""
        return bool((((self.registry or {}).get("spec") or {}).get("postgres") or {}).get("generateDeployment"))


def judge(evidence: Evidence) -> Verdict:
    """The registry's state, by the first of the checks that has something to say."""
    evidence = _without_overcome(evidence)
    verdict = next(verdict for check in _CHECKS for verdict in check(evidence))
    notes = tuple(dict.fromkeys(evidence.unreadable.values()))
    # Here, and not at each of the places where conditions, events and logs are quoted.
    return replace(verdict, message=scrubbed(verdict.message), notes=notes)


def host_service(registry: Object) -> tuple[str, str] | None:
    """Namespace and name of the Service that the database's host names; None where it is no name of a Service.

    A bare name is looked up in the pod's own namespace (Kubernetes' DNS for Services).
    """
    spec = registry.get("spec") or {}
    host = (spec.get(database_type(spec) or "") or {}).get("host") or ""
    own = registry["metadata"].get("namespace", "")
    found = re.fullmatch(r"([a-z0-9-]+)(?:\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?\.?)?", host)
    if found is None or found[1].isdigit():
        return None
    return found[2] or own, found[1]


def _absent(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.registry is None:
        yield Verdict(GONE, "gone", "The registry does not exist.")


def _deleting(evidence: Evidence) -> Iterator[Verdict]:
    meta = evidence.registry["metadata"] if evidence.registry else {}
    if not meta.get("deletionTimestamp"):
        return
    left, since = meta.get("finalizers") or [], meta["deletionTimestamp"]
    message = f"It is being deleted since {since}; finalizers that are left: {', '.join(left) or 'none'}."
    others = ", ".join(name for name in left if name != FINALIZER)
    step = (
        "Look into the log of the model registry operator, which takes its finalizer off when its own clean-up has worked "
        "(deployment model-registry-operator-controller-manager). Never take it off by hand before you have done that work."
        if FINALIZER in left or not others
        else f"Find out what {others} waits for: the operator has taken its own finalizer off."
    )
    yield Verdict(DELETING, "finalizing", message, step, f"metadata of ModelRegistry {meta['name']}")


def _operator(evidence: Evidence) -> Iterator[Verdict]:
    """Whether the operator has looked at the registry as it is now, and what it says about it."""
    registry = evidence.registry or {"metadata": {}}
    since_edit = evidence.age(edited_at(registry))
    available = condition(registry, "Available")
    words = available.get("message", "")
    source = f"condition Available of ModelRegistry {evidence.name}"
    if since_edit < SETTLING and not _made_since(evidence.deployment, edited_at(registry)):
        yield Verdict(WAITING, "operator", "The operator has not had the time to act on the last edit.")
    if words.startswith("unexpected reconcile error") and not _TRANSIENT.search(words):
        yield _refused(words, source)
    behind = evidence.deployment is not None and carries_out(evidence.deployment, registry) is False
    if available and not behind:
        return
    what = "the last edit" if behind else "the registry"
    if since_edit > OPERATOR_SILENCE >= evidence.age(evidence.operator_acted) and evidence.operator_acted:
        yield Verdict(WAITING, "operator", f"The operator is busy with other registries, and {what} waits its turn.")
    if since_edit > OPERATOR_SILENCE:
        step = "Check that the model registry operator runs: its pods, and the component modelregistry of the platform."
        message = f"The operator has not acted on {what} since {edited_at(registry):%Y-%m-%dT%H:%M:%SZ}."
        yield Verdict(FAILED, "operator_silent", message, step, f"status of ModelRegistry {evidence.name}")
    yield Verdict(WAITING, "operator", f"The operator has not acted on {what} yet.")


def _made_since(deployment: Object | None, edit: datetime | None) -> bool:
    """Whether the Deployment is younger than the edit: what is to be seen of it then cannot be about an older spec."""
    made = timestamp(deployment["metadata"].get("creationTimestamp")) if deployment else None
    return made is not None and edit is not None and made >= edit


def _refused(words: str, source: str) -> Verdict:
    """An object that the operator wants to make is not taken by the API server."""
    name_is_bad = re.search(r"is invalid: metadata\.(name|labels)|must be no more than 63|DNS-1035", words)
    step = (
        f"Create the registry under another name: at most {LONGEST_WITH_PROXY} characters, a-z, 0-9 and -, beginning with a letter."
        if name_is_bad
        else "Fix what the message names; the operator tries again by itself."
    )
    return Verdict(FAILED, "invalid_name" if name_is_bad else "operator_error", words, step, source)


def _unrolled(evidence: Evidence) -> Iterator[Verdict]:
    """A Deployment that cannot even make its pods, or that has not begun to."""
    deployment = evidence.deployment
    if deployment is None:
        if "Deployment" not in evidence.unreadable:
            yield Verdict(WAITING, "deployment", "The operator has not created the Deployment yet.")
        return
    yield from _podless(evidence, deployment)
    if "has not been looked at" in pending(deployment):
        yield Verdict(WAITING, "rollout", f"Rollout of Deployment {evidence.name}: {pending(deployment)}.")


def _podless(evidence: Evidence, deployment: Object) -> Iterator[Verdict]:
    """A Deployment whose pods the API server refuses."""
    refused = condition(deployment, "ReplicaFailure")
    long = evidence.age(timestamp(refused.get("lastTransitionTime")), deployment) > SCHEDULING
    if refused.get("status") == "True" and long:
        step = "Lift the quota, or the policy, that the message names."
        source = f"status of Deployment {deployment['metadata']['name']}"
        yield Verdict(FAILED, "pods_refused", refused.get("message", ""), step, source)


def _generated(evidence: Evidence) -> Iterator[Verdict]:
    """A database that the operator runs itself: until it is ready, the registry server's words say nothing.

    Its readiness is only looked at 15 s after its creation, when the registry server has tried to connect five times.
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
            times = restarts(status)
            if since and times and times[0] <= since + SLACK:
                message = (
                    f"Its database has been ready since {_written(since)}, and container {status['name']}, which ended "
                    f"before, is started again at about {_written(times[1])}."
                )
                yield Verdict(WAITING, "database_starting", message, "", f"pods of Deployment {name}")


_GENERATED = dict.fromkeys(
    ("secret_missing", "secret_key_missing", "container_config"),
    "Read the log of the model registry operator: it makes this database, with all that the message names.",
)
"""Next steps for a database that the operator runs itself, by reason: those for the user's own are wrong there."""


def _database_since(evidence: Evidence) -> datetime | None:
    """Return since when a database that the operator runs itself is ready; None if it is not, or there is none."""
    if not evidence.generates:
        return None
    ready = [condition(pod, "Ready") for pod in evidence.newest_of_database]
    if not ready or any(found.get("status") != "True" for found in ready):
        return None
    return max(timestamp(found.get("lastTransitionTime")) or evidence.now for found in ready)


def _without_overcome(evidence: Evidence) -> Evidence:
    """Return the evidence without what a registry server has said before its generated database was ready."""
    since = _database_since(evidence)
    if since is None:
        return evidence
    logs = dict(evidence.logs)
    for pod in evidence.newest:
        for status in _unready(pod):
            key = (pod["metadata"]["name"], status["name"])
            if key in logs:
                logs[key] = _said_since(evidence, logs[key], status, since)
    return replace(evidence, logs=logs)


def _said_since(evidence: Evidence, log: Log, status: Object, since: datetime) -> Log:
    """Return of a server's log what it may have said since then. Its attempts have no times, but their pauses are known."""
    last = said(log.current)
    pause = timedelta(seconds=last.attempt) if last and last.attempt < LAST else timedelta(0)
    ended = timestamp(((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
    current = "" if last and evidence.age(since) <= pause + SLACK else log.current
    return Log(current, "" if ended and ended <= since + SLACK else log.previous)


def _pods(evidence: Evidence) -> Iterator[Verdict]:
    """What stops the pods of the newest rollout, and no others: an older pod's failure says nothing about an edit."""
    for pod in evidence.newest:
        yield from _stopped(evidence, pod)


def _stopped(evidence: Evidence, pod: Object) -> Iterator[Verdict]:
    """What stops one pod."""
    yield from _unscheduled(evidence, pod)
    yield from _unmounted(evidence, pod)
    for status in _unready(pod):
        for verdict in _container(evidence, pod, status):
            yield _tried(evidence, verdict, pod, status) if verdict.state == FAILED else verdict


def _unready(pod: Object) -> list[Object]:
    """Return the statuses of the containers that are not ready."""
    return [one for one in (pod.get("status") or {}).get("containerStatuses") or () if not one.get("ready")]


def _unscheduled(evidence: Evidence, pod: Object) -> Iterator[Verdict]:
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
    told = [str(event.get("message")) for claim in claims if (event := _newest_event(evidence, claim))]
    if waited > PROVISIONING or any("no storage class is set" in one for one in told):
        step = f"Have a volume made or bound for PersistentVolumeClaim {', '.join(claims)}: by a default StorageClass, for one."
        said_of = f"events of PersistentVolumeClaim {', '.join(claims)}" if told else source
        yield Verdict(FAILED, "storage_unbound", told[0] if told else words, step, said_of)


def claims_of(pod: Object) -> list[str]:
    """Return the names of the PersistentVolumeClaims that the pod waits for."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if volume.get("persistentVolumeClaim")]


def _newest_event(evidence: Evidence, name: str) -> Object:
    """Return the newest of an object's events; empty if there is none."""
    own = [event for event in evidence.events if event["involvedObject"].get("name") == name]
    return max(own, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), default={})


def _unmounted(evidence: Evidence, pod: Object) -> Iterator[Verdict]:
    """A pod whose volumes cannot be mounted only says "ContainerCreating"; why is in its events."""
    name = pod["metadata"]["name"]
    newest, age = _newest_event(evidence, name), evidence.age(timestamp(pod["metadata"]["creationTimestamp"]))
    if newest.get("reason") != "FailedMount":
        return
    if age < (CERTIFYING if _comes_later(evidence, newest["message"]) else MOUNTING):
        return
    reason, step = _mount_step(evidence, newest["message"])
    verdict = Verdict(FAILED, reason, newest["message"], step, f"events of pod {name}")
    pause = min(age, MOUNTED_AGAIN)
    yield replace(verdict, attempt=f"{name} {newest.get('count')}", retry=pause.total_seconds())


def _mount_step(evidence: Evidence, words: str) -> tuple[str, str]:
    """Return the reason and the next step for a volume that cannot be mounted."""
    missing = re.search(r'secret "([^"]{1,253})" not found', words)
    if missing and missing[1] in _proxy_secrets(evidence):
        return "proxy_certificate", (
            f"Create the Secret {missing[1]} in the registries namespace with the certificate of the registry's proxy (keys "
            f"tls.crt and tls.key): kubectl create secret tls {missing[1]} --cert=FILE --key=FILE. OpenShift makes one by "
            "itself, other clusters do not; without a proxy (auth_proxy) none is needed."
        )
    return "volume", "Create what the message names in the registries namespace, or name another with database.tls."


def _comes_later(evidence: Evidence, words: str) -> bool:
    """Return whether a volume lacks what is made by the platform or the operator while the pod is there already."""
    missing = re.search(r'(?:secret|configmap) "([^"]{1,253})" not found', words)
    made = ("kube-rbac-proxy", "oauth-proxy", "kube-rbac-proxy-config", "oauth-cookie-secret")
    return missing is not None and missing[1] in {f"{evidence.name}-{suffix}" for suffix in made}


def _proxy_secrets(evidence: Evidence) -> set[str]:
    """Return the names of the Secrets that the certificate of the registry's proxy can be in."""
    spec = (evidence.registry or {}).get("spec") or {}
    proxies = [spec.get(name) or {} for name in ("kubeRBACProxy", "oauthProxy")]
    given = {
        (proxy.get(name) or {}).get("name") for proxy in proxies for name in ("tlsCertificateSecret", "tlsKeySecret")
    }
    return {f"{evidence.name}-kube-rbac-proxy", f"{evidence.name}-oauth-proxy", *filter(None, given)}


def _container(evidence: Evidence, pod: Object, status: Object) -> Iterator[Verdict]:
    """A container that is not ready: what the kubelet says of it, and what it has written."""
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
    if log and (last := last_said(log.current, log.previous)):
        yield Verdict(
            WAITING, "database", f"The registry server does not reach its database yet: {last.words}.", "", source
        )


def _tried(evidence: Evidence, verdict: Verdict, pod: Object, status: Object) -> Verdict:
    """The verdict on a container that has failed, with the attempt that it is about and the time of the next one."""
    name = pod["metadata"]["name"]
    log = evidence.logs.get((name, status["name"])) or Log()
    present, times = said(log.current), restarts(status)
    # Until the present run has said something, the words are of the one before.
    known, run = present or said(log.previous), status.get("restartCount", 0) - (present is None)
    retry, source = 0.0, verdict.source
    if times:
        ended, again = times
        retry = max(0.0, (again - evidence.now).total_seconds())
        source += f", about the attempt that ended at {_written(ended)}; the next one comes at about {_written(again)}"
    elif known and known.attempt < LAST:
        retry = known.attempt
    elif silent(log.current):
        retry = STARTUP
    attempt = f"{name} {status['name']} {run} {known.attempt if known else 0}"
    return replace(verdict, source=source, attempt=attempt, retry=retry)


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _server(evidence: Evidence, log: Log, source: str) -> Iterator[Verdict]:
    """What the registry server has said of its database."""
    found = last_said(log.current, log.previous)
    if found is None:
        return
    cause = database_cause(found)
    if cause is None and evidence.host_exists is False:
        yield _no_service(evidence, found.words, source)
    if cause:
        yield _failed(evidence, cause, found.words, source)


def _silent(evidence: Evidence, log: Log, pod: Object, status: Object) -> Iterator[Verdict]:
    """A registry server that tries to connect and never hears anything."""
    if not silent(log.current):
        return
    running = (status.get("state") or {}).get("running") or {}
    quiet = evidence.age(timestamp(running.get("startedAt")), pod)
    if since := _database_since(evidence):
        quiet = min(quiet, evidence.age(since))
    source = f"log of container {status['name']} in pod {pod['metadata']['name']}"
    again = status.get("restartCount", 0) > 0 and silent(log.previous)
    words = f"{CONNECTING}..."
    if evidence.host_exists is False and (again or quiet > MISSING_SERVICE):
        yield _no_service(evidence, words, source)
    if again or quiet > DATABASE_SILENCE:
        facts = _facts(evidence)
        message = f"The database {facts['host']}:{facts['port']} does not answer: the last that the server has said is {words}"
        step = "Check database.host and database.port, NetworkPolicies and firewalls between the registry's pods and the host."
        yield Verdict(FAILED, "database_silent", message, step, source)


def _no_service(evidence: Evidence, words: str, source: str) -> Verdict:
    namespace, name = host_service(evidence.registry or {"metadata": {}}) or ("", "")
    message = f"There is no Service {name} in namespace {namespace}, which the database's host names: {words}."
    step = "Correct database.host, or create the Service."
    return Verdict(FAILED, "host_unknown", message, step, source)


def _crashing(evidence: Evidence, log: Log | None, status: Object, pod: str) -> Iterator[Verdict]:
    """A container that ends again and again with words that nobody knows, or that may not be read."""
    source = f"log of container {status['name']} in pod {pod}"
    words = last_lines(log.current or log.previous) if log else ""
    if not words:
        # The operator reads the log, too, and quotes the line that it knows.
        words = condition(evidence.registry, "Available").get("message", "")
        source = f"condition Available of ModelRegistry {evidence.name}"
    known = said(words)
    cause = database_cause(known) if known else None
    if known and cause:
        yield _failed(evidence, cause, known.words, source)
    message = f"Container {status['name']} ends again and again: {words}"
    yield Verdict(FAILED, "container_ends", message, f"Fix what the log of pod {pod} names.", source)


def _failed(evidence: Evidence, cause: Cause, words: str, source: str) -> Verdict:
    return Verdict(FAILED, cause.code, words, next_step(cause, _facts(evidence)), source)


def _stuck(evidence: Evidence) -> Iterator[Verdict]:
    """A rollout that the Deployment's controller has given up on, after ten minutes by default."""
    progressing = condition(evidence.deployment, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        step = "Look at the events and the logs of the newest pod."
        source = f"status of Deployment {evidence.name}"
        yield Verdict(FAILED, "rollout_stuck", progressing.get("message", ""), step, source)


def _facts(evidence: Evidence) -> dict[str, str]:
    """The names that a next step can use."""
    spec = (evidence.registry or {}).get("spec") or {}
    kind = database_type(spec) or ""
    database = spec.get(kind) or {}
    if evidence.generates:
        database = {**database, **_generated_database(evidence.name)}
    ref = database.get("passwordSecret")
    plain = not any(
        database.get(name) for name in ("sslRootCertificateConfigMap", "sslRootCertificateSecret", "verifyServerCert")
    )
    return {
        "name": evidence.name,
        "host": str(database.get("host") or database.get("hostAddress") or ""),
        "port": str(database.get("port") or ""),
        "database": str(database.get("database") or ""),
        "username": str(database.get("username") or ""),
        "secret": f"key {ref['key']} of Secret {ref['name']}" if ref else "its Secret",
        "plaintext": " So does an account that requires TLS: this registry has none (database.tls)." if plain else "",
        "encryption": "plaintext, without database.tls" if plain else "TLS, by database.tls",
    }


def _generated_database(name: str) -> Object:
    """Return how the operator writes the address and the account of a database that it runs itself."""
    secret = {"name": f"{database_name(name)}-credentials", "key": "password"}
    address = {"host": database_name(name), "port": 5432, "database": "model_registry"}
    return {**address, "username": "modelregistry", "passwordSecret": secret}


def _conditions(evidence: Evidence) -> Iterator[Verdict]:
    """What only the operator's conditions tell: proxies and routes, and all of it where pods may not be read."""
    available = condition(evidence.registry, "Available")
    words, source = available.get("message", ""), f"condition Available of ModelRegistry {evidence.name}"
    if available.get("reason") == "ResourcesUnavailable" and min(_front_ages(evidence)) > FRONT:
        step = "Check the Route of the registry and the proxy in its pods, or choose another auth_proxy."
        yield Verdict(FAILED, "front_unavailable", words, step, source)
    if available.get("status") == "True" or not {"Pod", "log"} & set(evidence.unreadable):
        return
    known = said(words)
    cause = database_cause(known) if known else container_cause("", words)
    if cause:
        yield _failed(evidence, cause, known.words if known else words, source)


def _front_ages(evidence: Evidence) -> list[timedelta]:
    """Return how long ago whatever stands in front of the server can have begun to be missing.

    A front's condition is False as long as the Deployment is unavailable, and a condition that stays False keeps its time
    when it is False for another reason: what counts is the newest of all these, and of the status itself.
    """
    conditions = [condition(evidence.registry, kind) for kind in ("Available", *_FRONTS)]
    ages = [evidence.age(timestamp(one.get("lastTransitionTime")), evidence.registry) for one in conditions if one]
    served = condition(evidence.deployment, "Available")
    if served:
        ages.append(evidence.age(timestamp(served.get("lastTransitionTime")), evidence.deployment))
    written = acted_at(evidence.registry) if evidence.registry else None
    return [*ages, evidence.age(written)] if written else ages


_FRONTS = ("KubeRBACProxyAvailable", "OAuthProxyAvailable", "GatewayAvailable", "IstioAvailable")


def _waiting(evidence: Evidence) -> Iterator[Verdict]:
    """What a registry without a failure still lacks."""
    deployment, newest = evidence.deployment, evidence.newest
    if deployment and pending(deployment):
        message = f"Rollout of Deployment {evidence.name}: {pending(deployment)}."
        yield Verdict(WAITING, "rollout", message, "", f"status of Deployment {evidence.name}")
    available = condition(evidence.registry, "Available")
    if available.get("status") != "True":
        source = f"condition Available of ModelRegistry {evidence.name}"
        yield Verdict(WAITING, available.get("reason", "operator"), available.get("message", ""), "", source)
    if "Pod" not in evidence.unreadable and deployment:
        if not newest or any(condition(pod, "Ready").get("status") != "True" for pod in newest):
            yield Verdict(WAITING, "pods", f"The newest pod of Deployment {evidence.name} is not ready.")
        if "Endpoints" not in evidence.unreadable and not serves(evidence.endpoints, newest):
            yield Verdict(
                WAITING, "endpoints", f"Service {evidence.name} does not pass requests on to the newest pod alone yet."
            )
    if evidence.restart_pending:
        step = "Run the task that changed it again: it restarts the pods."
        why = "The password or the certificate authority was changed, and the pods still have the old one."
        yield Verdict(WAITING, "restart_pending", why, step)


def _ready(evidence: Evidence) -> Iterator[Verdict]:
    source = f"Deployment, pods and endpoints of ModelRegistry {evidence.name}"
    yield Verdict(READY, "ready", "The registry server answers, and its Service passes requests on to it.", "", source)


_CHECKS = (_absent, _deleting, _operator, _unrolled, _generated, _pods, _conditions, _stuck, _waiting, _ready)
