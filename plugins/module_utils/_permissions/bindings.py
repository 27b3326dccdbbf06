# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use a registry, as a set: read RoleBindings by their meaning, and change them until they match what is required."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from .._common.errors import Refused
from .._common.model import Grant, Object
from .._common.names import user_role, users_group
from .._common.rbac import grants_access, is_owned
from .._common.text import printable_name
from .._kubernetes.changes import Change, creation_of, deletion_of, patch_of
from .._kubernetes.merge_patch import applied
from .subjects import RBAC, grant_of, subject_of

__all__ = [
    "Binding",
    "DesiredGrants",
    "binding_name",
    "binding_warnings",
    "entries",
    "grants_in",
    "misdirected",
    "missing_role_warnings",
    "plan_grants",
    "plan_without_role",
    "predicted",
    "read_bindings",
    "target_grants",
    "wanted_binding",
]

PREFIX = "dashboard-permissions-"
"""The beginning of the names of the dashboard's grants."""
PROJECT_LABEL = "opendatahub.io/rb-project-subject"
"""The label by which the dashboard distinguishes projects from other groups."""
SECTIONS = ("User", "Group")
"""Kinds of subjects that the dashboard's pages list. A service account gets access all the same."""
NO_SECTION = "the dashboard does not list single service accounts"
SHOWN = 10
"""How many RoleBindings a message names, at most."""


@dataclass(frozen=True)
class Binding:
    """A RoleBinding to a registry's Role, by its meaning."""

    name: str
    grants: tuple[Grant, ...]
    """The grants of its subjects, in their order, without the operator's own subject."""
    is_dashboard_form: bool
    """Whether it has the form of the dashboard's: with its labels, and for one subject."""
    listed: bool
    """Whether the dashboard shows it: it has that form, and is not for a single service account."""
    deviations: str
    """How it differs from that form; empty if it does not, and for the operator's own."""
    by_operator: bool
    """Whether it is the operator's own, for OpenShift's Group <registry>-users."""
    body: Object = field(repr=False, compare=False)


@dataclass(frozen=True)
class DesiredGrants:
    """The changes required in a registry's grants."""

    registry: str
    grants: frozenset[Grant]
    state: str = "present"
    """present: these and the existing ones. absent: the existing ones without these. exact: these and no others."""
    adopt: bool = False
    """Whether each of these gets one RoleBinding in the dashboard's form, and no other. exact always does so."""


def read_bindings(bindings: Iterable[Object], registry: str) -> list[Binding]:
    """Return the RoleBindings that give the registry's Role to any subject, in the order of their names."""
    own = [_read(binding, registry) for binding in bindings if grants_access(binding, registry)]
    return sorted(own, key=lambda binding: binding.name)


def misdirected(bindings: Iterable[Object], registry: str) -> list[Object]:
    """Return the RoleBindings meant for the registry, by their role's name or labels, that give another role.

    If that role does not exist, they give no access. Upstream's documentation once had ``registry-users-<name>``.
    """
    names = {user_role(registry), f"registry-users-{registry}"}
    # This runs over all RoleBindings for each registry, and one label rules out most of them.
    labelled = (
        one
        for one in bindings
        if (one["metadata"].get("labels") or {}).get("app") == registry or one["roleRef"]["name"] in names
    )
    candidates = (one for one in labelled if not grants_access(one, registry))
    return [one for one in candidates if one["roleRef"]["name"] in names or not _label_deviations(one, registry)]


def binding_name(registry: str, grant: Grant) -> str:
    """Return the name of a grant's RoleBinding. It depends on nothing else, so two runs at once cannot create two."""
    key = "\0".join((registry, grant.kind, grant.namespace, grant.name))
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()[:20]


def wanted_binding(registry: str, owner: Object | None, grant: Grant) -> Object:
    """Return the RoleBinding of a grant in the dashboard's form. owner: the ModelRegistry, if it exists yet."""
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


def grants_in(bindings: Iterable[Binding]) -> frozenset[Grant]:
    """Return all that is granted."""
    return frozenset(grant for binding in bindings for grant in binding.grants)


def target_grants(desired: DesiredGrants, bindings: Iterable[Binding]) -> frozenset[Grant]:
    """Return all that is to be granted."""
    if desired.state == "exact":
        return desired.grants
    now = grants_in(bindings)
    return now - desired.grants if desired.state == "absent" else now | desired.grants


def entries(bindings: Iterable[Binding]) -> list[Object]:
    """Return the grants for results: the subject, its RoleBindings, and whether the dashboard shows one, or why not."""
    through: dict[Grant, list[Binding]] = {}
    for binding in bindings:
        for grant in dict.fromkeys(binding.grants):
            through.setdefault(grant, []).append(binding)
    return [
        {
            "kind": grant.kind,
            "name": grant.name,
            **({"namespace": grant.namespace} if grant.namespace else {}),
            "bindings": [binding.name for binding in granting],
            **_shown(granting),
        }
        for grant, granting in sorted(through.items())
    ]


def _shown(bindings: list[Binding]) -> Object:
    if any(binding.listed for binding in bindings):
        return {"dashboard": True}
    return {"dashboard": False, "hidden": "; ".join(binding.deviations or NO_SECTION for binding in bindings)}


def binding_warnings(registry: str, bindings: Iterable[Binding]) -> list[str]:
    """Return warnings about bindings that differ from the dashboard's form, and about duplicate grants."""
    bindings = list(bindings)
    texts = [f"RoleBinding {one.name} ({one.deviations})" for one in bindings if one.deviations and one.grants]
    warnings = []
    if texts:
        warnings.append(f"The dashboard does not show some access to {registry}: {_some(texts)}. {_REMEDY}")
    twice = [entry for entry in entries(bindings) if len(entry["bindings"]) > 1]
    texts = [
        f"{entry['kind']} {printable_name(entry['name'])} through {', '.join(entry['bindings'])}" for entry in twice
    ]
    if texts:
        warnings.append(f"Some access to {registry} is granted more than once: {_some(texts)}. {_REMEDY}")
    return warnings


def missing_role_warnings(registry: str, bindings: Iterable[Object]) -> list[str]:
    """Return warnings about misdirected RoleBindings to roles that do not exist."""
    texts = [
        f"RoleBinding {one['metadata']['name']} ({one['roleRef']['kind']} {printable_name(one['roleRef']['name'])}: "
        f"{', '.join(str(grant_of(subject)) for subject in (one.get('subjects') or [])[:SHOWN]) or 'no subjects'})"
        for one in bindings
    ]
    if not texts:
        return []
    return [
        f"Some RoleBindings for {registry} give no access, since their role does not exist: {_some(texts)}. {_REMEDY}"
    ]


_REMEDY = "Name them in model_registry_permissions with adopt: each gets one RoleBinding in the dashboard's form."


def plan_grants(
    desired: DesiredGrants, namespace: str, owner: Object | None, bindings: Iterable[Object]
) -> tuple[list[Change], list[Change]]:
    """Return the changes that bring about the required grants: first those that give, then those that take away.

    A grant that leaves one RoleBinding may enter another first, so that no subject loses access in between. owner: the
    ModelRegistry, if it exists. bindings: all RoleBindings of the namespace. A required grant gets a RoleBinding in the
    dashboard's form; a suitable one made by others is kept for it. Raises Refused.
    """
    bindings = list(bindings)
    lasting = target_grants(desired, read_bindings(bindings, desired.registry))
    additions = _plan_additions(desired, namespace, owner, bindings, lasting)
    return additions, _plan_removals(desired, namespace, predicted(bindings, additions), lasting)


def _plan_additions(
    desired: DesiredGrants, namespace: str, owner: Object | None, bindings: list[Object], lasting: frozenset[Grant]
) -> list[Change]:
    """Add missing RoleBindings in the dashboard's form, and the owner to those that would go with a former registry."""
    everything = {binding["metadata"]["name"]: binding for binding in bindings}
    own = {binding.name: binding for binding in read_bindings(bindings, desired.registry)}
    visible = desired.grants & lasting
    new = _new(desired.registry, visible, own)
    changes = []
    for grant, name in sorted(new.items()):
        wanted = wanted_binding(desired.registry, owner, grant)
        if name in own:
            changes += _repair(own[name], wanted, owner, namespace, lasting)
        else:
            changes += _create(wanted, namespace, name, everything.get(name))
    primary = _primary_bindings(desired.registry, own, new.values())
    for body in (own[name].body for name in sorted({primary[grant] for grant in visible - new.keys()})):
        if owner and any(_is_former(one, owner) for one in body["metadata"].get("ownerReferences") or ()):
            change = patch_of(body, {"metadata": {"ownerReferences": _owners(body, owner)}}, namespace)
            changes += [change] if change else []
    return changes


def _plan_removals(
    desired: DesiredGrants, namespace: str, bindings: list[Object], lasting: frozenset[Grant]
) -> list[Change]:
    """Return the removals that follow once all required grants are given.

    A grant's RoleBinding may name other subjects that keep access. They stay, although the dashboard then does not list
    it: moving them to one of their own could restore what another run is taking away just now.
    """
    own = {binding.name: binding for binding in read_bindings(bindings, desired.registry)}
    visible = desired.grants & lasting
    single = visible if desired.adopt or desired.state == "exact" else frozenset()
    new = _new(desired.registry, visible, own)
    cleaned = {name: grant for grant, name in new.items()}
    primary = {**_primary_bindings(desired.registry, own, cleaned), **new}

    def stays(grant: Grant, name: str) -> bool:
        if name in cleaned:
            return grant == cleaned[name] or grant in lasting - visible
        return grant in lasting and (grant not in single or primary[grant] == name)

    return [change for name in sorted(own) for change in _reduce(own[name], namespace, stays, name in cleaned)]


def plan_without_role(desired: DesiredGrants, namespace: str, bindings: Iterable[Object]) -> list[Change]:
    """Return the changes that remove the given grants from misdirected RoleBindings to roles that do not exist.

    A roleRef is immutable, so the grants get RoleBindings of their own. Adding grants without adopt leaves such a
    RoleBinding alone. exact deletes it: a user who creates its role would give access to all its subjects.
    """
    if desired.state == "present" and not desired.adopt:
        return []
    changes = []
    for body in bindings:
        subjects = body.get("subjects") or []
        kept = [one for one in subjects if desired.state != "exact" and grant_of(one) not in desired.grants]
        if not kept:
            changes.append(deletion_of(body, namespace))
        elif len(kept) != len(subjects):
            change = patch_of(body, {"subjects": kept}, namespace)
            changes += [change] if change else []
    return changes


def predicted(bindings: Iterable[Object], changes: Iterable[Change]) -> list[Object]:
    """Return the RoleBindings after the changes."""
    by_name = {binding["metadata"]["name"]: binding for binding in bindings}
    for change in (change for change in changes if change.kind == "RoleBinding"):
        if change.action == "create":
            by_name[change.name] = change.body
        elif change.action == "patch":
            by_name[change.name] = applied(by_name[change.name], change.body)
        else:
            by_name.pop(change.name, None)
    return list(by_name.values())


def _primary_bindings(registry: str, own: Mapping[str, Binding], taken: Iterable[str]) -> dict[Grant, str]:
    """Return the RoleBinding in the dashboard's form of each grant, except those taken for something else.

    If there are several, it is the one with the grant's own name, or else the first by name: any two runs choose alike.
    """
    taken = set(taken)
    primary: dict[Grant, str] = {}
    for name in sorted(own.keys() - taken):
        if own[name].is_dashboard_form:
            for grant in own[name].grants:
                if grant not in primary or name == binding_name(registry, grant):
                    primary[grant] = name
    return primary


def _new(registry: str, visible: Iterable[Grant], own: Mapping[str, Binding]) -> dict[Grant, str]:
    """Return the grants without a RoleBinding in the dashboard's form, each with the name of the one that it gets.

    If another grant uses the RoleBinding of that name, that grant needs a new one, too.
    """
    new: dict[Grant, str] = {}
    while True:
        primary = _primary_bindings(registry, own, new.values())
        more = {grant: binding_name(registry, grant) for grant in visible if grant not in {*primary, *new}}
        if not more:
            return new
        new.update(more)


def _create(wanted: Object, namespace: str, name: str, current: Object | None) -> list[Change]:
    """Create a RoleBinding. current: one of that name with another role, which cannot be changed."""
    creation = creation_of(wanted, namespace, name)
    if current is None:
        return [creation]
    if _label_deviations(current, wanted["metadata"]["labels"]["app"]):
        role = (current.get("roleRef") or {}).get("name")
        why = f"it exists, gives the role {role} and does not have the registry's labels, so it is not replaced"
        raise Refused(f"RoleBinding {name}", why, "Delete it, or give it another name.")
    return [deletion_of(current, namespace), replace(creation, needs=(creation.key,))]


def _repair(
    binding: Binding, wanted: Object, owner: Object | None, namespace: str, lasting: frozenset[Grant]
) -> list[Change]:
    """Change a RoleBinding so that it also gives what is required, with the right labels and owner."""
    meta: Object = {"labels": wanted["metadata"]["labels"]}
    if owner:
        meta["ownerReferences"] = _owners(binding.body, owner)
    (subject,) = wanted["subjects"]
    subjects = binding.body.get("subjects") or []
    kept = [one for one in subjects if grant_of(one) in lasting]
    missing = [] if grant_of(subject) in map(grant_of, kept) else [subject]
    change = patch_of(binding.body, {"metadata": meta, "subjects": [*kept, *missing]}, namespace)
    return [change] if change else []


def _is_former(reference: Object, owner: Object) -> bool:
    """Return whether an owner reference is to a deleted registry of the same name, with which the object would go, too."""
    meta = owner["metadata"]
    named = (reference.get("kind"), reference.get("name")) == ("ModelRegistry", meta["name"])
    return named and reference.get("uid") != meta["uid"]


def _owners(binding: Object, owner: Object) -> list[Object]:
    """Return the correct owner references: they include the registry, but no earlier one of its name."""
    references = binding["metadata"].get("ownerReferences") or ()
    kept = [one for one in references if not _is_former(one, owner)]
    known = any(one.get("uid") == owner["metadata"]["uid"] for one in kept)
    return kept if known else [*kept, _reference(owner)]


def _reduce(binding: Binding, namespace: str, stays: Callable[[Grant, str], bool], once: bool) -> list[Change]:
    """Remove the subjects that do not stay from a RoleBinding; delete it if none is left.

    once: whether to name those that stay only once each.
    """
    subjects = binding.body.get("subjects") or []
    losing = {grant for grant in binding.grants if not stays(grant, binding.name)}
    kept = [subject for subject in subjects if grant_of(subject) not in losing]
    if once:
        kept = list({grant_of(subject): subject for subject in kept}.values())
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
    reasons = [
        *([f"{len(subjects)} subjects instead of one"] if len(subjects) != 1 else ()),
        *(f"no label {label}" for label in _label_deviations(binding, registry)),
    ]
    deviations = f"it has {' and '.join(reasons)}" if reasons and (grants or not by_operator) else ""
    listed = not reasons and binding["subjects"][0]["kind"] in SECTIONS
    return Binding(name, grants, not reasons, listed, deviations, by_operator, binding)


def _labels(registry: str) -> dict[str, str]:
    """Return the labels that the dashboard requires of the RoleBindings that it lists."""
    return {
        "app": registry,
        "app.kubernetes.io/name": registry,
        "app.kubernetes.io/component": "model-registry",
        "app.kubernetes.io/part-of": "model-registry",
        "component": "model-registry",
        "opendatahub.io/dashboard": "true",
    }


def _label_deviations(binding: Object, registry: str) -> list[str]:
    labels = binding["metadata"].get("labels") or {}
    return [f"{key}={value}" for key, value in _labels(registry).items() if labels.get(key) != value]


def _reference(owner: Object) -> Object:
    """Omit blockOwnerDeletion: OpenShift refuses it to users who may not set finalizers on the registry."""
    meta = owner["metadata"]
    return {"apiVersion": owner["apiVersion"], "kind": "ModelRegistry", "name": meta["name"], "uid": meta["uid"]}


def _some(texts: list[str]) -> str:
    more = len(texts) - SHOWN
    return "; ".join(texts[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
