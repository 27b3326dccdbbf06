# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes objects of a registry as wanted: owned fields only, None for a field that must be absent."""

from __future__ import annotations

from typing import Any

from .._common.model import Database, KeyRef, Object, ProxySettings, Registry, Tls
from .._kubernetes.resources import GROUP
from .._kubernetes.sealed import Sealed

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


def _ref(ref: KeyRef) -> Object:
    return {"name": ref.name, "key": ref.key}


def _given(**values: Any) -> Object:
    return {key: value for key, value in values.items() if value is not None}
