# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for a registry's spec as a whole, which the API server stores whether or not it can work."""

from __future__ import annotations

from .._common.errors import InvalidInput
from .._common.model import Database, Object, Tls
from .export import database_of
from .manifests import DATABASES, PORT, PROXIES, PROXY_PORT
from .quantity import amount

__all__ = ["check_authority", "check_complete", "check_spec"]

HEALTH_PORT = 8888
"""kube-rbac-proxy, as the operator starts it, answers the kubelet's probes on it."""


def check_spec(spec: Object) -> None:
    """Raise InvalidInput if the resulting spec cannot work, although the API server would store it."""
    given = [database for database in DATABASES if spec.get(database) is not None]
    if len(given) != 1:
        why = "a registry needs exactly one database" if given else "a registry needs a database and none is given"
        raise InvalidInput("database.type", why, "Give database with type mysql or postgres.")
    _check_ports(spec)
    _check_amounts((spec.get("rest") or {}).get("resources") or {})
    database = database_of(spec)
    if database.image and not database.generate:
        why = "it is only for a database that the operator runs"
        raise InvalidInput("database.image", why, "Leave it out, or set database.generate to true.")
    check_complete(database)
    check_authority(database)


def check_complete(database: Database) -> None:
    """Raise InvalidInput if a value is missing that a registry needs, and the operator does not choose it."""
    if database.generate:
        return
    needed = {"host": database.address, "name": database.name, "username": database.username}
    for option, value in needed.items():
        if not value:
            raise InvalidInput(f"database.{option}", "it is needed and not given", f"Give database.{option}.")
    has_certificate = database.tls is not None and database.tls.client_certificate is not None
    if database.password is None and database.password_secret is None and not has_certificate:
        why = "the account's password is needed and not given"
        step = "Give database.password or database.password_secret, or a client certificate if the account has one."
        raise InvalidInput("database.password", why, step)


def check_authority(database: Database) -> None:
    """Raise InvalidInput if PostgreSQL's certificate is to be verified without an authority.

    On MySQL, a registry server then verifies with the authorities of its image.
    """
    tls = database.tls or Tls()
    verifies = str(tls.mode).startswith("verify") or (database.type == "postgres" and tls.mode is None and tls.verify)
    if verifies and not database.generate and not tls.ca and not tls.ca_pem:
        why = "verifying the server's certificate needs a certificate authority, and none is given"
        raise InvalidInput("database.tls", why, "Give one of ca_bundle, ca_config_map, ca_secret and ca_pem.")


def _check_ports(spec: Object) -> None:
    """Raise InvalidInput if the registry server and its proxy would listen on the same port of their pod."""
    server = (spec.get("rest") or {}).get("port", PORT)
    for field in (PROXIES["oauth"], PROXIES["kube_rbac"]):
        if spec.get(field) is None:
            continue
        port = spec[field].get("port", PROXY_PORT)
        if port == server:
            why = f"the registry server and its proxy cannot both listen on {server}"
            raise InvalidInput("port", why, "Give port and auth_proxy_settings.port different numbers.")
        if field == PROXIES["kube_rbac"] and HEALTH_PORT in (server, port):
            option = "port" if server == HEALTH_PORT else "auth_proxy_settings.port"
            why = f"kube-rbac-proxy in the same pod uses {HEALTH_PORT} for its own probes"
            raise InvalidInput(option, why, "Give another number.")


def _check_amounts(resources: Object) -> None:
    """Raise InvalidInput for amounts with which the API server would store the registry but refuse each pod.

    These are limits below the request, and overcommitted or fractional devices and huge pages (Kubernetes' validation of
    pods).
    """
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, text in sorted(amounts.items()):
            number = amount(text)
            if "/" in name and number is not None and number.denominator != 1:
                why = f"{text} is not a whole number, as {name} needs"
                raise InvalidInput(f"resources.{part}.{name}", why, "Give a whole number.")
            if part == "requests" and _is_device(name) and amount(limits.get(name)) != number:
                why = f"the request of {name} is {text}, and its limit must be the same"
                raise InvalidInput(f"resources.limits.{name}", why, f"Give {text}, or leave out the request.")
    for name in sorted({*requests} & {*limits}):
        least, most = amount(requests[name]), amount(limits[name])
        if least is not None and most is not None and most < least:
            why = f"{limits[name]} is less than the {requests[name]} of resources.requests.{name}"
            raise InvalidInput(f"resources.limits.{name}", why, "Raise the limit, or lower the request.")


def _is_device(name: str) -> bool:
    """Return whether the resource cannot be overcommitted, as those with a domain and huge pages."""
    return "/" in name or name.startswith("hugepages-")
