# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options back to variables: read again, they give the same options, and what is left is exactly what they lack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import permissions, registry
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.questions import (
    PLAYBOOKS,
    Playbook,
    Question,
    question,
)
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.reader import read, role_options
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.values import is_blank
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.variables import Path, variables_for
from hypothesis import given, settings
from hypothesis import strategies as st

Options = dict[str, Any]
TEXTS = st.one_of(st.text(), st.sampled_from(["null", "~", " ", "none", "yes", "0123", "a, b", "{{ x }}", "cluster"]))
EXCLUSIVE = (
    ("password", "password_secret"),
    ("host", "host_address"),
    ("ca_bundle", "ca_config_map", "ca_secret", "ca_pem"),
)
TOGETHER = (("client_certificate_secret", "client_key_secret"), ("certificate_secret", "key_secret"))


def values(spec: Options) -> st.SearchStrategy[Any]:
    """Return values of an option as its module's schema has it."""
    if "options" in spec:
        return dicts(spec["options"])
    if "choices" in spec:
        return st.sampled_from(spec["choices"])
    simple: dict[str, st.SearchStrategy[Any]] = {
        "str": TEXTS,
        "int": st.integers(0, 10**9),
        "bool": st.booleans(),
        "dict": st.dictionaries(st.text(min_size=1), TEXTS, min_size=1, max_size=2),
    }
    if spec["type"] == "list":
        entry = {"type": spec["elements"], **({"options": spec["options"]} if "options" in spec else {})}
        return st.lists(values(entry), max_size=3)
    return simple[spec["type"]]


def dicts(options: Options) -> st.SearchStrategy[Options]:
    """Return values of some of the options, and of those that a reference must have."""
    required = {name: values(spec) for name, spec in options.items() if spec.get("required")}
    optional = {name: values(spec) for name, spec in options.items() if not spec.get("required")}
    return st.fixed_dictionaries(required, optional=optional).map(allowed).filter(bool)


def allowed(options: Options) -> Options:
    """Return the options without those that the module refuses beside others."""
    for group in EXCLUSIVE:
        for name in [name for name in group if name in options][1:]:
            del options[name]
    for group in TOGETHER:
        if not set(group) <= options.keys():
            options = {name: value for name, value in options.items() if name not in group}
    return options


def paths(options: Mapping[str, Any], above: Path = ()) -> dict[Path, Any]:
    """Return every option by where it is."""
    found: dict[Path, Any] = {}
    for name, value in options.items():
        found.update(paths(value, (*above, name)) if isinstance(value, dict) else {(*above, name): value})
    return found


def check_round_trip(book: str, options: Options) -> dict[Path, Any]:
    """Assert that what is read is all but what is left, and return that."""
    variables, left = variables_for(PLAYBOOKS[book], options)
    answers, errors = read(PLAYBOOKS[book], variables, {})
    about_others = [error for error in errors if "needs one of these" in str(error) or "needs it" in str(error)]
    assert errors == about_others, [str(error) for error in errors]
    assert {**paths(role_options(PLAYBOOKS[book], answers)), **left} == paths(options)
    assert list(variables) == [name for name in PLAYBOOKS[book].variables if name in variables]
    return left


@settings(max_examples=300)
@given(options=dicts({**registry(), "namespace": {"type": "str"}}))
def test_a_registry_round_trip(options: Options) -> None:
    left = check_round_trip("create", options)
    for path in left:
        lacks = path[0] in ("resources", "port", "service_route")
        lacks |= path in (("database", "tls", "enabled"), ("database", "update_password"))
        # Only one authority has a variable, and none beside a connection without TLS.
        lacks |= (
            path[:2] == ("database", "tls") and path[2].startswith("ca_") and "enabled" in options["database"]["tls"]
        )
        pair = next((group for group in TOGETHER if len(path) > 1 and path[-2] in group), None)
        secrets = [(*path[:-2], one) for one in pair] if pair else [path[:-1]]
        halves = [
            path,
            *((*secret, part) for secret in secrets for part in ("name", "key") if path[-1] in ("name", "key")),
        ]
        unreadable = any(is_blank(Question("x"), paths(options).get(half, "x")) for half in halves)
        assert lacks or unreadable, path


@settings(max_examples=100)
@given(options=dicts(permissions()))
def test_permissions_round_trip(options: Options) -> None:
    check_round_trip("grant", options)


DATABASE: list[tuple[Options, Options]] = [
    ({"tls": {"ca_bundle": "cluster"}}, {"ca_source": "cluster"}),
    ({"tls": {"ca_bundle": "openshift_ai"}}, {"ca_source": "openshift_ai"}),
    ({"tls": {"enabled": False}}, {"ca_source": "none"}),
    ({"tls": {"ca_pem": "p"}}, {"ca_source": "pem", "ca_pem": "p"}),
    (
        {"tls": {"ca_config_map": {"name": "n", "key": "k"}}},
        {"ca_source": "config_map", "ca_name": "n", "ca_key": "k"},
    ),
    ({"tls": {"ca_secret": {"name": "n", "key": "k"}}}, {"ca_source": "secret", "ca_name": "n", "ca_key": "k"}),
    (
        {"password_secret": {"name": "n", "key": "k"}},
        {"database_password_secret_name": "n", "database_password_secret_key": "k"},
    ),
    ({"generate": True, "image": "i"}, {"database_generate": True, "database_image": "i"}),
    ({"tls": {"mode": "verify-ca", "cipher": "c"}}, {"database_tls_mode": "verify-ca", "database_tls_cipher": "c"}),
]


@pytest.mark.parametrize(("database", "variables"), DATABASE)
def test_databases(database: Options, variables: Options) -> None:
    assert variables_for(PLAYBOOKS["create"], {"database": database}) == (variables, {})


def test_what_no_variable_can_be_for() -> None:
    options = {"description": "null", "port": 8081, "resources": {"limits": {"nvidia.com/gpu": "1"}}, "image": None}
    assert variables_for(PLAYBOOKS["create"], options) == (
        {},
        {("description",): "null", ("port",): 8081, ("resources", "limits", "nvidia.com/gpu"): "1"},
    )


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_question_about_an_option_has_a_way_back(name: str) -> None:
    """Each variable of a role's option, given alone with what it needs, comes back."""
    book = PLAYBOOKS[name]
    for asked in book.questions:
        answers = given_alone(book, asked)
        if asked.option:
            assert variables_for(book, role_options(book, answers))[0].items() >= answers.items(), asked.variable


def given_alone(book: Playbook, asked: Question) -> Options:
    """Return an answer with all that it needs beside it."""
    account = {"namespace": "x", "name": "x"}
    example: Options = {
        "text": "x",
        "secret": "x",
        "boolean": True,
        "integer": 1,
        "names": ["x"],
        "accounts": [account],
    }
    answers: Options = {}
    needing = [asked]
    for one in needing:
        for need in one.needs:
            if not need.when and need.variable not in answers:
                answers[need.variable] = need.values[-1] if need.values else "x"
                needing.append(question(book, need.variable))
    if "{" in asked.option:
        other = "ca_key" if asked.variable == "ca_name" else "ca_name"
        answers[other] = "x"
    return {**answers, asked.variable: asked.choices[0] if asked.choices else example[asked.kind]}
