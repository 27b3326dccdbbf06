# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of a playbook's role back to the variables of the playbook, by the same table that they are read with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput

from .questions import Playbook, Question, question
from .values import converted, is_blank

__all__ = ["Path", "variables_for"]

Path = tuple[str, ...]
"""Where an option is: its name, after those of the options around it. A resource's name has dots itself."""
ANY = object()
"""Any value of an option: it is the answer."""


def variables_for(book: Playbook, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Path, Any]]:
    """Return the variables that stand for options, and the options that no variable can stand for.

    Read again, the variables give the options, without those that are left.
    """
    given = dict(_leaves(options))
    answers: dict[Path, dict[str, Any]] = {}
    for asked in book.questions:
        for path, value, beside in _meanings(asked):
            if path not in given or value not in (ANY, given[path]):
                continue
            answer = {**beside, asked.variable: given[path]} if value is ANY else beside
            agrees = all(_merged(answers).get(variable, text) == text for variable, text in answer.items())
            if agrees and all(_can_be(question(book, variable), text) for variable, text in answer.items()):
                answers[path] = answer
    whole = {path: answer for path, answer in answers.items() if _other_half(path) not in given.keys() - answers.keys()}
    while alone := [path for path, answer in whole.items() if _lacks(book, answer, _merged(whole))]:
        whole = {path: answer for path, answer in whole.items() if path not in alone}
    found = _merged(whole)
    variables = {variable: found[variable] for variable in book.variables if variable in found}
    return variables, {path: value for path, value in given.items() if path not in whole}


def _merged(answers: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any]:
    return {variable: text for answer in answers.values() for variable, text in answer.items()}


def _lacks(book: Playbook, answer: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Return whether a variable that an answer needs beside it is not found."""
    needs = [need for variable in answer for need in question(book, variable).needs if not need.when]
    return any(need.variable not in found for need in needs)


def _leaves(options: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, name))
        elif value is not None:
            yield (*above, name), value


def _meanings(asked: Question) -> Iterator[tuple[Path, Any, dict[str, Any]]]:
    """Yield each option that a question can be for, the value that it has there, and the answers that mean it."""
    for word, (option, value) in asked.places.items():
        yield tuple(option.split(".")), value, {asked.variable: word}
    if not asked.option:
        return
    needed = {need.variable: need.values for need in asked.needs if need.values and not need.when}
    fields = [name for _text, name, _format, _conversion in Formatter().parse(asked.option) if name]
    if fields:
        (other,) = fields
        for word in needed[other]:
            yield tuple(asked.option.format_map({other: word}).split(".")), ANY, {other: word}
    else:
        yield tuple(asked.option.split(".")), ANY, {variable: values[0] for variable, values in needed.items()}


def _other_half(path: Path) -> Path:
    """Return where the other half of a reference is: neither name nor key can be given alone."""
    return (*path[:-1], {"name": "key", "key": "name"}.get(path[-1], ""))


def _can_be(asked: Question, value: Any) -> bool:
    """Return whether an answer is read as it is."""
    try:
        return not is_blank(asked, value) and bool(converted(asked, value) == value)
    except InvalidInput:
        return False
