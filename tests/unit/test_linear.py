# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reads text of any length takes time in proportion to it: four times the text no more than about four times the time.

A pattern that rereads everything from each place would take sixteen times as long.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.failing import Failing
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding_lines import (
    Detail,
    finding_lines,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.names import derive_name
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.mysql.facts import (
    grants_of,
    own_version,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.postgres.client import words_of
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.api_errors import (
    Operation,
    error_from_response,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import hidden
from ansible_collections.opendatahub.model_registry.plugins.module_utils._permissions.subjects import grant_of
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.failure_causes import (
    LogFailure,
    container_cause,
    database_cause,
    last_failure,
    last_lines,
    relevant_failure,
    scrubbed,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.quantity import amount
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.rollout import (
    newest_pods,
    restart_backoff,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.verdict import host_service

ALERT = "{{ALERT}} error connecting to datastore: "
ESCALATION = "attempting to grant RBAC permissions not currently held: "
LOGS = [
    "a",
    "password ",
    "password=",
    "pass: ",
    " -p",
    "-psecret",
    "@tcp",
    "x@tcp(",
    "postgres:/",
    "Retrying connection to ",
    "Retrying connection to MySQL (attempt 1/25): x\n\t",
    ALERT,
    f"{ALERT}x\nUsage",
    "(details: ",
    "Check failed: absl::OkStatus() == status (OK vs. ",
    'Error: error creating datastore: "',
    'database "',
    "permission denied for schema ",
    "Error 1105 ",
    "\n\t",
    "\n",
    " ",
]
READERS: dict[str, tuple[Callable[[str], Any], list[str]]] = {
    "last_failure": (last_failure, LOGS),
    "relevant_failure": (lambda text: relevant_failure(text, text), LOGS),
    "last_lines": (last_lines, LOGS),
    "scrubbed": (scrubbed, LOGS),
    "last_failure alert": (lambda text: last_failure(f"{ALERT}{text}"), LOGS),
    "last_failure attempts": (
        lambda text: last_failure(f"Retrying connection to MySQL (attempt 9/25): failed:\n\t{text}"),
        LOGS,
    ),
    "database_cause": (lambda text: database_cause(LogFailure(text, 9)), LOGS),
    "container_cause": (
        lambda text: container_cause("CreateContainerConfigError", text),
        ["CreateContainerConfigError", 'secret "', "a", '" ', "ErrImagePull"],
    ),
    "grants_of": (lambda text: grants_of([f"GRANT ALL ON {text}"]), ["`", "``", "'", "`a", "a@", "x.* TO ", "%", "\\"]),
    "own_version": (own_version, ["5.5.5-", "1", "1."]),
    "derive_name": (derive_name, ["-", " ", "- ", "a", "é", "--a"]),
    "amount": (amount, ["1", ".", "1e", "E"]),
    "grant_of": (
        lambda text: grant_of({"kind": "User", "name": f"system:serviceaccount:{text}"}),
        ["a", "a.", "a-", ":", "a:", "."],
    ),
    "host_service": (
        lambda text: host_service({"metadata": {}, "spec": {"mysql": {"host": text}}}),
        ["a", "a.", ".svc", "-", "a.b.svc"],
    ),
    "words_of": (
        lambda text: words_of(ValueError(text)),
        [
            'connection to server at "',
            'connection to server at "x" (',
            'connection to server on "a',
            "a",
            ")",
            "port 1",
        ],
    ),
    "refusal": (
        lambda text: error_from_response(
            Operation("create", "Role", "n", "x"), 403, json.dumps({"kind": "Status", "message": f"{ESCALATION}{text}"})
        ),
        ["{APIGroups:[", '{APIGroups:[""], Resources:[', "{", '"', '" '],
    ),
    "an error text with URLs": (lambda text: hidden(text, [b"secret"]), ["://", "@", "a://b@", "https://"]),
    "restarts": (
        lambda text: restart_backoff(
            {
                "state": {"waiting": {"message": text}},
                "lastState": {"terminated": {"finishedAt": "2026-11-23T08:57:31Z"}},
            }
        ),
        ["1", "back-off 1m", "back-off ", "m"],
    ),
    "newest_pods": (
        lambda text: newest_pods({"status": {"conditions": [{"type": "Progressing", "message": text}]}}, []),
        ['ReplicaSet "', "replica set", '"', "a"],
    ),
    "table": (
        lambda text: finding_lines(
            "w",
            [{"severity": "warning", "code": "c", "what": "w", "why": text, "remedy": text}],
            [],
            Failing(),
            Detail(),
        ),
        ["a", "a ", "a-", "—", "{'"],
    ),
}
CASES = [(name, part) for name, (_reader, parts) in READERS.items() for part in parts]
SIZE = 20_000
"""Characters: quadratic reading takes tens of milliseconds at least, four times as much of it sixteen times as long."""
RATIO = 10
UNSEEN = 0.02
"""Seconds: faster than that at four times the size passes, whatever the ratio."""


def seconds(reader: Callable[[str], Any], text: str) -> float:
    """Return the shortest of three readings: other processes make it longer, never shorter."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        reader(text)
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.parametrize(("name", "part"), CASES)
def test_long_text_is_read_in_linear_time(name: str, part: str) -> None:
    reader, _parts = READERS[name]
    short, long = (part * (size // len(part)) for size in (SIZE, 4 * SIZE))
    at_four_times = seconds(reader, long)
    assert at_four_times < UNSEEN or at_four_times < RATIO * seconds(reader, short)
