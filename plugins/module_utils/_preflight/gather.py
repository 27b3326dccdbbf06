# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather the state of a cluster before a job: what exists, what the user may do, and whether a dry run succeeds."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Callable, TypeVar

from .._common.errors import Conflict, Forbidden, InvalidInput, NotFound, Refused, RegistryError
from .._common.finding import Finding, finding_result
from .._common.model import Database, KeyRef, Object, ProxySettings, Registry
from .._common.names import check_name, check_object_name, derive_name
from .._database.effective import effective_database, verifies
from .._database.host import RELAY
from .._database.password_rules import breaking
from .._database.read_requirement import find_server_version
from .._kubernetes.changes import Change, creation_of
from .._kubernetes.client import Cluster
from .._kubernetes.executor import AT_ONCE
from .._registry.auth_proxy import lacks_certificate, name_too_long, proxy_secret
from .._registry.export import proxy_of
from .._registry.fields import check_front, needed_fields
from .._registry.manifests import wanted_registry
from .._registry.namespace import platform_namespace, registries_namespace_name
from .._registry.observe import observe_for_present
from .._registry.options import database_from, proxy_from
from .._registry.plan import Plan, name_clash, plan_present
from .._registry.platform import component
from .._registry.shape import misfit, without_nulls
from .._registry.stored_keys import StoredKey, database_keys, read_key
from .required_rights import AccessRule, allowed_by, path_rights, rights_for
from .rules import OPERATOR, ClusterState, DryRun, Source, ignored_credentials, passed, preflight_findings

__all__ = ["Wanted", "database_to_check", "keys_read", "preflight", "unserved_options", "wanted_from"]

T = TypeVar("T")
CREDENTIALS = ("kubeconfig", "host", "api_key", "username", "password", "client_cert", "client_key")
NAMED = ("name", "display_name")
"""The options that select the registry."""
VARIABLES = {"client_cert": ("CLIENT_CERT", "CERT_FILE"), "client_key": ("CLIENT_KEY", "KEY_FILE")}
"""Names of the variables K8S_AUTH_* that differ from the option's."""


@dataclass(frozen=True)
class Wanted:
    """The job to check for."""

    job: str
    """create, update, teardown or grant."""
    name: str | None
    namespace: str | None
    """As given."""
    database: Database | None
    invalid: tuple[InvalidInput, ...] = ()
    """Errors in the options."""
    via: str = "auto"
    """The path on which the database will be checked."""
    credentials: Mapping[str, object] | None = None
    """The given authentication options."""
    auth_proxy: str | None = None
    proxy: ProxySettings | None = None
    derived_from: str | None = None
    """The display name, if the name is only derived from it."""

    @property
    def known_name(self) -> str | None:
        """The name, if a registry can have it."""
        return None if any(error.what in NAMED for error in self.invalid) else self.name

    @property
    def is_database_invalid(self) -> bool:
        """Whether the database's options are invalid."""
        return any(error.what.startswith("database") for error in self.invalid)

    @property
    def registry(self) -> Registry:
        """The registry's requested configuration, as far as it is known."""
        return Registry(self.name or "", database=self.database, auth_proxy=self.auth_proxy, proxy=self.proxy)


def wanted_from(params: Mapping[str, Any]) -> Wanted:
    """Build the job from module options. Errors in them are kept, to be reported with all other findings."""
    name, invalid = params["name"], []
    derived_from = params["display_name"] if name is None else None
    try:
        if derived_from is not None:
            name = derive_name(derived_from)
        if name is not None:
            # Only a registry that is to be created must have a valid name.
            (check_name if params["job"] == "create" else check_object_name)(name)
    except InvalidInput as error:
        invalid.append(error)
    database = None
    try:
        # The other jobs keep the database, whatever a file of variables contains.
        if params["database"] is not None and params["job"] in ("create", "update"):
            database = database_from(params["database"], datetime.now(timezone.utc))
    except InvalidInput as error:
        invalid.append(error)
    proxy = None
    try:
        proxy = proxy_from(params["auth_proxy_settings"])
    except InvalidInput as error:
        invalid.append(error)
    if params["via"] == RELAY and not params["relay_image"]:
        invalid.append(
            InvalidInput("relay_image", "via is relay, and no image is given for it", "Give one that has socat.")
        )
    given = (params["job"], name, params["namespace"], database)
    how = (params["via"], _credentials(params), params["auth_proxy"], proxy)
    return Wanted(*given, tuple(invalid), *how, derived_from)


def preflight(cluster: Cluster, wanted: Wanted) -> Object:
    """Return findings, facts and what passed, for the module's result."""
    seen = gather_cluster_state(cluster, wanted)
    findings = preflight_findings(seen)
    shown = [finding_result(finding) for finding in findings]
    return {"findings": shown, "passed": list(passed(seen, findings)), "facts": _facts(seen)}


def _facts(seen: ClusterState) -> Object:
    ca, registry = seen.connection.ca, seen.registry
    has_no_path = any(error.what == "relay_image" for error in seen.invalid)
    components = None
    if isinstance(seen.components, list):
        components = {
            item["metadata"]["name"]: component(item).get("managementState", "Removed") for item in seen.components
        }
    return {
        "user": seen.user,
        "api": {
            "host": seen.connection.host,
            "verified": seen.connection.verified,
            "ca": "default" if ca is None else "given",
            "ca_file": seen.connection.default_ca if ca is None else ca,
        },
        "namespace": seen.namespace if isinstance(seen.namespace, str) else None,
        "versions": list(seen.served or ()),
        "component": components,
        "name": seen.name or "",
        "registry_exists": None if isinstance(registry, RegistryError) else registry is not None,
        "database_checkable": seen.database is not None and isinstance(seen.namespace, str) and not has_no_path,
        "database_changed": seen.database_changed,
    }


def _credentials(params: Mapping[str, Any]) -> dict[str, object]:
    """Return which authentication options are given, in the task or the environment; their values do not matter."""
    given: dict[str, object] = {}
    for option in CREDENTIALS:
        names = VARIABLES.get(option, (option.upper(),))
        given[option] = bool(params.get(option)) or any(os.environ.get(f"K8S_AUTH_{name}") for name in names)
    return given


def gather_cluster_state(cluster: Cluster, wanted: Wanted) -> ClusterState:
    """Return the state of the cluster, as far as it is known.

    Raises RegistryError if the API server does not answer, or does not know the user.
    """
    state = _platform_state(cluster, wanted)
    place = state.namespace if isinstance(state.namespace, str) else None
    registry, odd_field = _understood(_registry(cluster, place, wanted.known_name))
    clash = _clash(wanted, registry) if odd_field is None else None
    database, invalid = database_to_check(wanted, registry, odd_field, clash)
    openshift = _openshift(cluster, wanted, registry)
    invalid += unserved_options(cluster, wanted, registry, openshift)
    keys = keys_read(wanted, database, registry, openshift)
    registries = _registries(cluster, place) if database else []
    invalid += tuple(_too_long(wanted, registry, openshift))
    is_planned = database is not None and place is not None and not invalid
    plan = _planned(cluster, wanted, str(place), registries) if is_planned else JobPlan()
    return replace(
        state,
        invalid=(*invalid, *([plan.refusal] if isinstance(plan.refusal, InvalidInput) else [])),
        refusal=plan.refusal if isinstance(plan.refusal, Refused) else None,
        registry=registry,
        odd_field=odd_field,
        clash=clash,
        elsewhere=_elsewhere(cluster, wanted.known_name, place),
        missing=_missing(cluster, _rights(wanted, database, place), place) if place else (),
        dry_run=_dry_run(cluster, wanted, place, registry, plan.change),
        database=database,
        database_changed=plan.database_changed,
        registries={item["metadata"]["name"]: item for item in registries},
        password=tuple(_password(cluster, place, database)) if place and database else (),
        sources=tuple(_sources(cluster, place, database, keys)) if place else (),
        openshift=openshift,
    )


def _platform_state(cluster: Cluster, wanted: Wanted) -> ClusterState:
    """Return the part of the state that is not about one registry."""
    user = _user(cluster)
    namespace = _read_result(lambda: registries_namespace_name(cluster, wanted.namespace))
    place = namespace if isinstance(namespace, str) else None
    return ClusterState(
        job=wanted.job,
        name=wanted.name,
        namespace=namespace,
        now=datetime.now(timezone.utc),
        connection=cluster.connection(),
        user=user,
        ignored_credentials=ignored_credentials(wanted.credentials or {}),
        declared_namespace=_declared_namespace(cluster) if wanted.namespace else place,
        namespace_object=_read_result(lambda: cluster.get("Namespace", None, place)) if place else None,
        components=_listed(cluster, "DataScienceCluster"),
        served=_served(cluster),
        operators=_listed(cluster, "Deployment", f"metadata.name={OPERATOR}") or [],
    )


def _read_result(get: Callable[[], T]) -> T | RegistryError:
    """Return what exists, or why it cannot be read. Raises the error if the API server does not answer."""
    try:
        return get()
    except RegistryError as error:
        if type(error) in (Forbidden, NotFound, RegistryError):
            return error
        raise


def _declared_namespace(cluster: Cluster) -> str | None:
    """Return the registries namespace that the platform names; None if it names none, or several."""
    namespace = _read_result(lambda: platform_namespace(cluster))
    return namespace if isinstance(namespace, str) else None


def _openshift(cluster: Cluster, wanted: Wanted, registry: Object | RegistryError | None) -> bool | None:
    """Return whether the cluster is OpenShift, as the operator sees it; None if it does not matter, or cannot be read."""
    has_proxy = isinstance(registry, dict) and proxy_of(registry.get("spec") or {}) is not None
    if has_proxy or (registry is None and wanted.job != "create"):
        return None
    answer = _read_result(lambda: cluster.serves("Route"))
    return answer if isinstance(answer, bool) else None


def unserved_options(
    cluster: Cluster, wanted: Wanted, registry: Object | RegistryError | None, openshift: bool | None
) -> tuple[InvalidInput, ...]:
    """Return errors for options whose fields the cluster's release lacks."""
    asked = wanted.registry
    existing = registry if isinstance(registry, dict) else None
    is_about = wanted.job in ("create", "update") and not wanted.invalid and not isinstance(registry, RegistryError)
    if not is_about or not (asked.proxy or needed_fields(asked, existing, "kube_rbac")):
        return ()
    try:
        version, served = cluster.version(), cluster.spec_fields()
        check_front(asked, existing, version, served, bool(openshift))
    except InvalidInput as error:
        return (error,)
    except NotFound:
        # If no version of ModelRegistry is served, that is a finding of its own.
        return ()
    return ()


def _too_long(
    wanted: Wanted, registry: Object | RegistryError | None, openshift: bool | None
) -> Iterator[InvalidInput]:
    """Yield the error about a name that is too long for a new registry with its proxy."""
    if wanted.job == "create" and registry is None and wanted.known_name:
        error = name_too_long(wanted.known_name, wanted.auth_proxy, bool(openshift))
        yield from (error,) if error else ()


def _listed(cluster: Cluster, kind: str, selector: str = "") -> list[Object] | RegistryError | None:
    """Return the objects in all namespaces; None if the cluster has no such kind."""
    try:
        return cluster.list(kind, field_selector=selector)[0]
    except NotFound:
        return None
    except Forbidden as error:
        return error


def _user(cluster: Cluster) -> str:
    """Return the user's name, as the API server knows it. Kubernetes before 1.28 does not tell."""
    try:
        return str(cluster.self_review("SelfSubjectReview", {})["userInfo"].get("username", ""))
    except (NotFound, Forbidden):
        return ""


def _served(cluster: Cluster) -> tuple[str, ...] | None:
    try:
        return cluster.served_versions()
    except NotFound:
        return None


def _registry(cluster: Cluster, namespace: str | None, name: str | None) -> Object | RegistryError | None:
    if not name or namespace is None:
        return None
    seen = _read_result(lambda: cluster.get("ModelRegistry", namespace, name))
    # If the cluster serves no version of it, that is a finding of its own.
    return None if isinstance(seen, NotFound) else seen


def _understood(
    registry: Object | RegistryError | None,
) -> tuple[Object | RegistryError | None, str | None]:
    """Return the registry as far as it is understood, and the field that is not."""
    if not isinstance(registry, dict):
        return registry, None
    plain: Object = without_nulls(registry)
    field = misfit(plain)
    known = ("name", "namespace", "deletionTimestamp")
    bare = {"metadata": {key: value for key, value in plain["metadata"].items() if key in known}}
    return (plain if field is None else bare), field


def _registries(cluster: Cluster, namespace: str | None) -> list[Object]:
    """Return the registries of the namespace; none if they may not be listed."""
    items = _read_result(lambda: cluster.list("ModelRegistry", namespace)[0]) if namespace else []
    return [] if isinstance(items, RegistryError) else items


@dataclass(frozen=True)
class JobPlan:
    """What the job's own plan says before it."""

    change: Change | None = None
    """Of the registry itself; None if there is none, or it is not known."""
    database_changed: bool | None = None
    """Whether the database of a registry that exists changes; None if that is not known."""
    refusal: InvalidInput | Refused | None = None
    """Why the job would refuse to act."""


def _planned(cluster: Cluster, wanted: Wanted, namespace: str, registries: list[Object]) -> JobPlan:
    """Return what the job's own plan says. registries: those of the namespace."""
    name, now = wanted.known_name, datetime.now(timezone.utc).isoformat()
    exists = any(item["metadata"]["name"] == name for item in registries)
    if name is None or not (exists or wanted.job == "create"):
        return JobPlan()
    try:
        observed = observe_for_present(cluster, namespace, [wanted.registry], (registries, ""))
        changes = plan_present(wanted.registry, observed, now).changes
        change = next((change for change in changes if change.kind == "ModelRegistry"), None)
        if not exists:
            return JobPlan(change)
        of_database = plan_present(Registry(name, database=wanted.database), observed, now)
        return JobPlan(change, of_database != Plan())
    except (InvalidInput, Refused) as error:
        return JobPlan(refusal=error)
    except RegistryError:
        return JobPlan()


def _elsewhere(cluster: Cluster, name: str | None, namespace: str | None) -> tuple[str, ...] | RegistryError:
    """Return the other namespaces that have a registry of that name."""
    if not name:
        return ()
    registries = _listed(cluster, "ModelRegistry", f"metadata.name={name}")
    if isinstance(registries, RegistryError):
        return registries
    return tuple(
        item["metadata"]["namespace"] for item in registries or () if item["metadata"]["namespace"] != namespace
    )


def _clash(wanted: Wanted, registry: Object | RegistryError | None) -> RegistryError | None:
    """Return why the registry of a derived name may be another than is meant."""
    if wanted.derived_from is None or not isinstance(registry, dict):
        return None
    return name_clash(registry, wanted.derived_from)


def database_to_check(
    wanted: Wanted, registry: Object | RegistryError | None, odd_field: str | None, clash: RegistryError | None
) -> tuple[Database | None, tuple[InvalidInput, ...]]:
    """Return the database as the registry will use it, if that is known, and the errors in the options.

    A new registry without one is an error, as it is when it is created. An edit of a registry that does not exist is not: that
    has a finding of its own. If a registry cannot be
    read or understood, the type of its database is not known. If there is a clash, the password is that of another registry.
    """
    is_unknown = isinstance(registry, RegistryError) or odd_field is not None
    is_untyped = is_unknown and not (wanted.database and wanted.database.type)
    is_missing = registry is None and wanted.job == "update" and wanted.known_name is not None
    is_unsaid = wanted.database is None and not isinstance(registry, dict)
    if (
        is_unsaid
        and registry is None
        and wanted.job == "create"
        and wanted.known_name
        and not wanted.is_database_invalid
    ):
        why = "a registry needs a database and none is given"
        return None, (*wanted.invalid, InvalidInput("database", why, "Give database with type mysql or postgres."))
    if clash or is_untyped or is_missing or is_unsaid or wanted.is_database_invalid:
        return None, wanted.invalid
    if wanted.job not in ("create", "update"):
        return None, wanted.invalid
    try:
        return effective_database(wanted.database, registry if isinstance(registry, dict) else None), wanted.invalid
    except InvalidInput as error:
        return None, (*wanted.invalid, error)


def _rights(wanted: Wanted, database: Database | None, namespace: str) -> list[AccessRule]:
    """Return the rights for the job, and for the check of its database before it."""
    host = str(database.host) if database is not None and not database.generate else ""
    path = path_rights(wanted.via, host, namespace) if host else []
    return [*rights_for(wanted.job, wanted.known_name, wanted.database), *path]


def _missing(cluster: Cluster, rights: list[AccessRule], namespace: str) -> tuple[AccessRule, ...]:
    """Return the rights that the user lacks.

    One request lists the user's rules in a namespace. The list may be incomplete, so other rights are reviewed one by
    one.
    """
    rules = {}
    for place in {right.namespace or namespace for right in rights}:
        review = cluster.self_review("SelfSubjectRulesReview", {"namespace": place})
        rules[place] = review.get("resourceRules") or ()
    doubtful = [right for right in rights if not allowed_by(right, rules[right.namespace or namespace])]

    def allowed(right: AccessRule) -> bool:
        spec = {"resourceAttributes": {**right.attributes, "namespace": right.namespace or namespace}}
        return cluster.review("SelfSubjectAccessReview", None, spec).allowed

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(allowed, doubtful))
    return tuple(right for right, answer in zip(doubtful, answers) if not answer)


def _dry_run(
    cluster: Cluster,
    wanted: Wanted,
    namespace: str | None,
    registry: Object | RegistryError | None,
    planned: Change | None,
) -> DryRun:
    """Send a dry run of what the job will write: it calls the operator's webhooks, and stores nothing.

    planned: the change that the job plans, if it is known; another one that calls the webhooks stands in for it.
    """
    if namespace is None or wanted.job not in ("create", "update") or wanted.invalid:
        return DryRun()
    try:
        if planned is not None:
            change = planned
        elif isinstance(registry, dict):
            change = Change("ModelRegistry", namespace, registry["metadata"]["name"], "patch", {})
        elif wanted.job == "create" and registry is None:
            change = _creation(cluster, wanted, namespace)
        else:
            return DryRun()
        cluster.write(change, dry_run=True)
    except Conflict:
        # Another client wrote it meanwhile: the job reads it again.
        return DryRun()
    except RegistryError as error:
        return DryRun(True, error)
    return DryRun(True)


def _creation(cluster: Cluster, wanted: Wanted, namespace: str) -> Change:
    """Return the creation of a registry of the name, or of an unused one. Its database is never contacted."""
    name = wanted.name or f"preflight-{secrets.token_hex(4)}"
    database = Database(type="mysql", host="localhost", name="preflight", username="preflight")
    body = wanted_registry(Registry(name, database=database), cluster.version(), {})
    change = creation_of(body, namespace, name)
    # Without fields of its own, rest would count as missing; all versions but the newest v1beta1 need grpc.
    spec = {"rest": {}, "grpc": {}, **change.body["spec"]}
    return Change(change.kind, namespace, name, "create", {**change.body, "spec": spec})


def keys_read(
    wanted: Wanted, database: Database | None, registry: Object | RegistryError | None, openshift: bool | None
) -> Iterator[StoredKey]:
    """Yield the keys of Secrets and ConfigMaps that the registry's pods will read."""
    yield from database_keys(database or Database()).values()
    settings = wanted.proxy or ProxySettings()
    for option, given in (("certificate_secret", settings.certificate), ("key_secret", settings.key)):
        if given is not None:
            yield StoredKey("Secret", given, f"auth_proxy_settings.{option}")
    spec = registry.get("spec") or {} if isinstance(registry, dict) else None
    if wanted.known_name and openshift is False and lacks_certificate(wanted.registry, spec):
        for key in ("tls.crt", "tls.key"):
            yield StoredKey("Secret", KeyRef(proxy_secret(wanted.known_name), key), "auth_proxy")


def _sources(
    cluster: Cluster, namespace: str, database: Database | None, keys: Iterable[StoredKey]
) -> Iterator[Source]:
    """Yield what the registry server will read from Secrets and ConfigMaps."""
    tls = database.tls if database else None
    verified = bool(tls and (verifies(tls) or tls.mode in ("verify-ca", "verify-full")))
    for key in keys:
        yield Source(key, _item(cluster, namespace, key), verified)


def _item(cluster: Cluster, namespace: str, key: StoredKey) -> Object | Forbidden | None:
    try:
        return cluster.get(key.kind, namespace, key.ref.name)
    except Forbidden as error:
        return error


def _password(cluster: Cluster, namespace: str, database: Database) -> Iterator[Finding]:
    """Yield findings about a password that the registry server cannot use. It is given, or in a readable Secret."""
    password, key = database.password or "", database_keys(database).get("password")
    if key:
        item = _item(cluster, namespace, key)
        value = None if isinstance(item, Forbidden) else read_key(item, key.ref.key)
        password = (value or b"").decode(errors="replace")
    yield from breaking(
        password, database, str(key or "database.password"), lambda: find_server_version(cluster, namespace)
    )
