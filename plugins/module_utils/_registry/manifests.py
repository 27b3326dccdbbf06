# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes objects of a registry as wanted: owned fields only, None for a field that must be absent."""

from __future__ import annotations

from typing import Any

from .._common.errors import InvalidInput
from .._common.model import Database, KeyRef, Object, ProxySettings, Registry, Tls
from .._kubernetes.resources import GROUP
from .._kubernetes.sealed import Sealed
from .quantity import amount

__all__ = [
    "CA_FIELDS",
    "CA_KEY",
    "DATABASES",
    "DESCRIPTION",
    "DISPLAY_NAME",
    "ISTIO",
    "OWNER_LABEL",
    "PASSWORD_KEY",
    "PORT",
    "PROXIES",
    "PROXY_PORT",
    "ROUTE",
    "ROUTE_PORT",
    "check_spec",
    "proxy_fields",
    "wanted_ca",
    "wanted_registry",
    "wanted_secret",
]

DISPLAY_NAME = "openshift.io/display-name"
DESCRIPTION = "openshift.io/description"
OWNER_LABEL = "ansible.opendatahub.io/registry"
"""Label with the registry's name, on objects that the collection creates for that registry alone."""
PASSWORD_KEY = "database-password"  # noqa: S105
CA_KEY = "ca.crt"
"""The dashboard's names for keys."""
DATABASES = ("mysql", "postgres")
PROXIES = {"istio": "istio", "oauth": "oauthProxy", "kube_rbac": "kubeRBACProxy"}
"""The spec's field for each proxy, oldest first: newer operators convert each to the next by themselves."""
PORT, PROXY_PORT, ROUTE_PORT = 8080, 8443, 443
"""The API's defaults of rest.port, and of a proxy's port and routePort."""
HEALTH_PORT = 8888
"""kube-rbac-proxy, as the operator starts it, answers the kubelet's probes on it."""
ROUTE = {True: "enabled", False: "disabled"}
"""The API's words for whether there is a Route."""
ISTIO: Object = {"gateway": {"rest": {"tls": {}}, "grpc": {"tls": {}}}}
"""What the dashboard of OpenShift AI 2.19 writes."""


def wanted_registry(registry: Registry, version: str, proxies: Object) -> Object:
    """Return the ModelRegistry in that API version, with references to Secrets and ConfigMaps only.

    proxies: the spec's fields for proxies; empty leaves them unchanged.
    """
    spec: Object = {"rest": _rest(registry), **proxies}
    if registry.database is not None and registry.database.type is not None:
        spec.update(dict.fromkeys(DATABASES))
        spec[registry.database.type] = _database(registry)
    annotations: Object = {}
    if registry.display_name is not None:
        annotations[DISPLAY_NAME] = registry.display_name
    if registry.description is not None:
        annotations[DESCRIPTION] = registry.description or None
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "ModelRegistry",
        # An empty dict would be written as such.
        **({"metadata": {"annotations": annotations}} if annotations else {}),
        "spec": spec,
    }


def _rest(registry: Registry) -> Object:
    """Return spec.rest. An empty text removes a field."""
    route = None if registry.service_route is None else ROUTE[registry.service_route]
    fields = _given(port=registry.port, serviceRoute=route)
    if registry.resources is not None:
        fields["resources"] = dict(registry.resources)
    return fields if registry.image is None else {**fields, "image": registry.image or None}


def proxy_fields(settings: ProxySettings) -> Object:
    """Return the fields of spec.kubeRBACProxy and spec.oauthProxy, with None to restore a default."""
    route = None if settings.service_route is None else ROUTE[settings.service_route]
    fields = _given(port=settings.port, serviceRoute=route, routePort=settings.route_port)
    texts = _given(image=settings.image, domain=settings.domain)
    fields.update({name: text or None for name, text in texts.items()})
    refs = _given(tlsCertificateSecret=settings.certificate, tlsKeySecret=settings.key)
    return {**fields, **{name: _ref(ref) for name, ref in refs.items()}}


def _database(registry: Registry) -> Object:
    """Return spec.mysql or spec.postgres."""
    database = registry.database or Database()
    if database.generate:
        gone = ("host", "hostAddress", "passwordSecret", *CA_FIELDS.values(), *_CLIENT_FIELDS)
        fields: Object = {"generateDeployment": True, **dict.fromkeys(gone)}
    else:
        fields = _given(host=database.host, port=database.port)
        if database.type == "postgres" and (database.host or database.host_address):
            places = {"host": database.host, "hostAddress": database.host_address}
            fields.update({"generateDeployment": None, "image": None, **places})
    if database.image is not None:
        fields["image"] = database.image or None
    fields.update(_given(database=database.name, username=database.username))
    if database.password_secret is not None:
        fields["passwordSecret"] = _ref(database.password_secret)
    if database.tls is not None:
        fields.update(_tls(database.tls, database.type == "postgres"))
    return fields


CA_FIELDS = {"ConfigMap": "sslRootCertificateConfigMap", "Secret": "sslRootCertificateSecret"}
_CLIENT_FIELDS = ("sslCertificateSecret", "sslKeySecret")


def _tls(tls: Tls, postgres: bool) -> Object:
    if tls.enabled is False:
        plain: Object = dict.fromkeys((*CA_FIELDS.values(), *_CLIENT_FIELDS))
        return {**plain, "sslMode": "disable"} if postgres else {**plain, "verifyServerCert": None, "sslCipher": None}
    fields: Object = {}
    if tls.ca is not None:
        fields.update(dict.fromkeys(CA_FIELDS.values()))
        fields[CA_FIELDS[tls.ca.kind]] = _ref(tls.ca.ref)
    if tls.client_certificate is not None and tls.client_key is not None:
        fields.update(zip(_CLIENT_FIELDS, (_ref(tls.client_certificate), _ref(tls.client_key))))
    # A certificate authority implies verification, unless the user says otherwise.
    verify = tls.verify if tls.verify is not None or tls.ca is None else True
    if tls.cipher is not None:
        fields["sslCipher"] = tls.cipher or None
    if not postgres:
        return fields if verify is None else {**fields, "verifyServerCert": verify or None}
    mode = tls.mode
    if mode is None and verify is not None:
        mode = "verify-full" if verify else "require"
    if mode is None and tls.enabled:
        mode = "require"
    return {**fields, **_given(sslMode=mode)}


def wanted_secret(registry: Registry) -> Object:
    """Return the registry's own Secret in the dashboard's layout, with the values that the model gives."""
    database = registry.database or Database()
    values = {"database-name": database.name, "database-user": database.username, PASSWORD_KEY: database.password}
    expose = {
        f"template.openshift.io/expose-{name}": f"{{.data['{key}']}}"
        for name, key in (("database_name", "database-name"), ("username", "database-user"), ("password", PASSWORD_KEY))
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"labels": {OWNER_LABEL: registry.name}, "annotations": expose},
        "data": {key: Sealed.of(value) for key, value in values.items() if value is not None},
    }


def wanted_ca(name: str, pem: str) -> Object:
    """Return the ConfigMap of an uploaded certificate authority."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"labels": {OWNER_LABEL: name}},
        "data": {CA_KEY: pem},
    }


def check_spec(spec: Object) -> None:
    """Raise InvalidInput if the resulting spec cannot work, although the API server would store it."""
    given = [database for database in DATABASES if spec.get(database) is not None]
    if len(given) != 1:
        why = "a registry needs exactly one database" if given else "a registry needs a database and none is given"
        raise InvalidInput("database.type", why, "Give database with type mysql or postgres.")
    _check_ports(spec)
    _check_amounts((spec.get("rest") or {}).get("resources") or {})
    database = spec[given[0]]
    if database.get("image") and not database.get("generateDeployment"):
        why = "it is the image of a database that the operator runs, and this registry has another one"
        raise InvalidInput("database.image", why, "Leave it out, or set database.generate to true.")
    if database.get("generateDeployment"):
        return
    for field, option in (("host", "host"), ("database", "name"), ("username", "username")):
        if not database.get(field) and not (field == "host" and database.get("hostAddress")):
            raise InvalidInput(f"database.{option}", "it is needed and not given", f"Give database.{option}.")
    if not database.get("passwordSecret") and not database.get("sslCertificateSecret"):
        why = "the account's password is needed and not given"
        step = "Give database.password or database.password_secret, or a client certificate if the account has one."
        raise InvalidInput("database.password", why, step)
    has_ca = any(database.get(field) for field in CA_FIELDS.values())
    # Without an authority, a registry server on MySQL verifies with those of its image.
    if not has_ca and str(database.get("sslMode", "")).startswith("verify"):
        why = "the server's certificate is to be verified and no certificate authority is given"
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
            why = f"kube-rbac-proxy, which stands before the registry server, answers its own probes on {HEALTH_PORT}"
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
                why = f"{text} is no whole number, and {name} is not divided"
                raise InvalidInput(f"resources.{part}.{name}", why, "Give a whole number.")
            if part == "requests" and _is_device(name) and amount(limits.get(name)) != number:
                why = f"{name} is set aside and limited by the same amount only, and its request is {text}"
                raise InvalidInput(f"resources.limits.{name}", why, f"Give {text}, or leave out the request.")
    for name in sorted({*requests} & {*limits}):
        least, most = amount(requests[name]), amount(limits[name])
        if least is not None and most is not None and most < least:
            why = f"{limits[name]} is less than the {requests[name]} of resources.requests.{name}"
            raise InvalidInput(f"resources.limits.{name}", why, "Raise the limit, or lower the request.")


def _is_device(name: str) -> bool:
    """Return whether the resource cannot be overcommitted, as those with a domain and huge pages."""
    return "/" in name or name.startswith("hugepages-")


def _ref(ref: KeyRef) -> Object:
    return {"name": ref.name, "key": ref.key}


def _given(**values: Any) -> Object:
    return {key: value for key, value in values.items() if value is not None}
