# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource names of registries, derived from display names and checked, and the names of related objects."""

from __future__ import annotations

import re

from .errors import InvalidInput
from .text import HIDDEN, quoted

__all__ = [
    "MAX_NAME_LENGTH",
    "MAX_NAME_LENGTH_WITH_PROXY",
    "SHARED_CA",
    "YAML_WORDS",
    "auth_delegator",
    "ca_config_map",
    "check_length",
    "check_name",
    "check_namespace",
    "check_object_name",
    "derive_name",
    "password_secret",
    "user_role",
    "users_group",
]

MAX_NAME_LENGTH = 49
"""Characters, without a proxy: the operator labels the Role ``registry-user-<name>`` with its name, and a label value has at
most 63."""
MAX_NAME_LENGTH_WITH_PROXY = 48
"""Characters, with a proxy: the operator labels the ClusterRoleBinding ``<name>-auth-delegator`` with its name."""
RESERVED = ("model-catalog", "model-catalog-postgres")
"""Names of objects that the platform itself has in the registries namespace."""
YAML_WORDS = ("n", "no", "null", "off", "on", "y", "yes")
"""Names that the operator misreads: it writes them without quotes into YAML 1.1, where ``no`` is false."""
SHARED_CA = "db-credential"
"""The ConfigMap for uploaded certificate authorities of all registries: the name that the dashboard of 2.19 uses."""
SAFE_PREFIX = "mr-"
"""Prefix of a derived name that would begin with a digit, invalid for a Service (RFC 1035), or be a word of YAML."""


def derive_name(display_name: str) -> str:
    """Derive the resource name from a display name as the dashboard does; empty if no usable character is left."""
    text = display_name.strip().lower()
    text = re.sub(r"[^a-z0-9-]", "", re.sub(r"\s", "-", text.lstrip("-")))
    text = re.sub(r"-+", "-", text).strip("-")
    if text[:1].isdigit() or text in YAML_WORDS:
        text = SAFE_PREFIX + text
    return text[:MAX_NAME_LENGTH_WITH_PROXY].rstrip("-")


def check_object_name(name: str, option: str = "name") -> None:
    """Raise InvalidInput if no object can have that name (RFC 1123 subdomain). Enough to read or delete one."""
    if not re.fullmatch(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", name):
        # No registry can be created with such a name either, and that check has the better message.
        check_name(name, option)


def check_name(name: str, option: str = "name") -> None:
    """Raise InvalidInput if a registry of that name could be created but would never become available."""
    if not name:
        raise InvalidInput(option, "it is empty", "Give a name of lowercase letters, digits and dashes.")
    check_length(name, has_proxy=False, option=option)
    if not re.fullmatch(r"[a-z0-9-]+", name):
        why = f"{quoted(name)} has other characters than lowercase letters, digits and dashes"
        raise InvalidInput(option, why, _suggestion(name))
    if not name[0].isalpha():
        why = f"{quoted(name)} does not begin with a letter, as the name of the registry's Service must"
        raise InvalidInput(option, why, _suggestion(name))
    if name[-1] == "-":
        raise InvalidInput(option, f"{quoted(name)} ends with a dash", _suggestion(name))
    if name in RESERVED:
        why = f"{quoted(name)} is the name of the platform's own objects in the registries namespace"
        raise InvalidInput(option, why, f"Use another name, such as '{name}-2'.")
    if name in YAML_WORDS:
        why = f"{quoted(name)} is a word of YAML, and the model registry operator reads it as that"
        raise InvalidInput(option, why, f"Use another name, such as '{name}-2'.")


def check_length(name: str, has_proxy: bool, option: str = "name") -> None:
    """Raise InvalidInput if the name is too long for a registry with or without a proxy in front of it."""
    longest = MAX_NAME_LENGTH_WITH_PROXY if has_proxy else MAX_NAME_LENGTH
    if len(name) <= longest:
        return
    label = (
        "the ClusterRoleBinding <name>-auth-delegator of its proxy" if has_proxy else "the Role registry-user-<name>"
    )
    why = (
        f"{quoted(name, 60)} has {len(name)} characters and {longest} is the most: the operator labels {label} with its own "
        "name, and a label value may have 63"
    )
    raise InvalidInput(
        option, why, f"Use a shorter name, such as {quoted(name[:MAX_NAME_LENGTH_WITH_PROXY].rstrip('-.'))}."
    )


def check_namespace(namespace: str | None, option: str = "namespace") -> None:
    """Raise InvalidInput if it cannot be a namespace's name (RFC 1123 label): in a path it would lead elsewhere."""
    if namespace is None:
        return
    if not namespace.strip():
        raise InvalidInput(option, "it is empty", "Leave it out, or give the name of the registries namespace.")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", namespace):
        why = f"{quoted(namespace)} cannot be the name of a namespace"
        raise InvalidInput(option, why, "Give one of at most 63 lowercase letters, digits and dashes.")


def _suggestion(name: str) -> str:
    derived = "" if HIDDEN in quoted(name) else derive_name(name)
    return f"Use {derived!r}, for example." if derived else "Use lowercase letters, digits and dashes."


def password_secret(name: str) -> str:
    """Return the name of the Secret with the registry's database password."""
    return f"{name}-db-password"


def ca_config_map(name: str) -> str:
    """Return the dashboard's name for the ConfigMap with an uploaded authority."""
    return f"{name}-db-credential"


def user_role(name: str) -> str:
    """Return the name of the operator's Role that lets its subjects use the registry."""
    return f"registry-user-{name}"


def users_group(name: str) -> str:
    """Return the name of the operator's Group whose members may use the registry (OpenShift)."""
    return f"{name}-users"


def auth_delegator(name: str) -> str:
    """Return the name of the operator's ClusterRoleBinding that lets the registry's proxy check its callers."""
    return f"{name}-auth-delegator"
