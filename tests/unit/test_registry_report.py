# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook info shows: the table, one registry in detail, and what a JMESPath expression picks."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.filter.registry_report import registry_report
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils import _query
from hypothesis import given
from hypothesis import strategies as st
from registry_entries import NAMESPACE, binding, entry, finding, found, odd_entry

Result = dict[str, Any]
FAILED = {
    "state": "failed",
    "reason": "access_denied",
    "message": "Error 1045 (28000): Access denied for user 'risk'@'10.1.2.3' (using password: YES)",
    "next_step": "Correct database.username.\nThen run it again.",
    "source": "log of container rest-container in pod risk-1",
}
POSTGRES = {"type": "postgres", "generate": True}


def lines(result: Result, **options: str) -> list[str]:
    """Return what is shown."""
    report = registry_report(result, options)
    assert not report["error"]
    return list(report["lines"])


def refusal(result: Result, **options: str) -> str:
    """Return the error."""
    report = registry_report(result, options)
    assert not report["lines"]
    return str(report["error"])


def row(one: Result) -> list[str]:
    """Return the cells of a registry's row."""
    heading, cells = lines(found(one))[1:3]
    starts = [heading.index(name) for name in heading.split()]
    return [cells[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]


def test_table_of_all() -> None:
    """The sum first, then a row each, then what needs attention with what to do, in the words of the playbooks."""
    people = [binding("User", "ann"), binding("User", "bob"), binding("Project", "dev")]
    blocked = [finding("ca_missing", "blocker"), finding("plaintext"), finding("b")]
    shown = lines(
        found(entry("fraud", access=people), entry("models-of-all", findings=blocked), entry("risk", status=FAILED))
    )
    assert shown == [
        f"3 model registries in namespace {NAMESPACE}: 1 failed, 2 ready",
        "NAME           STATE   DATABASE                                   TLS   WHO                 FINDINGS",
        "fraud          ready   mysql fraud on mysql-80.databases          none  2 users, 1 project  none",
        "models-of-all  ready   mysql models-of-all on mysql-80.databases  none  none                1 blocker, 2 warnings",
        "risk           failed  mysql risk on mysql-80.databases           none  none                none",
        "models-of-all: BLOCKER ca_missing: Secret models-db: two registries use it.",
        "  Give each registry its own.",
        f"risk is failed: {FAILED['message']}",
        "  Correct database_username.",
        "  Then run it again.",
    ]


ROWS: list[tuple[Result, dict[int, str]]] = [
    (entry("a"), {0: "a", 1: "ready", 2: "mysql a on mysql-80.databases.svc.cluster.local", 3: "none", 4: "none", 5: "none"}),
    (entry("a", database=POSTGRES), {2: "postgres of the operator", 3: "none"}),
    (entry("a", database={"type": "postgres", "host_address": "10.0.0.1", "name": "x"}), {2: "postgres x on 10.0.0.1"}),
    (entry("a", database=None), {2: "none"}),
    (entry("a", findings=[finding("a"), finding("b", "info"), finding("c", "info")]), {5: "1 warning, 2 info"}),
    (entry("a", database={"type": "mysql", "name": "x"}), {2: "mysql x on ?"}),
    (entry("a", tls={"encrypted": True, "verified": False}), {3: "unverified"}),
    (entry("a", tls={"encrypted": True, "verified": True}), {3: "verified"}),
    (odd_entry("a"), {1: "unknown", 2: "none", 3: "unknown", 4: "unknown", 5: "1 blocker"}),
    (entry("a", access=[binding("ServiceAccount", "bot", namespace="dev")]), {4: "ServiceAccount dev/bot"}),
    (entry("a", access=[binding("User", "ann"), binding("User", "ann")]), {4: "User ann"}),
    (entry("a", access=[binding("User", "ann"), binding("Group", "ann")]), {4: "1 user, 1 group"}),
    (entry("a", access=[binding("User", "\x1b[2J{{ x }}")]), {4: "User \\x1b[2J{{ x }}"}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "cells"), ROWS, ids=range(len(ROWS)))
def test_cells(one: Result, cells: dict[int, str]) -> None:
    shown = row(one)
    assert {place: shown[place] for place in cells} == cells


def test_what_does_not_fit_is_shortened() -> None:
    """The table has 118 columns, in which a database may be cut; a name is not."""
    long = {**entry("a")["database"], "host": f"{'x' * 90}.svc.cluster.local"}
    table = lines(found(entry("a", database=long), entry("b")))[1:4]
    assert [len(line) for line in table[1:2]] <= [118] and "…" in table[1]
    assert "mysql b on mysql-80.databases  " in table[2]
    assert "mysql b on mysql-80.databases.svc.cluster.local" in lines(found(entry("b")))[2]
    assert ("n" * 253) in lines(found(entry("n" * 253)))[2]


def test_no_registries() -> None:
    assert lines(found()) == [f"There are no model registries in namespace {NAMESPACE}."]


def test_one_in_detail() -> None:
    one = entry(
        "risk",
        status=FAILED,
        display_name="Risk {{ models }}",
        description="a\nb",
        url="https://risk-rest.apps.example.com",
        hosts=["risk-rest.apps.example.com", f"risk.{NAMESPACE}.svc.cluster.local"],
        auth_proxy="kube_rbac",
        auth_proxy_settings={"route_port": 8444, "key_secret": {"name": "keys", "key": "tls.key"}},
        resources={"limits": {"cpu": "1", "memory": "1Gi"}},
        service_route=True,
        tls={
            "encrypted": True,
            "verified": False,
            "ca": {
                "kind": "ConfigMap",
                "name": "ca",
                "key": "ca.crt",
                "certificates": [{"subject": "CN=x", "expires": "2030-01-01T00:00:00Z"}],
            },
        },
        access=[binding("User", "ann"), binding("ServiceAccount", "bot", namespace="dev")],
        findings=[finding("unverified")],
    )
    one["database"]["tls"] = {"ca_config_map": {"name": "ca", "key": "ca.crt"}, "verify": False, "cipher": "A:B"}
    assert lines(found(one), name="risk") == [
        f"ModelRegistry risk in namespace {NAMESPACE}: failed (access_denied)",
        f"  {FAILED['message']}",
        "    Correct database_username.",
        "    Then run it again.",
        "  Source: log of container rest-container in pod risk-1",
        "Registry",
        "  display name        Risk {{ models }}",
        "  description         a\\nb",
        "  URL                 https://risk-rest.apps.example.com",
        f"  in the cluster      risk.{NAMESPACE}.svc.cluster.local",
        "  created             2026-01-31T12:00:00Z",
        "  proxy               kube_rbac",
        "  proxy's route_port  8444",
        "  proxy's key_secret  key tls.key of keys",
        "  service route       true",
        "  limits              cpu 1, memory 1Gi",
        "Database",
        "  type             mysql",
        "  host             mysql-80.databases.svc.cluster.local",
        "  port             3306",
        "  name             risk",
        "  username         risk",
        "  password secret  key database-password of risk-db-password",
        "TLS",
        "  connection   encrypted, certificate not verified",
        "  authority    key ca.crt of ConfigMap ca",
        "  certificate  CN=x, expires 2030-01-01T00:00:00Z",
        "  cipher       A:B",
        "Who can use it",
        "  User ann                through RoleBinding of-ann  Role registry-user-fraud",
        "  ServiceAccount dev/bot  through RoleBinding of-bot  Role registry-user-fraud",
        "Findings",
        "  WARNING unverified: Secret models-db: two registries use it.",
        "    Give each registry its own.",
    ]


def test_details_of_little() -> None:
    """Groups of which nothing is known or there say so."""
    shown = lines(found(odd_entry("odd")), name="odd")
    assert shown[0] == f"ModelRegistry odd in namespace {NAMESPACE}: unknown (registry_unreadable)"
    assert shown[shown.index("Database") + 1] == "  none"
    assert shown[shown.index("TLS") + 1] == "  connection  unknown"
    assert shown[shown.index("Who can use it") + 1] == "  unknown: RoleBindings cannot be read"
    assert lines(found(entry("a")), name="a")[0] == f"ModelRegistry a in namespace {NAMESPACE}: ready"


@pytest.mark.parametrize(
    ("names", "text"),
    [(["fraud", "risk\x1b"], "There are: fraud, risk\\x1b."), ([], "There are none at all.")],
)
def test_a_name_that_is_not_there(names: list[str], text: str) -> None:
    result = {**found(), "names": names}
    expected = f"ModelRegistry absent: it does not exist in namespace {NAMESPACE}. {text}"
    assert refusal(result, name="absent") == expected == refusal(result, name="absent", query="names")


QUERIES: list[tuple[str, Any]] = [
    ("names", ["a", "b"]),
    ("registries[?status.state=='ready'].name", ["a", "b"]),
    (
        "registries[].{name: name, database: database.host}[0]",
        {"name": "a", "database": entry("a")["database"]["host"]},
    ),
    ("length(registries)", 2),
    ("namespace", NAMESPACE),
    ("contains(names, 'a')", True),
    ("nothing", None),
    ("[]", None),
    ("registries[0].database", entry("a")["database"]),
]


@pytest.mark.parametrize(("query", "value"), QUERIES)
def test_queries(query: str, value: Any) -> None:
    assert yaml.safe_load("\n".join(lines(found(entry("a"), entry("b")), query=query))) == value


def test_a_query_picks_from_one() -> None:
    assert lines(found(entry("a")), name="a", query="registries[].name") == ["- a"]


WRONG: list[tuple[str, str]] = [
    (
        "registries[].{name:",
        "info_query: 'registries[].{name:' ends too early, after character 19. On the command line, one with spaces",
    ),
    ("names..x", "got: dot, at character 7: .x. https://jmespath.org"),
    ("names[?a=='x]", "info_query: 'names[?a=='x]': Unclosed ' delimiter, at character 11: 'x]. https"),
    ("names names", "info_query: 'names names': Unexpected token: names, at character 7: names."),
    ("length(nothing)", "function length() takes string, array or object, and was given null."),
    ("length()", "Expected 1 argument for function length(), received 0."),
    ("none(@)", "Unknown function: none()."),
    ("names[::0]", "info_query: 'names[::0]'"),
    ("\x1b[", "info_query: '\\x1b[': Unknown token \\x1b, at character 1: \\x1b["),
    ("[&names]", "info_query: '[&names]': it picks an expression (&), which is no value."),
    ("(" * 5000, "info_query: "),
]


@pytest.mark.parametrize(("query", "text"), WRONG, ids=[query[:20] for query, _text in WRONG])
def test_queries_that_are_wrong(query: str, text: str) -> None:
    """The error names the place in the expression."""
    message = refusal(found(entry("a")), query=query)
    assert text in message and message.isprintable()


@given(st.text(max_size=20))
def test_any_query_ends_with_lines_or_an_error(query: str) -> None:
    report = registry_report(found(entry("a")), {"query": query})
    assert bool(report["error"]) is not bool(report["lines"]), report


class Tagged(str):
    """A text as Ansible has it: a subclass, of which jmespath and PyYAML know nothing."""


def test_values_of_ansibles_own_types() -> None:
    result = found(entry("a", description=Tagged("{{ x }}")))
    assert lines(result, query="length(registries[0].description)") == ["7"]
    assert lines(result, query=Tagged("registries[0].description")) == ["'{{ x }}'"]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202etxt", "\u2028", "😀", "x " * 200])
def test_picked_texts_are_ascii_on_one_line(text: str) -> None:
    (line,) = lines(found(entry("a", description=text)), query="registries[0].description")
    assert line.isascii() and line.isprintable()
    assert yaml.safe_load(line) == text.strip() or yaml.safe_load(line) == text


def test_jmespath_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the Python that lacks it, which is Ansible's; without a query, nothing is missing."""
    monkeypatch.setattr(_query, "jmespath", None)
    message = refusal(found(entry("a")), query="names")
    assert message.startswith("info_query: it needs the Python library jmespath")
    assert f"{sys.executable} -m pip install jmespath" in message
    assert lines(found(entry("a")))
