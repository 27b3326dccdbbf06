# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the Kubernetes API: which requests are sent, how often, and how long is waited for their answers."""

from __future__ import annotations

import json
import ssl
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Callable
from urllib.parse import quote

from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException

from ._core.access import Answer
from ._core.answers import Operation, refusal
from ._core.errors import Missing, OutcomeUnknown, Refused, RegistryError, Rejected, Unreachable
from ._core.kinds import GROUP, KINDS, VERSIONS, Kind, collection_path, newest
from ._core.model import Object
from ._core.plan import Change
from ._core.preflight_rules import ApiConnection
from ._core.redact import seal, unsealed
from ._portforward import Forward, open_websocket, within

try:
    import urllib3
    from kubernetes.client.exceptions import ApiException
except ImportError:
    MISSING: str | None = traceback.format_exc()
    """Why there can be no Cluster: the client library is not installed. _module says so."""
else:
    MISSING = None

__all__ = ["MISSING", "Cluster", "Listed", "connected"]

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
"""Seconds. The API server itself gives a request up after 60, and a webhook after 10 by default."""
TRIES = 5
LONGEST_PAUSE = 10.0
"""Seconds: the cap on what a Retry-After header can ask for."""
LOG_BYTES = 64 * 1024
FORWARD_TIMEOUT = 5.0
"""Seconds in which a port-forward must be set up."""
SUCCEEDED = ("DataScienceCluster",)
"""Kinds that are read in whichever version is served if theirs is not: releases drop versions."""
FIELD_MANAGER = "opendatahub.model_registry"
"""How the API server names this collection in managedFields."""

Query = tuple[tuple[str, str], ...]
Listed = tuple[list[Object], str]
"""Objects of a kind, and the resourceVersion of their list."""


@dataclass(frozen=True)
class _Request:
    """One HTTP request and what it is for."""

    operation: Operation
    method: str
    path: str
    query: Query = ()
    body: Object | None = field(default=None, repr=False)
    content_type: str = "application/json"
    read_timeout: float = READ_TIMEOUT
    stream: bool = False
    """Whether the answer is read bit by bit, by the caller."""


class Cluster:
    """The API server as one user sees it. Safe to use from several threads.

    client: what kubernetes.core's get_api_client() returns. Errors are those of _core.errors.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client.client
        self._sleep = sleep
        self._served: tuple[str, ...] | None = None
        self._versions: dict[str, str] = {}
        """By kind, the version to use if the one in KINDS is not served any more."""
        self.ahead: timedelta | None = None
        """How far the API server's clock is ahead of this machine's, by the Date of its answers; None before the first."""
        # urllib3 would repeat GET and DELETE by itself, without a word, and never POST and PATCH.
        self._client.client.rest_client.pool_manager.connection_pool_kw["retries"] = False

    def served_versions(self) -> tuple[str, ...]:
        """The versions of ModelRegistry that the API server serves, its own favourite first. Asked for once.

        Every authenticated user may see an API group; the CustomResourceDefinition is for administrators.
        """
        if self._served is None:
            group = self._json(_Request(Operation("get", "ModelRegistry"), "GET", f"/apis/{GROUP}"))
            self._served = tuple(version["version"] for version in group["versions"])
        return self._served

    def version(self) -> str:
        """The version of ModelRegistry that is read and written: the newest that is served."""
        version = newest(self.served_versions())
        if version is None:
            served = ", ".join(self.served_versions())
            why = f"the cluster serves {served} of {GROUP}, and this collection knows {', '.join(VERSIONS)}"
            raise Missing("ModelRegistry", why, "Use a release of the collection that fits the cluster's.")
        return version

    def spec_fields(self) -> frozenset[str]:
        """Return the fields of a ModelRegistry's spec in the newest served version, from the published schema (99 kB).

        Those of its own, such as rest, and one level deeper, such as rest.image.
        """
        path = f"/openapi/v3/apis/{GROUP}/{self.version()}"
        schemas = self._json(_Request(Operation("get", "ModelRegistry"), "GET", path))["components"]["schemas"]
        (schema,) = (found for name, found in schemas.items() if name.endswith(".ModelRegistry"))
        fields = schema["properties"]["spec"].get("properties") or {}
        inner = (f"{name}.{field}" for name, part in fields.items() for field in part.get("properties") or ())
        return frozenset([*fields, *inner])

    def serves(self, kind: str) -> bool:
        """Whether the cluster has that kind of object at all: every authenticated user may ask."""
        known = KINDS[kind]
        request = _Request(Operation("get", kind), "GET", f"/apis/{known.group}/{known.version}")
        try:
            return any(resource["name"] == known.plural for resource in self._json(request)["resources"])
        except Missing:
            return False

    def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """The object, or None where there is none of that name, or no such kind. Values of a Secret are sealed."""
        operation = Operation("get", kind, namespace, name)
        try:
            return _readable(self._json(_Request(operation, "GET", self._path(kind, namespace, name))), kind)
        except Missing:
            return None

    def list(
        self, kind: str, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> Listed:
        """The objects of a kind in a namespace, or in all where it is None, and the resourceVersion of the list.

        Raises Missing where the cluster has no such kind.
        """
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        try:
            answer = self._json(self._listing(kind, namespace, query))
        except Missing:
            if kind not in SUCCEEDED or kind in self._versions:
                raise
            self._versions[kind] = self._preferred_version(kind)
            answer = self._json(self._listing(kind, namespace, query))
        version: str = answer["metadata"]["resourceVersion"]
        # The members of a list come without apiVersion and kind.
        common = {"apiVersion": answer["apiVersion"], "kind": kind}
        return [_readable({**item, **common}, kind) for item in answer["items"] or ()], version

    def _listing(self, kind: str, namespace: str | None, query: Query) -> _Request:
        return _Request(Operation("list", kind, namespace), "GET", self._path(kind, namespace), query)

    def _preferred_version(self, kind: str) -> str:
        """Return the version of the kind's group that the API server prefers. Raises Missing if there is no such group."""
        group = self._json(_Request(Operation("list", kind), "GET", f"/apis/{KINDS[kind].group}"))
        return str(group["versions"][0]["version"])

    def write(self, change: Change, dry_run: bool) -> Object:
        """Store the change, or have the server check that it could. Returns the object as the server has it then.

        A patch and a deletion carry in their body what they expect to find; where that is not so, Conflict is raised.
        """
        verb = "patch" if change.action == "restart" else change.action
        operation = Operation(verb, change.kind, change.namespace, change.name)
        path = self._path(change.kind, change.namespace, "" if verb == "create" else change.name)
        if verb == "create":
            request = _Request(operation, "POST", path, _strict(dry_run), unsealed(change.body))
        elif verb == "patch":
            merge = "application/merge-patch+json"
            request = _Request(operation, "PATCH", path, _strict(dry_run), unsealed(change.body), merge)
        else:
            # Where a DELETE has a body, the server ignores its query: dryRun there would delete.
            options = {**change.body, **({"dryRun": ["All"]} if dry_run else {})}
            request = _Request(operation, "DELETE", path, (), options)
        return _readable(self._json(request), change.kind)

    def watch(
        self, kind: str, namespace: str | None, resource_version: str, timeout: float
    ) -> Iterator[tuple[str, Object]]:
        """What happens to the objects of a kind after a list: ADDED, MODIFIED or DELETED, with the object.

        Ends after ``timeout`` seconds, or earlier where the server ends it or has forgotten that resourceVersion: list
        again then.
        """
        query = _query(watch="true", resourceVersion=resource_version, timeoutSeconds=str(max(1, int(timeout))))
        operation = Operation("watch", kind, namespace)
        path = self._path(kind, namespace)
        response = self._send(_Request(operation, "GET", path, query, read_timeout=timeout + 1, stream=True))
        try:
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event["type"], _readable(event["object"], kind)
        except urllib3.exceptions.HTTPError:
            return
        finally:
            response.close()

    def log(self, namespace: str, pod: str, container: str, previous: bool = False) -> str:
        """The last of what a container, or its run before the last restart, has written. Empty where nothing is kept.

        The server's limitBytes would keep the first bytes of those lines, and the last words are what is looked for.
        """
        query = _query(container=container, previous="true" if previous else "", tailLines="200")
        operation = Operation("get", "Pod", namespace, pod, subresource="log")
        path = f"{self._path('Pod', namespace)}/{pod}/log"
        try:
            text = self._data(_Request(operation, "GET", path, query))
        except (Rejected, Missing):
            # The container has not started, or never did before.
            return ""
        return text[-LOG_BYTES:].decode(errors="replace")

    def review(self, kind: str, namespace: str | None, spec: Object) -> Answer:
        """Whether an access review of that kind (LocalSubjectAccessReview and the like) allows what ``spec`` says."""
        body = {"apiVersion": KINDS[kind].api_version, "kind": kind, "spec": spec}
        if namespace and KINDS[kind].namespaced:
            body["metadata"] = {"namespace": namespace}
        operation = Operation("create", kind, namespace if KINDS[kind].namespaced else None)
        status = self._json(_Request(operation, "POST", self._path(kind, namespace), body=body))["status"]
        return Answer(bool(status.get("allowed")), status.get("reason") or status.get("evaluationError") or "")

    def check_port_forward(self) -> None:
        """Raise Refused for a user who impersonates another."""
        if any(name.lower().startswith("impersonate-") for name in self._client.client.default_headers):
            why = "the client library drops impersonation there: it would act as the user who impersonates"
            step = "Leave impersonate_user, impersonate_groups and K8S_AUTH_IMPERSONATE_* out."
            raise Refused("port-forward", why, step)

    def about_self(self, kind: str, spec: Object) -> Object:
        """What the API server says of the user: the status of a SelfSubjectReview or SelfSubjectRulesReview."""
        body = {"apiVersion": KINDS[kind].api_version, "kind": kind, "spec": spec}
        answer = self._json(_Request(Operation("create", kind), "POST", self._path(kind, None), body=body))
        status: Object = answer["status"]
        return status

    def connection(self) -> ApiConnection:
        """How the API server is reached, and whose certificates are believed."""
        configuration = self._client.client.configuration
        given = configuration.ssl_ca_cert or ("" if getattr(configuration, "ca_cert_data", None) else None)
        # What the client library chooses by itself, else what Python's OpenSSL does.
        chosen = self._client.client.rest_client.pool_manager.connection_pool_kw.get("ca_certs")
        paths = ssl.get_default_verify_paths()
        default = chosen or paths.cafile or paths.capath or ""
        return ApiConnection(configuration.host, bool(configuration.verify_ssl), given, str(default))

    def port_forward(self, namespace: str, pod: str, port: int, timeout: float | None = None) -> Forward:
        """One connection to a port of a pod, to be closed by the caller. timeout: seconds, no more than FORWARD_TIMEOUT.

        Whether anybody listens there, Forward.refusal() says. Raises Refused for a user who impersonates another.
        """
        self.check_port_forward()
        operation = Operation("get", "Pod", namespace, pod, subresource="portforward")
        path = f"{self._path('Pod', namespace)}/{pod}/portforward?ports={port}"
        limit = FORWARD_TIMEOUT if timeout is None else min(timeout, FORWARD_TIMEOUT)
        try:
            return Forward(within(limit, lambda: open_websocket(self._client.client.configuration, path)))
        except ApiException as error:
            raise _refused(operation, error) from None
        except OSError as error:
            raise _unreachable(operation, error) from None

    def _path(self, kind: str, namespace: str | None, name: str = "") -> str:
        """Of an object, or of all objects of the kind. A user's name, for one, can have any characters."""
        known = KINDS[kind]
        if kind == "ModelRegistry":
            known = Kind(known.group, self.version(), known.plural)
        elif kind in self._versions:
            known = replace(known, version=self._versions[kind])
        path = collection_path(known, namespace)
        return f"{path}/{quote(name, safe='')}" if name else path

    def _json(self, request: _Request) -> Object:
        answer: Object = json.loads(self._data(request))
        return answer

    def _data(self, request: _Request) -> bytes:
        data: bytes = self._send(request).data
        return data

    def _send(self, request: _Request) -> Any:
        """The answer to a request, which is repeated where that is safe. Raises what a refusal stands for."""
        for tries_left in reversed(range(TRIES)):
            try:
                return self._once(request)
            except ApiException as error:
                pause = _pause(error, request.operation)
                if pause is None and (asked := _asked_pause(error)) is not None:
                    # Not repeated, but whoever looks again, and may then write again, does not come too early.
                    self._sleep(asked)
                if not tries_left or pause is None:
                    raise _refused(request.operation, error) from None
            except urllib3.exceptions.HTTPError as error:
                if request.operation.writes and not _not_sent(error):
                    raise _lost(request.operation, error) from None
                if not tries_left:
                    raise _unreachable(request.operation, error) from None
                pause = 0.2 * 2 ** (TRIES - 1 - tries_left)
            self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _once(self, request: _Request) -> Any:
        response = self._client.request(
            request.method.lower(),
            request.path,
            body=request.body,
            query_params=list(request.query),
            content_type=request.content_type,
            header_params={"Accept": "application/json"},
            serialize=False,
            _request_timeout=(CONNECT_TIMEOUT, request.read_timeout),
        )
        if not request.stream:
            # Until the whole answer is read, its connection is not free for the next request. It is kept as .data.
            response.read(cache_content=True)
        self._learn_time(response.headers.get("Date"))
        return response

    def _learn_time(self, date: str | None) -> None:
        """Keep what is known of the server's clock. A Date has whole seconds: the largest difference is the nearest."""
        with suppress(OverflowError, TypeError, ValueError):
            ahead = parsedate_to_datetime(date or "") - datetime.now(timezone.utc)
            self.ahead = ahead if self.ahead is None else max(self.ahead, ahead)


def connected(authentication: Mapping[str, Any]) -> Cluster:
    """The cluster and the user that kubernetes.core's authentication options choose."""
    try:
        # Where its cache has nothing on the cluster, this asks for /version and /apis.
        return Cluster(get_api_client(**authentication))
    except CoreException as error:
        raise RegistryError(
            "kubeconfig", str(error), "Check kubeconfig and context, or give host and api_key."
        ) from None
    except ApiException as error:
        raise _refused(Operation("get", "ModelRegistry"), error) from None
    except urllib3.exceptions.HTTPError as error:
        raise _unreachable("Cluster", error) from None


def _query(**values: str) -> Query:
    return tuple((name, value) for name, value in values.items() if value)


def _strict(dry_run: bool) -> Query:
    """Unknown fields are an error: without Strict they vanish without a word."""
    return _query(fieldManager=FIELD_MANAGER, fieldValidation="Strict", dryRun="All" if dry_run else "")


def _readable(answer: Object, kind: str) -> Object:
    """The object as it may leave this file."""
    return seal(answer) if kind == "Secret" else answer


def _lines(response: Any) -> Iterator[bytes]:
    """The lines of an answer as they come."""
    rest = b""
    for chunk in response.stream(amt=None, decode_content=False):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line)


def _pause(error: ApiException, operation: Operation) -> float | None:
    """Seconds until a refused request is worth another try; None where it is not.

    429 means that the request has not been looked at; after 503 and 504 a write may have been stored.
    """
    if error.status != 429 and (operation.writes or error.status not in (503, 504)):
        return None
    asked = _asked_pause(error)
    return 1.0 if asked is None else asked


def _asked_pause(error: ApiException) -> float | None:
    """Seconds that the server asks to wait for, capped; None where it does not."""
    asked = str((error.headers or {}).get("Retry-After", ""))
    return min(float(asked), LONGEST_PAUSE) if asked.isdigit() else None


def _refused(operation: Operation, error: ApiException) -> RegistryError:
    if not error.status:
        # The client reports failed TLS handshakes so.
        return _unreachable(operation, error.reason)
    body = error.body if error.body is not None else ""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return refusal(operation, error.status, text)


def _not_sent(error: Exception) -> bool:
    """Whether nothing has reached the server, so that a write can be repeated."""
    return isinstance(error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _lost(operation: Operation, error: Exception) -> OutcomeUnknown:
    # The error's own text can quote what was sent.
    why = f"the connection broke before the API server had answered ({type(error).__name__})"
    return OutcomeUnknown(str(operation), why, "Run the task again: it looks first at what has been stored.")


def _unreachable(what: object, error: object) -> Unreachable:
    step = (
        "Check host, kubeconfig, proxy, validate_certs and ca_cert, and that the API server can be reached from here."
    )
    return Unreachable(str(what), f"no answer from the API server ({error})", step)
