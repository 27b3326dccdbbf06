# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' amounts of resources, such as 500m, 1 or 256Mi, compared by value: one amount has many spellings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from .._common.model import Object

__all__ = ["amount", "with_stored_spelling"]

_FACTORS = {
    **{
        unit: Fraction(1000) ** power
        for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
    **{f"{unit}i": Fraction(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}


MAX_LENGTH = 64
"""Characters of an amount: far more than any has. Python refuses to parse numbers of thousands of digits."""
_AMOUNT = re.compile(
    rf"(?=.{{1,{MAX_LENGTH}}}\Z)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{{1,2}}))?"
)


def amount(text: Any) -> Fraction | None:
    """Parse an amount that is not negative (Kubernetes' API reference: Quantity); None if it is invalid."""
    found = _AMOUNT.fullmatch(str(text)[: MAX_LENGTH + 1])
    if found is None:
        return None
    number, unit, exponent = found.groups()
    return Fraction(number) * _FACTORS[unit or ""] * Fraction(10) ** int(exponent or 0)


def with_stored_spelling(wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> Object:
    """Return the wanted requests and limits, in the stored spelling if the value is the same.

    The operator's webhook writes amounts in their canonical form: 1024Mi becomes 1Gi, 0.5 becomes 500m.
    """
    return {part: _as_stored(amounts, stored.get(part) or {}) for part, amounts in wanted.items()}


def _as_stored(wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> Object:
    same = {name for name, text in wanted.items() if name in stored and amount(text) == amount(stored[name])}
    return {name: stored[name] if name in same else text for name, text in wanted.items()}
