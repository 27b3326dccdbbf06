# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables are misspelt: names that begin like those of the playbooks, or nearly are one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from unicodedata import normalize

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

from .other_words import meant
from .questions import PLAYBOOKS, Playbook, Question
from .values import listed, plainly

__all__ = ["doubtful", "elsewhere", "misspelt", "owner"]

FAMILIES = ("registry_", "registries_", "display_", "database_", "ca_", "client_", "auth_proxy_", "relay_", "access_")
"""How variables begin that belong to no one else if they are given to a playbook."""
OF_ROLES = {f"{book.role}_": book.role for book in PLAYBOOKS.values() if book.role}
LIKE = 0.84
"""The least likeness of a misspelt name, as difflib measures it."""
FEW = 3
LIKE_SHORT = 0.8
"""The same for names of at most so few letters: one of three is missing."""
LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u03bf\u03b1", "aeopcyxijsdoa"
)
"""Letters of Cyrillic and Greek that look like Latin ones."""
SYNONYMS = {"db": "database", "user": "username"}
"""Words that are often used instead of the options'."""
PARTS = ("name", "key")
"""Of a reference to a Secret or ConfigMap: their names say nothing of what it is for."""
OWN = ("registry_answers",)
"""What a playbook itself sets. As an extra variable, it would take the place of all answers."""
PREPARE = "prepare_"
"""How the variables of the play prepare_database begin."""
SET_IN_ROLES = ("preflight_job",)
"""Variables of the role preflight that the other roles set, and that no playbook has a variable for."""
VIA = "database_via"
"""A playbook with this variable runs the role preflight, too."""
MOST = 4
"""Variables that a message lists, at most."""
STRICT = ("ca_", "access_")
"""How variables begin that decide about TLS and access: one that is nearly one of them is an error in an inventory, too."""
SHORTEST = 6
"""Characters. A shorter name in an inventory is not taken for a misspelt one."""


def misspelt(
    book: Playbook,
    typed: Collection[str],
    others: Iterable[str],
    role_options: Callable[[], Mapping[str, Collection[str]]],
    used: Collection[str] = (),
) -> list[InvalidInput]:
    """Return an error for each name that is not a playbook's, and looks like one or is an option that one is for.

    typed: variables that this playbook alone is given. others: those that it shares with other playbooks, such as an
    inventory's; one is only wrong there if it is nearly one that decides about TLS or access. role_options: the
    variables of each role. used: names that templates in other variables use, so that they may be words of others' own.
    """
    known = {asked.variable: asked for other in PLAYBOOKS.values() for asked in other.questions}
    known.update({asked.variable: asked for asked in book.questions})
    errors: list[InvalidInput] = []
    for name in sorted(set(typed) - known.keys()):
        if name in OWN or (book.name.startswith("prepare") and name.startswith(PREPARE)):
            variables = _variables_for(name.removeprefix(PREPARE), book)
            errors.append(_own(name, f"the playbook {book.name} sets this variable itself", variables))
            continue
        role = next((role for prefix, role in OF_ROLES.items() if name.startswith(prefix)), None)
        if role:
            errors.extend(_of_role(name, role, book, role_options().get(role, ())))
            continue
        near = _nearest(name, known)
        error = _another_name(name, book, role_options)
        begun = [variable for variable in known if variable.startswith(f"{name}_")]
        if error:
            errors.append(error)
        elif not near and name not in used and (variables := list(meant(name, book))):
            errors.append(InvalidInput(plainly(name), _none_of_this_name(book), _use(variables)))
        elif near or begun or name.startswith(FAMILIES):
            errors.append(_unknown(name, book, near or _begun(name, book, begun), known))
    errors.extend(
        _unknown(name, book, near, known) for name, near in _alike(typed, others, known) if near.startswith(STRICT)
    )
    return errors


def doubtful(typed: Collection[str], others: Iterable[str]) -> list[tuple[str, str]]:
    """Return the shared variables that may be misspelt or another role's, each with the variable that it nearly is."""
    known = {variable for book in PLAYBOOKS.values() for variable in book.variables}
    return [(name, near) for name, near in _alike(typed, others, known) if not near.startswith(STRICT)]


def _alike(typed: Collection[str], others: Iterable[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the shared variables that nearly are one of the known, each with that one."""
    for name in sorted(set(others) - set(known) - set(typed)):
        if len(name) >= SHORTEST and not name.startswith(("ansible_", *OF_ROLES)):
            near = _nearest(name, known)
            if near:
                yield name, near


def elsewhere(book: Playbook, typed: Iterable[str]) -> list[str]:
    """Return the variables that only other playbooks have. Those of a registry's file can be given to each of them."""
    shared = set(book.variables) | set(PLAYBOOKS["create"].variables) | set(PLAYBOOKS["prepare_database"].variables)
    known = {variable for other in PLAYBOOKS.values() for variable in other.variables}
    return sorted(name for name in typed if name in known - shared)


def _plain(name: str) -> str:
    return re.sub("[-_ ]", "", normalize("NFKC", name).lower().translate(LOOK_ALIKES))


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the name that is most like it, or has the same letters in another order, or nothing."""
    plain, letters = {_plain(other): other for other in known}, _plain(name)
    found = get_close_matches(letters, plain, 1, LIKE if len(letters) > FEW else LIKE_SHORT)
    found = found or [other for other in plain if sorted(other) == sorted(letters)]
    return plain[found[0]] if found else ""


def _begun(name: str, book: Playbook, begun: list[str]) -> str:
    """Return the name of the playbook's that is most like one that only begins like it."""
    family = begun or [variable for variable in book.variables if variable.startswith(name.split("_")[0])]
    return (get_close_matches(name, family or book.variables, 1, 0) or [""])[0]


def _of_role(name: str, role: str, book: Playbook, options: Collection[str]) -> Iterator[InvalidInput]:
    """Yield an error, unless it is a variable of the playbook's role that the playbook itself does not set."""
    if name not in options:
        near = _nearest(name, options)
        step = f"Did you mean {near}?" if near else ""
        yield InvalidInput(printable_name(name), f"the role {role} has no variable of this name", step)
        return
    used = role == book.role or (role == "preflight" and VIA in book.variables)
    variables = _variables_for(name.removeprefix(f"{role}_"), book)
    if not used:
        why = f"the playbook {book.name} does not use it"
        yield InvalidInput(name, why, _use(variables) or f"It is a variable of the role {role}.")
    elif variables or name in SET_IN_ROLES:
        yield _own(name, f"the playbook {book.name} sets this variable of its role itself", variables)


def _own(name: str, why: str, variables: list[str]) -> InvalidInput:
    return InvalidInput(printable_name(name), why, _use(variables) or "Leave it out.")


def _another_name(
    name: str, book: Playbook, role_options: Callable[[], Mapping[str, Collection[str]]]
) -> InvalidInput | None:
    """Return an error about the name of an option that the playbook, its role, or another playbook has a variable for."""
    step = _use(_variables_for(name, book))
    if not step and book.role and f"{book.role}_{name}" in role_options().get(book.role, ()):
        step = f"Use {book.role}_{name}."
    for other in PLAYBOOKS.values():
        if not step and (variables := _variables_for(name, other)):
            shared = [variable for variable in variables if variable in book.variables]
            step = _use(shared) or f"It may mean {variables[0]}, a variable of the playbook {other.name}."
    return InvalidInput(name, _none_of_this_name(book), step) if step else None


def _variables_for(name: str, book: Playbook) -> list[str]:
    """Return the playbook's variables for an option: those of this very option, or else of a part of the option's path."""
    if name == "user" or name.startswith("db_"):
        name = "_".join(SYNONYMS.get(word, word) for word in name.split("_"))
    paths = [
        (path.split("."), asked.variable)
        for asked in book.questions
        for path in (asked.option, *(path for path, _value in asked.places.values()))
        if path and "{" not in path
    ]
    exact = [variable for path, variable in paths if [name] == path or name == variable]
    below = [
        variable
        for path, variable in paths
        if name in path[:-1] or (name == path[-1] and (len(path) < 3 or name not in PARTS))
    ]
    return list(dict.fromkeys(exact or below))


def _use(variables: list[str]) -> str:
    if len(variables) > MOST:
        return f"Use {', '.join(variables[:MOST])} and others."
    return f"Use {listed(variables)}." if variables else ""


def owner(variable: str) -> str:
    """Return the name of the playbook that a variable belongs to."""
    return next(book.name for book in PLAYBOOKS.values() if variable in book.variables)


def _unknown(name: str, book: Playbook, near: str, known: Mapping[str, Question]) -> InvalidInput:
    choices = known[near].choices if near in known else ()
    step = f"Did you mean {near}{f', which can be {listed(choices)}' if choices else ''}?" if near else ""
    if near and near not in book.variables:
        step += f" It is a variable of the playbook {owner(near)}."
    return InvalidInput(plainly(name), _none_of_this_name(book), step)


def _none_of_this_name(book: Playbook) -> str:
    return f"the playbook {book.name} has no variable of this name"
