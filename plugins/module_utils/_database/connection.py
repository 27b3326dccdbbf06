# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths to a database. Each opens connections while it is entered, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Callable

from .._common.errors import Forbidden, NotFound, NotReady, OutcomeUnknown, RegistryError
from .._common.model import Object
from .._kubernetes.changes import Change
from .._kubernetes.client import Cluster
from .._kubernetes.port_forward import Forward, within
from .host import DIRECT, PORT_FORWARD, RELAY, PodPort
from .relay import LISTEN, Relay, relay_job, relay_state

__all__ = ["OpenSocket", "Path", "direct", "port_forward", "relay"]

OpenSocket = Callable[[float], socket.socket]
"""Opens a connection to the database within that many seconds. Raises OSError if it cannot."""
GRACE = 0.5
"""Seconds in which a node reports that nothing listens on a pod's port. Servers that speak first end the wait."""
LISTENS = 5.0
"""Seconds in which a running relay must listen."""
GONE = 15.0
"""Seconds in which the pod of a deleted Job must be gone."""
PAUSE = 0.3


@dataclass(frozen=True)
class Path:
    """An open path."""

    name: str
    """direct, port_forward or relay."""
    open_socket: OpenSocket
    words: Callable[[], str] = field(default=str)
    """What the path's own parts say about a failed connection."""


@contextlib.contextmanager
def direct(host: str, port: int) -> Iterator[Path]:
    """Connect from here, as any client does."""

    def open_socket(timeout: float) -> socket.socket:
        deadline = time.monotonic() + timeout
        # A resolver ignores its caller's deadline.
        found = within(timeout, lambda: _addresses(host, port))
        error: OSError = OSError(f"{host} has no address")
        for address in found:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            try:
                return socket.create_connection((address, port), left)
            except OSError as failed:
                error = failed
        raise error

    yield Path(DIRECT, open_socket)


def _addresses(host: str, port: int) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except UnicodeError as error:
        # DNS does not allow this name.
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from None


@contextlib.contextmanager
def port_forward(cluster: Cluster, target: PodPort) -> Iterator[Path]:
    """Connect through the API server to a pod; the connection comes from the pod itself. Raises if it is not possible."""
    made: list[Forward] = []

    def connect(timeout: float | None = None) -> Forward:
        made.append(cluster.port_forward(target.namespace, target.pod, target.port, timeout))
        return made[-1]

    def open_socket(timeout: float) -> socket.socket:
        deadline = time.monotonic() + timeout
        try:
            forward = waiting.pop() if waiting else connect(timeout)
        except RegistryError as error:
            raise ConnectionError(str(error)) from None
        words = forward.refusal(max(0.0, min(deadline - time.monotonic(), GRACE)))
        if words:
            forward.close()
            raise ConnectionRefusedError(words) if "refused" in words else ConnectionError(words)
        return forward.socket

    try:
        # The first connection proves the path.
        waiting = [connect()]
        yield Path(PORT_FORWARD, open_socket)
    finally:
        for forward in made:
            forward.close()


@contextlib.contextmanager
def relay(cluster: Cluster, namespace: str, wanted: Relay, warn: Callable[[str], None]) -> Iterator[Path]:
    """Connect through a pod in that namespace, where the registry's own connections will come from.

    The pod belongs to a Job. If this process cannot delete it, the cluster ends and removes it. Raises the reason if
    the pod does not run.
    """
    name = f"mysql-auth-check-{secrets.token_hex(4)}"
    try:
        cluster.write(Change("Job", namespace, name, "create", relay_job(name, wanted)), dry_run=False)
    except OutcomeUnknown:
        _remove(cluster, namespace, name, warn)
        raise
    try:
        pod = _running(cluster, namespace, name, wanted.timeout)
        with port_forward(cluster, PodPort(namespace, pod, LISTEN)) as inner:
            open_socket = _patient(inner.open_socket, time.monotonic() + LISTENS)
            yield Path(RELAY, open_socket, lambda: _last_words(cluster, namespace, pod))
    finally:
        _remove(cluster, namespace, name, warn)


def _patient(open_socket: OpenSocket, until: float) -> OpenSocket:
    """Return an opener that retries until then, since the server may start to listen a moment later."""

    def open_patiently(timeout: float) -> socket.socket:
        while time.monotonic() < until:
            with contextlib.suppress(ConnectionRefusedError):
                return open_socket(timeout)
            time.sleep(PAUSE)
        return open_socket(timeout)

    return open_patiently


def _running(cluster: Cluster, namespace: str, name: str, timeout: float) -> str:
    """Return the name of the relay's pod once it runs."""
    deadline = time.monotonic() + timeout
    while True:
        pod = next(iter(_pods(cluster, namespace, name)), None)
        is_running, trouble = relay_state(pod)
        if pod is not None and is_running:
            return str(pod["metadata"]["name"])
        is_late = time.monotonic() > deadline
        if trouble and (trouble.is_final or is_late):
            why = trouble.words or _events(cluster, namespace, name)
            raise NotReady(f"relay {name} in namespace {namespace}", why, "Correct relay_image and relay_command.")
        if is_late:
            why = f"its pod is not running after {timeout:.0f} s. {_events(cluster, namespace, name)}"
            raise NotReady(
                f"relay {name} in namespace {namespace}", why, "Check the namespace's quota, or raise relay_timeout."
            )
        time.sleep(PAUSE)


def _pods(cluster: Cluster, namespace: str, name: str) -> list[Object]:
    return cluster.list("Pod", namespace, label_selector=f"job-name={name}")[0]


def _events(cluster: Cluster, namespace: str, name: str) -> str:
    """Return Kubernetes' last event of the Job: a quota or a policy can prevent the creation of its pod."""
    try:
        events = cluster.list("Event", namespace, field_selector=f"involvedObject.name={name}")[0]
    except Forbidden:
        return ""
    return str(events[-1].get("message", "")) if events else ""


def _last_words(cluster: Cluster, namespace: str, pod: str) -> str:
    """Return the last line of the relay's log: why it could not connect."""
    try:
        lines = cluster.log(namespace, pod, "relay").strip().splitlines()
    except RegistryError:
        return ""
    return lines[-1] if lines else ""


def _remove(cluster: Cluster, namespace: str, name: str, warn: Callable[[str], None]) -> None:
    """Delete the relay, and wait until its pod is gone."""
    deadline = time.monotonic() + GONE
    try:
        cluster.write(Change("Job", namespace, name, "delete", {"propagationPolicy": "Background"}), dry_run=False)
        while _pods(cluster, namespace, name):
            if time.monotonic() > deadline:
                warn(f"The pod of Job {name} in namespace {namespace} still exists {GONE:.0f} s after its deletion.")
                return
            time.sleep(PAUSE)
    except NotFound:
        # It was never created.
        return
    except RegistryError as error:
        warn(f"Job {name} could not be deleted. The cluster removes it within minutes. {error}")
