# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where answers come from. An inventory has those of other applications and registries, too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput

from .questions import Playbook
from .values import listed

__all__ = ["from_inventory", "misplaced"]

HOSTS = "registry_hosts"
NAME = "registry_name"
ANY_REGISTRY = {
    "update": (HOSTS, NAME, "registries_namespace", "database_via", "relay_image", "preflight"),
    "teardown": (HOSTS, NAME, "registries_namespace", "save_permissions"),
}
"""Playbooks that change what exists, and their variables that do not say how: an inventory may have these for all registries."""


def from_inventory(book: Playbook, answers: Mapping[str, Any], inherited: Collection[str]) -> list[str]:
    """Return a line that names the answers of an inventory, if the playbook may write them."""
    names = [variable for variable in book.variables if variable in answers and variable in inherited]
    return [f"from the inventory: {', '.join(names)}"] if names and book.job else []


def misplaced(book: Playbook, answers: Mapping[str, Any], inherited: Collection[str]) -> Iterator[InvalidInput]:
    """Yield errors about answers that an inventory must not give, or not for a registry that is named elsewhere.

    inherited: the variables whose values come from the inventory.
    """
    if HOSTS in answers and HOSTS in inherited:
        why = "it is in the inventory, and the hosts of a play are chosen before an inventory's variables are known"
        yield InvalidInput(HOSTS, why, "Give it with --extra-vars.")
    if book.name not in ANY_REGISTRY or NAME not in answers or NAME in inherited:
        return
    doubtful = set(inherited) - set(ANY_REGISTRY[book.name])
    others = [variable for variable in book.variables if variable in answers and variable in doubtful]
    if others:
        are = "they are" if len(others) > 1 else "it is"
        why = f"{are} from the inventory, which may mean another registry: {NAME} is not from there"
        example = f"--extra-vars {others[0]}="
        step = f"Give what you mean with --extra-vars, too. An empty text leaves a variable out: {example}"
        yield InvalidInput(listed(others, "and"), why, step)
