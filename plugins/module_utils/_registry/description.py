# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored registry in the words of the modules' options: what results show, and what can be given again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from .._common.errors import InvalidInput
from .._common.finding import OPTIONS, Finding
from .._common.model import Object
from .export import database_of, database_type, proxy_of
from .manifests import CA_FIELDS, DESCRIPTION, DISPLAY_NAME, PORT, PROXIES, PROXY_PORT, ROUTE, ROUTE_PORT
from .options import CA_BUNDLE, CA_BUNDLE_KEYS, check_encryption, registry_from

__all__ = ["described", "left_out"]

PAIRS = (
    ("database.tls", "client_certificate_secret", "client_key_secret"),
    ("auth_proxy_settings", "certificate_secret", "key_secret"),
)
"""Options that are given together or not at all."""


class _Given(dict[str, Any]):
    """Options as a module gets them: None for each that is left out."""

    def __missing__(self, _option: str) -> None:
        return None


def described(registry: Object) -> Object:
    """The registry as options of model_registry, without those that it does not use, and where it is reached.

    There is no secret in it: passwords and certificates are named by reference. Given back, it changes nothing: what the
    options refuse is not in it, and left_out() says so.
    """
    return _returnable(registry)[0]


def left_out(registry: Object) -> Iterator[Finding]:
    """Yield a finding for each value of a registry that cannot be given back, since the options refuse it."""
    for error in _returnable(registry)[1]:
        what = f"{error.what} of ModelRegistry {registry['metadata']['name']}"
        why = f"it is stored, and the module's options refuse it, so it is left out of what can be given back: {error.why}"
        yield Finding("not_returnable", "warning", what, why, error.next_step, OPTIONS)


def _returnable(registry: Object) -> tuple[Object, list[InvalidInput]]:
    """Return the description without what the options refuse, and what they say of it."""
    description, refused = _description(registry), list(_second_authority(registry.get("spec") or {}))
    while (error := _refusal(description, registry.get("spec") or {})) is not None:
        refused.append(error)
        shorter = _without(description, error.what)
        if shorter == description or "name" not in shorter:
            break
        description = shorter
    return description, refused


def _second_authority(spec: Object) -> Iterator[InvalidInput]:
    """Yield what the options say of two authorities, of which the description has the one that counts."""
    fields = spec.get(database_type(spec) or "") or {}
    if all(fields.get(name) for name in CA_FIELDS.values()):
        why = "the registry names an authority in a ConfigMap, too, and that one counts"
        step = "Remove sslRootCertificateSecret from the registry."
        yield InvalidInput("database.tls.ca_secret", why, step)


def _refusal(description: Object, spec: Object) -> InvalidInput | None:
    """Return the first thing that the options refuse if they are given back to the same registry."""
    try:
        for place, *pair in PAIRS:
            _check_pair(description, place, pair)
        # Of certificates there are references only, so the time does not matter.
        database = registry_from(_given(description), datetime.now(timezone.utc)).database
        if database is not None:
            check_encryption(database.tls, database_of(spec))
    except InvalidInput as error:
        return error
    return None


def _check_pair(description: Object, place: str, pair: list[str]) -> None:
    """Raise InvalidInput if only one of two options is there that Ansible takes together alone."""
    options = description
    for part in place.split("."):
        options = options.get(part) or {}
    there = [option for option in pair if option in options]
    if len(there) == 1:
        lacks = next(option for option in pair if option not in there)
        step = f"Give {place}.{lacks}, too."
        raise InvalidInput(f"{place}.{there[0]}", f"it goes with {lacks}, and the registry names none", step)


def _given(options: Object) -> Object:
    return _Given({name: _given(value) if isinstance(value, dict) else value for name, value in options.items()})


def _without(options: Object, path: str) -> Object:
    """Return the options without the one of that name, or the part of it that can be left out alone."""
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
    """Return all that is stored in the words of the options."""
    meta, spec = registry["metadata"], registry.get("spec") or {}
    annotations = meta.get("annotations") or {}
    rest = spec.get("rest") or {}
    resources = rest.get("resources") or {}
    return _present(
        name=meta["name"],
        namespace=meta.get("namespace"),
        uid=meta.get("uid"),
        display_name=annotations.get(DISPLAY_NAME),
        description=annotations.get(DESCRIPTION),
        database=_database(spec),
        auth_proxy=proxy_of(spec) or "none",
        resources=_present(requests=resources.get("requests"), limits=resources.get("limits")) or None,
        image=rest.get("image"),
        port=_other(rest.get("port"), PORT),
        service_route=_other(rest.get("serviceRoute") == ROUTE[True], False),
        auth_proxy_settings=_proxy(spec),
        hosts=_hosts((registry.get("status") or {}).get("hosts")),
        created=meta.get("creationTimestamp"),
        deleting_since=meta.get("deletionTimestamp"),
    )


def _hosts(names: list[str] | None) -> list[str] | None:
    """Return the names under which a registry can be reached, as its status has them.

    Behind a gateway one has a path (gateway.example.com/model-registry/fraud). On a cluster without a domain for routes the
    operator writes one that ends with its dot.
    """
    hosts = [(name, name.partition("/")[0]) for name in names or ()]
    return None if names is None else [name for name, host in hosts if host and host == host.strip(".")]


def _proxy(spec: Object) -> Object:
    """The option auth_proxy_settings: what differs from the API's defaults. Istio's has no settings."""
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
    """The value, None if it is the API's default: it would be the same again."""
    return None if value == default else value


def _database(spec: Object) -> Object | None:
    kind = database_type(spec)
    if kind is None:
        return None
    fields = spec[kind]
    if fields.get("generateDeployment"):
        # What else may be in it has no effect, and cannot be given with generate.
        return _present(type=kind, generate=True, image=fields.get("image"))
    return _present(
        type=kind,
        host=fields.get("host") or None,
        host_address=None if fields.get("host") else fields.get("hostAddress") or None,
        port=fields.get("port"),
        name=fields.get("database"),
        username=fields.get("username"),
        password_secret=fields.get("passwordSecret"),
        tls=_tls(fields, kind),
    )


def _tls(fields: Object, database: str) -> Object:
    config_map = fields.get("sslRootCertificateConfigMap")
    bundle = None
    if config_map and config_map["name"] == CA_BUNDLE:
        bundle = next((word for word, key in CA_BUNDLE_KEYS.items() if key == config_map["key"]), None)
    mode = fields.get("sslMode")
    has_ca = config_map or fields.get("sslRootCertificateSecret")
    return _present(
        ca_bundle=bundle,
        ca_config_map=None if bundle else config_map,
        # Of two authorities the ConfigMap counts, and only one can be given.
        ca_secret=None if config_map else fields.get("sslRootCertificateSecret"),
        client_certificate_secret=fields.get("sslCertificateSecret"),
        client_key_secret=fields.get("sslKeySecret"),
        verify=_verify(fields, bool(has_ca)) if database == "mysql" else None,
        # With an authority, which takes part in no plain text, it has no effect.
        mode=None if mode == "disable" else mode,
        cipher=fields.get("sslCipher") or None,
    )


def _verify(fields: Object, has_ca: bool) -> bool | None:
    """Return verify for MySQL: given back, a certificate authority without it would turn verification on."""
    verifies = bool(fields.get("verifyServerCert"))
    return verifies if has_ca else verifies or None


def _present(**values: Any) -> Object:
    return {key: value for key, value in values.items() if value is not None and value != {}}
