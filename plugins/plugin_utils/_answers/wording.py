# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the modules in the words of a playbook's user, who knows its variables and not the modules' options."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .questions import DATABASE_PASSWORD, PLAYBOOKS

__all__ = ["in_variables", "output_with_variables", "with_variables"]

AUTHORITY = "ca_source"
MANY = {
    "database.password_secret": "database_password_secret_name",
    "database.tls": AUTHORITY,
    "database.tls.enabled": AUTHORITY,
    "database.tls.ca_bundle": AUTHORITY,
    "database.tls.client_certificate_secret": "client_certificate_secret_name",
    "database.tls.client_key_secret": "client_key_secret_name",
    "auth_proxy_settings.certificate_secret": "auth_proxy_certificate_secret_name",
    "auth_proxy_settings.key_secret": "auth_proxy_key_secret_name",
    **{
        f"database.tls.{option}{part}": variable
        for option in ("ca_config_map", "ca_secret")
        for part, variable in (("", AUTHORITY), (".name", "ca_name"), (".key", "ca_key"))
    },
}
"""Options that several variables are for, or one with others."""
VARIABLES = MANY | {
    asked.option: asked.variable
    for book in PLAYBOOKS.values()
    if book.role
    for asked in book.questions
    if "." in asked.option and "{" not in asked.option
}
PATH = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, sorted(VARIABLES, key=len, reverse=True)))})(?![\w-]|\.\w)")
PLAIN = {
    "namespace": "registries_namespace",
    "name": "registry_name",
    "must_exist": "access_must_exist",
}
"""Options whose names are words, too: they are only meant at the beginning of a message, or after these verbs."""
WORD = re.compile(rf"((?:^|\b[Gg]ive |\b[Ss]et |\b[Cc]orrect |\b[Ll]eave ))({'|'.join(PLAIN)})(?=[:,.]| out\b| to\b)")
SUBJECTS = re.compile(r"^(users|groups|projects|service_accounts|members)(?=: )")
"""Options of model_registry_permissions: they are only meant at the beginning of a message."""
PHRASES = (
    (re.compile(r"^database\.password(?=: it is not the stored password)"), DATABASE_PASSWORD),
    (re.compile(r"\bdatabase\.update_password is on_create"), "rotate_password is not true"),
    (re.compile(r"\bset database\.update_password to always"), "set rotate_password to true"),
    (re.compile(r"\bwith model_registry(?=[,.])"), "with the playbook opendatahub.model_registry.create"),
    (
        re.compile(r"\bwith database\.password(?=, or correct it in )"),
        f"with rotate_password=true and database_password (or the environment variable {DATABASE_PASSWORD})",
    ),
    (re.compile(r"\bwith state: absent(?=[,.])"), "with the playbook opendatahub.model_registry.teardown"),
    (re.compile(r"\bmodel_registry_permissions with adopt\b"), "the playbook grant with access_adopt"),
    (re.compile(r"\brelay_image and relay_command\b"), "relay_image"),
    (re.compile(r"(?<!_)\brelay_timeout\b"), "preflight_relay_timeout"),
    (re.compile(r"\bvia: (?=direct|relay|port_forward|auto)"), "database_via: "),
    (re.compile(r"\bdatabase with type mysql or postgres"), "database_type, and with it database_host and the others"),
    (re.compile(r"\b(?:one of )?ca_bundle, ca_config_map, ca_secret (?:and|or) ca_pem"), AUTHORITY),
    (re.compile(r"\bdatabase\.host, port and username"), "database_host, database_port and database_username"),
    (
        re.compile(r"\bhost, name, username and password of the database"),
        "database_host, database_name, database_username and database_password of the database",
    ),
)
OTHERS = re.compile(
    r"""(?<!\w)'(?:\\.|[^'\\\n])*'(?!\w)|"(?:\\.|[^"\\\n])*"|`[^`\n]*`|(?:denied the request|is (?:invalid|forbidden)): .*|\0""",
    re.DOTALL,
)
"""What users and servers have written: values in quotes, and the API server's reasons up to their end."""


def in_variables(text: str) -> str:
    """Return a message with the playbooks' variables in the place of the modules' options, except in others' words."""
    words = iter(OTHERS.findall(text))
    return re.sub("\0", lambda _found: next(words), _own_words(OTHERS.sub("\0", text)))


def _own_words(text: str) -> str:
    for pattern, words in PHRASES:
        text = pattern.sub(words, text)
    text = WORD.sub(lambda found: found[1] + PLAIN[found[2]], text)
    text = SUBJECTS.sub(r"access_\1", text)
    return PATH.sub(_variable, text)


def _variable(found: re.Match[str]) -> str:
    variable = VARIABLES[found[1]]
    if variable != "database_password" or found.string[found.end() :].startswith(": "):
        return variable
    return f"{variable} (or the environment variable {DATABASE_PASSWORD})"


def output_with_variables(output: str) -> str:
    """Return a module's output, which is JSON with its result, likewise. Anything else stays as it is."""
    try:
        result = json.loads(output)
    except ValueError:
        return output
    return json.dumps(with_variables(result)) if isinstance(result, dict) else output


def with_variables(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a module's result with the same in all that it says to its user; facts and objects stay as they are."""
    said = {name: _said(result[name]) for name in ("msg", "exception") if name in result}
    lists = {name: [_said(one) for one in result[name]] for name in ("warnings", "summary") if result.get(name)}
    findings = [
        {key: in_variables(value) if key in ("what", "why", "remedy") else value for key, value in finding.items()}
        for finding in result.get("findings") or ()
    ]
    return {**result, **said, **lists, **({"findings": findings} if findings else {})}


def _said(value: Any) -> Any:
    """Return a message, or since ansible-core 2.19 a summary of an error or warning, with variables in it."""
    if isinstance(value, str):
        return in_variables(value)
    event = value.get("event") if isinstance(value, Mapping) else None
    return {**value, "event": {**event, "msg": in_variables(event["msg"])}} if event else value
