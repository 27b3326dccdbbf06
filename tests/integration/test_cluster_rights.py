# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule of the optional ClusterRole removed in turn: the output names what is not done without it, and the rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from plays import INFO, MODULE, PERMISSIONS, play, task
from registries import Registries
from rights import RBAC, without
from testbed.bed import Testbed

Options = dict[str, Any]
PREFLIGHT = "opendatahub.model_registry.model_registry_preflight"
FOUR = ["a", "b", "c", "d"]
"""So many that the module lists them all instead of reading them one by one."""


def permit(**options: Any) -> Options:
    """Return a task in check mode: its lookups and refusals are the same."""
    return task(PERMISSIONS, registry="cluster-rights", must_exist=True, check_mode=True, **options)


LOOK = task(PREFLIGHT, name="cluster-rights-new", fail_on="never", namespace="rhoai-model-registries")
CASES: dict[tuple[str, str], tuple[Options, ...]] = {
    ("datascienceclusters", "list"): (LOOK,),
    ("modelregistries", "list"): (LOOK,),
    ("inferenceservices", "list"): (task(MODULE, name="cluster-rights", state="absent", check_mode=True),),
    ("namespaces", "get"): (permit(projects=["a"]),),
    ("namespaces", "list"): (permit(projects=FOUR),),
    ("users", "get"): (permit(users=["a"]), permit(users=["b"], members=["a"])),
    ("users", "list"): (permit(users=FOUR),),
    ("groups", "get"): (permit(groups=["a"]), permit(members=["a"])),
    ("groups", "list"): (permit(groups=FOUR),),
    ("groups", "patch"): (task(PERMISSIONS, registry="cluster-rights", members=["a"], check_mode=True),),
    ("clusterroles", "get"): (task(INFO, name="cluster-rights"),),
}
SILENT = {"aihubs": "read to find the registries namespace: without it, the next place that says it is looked at"}
"""What is skipped without a message, and why."""
RULES = sorted({resource for resource, _ in CASES} | {"subjectaccessreviews"})


@pytest.fixture(scope="module")
def prepared(bed: Testbed) -> Iterator[Registries]:
    """Make a registry, and a user who has a role of the cluster in its namespace."""
    made = Registries(bed)
    made.make("cluster-rights")
    there = lambda: made.api.get("user.openshift.io/v1", "Group", "cluster-rights-users")  # noqa: E731
    bed.until("its Group", there)
    subject = {"apiGroup": RBAC, "kind": "User", "name": "viewer"}
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    meta = {"name": "viewers", "namespace": made.namespace}
    body = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": ref, "subjects": [subject]}
    made.api.apply(body)
    yield made
    made.api.delete(f"{RBAC}/v1", "RoleBinding", "viewers", made.namespace)
    made.remove()


def told(result: Options) -> str:
    """Return all that the task tells its user: error, warnings, and findings."""
    remedies = [one["remedy"] for one in result.get("findings", [])]
    return " ".join([result.get("msg") or "", *result.get("warnings", []), *remedies])


@pytest.mark.parametrize(("resource", "verb"), CASES, ids=lambda one: str(one))
def test_without_a_right_of_the_cluster(prepared: Registries, resource: str, verb: str) -> None:
    with without(prepared, resource, verb, kind="ClusterRole"):
        played = play(prepared.bed, *CASES[resource, verb], user="platform-admin")
    for result in played.results:
        text = told(result)
        assert f"resources: [{resource}], verbs: [{verb}]" in text and "ClusterRole" in text, text
    assert not {write[0] for write in played.writes} - {"delete"}, "a deletion's dry run is not seen from outside"


def test_the_review_of_the_cluster(prepared: Registries) -> None:
    """It stands in if the namespace's review is not allowed; without both, the message asks for the namespace's."""
    grant = task(PERMISSIONS, registry="cluster-rights", users=["ann"])
    with ExitStack() as stack:
        stack.enter_context(without(prepared, "localsubjectaccessreviews"))
        proven = play(prepared.bed, grant, user="platform-admin").result
        stack.enter_context(without(prepared, "subjectaccessreviews", kind="ClusterRole"))
        refused = play(prepared.bed, grant, user="platform-admin").result
    assert proven["verified"] and "resources: [localsubjectaccessreviews], verbs: [create]" in refused["msg"]


def test_every_rule_is_taken_away(prepared: Registries) -> None:
    """The ClusterRole has no rule without a test, and no test is about a permission that it lacks."""
    role = prepared.api.get(f"{RBAC}/v1", "ClusterRole", "model-registry-admin-cluster")
    assert role
    there = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert {*RULES, *SILENT} == there
