# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored registry in the words of the modules' options: what results show and a module accepts again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from .._common.errors import InvalidInput
from .._common.finding import OPTIONS, Finding
from .._common.model import Database, KeyRef, Object, Tls
from .export import database_of, proxy_of, references
from .manifests import CA_FIELDS, DESCRIPTION, DISPLAY_NAME, PORT, PROXIES, PROXY_PORT, ROUTE, ROUTE_PORT
from .options import CA_BUNDLE, CA_BUNDLE_KEYS, check_encryption, registry_from

__all__ = ["FACTS", "described", "left_out"]

FACTS = ("name", "namespace", "uid", "url", "hosts", "created", "deleting_since")
"""What a description has beside the options that can be edited."""

PAIRS = (
    ("database.tls", "client_certificate_secret", "client_key_secret"),
    ("auth_proxy_settings", "certificate_secret", "key_secret"),
)
"""Options that must be given together or not at all."""


class _Given(dict[str, Any]):
    """Options as a module gets them: None for each that is not set."""

    def __missing__(self, _option: str) -> None:
        return None


def described(registry: Object) -> Object:
    """Return the registry as options of model_registry, without those that it does not use, and its hosts.

    It contains no secret: passwords and certificates are references. Given back to the module, it changes nothing. Values
    that the options refuse are not in it; left_out() reports them.
    """
    return _returnable(registry)[0]


def left_out(registry: Object) -> Iterator[Finding]:
    """Yield a finding for each value of a registry that cannot be given back because the options refuse it."""
    for error in _returnable(registry)[1]:
        what = f"{error.what} of ModelRegistry {registry['metadata']['name']}"
        why = f"the module's options refuse the stored value, so it is not among the returned options: {error.why}"
        yield Finding("not_returnable", "warning", what, why, error.next_step, OPTIONS)


def _returnable(registry: Object) -> tuple[Object, list[InvalidInput]]:
    """Return the description without the values that the options refuse, and the errors about these."""
    description, refused = _description(registry), list(_second_authority(registry.get("spec") or {}))
    while (error := _refusal(description, registry.get("spec") or {})) is not None:
        refused.append(error)
        shorter = _without(description, error.what)
        if shorter == description or "name" not in shorter:
            break
        description = shorter
    return description, refused


def _second_authority(spec: Object) -> Iterator[InvalidInput]:
    """Yield the error about a second authority: the description has only the one that counts."""
    if set(CA_FIELDS.values()) <= set(references(spec)):
        why = "the registry also has an authority in a ConfigMap, which is the one in use"
        step = "Remove sslRootCertificateSecret from the registry."
        yield InvalidInput("database.tls.ca_secret", why, step)


def _refusal(description: Object, spec: Object) -> InvalidInput | None:
    """Return the first error of the options if they are given back to the same registry."""
    try:
        for place, *pair in PAIRS:
            _check_pair(description, place, pair)
        # Certificates are only references, so the time does not matter.
        database = registry_from(_given(description), datetime.now(timezone.utc)).database
        if database is not None:
            check_encryption(database.tls, database_of(spec))
    except InvalidInput as error:
        return error
    return None


def _check_pair(description: Object, place: str, pair: list[str]) -> None:
    """Raise InvalidInput if only one of two options is set that Ansible accepts only together."""
    options = description
    for part in place.split("."):
        options = options.get(part) or {}
    there = [option for option in pair if option in options]
    if len(there) == 1:
        lacks = next(option for option in pair if option not in there)
        step = f"Give {place}.{lacks}, too."
        raise InvalidInput(f"{place}.{there[0]}", f"it needs {lacks}, which the registry does not have", step)


def _given(options: Object) -> Object:
    return _Given({name: _given(value) if isinstance(value, dict) else value for name, value in options.items()})


def _without(options: Object, path: str) -> Object:
    """Return the options without the one of that name, or without the part of it that can be omitted alone."""
    shorter = dict(options)
    for name, value in options.items():
        if path != name and not path.startswith(f"{name}."):
            continue
        inner = value
        if path != name and isinstance(value, dict) and set(value) != {"name", "key"}:
            inner = _without(value, path[len(name) + 1 :])
        if inner and inner != value:
            shorter[name] = inner
        else:
            del shorter[name]
    return shorter


def _description(registry: Object) -> Object:
    """Return all stored values in the words of the options."""
    meta, spec = registry["metadata"], registry.get("spec") or {}
    annotations = meta.get("annotations") or {}
    rest = spec.get("rest") or {}
    resources = rest.get("resources") or {}
    hosts = _hosts((registry.get("status") or {}).get("hosts"))
    return _present(
        name=meta["name"],
        namespace=meta.get("namespace"),
        uid=meta.get("uid"),
        display_name=annotations.get(DISPLAY_NAME),
        description=annotations.get(DESCRIPTION),
        database=_database(database_of(spec)),
        auth_proxy=proxy_of(spec) or "none",
        resources=_present(requests=resources.get("requests"), limits=resources.get("limits")) or None,
        image=rest.get("image"),
        port=_other(rest.get("port"), PORT),
        service_route=_other(rest.get("serviceRoute") == ROUTE[True], False),
        auth_proxy_settings=_proxy(spec),
        hosts=hosts,
        url=f"https://{hosts[0]}" if hosts else None,
        created=meta.get("creationTimestamp"),
        deleting_since=meta.get("deletionTimestamp"),
    )


def _hosts(names: list[str] | None) -> list[str] | None:
    """Return the host names of a registry, as in its status.

    Behind a gateway they have a path (gateway.example.com/model-registry/fraud). On a cluster without a domain for routes,
    the operator writes one that ends with a dot; it is left out.
    """
    hosts = [(name, name.partition("/")[0]) for name in names or ()]
    return None if names is None else [name for name, host in hosts if host and host == host.strip(".")]


def _proxy(spec: Object) -> Object:
    """Return the option auth_proxy_settings: what differs from the API's defaults. Istio's proxy has no settings."""
    kind = proxy_of(spec)
    fields = (spec[PROXIES[kind]] if kind in ("kube_rbac", "oauth") else None) or {}
    return _present(
        image=fields.get("image"),
        port=_other(fields.get("port"), PROXY_PORT),
        service_route=_other(fields.get("serviceRoute") != ROUTE[False], True),
        domain=fields.get("domain") or None,
        route_port=_other(fields.get("routePort"), ROUTE_PORT),
        certificate_secret=fields.get("tlsCertificateSecret"),
        key_secret=fields.get("tlsKeySecret"),
    )


def _other(value: Any, default: Any) -> Any:
    """Return the value, or None if it is the API's default and so need not be given."""
    return None if value == default else value


def _database(database: Database) -> Object | None:
    if database.type is None:
        return None
    if database.generate:
        # Any other fields have no effect, and cannot be given with generate.
        return _present(type=database.type, generate=True, image=database.image)
    return _present(
        type=database.type,
        host=database.host or None,
        host_address=None if database.host else database.host_address or None,
        port=database.port,
        name=database.name,
        username=database.username,
        password_secret=_ref(database.password_secret),
        tls=_tls(database.tls or Tls(), database.type),
    )


def _tls(tls: Tls, database: str) -> Object:
    ref = tls.ca.ref if tls.ca else None
    bundles = {KeyRef(CA_BUNDLE, key): word for word, key in CA_BUNDLE_KEYS.items()}
    is_config_map = tls.ca is not None and tls.ca.kind == "ConfigMap"
    bundle = bundles.get(ref) if ref and is_config_map else None
    return _present(
        ca_bundle=bundle,
        ca_config_map=_ref(ref) if is_config_map and not bundle else None,
        ca_secret=None if is_config_map else _ref(ref),
        client_certificate_secret=_ref(tls.client_certificate),
        client_key_secret=_ref(tls.client_key),
        # With an authority, which alone would turn verification on, it is needed.
        verify=(tls.verify if ref else tls.verify or None) if database == "mysql" else None,
        # With an authority it has no effect: the connection is never plain text.
        mode=None if tls.mode == "disable" else tls.mode,
        cipher=tls.cipher or None,
    )


def _ref(ref: KeyRef | None) -> Object | None:
    return asdict(ref) if ref else None


def _present(**values: Any) -> Object:
    return {key: value for key, value in values.items() if value is not None and value != {}}
