# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the permissions' engine inside a testbed: any request from any start, two runs at once, on a real API server.

Arguments: how many examples of each, the namespace of the registry demo, on which nothing else grants anything, and the
expected user.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    AlreadyExists,
    Conflict,
    Refused,
    RegistryError,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Grant, Object
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import (
    Change,
    creation_of,
    deletion_of,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.run import Run
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.access_review import sources
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.bindings import (
    DesiredGrants,
    grants_in,
    read_bindings,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.reconcile import (
    DesiredPermissions,
    PermissionsResult,
    ensure_permissions,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.reviews import settled_answers
from fake_permissions import OWNER, FakeCluster, role
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from identity import expect_user
from wishes import ANN, BOB, EVE, SOME, WISHES, any_bindings, binding, blocked

EXAMPLES, NAMESPACE, USER = int(sys.argv[1]), sys.argv[2], sys.argv[3]
MINE = ("registry-user-demo", "registry-user-other")
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
CLUSTER = Cluster(get_api_client())


def bindings() -> list[Object]:
    """Return every object about the registry, except the operator's."""
    found = CLUSTER.list("RoleBinding", NAMESPACE)[0]
    return [one for one in found if one["roleRef"]["name"] in MINE and one["metadata"]["name"] != "demo-users"]


def granted() -> frozenset[Grant]:
    return grants_in(read_bindings(bindings(), "demo"))


def place(wanted: list[Object]) -> None:
    """Replace all existing objects with these."""
    for one in bindings():
        CLUSTER.write(deletion_of(one, NAMESPACE), dry_run=False)
    for one in wanted:
        meta = {key: value for key, value in one["metadata"].items() if key == "labels"}
        CLUSTER.write(creation_of({**one, "metadata": meta}, NAMESPACE, one["metadata"]["name"]), dry_run=False)


def ensure(wish: DesiredGrants, cluster: Any = CLUSTER) -> PermissionsResult:
    outcome = PermissionsResult()
    ensure_permissions(Run(cluster, NAMESPACE, False, 30), DesiredPermissions(wish, verify=False), outcome)
    return outcome


def after(wish: DesiredGrants, start: frozenset[Grant]) -> frozenset[Grant]:
    """Return the grants that the requested state means."""
    return {"present": start | wish.grants, "absent": start - wish.grants, "exact": wish.grants}[wish.state]


@SETTINGS
@for_all(any_bindings(), WISHES)
def any_wish(wanted: list[Object], wish: DesiredGrants) -> None:
    """Check that one run reaches the request, the authorizer agrees, and a second run does nothing."""
    place(wanted)
    goal = after(wish, granted())
    try:
        ensure(wish)
    except Refused:
        assert blocked(wanted, wish)
        return
    assert granted() == goal
    expected = {grant: bool(sources(grant) & goal) for grant in SOME}
    answers = settled_answers(CLUSTER, NAMESPACE, "demo", expected)
    assert {grant: answer.allowed for grant, answer in answers.items()} == expected
    assert not ensure(wish).record.done


@SETTINGS
@for_all(any_bindings(), WISHES, WISHES)
def two_at_once(wanted: list[Object], first: DesiredGrants, second: DesiredGrants) -> None:
    """Check that both end as if run one after the other, and that no grant has more own RoleBindings than then."""
    place(wanted)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(ensure, wish) for wish in (first, second)]
        errors = [run.exception() for run in runs]
    if any(isinstance(error, Refused) for error in errors):
        assert blocked(wanted, first) or blocked(wanted, second)
        return
    assert errors == [None, None], errors
    ends = [in_turn(wanted, first, second), in_turn(wanted, second, first)]
    assert granted() in [set(end) for end in ends]
    assert all(count <= max(1, *(end[grant] for end in ends)) for grant, count in times_proper(bindings()).items())


def in_turn(wanted: list[Object], *wishes: DesiredGrants) -> Counter[Grant]:
    """Return all grants after one run and then the other, in memory, with the number of own RoleBindings of each."""
    cluster = FakeCluster(OWNER, role(), role("other"), *wanted)
    for wish in wishes:
        ensure(wish, cluster)
    found = times_proper(cluster.bindings())
    found.update(dict.fromkeys(grants_in(read_bindings(cluster.bindings(), "demo")) - found.keys(), 0))
    return found


def times_proper(items: list[Object]) -> Counter[Grant]:
    """Return the number of own RoleBindings of each grant."""
    return Counter(one.grants[0] for one in read_bindings(items, "demo") if one.is_dashboard_form and one.grants)


class Overtaken(Cluster):
    """Lets another run do all its work before its own first write, and records the API server's answer (409)."""

    def __init__(self, other: Callable[[], object]) -> None:
        super().__init__(get_api_client())
        self._other = other
        self.told: list[type[RegistryError]] = []

    def write(self, change: Change, dry_run: bool) -> Object:
        other, self._other = self._other, lambda: None
        other()
        try:
            return super().write(change, dry_run)
        except (AlreadyExists, Conflict) as error:
            self.told.append(type(error))
            raise


def overtaken() -> None:
    """Check that a run whose object already exists, or has changed since, gathers again and does what is left to do."""
    wish = DesiredGrants("demo", frozenset({ANN}))
    place([])
    cluster = Overtaken(lambda: ensure(wish))
    assert not ensure(wish, cluster).record.done and cluster.told == [AlreadyExists]
    assert times_proper(bindings()) == {ANN: 1}
    place([binding("team", ANN, BOB, EVE)])
    cluster = Overtaken(lambda: ensure(DesiredGrants("demo", frozenset({BOB}), "absent")))
    ensure(DesiredGrants("demo", frozenset({ANN}), "absent"), cluster)
    assert cluster.told == [Conflict] and granted() == {EVE}
    place([])


if __name__ == "__main__":
    expect_user(CLUSTER, USER)
    for test in (any_wish, two_at_once, overtaken):
        started = time.monotonic()
        test()
        print(f"{test.__name__}: in {time.monotonic() - started:.1f} s")
