# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors in the options of a preflight are findings like the others."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.gather import wanted_from

PARAMS: dict[str, Any] = {
    **dict.fromkeys(("display_name", "database", "namespace", "auth_proxy", "auth_proxy_settings", "relay_image")),
    "job": "create",
    "name": "fraud",
    "via": "auto",
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"via": "relay"}, ["relay_image"]),
        ({"via": "relay", "relay_image": ""}, ["relay_image"]),
        ({"via": "relay", "relay_image": "socat"}, []),
        ({"relay_image": "socat"}, []),
        ({"via": "relay", "name": "9-fraud"}, ["name", "relay_image"]),
    ],
)
def test_a_relay_needs_an_image(given: dict[str, str], expected: list[str]) -> None:
    assert [error.what for error in wanted_from({**PARAMS, **given}).invalid] == expected
