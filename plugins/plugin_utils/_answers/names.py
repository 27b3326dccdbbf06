# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables are misspelt: names that begin like those of the playbooks, or nearly are one of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

from .questions import PLAYBOOKS, Playbook, Question
from .values import listed

__all__ = ["elsewhere", "misspelt"]

FAMILIES = ("registry_", "registries_", "display_", "database_", "ca_", "client_", "auth_proxy_", "relay_", "access_")
"""How variables begin that are nobody else's if they are given to a playbook."""
OF_ROLES = {f"{book.role}_": book.role for book in PLAYBOOKS.values() if book.role}
LIKE = 0.84
"""The least likeness of a misspelt name, as difflib measures it."""
SHORTEST = 6
"""Characters. A shorter name in an inventory is not taken for a misspelt one."""


def misspelt(
    book: Playbook,
    typed: Collection[str],
    others: Iterable[str],
    role_options: Callable[[], Mapping[str, Collection[str]]],
) -> list[InvalidInput]:
    """Return an error for each name that is not a playbook's and looks like one.

    typed: variables that this playbook alone is given. others: those that it shares with other playbooks, such as an
    inventory's; one that only begins like ours is left alone there. role_options: the variables of each role.
    """
    known = {asked.variable: asked for other in PLAYBOOKS.values() for asked in other.questions}
    known.update({asked.variable: asked for asked in book.questions})
    errors = []
    for name in sorted(set(typed) - known.keys()):
        role = next((role for prefix, role in OF_ROLES.items() if name.startswith(prefix)), None)
        if role:
            options = role_options()[role]
            if name not in options:
                errors.append(_unknown(name, f"the role {role}", _nearest(name, options), {}))
            continue
        near = _nearest(name, known)
        begun = [variable for variable in known if variable.startswith(f"{name}_")]
        if near or begun or name.startswith(FAMILIES):
            errors.append(_unknown(name, f"the playbook {book.name}", near or _begun(name, book, begun), known))
    for name in sorted(set(others) - known.keys() - set(typed)):
        if len(name) >= SHORTEST and not name.startswith(("ansible_", *OF_ROLES)):
            near = _nearest(name, known)
            if near:
                errors.append(_unknown(name, f"the playbook {book.name}", near, known))
    return errors


def elsewhere(book: Playbook, typed: Iterable[str]) -> list[str]:
    """Return the variables that only other playbooks have. Those of a registry's file can be given to each of them."""
    shared = set(book.variables) | set(PLAYBOOKS["create"].variables) | set(PLAYBOOKS["prepare_database"].variables)
    known = {variable for other in PLAYBOOKS.values() for variable in other.variables}
    return sorted(name for name in typed if name in known - shared)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the name that is most like it, or nothing."""
    plain = {_plain(other): other for other in known}
    found = get_close_matches(_plain(name), plain, 1, LIKE)
    return plain[found[0]] if found else ""


def _begun(name: str, book: Playbook, begun: list[str]) -> str:
    """Return the name of the playbook's that is most like one that only begins like it."""
    family = begun or [variable for variable in book.variables if variable.startswith(name.split("_")[0])]
    return (get_close_matches(name, family or book.variables, 1, 0) or [""])[0]


def _unknown(name: str, owner: str, near: str, known: Mapping[str, Question]) -> InvalidInput:
    choices = known[near].choices if near in known else ()
    step = f"Did you mean {near}{f', which can be {listed(choices)}' if choices else ''}?" if near else ""
    return InvalidInput(printable_name(name), f"{owner} has no variable of this name", step)
