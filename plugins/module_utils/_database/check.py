# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a database as a registry would use it: its configuration, the path to it, its state and the findings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Callable

from .._common.errors import Forbidden, InvalidInput, NotFound, RegistryError
from .._common.finding import OPTIONS, PRODUCT, UNSEEN, Finding, finding_result
from .._common.model import Database, Object
from .._common.references import DATABASE_ROLE
from .._kubernetes.client import Cluster
from .._kubernetes.dns import SERVICE, Host, host_of, service_of
from .._registry.export import database_of
from .._registry.namespace import registries_namespace_name
from .._registry.shape import misfit, not_understood, without_nulls
from .._registry.stored_keys import database_keys
from .connection import Path, direct, port_forward, relay
from .credentials import Credentials, read_credentials
from .effective import effective_database
from .host import DIRECT, PORT_FORWARD, RELAY, Backend, ServiceState, choose_path, resolve_backend, wrong_form
from .inspection import Inspection, Subject
from .mysql import client as mysql
from .mysql.connection import require_pymysql
from .password_rules import breaking, withheld
from .plugin_requirement import Requirement
from .postgres import client as postgres
from .read_requirement import find_requirement, find_server_version
from .relay import Relay

__all__ = ["Check", "CheckResult", "LazyCluster", "check"]


@dataclass(frozen=True)
class Check:
    """What to check, and how."""

    given: Database | None
    registry: str | None
    via: str
    required_plugin: str
    timeout: int
    """Seconds for the check itself, once the path is up."""
    relay: Callable[[str, int], Relay] | None
    """Makes the relay to a host and port; None if none may be created."""


@dataclass
class CheckResult:
    """The results of a check, as far as it got."""

    findings: list[Object] = field(default_factory=list)
    facts: Object = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)
    """What was seen to be right, in a few words each."""
    connection: Object = field(default_factory=dict)
    """path and reason."""
    requirement: Object = field(default_factory=dict)
    """plugin and reason."""
    database: Object = field(default_factory=dict)
    """type, host, port, name and username of what was checked."""
    warnings: list[str] = field(default_factory=list)
    error: RegistryError | None = None
    """Why the check could not be made at all. A database that cannot be reached from here is a finding instead."""

    @property
    def unchecked(self) -> list[str]:
        """What the user must not take as checked."""
        return [
            f"{finding['what']}: {finding['why']}. {finding['remedy']}"
            for finding in self.findings
            if finding["code"] == "not_checked"
        ]


class LazyCluster:
    """The cluster and the registries namespace. Neither is looked up before it is needed."""

    def __init__(self, connect: Callable[[], Cluster], namespace: str | None) -> None:
        self._connect = connect
        self._given = namespace
        self._cluster: Cluster | None = None

    @property
    def cluster(self) -> Cluster:
        """The connection, opened on first use."""
        if self._cluster is None:
            self._cluster = self._connect()
        return self._cluster

    @property
    def namespace(self) -> str:
        """The registries namespace."""
        if self._given is None:
            self._given = registries_namespace_name(self.cluster, None)
        return self._given

    def read(self, kind: str, name: str) -> Object | None:
        """Return an object of the registries namespace."""
        return self.cluster.get(kind, self.namespace, name)


def check(wanted: Check, place: LazyCluster, conceal: Callable[[str], None]) -> CheckResult:
    """Check the database. conceal: called with each secret that is read."""
    run = _Run(wanted, place)
    try:
        run.check(conceal)
    except RegistryError as error:
        run.result.error = error
        if isinstance(error, InvalidInput):
            run.refuse(error)
    return run.result


class _Run:
    """One check, and its results so far."""

    def __init__(self, wanted: Check, place: LazyCluster) -> None:
        self._wanted, self._place = wanted, place
        self.result = CheckResult()

    def check(self, conceal: Callable[[str], None]) -> None:
        """Check the database. Raises an error if that cannot be done at all."""
        registry = _registry(self._wanted.registry, self._place)
        database = effective_database(self._wanted.given, registry)
        self.result.database = {name: getattr(database, name) for name in ("type", "host", "port", "name", "username")}
        if database.generate:
            self._add(_generated(database))
            return
        kept_back = _kept_back(database, registry, self._place)
        credentials = _credentials(database, self._place, kept_back, conceal)
        self._add(*credentials.findings, *_breaking(database, credentials, registry, self._place))
        requirement = _requirement(self._wanted.required_plugin, database, self._place)
        self.result.requirement = {"plugin": requirement.plugin, "reason": requirement.why}
        wrong = wrong_form(str(database.host))
        if wrong is not None:
            # Whatever answers at another host is not this database.
            self._add(wrong)
            return
        if database.type == "mysql":
            require_pymysql()
        self._connect(Subject(database, credentials, requirement.plugin, self._wanted.timeout))
        if kept_back:
            self._add(_without_password(database, kept_back))
        elif credentials.lacks:
            self._add(_without_login(database, credentials))

    def _add(self, *troubles: Finding) -> None:
        """Record findings that are known without the database itself."""
        path = self.result.connection.get("path", "")
        self.result.findings += [finding_result(trouble, checked_as="", path=path) for trouble in troubles]

    def refuse(self, error: InvalidInput) -> None:
        """Record that the options are wrong: no registry can be made with them."""
        self._add(Finding("option_invalid", "blocker", error.what, error.why, error.next_step, OPTIONS))

    def _connect(self, subject: Subject) -> None:
        """Inspect the database on the path to it. If none is open, that is a finding.

        Raises an error if the user has chosen the path by name and it cannot be used.
        """
        database, via = subject.database, self._wanted.via
        try:
            if via in (PORT_FORWARD, RELAY):
                # A relay is reached by a port-forward: make sure that one is possible before creating the relay's pod.
                self._place.cluster.check_port_forward()
            host, backend = _resolve_host(database, via, self._place)
            self._add(*backend.findings)
            if not backend.findings:
                self._inspect(subject, host, backend)
        except InvalidInput:
            raise
        except RegistryError as error:
            is_of_pod = isinstance(error, Forbidden) and via != RELAY
            refused = _rights(database, error, self._place) if is_of_pod else error
            if via != "auto":
                raise refused from None
            step = f"{refused.next_step}\nOr give via: direct, or via: relay with relay_image."
            self._add(_not_checked(database, f"it was not checked: {refused.what}: {refused.why}", step))

    def _inspect(self, subject: Subject, host: Host, backend: Backend) -> None:
        """Inspect the database on the best path, and from a pod if that proves more and a relay is offered."""
        chosen, why = choose_path(self._wanted.via, host, backend)
        self.result.connection = {"path": chosen, "reason": why}
        lacks = postgres.psycopg_missing(subject.database)
        if lacks is not None:
            self._add(lacks)
            return
        path = self._path(chosen, subject, host, backend)
        if path is None:
            why = "check mode does not create the relay's pod"
            self._add(_not_checked(subject.database, why, "Run it without check mode."))
            return
        seen = _inspection(subject, path)
        if self._wanted.via == "auto" and seen.is_doubtful:
            seen = self._seen_by_pod(subject, self._path(RELAY, subject, host, backend)) or seen
        self.result.facts, self.result.passed = seen.facts, seen.passed
        self.result.findings += seen.findings

    def _seen_by_pod(self, subject: Subject, by_relay: AbstractContextManager[Path] | None) -> Inspection | None:
        """Return what a pod sees of the database; None if no relay is offered, or none can be made: that is a finding."""
        if by_relay is None:
            return None
        try:
            self._place.cluster.check_port_forward()
            seen = _inspection(subject, by_relay)
        except RegistryError as error:
            why = f"it was not checked from a pod, which would prove more: {error.what}: {error.why}"
            self._add(_not_checked(subject.database, why, error.next_step))
            return None
        first = self.result.connection["path"]
        why = f"what was refused on the path {first} may hold for its address alone, and the pods have others"
        self.result.connection = {"path": RELAY, "reason": why}
        return seen

    def _path(self, chosen: str, subject: Subject, host: Host, backend: Backend) -> AbstractContextManager[Path] | None:
        """Return a path that is not open yet; None if it needs a relay and none may be made."""
        port = int(subject.database.port or 0)
        if chosen == RELAY:
            if self._wanted.relay is None:
                return None
            wanted = self._wanted.relay(host.dialled, port)
            return relay(self._place.cluster, self._place.namespace, wanted, self.result.warnings.append)
        if chosen == PORT_FORWARD and backend.pod is not None:
            return port_forward(self._place.cluster, backend.pod)
        address = backend.address if self._wanted.via == "auto" and backend.address else (host.dialled, port)
        return direct(*address)


def _inspection(subject: Subject, path: AbstractContextManager[Path]) -> Inspection:
    inspect = mysql.inspect if subject.database.type == "mysql" else postgres.inspect
    with path as opened:
        return inspect(subject, opened)


def _registry(name: str | None, place: LazyCluster) -> Object | None:
    if name is None:
        return None
    found = place.read("ModelRegistry", name)
    if found is None:
        why = f"there is no registry of that name in namespace {place.namespace}"
        raise NotFound(f"ModelRegistry {name}", why, "Correct registry, or give database.")
    plain: Object = without_nulls(found)
    field = misfit(plain)
    if field is not None:
        odd = not_understood(name, field)
        raise RegistryError(odd.what, odd.why, odd.remedy)
    return plain


def _kept_back(database: Database, registry: Object | None, place: LazyCluster) -> str:
    """Return why the password of the database's Secret is not sent to it; empty if it may be."""
    if database.password_secret is None:
        return ""
    if registry is not None and not withheld(database, [registry]) and _is_of(database, registry):
        return ""
    try:
        registries = place.cluster.list("ModelRegistry", place.namespace)[0]
    except Forbidden:
        return "the user may not list ModelRegistries, so its owner is not known"
    except NotFound:
        # The cluster does not serve ModelRegistry.
        return ""
    return withheld(database, registries)


def _is_of(database: Database, registry: Object) -> bool:
    """Return whether the registry logs in with the Secret that the database names."""
    return database_of(registry.get("spec") or {}).password_secret == database.password_secret


def _credentials(database: Database, place: LazyCluster, kept_back: str, conceal: Callable[[str], None]) -> Credentials:
    """Read the credentials for the check. A password that must not be sent is not even read."""
    readable = replace(database, password_secret=None) if kept_back else database
    credentials = read_credentials(place.read, readable, conceal)
    if kept_back and database.password_secret is not None:
        credentials = replace(credentials, lacks=(*credentials.lacks, f"Secret {database.password_secret.name}"))
    return credentials


def _breaking(
    database: Database, credentials: Credentials, registry: Object | None, place: LazyCluster
) -> Iterator[Finding]:
    """Yield findings about a password that the registry server cannot use."""
    what = str(database_keys(database).get("password", "database.password"))
    name = registry["metadata"]["name"] if registry else ""
    password = credentials.password.decode(errors="replace")
    yield from breaking(password, database, what, lambda: find_server_version(place.cluster, place.namespace, name))


def _generated(database: Database) -> Finding:
    why = "the operator runs this database and creates its account"
    return Finding(
        "generated_database", "info", f"{database.type} database", why, "Nothing has to be prepared.", PRODUCT
    )


def _requirement(asked: str, database: Database, place: LazyCluster) -> Requirement:
    if database.type != "mysql":
        return Requirement("any", "only MySQL has authentication plugins")
    if asked != "auto":
        return Requirement(asked, "the task requests it")
    return find_requirement(place.cluster, place.namespace)


def _resolve_host(database: Database, via: str, place: LazyCluster) -> tuple[Host, Backend]:
    """Return the host and its backend in the cluster. Missing rights are no error on a path that needs no pod."""
    given = str(database.host)
    bare = "." not in given and ":" not in given
    host = host_of(given, place.namespace if bare else "")
    short = service_of(given) if via not in (DIRECT, RELAY) else None
    if short is not None:
        return _resolve_short_host(host, short, int(database.port or 0), place)
    if host.kind != SERVICE:
        return host, Backend()
    try:
        state = _service_state(place.cluster, host)
    except Forbidden:
        if via not in (DIRECT, RELAY):
            raise
        return host, Backend()
    return host, resolve_backend(host, int(database.port or 0), state)


def _resolve_short_host(host: Host, short: Host, port: int, place: LazyCluster) -> tuple[Host, Backend]:
    """Treat a name of two parts as a Service's if the user sees such a Service, and as a DNS name otherwise."""
    try:
        service = place.cluster.get("Service", short.namespace, short.service)
        if service is None:
            return host, Backend()
        endpoints = place.cluster.get("Endpoints", short.namespace, short.service)
    except RegistryError:
        return host, Backend()
    return short, resolve_backend(short, port, ServiceState(service, endpoints))


def _service_state(cluster: Cluster, host: Host) -> ServiceState:
    service = cluster.get("Service", host.namespace, host.service)
    if service is None:
        return ServiceState(None, elsewhere=_elsewhere(cluster, host))
    return ServiceState(service, cluster.get("Endpoints", host.namespace, host.service))


def _elsewhere(cluster: Cluster, host: Host) -> tuple[str, ...]:
    """Return the namespaces that have a Service of that name, as far as the user may see."""
    try:
        services = cluster.list("Service", field_selector=f"metadata.name={host.service}")[0]
    except Forbidden:
        return ()
    return tuple(sorted(item["metadata"]["namespace"] for item in services))


def _rights(database: Database, error: RegistryError, place: LazyCluster) -> RegistryError:
    """Name all rights that a port-forward needs, not only the one refused first."""
    host = host_of(str(database.host), place.namespace)
    if host.kind != SERVICE:
        return error
    step = f"For a port-forward, apply {DATABASE_ROLE} in namespace {host.namespace}, or give the user a Role there with these rules:"
    rules = (
        '- {apiGroups: [""], resources: [services, endpoints], verbs: [get]}',
        '- {apiGroups: [""], resources: [pods/portforward], verbs: [get, create]}',
    )
    return Forbidden(error.what, error.why, "\n".join([step, *rules]))


def _without_login(database: Database, credentials: Credentials) -> Finding:
    what = f"account {database.username} and database {database.name}"
    why = f"only the connection to the server was checked, without a login: {' and '.join(credentials.lacks)} cannot be read"
    return Finding("not_checked", "warning", what, why, "Fix that, then check again.", UNSEEN)


def _without_password(database: Database, why: str) -> Finding:
    name = database.password_secret.name if database.password_secret else ""
    what = f"account {database.username} and database {database.name}"
    text = f"only the connection to the server was checked, without a login: the password in Secret {name} is kept back, because {why}"
    step = "Give the account's password as database.password, or correct database.host, port and username."
    return Finding("not_checked", "warning", what, text, step, UNSEEN)


def _not_checked(database: Database, why: str, step: str) -> Finding:
    return Finding("not_checked", "warning", f"database {database.name} on {database.host}", why, step, UNSEEN)
