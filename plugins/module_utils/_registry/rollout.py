# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a registry's Deployment from an edit to ready pods behind its Service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from .._common.model import Database, KeyRef, Object, Tls
from .export import database_of

__all__ = [
    "acted_at",
    "condition",
    "database_name",
    "database_run_by",
    "edited_at",
    "latest",
    "matches_spec",
    "newest_pods",
    "registry_of",
    "restart_backoff",
    "rollout_message",
    "routes_only_to",
    "timestamp",
]


YEARS = (1970, 9000)
"""Of the times that count."""


def condition(item: Object | None, kind: str) -> Object:
    """Return a condition of an object's status by its type; empty if there is none."""
    conditions: list[Object] = ((item or {}).get("status") or {}).get("conditions") or []
    return next((found for found in conditions if found.get("type") == kind), {})


def timestamp(text: str | None) -> datetime | None:
    """Return a time as Kubernetes writes it, to the second or finer; None if it is not one."""
    try:
        found = datetime.fromisoformat(re.sub(r"\.\d+", "", text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    # Other clients write any time, and a sum must not go beyond the last year.
    return found if found.tzinfo and YEARS[0] <= found.year <= YEARS[1] else None


def latest(item: Object) -> datetime | None:
    """Return the newest time in an object that the API server itself set: its clock shows at least that.

    The times in a status come from nodes and controllers, whose clocks may differ.
    """
    meta = item["metadata"]
    return _newest([meta.get("creationTimestamp"), *(entry.get("time") for entry in meta.get("managedFields") or ())])


def edited_at(registry: Object) -> datetime | None:
    """Return when the registry itself, not its status, was last written."""
    meta = registry["metadata"]
    entries = [entry for entry in meta.get("managedFields") or () if entry.get("subresource") != "status"]
    return _newest([meta.get("creationTimestamp"), *(entry.get("time") for entry in entries)])


def acted_at(registry: Object) -> datetime | None:
    """Return when the operator last wrote the registry's status, by the API server's clock; None if it never did."""
    entries = registry["metadata"].get("managedFields") or ()
    return _newest(entry.get("time") for entry in entries if entry.get("subresource") == "status")


def _newest(texts: Iterable[str | None]) -> datetime | None:
    """Return the newest of some times, ignoring invalid ones: other clients write some of them."""
    return max(filter(None, map(timestamp, texts)), default=None)


def registry_of(pod: Object) -> str | None:
    """Return the registry whose server the pod runs, by the operator's labels; None for any other pod.

    The pod of a database that the operator runs has the registry's labels, too, except for its own name.
    """
    labels = pod["metadata"].get("labels") or {}
    is_server = labels.get("component") == "model-registry" and database_run_by(pod) is None
    return labels.get("app") if is_server else None


def database_run_by(pod: Object) -> str | None:
    """Return the name of the generated database that the pod runs, see database_name; None for any other pod."""
    labels = pod["metadata"].get("labels") or {}
    name = database_name(str(labels.get("app")))
    return name if labels.get("app.kubernetes.io/name") == name else None


def database_name(registry: str) -> str:
    """Return the name of the Deployment, Service and pods of the database that the operator runs for a registry."""
    return f"{registry}-postgres"


def newest_pods(deployment: Object, pods: Iterable[Object]) -> list[Object]:
    """Return the pods of the Deployment's newest rollout, without deleted and terminated ones.

    The Deployment's controller names the newest ReplicaSet in the condition Progressing. If it does not, the rollout
    is that of the youngest pod.
    """
    alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    alive = [pod for pod in alive if (pod.get("status") or {}).get("phase") not in ("Failed", "Succeeded")]
    named = re.search(r'[Rr]eplica ?[Ss]et "([^"]+)"', condition(deployment, "Progressing").get("message", ""))
    if named:
        return [pod for pod in alive if named[1] in _owners(pod)]
    youngest = max(alive, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)
    return [pod for pod in alive if _owners(pod) == _owners(youngest)] if youngest else []


def _owners(pod: Object) -> list[str]:
    return [owner["name"] for owner in pod["metadata"].get("ownerReferences") or ()]


def restart_backoff(status: Object) -> tuple[datetime, datetime] | None:
    """Return when a container ended and about when it restarts; None if it runs or never ran.

    status: the container's, from the pod's status. The kubelet waits for 10 s, doubled after each further end up to
    5 minutes, and reports it.
    """
    state = status.get("state") or {}
    held = state.get("waiting") or {}
    last = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    ended = timestamp(last.get("finishedAt"))
    if ended is None or "running" in state or held.get("reason", "CrashLoopBackOff") != "CrashLoopBackOff":
        return None
    backoff = re.match(r"back-off (?:(\d{1,3})m)?(\d{1,3})s ", held.get("message", ""))
    guess = min(10 * 2 ** min(status.get("restartCount", 0), 5), 300)
    return ended, ended + timedelta(seconds=60 * int(backoff[1] or 0) + int(backoff[2]) if backoff else guess)


def rollout_message(deployment: Object) -> str:
    """Describe what the Deployment's rollout still lacks; empty if it is done (by `kubectl rollout status`)."""
    status, wanted = deployment.get("status") or {}, (deployment.get("spec") or {}).get("replicas", 1)
    if (status.get("observedGeneration") or 0) < deployment["metadata"].get("generation", 0):
        return "its last change is not processed yet"
    updated, total = status.get("updatedReplicas") or 0, status.get("replicas") or 0
    available = status.get("availableReplicas") or 0
    if updated < wanted:
        return f"{updated} of {wanted} new pods are created"
    if total > updated:
        old = total - updated
        return f"{old} old pod{'s are' if old > 1 else ' is'} still running"
    if available < wanted or not wanted:
        return f"{available} of {wanted} pods are available"
    return ""


def routes_only_to(endpoints: Object | None, pods: Iterable[Object]) -> bool:
    """Return whether the Service routes requests to exactly these pods."""
    subsets = (endpoints or {}).get("subsets") or ()
    ready = {address["ip"] for subset in subsets for address in subset.get("addresses") or ()}
    return bool(ready) and ready == {(pod.get("status") or {}).get("podIP") for pod in pods}


def matches_spec(deployment: Object, registry: Object) -> bool | None:
    """Return whether the Deployment runs the registry server on the database in the registry's current spec.

    The status of a registry does not tell which edit it is about, so this compares the result of the operator's template.
    None if the Deployment does not have that form: for registry servers up to 0.2.19, releases of the operator that write
    it differently, and databases that the operator runs itself.
    """
    database = database_of(registry.get("spec") or {})
    template = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
    server: Object = next((c for c in template.get("containers") or () if c["name"] == "rest-container"), {})
    options = dict(_option(argument) for argument in server.get("args") or ())
    if database.type is None or database.generate or not _KNOWN_DSN.fullmatch(options.get("dsn", "")):
        return None
    tls = database.tls or Tls()
    files = _files(tls)
    expected = {"dsn": _dsn(database, tls), **{option: ref.key for option, ref in files.items()}}
    found = {name: options[name] for name in ("dsn", *_FILES) if name in options}
    verifies = options.get("ssl-verify-server-cert") == "true"
    mounts: set[tuple[str, ...]] = {
        (f"{database.type}-{option.replace('root-cert', 'rootcert')}", ref.name) for option, ref in files.items()
    }
    if ref := database.password_secret:
        mounts.add(("password", ref.name, ref.key))
    return expected == found and verifies == bool(tls.verify) and mounts == set(_mounted(server, template))


_KNOWN_DSN = re.compile(r"[^@]*@tcp\([^)]*\)/[^?]*\?charset=utf8mb4|postgresql://[^?]*(\?sslmode=[a-z-]+)?")
_FILES = ("ssl-cert", "ssl-key", "ssl-root-cert")
"""The registry server's options that name files (after --embedmd-database-)."""


def _option(argument: str) -> tuple[str, str]:
    """Split an argument into name and value, without the folder of a file."""
    name = argument.split("=", 1)[0].replace("--embedmd-database-", "")
    value = argument.partition("=")[2]
    return name, value.rpartition("/")[2] if name in _FILES else value


def _dsn(database: Database, tls: Tls) -> str:
    """Return the connection string as the operator writes it."""
    variable = f":$({str(database.type).upper()}_PASSWORD)" if database.password_secret else ""
    account, place = f"{database.username}{variable}", f"{database.address}:{database.port}"
    if database.type == "mysql":
        return f"{account}@tcp({place})/{database.name}?charset=utf8mb4"
    mode = f"?sslmode={tls.mode}" if tls.mode else ""
    return f"postgresql://{account}@{place}/{database.name}{mode}"


def _files(tls: Tls) -> dict[str, KeyRef]:
    """Return the reference of each file by its option."""
    refs = (tls.client_certificate, tls.client_key, tls.ca.ref if tls.ca else None)
    return {option: ref for option, ref in zip(_FILES, refs) if ref}


def _mounted(server: Object, template: Object) -> Iterator[tuple[Any, ...]]:
    """Yield the objects that a Deployment names: for the password's variable and the certificates' volumes."""
    for variable in server.get("env") or ():
        ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if ref and variable["name"].endswith("_PASSWORD"):
            yield ("password", ref["name"], ref["key"])
    for volume in template.get("volumes") or ():
        source = volume.get("secret") or volume.get("configMap") or {}
        if re.fullmatch(r"(mysql|postgres)-ssl-(cert|key|rootcert)", volume["name"]):
            yield (volume["name"], source.get("secretName") or source.get("name"))
