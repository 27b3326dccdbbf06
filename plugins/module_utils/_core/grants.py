# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use a registry, as a set: RoleBindings are read by their meaning, and changed until they say what is wished."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from .errors import Refused
from .model import Grant, Object
from .names import user_role, users_group
from .patch import applied
from .plan import Change, creation_of, deletion_of, patch_of
from .subjects import RBAC, grant_of, subject_of

__all__ = [
    "Binding",
    "Wish",
    "binding_name",
    "entries",
    "given",
    "grants_access",
    "is_owned",
    "plan_grants",
    "predicted",
    "read_bindings",
    "remarks",
    "target",
    "wanted_binding",
]

PREFIX = "dashboard-permissions-"
"""With which the dashboard begins the names of its grants."""
PROJECT_LABEL = "opendatahub.io/rb-project-subject"
"""Label by which the dashboard tells projects from other groups."""
SHOWN = 10
"""How many RoleBindings a text names, at most."""


@dataclass(frozen=True)
class Binding:
    """A RoleBinding to a registry's Role, by its meaning."""

    name: str
    grants: tuple[Grant, ...]
    """Of its subjects, in their order, but for the operator's own subject."""
    listed: bool
    """Whether the dashboard shows it."""
    hidden: str
    """Why the dashboard does not show it; empty where it does, and for the operator's own."""
    by_operator: bool
    """Whether it is the one that the operator makes for OpenShift's Group <registry>-users."""
    body: Object = field(repr=False, compare=False)


@dataclass(frozen=True)
class Wish:
    """What is to become of a registry's grants."""

    registry: str
    grants: frozenset[Grant]
    state: str = "present"
    """present: these and what is there. absent: what is there without these. exact: these and no others."""
    adopt: bool = False
    """Whether each of these gets one RoleBinding that the dashboard lists, and no other one; exact always does so."""


def read_bindings(bindings: Iterable[Object], registry: str) -> list[Binding]:
    """Those of the RoleBindings that give the registry's Role to somebody, in the order of their names."""
    own = [_read(binding, registry) for binding in bindings if grants_access(binding, registry)]
    return sorted(own, key=lambda binding: binding.name)


def grants_access(binding: Object, registry: str) -> bool:
    """Whether a RoleBinding gives the registry's own Role. What other roles give is not judged here."""
    ref = binding.get("roleRef") or {}
    return (ref.get("kind"), ref.get("name")) == ("Role", user_role(registry))


def is_owned(binding: Object, registry: str) -> bool:
    """Whether the cluster deletes the RoleBinding together with the registry."""
    owners = binding["metadata"].get("ownerReferences") or ()
    return any((owner.get("kind"), owner.get("name")) == ("ModelRegistry", registry) for owner in owners)


def binding_name(registry: str, grant: Grant) -> str:
    """The name of the RoleBinding of a grant. It depends on nothing else: two runs at once cannot make two of it."""
    key = "\0".join((registry, grant.kind, grant.namespace, grant.name))
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()[:20]


def wanted_binding(registry: str, owner: Object | None, grant: Grant) -> Object:
    """The RoleBinding of a grant as the dashboard makes it. owner: the ModelRegistry, where it is there yet."""
    labels = _labels(registry)
    if grant.kind == "Project":
        labels[PROJECT_LABEL] = "true"
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"labels": labels, **({"ownerReferences": [_reference(owner)]} if owner else {})},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": user_role(registry)},
        "subjects": [subject_of(grant)],
    }


def given(bindings: Iterable[Binding]) -> frozenset[Grant]:
    """All that is granted."""
    return frozenset(grant for binding in bindings for grant in binding.grants)


def target(wish: Wish, bindings: Iterable[Binding]) -> frozenset[Grant]:
    """All that is to be granted."""
    if wish.state == "exact":
        return wish.grants
    now = given(bindings)
    return now - wish.grants if wish.state == "absent" else now | wish.grants


def entries(bindings: Iterable[Binding]) -> list[Object]:
    """The grants as results list them: to whom, through which RoleBindings, and whether the dashboard shows one of them."""
    through: dict[Grant, list[Binding]] = {}
    for binding in bindings:
        for grant in dict.fromkeys(binding.grants):
            through.setdefault(grant, []).append(binding)
    return [
        {
            "kind": grant.kind,
            "name": grant.name,
            **({"namespace": grant.namespace} if grant.namespace else {}),
            "bindings": [binding.name for binding in found],
            "dashboard": any(binding.listed for binding in found),
        }
        for grant, found in sorted(through.items())
    ]


def remarks(registry: str, bindings: Iterable[Binding]) -> list[str]:
    """What is unusual about the bindings: those that the dashboard does not list, and grants that are there twice."""
    bindings = list(bindings)
    texts = [f"RoleBinding {one.name} ({one.hidden})" for one in bindings if one.hidden and one.grants]
    found = []
    if texts:
        found.append(f"Access to {registry} is granted where the dashboard does not show it: {_some(texts)}. {_REMEDY}")
    twice = [entry for entry in entries(bindings) if len(entry["bindings"]) > 1]
    texts = [f"{entry['kind']} {entry['name']} through {', '.join(entry['bindings'])}" for entry in twice]
    if texts:
        found.append(f"Access to {registry} is granted more than once: {_some(texts)}. {_REMEDY}")
    return found


_REMEDY = (
    "Name them in model_registry_permissions with adopt, and each gets one RoleBinding, which the dashboard lists."
)


def plan_grants(wish: Wish, namespace: str, owner: Object | None, bindings: Iterable[Object]) -> list[Change]:
    """The changes after which the grants are as wished.

    owner: the ModelRegistry, where it is there. bindings: all RoleBindings of the namespace. A grant of the wish gets a
    RoleBinding that the dashboard lists; one that somebody else has made is kept for it. Raises Refused.
    """
    everything = {binding["metadata"]["name"]: binding for binding in bindings}
    own = {binding.name: binding for binding in read_bindings(everything.values(), wish.registry)}
    lasting = target(wish, own.values())
    visible = wish.grants & lasting
    single = visible if wish.adopt or wish.state == "exact" else frozenset()
    new = _new(wish.registry, visible, own)
    homes = {**_homes(wish.registry, own, new.values()), **new}
    changes = []
    for grant, name in sorted(new.items()):
        wanted = wanted_binding(wish.registry, owner, grant)
        if name in own:
            changes += _repair(own[name], wanted, namespace, lasting - visible)
        else:
            changes += _create(wanted, namespace, name, everything.get(name))

    def stays(grant: Grant, name: str) -> bool:
        return grant in lasting and (grant not in single or homes[grant] == name)

    for name in sorted(own.keys() - set(new.values())):
        changes += _reduce(own[name], namespace, stays)
    return changes


def predicted(bindings: Iterable[Object], changes: Iterable[Change]) -> list[Object]:
    """The RoleBindings after the changes."""
    found = {binding["metadata"]["name"]: binding for binding in bindings}
    for change in (change for change in changes if change.kind == "RoleBinding"):
        if change.action == "create":
            found[change.name] = change.body
        elif change.action == "patch":
            found[change.name] = applied(found[change.name], change.body)
        else:
            found.pop(change.name, None)
    return list(found.values())


def _homes(registry: str, own: Mapping[str, Binding], taken: Iterable[str]) -> dict[Grant, str]:
    """The RoleBinding that shows each grant on the dashboard, but for those that are taken for something else.

    Where there are several, it is the one with the grant's own name, or else the first by name: any two runs choose the
    same.
    """
    taken = set(taken)
    homes: dict[Grant, str] = {}
    for name in sorted(own.keys() - taken):
        if own[name].listed:
            for grant in own[name].grants:
                if grant not in homes or name == binding_name(registry, grant):
                    homes[grant] = name
    return homes


def _new(registry: str, visible: Iterable[Grant], own: Mapping[str, Binding]) -> dict[Grant, str]:
    """Those of the grants that have no listed RoleBinding, each with the name of the one that it gets.

    Where that is another one's, of which it is not the name, the other one needs a new one, too.
    """
    new: dict[Grant, str] = {}
    while True:
        homes = _homes(registry, own, new.values())
        more = {grant: binding_name(registry, grant) for grant in visible if grant not in {*homes, *new}}
        if not more:
            return new
        new.update(more)


def _create(wanted: Object, namespace: str, name: str, current: Object | None) -> list[Change]:
    """The creation of a RoleBinding. current: one of that name that gives another role, which cannot be changed."""
    creation = creation_of(wanted, namespace, name)
    if current is None:
        return [creation]
    if _labels_amiss(current, wanted["metadata"]["labels"]["app"]):
        role = (current.get("roleRef") or {}).get("name")
        why = f"it exists, gives the role {role} and is not labelled as the registry's, so it is not replaced"
        raise Refused(f"RoleBinding {name}", why, "Delete it, or give it another name.")
    return [deletion_of(current, namespace), replace(creation, needs=(creation.key,))]


def _repair(binding: Binding, wanted: Object, namespace: str, others: frozenset[Grant]) -> list[Change]:
    """The change after which the RoleBinding is as wanted.

    others: grants that nobody has wished for, and that are not to be lost. To move them to a RoleBinding of their own
    could give back what another run takes away at the same time. So they stay, though the dashboard does not list it then.
    """
    meta: Object = {"labels": wanted["metadata"]["labels"]}
    references = binding.body["metadata"].get("ownerReferences") or []
    known = {reference.get("uid") for reference in references}
    new = [one for one in wanted["metadata"].get("ownerReferences", ()) if one["uid"] not in known]
    if new:
        meta["ownerReferences"] = [*references, *new]
    (subject,) = wanted["subjects"]
    kept = [one for one in binding.body.get("subjects") or () if grant_of(one) in others]
    if kept:
        stay = others | {grant_of(subject)}
        # Each once, also where it has been named twice.
        kept = list({grant_of(one): one for one in binding.body["subjects"] if grant_of(one) in stay}.values())
    missing = [] if grant_of(subject) in map(grant_of, kept) else [subject]
    change = patch_of(binding.body, {"metadata": meta, "subjects": [*kept, *missing]}, namespace)
    return [change] if change else []


def _reduce(binding: Binding, namespace: str, stays: Callable[[Grant, str], bool]) -> list[Change]:
    """The change by which a RoleBinding loses the subjects that do not stay; one that has none left goes."""
    subjects = binding.body.get("subjects") or []
    losing = {grant for grant in binding.grants if not stays(grant, binding.name)}
    kept = [subject for subject in subjects if grant_of(subject) not in losing]
    if len(kept) == len(subjects):
        return []
    if not kept:
        return [deletion_of(binding.body, namespace)]
    change = patch_of(binding.body, {"subjects": kept}, namespace)
    return [change] if change else []


def _read(binding: Object, registry: str) -> Binding:
    subjects = [grant_of(subject) for subject in binding.get("subjects") or ()]
    name, group = str(binding["metadata"]["name"]), Grant("Group", "", users_group(registry))
    by_operator = name == users_group(registry) and is_owned(binding, registry)
    grants = tuple(grant for grant in subjects if not (by_operator and grant == group))
    amiss = _labels_amiss(binding, registry)
    reasons = [
        *([f"{len(subjects)} subjects instead of one"] if len(subjects) != 1 else ()),
        *(f"no label {label}" for label in amiss),
    ]
    hidden = f"it has {' and '.join(reasons)}" if reasons and (grants or not by_operator) else ""
    return Binding(name, grants, not reasons, hidden, by_operator, binding)


def _labels(registry: str) -> dict[str, str]:
    """What the dashboard asks of the RoleBindings that it lists."""
    return {
        "app": registry,
        "app.kubernetes.io/name": registry,
        "app.kubernetes.io/component": "model-registry",
        "app.kubernetes.io/part-of": "model-registry",
        "component": "model-registry",
        "opendatahub.io/dashboard": "true",
    }


def _labels_amiss(binding: Object, registry: str) -> list[str]:
    labels = binding["metadata"].get("labels") or {}
    return [f"{key}={value}" for key, value in _labels(registry).items() if labels.get(key) != value]


def _reference(owner: Object) -> Object:
    """Without blockOwnerDeletion: OpenShift refuses it to users who may not set finalizers on the registry."""
    meta = owner["metadata"]
    return {"apiVersion": owner["apiVersion"], "kind": "ModelRegistry", "name": meta["name"], "uid": meta["uid"]}


def _some(texts: list[str]) -> str:
    more = len(texts) - SHOWN
    return "; ".join(texts[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
