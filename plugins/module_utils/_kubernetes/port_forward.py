# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to a port of a pod, through a WebSocket to the API server, as an ordinary socket."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import Any, Callable, TypeVar

try:
    import websocket
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream.ws_client import create_websocket
except ImportError:
    # They come with the client library; the client module reports its absence.
    pass

__all__ = ["Forward", "open_websocket", "within"]

PROTOCOL = "v4.channel.k8s.io"
"""Each message begins with its channel's number (Kubernetes' API server, WebSocket protocol of port-forwards)."""
DATA, ERROR = 0, 1
"""The channels of the first port. The first message of each is the port's number."""
CHUNK = 32 * 1024
FRAME_TIMEOUT = 10.0
"""Seconds for the rest of a message that has begun to arrive."""
MOST_BYTES = 8 * 1024 * 1024
"""Of one message, which the library holds in memory. API servers send at most 32 KiB in one."""
LINGER = 5.0
"""Seconds for a connection's thread to end after it is closed."""

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what ``work`` returns, or raise what it raises.

    Raises TimeoutError if that takes longer; its thread then ends later by itself.
    """
    outcome: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            outcome.append((True, work()))
        except Exception as error:  # it is raised in the caller
            outcome.append((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    done, value = outcome[0]
    if not done:
        raise value
    result: T = value
    return result


def open_websocket(configuration: Any, path: str) -> Any:
    """Open a WebSocket for port-forwards, with the client's own rules for certificates, proxies and tokens.

    configuration: the client's. Raises ApiException if the server refuses it, OSError if it cannot be reached.
    """
    url = configuration.host.replace("http", "ws", 1) + path
    headers = {one["key"]: one["value"] for one in configuration.auth_settings().values() if one["in"] == "header"}
    headers = {name.lower(): value for name, value in headers.items()}
    try:
        connection = create_websocket(configuration, url, {**headers, "sec-websocket-protocol": PROTOCOL})
    except websocket.WebSocketBadStatusException as error:
        refused = ApiException(status=error.status_code)
        refused.body = getattr(error, "resp_body", None)
        raise refused from None
    except websocket.WebSocketException as error:
        raise OSError(str(error)) from None
    connection.settimeout(FRAME_TIMEOUT)
    return connection


class Forward:
    """A connection to a pod's port. ``socket`` is the local end; a thread carries the data.

    At most one message is held: while the local end is not read, the remote one is not read either.
    """

    def __init__(self, connection: Any) -> None:
        self._websocket = connection
        self._message = _Message(connection.frame_buffer)
        self.socket, self._far = socket.socketpair()
        self._words = ""
        self._begun: set[int] = set()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="port-forward")
        self._thread.start()

    def refusal(self, seconds: float) -> str:
        """Return why the pod's port cannot be reached, in the node's words; empty if it can.

        Waits for the server's first data or a refusal, but no longer than this: some servers let the client begin.
        """
        self._settled.wait(seconds)
        return self._words

    def close(self) -> None:
        """End the connection and its thread."""
        with contextlib.suppress(OSError):
            self._far.shutdown(socket.SHUT_RDWR)
        self._thread.join(LINGER)
        self.socket.close()

    def _run(self) -> None:
        try:
            while self._carry():
                pass
        except (OSError, ValueError, websocket.WebSocketException):
            # The connection ends, and its user sees that.
            pass
        finally:
            self._settled.set()
            self._far.close()
            with contextlib.suppress(Exception):
                self._websocket.send_close()
            self._websocket.shutdown()

    def _carry(self) -> bool:
        """Wait for data and carry it. Returns whether there can be more."""
        for end in self._readable():
            goes_on = self._send() if end is self._far else self._receive()
            if not goes_on:
                return False
        return True

    def _readable(self) -> list[Any]:
        inner = self._websocket.sock
        if isinstance(inner, ssl.SSLSocket) and inner.pending():
            # It is decrypted already, so poll may not see anything.
            return [inner]
        poll = select.poll()
        ends = {end.fileno(): end for end in (inner, self._far)}
        for number in ends:
            poll.register(number, select.POLLIN)
        return [ends[number] for number, _event in poll.poll()]

    def _send(self) -> bool:
        data = self._far.recv(CHUNK)
        if data:
            self._websocket.send_binary(bytes([DATA]) + data)
        return bool(data)

    def _receive(self) -> bool:
        self._message.begin()
        kind, frame = self._websocket.recv_data_frame(True)
        if kind == websocket.ABNF.OPCODE_CLOSE:
            return False
        if kind != websocket.ABNF.OPCODE_BINARY or not frame.data:
            return True
        channel, data = frame.data[0], frame.data[1:]
        if channel not in self._begun:
            self._begun.add(channel)
            return True
        self._settled.set()
        if channel == ERROR:
            self._words = data.decode(errors="replace")
            return False
        self._far.sendall(data)
        return True


class _Message:
    """Bounds of one message: the library's timeout counts from byte to byte, and it takes frames of any length.

    buffer: the library's, which reads all data through its function recv.
    """

    def __init__(self, buffer: Any) -> None:
        self._plain = buffer.recv
        buffer.recv = self._receive
        self.begin()

    def begin(self) -> None:
        """Start counting again."""
        self._count, self._end = 0, time.monotonic() + FRAME_TIMEOUT

    def _receive(self, size: int) -> bytes:
        data: bytes = self._plain(size)
        self._count += len(data)
        if self._count > MOST_BYTES or time.monotonic() > self._end:
            raise OSError("a message without an end")
        return data
