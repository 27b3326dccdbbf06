# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""API servers that are none, or that mean harm, on the loopback interface."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ENDLESS", "IMPOSTORS", "SLOW", "Say", "api", "certificate", "serving", "web"]

Say = Callable[[socket.socket], None]
"""What handles a connection, up to its end."""
DRIP = 0.2
"""Seconds between two bytes."""
LONGEST = 60.0
"""Seconds after which a connection is given up in any case, so that no thread stays behind."""
GROUP = {"kind": "APIGroup", "versions": [{"version": "v1beta1"}]}
HTML = "<!DOCTYPE html><html><title>Log in</title></html>"


@contextmanager
def serving(say: Say, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve on a free port of the loopback interface. Yields the URL; with a context, that of a TLS server."""
    listener = socket.create_server(("127.0.0.1", 0))

    def treat(sock: socket.socket) -> None:
        try:
            with context.wrap_socket(sock, server_side=True) if context else sock as stream:
                say(stream)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                sock = listener.accept()[0]
            except OSError:
                return
            sock.settimeout(LONGEST)
            threading.Thread(target=treat, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # A listener that is closed while a thread waits in accept() would go on to listen.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def certificate(folder: Path) -> ssl.SSLContext:
    """Return the context of a TLS server with a certificate of its own."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hostile")])
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "hostile.pem"
    file.write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _path(sock: socket.socket) -> str:
    """Read a request up to the end of its headers. Returns its path."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(65536)
        if not data:
            raise ConnectionResetError
        head += data
    return head.split(b" ", 2)[1].decode()


def _head(length: int, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def web(body: str | bytes, *headers: str, status: str = "200 OK") -> Say:
    """Serve the same answer to every request."""
    data = body.encode() if isinstance(body, str) else body

    def say(sock: socket.socket) -> None:
        while _path(sock):
            sock.sendall(_head(len(data), *headers, status=status) + data)

    return say


def api(answer: Any, *headers: str) -> Say:
    """Serve ModelRegistry's group, and answer all else with this, as JSON or in these bytes."""

    def say(sock: socket.socket) -> None:
        while path := _path(sock):
            last = path.partition("?")[0].rpartition("/")[2]
            value = GROUP if last == "modelregistry.opendatahub.io" else answer
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            sock.sendall(_head(len(data), *headers) + data)

    return say


def _listed(items: Any, **meta: Any) -> dict[str, Any]:
    metadata = {"resourceVersion": "1", **meta}
    return {"kind": "ModelRegistryList", "apiVersion": "x/v1", "metadata": metadata, "items": items}


def _one(**meta: Any) -> dict[str, Any]:
    return _listed([{"metadata": {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "1", **meta}}])


def _first(begin: bytes, piece: bytes, pause: float = 0.0) -> Say:
    """Begin to answer, and go on for ever with the same piece."""

    def say(sock: socket.socket) -> None:
        _path(sock)
        sock.sendall(begin)
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            sock.sendall(piece)
            time.sleep(pause)

    return say


def _silent(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


SLOW: dict[str, Say] = {
    "silent": _silent,
    "dripping status line": _first(b"HTTP/1.1 200 ", b"O", DRIP),
    "dripping headers": _first(b"HTTP/1.1 200 OK\r\nX: ", b"y", DRIP),
    "dripping body": _first(_head(100_000), b"x", DRIP),
    "dripping body without an end": _first(b"HTTP/1.1 200 OK\r\n\r\n", b"x", DRIP),
    "dripping chunks": _first(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", DRIP),
    "dripping size of a chunk": _first(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x", DRIP),
    "dripping refusal": _first(_head(100_000, status="403 Forbidden"), b"x", DRIP),
    "continue for ever": _first(b"", b"HTTP/1.1 100 Continue\r\n\r\n", DRIP),
    "asking for patience": web("later", "Retry-After: 10", status="429 Too Many Requests"),
    "unavailable": web(HTML, "Retry-After: 2", status="503 Service Unavailable"),
}
"""By what they do. None gives an answer; a deadline alone ends it."""
ENDLESS: dict[str, Say] = {
    "endless body": _first(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "endless chunks": _first(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"
    ),
    "endless size of a chunk": _first(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 65536),
    "a chunk of a terabyte": _first(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", b"x" * 65536
    ),
    "a terabyte": _first(_head(10**12), b"x" * 65536),
    "a refusal of a terabyte": _first(_head(10**12, status="403 Forbidden"), b"x" * 65536),
    "an endless refusal": _first(b"HTTP/1.1 403 Forbidden\r\n\r\n", b"x" * 65536),
    "an endless header": _first(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536),
    "endless headers": _first(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000),
    "compressed": web(gzip.compress(b"[" * 200_000_000, 1), "Content-Encoding: gzip"),
    "a compressed refusal": web(gzip.compress(b"[" * 200_000_000, 1), "Content-Encoding: gzip", status="403 Forbidden"),
}
"""By what they do. All of it is far more than a process should hold."""
IMPOSTORS: dict[str, Say] = {
    "HTML": web(HTML, "Content-Type: text/html"),
    "HTML with 401": web(HTML, status="401 Unauthorized"),
    "HTML with 403": web(HTML, status="403 Forbidden"),
    "HTML with 404": web(HTML, status="404 Not Found"),
    "another API's 404": web('{"error": "not found"}', status="404 Not Found"),
    "a web server in Go": web("404 page not found\n", status="404 Not Found"),
    "HTTPS without TLS": web("Client sent an HTTP request to an HTTPS server.\n", status="400 Bad Request"),
    "nothing": web(""),
    "no content": web("", status="204 No Content"),
    "null": web("null"),
    "a list": web("[]"),
    "an object": web("{}"),
    "a number": web("1" * 5000),
    "a text": web('"ok"'),
    "deep lists": web("[" * 100_000 + "]" * 100_000),
    "deep objects": web('{"a":' * 3000 + "1" + "}" * 3000),
    "objects as deep as Python's stack": web('{"a":' * 500 + "1" + "}" * 500),
    "no UTF-8": web(b"\xff\xfe\x00"),
    "groups without versions": web('{"kind": "APIGroup", "versions": [null]}'),
    "versions of another type": web('{"kind": "APIGroup", "versions": [{"version": 1}]}'),
    "a redirect": web("", "Location: https://login.example.com/?next=/", status="302 Found"),
    "a redirect for ever": web("", "Location: /again", status="307 Temporary Redirect"),
    "not modified": web("", status="304 Not Modified"),
    "status 999": web("", status="999 Odd"),
    "status 299": web(HTML, status="299 Odd"),
    "no HTTP": lambda sock: sock.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    "HTTP of a kind": lambda sock: sock.sendall(b"HTTP/1.1 abc def\r\n\r\n"),
    "too many headers": web("{}", *[f"X-{number}: y" for number in range(200)]),
    "items that are null": api(_listed([None])),
    "items that are none": api(_listed({})),
    "items in a text": api(_listed("abc")),
    "no resourceVersion": api({**_listed([]), "metadata": {}}),
    "a part of a list": api({**_listed([]), "metadata": {"resourceVersion": "1", "continue": "more"}}),
    "a list of no metadata": api({**_listed([]), "metadata": None}),
    "no list": api({"kind": "Pod", "metadata": {"name": "a"}}),
    "a list of nothing": api({}),
    "null where a list should be": api(None),
    "a name of another type": api(_one(name=7)),
    "metadata of another type": api(_listed([{"metadata": "x"}])),
    "labels of another type": api(_one(labels=["a"])),
    "annotations of another type": api(_one(annotations={"a": {"b": "c"}})),
    "owners of another type": api(_one(ownerReferences=[None])),
    "a time of another type": api(_one(creationTimestamp="soon")),
    "finalizers of another type": api(_one(finalizers="x")),
    "a generation of another type": api(_one(generation="x")),
    "a status of another type": api(_listed([{"metadata": {"name": "a"}, "status": "fine"}])),
    "conditions of another type": api(_listed([{"metadata": {"name": "a"}, "status": {"conditions": [1]}}])),
    "odd dates": web("{}", "Date: Mon, 99 Foo 99999 99:99:99 +99999999"),
    "an odd Retry-After": web(HTML, "Retry-After: \u00b2", status="401 Unauthorized"),
}
"""By what they answer. No Kubernetes API server does."""
