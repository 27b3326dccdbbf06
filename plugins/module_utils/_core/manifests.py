# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a registry to the Kubernetes objects that it wants: owned fields only, None for a field that must not be there."""

from __future__ import annotations

from typing import Any

from .errors import InvalidInput
from .kinds import GROUP
from .model import Database, KeyRef, Object, Registry, Tls
from .redact import Sealed

__all__ = [
    "CA_KEY",
    "DATABASES",
    "DESCRIPTION",
    "DISPLAY_NAME",
    "MARK",
    "PASSWORD_KEY",
    "PROXIES",
    "check_spec",
    "wanted_ca",
    "wanted_registry",
    "wanted_secret",
]

DISPLAY_NAME = "openshift.io/display-name"
DESCRIPTION = "openshift.io/description"
MARK = "ansible.opendatahub.io/registry"
"""Label with the registry's name, on what the collection has made for that registry alone."""
PASSWORD_KEY = "database-password"  # noqa: S105
CA_KEY = "ca.crt"
"""Keys as the dashboard names them."""
DATABASES = ("mysql", "postgres")
PROXIES = {"istio": "istio", "oauth": "oauthProxy", "kube_rbac": "kubeRBACProxy"}
"""The spec's field of each proxy, oldest first: newer operators turn each into the next by themselves."""
ISTIO: Object = {"gateway": {"rest": {"tls": {}}, "grpc": {"tls": {}}}}
"""What the dashboard of OpenShift AI 2.19 writes."""


def wanted_registry(registry: Registry, version: str, proxy: str | None) -> Object:
    """The ModelRegistry in that API version, which refers to Secrets and ConfigMaps alone.

    proxy: the key in PROXIES to ask for; None leaves it to what is there.
    """
    spec: Object = {"rest": {}}
    if registry.resources is not None:
        spec["rest"] = {"resources": dict(registry.resources)}
    if proxy is not None:
        spec.update(dict.fromkeys(PROXIES.values()))
        spec[PROXIES[proxy]] = ISTIO if proxy == "istio" else {}
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
        # An empty dict would be wanted as such.
        **({"metadata": {"annotations": annotations}} if annotations else {}),
        "spec": spec,
    }


def _database(registry: Registry) -> Object:
    """spec.mysql or spec.postgres."""
    database = registry.database or Database()
    if database.generate:
        gone = ("host", "hostAddress", "passwordSecret", *_CA_FIELDS.values(), *_CLIENT_FIELDS)
        fields: Object = {"generateDeployment": True, **dict.fromkeys(gone)}
    else:
        fields = _given(host=database.host, port=database.port)
        if database.host is not None and database.type == "postgres":
            fields.update({"generateDeployment": None, "hostAddress": None})
    fields.update(_given(database=database.name, username=database.username))
    if database.password_secret is not None:
        fields["passwordSecret"] = _ref(database.password_secret)
    if database.tls is not None:
        fields.update(_tls(database.tls, database.type == "postgres"))
    return fields


_CA_FIELDS = {"ConfigMap": "sslRootCertificateConfigMap", "Secret": "sslRootCertificateSecret"}
_CLIENT_FIELDS = ("sslCertificateSecret", "sslKeySecret")


def _tls(tls: Tls, postgres: bool) -> Object:
    if tls.enabled is False:
        plain: Object = dict.fromkeys((*_CA_FIELDS.values(), *_CLIENT_FIELDS))
        return {**plain, "sslMode": "disable"} if postgres else {**plain, "verifyServerCert": None}
    fields: Object = {}
    if tls.ca is not None:
        fields.update(dict.fromkeys(_CA_FIELDS.values()))
        fields[_CA_FIELDS[tls.ca.kind]] = _ref(tls.ca.ref)
    if tls.client_certificate is not None and tls.client_key is not None:
        fields.update(zip(_CLIENT_FIELDS, (_ref(tls.client_certificate), _ref(tls.client_key))))
    # A certificate authority is there to verify with, unless the user says otherwise.
    verify = tls.verify if tls.verify is not None or tls.ca is None else True
    if not postgres:
        return fields if verify is None else {**fields, "verifyServerCert": verify or None}
    mode = tls.mode
    if mode is None and verify is not None:
        mode = "verify-full" if verify else "require"
    if mode is None and tls.enabled:
        mode = "require"
    return {**fields, **_given(sslMode=mode)}


def wanted_secret(registry: Registry) -> Object:
    """The registry's own Secret, or what of it the model gives, as the dashboard lays it out."""
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
        "metadata": {"labels": {MARK: registry.name}, "annotations": expose},
        "data": {key: Sealed.of(value) for key, value in values.items() if value is not None},
    }


def wanted_ca(name: str, pem: str) -> Object:
    """The ConfigMap of an uploaded certificate authority."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"labels": {MARK: name}},
        "data": {CA_KEY: pem},
    }


def check_spec(spec: Object) -> None:
    """Raise InvalidInput where a spec, as it would be, cannot work, though the API server would store it."""
    given = [database for database in DATABASES if spec.get(database) is not None]
    if len(given) != 1:
        why = "a registry needs exactly one database" if given else "a registry needs a database and none is given"
        raise InvalidInput("database.type", why, "Give database with type mysql or postgres.")
    database = spec[given[0]]
    if database.get("generateDeployment"):
        return
    for field, option in (("host", "host"), ("database", "name"), ("username", "username")):
        if not database.get(field) and not (field == "host" and database.get("hostAddress")):
            raise InvalidInput(f"database.{option}", "it is needed and not given", f"Give database.{option}.")
    if not database.get("passwordSecret"):
        why = "the account's password is needed and not given"
        raise InvalidInput("database.password", why, "Give database.password or database.password_secret.")
    has_ca = any(database.get(field) for field in _CA_FIELDS.values())
    # Without an authority, a registry server on MySQL verifies with those of its image.
    if not has_ca and str(database.get("sslMode", "")).startswith("verify"):
        why = "the server's certificate is to be verified and no certificate authority is given"
        raise InvalidInput("database.tls", why, "Give one of ca_bundle, ca_config_map, ca_secret and ca_pem.")


def _ref(ref: KeyRef) -> Object:
    return {"name": ref.name, "key": ref.key}


def _given(**values: Any) -> Object:
    return {key: value for key, value in values.items() if value is not None}
