# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook of the collection does first: read the variables that it is given, and stop if one of them is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader, module_loader
from ansible.utils.vars import load_extra_vars

try:
    from ansible.utils.native_jinja import NativeJinjaText
except ImportError:  # from ansible-core 2.19 on, no template alters a text
    NativeJinjaText = str

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput

from ..module_utils._common.text import printable_message, printable_name
from ..plugin_utils._answers.files import unwritable
from ..plugin_utils._answers.names import doubtful, elsewhere, misspelt, owner
from ..plugin_utils._answers.origins import from_inventory, misplaced
from ..plugin_utils._answers.other_words import referenced, unused
from ..plugin_utils._answers.questions import PLAYBOOKS, Playbook, Question
from ..plugin_utils._answers.reader import environment_use, read, role_options, secrets_among, unused_environment
from ..plugin_utils._answers.secrets import concealed, evaluated, secret_text
from ..plugin_utils._terminal import show

__all__ = ["ActionModule"]

ROLES = Path(__file__).parents[2] / "roles"
Variables = Mapping[str, Any]


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no annotations
    """The entry point for Ansible."""

    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"playbook"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the options of the playbook's role, or fail with all that is wrong."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        book = PLAYBOOKS[self._task.args["playbook"]]
        typed = load_extra_vars(self._loader)
        used = referenced(typed, _of_host(variables))
        errors = [
            *_missing_collection(book),
            *misspelt(book, typed, variables, partial(_options_of_roles, self._loader), used),
        ]
        given, unreadable = self._given(book, variables)
        answers, wrong = read(book, given, os.environ)
        inherited = _inherited(book, typed, variables)
        # What cannot be evaluated is not missing, too.
        errors += [*unreadable, *(error for error in wrong if error.what not in {one.what for one in unreadable})]
        errors += [*misplaced(book, answers, inherited), *self._unmatched(answers, variables)]
        errors += unwritable(answers, os.environ.get("PWD", "."))
        if errors:
            return {**result, "failed": True, "msg": printable_message(_message(errors))}
        lines = from_inventory(book, answers, inherited)
        show(lines)
        result["warnings"] = [*unused(book, typed, used), *_warnings(book, typed, variables, answers)]
        # A secret may be among the options: neither a callback nor a log gets them.
        hidden = any(asked.kind == "secret" and asked.variable in answers for asked in book.questions)
        return {
            **result,
            "changed": False,
            "lines": lines,
            "options": _as_typed(role_options(book, answers)),
            "_ansible_no_log": hidden,
        }

    def _given(self, book: Playbook, variables: Variables) -> tuple[dict[str, Any], list[InvalidInput]]:
        """Return the values of the playbook's variables, and errors about those that cannot be evaluated."""
        given: dict[str, Any] = {}
        unreadable: list[InvalidInput] = []
        for asked in book.questions:
            if asked.variable in variables:
                try:
                    given[asked.variable] = self._value(asked, variables[asked.variable])
                except InvalidInput as error:
                    unreadable.append(error)
        secrets = secrets_among(book, variables, os.environ) | secrets_among(book, given, os.environ)
        return given, [concealed(error, secrets, error.why) for error in unreadable]

    def _value(self, asked: Question, raw: Any) -> Any:
        """Return a variable's value. Raises InvalidInput."""
        if asked.kind == "secret":
            return secret_text(asked.variable, raw, self._templar, asked.env)
        try:
            return evaluated(raw, self._templar)
        except Exception as error:  # ansible-core before 2.19 passes on whatever a template raises
            raise InvalidInput(asked.variable, f"its template cannot be evaluated: {error}", "") from None

    def _unmatched(self, answers: Variables, variables: Variables) -> Iterator[InvalidInput]:
        """Yield an error if the inventory has none of the hosts. Then the playbook runs this on localhost alone."""
        hosts = answers.get("registry_hosts")
        lookup = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        if hosts and not lookup.run([hosts], variables):
            why = f"the inventory has no host '{printable_name(hosts)}'"
            yield InvalidInput("registry_hosts", why, "Correct it, or give an inventory that has it.")


def _of_host(variables: Variables) -> Variables:
    """Return the variables of the host as they are written, with the extra variables, and without those of the play."""
    of_host: Variables = variables["hostvars"].raw_get(variables["inventory_hostname"])
    return of_host


def _inherited(book: Playbook, typed: Variables, variables: Variables) -> set[str]:
    """Return the variables whose values come from the inventory, and neither from the command line nor from a play."""
    of_host = _of_host(variables)
    names = [name for name in book.variables if name in of_host and name not in typed]
    return {name for name in names if variables.get(name) == of_host[name]}


def _as_typed(value: Any) -> Any:
    """Return a value whose texts stay texts in templates: ansible-core before 2.19 evaluates ``[1]`` and ``True`` there."""
    if isinstance(value, dict):
        return {key: _as_typed(part) for key, part in value.items()}
    return NativeJinjaText(value) if isinstance(value, str) else value


def _missing_collection(book: Playbook) -> Iterator[InvalidInput]:
    if book.collection and not module_loader.has_plugin(book.collection):
        name = book.collection.rpartition(".")[0]
        step = f"Install it: ansible-galaxy collection install {name}."
        yield InvalidInput(name, f"the playbook {book.name} needs this collection, and it is not installed", step)


def _options_of_roles(loader: Any) -> dict[str, set[str]]:
    """Return the names of the variables that each role documents."""
    specs = {path.parents[1].name: loader.load_from_file(str(path)) for path in ROLES.glob("*/meta/argument_specs.yml")}
    return {role: set(spec["argument_specs"]["main"]["options"]) for role, spec in specs.items()}


def _message(errors: Sequence[Exception]) -> str:
    """Return the errors as one message, numbered if there are several."""
    if len(errors) == 1:
        return str(errors[0])
    return " ".join(f"({number}) {error}" for number, error in enumerate(errors, 1))


def _warnings(book: Playbook, typed: Variables, variables: Variables, answers: Variables) -> Iterator[str]:
    for name, near in doubtful(typed, variables):
        yield f"{printable_name(name)}: the playbook {book.name} does not use it. If {near} is meant, correct its name."
    for variable in elsewhere(book, typed):
        yield f"{variable}: the playbook {book.name} does not use it. It is a variable of the playbook {owner(variable)}."
    for variable in unused_environment(book, answers, os.environ):
        yield f"{variable}: it is set, and ignored. {environment_use(book, answers)}"
