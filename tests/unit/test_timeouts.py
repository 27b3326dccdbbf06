# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options in seconds are in their ranges, or the task ends before it opens a connection."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils import _argspec, _module
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput

LIMITS = {"wait_timeout": 86_400, "connect_timeout": 600, "relay_timeout": 3600}


@pytest.mark.parametrize("option", LIMITS)
def test_both_ends_are_in(option: str) -> None:
    for seconds in (1, LIMITS[option], None):
        _argspec.check_ranges({option: seconds})


@pytest.mark.parametrize("option", LIMITS)
@pytest.mark.parametrize("seconds", [0, -1, -(10**12), 10**12, 2**63, "one more"])
def test_what_is_out_of_range_is_named_with_its_range(option: str, seconds: Any) -> None:
    given = LIMITS[option] + 1 if seconds == "one more" else seconds
    with pytest.raises(InvalidInput) as raised:
        _argspec.check_ranges({option: given})
    text = str(raised.value)
    assert text.startswith(f"{option}: {given} is out of range. Give 1 to {LIMITS[option]} seconds.")
    assert ("set wait to false" in text) == (option == "wait_timeout")


def test_every_option_in_seconds_has_a_range() -> None:
    specs = {**_argspec.waiting(), **_argspec.checking(), **_argspec.registry()}
    assert {name for name in specs if name.endswith("timeout")} == set(LIMITS) == set(_argspec.RANGES)
    _argspec.check_ranges({name: spec.get("default") for name, spec in specs.items()})


class Ended(Exception):
    """The module ended."""


class Module:
    """Options, and where a module ends."""

    def __init__(self, **params: Any) -> None:
        self.params = {"kubeconfig": None, **params}
        self.argument_spec = {option: {"type": "int"} for option in params}
        self.no_log_values: set[str] = set()

    def fail_json(self, **result: Any) -> None:
        raise Ended(result["msg"])


def test_no_module_begins_with_one_that_is_out_of_range() -> None:
    def work(_connect: Any, _result: Any) -> None:
        raise AssertionError("work has begun")

    with pytest.raises(Ended, match="wait_timeout: 0 is out of range"):
        _module.run_module(cast("Any", Module(wait_timeout=0)), work)
