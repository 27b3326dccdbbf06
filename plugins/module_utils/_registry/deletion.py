# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is deleted with a registry, what the cluster deletes with it, and what stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .._common.errors import Refused
from .._common.model import Database, Object
from .._common.names import auth_delegator, password_secret, users_group
from .._common.rbac import grants_access, is_owned
from .._common.text import printable_name
from .._kubernetes.changes import Change, deletion_of, patch_of
from .._kubernetes.resources import GROUP
from .export import ca_object, database_of, is_generated, is_own_ca, is_own_secret, password_ref, proxy_of, uses
from .manifests import OWNER_LABEL
from .plan import NamespaceState, Plan, name_clash
from .sharing import others_use, sharers

__all__ = ["REGISTRY_LABEL", "DeletionOptions", "Dependents", "Removal", "plan_absent"]

REGISTRY_LABEL = f"{GROUP}/name"
"""Label of an InferenceService: the registry that its model comes from."""


@dataclass(frozen=True)
class Dependents:
    """What refers to a registry from outside its namespace, as far as the user may see it."""

    inference_services: tuple[str, ...] = ()
    """As namespace/name."""
    unseen: str = ""
    """Why existing InferenceServices may not be listed, and the rule that is missing."""
    members: tuple[str, ...] = ()
    """Users in OpenShift's Group of the registry."""
    warnings: tuple[str, ...] = ()
    """Warnings about them."""


@dataclass(frozen=True)
class DeletionOptions:
    """What the user confirms."""

    ignore_inference_services: bool = False
    """Delete despite InferenceServices that refer to the registry, or may."""
    generated_data: bool = False
    """Destroy the data of a database that the operator runs."""
    display_name: str | None = None
    """The display name of the registry that is meant, if its name is only derived from it."""


@dataclass(frozen=True)
class Removal:
    """A deletion: first the registry, and the rest once it is gone."""

    plan: Plan
    retained: tuple[Object, ...] = ()
    """What stays: kind, name, reason."""
    also_deleted: tuple[Object, ...] = ()
    """What is deleted with the registry unasked: kind, name, reason."""


def plan_absent(name: str, observed: NamespaceState, dependents: Dependents, options: DeletionOptions) -> Removal:
    """Plan the deletion of a registry and of what was created for it alone. Raises Refused."""
    registry = observed.registries.get(name)
    spec: Object = (registry or {}).get("spec") or {}
    if registry is not None:
        clash = None if options.display_name is None else name_clash(registry, options.display_name)
        if clash is not None:
            raise clash
        _check(name, spec, dependents, options)
    others = {other: found for other, found in observed.registries.items() if other != name}
    claimed, gone, kept = [], [], []
    for key, item in sorted(observed.objects.items()):
        is_deleted, reason = _fate(name, spec, item, others)
        if is_deleted:
            gone.append(deletion_of(item, observed.namespace))
            claimed.append(_label_ca(name, item, observed.namespace))
        elif reason:
            kept.append({"kind": key[0], "name": key[2], "reason": reason})
    database = database_of(spec)
    sharing = sharers(name, database, others, observed.namespace)
    kept = [*_database(database, sharing), *kept, *_delegator(name, spec)]
    deleting = registry is None or registry["metadata"].get("deletionTimestamp")
    last = None if deleting or registry is None else deletion_of(registry, observed.namespace)
    changes = tuple(change for change in (*claimed, last) if change is not None)
    grants = [item for item in observed.objects.values() if grants_access(item, name) and is_owned(item, name)]
    # The operator's own, for the Group of the registry, is no permission that was given.
    owned = [item for item in grants if item["metadata"]["name"] != users_group(name)]
    return Removal(Plan(changes, tuple(gone)), tuple(kept), _also_deleted(name, spec, dependents, owned))


def _check(name: str, spec: Object, dependents: Dependents, options: DeletionOptions) -> None:
    if dependents.inference_services and not options.ignore_inference_services:
        listed = ", ".join(dependents.inference_services)
        why = f"InferenceServices refer to it and can hang on their own deletion once it is gone: {listed}"
        raise Refused(f"ModelRegistry {name}", why, "Delete them first, or set ignore_inference_services.")
    if dependents.unseen and not options.ignore_inference_services:
        why = "InferenceServices may refer to it and would hang on their own deletion, and the user may not list them"
        step = f"{dependents.unseen} Or set ignore_inference_services to delete it without this check."
        raise Refused(f"ModelRegistry {name}", why, step)
    if is_generated(spec) and not options.generated_data:
        why = "the operator runs its database, and deletes the data with the registry"
        raise Refused(f"ModelRegistry {name}", why, "Save the data that you need, then set delete_generated_data.")


def _fate(name: str, spec: Object, item: Object, others: dict[str, Object]) -> tuple[bool, str]:
    """Return whether the object is deleted, and why it stays: no reason if it does not concern the registry."""
    kind, object_name = item["kind"], item["metadata"]["name"]
    if kind == "RoleBinding":
        # The cluster deletes those that the registry owns.
        return grants_access(item, name) and not is_owned(item, name), ""
    used = {("Secret", ref.name)} if (ref := password_ref(spec)) else set()
    ca = ca_object(spec)
    own = is_own_secret(item, name) if kind == "Secret" else is_own_ca(item, name, ca)
    if kind == "Secret" and spec and object_name not in (password_secret(name), *(one for _kind, one in used)):
        # While the registry exists, the dashboard's Secret is the one that it names.
        own = False
    if not own:
        return False, "it is not this registry's alone" if (kind, object_name) in {*used, ca} else ""
    users = sorted(other for other, found in others.items() if uses(found.get("spec") or {}, kind, object_name))
    return not users, f"used by {', '.join(users)}, too" if users else ""


def _label_ca(name: str, item: Object, namespace: str) -> Change | None:
    """Return the patch that marks an authority uploaded by the dashboard with the registry's name.

    Without it, its owner is unknown once the registry is gone. The dashboard's Secrets tell by themselves.
    """
    if item["kind"] != "ConfigMap":
        return None
    return patch_of(item, {"kind": "ConfigMap", "metadata": {"labels": {OWNER_LABEL: name}}}, namespace)


def _database(database: Database, sharing: list[str]) -> Iterator[Object]:
    """Yield the database as an object that stays. sharing: other registries that use it."""
    if database.type is None or database.generate:
        return
    place = f"{database.name} on {database.address}:{database.port}"
    reason = f"{database.type} data is never deleted with a registry"
    if sharing:
        reason += f"; {others_use(sharing)} it, too"
    yield {"kind": "Database", "name": place, "reason": reason}


def _delegator(name: str, spec: Object) -> Iterator[Object]:
    """Yield the cluster-wide binding that the operator creates for a proxy, without an owner, and never deletes."""
    if proxy_of(spec) in ("oauth", "kube_rbac"):
        binding = auth_delegator(name)
        why = "the operator gives it no owner, and only an administrator can delete cluster-wide rights"
        reason = f"{why}: kubectl delete clusterrolebinding {binding}"
        yield {"kind": "ClusterRoleBinding", "name": binding, "reason": reason}


def _also_deleted(name: str, spec: Object, dependents: Dependents, owned: Iterable[Object]) -> tuple[Object, ...]:
    """Return what goes without a request. owned: the RoleBindings that the registry owns, and that were made for it."""
    lost = []
    if dependents.members:
        reason = f"OpenShift's Group goes with the registry; its members were {', '.join(map(printable_name, dependents.members))}"
        lost.append({"kind": "Group", "name": users_group(name), "reason": reason})
    if is_generated(spec):
        reason = "the operator deletes the database that it runs, with its data"
        lost.append({"kind": "PersistentVolumeClaim", "name": f"{name}-postgres-storage", "reason": reason})
    lost.extend(
        {"kind": "InferenceService", "name": service, "reason": "it refers to a registry that is gone"}
        for service in dependents.inference_services
    )
    lost.extend(
        {"kind": "RoleBinding", "name": item["metadata"]["name"], "reason": f"the access of {_subjects(item)}"}
        for item in owned
    )
    return tuple(lost)


def _subjects(binding: Object) -> str:
    subjects = binding.get("subjects") or ()
    return ", ".join(f"{one.get('kind')} {printable_name(str(one.get('name')))}" for one in subjects) or "no subject"
