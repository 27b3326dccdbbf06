# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amounts of resources: their values, as Kubernetes' own client reads them, and when two are the same."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.quantity import (
    amount,
    with_stored_spelling,
)
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

UNITS = ("", *"numkMGTPE", *(f"{unit}i" for unit in "KMGTPE"))


@given(st.integers(0, 10**6), st.integers(0, 999), st.sampled_from(UNITS))
def test_values(whole: int, part: int, unit: str) -> None:
    for text in (f"{whole}{unit}", f"{whole}.{part:03}{unit}"):
        assert amount(text) == parse_quantity(text), text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1024Mi", "1Gi"),
        (0.5, "500m"),
        (1, "1"),
        ("1000m", "1"),
        ("1.5Gi", "1536Mi"),
        ("1e3", "1k"),
        ("1E", "1000P"),
        (".5", "0.5"),
        ("2.", 2),
        ("1E2", "100"),
    ],
)
def test_spellings(one: Any, other: Any) -> None:
    assert amount(one) == amount(other) is not None


@pytest.mark.parametrize(
    "text",
    ["", "much", "-1", "1 Gi", "1GiB", "1ki", "0x10", "1,5", ".", "Gi", "1e", "1mi", True, None, "9" * 5000, "0" * 65],
)
def test_no_amounts(text: Any) -> None:
    assert amount(text) is None


def test_the_same_amounts_in_the_words_that_are_stored() -> None:
    wanted = {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"memory": "2048Mi", "nvidia.com/gpu": "1"}}
    stored = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi", "cpu": "1"}}
    assert with_stored_spelling(wanted, stored) == {
        "requests": {"cpu": "500m", "memory": "1024Mi"},
        "limits": {"memory": "2Gi", "nvidia.com/gpu": "1"},
    }
