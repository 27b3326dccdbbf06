# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is cut after any one of its writes is finished by the next: the same final state, nothing doubled.

The database server takes TLS, so that an uploaded certificate authority is among what is written. How many writes there
are to be cut after, a run without a cut says. All runs of a job are made at the same time, on registries of their own.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from cut import Ended, Wanted, run_all
from plays import dashboards_secret, mysql, store
from registries import Registries
from resetter import resetting
from testbed.bed import Testbed
from testbed_fixtures import Servers

Options = dict[str, Any]
SERVER = "mariadb-cut"
HOST = f"{SERVER}.databases.svc.cluster.local"
AUTHORITY = trustme.CA()
PEM = AUTHORITY.cert_pem.bytes().decode()
RENEWED = PEM + trustme.CA().cert_pem.bytes().decode()
RBAC = "rbac.authorization.k8s.io"
NEW_PASSWORD = "another one"
RESTARTED = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture(scope="module", autouse=True)
def server(servers: Servers) -> None:
    """Start a MariaDB that offers TLS with a certificate of AUTHORITY."""
    leaf = AUTHORITY.issue_cert(HOST)
    files = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    options = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key"]
    servers("mariadb-10.11", name=SERVER, options=options, files=files)


def creation(name: str) -> Options:
    options = mysql(name, host=HOST, password=f"{name}-password", tls={"ca_pem": PEM})
    return {**options, "display_name": "Cut"}


def deletion(name: str) -> Options:
    return {"name": name, "state": "absent"}


def new_password(registries: Registries, name: str) -> None:
    """As the database's administrator does before the registry is told."""
    registries.sql(f"ALTER USER '{name}'@'%' IDENTIFIED BY '{NEW_PASSWORD}'", service=SERVER)


def by_a_run(registries: Registries, names: list[str]) -> None:
    """Registries as this collection makes them."""
    good(run_all(registries.bed, [Wanted(creation(name)) for name in names]))


def by_the_dashboard(registries: Registries, names: list[str]) -> None:
    """Registries as the dashboard makes them, with a Secret whose name is generated, and an authority without a mark."""
    for name in names:
        secret, config_map = dashboards_secret(registries, name), f"{name}-db-credential"
        store(registries, "ConfigMap", config_map, {"ca.crt": PEM})
        ref, source = {"name": secret, "key": "database-password"}, {"name": config_map, "key": "ca.crt"}
        tls = {"sslRootCertificateConfigMap": source, "verifyServerCert": True}
        registries.create(registries.body(name, service=SERVER, passwordSecret=ref, **tls))
    for name in names:
        registries.available(name)


def by_hand(registries: Registries, names: list[str]) -> None:
    """Registries on Secrets of the user's."""
    for name in names:
        own_secret(registries, name)
        registries.create(registries.body(name, service=SERVER))
    for name in names:
        registries.available(name)


def own_secret(registries: Registries, name: str) -> None:
    """Store a Secret of the user's own."""
    registries.make_secret(name)


def grants(registries: Registries, name: str) -> None:
    """One as the dashboard makes it, which goes with the registry, and one made by hand, which the run has to delete."""
    registry = registries.get(name)
    assert registry
    owner = {"apiVersion": registry["apiVersion"], "kind": registry["kind"], "name": name}
    for binding, owners in (
        (f"{name}-dashboard", [{**owner, "uid": registry["metadata"]["uid"]}]),
        (f"{name}-by-hand", []),
    ):
        meta = {"name": binding, "namespace": registries.namespace, "ownerReferences": owners}
        ref = {"apiGroup": RBAC, "kind": "Role", "name": f"registry-user-{name}"}
        people = [{"apiGroup": RBAC, "kind": "User", "name": user} for user in ("ann", "bob")]
        body = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": meta}
        registries.api.create({**body, "roleRef": ref, "subjects": people})


@dataclass(frozen=True)
class Job:
    """What is done to a registry, and which writes that takes."""

    options: Callable[[str], Options]
    writes: list[str]
    arrange: Callable[[Registries, str], None] | None = None
    """What somebody else does beforehand."""
    made: Callable[[Registries, list[str]], None] | None = by_a_run
    """How the registries have come there beforehand, if they have."""


JOBS = {
    "create": Job(creation, ["create ConfigMap", "create Secret", "create ModelRegistry"], made=None),
    "edit": Job(lambda name: {"name": name, "description": "edited"}, ["patch ModelRegistry"]),
    "rotate": Job(
        lambda name: {"name": name, "database": {"password": NEW_PASSWORD}},
        ["patch Secret", "restart Deployment", "patch Secret"],
        new_password,
        by_the_dashboard,
    ),
    "both": Job(
        lambda name: {"name": name, "description": "edited", "database": {"password": NEW_PASSWORD}},
        ["patch Secret", "patch ModelRegistry", "restart Deployment", "patch Secret"],
        new_password,
    ),
    "renew": Job(
        lambda name: {"name": name, "database": {"tls": {"ca_pem": RENEWED}}},
        ["patch ConfigMap", "restart Deployment", "patch ConfigMap"],
    ),
    "move": Job(
        lambda name: {
            "name": name,
            "database": {"password_secret": {"name": f"{name}-db", "key": "database-password"}},
        },
        ["patch ModelRegistry", "delete Secret", "patch ModelRegistry"],
        own_secret,
    ),
    "return": Job(
        lambda name: {"name": name, "database": {"password": f"{name}-password"}},
        ["create Secret", "patch ModelRegistry", "patch ModelRegistry"],
        made=by_hand,
    ),
    "delete": Job(
        deletion,
        ["delete ModelRegistry", "delete ConfigMap", "delete RoleBinding", "delete Secret"],
        grants,
    ),
    "delete-adopted": Job(
        deletion,
        ["patch ConfigMap", "delete ModelRegistry", "delete ConfigMap", "delete Secret"],
        made=by_the_dashboard,
    ),
}


@pytest.fixture
def prepare(registries: Registries) -> Iterator[Callable[[Job, list[str]], None]]:
    """Make registries from which a job starts, and remove them after the test."""
    made: list[str] = []

    def prepare_registries(job: Job, names: list[str]) -> None:
        made.extend(names)
        for name in names:
            registries.make_database(name, service=SERVER)
        if job.made:
            job.made(registries, names)
        for name in names:
            if job.arrange:
                job.arrange(registries, name)

    yield prepare_registries
    good(run_all(registries.bed, [Wanted(deletion(name)) for name in made]))
    for name in made:
        registries.api.delete("v1", "Secret", f"{name}-db", registries.namespace)


@pytest.mark.parametrize("job", JOBS)
def test_cut(
    bed: Testbed, registries: Registries, tmp_path: Path, prepare: Callable[[Job, list[str]], None], job: str
) -> None:
    """After each write by SIGKILL, and by a reset of the connection before its answer; then the same run again."""
    what, whole = JOBS[job], f"cut-{job}-whole"
    numbers = range(1, len(what.writes) + 1)
    killed, reset = ([f"cut-{job}-{way}{number}" for number in numbers] for way in ("kill", "reset"))
    prepare(what, [whole, *killed, *reset])
    before = {name: pods(registries, name) for name in (whole, *killed, *reset)}
    (uncut,) = good(run_all(bed, [Wanted(what.options(whole))]))
    # Those of one layer are made at the same time. There is no write after the last, so none is left out below.
    assert sorted(uncut.writes) == sorted(what.writes)

    with ExitStack() as stack:
        proxies = [stack.enter_context(resetting(bed, folder(tmp_path, number), number)) for number in numbers]
        runs = [Wanted(what.options(name), cut=number) for name, number in zip(killed, numbers, strict=True)]
        for name, proxy in zip(reset, proxies, strict=True):
            runs.append(Wanted(what.options(name), kubeconfig=str(proxy.kubeconfig)))
        ended = run_all(bed, runs)
        lost = [proxy.reset() for proxy in proxies]
    assert [one.status for one in ended[: len(killed)]] == [-9] * len(killed), ended
    assert [len(one) for one in lost] == [1] * len(reset), (lost, ended)
    # A lost answer costs a look, and is no error: those runs come to their end by themselves.
    good(ended[len(killed) :])

    finished = good(run_all(bed, [Wanted(what.options(name)) for name in (*killed, *reset)]))
    assert not good(run_all(bed, [Wanted(what.options(whole))]))[0].writes
    expected = settled(registries, whole, before[whole])
    for name, one in zip((*killed, *reset), finished, strict=True):
        assert settled(registries, name, before[name]) == expected, (name, one)


def good(ended: list[Ended]) -> list[Ended]:
    """Return the runs if all of them succeed."""
    assert not any(one.status for one in ended), [one for one in ended if one.status]
    return ended


def folder(parent: Path, number: int) -> Path:
    made = parent / str(number)
    made.mkdir()
    return made


def pods(registries: Registries, name: str) -> set[str]:
    """Which pods a registry has."""
    return {pod["metadata"]["uid"] for pod in registries.pods(name)}


def settled(registries: Registries, name: str, before: set[str]) -> Options:
    """Return the state once the pods and the objects that the cluster collects are gone."""
    bed = registries.bed
    bed.until(f"{name}: old pods are gone", lambda: len(registries.pods(name)) == bool(registries.get(name)))
    if registries.get(name) is None:
        bed.until(f"{name}: all is collected", lambda: not any(state(registries, name, before).values()))
    return state(registries, name, before)


def state(registries: Registries, name: str, before: set[str]) -> Options:
    """All that is left of a registry, under a name that is the same for all, without what time and chance write.

    before: the pods that it had; a run that has to restart it leaves another.
    """
    registry, deployment = registries.get(name), listed(registries, "apps/v1", "Deployment", name)
    found = {
        "registry": registry and {"spec": registry["spec"], "annotations": registry["metadata"].get("annotations")},
        "secrets": {one["metadata"]["name"]: stored(one) for one in listed(registries, "v1", "Secret", name)},
        "config maps": {one["metadata"]["name"]: stored(one) for one in listed(registries, "v1", "ConfigMap", name)},
        "bindings": {
            one["metadata"]["name"]: [one["roleRef"], one["subjects"], one["metadata"].get("labels")]
            for one in registries.api.list(f"{RBAC}/v1", "RoleBinding", registries.namespace)
            if one["roleRef"]["name"] == f"registry-user-{name}"
        },
        "templates": [without_restart(one["spec"]["template"]) for one in deployment],
        "ready": [one["status"].get("availableReplicas") for one in deployment],
        "new pods": len(pods(registries, name) - before),
    }
    # The API server has found the end of the name of a Secret that the dashboard has made.
    text = re.sub(rf"{name}-db-[a-z0-9]{{5}}\b", f"{name}-db-GENERATED", json.dumps(found))
    text = text.replace(name, "NAME").replace(registry["metadata"]["uid"] if registry else name, "UID")
    common: Options = json.loads(text)
    return common


def listed(registries: Registries, version: str, kind: str, name: str) -> list[Options]:
    """Return the registry's own objects of a kind by name."""
    items = registries.api.list(version, kind, registries.namespace)
    return [one for one in items if f"{one['metadata']['name']}-".startswith(f"{name}-")]


def stored(item: Options) -> Options:
    """Return the data of a Secret or ConfigMap in clear."""
    data = item.get("data") or {}
    if "type" in item:
        data = {key: base64.b64decode(value).decode() for key, value in data.items()}
    # The certificate of the operator's proxy, each with a key of its own.
    data = {key: key if key in ("tls.crt", "tls.key") else value for key, value in data.items()}
    meta = item["metadata"]
    return {"data": data, "labels": meta.get("labels"), "annotations": meta.get("annotations")}


def without_restart(template: Options) -> Options:
    """Return a pod template; that there are new pods counts, and not whether a rollout or a restart has brought them.

    After a switch to another Secret, a run that has not seen the rollout begin restarts the pods to be sure.
    """
    meta = template["metadata"]
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != RESTARTED}
    return {**template, "metadata": {**meta, "annotations": annotations}}
