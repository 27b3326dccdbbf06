# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry says of itself, good or bad: the real registry server on real MySQL, and the double's words for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from registries import Registries, condition
from testbed.api import ApiError
from testbed.bed import Testbed
from testbed_fixtures import Servers

POD = r"Deployment is unavailable: pod {name}-\S+ "
NOT_READY = (
    POD + r"containers not ready: \{{reason: ContainersNotReady, "
    r"message: containers with unready status: \[.*rest-container.*\]\}}"
)
UNREADY = POD + r"has unready containers \[.*rest-container: \{{"
CRASHED = UNREADY + r"(waiting: \{{reason: CrashLoopBackOff|terminated: \{{reason: Error).*"
CONFIGURATION = UNREADY + r"waiting: \{{reason: CreateContainerConfigError, message: "


@dataclass(frozen=True)
class Failure:
    """One way to get a registry wrong, and what is then to be seen."""

    prepare: Callable[[Registries, str], None]
    mysql: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    reason: str = "DeploymentUnavailable"
    message: str = f"{NOT_READY}|{CRASHED}"
    """Of the condition Available, a regular expression with {name}."""
    log: str = ""
    """What the registry server writes, a regular expression."""


def good_database(registries: Registries, name: str) -> None:
    registries.make_database(name)
    registries.make_secret(name)


def wrong_password(registries: Registries, name: str) -> None:
    registries.make_database(name)
    registries.make_secret(name, "not the password")


def no_database(registries: Registries, name: str) -> None:
    good_database(registries, name)
    registries.sql(f"GRANT ALL ON *.* TO '{name}'@'%'", f"DROP DATABASE `{name}`")


def not_granted(registries: Registries, name: str) -> None:
    good_database(registries, name)
    registries.sql(f"REVOKE ALL ON `{name}`.* FROM '{name}'@'%'")


def no_create(registries: Registries, name: str) -> None:
    registries.make_database(name, grant="SELECT, INSERT, UPDATE, DELETE")
    registries.make_secret(name)


def latin1(registries: Registries, name: str) -> None:
    registries.make_database(name, charset="latin1")
    registries.make_secret(name)


def no_secret(registries: Registries, name: str) -> None:
    registries.make_database(name)


FAILURES = {
    "wrong-password": Failure(
        wrong_password,
        log=r"Error 1045 \(28000\): Access denied for user 'wrong-password'@'10\.88\.\d+\.\d+' \(using password: YES\)",
    ),
    "no-database": Failure(no_database, log=r"Error 1049 \(42000\): Unknown database 'no-database'"),
    "not-granted": Failure(
        not_granted, log=r"Error 1044 \(42000\): Access denied for user 'not-granted'@'%' to database 'not-granted'"
    ),
    "no-create": Failure(
        no_create,
        reason="ResourcesAlert",
        message=r"rest container alert: .*\{{\{{ALERT\}}\}}.*Error 1142 \(42000\): CREATE command denied.*",
        log=r"\{\{ALERT\}\} error connecting to datastore: .*Error 1142 \(42000\): CREATE command denied to user 'no-create'",
    ),
    "latin1": Failure(
        latin1,
        reason="ResourcesAlert|DeploymentUnavailable",
        message=rf"rest container alert: .*|{NOT_READY}|{CRASHED}",
        log=r"Error 1267 \(HY000\): Illegal mix of collations|Dirty database version \d+\. Fix and force version",
    ),
    "missing-secret": Failure(
        no_secret,
        message=CONFIGURATION + r"secret \"{name}-db\" not found\}}\}}\]",
    ),
    "missing-key": Failure(
        good_database,
        mysql={"passwordSecret": {"name": "missing-key-db", "key": "nothing"}},
        message=CONFIGURATION + r"couldn't find key nothing in Secret \S+/{name}-db\}}\}}\]",
    ),
    "no-such-host": Failure(
        good_database,
        mysql={"host": "nowhere.databases.svc.cluster.local"},
        log=r"dial tcp: lookup nowhere\.databases\.svc\.cluster\.local on 10\.88\.0\.1:53: no such host",
    ),
    "closed-port": Failure(
        good_database, mysql={"port": 3999}, log=r"dial tcp 10\.88\.\d+\.\d+:3999: connect: connection refused"
    ),
    "unknown-image": Failure(
        good_database,
        rest={"image": "example/unknown:1"},
        message=UNREADY + r"waiting: \{{reason: (ErrImagePull|ImagePullBackOff), .*",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure(registries: Registries, name: str) -> None:
    failure = FAILURES[name]
    failure.prepare(registries, name)
    body = registries.body(name, **failure.mysql)
    body["spec"]["rest"] = failure.rest
    registries.create(body)
    message = re.compile(failure.message.format(name=name), re.DOTALL)

    def reported() -> bool:
        status, reason, text = condition(registries.get(name))
        assert status == "False"
        assert re.fullmatch(failure.reason, reason), reason
        assert message.fullmatch(text), text
        return True

    registries.bed.until(f"{name} reported", reported)
    if failure.log:
        registries.bed.until(f"{name} in the log", lambda: re.search(failure.log, registries.log(name)))


def test_a_half_way_migration_leaves_a_dirty_schema(registries: Registries) -> None:
    """The first run has the database's words, every further one only says that the schema is dirty."""
    latin1(registries, "dirty")
    registries.create(registries.body("dirty"))
    registries.bed.until("said", lambda: "Dirty database version" in registries.log("dirty"))
    assert registries.sql("SELECT dirty FROM dirty.schema_migrations") == [(1,)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "1digit",
            r'unexpected reconcile error: Service "1digit" is invalid: metadata.name: Invalid value: "1digit": a DNS-1035 label must',
        ),
        (
            "a" * 50,
            rf'unexpected reconcile error: Role\S* "registry-user-{"a" * 50}" is invalid: .*must be no more than 63',
        ),
        ("a" * 64, rf'unexpected reconcile error: ServiceAccount "{"a" * 64}" is invalid: .*must be no more than 63'),
    ],
)
def test_bad_name(registries: Registries, name: str, words: str) -> None:
    """The API takes these names; what the operator makes of them cannot have them."""
    registries.create(registries.body(name))

    def reported() -> bool:
        status, reason, message = condition(registries.get(name))
        return status == "False" and reason == "DeploymentUnavailable" and bool(re.match(words, message, re.DOTALL))

    registries.bed.until(f"{name}: {words}", reported)


def test_name_of_49_characters(registries: Registries) -> None:
    name = "a" * 49
    good_database(registries, name[:32])
    body = registries.body(
        name,
        database=name[:32],
        username=name[:32],
        passwordSecret={"name": f"{name[:32]}-db", "key": "database-password"},
    )
    registries.create(body)
    registries.available(name)


def test_good(registries: Registries) -> None:
    """A good registry: conditions, hosts, everything that belongs to it, and a server that works."""
    registries.make("good")
    registry = registries.available("good")
    assert condition(registry)[1:] == ("DeploymentAvailable", "Deployment is available")
    assert condition(registry, "Progressing")[1:] == ("CreatedDeployment", "Deployment was successfully created")
    assert condition(registry, "KubeRBACProxyAvailable")[:2] == ("True", "ResourcesAvailable")
    assert "observedGeneration" not in registry["status"]
    namespace = registries.namespace
    assert {"good", f"good.{namespace}", f"good.{namespace}.svc.cluster.local"} <= set(registry["status"]["hosts"])
    assert registry["status"]["hostsStr"] == ",".join(registry["status"]["hosts"])
    assert registry["metadata"]["finalizers"] == ["modelregistry.opendatahub.io/finalizer"]
    assert registry["spec"]["kubeRBACProxy"]["port"] == 8443, "the operator adds the proxy on OpenShift"
    assert registry["spec"]["mysql"]["port"] == 3306, "the API's default"
    status, health = registries.rest("good", "GET", "/readyz/health")
    assert status == 200, health
    status, model = registries.rest("good", "POST", "/api/model_registry/v1alpha3/registered_models", {"name": "m"})
    assert status == 201, model
    assert registries.sql("SELECT name FROM good.Context WHERE name = 'm'") == [("m",)]


OWNED = {
    ("apps/v1", "Deployment", "objects"),
    ("v1", "Service", "objects"),
    ("v1", "ServiceAccount", "objects"),
    ("rbac.authorization.k8s.io/v1", "Role", "registry-user-objects"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "objects-users"),
}
LABELS = {
    "app": "objects",
    "component": "model-registry",
    "app.kubernetes.io/name": "objects",
    "app.kubernetes.io/component": "model-registry",
    "app.kubernetes.io/part-of": "model-registry",
    "app.kubernetes.io/created-by": "model-registry-operator",
    "app.kubernetes.io/managed-by": "model-registry-operator",
}


def test_objects(registries: Registries) -> None:
    """Everything that the operator makes: labels, owner, the Role's rules, the Group; all of it goes with the registry."""
    api, namespace = registries.api, registries.namespace
    uid = registries.make("objects")["metadata"]["uid"]
    registries.available("objects")
    for version, kind, name in OWNED:
        found = api.get(version, kind, name, namespace)
        assert found, f"{kind} {name} is missing"
        assert LABELS.items() <= found["metadata"]["labels"].items(), kind
        assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [uid], kind
    policies = api.list("networking.k8s.io/v1", "NetworkPolicy", namespace, labelSelector="app=objects")
    assert policies and all(p["metadata"]["ownerReferences"][0]["uid"] == uid for p in policies)
    role = api.get("rbac.authorization.k8s.io/v1", "Role", "registry-user-objects", namespace)
    assert role
    rules = {
        (resource, *rule["verbs"], *rule["resourceNames"]) for rule in role["rules"] for resource in rule["resources"]
    }
    assert rules == {("services", "get", "objects"), ("endpoints", "get", "objects")}
    binding = api.get("rbac.authorization.k8s.io/v1", "RoleBinding", "objects-users", namespace)
    assert binding
    assert [(s["kind"], s["name"]) for s in binding["subjects"]] == [("Group", "objects-users")]
    group = api.get("user.openshift.io/v1", "Group", "objects-users")
    assert group and group["users"] in ([], None)
    api.patch({**group, "users": ["alice"]})

    api.delete(registries.version, "ModelRegistry", "objects", namespace)
    registries.bed.until("registry gone", lambda: registries.get("objects") is None)
    assert api.get("user.openshift.io/v1", "Group", "objects-users") is None, (
        "the finalizer takes the Group with its members"
    )
    for version, kind, name in OWNED:
        registries.bed.until(f"{kind} gone", lambda v=version, k=kind, n=name: api.get(v, k, n, namespace) is None)  # type: ignore[misc]
    assert api.get("v1", "Secret", "objects-db", namespace), "the password Secret stays"
    assert registries.sql("SHOW DATABASES LIKE 'objects'"), "the database stays"


def test_edit_can_leave_a_stale_available(registries: Registries) -> None:
    """After an edit Available=True can be the old pod's: there is no observedGeneration to tell."""
    registries.make("stale")
    registries.available("stale")
    registries.bed.stop("operator")
    try:
        # The webhooks are the operator's: without them no write is taken, as in reality.
        with pytest.raises(ApiError, match="failed calling webhook"):
            registries.api.patch({**registries.body("stale"), "spec": {"mysql": {"database": "nowhere"}}})
    finally:
        registries.bed.start("operator")
    host, port = "10.88.0.1", 9443
    registries.bed.until("webhooks", lambda: _connects(registries.bed, host, port))
    edited = registries.api.patch({**registries.body("stale"), "spec": {"mysql": {"database": "nowhere"}}})
    assert condition(edited)[0] == "True"

    def new_pod_fails() -> bool:
        pods = registries.pods("stale")
        return len(pods) == 2 and any("Error 1044" in registries.log_of(pod) for pod in pods)

    registries.bed.until("the new pod fails beside the old one", new_pod_fails)
    assert condition(registries.get("stale"))[0] == "True"
    registries.api.patch({**registries.body("stale"), "spec": {"mysql": {"database": "stale"}}})
    registries.bed.until("one pod again", lambda: len(registries.pods("stale")) == 1)


def _connects(bed: Testbed, host: str, port: int) -> bool:
    try:
        bed.connect(host, port).close()
    except OSError:
        return False
    return True


def test_failing_finalizer(registries: Registries) -> None:
    """A deletion that hangs: the registry stays with its finalizer and its deletion timestamp until the cause is gone."""
    words = 'no matches for kind "HTTPRoute" in version "gateway.networking.k8s.io/v1"'
    body = registries.body("hanging")
    body["metadata"]["annotations"] = {"testbed.opendatahub.io/failing-finalizer": words}
    registries.create(body)
    registries.bed.until("finalizer", lambda: (registries.get("hanging") or {})["metadata"].get("finalizers"))
    registries.api.delete(registries.version, "ModelRegistry", "hanging", registries.namespace)
    registries.bed.until(
        "degraded", lambda: condition(registries.get("hanging"), "Degraded")[:2] == ("Unknown", "Finalizing")
    )
    registries.bed.until(
        "said in the operator's log", lambda: words in registries.bed.log("operator").replace('\\"', '"')
    )
    hanging = registries.get("hanging")
    assert hanging and hanging["metadata"]["deletionTimestamp"]
    registries.api.patch(
        {
            **registries.body("hanging"),
            "metadata": {**body["metadata"], "annotations": {"testbed.opendatahub.io/failing-finalizer": None}},
            "spec": {},
        }
    )
    registries.bed.until("gone", lambda: registries.get("hanging") is None)


def test_rotated_password_needs_a_restart(registries: Registries) -> None:
    """A changed Secret does nothing until the pods are restarted; a rollout restart survives the operator."""
    registries.make("rotated")
    registries.available("rotated")
    first = registries.pod("rotated")["metadata"]["name"]
    registries.sql("ALTER USER 'rotated'@'%' IDENTIFIED BY 'another one'")
    registries.make_secret("rotated", "another one")
    assert registries.pod("rotated")["metadata"]["name"] == first
    template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}
    restart = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "rotated", "namespace": registries.namespace},
        "spec": {"template": template},
    }
    registries.api.patch(restart)

    def rolled_out() -> bool:
        deployment = registries.api.get("apps/v1", "Deployment", "rotated", registries.namespace)
        assert deployment
        assert deployment["status"].get("observedGeneration") == deployment["metadata"]["generation"]
        counts = {deployment["status"].get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")}
        assert deployment["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]
        return counts == {1}

    registries.bed.until("rolled out", rolled_out)
    assert registries.pod("rotated")["metadata"]["name"] != first
    assert registries.rest("rotated", "GET", "/readyz/health")[0] == 200


def test_unique_over_all_namespaces(registries: Registries) -> None:
    registries.make("unique")
    body = registries.body("unique")
    body["metadata"]["namespace"] = "data-science"
    with pytest.raises(ApiError, match=f"registry named unique already exists in namespace {registries.namespace}"):
        registries.api.create(body)


def test_unknown_fields_are_refused_only_with_strict(registries: Registries) -> None:
    body = registries.body("strict", nonsense=1)
    path = registries.api.path(registries.version, "ModelRegistry", registries.namespace)
    with pytest.raises(ApiError, match='unknown field "spec.mysql.nonsense"') as refused:
        registries.api.request("POST", f"{path}?fieldValidation=Strict&dryRun=All", body)
    assert refused.value.status == 400
    stored = registries.api.request("POST", f"{path}?dryRun=All", body)
    assert "nonsense" not in stored["spec"]["mysql"]


@pytest.mark.parametrize("server", ["mysql-5.7", "mariadb-10.11"])
def test_other_servers(registries: Registries, servers: Servers, server: str) -> None:
    service = servers(server)
    registries.make(f"on-{service}", service=service)
    registries.available(f"on-{service}")
    assert registries.rest(f"on-{service}", "GET", "/readyz/health")[0] == 200


def test_bare_host_name_is_of_the_registries_namespace(registries: Registries) -> None:
    """A bare name resolves in the registry's own namespace alone."""
    good_database(registries, "bare")
    address = registries.bed.address("mysql-80", "databases")
    meta = {"name": "local-mysql", "namespace": registries.namespace}
    port = {"name": "sql", "port": 3306}
    registries.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [port]}})
    registries.api.apply(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": meta,
            "subsets": [{"addresses": [{"ip": address}], "ports": [port]}],
        }
    )
    registries.create(registries.body("bare", host="local-mysql"))
    registries.available("bare")


def test_generated_postgres(registries: Registries) -> None:
    """The operator runs a database itself; it, its claim and its password go with the registry."""
    body = registries.body("generated")
    body["spec"] = {
        "rest": {},
        "postgres": {"generateDeployment": True, "database": "model_registry", "username": "modelregistry"},
    }
    registries.create(body)
    registries.available("generated", 120)
    claims = registries.api.list("v1", "PersistentVolumeClaim", registries.namespace)
    (claim,) = [c for c in claims if c["metadata"].get("ownerReferences", [{}])[0].get("name") == "generated"]
    assert claim["status"]["phase"] == "Bound"
    assert registries.rest("generated", "GET", "/readyz/health")[0] == 200
    registries.api.delete(registries.version, "ModelRegistry", "generated", registries.namespace)
    registries.bed.until(
        "claim gone",
        lambda: (
            registries.api.get("v1", "PersistentVolumeClaim", claim["metadata"]["name"], registries.namespace) is None
        ),
    )
