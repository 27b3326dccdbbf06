# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook export writes: a registry as variables of the playbooks create and update."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.filter.registry_variables import registry_variables
from registry_entries import NAMESPACE, entry, finding, found, odd_entry

Result = dict[str, Any]


def text_of(one: Result, **options: str) -> str:
    """Return the text of the file."""
    written = registry_variables(found(one), {"name": one["name"], **options})
    assert not written["error"]
    return written["text"]


def test_a_registry_as_variables() -> None:
    one = entry(
        "fraud",
        display_name="Fraud {{ models }}",
        description="a\nb: #",
        auth_proxy="kube_rbac",
        resources={"limits": {"nvidia.com/gpu": "1"}},
        port=8081,
        service_route=True,
        permissions={"users": ["ann"], "groups": [], "projects": [], "service_accounts": [], "members": None},
        findings=[finding("plaintext"), finding("not_returnable", what="database.host of ModelRegistry fraud")],
    )
    one["database"]["tls"] = {"ca_config_map": {"name": "fraud-db-credential", "key": "ca.crt"}, "verify": True}
    assert text_of(one) == (
        "# The model registry fraud, as variables of the playbooks create and update. While it exists, they change nothing:\n"
        "#   ansible-playbook opendatahub.model_registry.update --extra-vars @FILE\n"
        "# Texts are data: with !unsafe, Ansible sees no templates in them.\n"
        'registry_name: "fraud"\n'
        'display_name: !unsafe "Fraud {{ models }}"\n'
        'description: !unsafe "a\\nb: #"\n'
        'database_type: "mysql"\n'
        'database_host: "mysql-80.databases.svc.cluster.local"\n'
        "database_port: 3306\n"
        'database_name: "fraud"\n'
        'database_username: "fraud"\n'
        'database_password_secret_name: "fraud-db-password"\n'
        'database_password_secret_key: "database-password"\n'
        'ca_source: "config_map"\n'
        'ca_name: "fraud-db-credential"\n'
        'ca_key: "ca.crt"\n'
        "database_verify: true\n"
        'auth_proxy: "kube_rbac"\n'
        "# Secret fraud-db-password is deleted with the registry. To create it again afterwards, give database_password "
        "instead of database_password_secret_name and _key.\n"
        "# ConfigMap fraud-db-credential is deleted with the registry. To create it again afterwards, give ca_source: pem "
        "and ca_pem instead of ca_name and ca_key.\n"
        "# These are variables of the role create, and can be given to its playbook. They have none in the playbook update.\n"
        '# create_resources: {limits: {nvidia.com/gpu: "1"}}\n'
        "# create_port: 8081\n"
        "# create_service_route: true\n"
        "# database_host of ModelRegistry fraud: two registries use it\n"
        "# These are variables of the playbook grant:\n"
        '# access_users: ["ann"]\n'
    )


PAIR = {name: {"name": "n", "key": "k"} for name in ("certificate_secret", "key_secret")}
LINES: list[tuple[Result, str]] = [
    (entry("a", description="null"), '# description: "null"'),
    (entry("a", port=8081), "# create_port: 8081"),
    (entry("yes"), 'registry_name: "yes"'),
    (entry("a", display_name="[1]"), 'display_name: !unsafe "[1]"'),
    (entry("a", database={"type": "postgres", "generate": True}), "database_generate: true"),
    (entry("a", auth_proxy_settings=PAIR), 'auth_proxy_key_secret_name: "n"'),
]


@pytest.mark.parametrize(("one", "line"), LINES)
def test_lines(one: Result, line: str) -> None:
    assert line in text_of(one).splitlines()


def test_a_secret_of_another_is_not_said_to_go() -> None:
    one = entry("fraud")
    for name, own in (("fraud-db-x1y2z", True), ("fraud-db-passwords", False), ("models-db", False)):
        one["database"]["password_secret"]["name"] = name
        assert ("is deleted with the registry" in text_of(one)) is own


def test_the_namespace_is_written_if_it_was_given() -> None:
    assert "registries_namespace" not in text_of(entry("a"))
    assert 'registries_namespace: "models"\n' in text_of(entry("a"), namespace="models")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (found(), f"ModelRegistry a: it does not exist in namespace {NAMESPACE}. There are none at all."),
        (found(odd_entry("a")), "ModelRegistry a: its field spec.rest has a type"),
    ],
)
def test_what_cannot_be_written(result: Result, text: str) -> None:
    written = registry_variables(result, {"name": "a"})
    assert written["error"].startswith(text) and not written["text"]
