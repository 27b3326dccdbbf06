# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge patches: desired fields hold afterwards, the rest is as before, and a second patch is empty."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.merge_patch import (
    applied,
    field_paths,
    merge_patch,
    present_fields,
    restricted,
)
from hypothesis import given
from hypothesis import strategies as st

Object = dict[str, Any]
NAMES = st.sampled_from("abc")
LEAVES = st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"]) | st.lists(st.integers(0, 1), max_size=2)


def objects(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    return st.recursive(
        st.dictionaries(NAMES, leaves, max_size=3), lambda inner: st.dictionaries(NAMES, leaves | inner, max_size=3)
    )


OBSERVED, WANTED = objects(LEAVES), objects(LEAVES | st.none())


def holds(observed: Object, wanted: Object) -> bool:
    """Check whether an object has all desired fields."""
    for key, value in wanted.items():
        current = observed.get(key)
        if value is None:
            if current is not None:
                return False
        elif isinstance(value, dict):
            if not isinstance(current, dict):
                # A dict of fields that must be absent may be absent itself.
                return bool(value) and not present_fields({key: value})
            if not holds(current, value):
                return False
        elif current != value:
            return False
    return True


@given(OBSERVED, WANTED)
def test_afterwards_all_holds(observed: Object, wanted: Object) -> None:
    after = applied(observed, merge_patch(observed, wanted))
    assert holds(after, wanted)
    assert merge_patch(after, wanted) == {}


@given(OBSERVED, WANTED)
def test_what_is_not_wanted_is_not_touched(observed: Object, wanted: Object) -> None:
    after = applied(observed, merge_patch(observed, wanted))
    for key in set(observed) - set(wanted):
        assert after[key] == observed[key]


@given(OBSERVED)
def test_an_object_has_itself(observed: Object) -> None:
    assert merge_patch(observed, observed) == {}


@pytest.mark.parametrize(
    ("observed", "wanted", "patch"),
    [
        ({"a": 1}, {}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({}, {"a": None}, {}),
        ({}, {"a": {"b": None}}, {}),
        ({}, {"a": {}}, {"a": {}}),
        ({"a": {"default": 1}}, {"a": {}}, {}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"b": None}}),
        ({"a": True}, {"a": 1}, {"a": 1}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
    ],
)
def test_smallest(observed: Object, wanted: Object, patch: Object) -> None:
    assert merge_patch(observed, wanted) == patch


def test_before_and_fields() -> None:
    observed, patch = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 5, "e": 6}, "d": None}
    assert restricted(observed, patch) == {"a": {"b": 1}, "d": 3}
    assert list(field_paths(patch)) == ["a.b", "a.e", "d"]
