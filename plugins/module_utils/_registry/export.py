# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry's stored spec says of its database, and which Secrets and ConfigMaps are the registry's own."""

from __future__ import annotations

import re

from .._common.model import CaSource, Database, KeyRef, Object, Tls
from .._common.names import ca_config_map, password_secret
from .manifests import CA_FIELDS, CA_KEY, DATABASES, OWNER_LABEL, PROXIES

__all__ = [
    "PORTS",
    "ca_object",
    "ca_source",
    "chosen_type",
    "database_of",
    "database_type",
    "database_types",
    "is_encrypted",
    "is_generated",
    "is_own_ca",
    "is_own_secret",
    "is_verified",
    "password_ref",
    "proxy_of",
    "references",
    "uses",
]

PORTS = {"mysql": 3306, "postgres": 5432}
"""The API's defaults if no port is given."""
_OPPORTUNISTIC = ("disable", "allow", "prefer")
"""PostgreSQL's sslmode values that do without encryption if the server offers none."""


def database_types(spec: Object) -> list[str]:
    """Return which of mysql and postgres the registry has, the one that counts first."""
    return [name for name in DATABASES if spec.get(name)]


def database_type(spec: Object) -> str | None:
    """Return mysql or postgres; None if the registry has no database."""
    return next(iter(database_types(spec)), None)


def chosen_type(given: Database | None, spec: Object) -> str:
    """Return the type of the database that a registry is to have: as it is given, else as it is stored, else mysql."""
    return (given.type if given else None) or database_type(spec) or "mysql"


def is_generated(spec: Object) -> bool:
    """Return whether the operator runs the registry's database itself."""
    return bool((spec.get("postgres") or {}).get("generateDeployment"))


def proxy_of(spec: Object) -> str | None:
    """Return the (newest) proxy in front of the registry server, as the option auth_proxy names it."""
    return next((name for name in reversed(list(PROXIES)) if spec.get(PROXIES[name]) is not None), None)


def database_of(spec: Object) -> Database:
    """Return the database of a registry's spec; an empty one if it has none."""
    kind = database_type(spec)
    values: Object = spec[kind] if kind else {}
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
        host=values.get("host"),
        host_address=values.get("hostAddress"),
        port=values.get("port"),
        name=values.get("database"),
        username=values.get("username"),
        password_secret=_ref(values.get("passwordSecret")),
        tls=tls,
        generate=values.get("generateDeployment"),
        image=values.get("image"),
    )


def is_encrypted(tls: Tls) -> bool:
    """Return whether a registry server with these stored settings always encrypts its connection to the database."""
    certificates = tls.ca or tls.client_certificate
    return bool(certificates or is_verified(tls) or tls.cipher or tls.mode not in (None, *_OPPORTUNISTIC))


def is_verified(tls: Tls) -> bool:
    """Return whether a registry server with these stored settings verifies the database's certificate."""
    return bool(tls.verify) or tls.mode in ("verify-ca", "verify-full")


def _ca(values: Object) -> CaSource | None:
    """Return the authority: of two, the one in the ConfigMap counts."""
    refs = ((kind, _ref(values.get(field))) for kind, field in CA_FIELDS.items())
    return next((CaSource(kind, ref) for kind, ref in refs if ref), None)


def _ref(value: Object | None) -> KeyRef | None:
    return KeyRef(value["name"], value["key"]) if value else None


def password_ref(spec: Object) -> KeyRef | None:
    """Return the reference to the password of the registry's database."""
    return database_of(spec).password_secret


def ca_source(spec: Object) -> CaSource | None:
    """Return the source of the certificate authority of the registry's database."""
    tls = database_of(spec).tls
    return tls.ca if tls else None


def ca_object(spec: Object) -> tuple[str, str] | None:
    """Return kind and name of the object with the certificate authority of the registry's database."""
    source = ca_source(spec)
    return (source.kind, source.ref.name) if source else None


def references(spec: Object) -> dict[str, Object]:
    """Return the fields of the spec's database that name a Secret or ConfigMap, even those without effect."""
    fields = spec.get(database_type(spec) or "") or {}
    return {field: ref for field, ref in fields.items() if isinstance(ref, dict)}


def uses(spec: Object, kind: str, name: str) -> bool:
    """Return whether any field of the spec's database names that Secret or ConfigMap."""
    return any(field.endswith(kind) and ref.get("name") == name for field, ref in references(spec).items())


def is_own_secret(secret: Object, registry: str) -> bool:
    """Return whether the Secret was created for that registry alone, by this collection or by the dashboard.

    This collection's has a fixed name and its mark; the dashboard's has a generated name and its annotations. Mark and
    annotations alone prove nothing: a copy under another name has them, too.
    """
    meta = secret["metadata"]
    if (meta.get("labels") or {}).get(OWNER_LABEL) == registry:
        return bool(meta["name"] == password_secret(registry))
    exposed = "template.openshift.io/expose-password" in (meta.get("annotations") or {})
    generated = re.fullmatch(f"{re.escape(registry)}-db-[a-z0-9]{{5}}", meta["name"])
    return exposed and generated is not None and meta.get("generateName") == f"{registry}-db-"


def is_own_ca(config_map: Object, registry: str, used: tuple[str, str] | None) -> bool:
    """Return whether the ConfigMap holds the certificate authority uploaded for that registry alone.

    Its name is fixed. The dashboard sets only the name and a single key, so these count only if the registry uses the
    ConfigMap. A deletion marks it first.
    """
    meta = config_map["metadata"]
    if meta["name"] != ca_config_map(registry):
        return False
    marked = (meta.get("labels") or {}).get(OWNER_LABEL) == registry
    return marked or (set(config_map.get("data") or ()) == {CA_KEY} and used == ("ConfigMap", meta["name"]))
