# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about registries that may well be ready: risks, leftovers, and what their users cannot see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone

from .._common.certificates import Bundle
from .._common.errors import InvalidInput
from .._common.finding import CONFIG_OBJECTS, NAMES, OPTIONS, PRODUCT, RBAC, Finding, severest_first
from .._common.model import Object, Tls
from .._common.names import check_name, user_role
from .._database.ca_rules import authority_findings
from .._database.password_rules import breaking, server_version
from .._kubernetes.changes import Key
from .._permissions.bindings import entries, misdirected, read_bindings
from .._registry.auth_proxy import no_auth_proxy
from .._registry.description import left_out
from .._registry.export import database_of, database_types, is_encrypted, is_generated, is_verified
from .._registry.restart import mark_of, restart_due
from .._registry.rollout import condition, timestamp
from .._registry.sharing import sharing_findings
from .._registry.stored_keys import database_keys, missing_key_finding, read_at_start, read_key
from .._registry.verdict import DELETING, READY, Verdict

__all__ = ["Inventory", "registry_findings", "restarts_pending", "tls_facts"]

ROLLOUTS = "Kubernetes documentation, Deployments"
OUR_MANAGER = "opendatahub.model_registry"
"""This collection's name in managedFields. A restart follows its own changes to a Secret."""


@dataclass(frozen=True)
class Inventory:
    """The registries of a namespace with all that findings are based on. A kind that may not be read is not in ``read``."""

    registries: Mapping[str, Object]
    objects: Mapping[Key, Object]
    """Secrets, ConfigMaps, Roles and RoleBindings."""
    read: frozenset[str]
    pods: Mapping[str, list[Object]]
    """Of the newest rollout, by registry."""
    verdicts: Mapping[str, Verdict]
    bundles: Mapping[str, Bundle]
    """Of the database's authority, by registry, except those that are in a Secret or cannot be read here."""
    deployments: Mapping[str, Object] = field(default_factory=dict)
    """By registry."""
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    openshift: bool | None = None
    """Whether the cluster is OpenShift; only asked for if a registry has no proxy."""


def registry_findings(name: str, inventory: Inventory) -> list[Finding]:
    """Return the findings about one registry, blockers first."""
    registry = inventory.registries[name]
    found = [finding for check in _CHECKS for finding in check(name, registry, inventory)]
    return severest_first(found)


def tls_facts(registry: Object, bundle: Bundle | None = None) -> Object:
    """Return how the registry server connects to the database, and what is known of the authority that it trusts."""
    tls = database_of(registry.get("spec") or {}).tls or Tls()
    facts: Object = {"encrypted": is_encrypted(tls), "verified": is_verified(tls)}
    if tls.ca:
        certificates = [
            {"subject": one.subject, "expires": one.expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
            for one in (bundle or Bundle()).authorities
        ]
        facts["ca"] = {"kind": tls.ca.kind, **asdict(tls.ca.ref), "certificates": certificates}
    return facts


def _name(name: str, registry: Object, _inventory: Inventory) -> Iterator[Finding]:
    try:
        check_name(name)
    except InvalidInput as error:
        remedy = "Create it under another name on the same database, then delete this one."
        yield Finding(
            "name_invalid", "blocker", f"ModelRegistry {registry['metadata']['name']}", error.why, remedy, NAMES
        )


def _database(name: str, registry: Object, _inventory: Inventory) -> Iterator[Finding]:
    spec = registry.get("spec") or {}
    given = database_types(spec)
    if len(given) != 1:
        why = "it names two databases" if given else "it names no database"
        yield Finding(
            "database_count",
            "blocker",
            f"ModelRegistry {name}",
            why,
            "Give exactly one of mysql and postgres.",
            OPTIONS,
        )
    elif is_generated(spec):
        why = "the operator runs its database, and deletes the data with the registry"
        yield Finding(
            "generated_database",
            "info",
            f"ModelRegistry {name}",
            why,
            "Back the database up before you delete it.",
            PRODUCT,
        )


def _secret(name: str, registry: Object, inventory: Inventory) -> Iterator[Finding]:
    database = database_of(registry.get("spec") or {})
    key = database_keys(database).get("password")
    if key is None or "Secret" not in inventory.read:
        return
    secret = inventory.objects.get((key.kind, _namespace(registry), key.ref.name))
    value = read_key(secret, key.ref.key)
    if secret is None or value is None:
        yield missing_key_finding(key, secret)
        return
    deployments = inventory.deployments.values()
    yield from breaking(value.decode(errors="replace"), database, str(key), lambda: server_version(deployments))
    yield from _newer_secret(name, secret, inventory)


def _shared(name: str, registry: Object, inventory: Inventory) -> Iterator[Finding]:
    database = database_of(registry.get("spec") or {})
    yield from sharing_findings(name, database, inventory.registries, _namespace(registry))


def restarts_pending(
    registry: Object, objects: Mapping[Key, Object], deployment: Object | None, pods: Sequence[Object]
) -> list[tuple[str, str]]:
    """Return kind and name of each object that a run changed without restarting the registry's pods, which read it.

    pods: the registry's; none if they may not be read.
    """
    used = [(key.kind, key.ref.name) for key in read_at_start(registry.get("spec") or {})]
    found = {one: objects.get((one[0], _namespace(registry), one[1])) for one in used}
    return [one for one, item in found.items() if item and _is_pending(item, deployment, pods)]


def _is_pending(item: Object, deployment: Object | None, pods: Sequence[Object]) -> bool:
    mark = mark_of(item)
    return mark is not None and restart_due([mark], deployment, pods or None)


def _pending(name: str, registry: Object, inventory: Inventory) -> Iterator[Finding]:
    deployment, pods = inventory.deployments.get(name), inventory.pods.get(name, ())
    for kind, store in restarts_pending(registry, inventory.objects, deployment, pods):
        remedy = "Run the task that changed it again: it restarts the pods."
        why = "it was changed, and the pods are not restarted yet"
        yield Finding("restart_pending", "warning", f"{kind} {store}", why, remedy, CONFIG_OBJECTS)


def _newer_secret(name: str, secret: Object, inventory: Inventory) -> Iterator[Finding]:
    """Check for older pods, since a container gets the password in its environment when it starts."""
    if _is_pending(secret, inventory.deployments.get(name), inventory.pods.get(name, ())):
        return
    started = [_started(pod) for pod in inventory.pods.get(name, ())]
    changed = _data_changed(secret)
    if changed and any(start and changed > start for start in started):
        why = f"it was changed at {changed:%Y-%m-%dT%H:%M:%SZ}, after the start of the registry's pods, which have the old value"
        remedy = f"Restart them: kubectl rollout restart deployment/{name}."
        yield Finding("secret_newer", "warning", f"Secret {secret['metadata']['name']}", why, remedy, CONFIG_OBJECTS)


def _started(pod: Object) -> datetime | None:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    server: Object = next((status for status in statuses if status["name"] == "rest-container"), {})
    return timestamp(((server.get("state") or {}).get("running") or {}).get("startedAt"))


def _data_changed(secret: Object) -> datetime | None:
    """Return when another client last wrote the Secret's values."""
    meta = secret["metadata"]
    others = [entry for entry in meta.get("managedFields") or () if entry.get("manager") != OUR_MANAGER]
    # Server-side apply records stringData under that name.
    times = [entry.get("time") for entry in others if {"f:data", "f:stringData"} & set(entry.get("fieldsV1") or ())]
    return max(filter(None, map(timestamp, [meta.get("creationTimestamp"), *times])), default=None)


def _transport(name: str, registry: Object, _inventory: Inventory) -> Iterator[Finding]:
    database = database_of(registry.get("spec") or {})
    if database.type is None or database.generate:
        return
    facts, what = tls_facts(registry), f"database of {name}"
    if not facts["encrypted"]:
        why = "the registry server sends the password and the models in plain text"
        yield Finding(
            "plaintext", "warning", what, why, "Give database.tls with the authority of its certificate.", PRODUCT
        )
    elif not facts["verified"]:
        why = "the connection is encrypted, but any server at the host's address is accepted as the database"
        yield Finding(
            "unverified",
            "warning",
            what,
            why,
            "Set database.tls.verify (MySQL) or mode verify-full (PostgreSQL).",
            PRODUCT,
        )


def _authority(name: str, registry: Object, inventory: Inventory) -> Iterator[Finding]:
    key = database_keys(database_of(registry.get("spec") or {})).get("ca_pem")
    if key is None:
        return
    item = inventory.objects.get((key.kind, _namespace(registry), key.ref.name))
    if key.kind in inventory.read and read_key(item, key.ref.key) is None:
        yield missing_key_finding(key, item)
    bundle = inventory.bundles.get(name)
    if bundle is not None:
        yield from authority_findings(bundle, str(key), tls_facts(registry)["verified"], inventory.now)


def _status(name: str, registry: Object, inventory: Inventory) -> Iterator[Finding]:
    verdict = inventory.verdicts[name]
    says_available = condition(registry, "Available").get("status") == "True"
    if says_available and verdict.state not in (READY, DELETING):
        why = f"it says Available=True and is {verdict.state}: {verdict.message}"
        remedy = verdict.next_step or "Check again in a moment."
        yield Finding("stale_status", "warning", f"status of ModelRegistry {name}", why, remedy, ROLLOUTS)
    role = ("Role", _namespace(registry), user_role(name))
    if says_available and "Role" in inventory.read and role not in inventory.objects:
        why = "it does not exist, so only administrators can get access to the registry"
        yield Finding(
            "role_missing",
            "warning",
            f"Role {role[2]}",
            why,
            "Check that the operator, which creates the Role, is running.",
            PRODUCT,
        )


def _without_role(name: str, registry: Object, inventory: Inventory) -> Iterator[Finding]:
    """Yield the RoleBindings meant for the registry whose Role does not exist."""
    bindings = [item for key, item in inventory.objects.items() if key[0] == "RoleBinding"]
    for binding in misdirected(bindings, name) if "Role" in inventory.read else ():
        role = binding["roleRef"]
        if role["kind"] == "Role" and ("Role", _namespace(registry), role["name"]) not in inventory.objects:
            why = f"its Role {role['name']} does not exist, so it gives no access to the registry"
            remedy = f"Name its subjects in model_registry_permissions with adopt: they get the Role {user_role(name)}."
            what = f"RoleBinding {binding['metadata']['name']}"
            yield Finding("grant_without_role", "warning", what, why, remedy, RBAC)


def _bindings(name: str, _registry: Object, inventory: Inventory) -> Iterator[Finding]:
    items = (item for key, item in inventory.objects.items() if key[0] == "RoleBinding")
    bindings = read_bindings(items, name)
    for binding in bindings:
        if binding.deviations:
            why = f"it grants access to the registry, and the dashboard does not list it: {binding.deviations}"
            remedy = "Name its subjects in model_registry_permissions with adopt, or keep it as it is."
            yield Finding("hidden_grant", "info", f"RoleBinding {binding.name}", why, remedy, PRODUCT)
    for entry in entries(bindings):
        if len(entry["bindings"]) > 1:
            what = " ".join(filter(None, [entry["kind"], entry.get("namespace"), entry["name"]]))
            why = f"several RoleBindings grant access to it: {', '.join(entry['bindings'])}. Deleting one of them removes no access"
            remedy = (
                "Name it in model_registry_permissions with adopt, which leaves one of them, or keep them as they are."
            )
            yield Finding("duplicate_grant", "info", what, why, remedy, RBAC)


def _namespace(registry: Object) -> str:
    namespace: str = registry["metadata"]["namespace"]
    return namespace


def _auth_proxy(name: str, registry: Object, inventory: Inventory) -> Iterator[Finding]:
    found = no_auth_proxy(name, registry.get("spec") or {}, inventory.openshift)
    if found is not None:
        yield found


def _left_out(_name: str, registry: Object, _inventory: Inventory) -> Iterator[Finding]:
    yield from left_out(registry)


_CHECKS = (
    _name,
    _auth_proxy,
    _database,
    _secret,
    _pending,
    _shared,
    _transport,
    _authority,
    _status,
    _without_role,
    _bindings,
    _left_out,
)
