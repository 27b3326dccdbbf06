# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of the API server, for starting a cluster and for reading it in tests."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

__all__ = ["Api", "ApiError", "Connect", "Object"]

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""

Connect = Callable[[str, int], socket.socket]
"""Opens a TCP connection to an address and port of the testbed's network."""


class ApiError(Exception):
    """An answer of the API server that is not a success."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class _Connection(http.client.HTTPSConnection):
    """An HTTPS connection over a socket that the caller opens."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, opener: Connect) -> None:
        super().__init__(*address, context=context, timeout=30)
        self._tls = context
        self._opener = opener

    def connect(self) -> None:
        raw = self._opener(self.host, self.port)
        raw.settimeout(self.timeout)
        self.sock = self._tls.wrap_socket(raw, server_hostname=self.host)


class Api:
    """Requests as the user of a kubeconfig. One request at a time; a new connection for each."""

    def __init__(
        self, kubeconfig: Path, opener: Connect = lambda host, port: socket.create_connection((host, port), 5)
    ) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        server = urlsplit(cluster["server"])
        assert server.hostname is not None and server.port is not None
        self._address = (server.hostname, server.port)
        self._opener = opener
        self._tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        self._headers = {"Accept": "application/json"}
        self._plurals: dict[str, dict[str, tuple[str, bool]]] = {}
        if "token" in user:
            self._headers["Authorization"] = f"Bearer {user['token']}"
        else:
            _load_certificate(self._tls, user)

    def raw(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Send one request and return its answer unchanged: status and body."""
        connection = _Connection(self._address, self._tls, self._opener)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {**self._headers, "Content-Type": content_type})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def request(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> Object:
        """Send one request and return its answer's object. Raises ApiError if the answer is not a success.

        "Too many requests", which a server also answers while its storage starts, is retried for some seconds.
        """
        status, data = self.raw(method, path, body, content_type)
        for _ in range(20):
            if status != 429:
                break
            time.sleep(0.25)
            status, data = self.raw(method, path, body, content_type)
        if status >= 300:
            raise _error(status, data)
        answer: Object = json.loads(data)
        return answer

    def path(self, api_version: str, kind: str, namespace: str | None = None, name: str | None = None) -> str:
        """Return the URL path of an object, or of a list of objects if no name is given."""
        plural, namespaced = self._plural(api_version, kind)
        parts = [_root(api_version)]
        if namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(plural)
        if name:
            parts.append(name)
        return "/".join(parts)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return the object, or None if there is none of that name."""
        try:
            return self.request("GET", self.path(api_version, kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str | None = None, **query: str) -> list[Object]:
        """Return the objects of a kind, in one namespace or in all; ``query`` may hold labelSelector and the like."""
        path = self.path(api_version, kind, namespace)
        items: list[Object] = self.request("GET", f"{path}?{urlencode(query)}")["items"]
        return items

    def create(self, body: Object) -> Object:
        """Create the object. Raises ApiError 409 if it exists."""
        meta = body["metadata"]
        return self.request("POST", self.path(body["apiVersion"], body["kind"], meta.get("namespace")), body)

    def apply(self, body: Object, subresource: str = "") -> Object:
        """Create or change the object by server-side apply, as the manager "testbed"."""
        meta = body["metadata"]
        path = self.path(body["apiVersion"], body["kind"], meta.get("namespace"), meta["name"])
        suffix = f"/{subresource}" if subresource else ""
        return self.request(
            "PATCH", f"{path}{suffix}?fieldManager=testbed&force=true", body, "application/apply-patch+yaml"
        )

    def patch(self, body: Object) -> Object:
        """Change the object by a merge patch: ``body`` holds its name and the differences."""
        meta = body["metadata"]
        path = self.path(body["apiVersion"], body["kind"], meta.get("namespace"), meta["name"])
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete the object; a missing one is no error."""
        try:
            self.request("DELETE", self.path(api_version, kind, namespace, name))
        except ApiError as error:
            if error.status != 404:
                raise

    def log(self, namespace: str, pod: str, container: str, *, previous: bool = False, follow: bool = False) -> str:
        """Return a container's log, or the one before its last restart; with ``follow``, once it has ended."""
        query = urlencode({"container": container, "previous": str(previous).lower(), "follow": str(follow).lower()})
        status, data = self.raw("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}")
        if status >= 300:
            raise _error(status, data)
        return data.decode(errors="replace")

    def whoami(self) -> str:
        """Return the user that the API server takes this client for."""
        review = self.request(
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
        )
        name: str = review["status"]["userInfo"]["username"]
        return name

    def _plural(self, api_version: str, kind: str) -> tuple[str, bool]:
        known = self._plurals.get(api_version, {})
        if kind not in known:
            resources = self.request("GET", _root(api_version))["resources"]
            known = {r["kind"]: (r["name"], r["namespaced"]) for r in resources if "/" not in r["name"]}
            self._plurals[api_version] = known
        if kind not in known:
            raise ApiError(404, "NotFound", f"no kind {kind} in {api_version}")
        return known[kind]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _error(status: int, data: bytes) -> ApiError:
    try:
        answer = json.loads(data)
        return ApiError(status, answer.get("reason", ""), answer.get("message", ""))
    except ValueError:
        return ApiError(status, "", data.decode(errors="replace").strip())


def _load_certificate(context: ssl.SSLContext, user: Object) -> None:
    """Load the client certificate into the context: ssl reads it from files alone."""
    with tempfile.TemporaryDirectory() as folder:
        files: list[str] = []
        for name in ("client-certificate-data", "client-key-data"):
            path = Path(folder, name)
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(user[name]))
            files.append(str(path))
        certificate, key = files
        context.load_cert_chain(certificate, key)
