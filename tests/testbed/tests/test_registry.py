# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Good registries: their status, their objects, edits and deletion. The bad ones are in test_failures."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from registries import OBJECTS, Registries, condition, conditions, labels
from testbed.api import ApiError, Object
from testbed.bed import Testbed
from testbed_fixtures import Servers

RBAC = "rbac.authorization.k8s.io/v1"
LONGEST = "a" * 48
SERVERS = ("mysql-5.7", "mariadb-10.11")


@pytest.fixture(scope="module")
def made(bed: Testbed, servers: Servers) -> Iterator[dict[str, Object]]:
    """Make the good registries of this module, and yield them as created: all at once takes hardly longer than one."""
    registries = Registries(bed)
    found = {name: registries.make(name) for name in ("good", "objects", "edited", "stale", "rotated")}
    found[LONGEST] = _make_longest(registries)
    found["bare"] = _make_bare(registries)
    found["generated"] = _make_generated(registries)
    for service in map(servers, SERVERS):
        found[f"on-{service}"] = registries.make(f"on-{service}", service=service)
    yield found
    registries.remove()


def _make_longest(registries: Registries) -> Object:
    short = LONGEST[:32]
    registries.make_database(short)
    registries.make_secret(short)
    body = registries.body(short)
    body["metadata"]["name"] = LONGEST
    return registries.create(body)


def _make_bare(registries: Registries) -> Object:
    """Make one on a host without a namespace: a Service of the registries namespace that leads to the database's pod."""
    registries.make_database("bare")
    registries.make_secret("bare")
    meta = {"name": "local-mysql", "namespace": registries.namespace}
    ports = [{"name": "sql", "port": 3306}]
    addresses = [{"ip": registries.bed.address("mysql-80", "databases")}]
    registries.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}})
    subsets = [{"addresses": addresses, "ports": ports}]
    registries.api.apply({"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets})
    return registries.create(registries.body("bare", host="local-mysql"))


def _make_generated(registries: Registries) -> Object:
    body = registries.body("generated")
    postgres = {"generateDeployment": True, "database": "unused", "username": "unused"}
    body["spec"] = {"rest": {}, "postgres": postgres}
    return registries.create(body)


@pytest.fixture
def good(made: dict[str, Object], registries: Registries) -> Registries:
    """Return a way to read the registries of this module, and to make others."""
    assert made
    return registries


def test_good(good: Registries) -> None:
    """Conditions, hosts, defaults, and a server that works."""
    registry = good.available("good")
    assert condition(registry)[1:] == ("DeploymentAvailable", "Deployment is available")
    assert condition(registry, "Progressing")[1:] == ("CreatedDeployment", "Deployment was successfully created")
    assert condition(registry, "KubeRBACProxyAvailable")[:2] == ("True", "ResourcesAvailable")
    assert "observedGeneration" not in registry["status"]
    namespace = good.namespace
    assert {"good", f"good.{namespace}", f"good.{namespace}.svc.cluster.local"} <= set(registry["status"]["hosts"])
    assert registry["status"]["hostsStr"] == ",".join(registry["status"]["hosts"])
    assert registry["metadata"]["finalizers"] == ["modelregistry.opendatahub.io/finalizer"]
    assert registry["spec"]["kubeRBACProxy"]["port"] == 8443, "the operator adds the proxy on OpenShift"
    assert registry["spec"]["mysql"]["port"] == 3306, "the API's default"
    assert registry["spec"]["grpc"] == {"port": 9090}, "of the operator's webhook"
    status, health = good.rest("good", "GET", "/readyz/health")
    assert status == 200, health
    status, model = good.rest("good", "POST", "/api/model_registry/v1alpha3/registered_models", {"name": "m"})
    assert status == 201, model
    assert good.sql("SELECT name FROM good.Context WHERE name = 'm'") == [("m",)]


def test_the_way_to_available(made: dict[str, Object], good: Registries) -> None:
    """A registry's successive conditions: unavailable, then available for the cooldown's 5 s, then truly."""
    good.available("good")
    states = good.history(made["good"])["good"]
    said = conditions(states)
    assert set(said[:-2]) == {("False", "DeploymentUnavailable")}
    assert said[-2:] == [("False", "DeploymentCooldown"), ("True", "DeploymentAvailable")]
    assert conditions(states, "Progressing") == [("True", "CreatingDeployment"), ("False", "CreatedDeployment")]


def test_objects(made: dict[str, Object], good: Registries) -> None:
    """Every object of the operator: labels, owner, ports, the Role's rules, the Group's members."""
    good.available("objects")
    found = {}
    for version, kind, name in OBJECTS:
        item = good.api.get(version, kind, name.format("objects"), good.namespace)
        assert item, f"{kind} is missing"
        assert labels("objects", name.format("objects")).items() <= item["metadata"]["labels"].items(), kind
        owners = [owner["uid"] for owner in item["metadata"].get("ownerReferences", ())]
        # A cluster-scoped object cannot be owned by a namespaced one.
        assert owners == ([] if kind == "Group" else [made["objects"]["metadata"]["uid"]]), kind
        found[kind] = item
    rules = found["Role"]["rules"]
    assert {(what, *rule["verbs"], *rule["resourceNames"]) for rule in rules for what in rule["resources"]} == {
        ("services", "get", "objects"),
        ("endpoints", "get", "objects"),
    }
    assert [(s["kind"], s["name"]) for s in found["RoleBinding"]["subjects"]] == [("Group", "objects-users")]
    assert found["Group"]["users"] is None
    assert [port["port"] for port in found["Service"]["spec"]["ports"]] == [8443]
    (ingress,) = found["NetworkPolicy"]["spec"]["ingress"]
    assert [port["port"] for port in ingress["ports"]] == [8443]
    assert len(ingress["from"]) == 2, "the router and the platform's namespaces"
    binding = good.api.get(RBAC, "ClusterRoleBinding", "objects-auth-delegator")
    assert binding and "ownerReferences" not in binding["metadata"]
    assert labels("objects", "objects-auth-delegator").items() <= binding["metadata"]["labels"].items()
    assert found["Route"]["spec"]["to"]["name"] == "objects"
    assert found["Deployment"]["spec"]["replicas"] == 1


def test_deletion(good: Registries) -> None:
    """The operator's objects go, the Group with its members too; those of others stay. Degraded reports the progress."""
    registry = good.available("objects")
    api, namespace = good.api, good.namespace
    group = api.get("user.openshift.io/v1", "Group", "objects-users")
    assert group
    api.patch({**group, "users": ["alice"]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "registry-user-objects"}
    grant = {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": {"name": "ownerless", "namespace": namespace}}
    api.create({**grant, "roleRef": role, "subjects": [{**role, "kind": "User", "name": "alice"}]})

    api.delete(good.version, "ModelRegistry", "objects", namespace)
    good.bed.until("registry gone", lambda: good.get("objects") is None)
    said = conditions(good.history(registry)["objects"], "Degraded")
    assert said == [("Unknown", "Finalizing"), ("True", "Finalizing")]
    assert api.get("user.openshift.io/v1", "Group", "objects-users") is None, "it goes before the finalizer does"
    for version, kind, name in OBJECTS:
        good.bed.until(f"{kind} gone", lambda: api.get(version, kind, name.format("objects"), namespace) is None)
    assert api.get("v1", "Secret", "objects-db", namespace), "the password Secret stays"
    assert good.sql("SHOW DATABASES LIKE 'objects'"), "the database stays"
    assert api.get(RBAC, "RoleBinding", "ownerless", namespace), "a grant without an owner stays"
    api.delete(RBAC, "RoleBinding", "ownerless", namespace)
    assert api.get(RBAC, "ClusterRoleBinding", "objects-auth-delegator"), "it has no owner, so it stays"
    api.delete(RBAC, "ClusterRoleBinding", "objects-auth-delegator")


def _rolled_out(registries: Registries, name: str) -> Object | None:
    """Return the Deployment once its rollout is done, by the criteria of `kubectl rollout status`."""
    deployment = registries.api.get("apps/v1", "Deployment", name, registries.namespace)
    assert deployment
    status = deployment["status"]
    counts = {status.get(count) for count in ("replicas", "updatedReplicas", "availableReplicas")}
    is_done = status.get("observedGeneration") == deployment["metadata"]["generation"] and counts == {1}
    return deployment if is_done else None


def test_a_good_edit(good: Registries) -> None:
    """The Deployment is changed and rolled out; the registry reports UpdatingDeployment, and Available=True all the while."""
    before = good.available("edited")
    old = good.pod("edited")["metadata"]["name"]
    good.sql("CREATE DATABASE anew CHARACTER SET utf8mb4", "GRANT ALL ON anew.* TO 'edited'@'%'")
    good.api.patch({**good.body("edited"), "spec": {"mysql": {"database": "anew"}}})

    def replaced() -> Object | None:
        return _rolled_out(good, "edited") if old not in _pod_names(good, "edited") else None

    deployment = good.bed.until("rolled out", replaced)
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert any("/anew?" in argument for argument in arguments), arguments
    good.available("edited")
    states = good.history(before)["edited"]
    assert conditions(states, "Progressing") == [
        ("False", "CreatedDeployment"),
        ("True", "UpdatingDeployment"),
        ("False", "CreatedDeployment"),
    ]
    assert conditions(states) == [("True", "DeploymentAvailable")]
    assert good.rest("edited", "GET", "/readyz/health")[0] == 200
    assert good.sql("SELECT dirty FROM anew.schema_migrations") == [(0,)]


def _pod_names(registries: Registries, name: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in registries.pods(name)]


def test_edit_can_leave_a_stale_available(good: Registries) -> None:
    """After an edit Available=True can be the old pod's: there is no observedGeneration to tell."""
    good.available("stale")
    good.bed.stop("operator")
    try:
        # The webhooks are the operator's: without them no write is accepted, as in reality.
        with pytest.raises(ApiError, match="failed calling webhook"):
            good.api.patch({**good.body("stale"), "spec": {"mysql": {"database": "nowhere"}}})
    finally:
        good.bed.start("operator")
    host, port = "10.88.0.1", 9443
    good.bed.until("webhooks", lambda: _connects(good.bed, host, port))
    edited = good.api.patch({**good.body("stale"), "spec": {"mysql": {"database": "nowhere"}}})
    assert condition(edited)[0] == "True"

    def new_pod_fails() -> bool:
        pods = good.pods("stale")
        return len(pods) == 2 and any("Error 1044" in good.log_of(pod) for pod in pods)

    good.bed.until("the new pod fails beside the old one", new_pod_fails)
    assert condition(good.get("stale"))[0] == "True"
    good.api.patch({**good.body("stale"), "spec": {"mysql": {"database": "stale"}}})
    good.bed.until("one pod again", lambda: len(good.pods("stale")) == 1)
    assert conditions(good.history(edited)["stale"]) == [("True", "DeploymentAvailable")]


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
    assert hanging["metadata"]["finalizers"] == ["modelregistry.opendatahub.io/finalizer"]
    registries.api.patch(
        {
            **registries.body("hanging"),
            "metadata": {**body["metadata"], "annotations": {"testbed.opendatahub.io/failing-finalizer": None}},
            "spec": {},
        }
    )
    registries.bed.until("gone", lambda: registries.get("hanging") is None)


def test_rotated_password_needs_a_restart(good: Registries) -> None:
    """A changed Secret does nothing until the pods are restarted; a rollout restart survives the operator."""
    good.available("rotated")
    first = good.pod("rotated")["metadata"]["name"]
    good.sql("ALTER USER 'rotated'@'%' IDENTIFIED BY 'another one'")
    good.make_secret("rotated", "another one")
    assert good.pod("rotated")["metadata"]["name"] == first
    template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}
    meta = {"name": "rotated", "namespace": good.namespace}
    good.api.patch({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}})
    deployment = good.bed.until("rolled out", lambda: _rolled_out(good, "rotated"))
    assert deployment["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]
    assert good.pod("rotated")["metadata"]["name"] != first
    assert good.rest("rotated", "GET", "/readyz/health")[0] == 200


def test_unique_over_all_namespaces(good: Registries) -> None:
    body = good.body("good")
    body["metadata"]["namespace"] = "data-science"
    with pytest.raises(ApiError, match=f"registry named good already exists in namespace {good.namespace}"):
        good.api.create(body)


def test_unknown_fields_are_refused_only_with_strict(registries: Registries) -> None:
    body = registries.body("strict", nonsense=1)
    path = registries.api.path(registries.version, "ModelRegistry", registries.namespace)
    with pytest.raises(ApiError, match='unknown field "spec.mysql.nonsense"') as refused:
        registries.api.request("POST", f"{path}?fieldValidation=Strict&dryRun=All", body)
    assert refused.value.status == 400
    stored = registries.api.request("POST", f"{path}?dryRun=All", body)
    assert "nonsense" not in stored["spec"]["mysql"]


def test_an_owner_whose_deletion_is_blocked_takes_a_right(good: Registries) -> None:
    """OpenShift's OwnerReferencesPermissionEnforcement: a registry administrator may name an owner, but not block its deletion."""
    registry = good.get("good")
    assert registry
    owner = {"apiVersion": good.version, "kind": "ModelRegistry", "name": "good", "uid": registry["metadata"]["uid"]}
    secret = {"apiVersion": "v1", "kind": "Secret"}
    meta = {"name": "owned", "namespace": good.namespace}
    administrator = good.bed.api("registry-admin")
    blocking = {**secret, "metadata": {**meta, "ownerReferences": [{**owner, "blockOwnerDeletion": True}]}}
    with pytest.raises(ApiError, match="cannot set blockOwnerDeletion") as refused:
        administrator.create(blocking)
    assert refused.value.status == 403
    administrator.create({**secret, "metadata": {**meta, "ownerReferences": [owner]}})
    administrator.delete("v1", "Secret", "owned", good.namespace)


@pytest.mark.parametrize(
    "name", [LONGEST, "bare", "on-mysql-57", "on-mariadb-1011"], ids=["48-characters", "bare-host", *SERVERS]
)
def test_good_as_well(good: Registries, name: str) -> None:
    """The longest name that works, a host of the registries namespace, other servers."""
    good.available(name)
    assert good.rest(name, "GET", "/readyz/health")[0] == 200


def _assert_generated_secret(secret: Object) -> None:
    """Check the account's Secret: no labels, a fixed user, and an annotation that shows the password."""
    meta, password = secret["metadata"], secret["data"]["password"]
    assert "labels" not in meta
    assert base64.b64decode(secret["data"]["username"]) == b"modelregistry"
    assert password in meta["annotations"]["banzaicloud.com/last-applied"]


RULES: dict[str, tuple[Object, str]] = {
    "both": ({"generateDeployment": True, "host": "h"}, "must not be set when generateDeployment is true"),
    "address-too": ({"generateDeployment": True, "hostAddress": "10.0.0.1"}, "must not be set when generateDeployment"),
    "no-username": ({"host": "h", "database": "d"}, "Username must be set if database is specified"),
}


@pytest.mark.parametrize("case", RULES)
def test_rules_for_postgres(registries: Registries, case: str) -> None:
    """What the schema itself refuses of a PostgreSQL database."""
    postgres, words = RULES[case]
    body = registries.body(f"postgres-{case}")
    with pytest.raises(ApiError, match=words):
        registries.create({**body, "spec": {"rest": {}, "postgres": postgres}})


def test_generated_postgres(good: Registries) -> None:
    """The operator runs a database itself; it, its data and its password go with the registry."""
    good.available("generated", 120)
    assert good.rest("generated", "GET", "/readyz/health")[0] == 200
    parts = (
        ("v1", "PersistentVolumeClaim", "generated-postgres-storage"),
        ("apps/v1", "Deployment", "generated-postgres"),
        ("v1", "Service", "generated-postgres"),
        ("networking.k8s.io/v1", "NetworkPolicy", "generated-postgres"),
        ("v1", "Secret", "generated-postgres-credentials"),
    )
    found = {kind: good.api.get(version, kind, name, good.namespace) for version, kind, name in parts}
    assert all(found.values()), found
    assert (found["PersistentVolumeClaim"] or {})["status"]["phase"] == "Bound"
    pods = good.api.list("v1", "Pod", good.namespace, labelSelector="app=generated,component=model-registry")
    names = {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods}
    assert names == {"generated", "generated-postgres"}, "one label tells the database's pod from the server's"
    _assert_generated_secret(found["Secret"] or {})
    good.api.delete(good.version, "ModelRegistry", "generated", good.namespace)
    for version, kind, name in parts:
        good.bed.until(f"{kind} gone", lambda: good.api.get(version, kind, name, good.namespace) is None)
