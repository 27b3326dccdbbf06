# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option schemas of the modules, composed of shared parts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.common.validation import check_type_path
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

from ._common.errors import InvalidInput
from ._database.relay import SOCAT
from ._kubernetes.authentication import conceal_config, conceal_file, conceal_url

__all__ = [
    "CHECK_RULES",
    "DATABASE_RULES",
    "REGISTRY_RULES",
    "authentication",
    "check_ranges",
    "checking",
    "database",
    "permissions",
    "registry",
    "waiting",
]

Spec = dict[str, Any]


def authentication() -> Spec:
    """Return the options of kubernetes.core's modules that choose a cluster and a user, and the registries namespace.

    Options that may contain secrets are converted to hide them; _kubernetes.authentication.given() has the value.
    """
    spec = copy.deepcopy(AUTH_ARG_SPEC)
    spec["kubeconfig"]["type"] = _Concealing("raw", conceal_config)
    # It is a path, but if a user gives the content, that is hidden all the same.
    spec["client_key"].update(
        type=_Concealing("path", lambda value: conceal_file(check_type_path(value))), no_log=False
    )
    for url in ("host", "proxy"):
        spec[url]["type"] = _Concealing("str", conceal_url)
    return {**spec, "namespace": {"type": "str"}}


class _Concealing(str):
    """The name of an option's type, as documented, that also converts values: Ansible accepts any callable."""

    _convert: Callable[[Any], Any]

    def __new__(cls, name: str, convert: Callable[[Any], Any]) -> _Concealing:
        made = super().__new__(cls, name)
        made._convert = convert
        return made

    def __call__(self, value: Any) -> Any:
        """Return the value in a form that may be shown."""
        return self._convert(value)


DAY = 24 * 60 * 60
RANGES = {
    "wait_timeout": (1, DAY, "To go on without waiting, set wait to false."),
    "connect_timeout": (1, 600, ""),
    "relay_timeout": (1, 3600, ""),
}
"""Options in seconds, by name: minimum, maximum, and the alternative."""


def check_ranges(params: Mapping[str, Any]) -> None:
    """Raise InvalidInput if an option in seconds is out of its range: Ansible's schemas know no ranges."""
    for option, (least, most, instead) in RANGES.items():
        given = params.get(option)
        if given is not None and not least <= given <= most:
            step = f"Give {least} to {most} seconds. {instead}".strip()
            raise InvalidInput(option, f"{given} is out of range", step)


def waiting() -> Spec:
    """Return the options for waiting."""
    return {
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 300},
    }


def registry() -> Spec:
    """Return the options of one registry."""
    return {
        "name": {"type": "str", "aliases": ["registry"]},
        "display_name": {"type": "str"},
        "description": {"type": "str"},
        "database": {"type": "dict", "options": database(), **DATABASE_RULES},
        "auth_proxy": {"type": "str", "choices": ["auto", "kube_rbac", "oauth", "istio", "none"]},
        "resources": {
            "type": "dict",
            "options": {"requests": {"type": "dict"}, "limits": {"type": "dict"}},
        },
        "image": {"type": "str"},
        "port": {"type": "int"},
        "service_route": {"type": "bool"},
        "auth_proxy_settings": {
            "type": "dict",
            "options": _proxy(),
            "required_together": [("certificate_secret", "key_secret")],
        },
    }


REGISTRY_RULES: Spec = {"required_one_of": [("name", "display_name")]}
"""Between the options of registry()."""


def _proxy() -> Spec:
    return {
        "image": {"type": "str"},
        "port": {"type": "int"},
        "service_route": {"type": "bool"},
        "domain": {"type": "str"},
        "route_port": {"type": "int"},
        "certificate_secret": _key_ref(no_log=False),
        "key_secret": _key_ref(no_log=False),
    }


def permissions() -> Spec:
    """Return the options for who may use a registry."""
    names = {"type": "list", "elements": "str"}
    return {
        **{option: dict(names) for option in ("users", "groups", "projects", "members")},
        "service_accounts": {
            "type": "list",
            "elements": "dict",
            "options": {
                "namespace": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
            },
        },
    }


def database() -> Spec:
    """Return the options of a registry's database."""
    return {
        "type": {"type": "str", "choices": ["mysql", "postgres"]},
        "host": {"type": "str"},
        "host_address": {"type": "str"},
        "port": {"type": "int"},
        "name": {"type": "str"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "update_password": {"type": "str", "choices": ["always", "on_create"], "no_log": False},
        "password_secret": _key_ref(no_log=False),
        "generate": {"type": "bool"},
        "image": {"type": "str"},
        "tls": {"type": "dict", "options": _tls(), **_TLS_RULES},
    }


DATABASE_RULES: Spec = {
    "mutually_exclusive": [("password", "password_secret"), ("host", "host_address")],
}
"""Between the options of database()."""

_TLS_RULES: Spec = {
    "mutually_exclusive": [("ca_bundle", "ca_config_map", "ca_secret", "ca_pem")],
    "required_together": [("client_certificate_secret", "client_key_secret")],
}


def checking() -> Spec:
    """Return the options for the check of a database."""
    return {
        "via": {"type": "str", "choices": ["auto", "direct", "port_forward", "relay"], "default": "auto"},
        "relay_image": {"type": "str"},
        "relay_command": {"type": "list", "elements": "str", "default": list(SOCAT)},
        "relay_timeout": {"type": "int", "default": 60},
        "required_plugin": {"type": "str", "choices": ["auto", "native", "any"], "default": "auto"},
        "connect_timeout": {"type": "int", "default": 10},
        **failing(),
    }


def failing() -> Spec:
    """Return the options for which findings make a task fail."""
    return {
        "fail_on": {"type": "list", "elements": "str", "default": ["blocker"]},
        "accept": {"type": "list", "elements": "str", "default": []},
    }


CHECK_RULES: Spec = {"required_if": [("via", "relay", ("relay_image",))]}
"""Between the options of checking()."""


def _tls() -> Spec:
    return {
        "enabled": {"type": "bool"},
        "ca_bundle": {"type": "str", "choices": ["cluster", "openshift_ai"]},
        "ca_config_map": _key_ref(),
        "ca_secret": _key_ref(no_log=False),
        "ca_pem": {"type": "str"},
        "verify": {"type": "bool"},
        "client_certificate_secret": _key_ref(no_log=False),
        "client_key_secret": _key_ref(no_log=False),
        "mode": {"type": "str", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]},
        "cipher": {"type": "str"},
    }


def _key_ref(**attributes: Any) -> Spec:
    """Return the options of a key in a Secret or ConfigMap. no_log=False: its name sounds secret, its value is a name."""
    return {
        "type": "dict",
        **attributes,
        "options": {
            "name": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": False},
        },
    }
