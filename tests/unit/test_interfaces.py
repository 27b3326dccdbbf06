# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules have in common at their edges: names of options, and types of results."""

from __future__ import annotations

from types import ModuleType
from typing import Any, cast

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.opendatahub.model_registry.plugins.module_utils import _module
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.modules import (
    model_registry,
    model_registry_info,
    model_registry_permissions,
    model_registry_preflight,
    mysql_auth_check,
)
from role_specs import argument_spec, documented_options

MAIN_NAMES = {
    model_registry: "name",
    model_registry_info: "name",
    model_registry_permissions: "registry",
    model_registry_preflight: "name",
    mysql_auth_check: "registry",
}
"""The documented option that names the registry; of name and registry, the other is an alias."""


def short_name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


@pytest.mark.parametrize("module", MAIN_NAMES, ids=short_name)
@pytest.mark.parametrize("typed", ["name", "registry"])
def test_a_registry_is_named_by_either_option(module: ModuleType, typed: str) -> None:
    main, spec = MAIN_NAMES[module], argument_spec(module)
    checked = ArgumentSpecValidator(spec).validate({typed: "fraud-models"})
    assert checked.error_messages == [] and checked.validated_parameters[main] == "fraud-models"
    assert spec[main]["aliases"] == documented_options(module)[main]["aliases"] == list({"name", "registry"} - {main})


class Ended(Exception):
    """The module ended."""


class Module:
    """Options, and where a module ends."""

    def __init__(self, spec: dict[str, Any], params: dict[str, Any]) -> None:
        self.argument_spec, self.no_log_values = spec, set[str]()
        self.params: dict[str, Any] = {"kubeconfig": None, **params}

    def fail_json(self, **result: Any) -> None:
        raise Ended(result["msg"])


@pytest.mark.parametrize("typed", ["name", "registry"])
def test_an_error_names_the_option_as_it_was_typed(typed: str) -> None:
    spec = {"name": {"type": "str", "aliases": ["registry"]}}

    def work(_connect: Any, _result: Any) -> None:
        raise InvalidInput("name", "it is empty", "Give one.")

    with pytest.raises(Ended, match=f"^{typed}: it is empty. Give one."):
        _module.run_module(cast("Any", Module(spec, {"name": "", typed: ""})), work)


@pytest.mark.parametrize("module", MAIN_NAMES, ids=short_name)
def test_a_result_has_the_type_of_the_option_of_its_name(module: ModuleType) -> None:
    """A result is given back as the option of its name. An alias names no result."""
    options = {**AUTH_ARG_SPEC, **documented_options(module)}
    results = yaml.safe_load(module.RETURN)
    types = {name: (options[name].get("type"), result["type"]) for name, result in results.items() if name in options}
    assert [name for name, (given, returned) in types.items() if given != returned] == []


@pytest.mark.parametrize("module", [model_registry, model_registry_info], ids=short_name)
def test_a_registry_is_described_by_options_of_model_registry(module: ModuleType) -> None:
    options, results = documented_options(model_registry), yaml.safe_load(module.RETURN)
    described = (results.get("registry") or results["registries"])["contains"]
    types = {name: (options[name]["type"], field["type"]) for name, field in described.items() if name in options}
    assert len(types) > 8 and [name for name, (given, returned) in types.items() if given != returned] == []
