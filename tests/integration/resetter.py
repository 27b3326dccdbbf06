# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy before the API server that resets the connection once a write is stored, instead of passing on the answer.

Run inside a testbed as `python resetter.py HOST:PORT N CERTIFICATE`, it passes requests on to HOST:PORT, writes the
port that it listens on, and resets the N-th write, for which it writes a line. CERTIFICATE is a file with its own key
and chain.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme
import yaml
from testbed.bed import Testbed

__all__ = ["Resetter", "resetting"]

WRITES = ("POST", "PATCH", "DELETE")


class Resetter:
    """The running proxy, as a test sees it."""

    def __init__(self, process: subprocess.Popen[str], kubeconfig: Path) -> None:
        self._process = process
        self.kubeconfig = kubeconfig
        """The user's kubeconfig, by way of the proxy."""

    def reset(self) -> list[str]:
        """Return method and path of each request whose answer was not passed on, and end the proxy."""
        assert self._process.stdout
        self._process.terminate()
        return self._process.stdout.read().splitlines()


@contextmanager
def resetting(bed: Testbed, folder: Path, write: int, user: str = "registry-admin") -> Iterator[Resetter]:
    """Reset that write of the user, among those that go by way of the proxy."""
    config = yaml.safe_load(bed.layout.kubeconfig(user).read_text())
    cluster = config["clusters"][0]["cluster"]
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    certificate, kubeconfig = folder / "proxy.pem", folder / "kubeconfig"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    target = cluster["server"].removeprefix("https://")
    command = bed.command([sys.executable, __file__, target, str(write), str(certificate)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            cluster["server"] = f"https://127.0.0.1:{process.stdout.readline().strip()}"
            cluster["certificate-authority-data"] = b64encode(authority.cert_pem.bytes()).decode()
            kubeconfig.write_text(yaml.safe_dump(config))
            yield Resetter(process, kubeconfig)
        finally:
            process.kill()


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str, write: int, certificate: str) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(certificate)
        self.socket = own.wrap_socket(self.socket, server_side=True)
        self.target = target
        self.left = write
        # The API server's identity is verified by other tests.
        self.outer = ssl._create_unverified_context()  # noqa: S323, SLF001


class _Request(BaseHTTPRequestHandler):
    server: _Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = HTTPSConnection(self.server.target, context=self.server.outer)
        upstream.request(self.command, self.path, body or None, dict(self.headers))
        # Once the answer begins, etcd has the write.
        answer = upstream.getresponse()
        if self.command in WRITES and answer.status < 300 and "dryRun=All" not in self.path:
            self.server.left -= 1
            if not self.server.left:
                self._reset()
                return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        # As the API server sends a watch: without chunks, the client would wait for the end of the whole.
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError):  # a client that has seen enough of a watch hangs up
            while chunk := answer.read1():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _reset(self) -> None:
        """End the connection by RST: with a linger time of 0, nothing that was sent is delivered either."""
        print(self.command, self.path.partition("?")[0], flush=True)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: what matters is on standard output."""


def main() -> None:
    """Pass on requests until told to end."""
    target, write, certificate = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    proxy = _Proxy(target, int(write), certificate)
    print(proxy.server_port, flush=True)
    proxy.serve_forever()


if __name__ == "__main__":
    main()
