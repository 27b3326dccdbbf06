# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only access to the Kubernetes API: which requests are sent, how often, and with which timeouts."""

from __future__ import annotations

import json
import math
import ssl
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Callable, TypeVar
from urllib.parse import quote

from .._common.errors import (
    Forbidden,
    InvalidInput,
    InvalidObject,
    NoApiServer,
    NotFound,
    OutcomeUnknown,
    Refused,
    RegistryError,
    Unreachable,
)
from .._common.model import Object
from .api_errors import Operation, error_from_response
from .api_shape import (
    NotAnApi,
    check_list,
    check_object,
    check_written,
    event_of,
    names_in,
    parsed,
    spec_fields,
    status_of,
)
from .changes import Change
from .failed_requests import asked_pause, is_no_http, not_sent, outcome_unknown, pause_after, plain_words
from .port_forward import Forward, open_websocket, within
from .resources import GROUP, KINDS, VERSIONS, Kind, can_be_name, can_be_namespace, collection_path, newest
from .reviews import Answer, ApiConnection
from .sealed import Sealed, hidden, seal, sealed_in, unsealed, url_without_user
from .transport import Bounds, TooMuch, bind, bounded, lines_of

try:
    import urllib3
    from kubernetes.client.exceptions import ApiException
except ImportError:
    # They come with the client library; the login module reports its absence.
    pass

__all__ = ["Cluster", "Listed"]

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
"""Seconds without a byte. The API server abandons a request after 60, and a webhook after 10 by default."""
REQUEST_TIMEOUT = 60.0
"""Seconds for a request with all its retries and pauses, from the first byte to the last."""
CONNECTIONS = 16
"""Connections kept open: for 8 concurrent writers, the watches of a wait and reads meanwhile."""
LIST_ABOVE = 3
"""Up to this many objects of a kind are read one by one."""
TRIES = 5
"""Seconds: the cap on what a Retry-After header can ask for."""
LOG_BYTES = 64 * 1024
FORWARD_TIMEOUT = 5.0
"""Seconds to set up a port-forward."""
SUCCEEDED = ("DataScienceCluster",)
"""Kinds that are read in any served version if theirs is not: releases drop versions."""
FIELD_MANAGER = "opendatahub.model_registry"
"""How the API server names this collection in managedFields."""

Query = tuple[tuple[str, str], ...]
Listed = tuple[list[Object], str]
"""Objects of a kind, and the resourceVersion of their list."""


@dataclass(frozen=True)
class _Request:
    """One HTTP request and its operation."""

    operation: Operation
    method: str
    path: str
    query: Query = ()
    body: Object | None = field(default=None, repr=False)
    content_type: str = "application/json"
    read_timeout: float = READ_TIMEOUT
    seconds: float = REQUEST_TIMEOUT
    """For all of it."""
    stream: bool = False
    """Whether the caller reads the answer piece by piece."""


T = TypeVar("T")


class Cluster:
    """The API server as one user sees it. Safe to use from several threads.

    client: what kubernetes.core's get_api_client() returns. until: when the whole run must end, by time.monotonic(). No
    request starts, repeats or lasts beyond that. Errors are those of _common.errors.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None] = time.sleep, until: float = math.inf) -> None:
        self._client = client.client
        self._sleep = sleep
        self._until = until
        self._sent: set[Sealed] = set()
        """Values of Secrets that were sent: no error text may show them."""
        self._served: tuple[str, ...] | None = None
        self._versions: dict[str, str] = {}
        """By kind, the version to use if the one in KINDS is no longer served."""
        self.clock_skew: timedelta | None = None
        """How far the API server's clock is ahead of this machine's, by the Date of its answers; None before the first one."""
        bind(self._client.client.rest_client.pool_manager, CONNECTIONS)

    def served_versions(self) -> tuple[str, ...]:
        """Return the served versions of ModelRegistry, the API server's preferred one first. Requested once.

        Every authenticated user may read an API group; only administrators may read the CustomResourceDefinition.
        """
        if self._served is None:
            request = _Request(Operation("get", "ModelRegistry"), "GET", f"/apis/{GROUP}")
            try:
                self._served = self._ask(request, lambda group: names_in(group, "versions", "version"))
            except NotFound:
                # Any web server answers this, so it is worth one more request.
                self._check_version()
                raise
        return self._served

    def _check_version(self) -> None:
        """Raise NoApiServer if the server does not report a version of Kubernetes."""
        operation = Operation("get", "ModelRegistry")
        unknown = NotAnApi("it knows no version of Kubernetes")
        try:
            answer = self._ask(_Request(operation, "GET", "/version"), lambda answer: answer)
        except NotFound:
            raise self._no_api(operation, unknown) from None
        except Forbidden:
            return
        if not isinstance(answer.get("gitVersion"), str):
            raise self._no_api(operation, unknown)

    def version(self) -> str:
        """Return the version of ModelRegistry to read and write: the newest that is served."""
        version = newest(self.served_versions())
        if version is None:
            served = ", ".join(self.served_versions())
            why = f"the cluster serves {served} of {GROUP}, and this collection knows {', '.join(VERSIONS)}"
            raise NotFound("ModelRegistry", why, "Use a release of the collection that fits the cluster's.")
        return version

    def spec_fields(self) -> frozenset[str]:
        """Return the fields of a ModelRegistry's spec in the newest served version, from the published schema (99 kB).

        They are on the first level, such as rest, and the second, such as rest.image.
        """
        path = f"/openapi/v3/apis/{GROUP}/{self.version()}"
        return self._ask(_Request(Operation("get", "ModelRegistry"), "GET", path), spec_fields)

    def serves(self, kind: str) -> bool:
        """Return whether the cluster has that kind of object. Every authenticated user may ask."""
        known = KINDS[kind]
        request = _Request(Operation("get", kind), "GET", f"/apis/{known.group}/{known.version}")
        try:
            return known.plural in self._ask(request, lambda answer: names_in(answer, "resources", "name"))
        except NotFound:
            return False

    def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """Return the object, or None if there is none of that name, or no such kind. Values of a Secret are sealed.

        Raises NotFound for a ModelRegistry if the cluster serves no version that the collection knows.
        """
        operation = Operation("get", kind, namespace, name)
        if not can_be_name(name) or not can_be_namespace(namespace):
            # It cannot be part of a path, so there is no such object.
            return None
        request = _Request(operation, "GET", self._path(kind, namespace, name))
        try:
            return self._ask(request, lambda answer: _readable(check_object(answer, kind), kind))
        except NotFound:
            return None

    def list(
        self, kind: str, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> Listed:
        """Return the objects of a kind in a namespace, or in all if it is None, and the list's resourceVersion.

        Raises NotFound if the cluster has no such kind.
        """
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        try:
            items, version = self._ask(self._listing(kind, namespace, query), lambda answer: check_list(answer, kind))
        except NotFound:
            if kind not in SUCCEEDED or kind in self._versions:
                raise
            self._versions[kind] = self._preferred_version(kind)
            items, version = self._ask(self._listing(kind, namespace, query), lambda answer: check_list(answer, kind))
        return [_readable(item, kind) for item in items], version

    def get_many(
        self, kind: str, namespace: str | None, names: Collection[str], one_by_one: bool = False
    ) -> Sequence[Object]:
        """Return the existing objects of those names, or of more: a few are read one by one, many by a list.

        one_by_one: whether many are read so, too, if the user may not list them. Else that raises Forbidden.
        """
        if len(names) > LIST_ABOVE:
            try:
                return self.list(kind, namespace)[0]
            except NotFound:
                return []
            except Forbidden:
                if not one_by_one:
                    raise
        return [item for name in sorted(names) if (item := self.get(kind, namespace, name)) is not None]

    def _listing(self, kind: str, namespace: str | None, query: Query) -> _Request:
        return _Request(Operation("list", kind, namespace), "GET", self._path(kind, namespace), query)

    def _preferred_version(self, kind: str) -> str:
        """Return the version of the kind's group that the API server prefers.

        Raises NotFound if there is no such group.
        """
        request = _Request(Operation("list", kind), "GET", f"/apis/{KINDS[kind].group}")
        return self._ask(request, lambda group: (*names_in(group, "versions", "version"), KINDS[kind].version)[0])

    def write(self, change: Change, dry_run: bool) -> Object:
        """Store the change, or let the server validate it in a dry run. Returns the server's resulting object.

        A patch and a deletion carry their preconditions in the body. Raises Conflict if these do not hold.
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
            # If a DELETE has a body, the server ignores its query: dryRun there would delete.
            options = {**change.body, **({"dryRun": ["All"]} if dry_run else {})}
            request = _Request(operation, "DELETE", path, (), options)
        self._sent |= sealed_in(change.body)
        try:
            return self._ask(
                request, lambda answer: _readable(check_written(answer, change.kind, verb == "delete"), change.kind)
            )
        except NoApiServer as error:
            if dry_run:
                raise
            # It may be stored all the same. Reading again tells, and also whether there is an API server at all.
            raise OutcomeUnknown(error.what, error.why, error.next_step) from None

    def watch(
        self, kind: str, namespace: str | None, resource_version: str, timeout: float
    ) -> Iterator[tuple[str, Object]]:
        """Yield the events of a kind's objects after a list: ADDED, MODIFIED or DELETED, with the object.

        Ends after ``timeout`` seconds, or earlier if the server ends it or no longer has that resourceVersion. Then list
        again.
        """
        query = _query(watch="true", resourceVersion=resource_version, timeoutSeconds=str(max(1, int(timeout))))
        operation = Operation("watch", kind, namespace)
        path = self._path(kind, namespace)
        seconds = timeout + READ_TIMEOUT
        request = _Request(operation, "GET", path, query, read_timeout=timeout + 1, seconds=seconds, stream=True)
        response = self._send(request)
        try:
            for line in lines_of(response):
                what, item = event_of(line, kind)
                if what == "ERROR":
                    return
                yield what, _readable(item, kind)
        except (TooMuch, urllib3.exceptions.HTTPError):
            # Over time, many changes add up to more than one answer may have.
            return
        except NotAnApi as error:
            raise self._no_api(operation, error) from None
        finally:
            response.close()

    def log(self, namespace: str, pod: str, container: str, previous: bool = False) -> str:
        """Return the end of the log of a container, or of its run before the last restart. Empty if none is kept.

        The server's limitBytes would keep the first bytes of those lines, but the last ones are needed.
        """
        query = _query(container=container, previous="true" if previous else "", tailLines="200")
        operation = Operation("get", "Pod", namespace, pod, subresource="log")
        path = f"{self._path('Pod', namespace, pod)}/log"
        try:
            text: bytes = self._send(_Request(operation, "GET", path, query)).data
        except (InvalidObject, NotFound, NoApiServer):
            # The container has not started, or had no earlier run. Or its last lines are longer than any answer may be.
            return ""
        # A secret that is cut would no longer be found, so it is hidden before the text gets its final length.
        return self._hidden(text[-2 * LOG_BYTES :].decode(errors="replace"))[-LOG_BYTES:]

    def review(self, kind: str, namespace: str | None, spec: Object) -> Answer:
        """Return whether an access review of that kind (such as LocalSubjectAccessReview) allows ``spec``."""
        body = {"apiVersion": KINDS[kind].api_version, "kind": kind, "spec": spec}
        if namespace and KINDS[kind].namespaced:
            body["metadata"] = {"namespace": namespace}
        operation = Operation("create", kind, namespace if KINDS[kind].namespaced else None)
        status = self._ask(_Request(operation, "POST", self._path(kind, namespace), body=body), status_of)
        return Answer(bool(status.get("allowed")), status.get("reason") or status.get("evaluationError") or "")

    def check_port_forward(self) -> None:
        """Raise Refused if the user impersonates another."""
        if any(name.lower().startswith("impersonate-") for name in self._client.client.default_headers):
            why = "the client library does not support impersonation there"
            step = "Leave impersonate_user, impersonate_groups and K8S_AUTH_IMPERSONATE_* out."
            raise Refused("port-forward", why, step)

    def self_review(self, kind: str, spec: Object) -> Object:
        """Return what the API server says about the user: the status of a SelfSubjectReview or SelfSubjectRulesReview."""
        body = {"apiVersion": KINDS[kind].api_version, "kind": kind, "spec": spec}
        return self._ask(_Request(Operation("create", kind), "POST", self._path(kind, None), body=body), status_of)

    def connection(self) -> ApiConnection:
        """Return how the API server is reached, and which authorities are trusted."""
        configuration = self._client.client.configuration
        given = configuration.ssl_ca_cert or ("" if getattr(configuration, "ca_cert_data", None) else None)
        # The client library's own default, else that of Python's OpenSSL.
        chosen = self._client.client.rest_client.pool_manager.connection_pool_kw.get("ca_certs")
        paths = ssl.get_default_verify_paths()
        default = chosen or paths.cafile or paths.capath or ""
        return ApiConnection(url_without_user(configuration.host), bool(configuration.verify_ssl), given, str(default))

    def port_forward(self, namespace: str, pod: str, port: int, timeout: float | None = None) -> Forward:
        """Open a connection to a pod's port, for the caller to close. timeout: seconds, at most FORWARD_TIMEOUT.

        Forward.refusal() tells whether the port accepts it. Raises Refused if the user impersonates another.
        """
        self.check_port_forward()
        operation = Operation("get", "Pod", namespace, pod, subresource="portforward")
        path = f"{self._path('Pod', namespace, pod)}/portforward?ports={port}"
        limit = FORWARD_TIMEOUT if timeout is None else min(timeout, FORWARD_TIMEOUT)
        limit = max(0.0, min(limit, self._until - time.monotonic()))
        try:
            return Forward(within(limit, lambda: open_websocket(self._client.client.configuration, path)))
        except ApiException as error:
            if not error.body and error.status in (401, 403, 404):
                # websocket-client before 1.5 does not keep the body, and later releases do not keep a chunked one.
                words = f"the API server answered {error.status} without a reason"
                error.body = json.dumps({"kind": "Status", "message": words})
            raise self._refused(operation, error) from None
        except (OSError, ValueError) as error:
            raise self._unreachable(operation, error) from None

    def _path(self, kind: str, namespace: str | None, name: str = "") -> str:
        """Return the path of an object, or of all objects of the kind. Some names, such as users', have any characters."""
        known = KINDS[kind]
        if kind == "ModelRegistry":
            known = Kind(known.group, self.version(), known.plural)
        elif kind in self._versions:
            known = replace(known, version=self._versions[kind])
        path = collection_path(known, namespace)
        if name and not can_be_name(name):
            raise InvalidInput(f"{kind} {name!r}", "no object can have this name", "Give a name without / and %.")
        return f"{path}/{quote(name, safe='')}" if name else path

    def _ask(self, request: _Request, read: Callable[[Object], T]) -> T:
        """Return what ``read`` makes of the answer. Raises NoApiServer if that is not a JSON object as expected."""
        try:
            return read(parsed(self._send(request).data))
        except NotAnApi as error:
            raise self._no_api(request.operation, error) from None

    def _send(self, request: _Request) -> Any:
        """Return the answer to a request, repeating it if that is safe. Raises the error that a refusal stands for."""
        until = min(self._until, time.monotonic() + request.seconds)
        for turn in range(TRIES):
            try:
                return self._once(request, until)
            except NotAnApi as error:
                raise self._no_api(request.operation, error) from None
            except ApiException as error:
                failure, pause = self._refused(request.operation, error), pause_after(error, request.operation)
                # It is not repeated here, but a caller who reads and writes again must not come too early.
                asked = asked_pause(error) if pause is None else None
            except urllib3.exceptions.HTTPError as error:
                failure, asked = self._broken(request.operation, error), None
                pause = None if isinstance(failure, (NoApiServer, OutcomeUnknown)) else 0.2 * 2**turn
            if asked is not None and time.monotonic() + asked < until:
                self._sleep(asked)
            if pause is None or turn == TRIES - 1 or time.monotonic() + pause >= until:
                raise failure from None
            self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _once(self, request: _Request, until: float) -> Any:
        try:
            with bounded(Bounds(until, request.read_timeout, request.stream)):
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
        except urllib3.exceptions.HTTPError:
            raise
        except ValueError:
            # http.client quotes the header, and so the token.
            step = "Check api_key and the other credentials for line breaks and characters that an HTTP header cannot have."
            raise InvalidInput("authentication options", "they cannot be sent to the API server", step) from None
        self._learn_time(response.headers.get("Date"))
        return response

    def _refused(self, operation: Operation, error: ApiException) -> RegistryError:
        """Return the error that an answer other than 2xx stands for."""
        if not error.status:
            # The client reports failed TLS handshakes like this.
            return self._unreachable(operation, error.reason)
        body = error.body if error.body is not None else ""
        text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        try:
            # Its meaning is read before anything is hidden: a secret can be any word, or part of one.
            refused = error_from_response(operation, error.status, text, self._hidden)
        except NotAnApi as impostor:
            return self._no_api(operation, impostor)
        return type(refused)(refused.what, self._hidden(refused.why), self._hidden(refused.next_step))

    def _broken(self, operation: Operation, error: Exception) -> RegistryError:
        """Return the error for a connection that failed or broke."""
        if any(map(is_no_http, error.args)):
            return self._no_api(operation, NotAnApi("it does not speak HTTP"))
        if operation.writes and not not_sent(error):
            return outcome_unknown(operation, error)
        return self._unreachable(operation, error)

    def _no_api(self, operation: Operation, error: NotAnApi) -> NoApiServer:
        why = f"what answered at {self._address()} is no Kubernetes API server: {self._hidden(str(error))}"
        step = "Check host and proxy: a login page, a console or a proxy answers like this."
        if isinstance(error, TooMuch) and operation.verb == "list":
            step = (
                f"Check host and proxy. If it is an API server, delete what is not needed of its {operation.resource}."
            )
        return NoApiServer(str(operation), why, step)

    def _unreachable(self, operation: Operation, error: object) -> Unreachable:
        if time.monotonic() >= self._until:
            why = f"the run's time was over before the API server at {self._address()} answered"
            step = "Give a longer wait_timeout if the option is there, and check that the API server can be reached from here."
            return Unreachable(str(operation), why, step)
        why = f"no answer from the API server at {self._address()} ({self._hidden(plain_words(error))})"
        step = "Check host, kubeconfig, proxy, validate_certs and ca_cert, and that the API server can be reached from here."
        return Unreachable(str(operation), why, step)

    def _address(self) -> str:
        return url_without_user(str(self._client.client.configuration.host))

    def _hidden(self, text: str) -> str:
        """Return a text from outside without Secrets or credentials that were sent, in any form in which they may return."""
        configuration = self._client.client.configuration
        tokens = [str(key).rpartition(" ")[2] for key in (getattr(configuration, "api_key", None) or {}).values()]
        login = [one for one in (*tokens, getattr(configuration, "password", None)) if one]
        return hidden(text, [*(value.plain() for value in self._sent), *(one.encode() for one in login)])

    def _learn_time(self, date: str | None) -> None:
        """Update what is known of the server's clock. A Date has whole seconds: the largest difference is the closest."""
        # For some odd dates the standard library raises undocumented errors.
        with suppress(TypeError, ValueError, OverflowError, IndexError):
            ahead = parsedate_to_datetime(date or "") - datetime.now(timezone.utc)
            self.clock_skew = ahead if self.clock_skew is None else max(self.clock_skew, ahead)


def _query(**values: str) -> Query:
    return tuple((name, value) for name, value in values.items() if value)


def _strict(dry_run: bool) -> Query:
    """Return the query that makes unknown fields an error: without Strict they vanish silently."""
    return _query(fieldManager=FIELD_MANAGER, fieldValidation="Strict", dryRun="All" if dry_run else "")


def _readable(answer: Object, kind: str) -> Object:
    """Return the object as it may leave this file."""
    return seal(answer) if kind == "Secret" else answer
