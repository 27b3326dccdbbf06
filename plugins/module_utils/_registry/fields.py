# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a ModelRegistry's spec that some releases lack: which options need them, and whether they are served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._common.errors import InvalidInput
from .._common.model import Database, Object, ProxySettings, Registry, Tls
from .auth_proxy import changed_proxy, new_proxy, wanted_proxy
from .export import chosen_type, proxy_of
from .manifests import PROXIES

__all__ = ["check_front", "needed_fields"]

REST = {"image": "image", "port": "port", "service_route": "serviceRoute"}
PROXY = {
    "image": "image",
    "port": "port",
    "service_route": "serviceRoute",
    "domain": "domain",
    "route_port": "routePort",
    "certificate": "tlsCertificateSecret",
    "key": "tlsKeySecret",
}
POSTGRES = {"host_address": "hostAddress", "image": "image", "generate": "generateDeployment"}
"""Fields of spec.rest, of a proxy and of spec.postgres, by attribute of the model."""


def needed_fields(registry: Registry, existing: Object | None, proxy: str | None = None) -> dict[str, str]:
    """Return, by option, the paths in the spec, such as rest.image, that options need and the stored registry lacks.

    A field that is stored is served. proxy: the key of PROXIES that a new registry will have; for an existing one it follows
    from the stored spec.
    """
    spec = (existing or {}).get("spec") or {}
    kind = chosen_type(registry.database, spec)
    if existing is not None:
        proxy = changed_proxy(registry.auth_proxy, spec) or proxy_of(spec)
    paths = dict(_given(registry, kind, proxy))
    return {option: path for option, path in paths.items() if _at(spec, path) is None}


def _check_served(needed: dict[str, str], version: str, served: frozenset[str]) -> None:
    """Raise InvalidInput for the first option whose field the newest served version lacks."""
    for option, path in needed.items():
        if path not in served:
            why = f"the cluster's ModelRegistry ({version}) has no field spec.{path}"
            step = "Leave it out, or upgrade the model registry operator to a release that has the field."
            raise InvalidInput(option, why, step)


def check_front(
    registry: Registry, existing: Object | None, version: str, served: frozenset[str], openshift: bool
) -> Object:
    """Return what is wanted of the proxies in the spec. Raises InvalidInput for options that the cluster's release lacks."""
    spec = (existing or {}).get("spec") or {}
    if existing is None:
        known = frozenset(name for name, field in PROXIES.items() if field in served)
        proxy = new_proxy(registry.auth_proxy, known, openshift)
    else:
        proxy = changed_proxy(registry.auth_proxy, spec)
    wanted = wanted_proxy(registry, proxy, spec)
    _check_served(needed_fields(registry, existing, proxy), version, served)
    return wanted


def _given(registry: Registry, kind: str, proxy: str | None) -> Iterator[tuple[str, str]]:
    """Yield each given option and its path in the spec."""
    if registry.auth_proxy in PROXIES and proxy is not None:
        yield "auth_proxy", PROXIES[proxy]
    yield from _options("", registry, REST, "rest")
    if proxy is not None:
        yield from _options("auth_proxy_settings.", registry.proxy or ProxySettings(), PROXY, PROXIES[proxy])
    database = registry.database or Database()
    if kind == "postgres":
        yield from _options("database.", database, POSTGRES, "postgres")
    elif (database.tls or Tls()).cipher:
        yield "database.tls.cipher", "mysql.sslCipher"


def _options(prefix: str, given: Any, attributes: dict[str, str], place: str) -> Iterator[tuple[str, str]]:
    """Yield the options that are set and their paths. An empty text removes a field, so it needs none."""
    for name, field in attributes.items():
        if getattr(given, name) not in (None, ""):
            option = f"{name}_secret" if name in ("certificate", "key") else name
            yield f"{prefix}{option}", f"{place}.{field}"


def _at(spec: Object, path: str) -> Any:
    found: Any = spec
    for part in path.split("."):
        found = (found or {}).get(part)
    return found
