# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that the preflight checks and those of the Role for administrators are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import Database, Tls
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.required_rights import (
    allowed_by,
    path_rights,
    rights_for,
)

FILES = Path(__file__).resolve().parents[3] / "playbooks" / "files"
ELSEWHERE = "db.databases.svc.cluster.local"


def rules(name: str = "registry-admin") -> list[dict[str, Any]]:
    """Return the rules of a Role that users apply."""
    found: list[dict[str, Any]] = yaml.safe_load((FILES / f"{name}.yaml").read_text())["rules"]
    return found


@pytest.mark.parametrize("job", ["create", "update", "teardown", "grant"])
def test_the_role_gives_what_each_job_takes(job: str) -> None:
    rights = rights_for(job, "fraud", Database(password="p", tls=Tls(ca_pem="pem")))
    assert rights and not [right for right in rights if not allowed_by(right, rules())]


def test_the_role_lets_check_a_database_beside_the_registries() -> None:
    """A relay also needs Jobs."""
    for via, host, lacks in (("auto", "mysql", set()), ("relay", "db.example.com", {"jobs"})):
        assert {one.resource for one in path_rights(via, host, "registries") if not allowed_by(one, rules())} == lacks


@pytest.mark.parametrize(
    ("name", "via", "explaining"),
    [("database-check", "port_forward", set()), ("database-relay", "relay", {("events", "list"), ("pods/log", "get")})],
)
def test_the_roles_for_a_check_give_what_it_takes(name: str, via: str, explaining: set[tuple[str, str]]) -> None:
    """And nothing else, but for what explains why a relay does not run."""
    rights = path_rights(via, ELSEWHERE, "registries")
    given = {(resource, verb) for rule in rules(name) for resource in rule["resources"] for verb in rule["verbs"]}
    assert {(right.resource, right.verb) for right in rights} == given - explaining and explaining <= given
    assert {right.namespace for right in rights} == ({"databases"} if via == "port_forward" else {""})


def test_a_job_reads_the_registry_that_it_is_about() -> None:
    """Getting one is a right of its own: a user who may list them all may still not get one."""
    for job in ("create", "update", "grant"):
        assert ("modelregistries", "get") in {(right.resource, right.verb) for right in rights_for(job, "fraud", None)}
