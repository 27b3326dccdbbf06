# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts objects into a cluster that is just starting, and waits for their effects."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from .api import Api, ApiError, Object

__all__ = ["PATIENCE", "apply", "define", "has", "until"]

PATIENCE = 60.0
"""Seconds that one step of the start may take on a busy machine."""


def define(api: Api, definitions: list[Object]) -> None:
    """Apply CustomResourceDefinitions, and wait until each of their versions is served. Raises TimeoutError."""
    for body in definitions:
        apply(api, body)
    crd = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    for body in definitions:
        name = body["metadata"]["name"]
        until(f"CRD {name}", partial(has, api, *crd, name, None, "Established"))
        plural, _, group = name.partition(".")
        for version in body["spec"]["versions"]:
            path = f"/apis/{group}/{version['name']}/{plural}"
            until(path, partial(_is_served, api, path))


def apply(api: Api, body: Object) -> None:
    """Apply an object with its status; a kind that was defined just now may take a moment to be served.

    Raises TimeoutError, and ApiError if the object is refused.
    """

    def served() -> bool:
        try:
            api.apply({key: value for key, value in body.items() if key != "status"})
            if "status" in body:
                meta = {key: value for key, value in body["metadata"].items() if key in ("name", "namespace")}
                api.apply({**body, "metadata": meta}, subresource="status")
        except ApiError as error:
            if error.status in (404, 429, 500, 503):
                return False
            raise
        return True

    until(f"{body['kind']} {body['metadata']['name']}", served)


def until(what: str, done: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Call ``done`` until it is true; a failed connection means "not yet". Raises TimeoutError that names ``what``."""
    deadline = time.monotonic() + patience
    while not _attempt(done):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready within {patience:.0f} s")
        time.sleep(0.1)


def has(api: Api, api_version: str, kind: str, name: str, namespace: str | None, condition: str) -> bool:
    """Return whether the object exists and a condition of its status is true."""
    found = (api.get(api_version, kind, name, namespace) or {}).get("status", {}).get("conditions")
    return any(c["type"] == condition and c["status"] == "True" for c in found or ())


def _attempt(done: Callable[[], bool]) -> bool:
    try:
        return done()
    except OSError:
        return False


def _is_served(api: Api, path: str) -> bool:
    """Return whether a list is answered: a kind that was defined just now is not, for a moment."""
    return api.raw("GET", path)[0] == 200
