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

    prefix: str
    """The role that has their defaults. Its name is the first part of the variables'."""
    module: ModuleType
    options: tuple[str, ...]


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
        ours = re.fullmatch(r"opendatahub\.model_registry\.(\w+)(?:\.(\w+))?", name)
        if ours:
            fragment = import_module(f"{FRAGMENTS}.{ours[1]}").ModuleDocFragment
            options |= yaml.safe_load(getattr(fragment, (ours[2] or "documentation").upper())).get("options", {})
    own: Spec = documentation["options"]
    # What the module says counts, in its order.
    return {**own, **options, **own}


def _but(module: ModuleType, *others: str) -> tuple[str, ...]:
    """Return all options of a module but a few, and but those of kubernetes.core."""
    return tuple(name for name in documented_options(module) if name not in others)


_DELETION = ("ignore_inference_services", "delete_generated_data")
_CHECK = Passed("preflight", mysql_auth_check, _but(mysql_auth_check, "registry", "database", "namespace"))
ROLES: Mapping[str, tuple[Passed, ...]] = {
    "create": (Passed("create", model_registry, _but(model_registry, "state", "create", *_DELETION)), _CHECK),
    "update": (Passed("update", model_registry, _but(model_registry, "name", "state", "create", *_DELETION)), _CHECK),
    "preflight": (
        Passed(
            "preflight",
            model_registry_preflight,
            _but(model_registry_preflight, "via", "relay_image", "fail_on", "accept"),
        ),
        _CHECK,
    ),
    "grant": (Passed("grant", model_registry_permissions, _but(model_registry_permissions)),),
    "teardown": (Passed("teardown", model_registry, (*_DELETION, "namespace", "wait", "wait_timeout")),),
}


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
                option.pop("default", None)
            generated[f"{passed.prefix}_{name}"] = option
    content = yaml.safe_load(spec_file(role).read_text())
    main = content["argument_specs"]["main"]
    own = {name: option for name, option in main["options"].items() if name not in generated}
    main["options"] = {**own, **generated}
    return HEADING + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _option(spec: Spec, docs: Spec, passed: Passed) -> Spec:
    """Return an option of a module as an argument spec of a role has it."""
    option = {name: spec[name] for name in COPIED if spec.get(name) or (name == "default" and name in spec)}
    texts = [_linked(text, passed) for text in docs["description"]]
    option["description"] = texts if len(texts) > 1 else texts[0]
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
