# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role's README.md says what the argument spec says, and its example has variables of the role."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(folder.name for folder in (ROOT / "roles").iterdir())


def spec(role: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())
    main: dict[str, Any] = content["argument_specs"]["main"]
    return main


@pytest.mark.parametrize("role", ROLES)
def test_page(role: str) -> None:
    page = ROOT / "roles" / role / "README.md"
    assert page.exists(), f"write {page.relative_to(ROOT)}: a heading, what the role does, an example, ansible-doc"
    text = page.read_text()
    assert f"\n# opendatahub.model_registry.{role}\n\n{spec(role)['short_description']}. " in text
    assert f"`ansible-doc -t role opendatahub.model_registry.{role}`" in text


@pytest.mark.parametrize("role", ROLES)
def test_example(role: str) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "roles" / role / "README.md").read_text(), re.DOTALL)
    ((play,),) = [yaml.safe_load(example)]
    (entry,) = play["roles"]
    assert entry["role"] == f"opendatahub.model_registry.{role}"
    options = spec(role)["options"]
    given = entry["vars"]
    assert given and set(given) <= set(options)
    assert {name for name, option in options.items() if option.get("required")} <= set(given)
    for name, value in given.items():
        assert set(value if isinstance(value, dict) else ()) <= set(options[name].get("options", ()))
