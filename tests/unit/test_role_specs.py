# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles accept what the module accepts: their argument specs and defaults agree with the module's."""

from __future__ import annotations

import re
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
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.rules import JOBS
from ansible_collections.opendatahub.model_registry.plugins.modules import model_registry, model_registry_permissions
from jinja2 import Environment, meta

Spec = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("create", "update", "grant", "teardown", "preflight")
PAGES = {"grant": "sharing"}
"""The pages of playbooks that have another name."""
DOCUMENTED: Spec = yaml.safe_load(model_registry.DOCUMENTATION)["options"]
PERMISSIONS: Spec = yaml.safe_load(model_registry_permissions.DOCUMENTATION)["options"]
COMMON: Spec = {"namespace": {"type": "str"}, **waiting()}
NAME: Spec = {"name": {"type": "str", "required": True}}
FIRST: Spec = {"preflight": {"type": "bool", "default": True}}
FOR_PREFLIGHT: Spec = {
    f"preflight_{name}": {key: value for key, value in option.items() if key != "default"}
    for name, option in checking().items()
}
"""The preflight options of the roles that run it first. The role preflight has the defaults."""
EXPECTED: dict[str, Spec] = {
    "create": {**registry(), **COMMON, **FIRST},
    "update": {**registry(), **COMMON, **NAME, **FIRST},
    "preflight": {
        "job": {"type": "str", "choices": list(JOBS), "default": "create"},
        **{
            name: registry()[name] for name in ("name", "display_name", "database", "auth_proxy", "auth_proxy_settings")
        },
        "namespace": COMMON["namespace"],
        **checking(),
        # The default is the module's own.
        "relay_command": {"type": "list", "elements": "str"},
    },
    "grant": {
        **permissions(),
        **{name: PERMISSIONS[name] for name in ("registry", "state", "adopt", "verify", "must_exist")},
        **COMMON,
        "wait_timeout": PERMISSIONS["wait_timeout"],
    },
    "teardown": {
        **NAME,
        "confirm": {"type": "str", "default": ""},
        "save_permissions": {"type": "path", "default": ""},
        **{name: DOCUMENTED[name] for name in ("ignore_inference_services", "delete_generated_data")},
        **COMMON,
    },
}
FILTERS = ("bool", "dict2items", "items2dict", "opendatahub.model_registry.access_answers")
"""Filters that the playbooks use and Jinja does not have."""
COMPARED = ("type", "choices", "default", "required", "elements")


def load(role: str, file: str) -> Spec:
    found: Spec = yaml.safe_load((ROOT / "roles" / role / file).read_text())
    return found


def options(role: str) -> Spec:
    found: Spec = load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


def essence(spec: Spec) -> Spec:
    """Return the parts of a spec that decide which values are accepted, and which are hidden."""
    found: Spec = {}
    for name, option in spec.items():
        found[name] = {key: option[key] for key in COMPARED if option.get(key)}
        found[name]["no_log"] = bool(option.get("no_log"))
        found[name]["options"] = essence(option.get("options") or {})
    return found


@pytest.mark.parametrize("role", ROLES)
def test_options_are_the_modules(role: str) -> None:
    expected = {f"{role}_{name}": option for name, option in EXPECTED[role].items()}
    expected |= FOR_PREFLIGHT if "preflight" in EXPECTED[role] else {}
    assert essence(options(role)) == essence(expected)


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_as_specified(role: str) -> None:
    specified = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert load(role, "defaults/main.yml") == specified


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_handed_on(role: str) -> None:
    """An option that no task uses would be accepted and do nothing."""
    files = [ROOT / "roles" / role / folder / "main.yml" for folder in ("tasks", "vars")]
    texts = "".join(file.read_text() for file in files if file.exists())
    handed_on = [name for name in options(role) if "preflight" not in EXPECTED[role] or name not in FOR_PREFLIGHT]
    assert [name for name in handed_on if name not in texts] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_described(role: str) -> None:
    def undescribed(spec: Spec, path: str = "") -> list[str]:
        found = []
        for name, option in spec.items():
            found += [] if option.get("description") else [f"{path}{name}"]
            found += undescribed(option.get("options") or {}, f"{path}{name}.")
        return found

    assert undescribed(options(role)) == []


@pytest.mark.parametrize("playbook", ROLES)
def test_pages_list_the_flat_variables(playbook: str) -> None:
    """Each variable that a playbook takes is in its page's table, and the other way round."""
    texts = [(ROOT / "playbooks" / f"{playbook}.yml").read_text()]
    (play,) = yaml.safe_load(texts[0])
    texts += [(ROOT / "playbooks" / file).read_text() for file in play.get("vars_files", ())]
    environment = Environment(autoescape=True)
    environment.filters.update(dict.fromkeys(FILTERS, str))
    used = {name for text in texts for name in meta.find_undeclared_variables(environment.parse(text))}
    used |= {name for text in texts for name in re.findall(r"secret_answer', '(\w+)'", text)}
    used = {name for name in used if not name.startswith("answers_")} - {"omit", "lookup", "dict"}
    page = (ROOT / "docs" / f"{PAGES.get(playbook, playbook)}.md").read_text()
    assert used == set(re.findall(r"^\| `([a-z0-9_]+)` \|", page, re.MULTILINE))


@pytest.mark.parametrize("part", [registry(), waiting(), checking(), permissions()])
def test_no_option_takes_the_place_of_one_for_authentication(part: Spec) -> None:
    """Such as proxy, which is the HTTP proxy on the way to the API server."""
    assert not set(part) & set(authentication()) - {"namespace"}
