# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is wanted and what is there to the ordered changes between the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .errors import InvalidInput, Refused
from .export import ca_object, database_type, is_own_ca, is_own_secret, password_ref, proxy_of, uses
from .manifests import MARK, PASSWORD_KEY, PROXIES, check_spec, wanted_ca, wanted_registry, wanted_secret
from .model import KeyRef, Object, Registry
from .names import ca_config_map, password_secret
from .patch import applied, merge_patch, present_fields, restricted

__all__ = [
    "RESTARTED",
    "RESTART_PENDING",
    "UNUSED_SECRET",
    "Change",
    "Key",
    "Observed",
    "Plan",
    "creation_of",
    "deletion_of",
    "layer",
    "patch_of",
    "plan_present",
]

Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""
RESTART_PENDING = "ansible.opendatahub.io/restart-pending"
"""Annotation on a Secret or ConfigMap: since when the registry's pods have to be restarted to see what it holds now."""
UNUSED_SECRET = "ansible.opendatahub.io/unused-secret"  # noqa: S105
"""Annotation on a registry: its own Secret, which is deleted once all pods have the password from elsewhere."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""Annotation on a pod template, as `kubectl rollout restart` sets it."""


@dataclass(frozen=True)
class Change:
    """One write to one object, and all that is said about it."""

    kind: str
    namespace: str
    name: str
    action: str
    """create, patch, delete, or restart (of a Deployment's pods)."""
    body: Object = field(repr=False)
    """What is sent: the object, a merge patch (RFC 7386), or the preconditions of a deletion (uid, resourceVersion)."""
    before: Object | None = field(default=None, repr=False)
    """The fields in question as they are, for the diff; None where there is no object."""
    after: Object | None = field(default=None, repr=False)
    needs: tuple[Key, ...] = ()
    """Objects that must be written first, and its own key, where all deletions must come first.

    In a dry run they are not, and the server cannot be asked about this change.
    """

    @property
    def key(self) -> Key:
        """Which object it is about."""
        return (self.kind, self.namespace, self.name)


@dataclass(frozen=True)
class Plan:
    """Changes in the order in which they are made."""

    changes: tuple[Change, ...] = ()
    settling: tuple[Change, ...] = ()
    """What is left to do once the registry is ready, or gone."""


@dataclass(frozen=True)
class Observed:
    """What was there at one moment, in one namespace."""

    namespace: str
    version: str
    """The API version of ModelRegistry that is written."""
    registries: Mapping[str, Object]
    """All of the namespace, by name."""
    objects: Mapping[Key, Object]
    """Other objects, as far as they were looked at and exist."""
    proxies: frozenset[str] = frozenset()
    """The keys of PROXIES that the API version has; only asked for where a registry is new."""

    def find(self, kind: str, name: str) -> Object | None:
        """An object of the namespace."""
        return self.objects.get((kind, self.namespace, name))


def layer(change: Change) -> int:
    """The rank of a change: those of a lower one are made first, those of the same one at the same time."""
    if change.key in change.needs:
        # In the place of an object that has to go first, or to say that nothing is left to go.
        return 5
    if change.action == "delete" or (change.kind, change.action) == ("RoleBinding", "patch"):
        # What a binding loses, another one may have got before.
        return 4
    if change.action == "restart":
        return 3
    return {"Secret": 0, "ConfigMap": 0, "ModelRegistry": 1}.get(change.kind, 2)


def plan_present(registry: Registry, observed: Observed, now: str) -> Plan:
    """The changes that make the registry be there as wanted.

    now: the time, as Kubernetes writes it. Raises InvalidInput and Refused.
    """
    existing = observed.registries.get(registry.name)
    if existing is not None and existing["metadata"].get("deletionTimestamp"):
        why = f"it is being deleted since {existing['metadata']['deletionTimestamp']}"
        raise Refused(f"ModelRegistry {registry.name}", why, "Wait until it is gone, then run the task again.")
    # Pods that run already do not see what changes in the Secret and the ConfigMap.
    since = now if existing else None
    secret, ref = _secret_change(registry, observed, since)
    ca = _ca_change(registry, observed, since)
    stores = tuple(change for change in (secret, ca) if change is not None)
    if ref is not None and registry.database is not None:
        registry = replace(registry, database=replace(registry.database, password_secret=ref))
    change = _registry_change(registry, observed)
    changes = (*stores, *((change,) if change else ()))
    pending = _pending(registry.name, observed, stores) if existing else {}
    tidying = _tidying(applied(existing, change.body) if change else existing, observed) if existing else ()
    for gone in tidying:
        pending.pop(gone.key, None)
    settling = (*(_settled(observed, key) for key in pending), *tidying)
    if not pending:
        return Plan(changes, settling)
    restart = _restart(registry.name, observed, max(pending.values()), now)
    return Plan((*changes, *((restart,) if restart else ())), settling)


def patch_of(current: Object, wanted: Object, namespace: str) -> Change | None:
    """The patch that gives an existing object what is wanted; None where it has it already."""
    body = merge_patch(current, {key: value for key, value in wanted.items() if key not in ("apiVersion", "type")})
    if not body:
        return None
    before, after = restricted(current, body), restricted(applied(current, body), body)
    meta = current["metadata"]
    # With it, the server refuses the patch where the object has changed since.
    body["metadata"] = {**body.get("metadata", {}), "resourceVersion": meta["resourceVersion"]}
    return Change(current["kind"], namespace, meta["name"], "patch", body, before, after)


def creation_of(wanted: Object, namespace: str, name: str) -> Change:
    """The creation of an object of that name."""
    body = present_fields(wanted)
    after = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    body["metadata"] = {**body.get("metadata", {}), "name": name, "namespace": namespace}
    return Change(wanted["kind"], namespace, name, "create", body, None, after)


def deletion_of(item: Object, namespace: str) -> Change:
    """The deletion of the very object that was looked at, not of a successor of its name."""
    meta = item["metadata"]
    expected = {"uid": meta["uid"]}
    if item["kind"] != "ModelRegistry":
        # The operator writes a registry's status again and again.
        expected["resourceVersion"] = meta["resourceVersion"]
    before = {key: value for key, value in item.items() if key in ("spec", "data", "roleRef", "subjects")}
    return Change(item["kind"], namespace, meta["name"], "delete", {"preconditions": expected}, before)


def _secret_change(registry: Registry, observed: Observed, since: str | None) -> tuple[Change | None, KeyRef | None]:
    """What to do about the password's Secret, and where the password is then; None, None where none was given.

    A Secret that the user has made is left as it is: the registry gets one of its own.
    """
    if registry.database is None or registry.database.password is None:
        return None, None
    wanted, name = wanted_secret(registry), password_secret(registry.name)
    existing = observed.registries.get(registry.name)
    used = password_ref(existing.get("spec") or {}) if existing else None
    current = observed.find("Secret", used.name) if used else None
    if used and current and used.name != name and is_own_secret(current, registry.name):
        # The dashboard's: its labels and annotations are as they are.
        wanted["data"][used.key] = wanted["data"].pop(PASSWORD_KEY)
        change = _store_change(observed, {"kind": "Secret", "data": wanted["data"]}, used.name, since)
        return change, used
    current = observed.find("Secret", name)
    if current and not is_own_secret(current, registry.name):
        raise _not_ours("Secret", name, "Give database.password_secret to use it as it is")
    return _store_change(observed, wanted, name, since), KeyRef(name, PASSWORD_KEY)


def _ca_change(registry: Registry, observed: Observed, since: str | None) -> Change | None:
    """What to do about the ConfigMap of an uploaded certificate authority."""
    tls = registry.database.tls if registry.database else None
    if tls is None or tls.ca_pem is None:
        return None
    name = ca_config_map(registry.name)
    existing = observed.registries.get(registry.name) or {}
    current = observed.find("ConfigMap", name)
    if current and not is_own_ca(current, registry.name, ca_object(existing.get("spec") or {})):
        raise _not_ours("ConfigMap", name, "Give database.tls.ca_config_map to use it as it is")
    return _store_change(observed, wanted_ca(registry.name, tls.ca_pem), name, since)


def _store_change(observed: Observed, wanted: Object, name: str, since: str | None) -> Change | None:
    """The change of a Secret or ConfigMap, which says itself that pods are to be restarted: a run can be cut after it."""
    current = observed.find(wanted["kind"], name)
    if current is None:
        return creation_of(wanted, observed.namespace, name)
    if since and merge_patch(current.get("data") or {}, wanted["data"]):
        wanted = applied(wanted, {"metadata": {"annotations": {RESTART_PENDING: since}}})
    return patch_of(current, wanted, observed.namespace)


def _registry_change(registry: Registry, observed: Observed) -> Change | None:
    existing = observed.registries.get(registry.name)
    if existing is None:
        wanted = wanted_registry(registry, observed.version, _new_proxy(registry, observed))
        if "kube_rbac" not in observed.proxies:
            # Releases with ML Metadata need it.
            wanted["spec"]["grpc"] = {}
        if registry.database is not None and registry.database.type is None:
            raise InvalidInput("database.type", "a new registry needs it", "Give mysql or postgres.")
        check_spec(present_fields(wanted)["spec"])
        return creation_of(wanted, observed.namespace, registry.name)
    spec = existing.get("spec") or {}
    registry = _with_type(registry, spec)
    wanted = wanted_registry(registry, observed.version, _changed_proxy(registry, spec))
    wanted = _with_unused_secret(existing, wanted, observed)
    change = patch_of(_without_defaults(existing), wanted, observed.namespace)
    if change is not None:
        check_spec(applied(existing, change.body)["spec"])
    return change


def _with_unused_secret(existing: Object, wanted: Object, observed: Observed) -> Object:
    """What is wanted of the registry, with the mark on its own Secret where this very change leaves it unused.

    The mark is in the same patch as the change, so that a run that is cut afterwards is finished by the next.
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


def _is_left_over(registry: Object, observed: Observed) -> bool:
    """Whether the registry's own Secret is there, was made by this collection, and is no other registry's, too."""
    own = registry["metadata"]["name"]
    secret = observed.find("Secret", password_secret(own))
    others = [other.get("spec") or {} for name, other in observed.registries.items() if name != own]
    return (
        secret is not None
        and (secret["metadata"].get("labels") or {}).get(MARK) == own
        and not any(uses(spec, "Secret", password_secret(own)) for spec in others)
    )


def _tidying(registry: Object, observed: Observed) -> tuple[Change, ...]:
    """What is to be done about a Secret that is marked as unused: it goes, and then the mark."""
    meta = registry["metadata"]
    marked = (meta.get("annotations") or {}).get(UNUSED_SECRET)
    if not marked:
        return ()
    body: Object = {"metadata": {"annotations": {UNUSED_SECRET: None}}}
    before = {"metadata": {"annotations": {UNUSED_SECRET: marked}}}
    key = ("ModelRegistry", observed.namespace, meta["name"])
    unmark = Change(*key, "patch", body, before, {"metadata": {"annotations": {}}}, needs=(key,))
    secret = observed.find("Secret", password_secret(meta["name"]))
    if secret is None or not _is_left_over(registry, observed):
        return (unmark,)
    return deletion_of(secret, observed.namespace), unmark


def _without_defaults(existing: Object) -> Object:
    """The registry without what means the same as nothing: a server certificate that is expressly not verified."""
    mysql = (existing.get("spec") or {}).get("mysql") or {}
    if mysql.get("verifyServerCert") is not False:
        return existing
    return applied(existing, {"spec": {"mysql": {"verifyServerCert": None}}})


def _with_type(registry: Registry, spec: Object) -> Registry:
    """The registry with the type of the database that it has, where the user does not say it again."""
    if registry.database is None or registry.database.type is not None:
        return registry
    return replace(registry, database=replace(registry.database, type=database_type(spec)))


def _new_proxy(registry: Registry, observed: Observed) -> str | None:
    """The proxy to ask for with a new registry.

    By default it is what the dashboard of that release writes. Where the operator knows kube-rbac-proxy, it adds one by
    itself on OpenShift; elsewhere nobody would make the certificate that the proxy needs.
    """
    if registry.auth_proxy not in (None, "auto"):
        return None if registry.auth_proxy == "none" else registry.auth_proxy
    if "kube_rbac" in observed.proxies:
        return None
    return "istio" if observed.version == "v1alpha1" and "istio" in observed.proxies else "oauth"


def _changed_proxy(registry: Registry, spec: Object) -> str | None:
    """The proxy to ask for; None where it is there, or a newer one, to which the operator migrates by itself."""
    if registry.auth_proxy in (None, "auto", "none"):
        return None
    age, current = list(PROXIES), proxy_of(spec)
    if current is not None and age.index(current) >= age.index(str(registry.auth_proxy)):
        return None
    return registry.auth_proxy


def _pending(name: str, observed: Observed, stores: tuple[Change, ...]) -> dict[Key, str]:
    """The objects whose change waits for a restart of the registry's pods, with the time of that change."""
    found = {key: _pending_since(item) for key, item in observed.objects.items() if _is_used(observed, key, name)}
    for change in stores:
        found[change.key] = _pending_since(change.body) or found.get(change.key)
    return {key: since for key, since in found.items() if since}


def _is_used(observed: Observed, key: Key, name: str) -> bool:
    """Whether the registry's pods read the object."""
    spec = observed.registries[name].get("spec") or {}
    ref = password_ref(spec)
    return (key[0], key[2]) in (("Secret", ref.name if ref else None), ca_object(spec))


def _pending_since(body: Object) -> str | None:
    since: str | None = ((body.get("metadata") or {}).get("annotations") or {}).get(RESTART_PENDING)
    return since


def _restart(name: str, observed: Observed, since: str, now: str) -> Change | None:
    """A rollout restart, unless one was started after the change that made it necessary."""
    deployment = observed.find("Deployment", name)
    if deployment is None:
        return None
    template = deployment["spec"]["template"].get("metadata") or {}
    if ((template.get("annotations") or {}).get(RESTARTED) or "") >= since:
        return None
    body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: now}}}}}
    # Without resourceVersion: the operator writes the status of a Deployment again and again.
    return Change("Deployment", observed.namespace, name, "restart", body, restricted(deployment, body), body)


def _settled(observed: Observed, key: Key) -> Change:
    body = {"metadata": {"annotations": {RESTART_PENDING: None}}}
    current = observed.objects.get(key) or {}
    return Change(*key, "patch", body, restricted(current, body), {})


def _not_ours(kind: str, name: str, step: str) -> Refused:
    why = f"it exists and is not marked as this registry's (label {MARK}), so it is not overwritten"
    return Refused(f"{kind} {name}", why, f"{step}, or delete it.")
