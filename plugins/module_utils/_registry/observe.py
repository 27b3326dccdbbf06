# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One snapshot of the registries namespace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from .._common.errors import Forbidden, NotFound
from .._common.model import Object, Registry
from .._common.names import SHARED_CA, ca_config_map, password_secret, users_group
from .._common.text import printable_name
from .._kubernetes.changes import Key
from .._kubernetes.client import Cluster, Listed
from .auth_proxy import lacks_certificate, proxy_secret
from .deletion import REGISTRY_LABEL, Dependents
from .export import ca_object, password_ref
from .fields import needed_fields
from .plan import UNUSED_SECRET, NamespaceState, unnoticed
from .restart import Mark, restart_due
from .stored_keys import read_at_start

__all__ = [
    "observe_dependents",
    "observe_for_absent",
    "observe_for_present",
    "observe_objects",
    "observe_pods",
]

LABEL_VALUE = r"[a-z0-9A-Z]([a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?"


def observe_for_present(
    cluster: Cluster, namespace: str, registries: Sequence[Registry], listed: Listed | None = None
) -> NamespaceState:
    """Read what is needed to create or edit registries. listed: the registries, if they were just listed."""
    items, revision = listed or cluster.list("ModelRegistry", namespace)
    existing = _by_name(items)
    wanted = {store for registry in registries for store in _credential_objects(registry, existing.get(registry.name))}
    marked = {store for registry in registries for store in _restart_marked(registry.name, existing.get(registry.name))}
    objects = observe_objects(cluster, namespace, wanted)
    # A list returns more than was needed.
    unseen = marked - wanted - {(kind, name) for kind, _namespace, name in objects}
    for kind in ("ConfigMap", "Secret"):
        # A user who may not read them can still edit the rest. Others' marks are left to them; model_registry_info shows them.
        with suppress(Forbidden):
            objects.update(observe_objects(cluster, namespace, {store for store in unseen if store[0] == kind}))
    fields = cluster.spec_fields() if _asks_for_fields(registries, existing) else frozenset()
    openshift, no_certificate = _front(cluster, namespace, registries, existing)
    observed = NamespaceState(
        namespace, cluster.version(), existing, objects, fields, revision, openshift, no_certificate
    )
    marks = {registry.name: mark for registry in registries if (mark := unnoticed(registry, observed))}
    return _with_pods(cluster, observed, marks) if marks else observed


def _with_pods(cluster: Cluster, observed: NamespaceState, marks: Mapping[str, tuple[Mark, ...]]) -> NamespaceState:
    """Return the snapshot with the Deployments of registries with marks, and with pods if these can settle a mark.

    marks: by registry.
    """
    deployments = observe_objects(cluster, observed.namespace, {("Deployment", name) for name in marks})
    observed = replace(observed, objects={**observed.objects, **deployments})
    # Pods can only prove that they are younger than a change stored before this run.
    old = {name: [mark for mark in found if mark.since is not None] for name, found in marks.items()}
    if any(restart_due(found, observed.find("Deployment", name), None) for name, found in old.items()):
        observed = replace(observed, pods=observe_pods(cluster, observed.namespace))
    return observed


def observe_pods(cluster: Cluster, namespace: str) -> tuple[Object, ...] | None:
    """Return the pods of all registries; None if they may not be listed."""
    try:
        return tuple(cluster.list("Pod", namespace, label_selector="component=model-registry")[0])
    except Forbidden:
        return None


def _asks_for_fields(registries: Sequence[Registry], existing: Mapping[str, Object]) -> bool:
    """Return whether to read the schema: it is the only source that tells releases apart."""
    there = [(registry, existing.get(registry.name)) for registry in registries]
    return any(existing is None or needed_fields(registry, existing) for registry, existing in there)


def _front(
    cluster: Cluster, namespace: str, registries: Sequence[Registry], existing: Mapping[str, Object]
) -> tuple[bool | None, frozenset[str]]:
    """Return whether the cluster is OpenShift (None if no proxy depends on it), and registries without a proxy certificate."""
    specs = {one.name: existing[one.name].get("spec") or {} if one.name in existing else None for one in registries}
    by_default = any(specs[one.name] is None and one.auth_proxy in (None, "auto") for one in registries)
    asked = [one.name for one in registries if lacks_certificate(one, specs[one.name])]
    if not by_default and not asked:
        return None, frozenset()
    if cluster.serves("Route"):
        return True, frozenset()
    try:
        secrets = observe_objects(cluster, namespace, {("Secret", proxy_secret(name)) for name in asked})
    except Forbidden:
        # A Secret that may not be read need not be missing.
        return False, frozenset()
    there = {name for _kind, _namespace, name in secrets}
    return False, frozenset(name for name in asked if proxy_secret(name) not in there)


def observe_for_absent(
    cluster: Cluster, namespace: str, names: Sequence[str], listed: Listed | None = None
) -> NamespaceState:
    """Read what is needed to delete registries.

    All Secrets are listed: the dashboard's cannot be found by its name once the registry is gone.
    """
    items, revision = listed or cluster.list("ModelRegistry", namespace)
    existing = _by_name(items)
    wanted = {store for name in names for store in _owned(name, existing.get(name, {}).get("spec") or {})}
    objects = observe_objects(cluster, namespace, wanted, listed=("Secret", "RoleBinding"))
    return NamespaceState(namespace, cluster.version(), existing, objects, revision=revision)


def _owned(name: str, spec: Object) -> Iterable[tuple[str, str]]:
    """Yield the objects, by kind and name, that may have been created for a registry alone."""
    yield "Secret", password_secret(name)
    yield "ConfigMap", ca_config_map(name)
    yield from ((key.kind, key.ref.name) for key in read_at_start(spec))


def observe_dependents(cluster: Cluster, names: Sequence[str]) -> dict[str, Dependents]:
    """Return what refers to each registry from elsewhere, with a warning about each kind that the user may not read."""
    services, refused = _inference_services(cluster, names) if names else ({}, None)
    unseen = refused.next_step if refused else ""
    dependents = {}
    for name in names:
        members, member_warnings = _members(cluster, name)
        warnings = [f"InferenceServices that may refer to {name} were not checked. {unseen}"] if unseen else []
        dependents[name] = Dependents(
            tuple(sorted(services.get(name, ()))), unseen, members, (*warnings, *member_warnings)
        )
    return dependents


def _inference_services(cluster: Cluster, names: Sequence[str]) -> tuple[dict[str, list[str]], Forbidden | None]:
    """Return those that refer to registries, as namespace/name by registry, and why they may not be listed."""
    by_registry: dict[str, list[str]] = {}
    # No label can name any other registry.
    labels = [name for name in names if re.fullmatch(LABEL_VALUE, name)]
    if not labels:
        return by_registry, None
    try:
        for item in cluster.list("InferenceService", label_selector=f"{REGISTRY_LABEL} in ({','.join(labels)})")[0]:
            meta = item["metadata"]
            by_registry.setdefault(meta["labels"][REGISTRY_LABEL], []).append(f"{meta['namespace']}/{meta['name']}")
    except NotFound:
        pass
    except Forbidden as error:
        # A kind that the cluster lacks is forbidden, too.
        return {}, error if cluster.serves("InferenceService") else None
    return by_registry, None


def _members(cluster: Cluster, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the members of the registry's Group, and a warning if there are any or they are unknown."""
    try:
        group = cluster.get("Group", None, users_group(name)) or {}
    except Forbidden as error:
        why = f"The members of the Group {users_group(name)}, which is deleted too, are not known. {error.next_step}"
        return (), (why,)
    members = tuple(group.get("users") or ())
    why = f"The Group {users_group(name)} is deleted with the registry, and its members are {', '.join(map(printable_name, members))}."
    return members, (why,) if members else ()


def _by_name(items: Iterable[Object]) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in items}


def _credential_objects(registry: Registry, existing: Object | None) -> Iterable[tuple[str, str]]:
    """Yield the objects, by kind and name, that store the user's plain values, or depend on them."""
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


def _restart_marked(name: str, existing: Object | None) -> Iterable[tuple[str, str]]:
    """Yield the objects, by kind and name, on which an interrupted run may have left a mark to restart pods.

    These are only the collection's own and the dashboard's: the user's Secrets are not read for that.
    """
    spec = (existing or {}).get("spec") or {}
    used = password_ref(spec)
    if used and used.name.startswith(f"{name}-db-"):
        yield "Secret", used.name
    authority = ca_object(spec)
    if authority in (("ConfigMap", ca_config_map(name)), ("ConfigMap", SHARED_CA)):
        yield authority


def observe_objects(
    cluster: Cluster, namespace: str, wanted: Iterable[tuple[str, str]], listed: Iterable[str] = ()
) -> dict[Key, Object]:
    """Return the wanted objects, by kind and name, that exist, and all objects of the kinds in ``listed``."""
    names: dict[str, set[str]] = {kind: set() for kind in listed}
    for kind, name in wanted:
        names.setdefault(kind, set()).add(name)
    objects: dict[Key, Object] = {}
    for kind, members in sorted(names.items()):
        for item in _read(cluster, namespace, kind, members, kind in listed):
            objects[(kind, namespace, item["metadata"]["name"])] = item
    return objects


def _read(cluster: Cluster, namespace: str, kind: str, names: set[str], wants_list: bool) -> Sequence[Object]:
    """Return the objects of those names, and all of the kind if they are wanted and the user may list."""
    if wants_list:
        try:
            return cluster.list(kind, namespace)[0]
        except Forbidden:
            if not names:
                raise
    return cluster.get_many(kind, namespace, names, one_by_one=True)
