# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From Kubernetes objects back to the words of the modules' options: what results show, and what can be given again."""

from __future__ import annotations

import re
from typing import Any

from .._common.model import CaSource, Database, KeyRef, Object, Tls
from .._common.names import ca_config_map, password_secret
from .manifests import CA_KEY, DATABASES, DESCRIPTION, DISPLAY_NAME, MARK, PORT, PROXIES, PROXY_PORT, ROUTE, ROUTE_PORT
from .options import CA_BUNDLE, CA_BUNDLE_KEYS

__all__ = [
    "PORTS",
    "ca_object",
    "ca_source",
    "database_of",
    "database_type",
    "described",
    "is_own_ca",
    "is_own_secret",
    "password_ref",
    "proxy_of",
    "uses",
]

PORTS = {"mysql": 3306, "postgres": 5432}
"""What the API sets where no port is given."""


def described(registry: Object) -> Object:
    """The registry as options of model_registry, without those that it does not use, and where it is reached.

    There is no secret in it: passwords and certificates are named by reference.
    """
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


def database_type(spec: Object) -> str | None:
    """mysql or postgres; None where the registry has no database."""
    return next((name for name in DATABASES if spec.get(name)), None)


def proxy_of(spec: Object) -> str | None:
    """The proxy in front of the registry server, newest first, as the option auth_proxy names it."""
    return next((name for name in reversed(list(PROXIES)) if spec.get(PROXIES[name]) is not None), None)


def password_ref(spec: Object) -> KeyRef | None:
    """Where the password of the registry's database is."""
    kind = database_type(spec)
    ref = spec[kind].get("passwordSecret") if kind else None
    return KeyRef(ref["name"], ref["key"]) if ref else None


def ca_source(spec: Object) -> CaSource | None:
    """Where the certificate authority of the registry's database is."""
    database = spec.get(database_type(spec) or "") or {}
    for field, kind in (("sslRootCertificateConfigMap", "ConfigMap"), ("sslRootCertificateSecret", "Secret")):
        if ref := database.get(field):
            return CaSource(kind, KeyRef(ref["name"], ref["key"]))
    return None


def ca_object(spec: Object) -> tuple[str, str] | None:
    """Kind and name of the object with the certificate authority of the registry's database."""
    source = ca_source(spec)
    return (source.kind, source.ref.name) if source else None


def uses(spec: Object, kind: str, name: str) -> bool:
    """Whether any field of the spec's database names that Secret or ConfigMap."""
    fields = spec.get(database_type(spec) or "") or {}
    return any(
        field.endswith(kind) and isinstance(ref, dict) and ref.get("name") == name for field, ref in fields.items()
    )


def is_own_secret(secret: Object, registry: str) -> bool:
    """Return whether the Secret was made for that registry alone: by this collection, or by the dashboard.

    This collection's has a fixed name and its mark; the dashboard's, a generated name and its annotations. Mark and
    annotations alone prove nothing: a copy under another name has them, too.
    """
    meta = secret["metadata"]
    if (meta.get("labels") or {}).get(MARK) == registry:
        return bool(meta["name"] == password_secret(registry))
    exposed = "template.openshift.io/expose-password" in (meta.get("annotations") or {})
    generated = re.fullmatch(f"{re.escape(registry)}-db-[a-z0-9]{{5}}", meta["name"])
    return exposed and generated is not None and meta.get("generateName") == f"{registry}-db-"


def is_own_ca(config_map: Object, registry: str, used: tuple[str, str] | None) -> bool:
    """Return whether the ConfigMap holds the certificate authority uploaded for that registry alone.

    Its name is fixed. The dashboard leaves no mark but the name and the only key, so these count only if the registry
    uses it. A deletion begins by marking it.
    """
    meta = config_map["metadata"]
    if meta["name"] != ca_config_map(registry):
        return False
    marked = (meta.get("labels") or {}).get(MARK) == registry
    return marked or (set(config_map.get("data") or ()) == {CA_KEY} and used == ("ConfigMap", meta["name"]))


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
        # Given back, a certificate authority without verify would turn verification on.
        verify=bool(fields.get("verifyServerCert")) if has_ca and database == "mysql" else None,
        mode=None if mode == "disable" else mode,
        cipher=fields.get("sslCipher") or None,
    )


def _present(**values: Any) -> Object:
    return {key: value for key, value in values.items() if value is not None and value != {}}


def database_of(spec: Object) -> Database:
    """The database of a registry's spec; an empty one where it has none."""
    kind = database_type(spec)
    if kind is None:
        return Database()
    values = spec[kind]
    tls = Tls(
        ca=_ca(values),
        verify=bool(values.get("verifyServerCert")) if kind == "mysql" else None,
        client_certificate=_ref(values.get("sslCertificateSecret")),
        client_key=_ref(values.get("sslKeySecret")),
        mode=values.get("sslMode"),
        cipher=values.get("sslCipher"),
    )
    return Database(
        type=kind,
        host=values.get("host") or values.get("hostAddress"),
        port=values.get("port"),
        name=values.get("database"),
        username=values.get("username"),
        password_secret=password_ref(spec),
        tls=tls,
        generate=values.get("generateDeployment"),
    )


def _ca(values: Object) -> CaSource | None:
    for field, kind in (("sslRootCertificateConfigMap", "ConfigMap"), ("sslRootCertificateSecret", "Secret")):
        ref = _ref(values.get(field))
        if ref is not None:
            return CaSource(kind, ref)
    return None


def _ref(value: Object | None) -> KeyRef | None:
    return KeyRef(value["name"], value["key"]) if value else None
