# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of modules in the words of a playbook's user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.questions import PLAYBOOKS
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.wording import (
    PLAIN,
    VARIABLES,
    in_variables,
    with_variables,
)
from answer_runs import run
from hypothesis import given
from hypothesis import strategies as st

ENV = "MODEL_REGISTRY_DATABASE_PASSWORD"
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
    ("Give database.password.", "Give database_password (or the environment variable MODEL_REGISTRY_DATABASE_PASSWORD)."),
    ("database.password: it is empty.", "database_password: it is empty."),
    ("Create it first, with model_registry.", "Create it first, with the playbook opendatahub.model_registry.create."),
    ("users: the cluster does not know 'ann'.", "access_users: the cluster does not know 'ann'."),
    ("groups: the cluster does not know 'x'.", "access_groups: the cluster does not know 'x'."),
    ("The users: one of them.", "The users: one of them."),
    ("Correct relay_image and relay_command.", "Correct relay_image."),
    ("Check the namespace's quota, or raise relay_timeout.", "Check the namespace's quota, or raise preflight_relay_timeout."),
    ("To be sure, give namespace.", "To be sure, give registries_namespace."),
    ("Name it in model_registry_permissions with adopt, or keep it.", "Name it in the playbook grant with access_adopt, or keep it."),
    ("ModelRegistry f: unknown field \"database.tls\". Give database.port.", "ModelRegistry f: unknown field \"database.tls\". Give database_port."),
    ("database.name: 'Give name.' is none. Give name.", "database_name: 'Give name.' is none. Give registry_name."),
    ("The registries' database.tls and the users' database.port.", "The registries' ca_source and the users' database_port."),
    ("'name': a \0 'b'. Give name.", "'name': a \0 'b'. Give registry_name."),
    ("database.password: it is not the stored password and is not used.", f"{ENV}: it is not the stored password and is not used."),
    ("It exists and database.update_password is on_create.", "It exists and rotate_password is not true."),
    ("To store it, set database.update_password to always.", "To store it, set rotate_password to true."),
    ("Give valid ones: kubeconfig, or host and api_key.", "Give valid ones: kubeconfig, or host and api_key."),
]  # fmt: skip


OTHERS = (
    'ModelRegistry f: admission webhook "x" denied the request: Give name. Set database.tls.',
    'Secret x: Secret "x" is invalid: name: Invalid value. Give name.',
    "Access denied for user 'database.name'@'database.host' (using password: YES).",
    "The word 'it\\'s database.tls', and \"it's database.tls\", and `database.tls`.",
)
"""What is in quotes, and the API server's reasons."""


@pytest.mark.parametrize("text", OTHERS)
def test_words_of_users_and_servers_stay(text: str) -> None:
    assert in_variables(text) == text


@pytest.mark.parametrize(("text", "expected"), MESSAGES, ids=[text for text, _ in MESSAGES])
def test_messages(text: str, expected: str) -> None:
    assert in_variables(text) == expected
    assert in_variables(expected) == expected


@given(
    parts=st.lists(st.text(alphabet=st.characters(blacklist_characters="'\"`\\\n")), max_size=3),
    quote=st.sampled_from("'\"`"),
)
def test_what_is_quoted_stays(parts: list[str], quote: str) -> None:
    """Whatever it is, and wherever the quotes are, if they are not a part of a word."""
    quoted = [f"{quote}{part}Give name. database.tls{quote}" for part in parts]
    said = in_variables(f"database.host: {' and '.join(quoted)} are wrong. Give name.")
    assert said == f"database_host: {' and '.join(quoted)} are wrong. Give registry_name."


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
        "summary": ["Give database.port."],
        "warnings": ["Give namespace.", 1],
        "facts": {"x": "database.host"},
    }
    assert with_variables(result) == {
        "msg": "database_host: w.",
        "findings": [{**finding, "what": "ca_source", "remedy": "Give registries_namespace."}],
        "summary": ["Give database_port."],
        "warnings": ["Give registries_namespace.", 1],
        "facts": {"x": "database.host"},
    }
    assert with_variables({"changed": False}) == {"changed": False}


MODULE = """
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"fails": {"type": "bool"}})
module.warn("To be sure, give namespace.")
result = {"summary": ["Give database.port."], "facts": "database.host"}
if module.params["fails"]:
    module.fail_json(msg="database.host: w.", **result)
module.exit_json(**result)
"""
ACTION = "from ansible_collections.opendatahub.model_registry.plugins.action.model_registry import ActionModule\n"


@pytest.mark.parametrize("of_playbook", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_warnings_that_ansible_shows(tmp_path: Path, of_playbook: bool, fails: bool) -> None:
    """With variables in a playbook of the collection, once each; with options elsewhere."""
    for folder, text in (("library", MODULE), ("action_plugins", ACTION)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "speaks.py").write_text(text)
    variables: dict[str, object] = {"registry_answers": {}} if of_playbook else {}
    tasks = [
        {"speaks": {"fails": fails}, "register": "said", "ignore_errors": True},
        {"ansible.builtin.debug": {"msg": "summary={{ said.summary[0] }} facts={{ said.facts }}"}},
    ]
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = run(tmp_path, "play.yml")
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0, output
    assert ("give registries_namespace." in output) is of_playbook
    assert ("give namespace." in output) is not of_playbook
    assert ("summary=Give database_port. facts=database.host" in output) is of_playbook
    if fails:
        assert ("database_host: w." in output) is of_playbook
        assert ("database.host: w." in output) is not of_playbook


def test_a_password_in_the_environment_takes_consent() -> None:
    """Without rotate_password, the next run would leave the stored one as it is."""
    said = in_variables(
        "Give the right password with database.password, or correct it in its Secret: pods read it at their start."
    )
    assert said.startswith(
        "Give the right password with rotate_password=true and database_password (or the environment variable "
    )
