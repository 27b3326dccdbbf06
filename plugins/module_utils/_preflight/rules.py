# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blockers of a job, found before it begins: from the state of a cluster to findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Union

from .._common.certificates import read_bundle
from .._common.errors import Forbidden, InvalidInput, Refused, RegistryError
from .._common.finding import NAMES, OPTIONS, RBAC, Finding, severest_first
from .._common.model import Database, Object
from .._common.references import CLUSTER_ROLE, DATABASE_ROLE, REGISTRY_ROLE
from .._database.ca_rules import authority_findings
from .._kubernetes.resources import GROUP, VERSIONS, newest
from .._kubernetes.reviews import ApiConnection
from .._registry.auth_proxy import no_auth_proxy
from .._registry.platform import component, enabling_patch
from .._registry.shape import not_understood
from .._registry.sharing import sharing_findings
from .._registry.stored_keys import StoredKey, missing_key_finding, read_key, unread_key_finding
from .required_rights import AccessRule, yaml_rules

__all__ = [
    "JOBS",
    "OPERATOR",
    "ClusterState",
    "DryRun",
    "Source",
    "ignored_credentials",
    "passed",
    "preflight_findings",
]

JOBS = ("create", "update", "teardown", "grant")
OPERATOR = "model-registry-operator-controller-manager"
"""The operator's Deployment, in the product's own namespace (the operator's manifests)."""
READY_CONDITIONS = ("AIHubReady", "ModelRegistryReady", "model-registry-operatorReady")
"""Of a DataScienceCluster, newest first: its status of the component."""
PRODUCT = "product documentation, enabling the model registry component"
TRUST = "kubernetes.core documentation, authentication options"

ReadResult = Union[Object, None, RegistryError]
"""An object, None if it does not exist, or the error if the user may not read it."""


@dataclass(frozen=True)
class DryRun:
    """A write that is sent as a dry run: the API server calls the operator's webhooks, and stores nothing."""

    sent: bool = False
    refused: RegistryError | None = None


@dataclass(frozen=True)
class Source:
    """A key of a Secret or ConfigMap that the registry server will read."""

    key: StoredKey
    item: Object | Forbidden | None = field(repr=False)
    """The object; None if it does not exist, and the error if it may not be read."""
    verified: bool = True
    """Whether the database's certificate will be verified with it."""


@dataclass(frozen=True)
class ClusterState:
    """The state of the cluster before a job."""

    job: str
    name: str | None
    """The registry's; None if it is not decided yet."""
    namespace: str | RegistryError
    now: datetime
    connection: ApiConnection
    user: str = ""
    """The user's name at the API server; empty if it does not tell."""
    ignored_credentials: tuple[str, str] | None = None
    """The given credentials that are ignored, and those that are used."""
    invalid: tuple[InvalidInput, ...] = ()
    """Errors in the options themselves."""
    declared_namespace: str | None = None
    """The registries namespace that the platform names."""
    namespace_object: ReadResult = None
    components: list[Object] | RegistryError | None = None
    """The DataScienceClusters; None if the cluster has no such kind."""
    served: tuple[str, ...] | None = None
    """Versions of ModelRegistry; None if it is not served."""
    operators: list[Object] | RegistryError = field(default_factory=list)
    """Deployments with the operator's name, in all namespaces."""
    dry_run: DryRun = DryRun()
    registry: ReadResult = None
    """The registry of the name, in the registries namespace."""
    odd_field: str | None = None
    """A field of that registry whose type differs from all known schemas; the other fields are then left out."""
    clash: RegistryError | None = None
    """Why that registry may be another than is meant."""
    elsewhere: tuple[str, ...] | RegistryError = ()
    """Other namespaces with a registry of the name."""
    refusal: Refused | None = None
    """Why the job would refuse to act, according to its own plan."""
    missing: tuple[AccessRule, ...] = ()
    """Rights that the job needs and the user lacks."""
    password: tuple[Finding, ...] = ()
    """Findings about a password that the registry server cannot use."""
    sources: tuple[Source, ...] = ()
    database: Database | None = None
    """As the registry will use it, if that is known."""
    database_changed: bool | None = None
    """Whether the job would change the database of a registry that exists; None if that is not known."""
    registries: Mapping[str, Object] = field(default_factory=dict)
    """Of the registries namespace, by name, if the database is known."""
    openshift: bool | None = None
    """Whether the cluster serves Routes; only asked for if something depends on it."""


def ignored_credentials(given: Mapping[str, object]) -> tuple[str, str] | None:
    """Return which of a kubeconfig and other credentials is ignored, and which is used; None if only one is given.

    given: the authentication options, including the environment's. kubernetes.core loads no kubeconfig if a host and
    all credentials for it are given; otherwise the client sends what is in the kubeconfig.
    """
    pairs = (("api_key",), ("username", "password"), ("client_cert", "client_key"))
    logins = [" and ".join(pair) for pair in pairs if all(given.get(option) for option in pair)]
    if not given.get("kubeconfig") or not logins:
        return None
    return ("kubeconfig", logins[0]) if given.get("host") else (logins[0], "kubeconfig")


def preflight_findings(observed: ClusterState) -> list[Finding]:
    """Return all findings, blockers first."""
    found = [finding for check in _CHECKS for finding in check(observed)]
    return severest_first(found)


def passed(observed: ClusterState, findings: Iterable[Finding]) -> Iterator[str]:
    """Yield what was seen to be right, in a few words each."""
    codes = {finding.code for finding in findings}
    if isinstance(observed.components, list) and observed.components and "component_disabled" not in codes:
        yield "component Managed"
    if observed.operators and not codes & {"operator_unchecked", "operator_down"}:
        yield "operator runs"
    if isinstance(observed.namespace, str) and "rights_missing" not in codes:
        yield f"permissions to {observed.job}"
    if observed.dry_run.sent and observed.dry_run.refused is None:
        yield "dry run accepted"
    if observed.job == "create" and observed.name and observed.served and not any(c.startswith("name_") for c in codes):
        yield "name free"


def _api(observed: ClusterState) -> Iterator[Finding]:
    what = f"API server {observed.connection.host}"
    if not observed.connection.verified:
        why = (
            "its certificate is not verified, so any server at that address gets your token and the database's password"
        )
        step = (
            "Set validate_certs to true, and give ca_cert (K8S_AUTH_SSL_CA_CERT) if it has your own authority. In AWX, fill in the "
            "credential's Certificate Authority Data: without it, AWX sets validate_certs to false whatever the box says."
        )
        yield Finding("api_unverified", "warning", what, why, step, TRUST)
    elif observed.connection.ca is None and observed.connection.host.startswith("https:"):
        why = f"no authority is given for its certificate, so it is verified with the client's own bundle: {observed.connection.default_ca}"
        step = (
            "Give ca_cert (in AWX the field Certificate Authority Data): releases of the client differ in their bundle."
        )
        yield Finding("api_default_ca", "info", what, why, step, TRUST)
    if observed.ignored_credentials:
        lost, won = observed.ignored_credentials
        why = f"both {lost} and {won} are given, and {won} is used{f': you act as {observed.user}' if observed.user else ''}"
        step = "Give one of the two. AWX sets the variables K8S_AUTH_* from a credential: leave kubeconfig out there."
        yield Finding("api_credentials_twice", "warning", what, why, step, TRUST)


def _options(observed: ClusterState) -> Iterator[Finding]:
    for error in observed.invalid:
        code = "name_invalid" if error.what in ("name", "display_name") else "option_invalid"
        yield Finding(
            code, "blocker", error.what, error.why, error.next_step, NAMES if code == "name_invalid" else OPTIONS
        )


def _component(observed: ClusterState) -> Iterator[Finding]:
    if isinstance(observed.components, RegistryError):
        why = "it is not known whether it is enabled: the user may not read DataScienceClusters"
        step = f"{observed.components.next_step} It is in {CLUSTER_ROLE}."
        yield Finding("component_unchecked", "info", "model registry component", why, step, PRODUCT)
    for item in observed.components or [] if not isinstance(observed.components, RegistryError) else []:
        name = item["metadata"]["name"]
        what = f"DataScienceCluster {name}"
        state = component(item).get("managementState", "Removed")
        if state != "Managed":
            step = f"An administrator of the platform enables it: kubectl patch datasciencecluster {name} --type merge -p '{enabling_patch(item)}'"
            yield Finding(
                "component_disabled", "blocker", what, f"the model registry component is {state}", step, PRODUCT
            )
            continue
        yield from _component_ready(item, what)


def _component_ready(item: Object, what: str) -> Iterator[Finding]:
    conditions = {one.get("type"): one for one in (item.get("status") or {}).get("conditions") or ()}
    condition = next((conditions[kind] for kind in READY_CONDITIONS if kind in conditions), None)
    if condition is not None and condition.get("status") == "False":
        why = f"its model registry component is not ready: {condition.get('message') or condition.get('reason', '')}"
        step = "Check the operators of the platform; until this is fixed, the registry may not become ready."
        yield Finding("component_not_ready", "warning", what, why, step, PRODUCT)


def _api_group(observed: ClusterState) -> Iterator[Finding]:
    if observed.served is None:
        why = "the cluster does not serve ModelRegistry: the component is not enabled, or its operator has not started yet"
        step = "Enable the model registry component, then wait until its operator is ready."
        yield Finding("crd_not_served", "blocker", f"API group {GROUP}", why, step, PRODUCT)
    elif newest(observed.served) is None:
        why = f"the cluster serves {', '.join(observed.served)}, and this collection knows {', '.join(VERSIONS)}"
        step = "Use a release of the collection that fits the cluster's."
        yield Finding("crd_version_unknown", "blocker", f"API group {GROUP}", why, step, PRODUCT)


MOST_WORDS = 4096
"""How many characters of a refusal are read: a webhook can answer with any number."""


def _refusal(observed: ClusterState) -> str:
    """Return the finding's code for the API server's refusal of the dry run; empty if there is none."""
    refused, name = observed.dry_run.refused, re.escape(observed.name or "")
    if refused is None or isinstance(refused, Forbidden):
        return ""
    about = {
        "operator_down": "failed calling webhook",
        "namespace_missing": f'namespaces "{re.escape(str(observed.namespace))}" not found',
        "namespace_terminating": f"namespace {re.escape(str(observed.namespace))} is being terminated|it is being terminated",
        "name_taken": rf"\b{name}\b.* already (exists|taken|in use)" if name and observed.job == "create" else "$^",
    }
    words = str(refused.why)[:MOST_WORDS]
    return next(
        (code for code, pattern in about.items() if re.search(pattern, words, re.IGNORECASE)), "dry_run_refused"
    )


def _operator(observed: ClusterState) -> Iterator[Finding]:
    what = f"Deployment {OPERATOR}"
    if observed.dry_run.refused and _refusal(observed) == "operator_down":
        step = "Check the operator's pods and their log; an administrator of the platform can restart it."
        yield Finding(
            "operator_down", "blocker", "model registry operator", observed.dry_run.refused.why, step, PRODUCT
        )
    elif isinstance(observed.operators, RegistryError) or not observed.operators:
        limit = isinstance(observed.operators, RegistryError)
        why = "the user may not see Deployments of all namespaces" if limit else "no Deployment has this name"
        done = (
            "; a dry run of a registry was accepted" if observed.dry_run.sent and not observed.dry_run.refused else ""
        )
        step = "If a registry stays without a Deployment of its own, ask an administrator whether the operator runs."
        yield Finding(
            "operator_unchecked", "info", what, f"it is not known whether it runs: {why}{done}", step, PRODUCT
        )
    elif not any((item.get("status") or {}).get("availableReplicas") for item in observed.operators):
        place = observed.operators[0]["metadata"]["namespace"]
        step = f"Check its pods: kubectl get pods --namespace {place}. Until it runs, registries get no Deployment."
        yield Finding(
            "operator_down", "blocker", f"{what} in namespace {place}", "none of its pods is available", step, PRODUCT
        )


def _namespace(observed: ClusterState) -> Iterator[Finding]:
    if isinstance(observed.namespace, RegistryError):
        yield Finding(
            "namespace_unknown",
            "blocker",
            "registries namespace",
            observed.namespace.why,
            observed.namespace.next_step,
            PRODUCT,
        )
        return
    what, item, refusal = f"Namespace {observed.namespace}", observed.namespace_object, _refusal(observed)
    if refusal == "namespace_missing" or item is None:
        step = "Correct namespace, or enable the model registry component, which creates it."
        yield Finding("namespace_missing", "blocker", what, "it does not exist", step, PRODUCT)
    elif refusal == "namespace_terminating" or (isinstance(item, dict) and item["metadata"].get("deletionTimestamp")):
        step = "Wait until it is deleted and the component creates it again."
        yield Finding(
            "namespace_terminating", "blocker", what, "it is being deleted, and takes no new objects", step, PRODUCT
        )
    if observed.declared_namespace and observed.declared_namespace != observed.namespace:
        why = f"the platform's registries namespace is {observed.declared_namespace}, and the dashboard shows only that one"
        yield Finding(
            "namespace_other",
            "warning",
            what,
            why,
            f"Set namespace to {observed.declared_namespace}, or leave it out.",
            PRODUCT,
        )


def _rights(observed: ClusterState) -> Iterator[Finding]:
    where = observed.namespace if isinstance(observed.namespace, str) else "of the registries"
    for place in dict.fromkeys(("", *(right.namespace for right in observed.missing))):
        for needed, code, severity in ((True, "rights_missing", "blocker"), (False, "rights_limited", "info")):
            rights = [right for right in observed.missing if (right.needed, right.namespace) == (needed, place)]
            if not rights:
                continue
            lost = list(dict.fromkeys(right.purpose for right in rights))
            verb = "needs" if needed else "can use"
            why = f"the job {observed.job} {verb} permissions that the user lacks: {'; '.join(lost)}"
            file = DATABASE_ROLE if place else REGISTRY_ROLE
            step = f"Apply {file} there, or give the user a Role with these rules:\n{yaml_rules(rights)}"
            yield Finding(code, severity, f"the user's permissions in namespace {place or where}", why, step, RBAC)


def _name(observed: ClusterState) -> Iterator[Finding]:
    what = f"ModelRegistry {observed.name}"
    if not observed.name or observed.served is None:
        return
    clash = observed.clash
    if clash is not None:
        yield Finding("name_derived", "blocker", clash.what, clash.why, clash.next_step, NAMES)
    elif observed.job == "create":
        yield from _name_free(observed, what)
    elif observed.registry is None and isinstance(observed.namespace, str):
        why = f"it does not exist in namespace {observed.namespace}"
        step = "Check the name, or create the registry with the playbook opendatahub.model_registry.create."
        yield Finding("registry_missing", "blocker", what, why, step, NAMES)
    if observed.odd_field is not None:
        yield not_understood(str(observed.name), observed.odd_field)
    if isinstance(observed.registry, dict) and observed.registry["metadata"].get("deletionTimestamp"):
        since = observed.registry["metadata"]["deletionTimestamp"]
        yield Finding(
            "registry_deleting", "blocker", what, f"it is being deleted since {since}", "Wait until it is gone.", NAMES
        )


def _auth_proxy(observed: ClusterState) -> Iterator[Finding]:
    is_meant = observed.clash is None and observed.odd_field is None
    if isinstance(observed.registry, dict) and observed.job != "teardown" and is_meant:
        found = no_auth_proxy(str(observed.name), observed.registry.get("spec") or {}, observed.openshift)
        if found is not None:
            yield found


def _name_free(observed: ClusterState, what: str) -> Iterator[Finding]:
    rule = "model registry operator: a name is unique in the whole cluster"
    taken = observed.elsewhere if isinstance(observed.elsewhere, tuple) else ()
    words = str(observed.dry_run.refused.why) if observed.dry_run.refused and _refusal(observed) == "name_taken" else ""
    if taken or words:
        why = f"namespace {', '.join(taken)} has a registry of that name" if taken else words
        yield Finding(
            "name_taken", "blocker", what, f"{why}; a name is unique in the whole cluster", "Choose another name.", rule
        )
    elif isinstance(observed.registry, dict):
        why = "it exists already: the job changes only what differs"
        yield Finding("name_exists", "info", what, why, "Choose another name to create a new registry.", rule)
    elif isinstance(observed.elsewhere, RegistryError):
        done = (
            ", and the API server accepted a dry run of it"
            if observed.dry_run.sent and not observed.dry_run.refused
            else ""
        )
        why = f"it is not known whether another namespace has a registry of that name: the user may not list them{done}"
        step = f"{observed.elsewhere.next_step} It is in {CLUSTER_ROLE}."
        yield Finding("name_unchecked", "info", what, why, step, rule)


def _rejected(observed: ClusterState) -> Iterator[Finding]:
    """Yield the API server's refusal of the dry run if no other finding covers it."""
    refused = observed.dry_run.refused
    if refused is not None and _refusal(observed) == "dry_run_refused":
        yield Finding("dry_run_refused", "blocker", refused.what, refused.why, refused.next_step, "API server, dry run")


def _planned(observed: ClusterState) -> Iterator[Finding]:
    """Yield what the job would refuse to overwrite. A missing certificate or a deletion has a finding of its own."""
    refusal = observed.refusal
    others = {f"ModelRegistry {observed.name}", *(source.key.object for source in observed.sources)}
    if refusal is not None and refusal.what not in others:
        yield Finding("object_taken", "blocker", refusal.what, refusal.why, refusal.next_step, OPTIONS)


def _sharing(observed: ClusterState) -> Iterator[Finding]:
    if observed.database is not None:
        yield from sharing_findings(
            observed.name or "", observed.database, observed.registries, str(observed.namespace)
        )


def _password(observed: ClusterState) -> Iterator[Finding]:
    yield from observed.password


def _sources(observed: ClusterState) -> Iterator[Finding]:
    for source in observed.sources:
        key, item = source.key, source.item
        if isinstance(item, Forbidden):
            yield unread_key_finding(key, item)
            continue
        value = read_key(item, key.ref.key)
        if value is None:
            yield missing_key_finding(key, item)
        elif key.is_ca:
            bundle = read_bundle(value.decode(errors="replace"))
            yield from authority_findings(bundle, str(key), source.verified, observed.now)


_CHECKS = (
    _options,
    _api,
    _component,
    _api_group,
    _operator,
    _namespace,
    _rights,
    _name,
    _auth_proxy,
    _rejected,
    _planned,
    _password,
    _sources,
    _sharing,
)
