# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles accept what the module accepts: their argument specs and defaults agree with the module's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import (
    authentication,
    checking,
    permissions,
    registry,
    waiting,
)
from role_specs import ROLES, role_spec, spec_file

Spec = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]


def load(role: str, file: str) -> Spec:
    found: Spec = yaml.safe_load((ROOT / "roles" / role / file).read_text())
    return found


def options(role: str) -> Spec:
    found: Spec = load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


@pytest.mark.parametrize("role", ROLES)
def test_options_are_the_modules(role: str) -> None:
    """If this fails, run make role-specs."""
    assert spec_file(role).read_text() == role_spec(role)


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_as_specified(role: str) -> None:
    specified = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert load(role, "defaults/main.yml") == specified


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_handed_on(role: str) -> None:
    """An option that no task uses would be accepted and do nothing."""
    files = [ROOT / "roles" / role / folder / "main.yml" for folder in ("tasks", "vars")]
    texts = "".join(file.read_text() for file in files if file.exists())
    # The role preflight reads its own variables.
    assert [name for name in options(role) if name.startswith(f"{role}_") and name not in texts] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_described(role: str) -> None:
    def undescribed(spec: Spec, path: str = "") -> list[str]:
        found = []
        for name, option in spec.items():
            found += [] if option.get("description") else [f"{path}{name}"]
            found += undescribed(option.get("options") or {}, f"{path}{name}.")
        return found

    assert undescribed(options(role)) == []


@pytest.mark.parametrize("part", [registry(), waiting(), checking(), permissions()])
def test_no_option_takes_the_place_of_one_for_authentication(part: Spec) -> None:
    """Such as proxy, which is the HTTP proxy on the way to the API server."""
    assert not set(part) & set(authentication()) - {"namespace"}
