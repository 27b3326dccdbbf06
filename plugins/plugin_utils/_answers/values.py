# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer is worth: the value of a variable, converted as strictly as its question asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

from .questions import PLAYBOOKS, Question

__all__ = ["converted", "is_blank", "listed", "plainly"]

BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
LONGEST = 80
"""Characters of a value that are shown."""
NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
NULLS = ("null", "Null", "NULL", "~")
"""ansible-core before 2.19 leaves them texts, as a controller writes them; from 2.19 on they are null."""


def is_blank(asked: Question, value: Any) -> bool:
    """Whether a value means that the question is not answered. An empty list is an answer."""
    if not isinstance(value, str):
        return value is None
    return not value.strip() or (asked.kind != "secret" and value.strip() in NULLS)


def converted(asked: Question, value: Any) -> Any:
    """Return the answer as the role takes it. Raises InvalidInput, which never shows a secret."""
    if asked.kind == "boolean":
        return _boolean(asked, value)
    if asked.kind == "integer":
        return _integer(asked, value)
    if asked.kind == "choice":
        return _choice(asked, _text(asked, value).strip())
    if asked.kind == "names":
        return [_choice(asked, name) if asked.choices else name for name in _names(asked, value)]
    if asked.kind == "accounts":
        return [_account(asked, entry) for entry in _names(asked, value)]
    return _matching(asked, _text(asked, value))


def listed(names: tuple[str, ...] | list[str], last: str = "or") -> str:
    """Return names as a list in a sentence."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _boolean(asked: Question, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    answer = BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
    if answer is None:
        raise InvalidInput(asked.variable, f"{_word(value)} is neither true nor false", "Give true or false.")
    return answer


def _integer(asked: Question, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return int(value)
    raise InvalidInput(asked.variable, f"{_word(value)} is not a whole number", "Give one, in digits alone.")


def _choice(asked: Question, value: str) -> str:
    if value in asked.choices:
        return value
    if asked.variable == "clear" and value in PLAYBOOKS["update"].variables:
        why = f"{value} cannot be removed, only changed"
        raise InvalidInput(asked.variable, why, f"What can be removed: {listed(asked.choices, 'and')}.")
    plain = {re.sub("[^a-z]", "", choice): choice for choice in asked.choices}
    close = get_close_matches(re.sub("[^a-z]", "", value.lower()), plain, 1)
    hint = f"Did you mean {plain[close[0]]}? " if close else ""
    raise InvalidInput(asked.variable, f"it cannot be {_word(value)}", f"{hint}Give {listed(asked.choices)}.")


def _text(asked: Question, value: Any) -> str:
    if isinstance(value, str):
        return value
    if asked.kind == "secret":
        raise InvalidInput(asked.variable, "it has been read as something else than a text", "Quote it.")
    step = f"Give {listed(asked.choices)}." if asked.choices else ""
    raise InvalidInput(asked.variable, f"it has been read as {_kind(value)}: quote it", step)


def _matching(asked: Question, text: str) -> str:
    if asked.pattern and not re.fullmatch(asked.pattern, text):
        raise InvalidInput(asked.variable, f"it cannot be {_shown(text)}", f"Give {asked.pattern_text}.")
    if text.lower() in asked.reserved:
        raise InvalidInput(
            asked.variable, f"{_shown(text)} is the server's own", "Give one that only the registry uses."
        )
    return text


def _names(asked: Question, given: Any) -> list[Any]:
    """Return the names in a text, where commas or line breaks are between them, or in a list, where they are as they are."""
    if isinstance(given, str) and given.lstrip().startswith(("[", "{")):
        step = "Put commas between the names, as in a,b, or give a list in a file: --extra-vars @file."
        raise InvalidInput(asked.variable, "it is a list or a mapping that has been read as a text", step)
    entries = [name.strip() for name in re.split(r"[,\n]", given)] if isinstance(given, str) else given
    if not isinstance(entries, (list, tuple)):
        raise InvalidInput(asked.variable, f"it has been read as {_kind(entries)}: quote it", "")
    names: list[Any] = []
    for entry in entries:
        is_mapping = asked.kind == "accounts" and isinstance(entry, Mapping)
        wrong = [part for part in (entry.values() if is_mapping else [entry]) if not isinstance(part, str)]
        if wrong:
            raise InvalidInput(asked.variable, f"a name in it has been read as {_kind(wrong[0])}: quote it", "")
        if is_mapping or entry.strip():
            names.append(entry)
    return names


def _account(asked: Question, entry: Any) -> dict[str, Any]:
    """Return a service account given as project/name in the form of a mapping. The module checks its names."""
    if isinstance(entry, Mapping):
        return dict(entry)
    namespace, slash, name = entry.partition("/")
    if not (slash and namespace and name) or "/" in name:
        why = f"{_shown(entry)} is not written as project/name"
        raise InvalidInput(asked.variable, why, "Give the project, a slash and the account's name.")
    return {"namespace": namespace, "name": name}


def plainly(text: str) -> str:
    """Return a text that should be of ASCII, with escapes for all other letters: some look the same."""
    return printable_name(text[:LONGEST]).encode("ascii", "backslashreplace").decode()


def _shown(value: Any) -> str:
    return f"'{printable_name(value[:LONGEST])}'" if isinstance(value, str) else _kind(value)


def _word(value: Any) -> str:
    """Return a value that should be a word or a number, in quotes."""
    return f"'{plainly(value)}'" if isinstance(value, str) else _kind(value)


def _kind(value: Any) -> str:
    """Describe how YAML has read a value, with what has become of it."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, date):
        return f"the date {value.isoformat()}"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"
