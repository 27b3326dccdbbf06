# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the API server who may use a registry, and wait until its answers reflect the latest writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from .._common.errors import Forbidden
from .._common.model import Grant
from .._kubernetes.client import Cluster
from .._kubernetes.executor import AT_ONCE
from .._kubernetes.reviews import Answer
from .access_review import review_of

__all__ = ["LATER", "SOON", "Sleep", "answers", "settled_answers"]

SOON = (0.1, 0.1, 0.2, 0.3)
"""Seconds between two reviews: the API server's authorizer learns of new bindings by a watch, just after the write."""
LATER = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0)
"""The same if it takes longer than it should: about ten seconds in all."""
KINDS = ("LocalSubjectAccessReview", "SubjectAccessReview")
"""The first is made in the registries namespace, with a right of that namespace; the second with one of the cluster."""
Sleep = Callable[[float], None]


def answers(cluster: Cluster, namespace: str, registry: str, grants: Collection[Grant]) -> dict[Grant, Answer]:
    """Return the API server's answer for each grant. Raises Forbidden if the user may not ask."""
    asked = sorted(grants)
    if not asked:
        return {}

    def ask(grant: Grant, kind: str) -> Answer:
        return cluster.review(kind, namespace, review_of(grant, registry, namespace))

    try:
        kind, first = KINDS[0], ask(asked[0], KINDS[0])
    except Forbidden as refused:
        try:
            kind, first = KINDS[1], ask(asked[0], KINDS[1])
        except Forbidden:
            step = f"{refused.next_step} Or set verify to false."
            raise Forbidden(refused.what, refused.why, step) from None
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rest = list(pool.map(lambda grant: ask(grant, kind), asked[1:]))
    return dict(zip(asked, [first, *rest]))


def settled_answers(
    cluster: Cluster,
    namespace: str,
    registry: str,
    expected: Mapping[Grant, bool],
    pauses: tuple[Iterable[float], Sleep] = ((*SOON, *LATER), time.sleep),
) -> dict[Grant, Answer]:
    """Return the API server's answer for each grant. Ask again after each pause if it is not as expected.

    pauses: their seconds, and the function that makes them.
    """
    found = answers(cluster, namespace, registry, expected.keys())
    for pause in pauses[0]:
        unsettled = [grant for grant, answer in found.items() if answer.allowed != expected[grant]]
        if not unsettled:
            break
        pauses[1](pause)
        found.update(answers(cluster, namespace, registry, unsettled))
    return found
