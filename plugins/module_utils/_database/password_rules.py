# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which passwords a registry server cannot use, and to which databases a stored password may be sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Callable, Optional

from .._common.finding import PRODUCT, Finding
from .._common.model import Database, Object
from .._kubernetes.dns import SERVICE, host_of
from .._registry.export import PORTS, database_of, is_generated, uses
from .._registry.options import QUESTION_MARK, URL_STEP, URL_WHY, breaks_url
from .._registry.shape import misfit, without_nulls

__all__ = ["Version", "breaking", "server_version", "withheld"]

Version = Optional[tuple[int, ...]]
"""Of a registry server; None if it is not known."""

TAKEN_IN_URL = "[@:]"
"""Not allowed in a URL's password (RFC 3986). Go's url.Parse accepts them, and takes the last ``@`` (tried on server
0.3.0)."""
SERVER_CONTAINER = "rest-container"
OTHER_MAJORS = 2
"""The first major number that is not a registry server's: OpenShift AI's images have its own release as tag."""
GENERATED = "{name}-postgres-credentials"
"""The operator's own Secret of a database that it runs for a registry."""


def breaking(password: str, database: Database, what: str, version: Callable[[], Version]) -> Iterator[Finding]:
    """Yield findings about a password in the connection string that it becomes part of. They show no character of it.

    what: the password's source, for messages. version: returns the registry server's; called only if it matters.
    """
    if database.type == "postgres":
        if breaks_url(password):
            why = f"{URL_WHY}, and the password has a character that is not allowed there"
            is_taken = not breaks_url(re.sub(TAKEN_IN_URL, "", password))
            note = "; registry server 0.3.0 accepts it, other releases may not" if is_taken else ""
            severity = "warning" if is_taken else "blocker"
            yield Finding("password_breaks_dsn", severity, what, why + note, URL_STEP, PRODUCT)
        return
    for text, name in ((password, what), (str(database.username), f"account {database.username}")):
        if "?" in text:
            yield from _question_mark(name, version())


def _question_mark(what: str, version: Version) -> Iterator[Finding]:
    first = tuple(int(part) for part in QUESTION_MARK.split("."))
    if version is not None and version < first:
        return
    why = f"it contains a question mark, and registry servers from {QUESTION_MARK} on do not start with that"
    note = "; the cluster's version is not known" if version is None else ""
    if version is not None:
        note = f"; the cluster runs {'.'.join(map(str, version))}"
    severity = "warning" if version is None else "blocker"
    yield Finding("password_breaks_dsn", severity, what, why + note, "Choose another without a question mark.", PRODUCT)


def server_version(deployments: Iterable[Object]) -> Version:
    """Return the newest registry server version among the images of registries' Deployments; None if none has one."""
    found = [_tag(container) for item in deployments for container in _containers(item)]
    return max((version for version in found if version is not None), default=None)


def _containers(deployment: Object) -> list[Object]:
    pod = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
    return [one for one in pod.get("containers") or () if one.get("name") == SERVER_CONTAINER]


def _tag(container: Object) -> Version:
    match = re.search(r":v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?![^-@+])", str(container.get("image", "")))
    version = tuple(int(part) for part in match.groups()) if match else None
    return version if version and version[0] < OTHER_MAJORS else None


def withheld(database: Database, registries: Iterable[Object]) -> str:
    """Return why the Secret's password must not be sent to that database; empty if it may.

    The password in a registry's Secret is sent only to the host, port and account of that registry's spec. A Secret
    that no registry uses is sent where the caller says, as a registry with these options would.
    """
    ref = database.password_secret
    plain: list[Object] = [without_nulls(item) for item in registries]
    users = [] if ref is None else [item for item in plain if _uses(item, ref.name)]
    if not users or any(_logs_in_at(item, database) for item in users):
        return ""
    names = sorted(str(item["metadata"]["name"]) for item in users)
    used = f"registry {names[0]}" if len(names) == 1 else f"registries {', '.join(names)}"
    return f"the Secret belongs to {used}, which uses another host or account"


def _uses(registry: Object, secret: str) -> bool:
    spec = registry.get("spec") or {}
    if misfit(registry) is not None:
        # The meaning of its fields is unknown, so any of them may be the Secret's name.
        return secret in _texts(spec)
    generated = GENERATED.format(name=registry["metadata"]["name"])
    return uses(spec, "Secret", secret) or (secret == generated and is_generated(spec))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _logs_in_at(registry: Object, database: Database) -> bool:
    """Return whether the registry logs in to the database with its account, as far as its fields are understood."""
    if misfit(registry) is not None:
        return False
    namespace = str(registry["metadata"].get("namespace", ""))
    return _place(database_of(registry["spec"]), namespace) == _place(database, namespace)


def _place(database: Database, namespace: str) -> tuple[str, int, str]:
    """Return host, port and account in comparable form."""
    given = str(database.address or "").strip("[]").rstrip(".").lower()
    host = host_of(given, namespace)
    # Only names within the cluster's domain are other spellings of a Service's: <service>.<namespace> can be a DNS
    # name.
    is_own = host.kind == SERVICE and f"{host.right_form}.".startswith(f"{given}.")
    return (
        host.right_form if is_own else given,
        database.port or PORTS[database.type or "mysql"],
        str(database.username),
    )
