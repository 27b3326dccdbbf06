# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the registries of a namespace once: their configuration, their status and the findings about them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple, Optional

from .._common.certificates import Bundle, read_bundle
from .._common.errors import Forbidden, NotFound
from .._common.finding import finding_result
from .._common.model import Grant, Object
from .._kubernetes.changes import Key
from .._kubernetes.client import Cluster
from .._kubernetes.reviews import Answer
from .._permissions.effective_access import RbacSnapshot, access_entry, effective_access, permissions
from .._permissions.read_access import read_rbac, review_entries
from .._registry.description import described
from .._registry.export import ca_source, proxy_of
from .._registry.rollout import newest_pods
from .._registry.shape import misfit, not_understood, without_nulls
from .._registry.status_reader import KINDS, Clock, Snapshot, StatusReader
from .._registry.stored_keys import read_at_start, read_key
from .._registry.verdict import Verdict
from .checks import Inventory, registry_findings, restarts_pending, tls_facts

__all__ = ["Gathered", "gather_registries"]

RELATED = ("Secret", "ConfigMap", "Role", "RoleBinding")
Related = dict[str, Optional[list[Object]]]
"""The objects of each such kind; None if they may not be read."""


class Gathered(NamedTuple):
    """Registries as results show them."""

    registries: list[Object]
    warnings: list[str]
    """One for each thing that cannot be read."""
    names: list[str]
    """Of all registries in the namespace, also of those that were not asked for."""


def gather_registries(cluster: Cluster, namespace: str, name: str | None = None, access: str = "listed") -> Gathered:
    """Return the registries for results, all or the one of that name.

    access: none, listed, or verified by access reviews. Raises Forbidden if registries may not be listed.
    """
    snapshot = _snapshot(cluster, namespace)
    warnings = list(snapshot.unreadable.values())
    snapshot, odd = _set_apart(snapshot)
    registries = snapshot.objects["ModelRegistry"]
    everything = sorted({*registries, *odd})
    names = [one for one in sorted(registries) if name in (None, one)]
    if not names and not (odd if name is None else name in odd):
        return Gathered([], warnings, everything)
    answers = {kind: _related(cluster, namespace, kind, registries.values()) for kind in RELATED}
    related = {kind: items for kind, (items, _warning) in answers.items()}
    warnings += [warning for _items, warning in answers.values() if warning]
    inventory = _inventory(cluster, namespace, snapshot, names, related)
    warnings += [note for verdict in inventory.verdicts.values() for note in verdict.notes]
    entries = [_entry(one, inventory) for one in names]
    entries += [entry for one, entry in odd.items() if name in (None, one)]
    entries.sort(key=lambda entry: str(entry["name"]))
    bindings = related["RoleBinding"]
    if access != "none" and bindings is not None:
        rbac, problems = read_rbac(cluster, [entry["name"] for entry in entries], bindings, related["Role"] or ())
        warnings += problems
        for entry in entries:
            who, problems = _access(cluster, entry, rbac, access == "verified")
            entry.update(who)
            warnings += problems
    return Gathered(entries, list(dict.fromkeys(warnings)), everything)


def _set_apart(snapshot: Snapshot) -> tuple[Snapshot, dict[str, Object]]:
    """Return the snapshot without registries that are not understood, and the entries of these by name.

    The API server accepts what the cluster's schema allows, which differs between releases.
    """
    registries = {name: without_nulls(item) for name, item in snapshot.objects["ModelRegistry"].items()}
    fields = {name: field for name, item in registries.items() if (field := misfit(item)) is not None}
    fit = {name: item for name, item in registries.items() if name not in fields}
    odd = {name: _odd_entry(snapshot.objects["ModelRegistry"][name], field) for name, field in fields.items()}
    return Snapshot({**snapshot.objects, "ModelRegistry": fit}, snapshot.unreadable), odd


def _odd_entry(registry: Object, field: str) -> Object:
    finding = not_understood(registry["metadata"]["name"], field)
    status = {"state": "unknown", "reason": finding.code, "message": f"{finding.why}.", "next_step": finding.remedy}
    return {
        **{key: registry["metadata"].get(key) for key in ("name", "namespace", "uid")},
        "created": registry["metadata"].get("creationTimestamp"),
        "auth_proxy": None,
        "status": status,
        "tls": {"encrypted": None, "verified": None},
        "findings": [finding_result(finding)],
    }


def _inventory(cluster: Cluster, namespace: str, snapshot: Snapshot, names: list[str], related: Related) -> Inventory:
    """Return what findings are based on, with the verdicts on the registries of those names."""
    registries, clock = snapshot.objects["ModelRegistry"], Clock()
    objects: dict[Key, Object] = {}
    for kind, items in related.items():
        objects.update({(kind, namespace, item["metadata"]["name"]): item for item in items or ()})
    deployments = {one: deployment for one in names if (deployment := snapshot.of("Deployment", one))}
    pending = {
        one for one in names if restarts_pending(registries[one], objects, deployments.get(one), snapshot.pods(one))
    }
    return Inventory(
        registries=registries,
        objects=objects,
        read=frozenset(kind for kind, items in related.items() if items is not None),
        pods={one: newest_pods(deployments.get(one) or {"metadata": {}}, snapshot.pods(one)) for one in names},
        deployments=deployments,
        verdicts=StatusReader(cluster, namespace, clock, pending).statuses(snapshot, names),
        bundles={one: bundle for one in names if (bundle := _bundle(registries[one], objects))},
        now=clock.wall(),
        openshift=_openshift(cluster, [registries[one] for one in names]),
    )


def _openshift(cluster: Cluster, registries: Iterable[Object]) -> bool | None:
    """Return whether the cluster is OpenShift, as the operator sees it; None if it does not matter, or cannot be read."""
    if all(proxy_of(registry.get("spec") or {}) for registry in registries):
        return None
    with suppress(Forbidden):
        return cluster.serves("Route")
    return None


def _entry(name: str, inventory: Inventory) -> Object:
    registry = inventory.registries[name]
    return {
        **described(registry),
        "status": _shown(inventory.verdicts[name]),
        "tls": tls_facts(registry, inventory.bundles.get(name)),
        "findings": [finding_result(one) for one in registry_findings(name, inventory)],
    }


def _access(cluster: Cluster, entry: Object, rbac: RbacSnapshot, verify: bool) -> tuple[Object, list[str]]:
    """Return the fields of a registry's entry that say who can use it, and a warning if that cannot be verified."""
    name: str = entry["name"]
    people, answers, problems = effective_access(name, rbac), dict[Grant, Answer](), list[str]()
    if verify:
        answers, problems = review_entries(cluster, entry["namespace"], name, people)
    access = [access_entry(one, answers) for one in people]
    return {"access": access, "permissions": permissions(name, rbac)}, problems


def _shown(verdict: Verdict) -> Object:
    fields = ("state", "reason", "message", "next_step", "source")
    return {field: getattr(verdict, field) for field in fields if getattr(verdict, field)}


def _snapshot(cluster: Cluster, namespace: str) -> Snapshot:
    objects, unreadable = {}, {}
    for kind in KINDS:
        try:
            items = cluster.list(kind, namespace)[0]
        except Forbidden as error:
            if kind == "ModelRegistry":
                raise
            unreadable[kind] = f"The registries' status is incomplete. {error.next_step}"
            items = []
        objects[kind] = {item["metadata"]["name"]: item for item in items}
    return Snapshot(objects, unreadable)


def _related(
    cluster: Cluster, namespace: str, kind: str, registries: Iterable[Object]
) -> tuple[list[Object] | None, str]:
    """Return the objects of a kind for findings, or else a warning.

    If they may not be listed, return those that registries name.
    """
    try:
        return cluster.list(kind, namespace)[0], ""
    except NotFound:
        return None, ""
    except Forbidden as error:
        refused = error
    try:
        items = [cluster.get(kind, namespace, name) for name in sorted(_named(kind, registries))]
    except Forbidden as error:
        refused, items = error, []
    if items:
        return [item for item in items if item], ""
    return None, f"{kind}s are not reported. {refused.next_step}"


def _named(kind: str, registries: Iterable[Object]) -> set[str]:
    """Return the names of that kind that registries refer to."""
    keys = (key for registry in registries for key in read_at_start(registry.get("spec") or {}))
    return {key.ref.name for key in keys if key.kind == kind}


def _bundle(registry: Object, objects: dict[Key, Object]) -> Bundle | None:
    """Return the certificates of a registry's authority; None if they are in a Secret, or do not exist."""
    source = ca_source(registry.get("spec") or {})
    if source is None or source.kind != "ConfigMap":
        return None
    item = objects.get((source.kind, registry["metadata"]["namespace"], source.ref.name))
    value = read_key(item, source.ref.key)
    return None if value is None else read_bundle(value.decode(errors="replace"))
