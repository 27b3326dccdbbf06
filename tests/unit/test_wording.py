# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of modules in the words of a playbook's user."""

from __future__ import annotations

import re

import pytest
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.questions import PLAYBOOKS
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.wording import (
    PLAIN,
    VARIABLES,
    in_variables,
    with_variables,
)

MESSAGES = [
    ("namespace: both have registries. Give namespace.", "registries_namespace: both have registries. Give registries_namespace."),
    ("Give name: fraud if you mean this one, else another name.", "Give registry_name: fraud if you mean this one, else another name."),
    ("Give the name of a namespace, or leave it out.", "Give the name of a namespace, or leave it out."),
    ("database.tls: the certificate is not trusted.", "ca_source: the certificate is not trusted."),
    ("Give database.tls.", "Give ca_source."),
    ("Leave database.tls.verify at true.", "Leave database_verify at true."),
    ("database.tls.ca_config_map.key: it is empty.", "ca_key: it is empty."),
    ("Give one of ca_bundle, ca_config_map, ca_secret and ca_pem.", "Give ca_source."),
    ("Or give via: direct, or via: relay with relay_image.", "Or give database_via: direct, or database_via: relay with relay_image."),
    ("Correct database.host, port and username.", "Correct database_host, database_port and database_username."),
    ("auth_proxy_settings.port: 0 is no port.", "auth_proxy_port: 0 is no port."),
    ("Set namespace to models, or leave it out.", "Set registries_namespace to models, or leave it out."),
    ("my.database.host and database.host.svc and /database.host are names.", "my.database.host and database.host.svc and /database.host are names."),
    ("Give valid ones: kubeconfig, or host and api_key.", "Give valid ones: kubeconfig, or host and api_key."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MESSAGES, ids=[text for text, _ in MESSAGES])
def test_messages(text: str, expected: str) -> None:
    assert in_variables(text) == expected
    assert in_variables(expected) == expected


def test_every_word_is_a_variable() -> None:
    known = {variable for book in PLAYBOOKS.values() for variable in book.variables}
    assert set(VARIABLES.values()) | set(PLAIN.values()) <= known
    assert not any(re.search(r"[.{]", variable) for variable in VARIABLES.values())


def test_results() -> None:
    """What is said changes; facts, objects and everything without a message stay."""
    finding = {"code": "x", "what": "database.tls", "why": "w", "remedy": "Give namespace.", "rule": "database.host"}
    result = {
        "msg": "database.host: w.",
        "findings": [finding],
        "table": ["Give database.port."],
        "warnings": ["Give namespace.", 1],
        "facts": {"x": "database.host"},
    }
    assert with_variables(result) == {
        "msg": "database_host: w.",
        "findings": [{**finding, "what": "ca_source", "remedy": "Give registries_namespace."}],
        "table": ["Give database_port."],
        "warnings": ["Give registries_namespace.", 1],
        "facts": {"x": "database.host"},
    }
    assert with_variables({"changed": False}) == {"changed": False}
