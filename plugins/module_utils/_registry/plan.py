# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ordered changes from the observed to the wanted state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .._common.certificates import stored_form
from .._common.errors import NotFound, Refused
from .._common.model import CaSource, KeyRef, Object, Registry
from .._common.names import SHARED_CA, ca_config_map, check_length, check_name, password_secret
from .._common.text import quoted
from .._kubernetes.changes import Change, Key, creation_of, deletion_of, patch_of
from .._kubernetes.merge_patch import applied, merge_patch, present_fields, restricted
from .auth_proxy import certificate_missing
from .database_edit import check_edit, for_existing, with_type, without_defaults, without_effect
from .export import (
    ca_source,
    is_own_ca,
    is_own_secret,
    password_ref,
    proxy_of,
    references,
    uses,
)
from .fields import check_front
from .manifests import (
    CA_KEY,
    DISPLAY_NAME,
    OWNER_LABEL,
    PASSWORD_KEY,
    PROXIES,
    wanted_ca,
    wanted_registry,
    wanted_secret,
)
from .quantity import with_stored_spelling
from .restart import RESTART_PENDING, RESTARTED, Mark, mark_of, restart_due, restart_value
from .rollout import registry_of
from .spec_rules import check_spec
from .stored_keys import read_at_start

__all__ = [
    "MOST",
    "UNUSED_SECRET",
    "NamespaceState",
    "Plan",
    "name_clash",
    "password_not_used",
    "plan_present",
    "restart_of",
    "unnoticed",
]
MOST = 12
"""Registries that are listed when the named one does not exist."""
UNUSED_SECRET = "ansible.opendatahub.io/unused-secret"  # noqa: S105
"""Annotation on a registry: its own Secret, to delete once all pods have the password from elsewhere."""
DASHBOARDS_CA = CaSource("ConfigMap", KeyRef(SHARED_CA, CA_KEY))
"""The dashboard of OpenShift AI 2.19 stores the uploaded authority of any registry there."""


@dataclass(frozen=True)
class Plan:
    """Changes in the order in which they are written."""

    changes: tuple[Change, ...] = ()
    after_ready: tuple[Change, ...] = ()
    """Changes for after the registry is ready, or gone."""
    marks: tuple[Mark, ...] = ()
    """All pods must be seen to be younger than these before that is done."""


@dataclass(frozen=True)
class NamespaceState:
    """The state of one namespace at one moment."""

    namespace: str
    version: str
    """The API version of ModelRegistry that is written."""
    registries: Mapping[str, Object]
    """All of the namespace, by name."""
    objects: Mapping[Key, Object]
    """Other objects that were read and exist."""
    fields: frozenset[str] = frozenset()
    """The fields of the API version's spec, such as rest and rest.image; only read if something depends on them."""
    revision: str = ""
    """The resourceVersion of the list of registries."""
    openshift: bool | None = None
    """Whether the cluster serves Routes, which to the operator means OpenShift; only read if a proxy depends on it."""
    no_certificate: frozenset[str] = frozenset()
    """The registries that will get a kube-rbac-proxy but lack its Secret, which OpenShift would create."""
    pods: tuple[Object, ...] | None = None
    """Of all registries; only read if a change waits for a restart, and None if they may not be listed."""

    def find(self, kind: str, name: str) -> Object | None:
        """Return an object of the namespace, or None."""
        return self.objects.get((kind, self.namespace, name))

    def pods_of(self, registry: str) -> list[Object] | None:
        """Return the pods of a registry; None if they are unknown."""
        return None if self.pods is None else [pod for pod in self.pods if registry_of(pod) == registry]


def plan_present(registry: Registry, observed: NamespaceState, now: str) -> Plan:
    """Plan the changes that create the registry or edit it as wanted.

    now: the time, as Kubernetes writes it, never the same twice. Raises InvalidInput, NotFound and Refused.
    """
    existing = observed.registries.get(registry.name)
    if existing is not None and existing["metadata"].get("deletionTimestamp"):
        why = f"it is being deleted since {existing['metadata']['deletionTimestamp']}"
        raise Refused(f"ModelRegistry {registry.name}", why, "Wait until it is gone, then run the task again.")
    if existing is None and registry.must_exist:
        there = ", ".join(sorted(observed.registries)[:MOST]) or "none"
        step = f"Check the name: the registries there are {there}. Or create it with the playbook opendatahub.model_registry.create."
        raise NotFound(f"ModelRegistry {registry.name}", "it does not exist, and create is false", step)
    clash = name_clash(existing, registry.display_name) if existing is not None and registry.is_derived else None
    if clash is not None:
        raise clash
    registry = _as_edit(registry, existing)
    if registry.database is not None:
        spec = (existing or {}).get("spec") or {}
        check_edit(registry.database, spec)
        registry = replace(registry, database=with_type(registry.database, spec))
    registry, stores = _with_stores(registry, observed, now)
    change = _registry_change(registry, observed, now)
    changes = (*stores, *((change,) if change else ()))
    if existing is None:
        return Plan(changes)
    after = applied(existing, change.body) if change else existing
    read, pending = (_pending(items, observed, stores) for items in ((existing,), (existing, after)))
    unused = _unused(after, observed)
    for gone in unused:
        read.pop(gone.key, None)
        pending.pop(gone.key, None)
    # A switch creates new pods by itself. Whether they replace the old ones is seen afterwards.
    switch = mark_of(change.body) if change else None
    own = mark_of(existing) if switch is None else None
    restart = _restart(registry.name, observed, (*read.values(), *((own,) if own else ())), now)
    after_ready = (*(_settled(observed, key) for key in pending), *unused, *_unmarking(after, observed.namespace))
    marks = (*pending.values(), *(mark for mark in (own, switch) if mark))
    return Plan((*changes, *((restart,) if restart else ())), after_ready, marks)


def name_clash(existing: Object, display_name: str | None) -> Refused | None:
    """Return the error if a name derived from a display name belongs to a registry with another display name."""
    name, stored = existing["metadata"]["name"], (existing["metadata"].get("annotations") or {}).get(DISPLAY_NAME)
    if stored == display_name:
        return None
    has = f"has the display name {quoted(stored)}" if stored else "has no display name"
    derived = f"its name is derived from {quoted(display_name or '')}"
    why = f"it {has}, and {derived}, so it may be another registry"
    return Refused(f"ModelRegistry {name}", why, f"Give name: {name} if you mean this one, else another name.")


def password_not_used(registry: Registry, observed: NamespaceState) -> str | None:
    """Return a warning about a password that is only for a new registry, if it is not the one of the existing registry."""
    existing = observed.registries.get(registry.name)
    if existing is None or registry.database is None or not registry.database.is_password_of_new:
        return None
    change, _ref = _secret_change(registry, observed, "now")
    why = "it is not the stored password and is not used, since the registry exists and database.update_password is on_create"
    return (
        f"database.password: {why}. To store it, set database.update_password to always."
        if change and "data" in change.body
        else None
    )


def _as_edit(registry: Registry, existing: Object | None) -> Registry:
    if existing is None or registry.database is None:
        return registry
    return replace(registry, database=for_existing(registry.database))


def unnoticed(registry: Registry, observed: NamespaceState) -> tuple[Mark, ...]:
    """Return the marks of changes, stored or planned, that running pods do not notice: then their Deployment is needed."""
    existing = observed.registries.get(registry.name)
    if existing is None:
        return ()
    stores = _with_stores(_as_edit(registry, existing), observed, "now")[1]
    own = mark_of(existing)
    return (*_pending((existing,), observed, stores).values(), *((own,) if own else ()))


def restart_of(name: str, namespace: str, deployment: Object, value: str) -> Change:
    """Return a rollout restart that writes the value."""
    body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: value}}}}}
    # Without resourceVersion: the status of a Deployment keeps being written.
    return Change("Deployment", namespace, name, "restart", body, restricted(deployment, body), body)


def _with_stores(registry: Registry, observed: NamespaceState, now: str) -> tuple[Registry, tuple[Change, ...]]:
    """Return the registry with references in place of plain values, and the changes of the objects that store these."""
    secret, ref = _secret_change(registry, observed, now)
    authority, source = _ca_change(registry, observed, now)
    database = registry.database
    if database is not None and ref is not None:
        database = replace(database, password=None, password_secret=ref)
    if database is not None and database.tls is not None and source is not None:
        database = replace(database, tls=replace(database.tls, ca_pem=None, ca=source))
    stores = tuple(change for change in (secret, authority) if change is not None)
    return replace(registry, database=database), stores


def _secret_change(registry: Registry, observed: NamespaceState, now: str) -> tuple[Change | None, KeyRef | None]:
    """Return the change of the password's Secret, and the new reference; None, None if no password is given.

    The user's Secret is left unchanged: the registry gets one of its own.
    """
    if registry.database is None or registry.database.password is None:
        return None, None
    wanted, name = wanted_secret(registry), password_secret(registry.name)
    existing = observed.registries.get(registry.name)
    used = password_ref(existing.get("spec") or {}) if existing else None
    current = observed.find("Secret", used.name) if used else None
    if used and current and used.name != name and is_own_secret(current, registry.name):
        # The dashboard's: its labels and annotations stay unchanged.
        wanted["data"][used.key] = wanted["data"].pop(PASSWORD_KEY)
        return _store_change(registry.name, observed, {"kind": "Secret", "data": wanted["data"]}, used.name, now), used
    current = observed.find("Secret", name)
    if current and not is_own_secret(current, registry.name):
        raise _not_ours("Secret", name, "Give database.password_secret to use it as it is")
    return _store_change(registry.name, observed, wanted, name, now), KeyRef(name, PASSWORD_KEY)


def _ca_change(registry: Registry, observed: NamespaceState, now: str) -> tuple[Change | None, CaSource | None]:
    """Return the change for an uploaded certificate authority, and its new source; None, None if none is given."""
    tls = registry.database.tls if registry.database else None
    if tls is None or tls.ca_pem is None:
        return None, None
    used = ca_source(observed.registries.get(registry.name, {}).get("spec") or {})
    if used == DASHBOARDS_CA and _is_alone(registry.name, observed, used):
        wanted = _wanted_ca(registry.name, tls.ca_pem, observed.find("ConfigMap", used.ref.name))
        data = {"kind": "ConfigMap", "data": wanted["data"]}
        return _store_change(registry.name, observed, data, used.ref.name, now), used
    name = ca_config_map(registry.name)
    current = observed.find("ConfigMap", name)
    if current and not is_own_ca(current, registry.name, (used.kind, used.ref.name) if used else None):
        raise _not_ours("ConfigMap", name, "Give database.tls.ca_config_map to use it as it is")
    wanted = _wanted_ca(registry.name, tls.ca_pem, current)
    return _store_change(registry.name, observed, wanted, name, now), CaSource("ConfigMap", KeyRef(name, CA_KEY))


def _wanted_ca(name: str, pem: str, current: Object | None) -> Object:
    """Return the ConfigMap with the certificates; in their stored form, if only the spelling differs."""
    return wanted_ca(name, stored_form(((current or {}).get("data") or {}).get(CA_KEY), pem))


def _is_alone(name: str, observed: NamespaceState, source: CaSource) -> bool:
    """Return whether the object exists and no other registry uses it."""
    others = [other.get("spec") or {} for one, other in observed.registries.items() if one != name]
    there = observed.find(source.kind, source.ref.name) is not None
    return there and not any(uses(spec, source.kind, source.ref.name) for spec in others)


def _store_change(registry: str, observed: NamespaceState, wanted: Object, name: str, now: str) -> Change | None:
    """Return the change of a Secret or ConfigMap.

    If it changes what running pods read, it also marks the restart as pending: the run may be interrupted after it.
    """
    current = observed.find(wanted["kind"], name)
    held = (current or {}).get("data") or {}
    keys = _keys_read(observed.registries.get(registry, {}), wanted["kind"], name)
    read = {key: wanted["data"][key] for key in keys & set(wanted["data"])}
    if merge_patch(held, read):
        wanted = applied(wanted, {"metadata": {"annotations": {RESTART_PENDING: now}}})
    if current is None:
        return creation_of(wanted, observed.namespace, name)
    return patch_of(current, wanted, observed.namespace)


def _keys_read(registry: Object, kind: str, name: str) -> set[str]:
    """Return the keys of an object that the registry's pods read; none if it does not refer to the object."""
    keys = read_at_start(registry.get("spec") or {})
    return {key.ref.key for key in keys if (key.kind, key.ref.name) == (kind, name)}


def _registry_change(registry: Registry, observed: NamespaceState, now: str) -> Change | None:
    existing = observed.registries.get(registry.name)
    if existing is None:
        wanted = _new_registry(registry, observed)
        check_length(registry.name, proxy_of(wanted["spec"]) is not None)
        check_name(registry.name)
        check_spec(present_fields(wanted)["spec"])
        return creation_of(wanted, observed.namespace, registry.name)
    spec = existing.get("spec") or {}
    if registry.resources is not None:
        stored = (spec.get("rest") or {}).get("resources") or {}
        registry = replace(registry, resources=with_stored_spelling(registry.resources, stored))
    wanted = wanted_registry(registry, observed.version, _wanted_proxies(registry, existing, observed))
    wanted = {**wanted, "spec": without_effect(registry.database, spec, wanted["spec"])}
    wanted = _with_switch(existing, _with_unused_secret(existing, wanted, observed), now)
    change = patch_of({**existing, "spec": without_defaults(spec)}, wanted, observed.namespace)
    if change is not None:
        check_spec(applied(existing, change.body)["spec"])
    return change


def _new_registry(registry: Registry, observed: NamespaceState) -> Object:
    """Return the wanted state of a new registry, without fields to reset."""
    wanted = wanted_registry(registry, observed.version, _wanted_proxies(registry, None, observed))
    if PROXIES["kube_rbac"] not in observed.fields:
        # Releases with ML Metadata need it.
        wanted["spec"]["grpc"] = {}
    fields = wanted["spec"].items()
    spec = {field: present_fields(value) if isinstance(value, dict) else value for field, value in fields}
    return {**wanted, "spec": spec}


def _wanted_proxies(registry: Registry, existing: Object | None, observed: NamespaceState) -> Object:
    """Return what is wanted of the proxies in the spec.

    Raises InvalidInput for an option whose field is not served, and Refused if a proxy's certificate is missing.
    """
    proxies = check_front(registry, existing, observed.version, observed.fields, bool(observed.openshift))
    if registry.name in observed.no_certificate:
        raise certificate_missing(registry.name)
    return proxies


def _with_unused_secret(existing: Object, wanted: Object, observed: NamespaceState) -> Object:
    """Return what is wanted of the registry, marking its own Secret if this change leaves it unused.

    The mark is in the same patch as the change, so that the next run can finish an interrupted one.
    """
    name = password_secret(existing["metadata"]["name"])
    before, after = (password_ref(item.get("spec") or {}) for item in (existing, applied(existing, wanted)))
    was_used, is_used = (ref is not None and ref.name == name for ref in (before, after))
    marked = (existing["metadata"].get("annotations") or {}).get(UNUSED_SECRET)
    if is_used:
        mark = None
    elif was_used and _is_left_over(existing, observed):
        mark = name
    else:
        return wanted
    if mark == marked:
        return wanted
    annotations = {**wanted.get("metadata", {}).get("annotations", {}), UNUSED_SECRET: mark}
    return {**wanted, "metadata": {**wanted.get("metadata", {}), "annotations": annotations}}


def _is_left_over(registry: Object, observed: NamespaceState) -> bool:
    """Return whether the registry's own Secret exists, is this collection's, and is not used by another registry."""
    own = registry["metadata"]["name"]
    secret = observed.find("Secret", password_secret(own))
    others = [other.get("spec") or {} for name, other in observed.registries.items() if name != own]
    return (
        secret is not None
        and (secret["metadata"].get("labels") or {}).get(OWNER_LABEL) == own
        and not any(uses(spec, "Secret", password_secret(own)) for spec in others)
    )


def _with_switch(existing: Object, wanted: Object, now: str) -> Object:
    """Return what is wanted of the registry, marked if this change makes pods read other Secrets or ConfigMaps.

    The pod template can return to an earlier state. Then a pod from that time continues with the values that it read then.
    """
    before, after = (references(item.get("spec") or {}) for item in (existing, applied(existing, wanted)))
    if before == after:
        return wanted
    return applied(wanted, {"metadata": {"annotations": {RESTART_PENDING: now}}})


def _unused(registry: Object, observed: NamespaceState) -> tuple[Change, ...]:
    """Return the deletion of the registry's own Secret if it is marked as unused."""
    secret = observed.find("Secret", password_secret(registry["metadata"]["name"]))
    marked = (registry["metadata"].get("annotations") or {}).get(UNUSED_SECRET)
    if not marked or secret is None or not _is_left_over(registry, observed):
        return ()
    return (deletion_of(secret, observed.namespace),)


def _unmarking(registry: Object, namespace: str) -> tuple[Change, ...]:
    """Return the patch that removes the registry's own marks."""
    annotations = registry["metadata"].get("annotations") or {}
    marks = {name: annotations[name] for name in (RESTART_PENDING, UNUSED_SECRET) if name in annotations}
    if not marks:
        return ()
    key = ("ModelRegistry", namespace, registry["metadata"]["name"])
    body: Object = {"metadata": {"annotations": dict.fromkeys(marks)}}
    before = {"metadata": {"annotations": marks}}
    return (Change(*key, "patch", body, before, {"metadata": {"annotations": {}}}, needs=(key,)),)


def _pending(registries: Iterable[Object], observed: NamespaceState, stores: Iterable[Change]) -> dict[Key, Mark]:
    """Return the marks of the Secrets and ConfigMaps that a registry's pods read in any of its states.

    stores: the changes about to be written.
    """
    found = {key: mark_of(item) for key, item in observed.objects.items()}
    found.update({change.key: mark for change in stores if (mark := mark_of(change.body))})
    registries = list(registries)
    return {
        key: mark for key, mark in found.items() if mark and any(_keys_read(one, key[0], key[2]) for one in registries)
    }


def _restart(name: str, observed: NamespaceState, marks: tuple[Mark, ...], now: str) -> Change | None:
    """Return a rollout restart, unless one began after the changes or all pods are younger."""
    deployment = observed.find("Deployment", name)
    if deployment is None or not restart_due(marks, deployment, observed.pods_of(name)):
        return None
    return restart_of(name, observed.namespace, deployment, restart_value((mark.value for mark in marks), now))


def _settled(observed: NamespaceState, key: Key) -> Change:
    """Remove the restart annotation, guarded by resourceVersion: another change may be pending.

    An object that this very plan creates cannot be patched in a dry run.
    """
    body: Object = {"metadata": {"annotations": {RESTART_PENDING: None}}}
    current = observed.objects.get(key)
    before = restricted(current or {}, body)
    if current is not None:
        body["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"]
    return Change(*key, "patch", body, before, {}, needs=() if current is not None else (key,))


def _not_ours(kind: str, name: str, step: str) -> Refused:
    why = f"it exists without this registry's label {OWNER_LABEL}, so it is not overwritten"
    return Refused(f"{kind} {name}", why, f"{step}, or delete it.")
