# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the options that roles pass on to modules into the roles' argument specs, as the modules document them.

What else is in these files stays as it is: the texts about the role, and the options of its own.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import yaml
from ansible_collections.opendatahub.model_registry.plugins.modules import (
    model_registry,
    model_registry_permissions,
    model_registry_preflight,
    mysql_auth_check,
)

__all__ = ["ROLES", "Passed", "argument_spec", "documented_options", "role_spec", "spec_file"]

Spec = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
FRAGMENTS = "ansible_collections.opendatahub.model_registry.plugins.doc_fragments"
HEADING = """\
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
---
# make role-specs writes the options of modules, out of the modules' documentation.
"""
COPIED = ("type", "elements", "choices", "required", "default", "no_log")


@dataclass(frozen=True)
class Passed:
    """The options of a module that a role passes on."""

    module: ModuleType
    options: tuple[str, ...]
    prefix: str
    """Precedes the options' names in the names of the role's variables."""


_EDIT = (
    *("display_name", "description", "database", "auth_proxy", "resources", "image", "port", "service_route"),
    *("auth_proxy_settings", "namespace", "wait", "wait_timeout"),
)
_CHECK = Passed(
    mysql_auth_check,
    (
        *("via", "relay_image", "relay_command", "relay_timeout"),
        *("required_plugin", "connect_timeout", "fail_on"),
    ),
    "preflight",
)
_PREFLIGHT = ("job", "name", "display_name", "database", "auth_proxy", "auth_proxy_settings", "namespace")
_GRANT = (
    *("registry", "users", "groups", "projects", "service_accounts", "members"),
    *("state", "adopt", "verify", "must_exist", "namespace", "wait", "wait_timeout"),
)
_TEARDOWN = ("ignore_inference_services", "delete_generated_data", "namespace", "wait", "wait_timeout")
ROLES: Mapping[str, tuple[Passed, ...]] = {
    "create": (Passed(model_registry, ("name", *_EDIT), "create"), _CHECK),
    "update": (Passed(model_registry, _EDIT, "update"), _CHECK),
    "preflight": (Passed(model_registry_preflight, _PREFLIGHT, "preflight"), _CHECK),
    "grant": (Passed(model_registry_permissions, _GRANT, "grant"),),
    "teardown": (Passed(model_registry, _TEARDOWN, "teardown"),),
}


def argument_spec(module: ModuleType) -> Spec:
    """Return the argument spec of a module."""
    started = mock.patch.object(module, "AnsibleModule", side_effect=InterruptedError)
    with contextlib.suppress(InterruptedError), started as made:
        module.main()
    spec: Spec = made.call_args.kwargs["argument_spec"]
    return spec


def documented_options(module: ModuleType) -> Spec:
    """Return the documentation of a module's options, without those that kubernetes.core documents."""
    documentation: Spec = yaml.safe_load(module.DOCUMENTATION)
    options: Spec = {}
    for name in documentation["extends_documentation_fragment"]:
        own = re.fullmatch(r"opendatahub\.model_registry\.(\w+)(?:\.(\w+))?", name)
        if own:
            fragment = import_module(f"{FRAGMENTS}.{own[1]}").ModuleDocFragment
            options |= yaml.safe_load(getattr(fragment, (own[2] or "documentation").upper())).get("options", {})
    return {**options, **documentation["options"]}


def spec_file(role: str) -> Path:
    """Return the file with a role's argument spec."""
    return ROOT / "roles" / role / "meta" / "argument_specs.yml"


def role_spec(role: str) -> str:
    """Return what the file with a role's argument spec should contain."""
    generated: Spec = {}
    for passed in ROLES[role]:
        spec, docs = argument_spec(passed.module), documented_options(passed.module)
        for name in passed.options:
            option = _option(spec[name], docs[name], passed)
            if passed.prefix != role:
                # The other role has the defaults.
                option.pop("default", None)
            generated[f"{passed.prefix}_{name}"] = option
    content = yaml.safe_load(spec_file(role).read_text())
    main = content["argument_specs"]["main"]
    own = {name: option for name, option in main["options"].items() if name not in generated}
    main["options"] = {**own, **generated}
    return HEADING + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=130)


def _option(spec: Spec, docs: Spec, passed: Passed) -> Spec:
    """Return an option of a module as an argument spec of a role has it."""
    option = {name: spec[name] for name in COPIED if spec.get(name) or (name == "default" and name in spec)}
    option["description"] = [_linked(text, passed) for text in docs["description"]]
    if "options" in spec:
        option["options"] = {
            name: _option(inner, docs["suboptions"][name], passed) for name, inner in spec["options"].items()
        }
    return option


def _linked(text: str, passed: Passed) -> str:
    """Return a text about a module's options as one about the role's variables."""

    def variable(match: re.Match[str]) -> str:
        is_passed = match[1] == "O" and re.split(r"[.=]", match[2])[0] in passed.options
        return f"O({passed.prefix}_{match[2]})" if is_passed else f"C({match[2]})"

    return re.sub(r"\b(O|RV)\(([^)#]+)\)", variable, text)


class _Dumper(yaml.SafeDumper):
    """Writes YAML as ansible-lint expects it: lists are indented, and nothing is shared."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


if __name__ == "__main__":
    for name in ROLES:
        spec_file(name).write_text(role_spec(name))
