# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource names: derived as the dashboard does, checked by the rules that really hold."""

from __future__ import annotations

import re

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.names import (
    check_length,
    check_name,
    check_namespace,
    check_object_name,
    derive_name,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.auth_proxy import name_too_long
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("display_name", "name"),
    [
        ("Fraud models", "fraud-models"),
        ("  Fraud\tModels  ", "fraud-models"),
        ("--Fraud", "fraud"),
        ("Größe (neu)!", "gre-neu"),
        ("a - b", "a-b"),
        ("2024 models", "mr-2024-models"),
        ("42", "mr-42"),
        ("On", "mr-on"),
        ("N°", "mr-n"),
        ("日本", ""),
        ("", ""),
        ("---", ""),
        ("N-", "mr-n"),
        ("x" * 48 + " y", "x" * 48),
        ("x" * 80, "x" * 48),
    ],
)
def test_derived(display_name: str, name: str) -> None:
    assert derive_name(display_name) == name


@given(st.text())
def test_a_derived_name_holds(display_name: str) -> None:
    name = derive_name(display_name)
    if name:
        check_name(name)
        assert derive_name(name) == name


@pytest.mark.parametrize("name", ["a", "a-b", "x" * 49, "a1"])
def test_good(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("x" * 50, "50 characters and 49 is the most.*label value.*63"),
        ("Fraud", "other characters.*Use 'fraud'"),
        ("a.b", "other characters"),
        ("a_b", "other characters"),
        ("1a", "does not begin with a letter.*Service"),
        ("-a", "does not begin with a letter"),
        ("a-", "ends with a dash"),
        ("a\n", "other characters"),
        ("ä", "other characters"),
        *((word, "a word of YAML.*Use another name") for word in ("y", "n", "yes", "no", "on", "off", "null")),
    ],
)
def test_bad(name: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=re.compile(rf"^name: .*{why}", re.DOTALL)):
        check_name(name)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a?b", "A", "a.b", "-a", "a-", "x" * 64, "../x", "ä", "a\n"])
def test_what_is_no_namespace(name: str) -> None:
    """In a path, some would lead to other objects, and an empty one to those of all namespaces."""
    with pytest.raises(InvalidInput) as caught:
        check_namespace(name)
    assert caught.value.what == "namespace" and caught.value.next_step


@pytest.mark.parametrize("name", [None, "a", "1", "rhoai-model-registries", "x" * 63])
def test_what_is_a_namespace(name: str | None) -> None:
    check_namespace(name)


@pytest.mark.parametrize(
    ("length", "has_proxy", "works"), [(48, True, True), (49, True, False), (49, False, True), (50, False, False)]
)
def test_the_longest_name_depends_on_a_proxy(length: int, has_proxy: bool, works: bool) -> None:
    """The error names the label that is too long, and the suggested name works in any case."""
    if works:
        check_length("x" * length, has_proxy)
        return
    label = "<name>-auth-delegator of its proxy" if has_proxy else "registry-user-<name>"
    with pytest.raises(InvalidInput, match=f"{length} characters and {length - 1} is the most.*{label}.*'x{{48}}'"):
        check_length("x" * length, has_proxy)


@pytest.mark.parametrize(
    ("asked", "openshift", "longest"),
    [(None, True, 48), ("auto", False, 49), ("none", True, 49), ("kube_rbac", False, 48), ("oauth", True, 48)],
)
def test_the_longest_name_by_what_is_asked_for(asked: str | None, openshift: bool, longest: int) -> None:
    """As the preflight knows it beforehand."""
    assert name_too_long("x" * longest, asked, openshift) is None
    error = name_too_long("x" * (longest + 1), asked, openshift)
    assert error and f"{longest} is the most" in str(error)


@pytest.mark.parametrize("name", ["model-catalog", "model-catalog-postgres"])
def test_names_of_the_platform(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"the platform's own objects.*'{name}-2'"):
        check_name(name)


@pytest.mark.parametrize("name", ["1a", "a.b", "x" * 253, "model-catalog", "2024.x"])
def test_what_exists_can_be_named(name: str) -> None:
    """Names that the API server accepts, though they could not be created today."""
    check_object_name(name)
    with pytest.raises(InvalidInput):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "a/b", "../x", "a?b", "-a", "a-", "a..b", ".a", "x" * 254, "ä", "a\n", "{{ a }}"]
)
def test_what_cannot_exist_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_object_name(name)
