# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes to objects as values: how they are created, ranked, and reported in results and diffs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .._common.model import Object
from .merge_patch import applied, field_paths, merge_patch, present_fields, restricted
from .sealed import redacted

__all__ = ["Change", "Key", "change_entry", "creation_of", "deletion_of", "diffs", "layer", "patch_of"]

Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""

IDENTITY = {"metadata.resourceVersion", "metadata.name", "metadata.namespace", "apiVersion", "kind", "type"}


@dataclass(frozen=True)
class Change:
    """One write to one object, and how it is reported."""

    kind: str
    namespace: str
    name: str
    action: str
    """create, patch, delete, or restart (of a Deployment's pods)."""
    body: Object = field(repr=False)
    """The request body: the object, a merge patch (RFC 7386), or the preconditions of a deletion (uid, resourceVersion)."""
    before: Object | None = field(default=None, repr=False)
    """The fields in question before the write, for the diff; None if there is no object."""
    after: Object | None = field(default=None, repr=False)
    needs: tuple[Key, ...] = ()
    """Objects that must be written first; its own key if all deletions must come first.

    In a dry run they are not written, so the server cannot validate this change.
    """

    @property
    def key(self) -> Key:
        """The key of the object that is written."""
        return (self.kind, self.namespace, self.name)


def layer(change: Change) -> int:
    """Return the rank of a change. Lower ranks are written first, changes of the same rank at the same time."""
    if change.key in change.needs:
        # It replaces an object that must be deleted first, or says that nothing is left to delete.
        return 5
    if change.action == "delete" or (change.kind, change.action) == ("RoleBinding", "patch"):
        # Another binding may first have to gain what this one loses.
        return 4
    if change.action == "restart":
        return 3
    return {"Secret": 0, "ConfigMap": 0, "ModelRegistry": 1}.get(change.kind, 2)


def patch_of(current: Object, wanted: Object, namespace: str) -> Change | None:
    """Return the patch from an existing object to the wanted one; None if nothing differs."""
    body = merge_patch(current, {key: value for key, value in wanted.items() if key not in ("apiVersion", "type")})
    if not body:
        return None
    before, after = restricted(current, body), restricted(applied(current, body), body)
    meta = current["metadata"]
    # With it, the server refuses the patch if the object has changed since.
    body["metadata"] = {**body.get("metadata", {}), "resourceVersion": meta["resourceVersion"]}
    return Change(current["kind"], namespace, meta["name"], "patch", body, before, after)


def creation_of(wanted: Object, namespace: str, name: str) -> Change:
    """Return the creation of an object of that name."""
    body = present_fields(wanted)
    after = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    body["metadata"] = {**body.get("metadata", {}), "name": name, "namespace": namespace}
    return Change(wanted["kind"], namespace, name, "create", body, None, after)


def deletion_of(item: Object, namespace: str) -> Change:
    """Return the deletion of exactly this object, not of a successor with its name."""
    meta = item["metadata"]
    expected = {"uid": meta["uid"]}
    if item["kind"] != "ModelRegistry":
        # The operator keeps writing a registry's status.
        expected["resourceVersion"] = meta["resourceVersion"]
    before = {key: value for key, value in item.items() if key in ("spec", "data", "roleRef", "subjects")}
    return Change(item["kind"], namespace, meta["name"], "delete", {"preconditions": expected}, before)


def change_entry(change: Change, validated: bool) -> Object:
    """Return a change as results list it."""
    sent = {} if change.action == "delete" else change.body
    return {
        "kind": change.kind,
        "name": change.name,
        "action": change.action,
        "fields": sorted(path for path in field_paths(sent) if path not in IDENTITY),
        "validated": validated,
    }


def diffs(changes: Iterable[Change]) -> list[Object]:
    """Return the changes for Ansible's diff mode."""
    return [
        {
            "before_header": f"{change.kind} {change.name}",
            "after_header": f"{change.kind} {change.name}",
            "before": redacted(change.before or {}, "(hidden, old)"),
            "after": redacted(change.after or {}, "(hidden, new)"),
        }
        for change in changes
    ]
