# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there: one snapshot of the registries namespace, by lists wherever more than a few objects are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ._cluster import Cluster
from ._core.errors import Forbidden, Missing, RegistryError
from ._core.export import ca_object, password_ref
from ._core.manifests import PROXIES
from ._core.model import Object, Registry
from ._core.names import SHARED_CA, ca_config_map, password_secret, users_group
from ._core.plan import UNUSED_SECRET, Key, Observed
from ._core.removal import REGISTRY_LABEL, Dependents

__all__ = [
    "observe_dependents",
    "observe_for_absent",
    "observe_for_present",
    "platform_namespace",
    "registries_namespace",
]

FEW = 3
"""Up to so many objects of a kind are read one by one."""
WELL_KNOWN = ("rhoai-model-registries", "odh-model-registries")
"""The registries namespaces of OpenShift AI and of Open Data Hub, where nobody has chosen another."""


def registries_namespace(cluster: Cluster, given: str | None) -> str:
    """The namespace where registries live: given, else what the platform says, else the well-known one that is there."""
    if given is not None:
        return given
    said = platform_namespace(cluster)
    if said is not None:
        return said
    there = [name for name in WELL_KNOWN if _exists(cluster, name)]
    if len(there) != 1:
        which = " and ".join(there or WELL_KNOWN)
        why = (
            f"both {which} are there"
            if there
            else f"neither the platform's settings nor {which} can be seen by this user"
        )
        raise RegistryError("namespace", why, "Give namespace.")
    return there[0]


def platform_namespace(cluster: Cluster) -> str | None:
    """The registries namespace in the platform's own words; None where it says nothing, or not to this user."""
    for find in (_said_by_hub, _said_by_cluster):
        try:
            found = find(cluster)
        except (Forbidden, Missing):
            # Both objects are of the cluster, and not for everyone to see.
            continue
        if found:
            return found
    return None


def _said_by_hub(cluster: Cluster) -> str | None:
    hub = cluster.get("AIHub", None, "default-aihub") or {}
    namespace: str | None = (hub.get("spec") or {}).get("instancesNamespace")
    return namespace


def _said_by_cluster(cluster: Cluster) -> str | None:
    for item in cluster.list("DataScienceCluster")[0]:
        components = (item.get("status") or {}).get("components") or {}
        namespace: str | None = (components.get("modelregistry") or {}).get("registriesNamespace")
        if namespace:
            return namespace
    return None


def _exists(cluster: Cluster, namespace: str) -> bool:
    """Whether the namespace is there, or, for a user who may not see namespaces, whether registries in it may be seen."""
    try:
        return cluster.get("Namespace", None, namespace) is not None
    except Forbidden:
        pass
    try:
        cluster.list("ModelRegistry", namespace)
    except Forbidden:
        return False
    return True


def observe_for_present(cluster: Cluster, namespace: str, registries: Sequence[Registry]) -> Observed:
    """What has to be known before registries are created or edited."""
    found = _registries(cluster, namespace)
    wanted: set[tuple[str, str]] = set()
    for registry in registries:
        wanted.update(_stores(registry, found.get(registry.name)))
    objects = _objects(cluster, namespace, wanted)
    has_new = any(registry.name not in found for registry in registries)
    return Observed(namespace, cluster.version(), found, objects, _proxies(cluster) if has_new else frozenset())


def observe_for_absent(cluster: Cluster, namespace: str, name: str) -> Observed:
    """What has to be known before a registry is deleted.

    All Secrets are listed: one that the dashboard has made can't be found by its name once the registry is gone.
    """
    found = _registries(cluster, namespace)
    spec = found.get(name, {}).get("spec") or {}
    ref, ca = password_ref(spec), ca_object(spec)
    wanted = {("Secret", password_secret(name)), ("ConfigMap", ca_config_map(name)), *({ca} if ca else ())}
    if ref:
        wanted.add(("Secret", ref.name))
    objects = _objects(cluster, namespace, wanted, listed=("Secret", "RoleBinding"))
    return Observed(namespace, cluster.version(), found, objects)


def observe_dependents(cluster: Cluster, name: str) -> tuple[Dependents, list[str]]:
    """What refers to a registry from elsewhere, and a warning for each thing that the user may not see."""
    services: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    warnings = []
    try:
        items = cluster.list("InferenceService", label_selector=f"{REGISTRY_LABEL}={name}")[0]
        services = tuple(sorted(f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in items))
    except Missing:
        pass
    except Forbidden as error:
        warnings.append(f"It was not checked whether InferenceServices refer to {name}. {error.next_step}")
    try:
        group = cluster.get("Group", None, users_group(name)) or {}
        members = tuple(group.get("users") or ())
        if members:
            warnings.append(f"The Group {users_group(name)} goes with the registry, and with it {', '.join(members)}.")
    except Forbidden as error:
        warnings.append(f"It is not known who is in the Group {users_group(name)}, which goes too. {error.next_step}")
    return Dependents(services, members), warnings


def _registries(cluster: Cluster, namespace: str) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in cluster.list("ModelRegistry", namespace)[0]}


def _stores(registry: Registry, existing: Object | None) -> Iterable[tuple[str, str]]:
    """The objects, by kind and name, that hold what the user gives in clear, and what depends on them."""
    used = password_ref((existing or {}).get("spec") or {})
    own = password_secret(registry.name)
    if UNUSED_SECRET in ((existing or {}).get("metadata", {}).get("annotations") or {}):
        yield "Secret", own
    database = registry.database
    if database is None:
        return
    if used and used.name == own and (database.password_secret or database.generate):
        yield "Secret", own
    if database.password is not None:
        yield "Secret", own
        if used:
            yield "Secret", used.name
    has_pem = database.tls is not None and database.tls.ca_pem is not None
    if has_pem:
        yield "ConfigMap", ca_config_map(registry.name)
        if ca_object((existing or {}).get("spec") or {}) == ("ConfigMap", SHARED_CA):
            yield "ConfigMap", SHARED_CA
    if existing and (has_pem or database.password is not None):
        yield "Deployment", registry.name


def _objects(
    cluster: Cluster, namespace: str, wanted: Iterable[tuple[str, str]], listed: Iterable[str] = ()
) -> dict[Key, Object]:
    """The wanted objects that exist, and all objects of the kinds to list."""
    names: dict[str, set[str]] = {kind: set() for kind in listed}
    for kind, name in wanted:
        names.setdefault(kind, set()).add(name)
    found: dict[Key, Object] = {}
    for kind, members in sorted(names.items()):
        for item in _read(cluster, namespace, kind, members, kind in listed):
            found[(kind, namespace, item["metadata"]["name"])] = item
    return found


def _read(cluster: Cluster, namespace: str, kind: str, names: set[str], wants_list: bool) -> list[Object]:
    """The objects of those names, by a list where they are many or all are wanted, and the user may list."""
    if wants_list or len(names) > FEW:
        try:
            return cluster.list(kind, namespace)[0]
        except Forbidden:
            if not names:
                raise
    answers = (cluster.get(kind, namespace, name) for name in sorted(names))
    return [answer for answer in answers if answer is not None]


def _proxies(cluster: Cluster) -> frozenset[str]:
    """The proxies that the schema of the newest version knows: it is the only place that tells releases apart."""
    fields = cluster.spec_fields()
    return frozenset(name for name, field in PROXIES.items() if field in fields)
