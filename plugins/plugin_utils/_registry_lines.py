# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries as lines for people: a table of all of them, or one with all that is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding import SEVERITIES
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding_lines import (
    Detail,
    finding_entry,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

from ._answers.wording import in_variables

__all__ = ["not_there", "registry_details", "table_of_registries"]

WIDTH = 118
"""Columns of a table that fits a terminal of 120, behind the indent of what is shown."""
GAP = "  "
SHORTEST = 24
"""Characters that are left of a database that does not fit."""
IN_CLUSTER = ".svc.cluster.local"
STATES = ("failed", "unknown", "deleting", "waiting", "ready")
"""Of status.state, in the order of their weight."""
HEADINGS = ("NAME", "STATE", "DATABASE", "TLS", "WHO", "FINDINGS")
Entry = Mapping[str, Any]


def not_there(name: str, found: Entry) -> str:
    """Return the error about a name that no registry has. found: the result of model_registry_info."""
    names = ", ".join(map(printable_name, found["names"]))
    step = f"There are: {names}." if names else "There are none at all."
    return f"ModelRegistry {printable_name(name)}: it does not exist in namespace {found['namespace']}. {step}"


def table_of_registries(found: Entry) -> list[str]:
    """Return the lines about all registries: how many, a table, and below it what needs attention."""
    entries, namespace = found["registries"], found["namespace"]
    if not entries:
        return [f"There are no model registries in namespace {namespace}."]
    count = Counter(entry["status"]["state"] for entry in entries)
    states = ", ".join(f"{count[state]} {state}" for state in STATES if count[state])
    total = (
        f"{len(entries)} model {'registry' if len(entries) == 1 else 'registries'} in namespace {namespace}: {states}"
    )
    urgent = [line for entry in entries for line in _urgent(entry)]
    return [total, *_table([HEADINGS, *_rows(entries)]), *urgent]


def _rows(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Return the cells of each registry. Databases that would make the table too wide are shortened."""
    cells = [_cells(entry) for entry in entries]
    others, databases = [(*row[:2], *row[3:]) for row in cells], [row[2] for row in cells]
    widths = [max(map(len, column)) for column in zip((*HEADINGS[:2], *HEADINGS[3:]), *others)]
    room = max(SHORTEST, WIDTH - sum(widths) - len(GAP) * len(widths))
    if max(map(len, databases)) > room:
        databases = [database.replace(IN_CLUSTER, "") for database in databases]
    shown = [database if len(database) <= room else f"{database[: room - 1]}…" for database in databases]
    return [(*row[:2], database, *row[3:]) for row, database in zip(cells, shown)]


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        printable_name(entry["name"]),
        printable_name(entry["status"]["state"]),
        _database(entry.get("database")),
        _tls(entry),
        _who(entry.get("access")),
        _counted(entry["findings"]),
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [GAP.join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]


def _database(database: Entry | None) -> str:
    if not database:
        return "none"
    if database.get("generate"):
        return f"{database['type']} of the operator"
    name, host = (printable_name(database.get(option, "?")) for option in ("name", "host"))
    if "host" not in database and "host_address" in database:
        host = printable_name(database["host_address"])
    return f"{database['type']} {name} on {host}"


def _tls(entry: Entry) -> str:
    """Return what protects the connection to the database."""
    if entry.get("database") and entry["database"].get("generate"):
        return "none"
    encrypted, verified = entry["tls"]["encrypted"], entry["tls"]["verified"]
    if encrypted is None:
        return "unknown"
    return ("verified" if verified else "unverified") if encrypted else "none"


def _who(access: Iterable[Entry] | None) -> str:
    """Return how many subjects have access, by kind; the only one by name."""
    if access is None:
        return "unknown"
    subjects = sorted({(one["kind"], one.get("namespace", ""), one["name"]) for one in access})
    if len(subjects) == 1:
        return _subject(*subjects[0])
    kinds = Counter(kind for kind, _namespace, _name in subjects)
    words = {"User": "user", "Group": "group", "Project": "project", "ServiceAccount": "service account"}
    return ", ".join(_number(kinds[kind], word) for kind, word in words.items() if kinds[kind]) or "none"


def _subject(kind: str, namespace: str, name: str) -> str:
    return f"{kind} {printable_name(f'{namespace}/{name}' if namespace else name)}"


def _counted(findings: Iterable[Entry]) -> str:
    """Return how many findings there are of each severity."""
    count = Counter(finding["severity"] for finding in findings)
    counts = [
        f"{count['info']} info" if one == "info" else _number(count[one], one) for one in SEVERITIES if count[one]
    ]
    return ", ".join(counts) or "none"


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _urgent(entry: Entry) -> Iterator[str]:
    """Yield why a registry is not ready, and its blockers, each with what to do below it."""
    name, status = printable_name(entry["name"]), entry["status"]
    if status["state"] != "ready":
        yield f"{name} is {status['state']}: {_said(status['message'])}"
        yield from _below(status.get("next_step"))
    for finding in entry["findings"]:
        # A registry that cannot be read has one, which is its status.
        if finding["severity"] == "blocker" and finding["code"] != status["reason"]:
            first, *below = _finding(finding)
            yield f"{name}: {first}"
            yield from below


def registry_details(entry: Entry) -> list[str]:
    """Return the lines about one registry: its status first, then what it consists of, by group."""
    lines = list(_status(entry))
    groups = {
        "Registry": _facts(_registry(entry)),
        "Database": _facts(_database_facts(entry.get("database"))),
        "TLS": _facts(_tls_facts(entry)),
        "Who can use it": _permissions(entry.get("access")),
        "Findings": _findings(entry["findings"]),
    }
    for heading, group in groups.items():
        lines += [heading, *(f"  {line}" for line in group)]
    return lines


def _status(entry: Entry) -> Iterator[str]:
    """Yield the state, and why it is that, with what to do below it."""
    status = entry["status"]
    reason = f" ({status['reason']})" if status["reason"] != status["state"] else ""
    yield f"ModelRegistry {printable_name(entry['name'])} in namespace {entry['namespace']}: {status['state']}{reason}"
    yield f"  {_said(status['message'])}"
    yield from _below(status.get("next_step"), "    ")
    if status["state"] != "ready" and "source" in status:
        yield f"  Source: {status['source']}"


def _facts(facts: Iterable[tuple[str, Any]]) -> list[str]:
    """Return a line for each fact that is known, values below each other."""
    known = [(label, str(value)) for label, value in facts if value not in (None, "", {})]
    width = max((len(label) for label, _value in known), default=0)
    return [f"{label:<{width}}  {printable_name(value)}" for label, value in known] or ["none"]


def _registry(entry: Entry) -> Iterator[tuple[str, Any]]:
    service = f"{entry['name']}.{entry['namespace']}{IN_CLUSTER}"
    yield "display name", entry.get("display_name")
    yield "description", entry.get("description")
    yield "URL", entry.get("url")
    yield "in the cluster", service if service in entry.get("hosts", ()) else None
    yield "created", entry.get("created")
    yield "deleted since", entry.get("deleting_since")
    yield "proxy", entry.get("auth_proxy")
    yield from (
        (f"proxy's {option}", _value(value)) for option, value in (entry.get("auth_proxy_settings") or {}).items()
    )
    yield "image", entry.get("image")
    yield "port", entry.get("port")
    yield "service route", _value(entry.get("service_route"))
    yield from ((option, _value(value)) for option, value in (entry.get("resources") or {}).items())


def _database_facts(database: Entry | None) -> Iterator[tuple[str, Any]]:
    for option, value in (database or {}).items():
        if option != "tls":
            yield option.replace("_", " "), _value(value)


def _tls_facts(entry: Entry) -> Iterator[tuple[str, Any]]:
    tls, options = entry["tls"], (entry.get("database") or {}).get("tls") or {}
    states = {"verified": "encrypted, certificate verified", "unverified": "encrypted, certificate not verified"}
    state = _tls(entry)
    yield "connection", {**states, "none": "not encrypted"}.get(state, state)
    if "ca" in tls:
        yield "authority", f"key {tls['ca']['key']} of {tls['ca']['kind']} {tls['ca']['name']}"
        for certificate in tls["ca"]["certificates"]:
            yield "certificate", f"{certificate['subject']}, expires {certificate['expires']}"
    for option, value in options.items():
        if not option.startswith("ca_") and option != "verify":
            yield option.replace("_", " "), _value(value)


def _value(value: Any) -> str | None:
    """Return an option's value in words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping) and set(value) == {"name", "key"}:
        return f"key {value['key']} of {value['name']}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    return None if value is None else str(value)


def _permissions(access: Iterable[Entry] | None) -> list[str]:
    if access is None:
        return ["unknown: RoleBindings cannot be read"]
    rows = []
    for one in access:
        subject = _subject(one["kind"], one.get("namespace", ""), one["name"])
        through = f"through {one['through']['kind']} {printable_name(one['through']['name'])}"
        role = f"{printable_name(one['through']['role'])}" if one["through"].get("role") else ""
        rows.append((subject, through, role))
    return _table(rows) or ["none"]


def _findings(findings: Iterable[Entry]) -> list[str]:
    return [line for finding in findings for line in _finding(finding)] or ["none"]


def _finding(finding: Entry) -> list[str]:
    """Return the lines of a finding, in the words of a playbook's user."""
    said = {key: _said(finding[key]) for key in ("what", "why", "remedy")}
    return finding_entry({**finding, **said}, Detail(is_whole=True)).splitlines()


def _below(step: str | None, indent: str = "  ") -> list[str]:
    """Return what to do, set in below what it is about."""
    return [f"{indent}{_said(line)}" for line in (step or "").splitlines()]


def _said(text: str) -> str:
    """Return a message in the words of a playbook's user."""
    return in_variables(text)
