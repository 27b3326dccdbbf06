# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the answers to a playbook's questions to the options of its role. Every fault is an error, and none is corrected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.failing import failing_from

from .questions import Need, Playbook, Question, question
from .secrets import concealed
from .values import converted, is_blank, listed

__all__ = ["environment_use", "read", "role_options", "secrets_among", "unused_environment"]

Answers = dict[str, Any]
ON_CREATE = "the password is for a new registry"
"""An answer beside those of variables: the environment's password may be another registry's, so one that exists keeps its own."""


def read(
    book: Playbook, variables: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Answers, list[InvalidInput]]:
    """Return the answers by variable, and what is wrong with them. Those that are not given are left out."""
    answers: Answers = {}
    errors: list[InvalidInput] = []
    secrets = secrets_among(book, variables, environment)
    for asked in book.questions:
        value = variables.get(asked.variable)
        if is_blank(asked, value):
            continue
        try:
            answer = converted(asked, value)
        except InvalidInput as error:
            errors.append(concealed(error, secrets, value))
            answer = None
        # A text with commas alone names no subject; an empty list does so on purpose.
        if answer != [] or not isinstance(value, str):
            answers[asked.variable] = answer
    found = dict(_from_environment(book, answers, environment))
    answers.update(found)
    if "database_password" in found and _job(book, answers) == "create" and not answers.get("rotate_password"):
        answers[ON_CREATE] = True
    errors.extend(_missing(book, answers))
    errors.extend(_not_findings(answers))
    errors.extend(
        error for asked in book.questions if asked.variable in answers for error in _beside(book, asked, answers)
    )
    return answers, errors


def secrets_among(book: Playbook, variables: Mapping[str, Any], environment: Mapping[str, str]) -> set[str]:
    """Return the secrets that a playbook is given, as texts."""
    asked = [one for one in book.questions if one.kind == "secret"]
    values = [*(variables.get(one.variable) for one in asked), *(environment.get(one.env) for one in asked)]
    return {str(value) for value in values if value}


def role_options(book: Playbook, answers: Answers) -> dict[str, Any]:
    """Return the answers as the role's options, without the role's name before them."""
    options: dict[str, Any] = {}
    for asked in book.questions:
        if asked.variable in answers:
            option, value = asked.places.get(str(answers[asked.variable]), (asked.option, answers[asked.variable]))
            _put(options, option.format_map(answers), value)
        elif asked.default and asked.default[0] in answers:
            _put(options, asked.option, asked.default[1])
    if ON_CREATE in answers:
        _put(options, "database.update_password", "on_create")
    for variable in answers.get("clear", ()):
        _put(options, question(book, variable).option, "")
    return options


def unused_environment(book: Playbook, answers: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Return the environment variables that have a secret which nothing asks for."""
    return [
        asked.env
        for asked in book.questions
        if asked.env and environment.get(asked.env) and not _asks_for_environment(book, asked, answers)
    ]


def environment_use(book: Playbook, answers: Mapping[str, Any]) -> str:
    """Return when a password in the environment would be used."""
    if _job(book, answers) == "create":
        return "It is used only if database_username is given, and no Secret or database_generate."
    return "It is used only with rotate_password=true, as the new password of the registry's account."


def _job(book: Playbook, answers: Mapping[str, Any]) -> str:
    """Return what is done to the registry; nothing if it is only its database's account that is meant."""
    return str(book.job or answers.get("job") or "create") if book.role else ""


def _from_environment(book: Playbook, answers: Answers, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for asked in book.questions:
        secret = environment.get(asked.env, "") if asked.env else ""
        if secret and asked.variable not in answers and _asks_for_environment(book, asked, answers):
            yield asked.variable, secret


def _asks_for_environment(book: Playbook, asked: Question, answers: Mapping[str, Any]) -> bool:
    """Whether a secret in the environment is meant for this registry and this job.

    It may have been left there for another one. So a registry's password is only taken by a job that creates it, if the
    answers describe its account, or if rotate_password asks for it.
    """
    if asked.variable != "database_password" or not book.role:
        return True
    if answers.get("rotate_password"):
        return True
    in_cluster = "database_password_secret_name" in answers or answers.get("database_generate")
    return _job(book, answers) == "create" and "database_username" in answers and not in_cluster


def _missing(book: Playbook, answers: Answers) -> Iterator[InvalidInput]:
    for variable in book.required:
        if variable not in answers:
            env = question(book, variable).env
            step = f"Give it in the environment variable {env}, or as a variable." if env else "Give it."
            yield InvalidInput(variable, f"it is not given, and the playbook {book.name} needs it", step)
    # An empty list names no subject.
    if book.one_of and not any(answers.get(variable) or answers.get(variable, []) is None for variable in book.one_of):
        yield InvalidInput(listed(book.one_of), f"the playbook {book.name} needs one of these", book.one_of_step)


def _not_findings(answers: Answers) -> Iterator[InvalidInput]:
    """Yield an error about severities and codes of findings, if there are no such."""
    try:
        failing_from(answers.get("fail_on") or (), answers.get("accept") or ())
    except InvalidInput as error:
        yield error


def _beside(book: Playbook, asked: Question, answers: Answers) -> Iterator[InvalidInput]:
    """Yield what is wrong with the answer beside the others."""
    answer = answers[asked.variable]
    for need in asked.needs:
        if not need.when or _word(answer) in need.when:
            yield from _unmet(book, asked, need, answers)
    for variable in asked.excludes:
        if variable in answers:
            yield InvalidInput(asked.variable, f"{variable} is given, too", "Give one of the two.")
    if asked.variable == "rotate_password" and answer is False and "database_password" in answers:
        yield InvalidInput("rotate_password", "it is false, and database_password is given", "Give one of the two.")
    if asked.variable == "admin_username" and _same(answer, answers.get("database_username")):
        why = f"it is the administrator's account, which {asked.variable} names"
        yield InvalidInput("database_username", why, "Give an account that only the registry uses.")
    if asked.variable == "clear":
        for variable in answer or ():
            if variable in answers:
                yield InvalidInput("clear", f"{variable} is given, too", "Give one of the two.")


def _unmet(book: Playbook, asked: Question, need: Need, answers: Answers) -> Iterator[InvalidInput]:
    given = f"it is {_word(answers[asked.variable])}" if need.when else "it is given"
    allowed = f"Give {need.variable}{f': {listed(need.values)}' if need.values else ''}."
    if need.variable not in answers:
        env = question(book, need.variable).env
        step = f"{allowed[:-1]}, or set the environment variable {env}." if env else allowed
        yield InvalidInput(asked.variable, f"{given}, and {need.variable} is not given", step)
    elif need.values and answers[need.variable] is not None and _word(answers[need.variable]) not in need.values:
        why = f"{need.variable} is {_word(answers[need.variable])}, which has no use for it"
        yield InvalidInput(asked.variable, why, f"Leave it out, or {allowed[0].lower()}{allowed[1:]}")


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, str) and isinstance(other, str) and one.lower() == other.lower()


def _word(answer: Any) -> str:
    return str(answer).lower() if isinstance(answer, bool) else str(answer)


def _put(options: dict[str, Any], path: str, value: Any) -> None:
    """Put a value under a path with dots. An empty path is for none."""
    *above, last = path.split(".")
    for name in above:
        options = options.setdefault(name, {})
    if last:
        options[last] = value
