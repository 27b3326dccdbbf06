# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds of every HTTP exchange with the API server: a total deadline and a number of bytes, whatever the other side does.

urllib3's timeouts count from byte to byte, and it reads whatever is sent. Here all bytes pass one place, which enforces
the deadline and the limit: for status lines, headers, chunks, bodies, watches and the answers of proxies alike.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from .api_shape import NotAnApi
from .port_forward import within

with suppress(ImportError):
    # It comes with the client library; the client module reports its absence.
    from urllib3.exceptions import ConnectTimeoutError

__all__ = ["Bounds", "TooMuch", "bind", "bounded", "lines_of"]

MOST_BYTES = 64 * 1024 * 1024
"""Of one answer, headers included: about the size of 5,000 registries with all of the operator's objects."""
PIECE = 16 * 1024
"""Bytes sent under one timeout: OpenSSL's timeout applies to each of its records, of this size."""
BUFFER = 64 * 1024


@dataclass(frozen=True)
class Bounds:
    """How long an exchange may take and how much may be read."""

    deadline: float
    """By time.monotonic(), for the whole exchange, from the name lookup to the last byte."""
    idle: float
    """Seconds without a byte."""
    streams: bool = False
    """Whether the caller reads the answer to a successful request piece by piece."""

    def wait(self) -> float:
        """Return how many seconds to wait for the next byte. Raises socket.timeout if there are none left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("the time for this request is up")
        return min(left, self.idle)


_BOUNDS: ContextVar[Bounds] = ContextVar("bounds")


@contextmanager
def bounded(bounds: Bounds) -> Iterator[None]:
    """Apply the bounds to the request that is made inside, and to reading its answer later."""
    token = _BOUNDS.set(bounds)
    try:
        yield
    finally:
        _BOUNDS.reset(token)


def bind(manager: Any, connections: int) -> None:
    """Bind all later requests of a urllib3 PoolManager to bounds, and turn off its retries and redirects.

    connections: how many are kept open for each host.
    """
    # urllib3 would silently repeat GET and DELETE by itself, and never POST and PATCH.
    manager.connection_pool_kw.update(retries=False, maxsize=connections)
    if any(hasattr(one, "_is_bound") for one in manager.pool_classes_by_scheme.values()):
        return
    manager.clear()
    classes = manager.pool_classes_by_scheme.items()
    manager.pool_classes_by_scheme = {scheme: _pool(one) for scheme, one in classes}
    plain = manager.request

    def request(*args: Any, **kwargs: Any) -> Any:
        response = plain(*args, **{**kwargs, "redirect": False})
        try:
            _receive(response, _BOUNDS.get())
        except NotAnApi:
            response.close()
            raise
        return response

    manager.request = request


def _pool(plain: Any) -> Any:
    """Return a connection pool class with bounds."""

    class Pool(plain):  # type: ignore[misc]
        _is_bound = True
        ConnectionCls = _connection(plain.ConnectionCls)

    return Pool


def _connection(plain: Any) -> Any:
    """Return a connection class with bounds."""

    class Connection(plain):  # type: ignore[misc]
        response_class = _Response

        def _new_conn(self) -> socket.socket:
            # A name can have many addresses, each with its own timeout, and the lookup has none at all.
            limit = min(self.timeout, _BOUNDS.get().wait())
            try:
                sock: socket.socket = within(limit, super()._new_conn)
            except TimeoutError:
                raise ConnectTimeoutError(self, f"no connection within {limit:.0f} s") from None
            # The TLS handshake follows; a socket's timeout applies to the whole of it.
            sock.settimeout(min(self.timeout, _BOUNDS.get().wait()))
            return sock

        def send(self, data: Any) -> None:
            for start in range(0, len(data), PIECE):
                if self.sock is not None:
                    self.sock.settimeout(_BOUNDS.get().wait())
                super().send(data[start : start + PIECE])

    return Connection


class _Response(HTTPResponse):
    """The class with which http.client reads an answer, including a proxy's to CONNECT."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        reader = _Reader(self.fp.detach(), sock, _BOUNDS.get())
        self.fp = _Buffer(reader, BUFFER)


class _Buffer(io.BufferedReader):
    """Refuses an announced size that is too large: it would be allocated before the first byte arrives."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_BYTES:
            raise _too_much()
        return super().read(size)


class _Reader(io.RawIOBase):
    """The only place where bytes are read."""

    def __init__(self, raw: Any, sock: Any, bounds: Bounds) -> None:
        self._raw, self._sock, self._bounds, self._count = raw, sock, bounds, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._bounds.wait())
        count: int = self._raw.readinto(buffer) or 0
        self._count += count
        if self._count > MOST_BYTES:
            raise _too_much()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _receive(response: Any, bounds: Bounds) -> None:
    """Read the whole answer, unless the caller does. Raises NotAnApi if no API server answers like this."""
    if 300 <= response.status < 400:
        raise NotAnApi(f"it redirects to another address with status {response.status}")
    if bounds.streams and 200 <= response.status < 300:
        return
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NotAnApi("its answer is compressed, which it was not asked for")
    # Until the whole answer is read, its connection is not free for the next request. It is kept in .data.
    response.read(decode_content=False, cache_content=True)


class TooMuch(NotAnApi):
    """An answer has more bytes than one may have."""


def _too_much() -> TooMuch:
    return TooMuch(f"its answer has more than {MOST_BYTES // 1024**2} MiB")


def lines_of(response: Any) -> Iterator[bytes]:
    """Yield the lines of an answer as they arrive."""
    rest: list[bytes] = []
    for chunk in response.stream(amt=None, decode_content=False):
        *ends, last = chunk.split(b"\n")
        for end in ends:
            line = b"".join([*rest, end])
            rest.clear()
            if line:
                yield line
        rest.append(last)
