# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds of single exchanges, against servers that ignore all bounds."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.api_shape import NotAnApi
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.transport import (
    Bounds,
    bind,
    bounded,
)
from hostile import ENDLESS, IMPOSTORS, SLOW, Say, certificate, serving, web

SECONDS = 0.4
SLACK = 2.0
WAITS = [name for name in SLOW if name not in ("asking for patience", "unavailable")]


@pytest.fixture
def manager() -> Iterator[urllib3.PoolManager]:
    """Yield a pool of connections with bounds."""
    with urllib3.PoolManager(cert_reqs="CERT_NONE") as one:
        bind(one, 2)
        yield one


def get(manager: urllib3.PoolManager, url: str, streams: bool = False, body: bytes | None = None) -> bytes:
    """Return what is answered within the time."""
    with bounded(Bounds(time.monotonic() + SECONDS, SECONDS, streams)):
        method = "GET" if body is None else "POST"
        response = manager.request(method, url, body=body, preload_content=False, timeout=10.0)
    return b"".join(response.stream()) if streams else response.data


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", WAITS)
def test_no_answer_takes_longer(manager: urllib3.PoolManager, name: str, streams: bool) -> None:
    """However slowly it comes: the status line, the headers, the body, or a body read piece by piece."""
    began = time.monotonic()
    with serving(SLOW[name]) as url, pytest.raises(urllib3.exceptions.HTTPError):
        get(manager, url, streams)
    assert time.monotonic() - began < SECONDS + SLACK


@pytest.mark.parametrize("handshakes", [False, True])
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_tls(manager: urllib3.PoolManager, tmp_path: Path, handshakes: bool) -> None:
    """A connection that is accepted and stays silent, before the handshake and after it."""
    began = time.monotonic()
    context: ssl.SSLContext | None = certificate(tmp_path) if handshakes else None
    with serving(SLOW["silent"], context) as url, pytest.raises(urllib3.exceptions.HTTPError):
        get(manager, url.replace("http:", "https:"))
    assert time.monotonic() - began < SECONDS + SLACK


def test_a_proxy_that_drips() -> None:
    """The answer of a proxy to CONNECT is read within the same bounds."""
    began = time.monotonic()
    with serving(SLOW["dripping headers"]) as proxy, urllib3.ProxyManager(proxy) as manager:
        bind(manager, 2)
        with pytest.raises(urllib3.exceptions.HTTPError):
            get(manager, "https://api.example.com")
    assert time.monotonic() - began < SECONDS + SLACK


def test_a_server_that_does_not_read(manager: urllib3.PoolManager) -> None:
    """Sending is bounded, too."""

    def drink_slowly(sock: socket.socket) -> None:
        while sock.recv(1):
            time.sleep(0.1)

    began = time.monotonic()
    with serving(drink_slowly) as url, pytest.raises(urllib3.exceptions.HTTPError):
        get(manager, url, body=b"x" * 50_000_000)
    assert time.monotonic() - began < SECONDS + SLACK


def test_a_name_that_takes_long_to_find(manager: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking a name up has no timeout of its own."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: time.sleep(5))
    began = time.monotonic()
    with pytest.raises(urllib3.exceptions.ConnectTimeoutError):
        get(manager, "http://api.example.com")
    assert time.monotonic() - began < SECONDS + SLACK


@pytest.mark.parametrize("name", ENDLESS)
def test_no_answer_is_larger(manager: urllib3.PoolManager, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever in it is endless, and whatever length it claims."""
    monkeypatch.setattr(f"{bind.__module__}.MOST_BYTES", 1_000_000)
    with serving(ENDLESS[name]) as url, pytest.raises((NotAnApi, urllib3.exceptions.HTTPError)) as caught:
        get(manager, url)
    assert not isinstance(caught.value, urllib3.exceptions.TimeoutError)


@pytest.mark.parametrize("name", ["a redirect", "a redirect for ever", "not modified"])
def test_redirects_are_not_followed(manager: urllib3.PoolManager, name: str) -> None:
    """Another address would get the token."""
    with serving(IMPOSTORS[name]) as url, pytest.raises(NotAnApi, match="redirects"):
        get(manager, url)


def test_a_good_answer(manager: urllib3.PoolManager) -> None:
    """One connection serves one request after another."""
    opened: list[socket.socket] = []
    answer = web("fine")

    def count(sock: socket.socket) -> None:
        opened.append(sock)
        answer(sock)

    say: Say = count
    with serving(say) as url:
        assert [get(manager, url), get(manager, url, streams=True), get(manager, url)] == [b"fine"] * 3
    assert len(opened) == 1
