# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource names: derived as the dashboard does, checked by what really holds."""

from __future__ import annotations

import re

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.names import (
    check_name,
    check_namespace,
    derive_name,
)
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
        ("日本", ""),
        ("", ""),
        ("---", ""),
        ("x" * 48 + " y", "x" * 48),
        ("x" * 80, "x" * 49),
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
    ],
)
def test_bad(name: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=re.compile(rf"^name: .*{why}", re.DOTALL)):
        check_name(name)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a?b", "A", "a.b", "-a", "a-", "x" * 64, "../x", "ä", "a\n"])
def test_what_is_no_namespace(name: str) -> None:
    """In a path, some would lead to other objects, and none at all to those of all namespaces."""
    with pytest.raises(InvalidInput) as caught:
        check_namespace(name)
    assert caught.value.what == "namespace" and caught.value.next_step


@pytest.mark.parametrize("name", [None, "a", "1", "rhoai-model-registries", "x" * 63])
def test_what_is_a_namespace(name: str | None) -> None:
    check_namespace(name)
