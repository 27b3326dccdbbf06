# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the permissions' engine inside a testbed: any wish from any start, and two runs at once, on a real API server.

Arguments: how many examples of each, the namespace, where registry demo is and nobody else grants anything on it, and the
user that it must be.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.opendatahub.model_registry.plugins.module_utils._cluster import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.access import sources
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.errors import Refused
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.grants import Wish, given, read_bindings
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.model import Grant, Object
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.plan import creation_of, deletion_of
from ansible_collections.opendatahub.model_registry.plugins.module_utils._engine import Run
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions import (
    Demand,
    Permissions,
    ensure_permissions,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._reviews import settled_answers
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from identity import expect_user
from wishes import SOME, WISHES, any_bindings

EXAMPLES, NAMESPACE, USER = int(sys.argv[1]), sys.argv[2], sys.argv[3]
MINE = ("registry-user-demo", "registry-user-other")
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
CLUSTER = Cluster(get_api_client())


def bindings() -> list[Object]:
    """All that can be about the registry."""
    found = CLUSTER.list("RoleBinding", NAMESPACE)[0]
    return [one for one in found if one["roleRef"]["name"] in MINE and one["metadata"]["name"] != "demo-users"]


def granted() -> frozenset[Grant]:
    return given(read_bindings(bindings(), "demo"))


def place(wanted: list[Object]) -> None:
    """Put these in the place of all that are there."""
    for one in bindings():
        CLUSTER.write(deletion_of(one, NAMESPACE), dry_run=False)
    for one in wanted:
        meta = {key: value for key, value in one["metadata"].items() if key == "labels"}
        CLUSTER.write(creation_of({**one, "metadata": meta}, NAMESPACE, one["metadata"]["name"]), dry_run=False)


def ensure(wish: Wish) -> Permissions:
    outcome = Permissions()
    ensure_permissions(Run(CLUSTER, NAMESPACE, False, 30), Demand(wish, verify=False), outcome)
    return outcome


def after(wish: Wish, start: frozenset[Grant]) -> frozenset[Grant]:
    """What the state of a wish means."""
    return {"present": start | wish.grants, "absent": start - wish.grants, "exact": wish.grants}[wish.state]


@SETTINGS
@for_all(any_bindings(), WISHES)
def any_wish(wanted: list[Object], wish: Wish) -> None:
    """One run reaches the wish, the authorizer agrees, and a second run does nothing."""
    place(wanted)
    goal = after(wish, granted())
    try:
        ensure(wish)
    except Refused:
        return
    assert granted() == goal
    expected = {grant: bool(sources(grant) & goal) for grant in SOME}
    answers = settled_answers(CLUSTER, NAMESPACE, "demo", expected)
    assert {grant: answer.allowed for grant, answer in answers.items()} == expected
    assert not ensure(wish).record.done


@SETTINGS
@for_all(any_bindings(), WISHES, WISHES)
def two_at_once(wanted: list[Object], first: Wish, second: Wish) -> None:
    """They end as if one had run after the other."""
    place(wanted)
    start = granted()
    ends = [after(second, after(first, start)), after(first, after(second, start))]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(ensure, wish) for wish in (first, second)]
        errors = [run.exception() for run in runs]
    if any(isinstance(error, Refused) for error in errors):
        return
    assert errors == [None, None]
    assert granted() in ends
    names = [one.grants[0] for one in read_bindings(bindings(), "demo") if one.listed and one.name.startswith("dash")]
    own = [grant for grant in names if names.count(grant) > 1]
    assert not own or wanted


if __name__ == "__main__":
    expect_user(CLUSTER, USER)
    for test in (any_wish, two_at_once):
        started = time.monotonic()
        test()
        print(f"{test.__name__}: {EXAMPLES} examples in {time.monotonic() - started:.1f} s")
