# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other words for the playbooks' variables, such as those of other tools, and extra variables that nothing uses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

from .questions import PLAYBOOKS, Playbook
from .values import listed

__all__ = ["meant", "referenced", "unused"]

TLS = "(tls|ssl)"
SERVER = "(db|dbs|sql|mysql|mariadb|postgres|postgresql|pg)_?"
PASSWORD = "(pass|passwd|password|passphrase|pwd|pw)"  # noqa: S105 # a pattern
MEANT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("(playbook|target)_?hosts?", ("registry_hosts",)),
    (f"{TLS}_?mode", ("database_tls_mode", "database_require_tls")),
    (f"({TLS}_?)?ciphers?", ("database_tls_cipher",)),
    (f"{TLS}_?verify.*|verify(_?({TLS}|certs?|ca|peer|hostname))?|insecure.*|skip_verify|validate_certs?", ("database_verify", "admin_ca_file")),
    (f"(require|force|use|enable|disable)_?{TLS}|{TLS}(_?(required?|enabled?|disabled?))?|encrypt.*", ("ca_source", "database_require_tls")),
    (f"{TLS}_.*|ca|ca_?(certs?|certificates?|file|path)|cert(ificate)?s?(_.*)?|pem(_.*)?", ("ca_source", "admin_ca_file")),
    (f"admin(istrator)?_?{PASSWORD}", ("admin_password",)),
    ("admin(istrator)?(_?(user|username|login|account|name))?", ("admin_username",)),
    (f"(new|update|change|rotate)_?{PASSWORD}|{PASSWORD}_(rotate|rotation)|rotate", ("rotate_password",)),
    (f"({SERVER})?{PASSWORD}|{SERVER}secret", ("database_password",)),
    (f"({SERVER})?(hostname|server|endpoint|address)|{SERVER}(host|url|service)", ("database_host",)),
    (f"{SERVER}port", ("database_port",)),
    (f"({SERVER})?(login|account)|{SERVER}user(name)?", ("database_username",)),
    (f"{SERVER}(type|kind|engine)|engine", ("database_type",)),
    (f"{SERVER}(name|schema|database)|schema", ("database_name",)),
    (f"{SERVER}.+", ("database_host", "database_name", "database_username")),
    ("ns|namespaces|(registry|registries)_ns", ("registries_namespace",)),
    ("reg|reg_?name|model_?registry(_?name)?", ("registry_name",)),
    ("title|label", ("display_name",)),
    ("desc", ("description",)),
    ("(auth_?)?proxy(_?type)?", ("auth_proxy",)),
    ("(skip|no|run|without|disable)_(preflight|checks?)", ("preflight",)),
    ("fail(_.*)?", ("fail_on",)),
    ("accept(ed)?_.*|ignore_findings", ("accept",)),
    ("unset|reset", ("clear",)),
    ("force|confirm(ed|ation)?|sure|yes", ("confirm_name",)),
    ("(keep|delete|purge)(_?(data|database))?", ("delete_generated_data",)),
    ("(add_|remove_)?groups?", ("access_groups",)),
    ("(add_|remove_)?users?", ("access_users",)),
    ("service_?accounts?|sas?", ("access_service_accounts",)),
    ("projects?", ("access_projects",)),
    ("(grant|revoke|exact)(_.*)?|state|purge|absent|present", ("access_state",)),
    ("export(_.*)?|output(_.*)?|file|filename|path|dest", ("export_to",)),
    ("filter|jmespath|expression|select|jq", ("info_query",)),
    ("limits|requests", ("create_resources",)),
)  # fmt: skip
"""Words, as patterns of the whole name, and the variables that they may mean."""
OF_ROLE = {"create_resources": "create"}
"""Variables of a role, and the playbook that takes them."""
FOREIGN = ("ansible_", "awx_", "tower_", "k8s_", *(f"{book.role}_" for book in PLAYBOOKS.values() if book.role))
"""How variables begin that Ansible, a connection or a controller gives, or that belong to roles, whose names are checked."""


def meant(name: str, book: Playbook) -> tuple[str, ...]:
    """Return the playbook's variables that a name of another kind may stand for."""
    plain = name.lower().replace("-", "_")
    for pattern, variables in MEANT:
        if re.fullmatch(pattern, plain):
            found = tuple(one for one in variables if one in book.variables or OF_ROLE.get(one) == book.name)
            if found:
                return found
    return ()


def referenced(names: Collection[str], variables: Mapping[str, Any]) -> set[str]:
    """Return those of the names that a template in another variable may use."""
    words = {name: set(_words(value)) for name, value in variables.items()}
    return {name for name in names if any(name in used for other, used in words.items() if other != name)}


def _words(value: Any) -> Iterator[str]:
    """Yield the words of the templates in a value. What is encrypted stays so."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _words(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _words(part)
    elif isinstance(value, str) and ("{{" in value or "{%" in value):
        yield from re.findall(r"\w+", value)


def unused(book: Playbook, typed: Collection[str], used: Collection[str]) -> Iterator[str]:
    """Yield a warning that names the extra variables that neither a playbook nor a template uses.

    used: those of a template.
    """
    known = {variable for other in PLAYBOOKS.values() for variable in other.variables} | set(used)
    names = [printable_name(name) for name in sorted(set(typed) - known) if not name.lower().startswith(FOREIGN)]
    if names:
        yield f"{listed(names, 'and')}: the playbook {book.name} does not use {'them' if len(names) > 1 else 'it'}."
