# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of the playbooks' variables: its table, what it makes of values, and what it refuses in whose words."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.files import unwritable
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.names import (
    doubtful,
    elsewhere,
    misspelt,
    owner,
)
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.origins import (
    from_inventory,
    misplaced,
)
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.other_words import (
    MEANT,
    meant,
    referenced,
    unused,
)
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.questions import (
    PLAYBOOKS,
    Need,
    Playbook,
    Question,
    question,
)
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.reader import (
    environment_use,
    read,
    role_options,
    unused_environment,
)
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.secrets import decrypted
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"grant": "sharing", "prepare_database": "preparing-the-database"}
"""The pages of playbooks that have another name."""
ENV = "MODEL_REGISTRY_DATABASE_PASSWORD"
Variables = dict[str, Any]
BLANK = (None, "", " ", "\n\t ", "null", "NULL", " ~")
NAMED: dict[str, Variables] = {
    "create": {"registry_name": "fraud"},
    "update": {"registry_name": "fraud"},
    "grant": {"registry_name": "fraud", "access_users": "ann"},
    "teardown": {"registry_name": "fraud"},
    "preflight": {"registry_name": "fraud"},
    "prepare_database": {
        "database_name": "d",
        "database_username": "u",
        "database_password": "p",
        "database_host": "h",
    },
    "info": {},
    "export": {"registry_name": "fraud"},
}
"""The least that each playbook needs."""
QUESTIONS = [(book, asked) for book in PLAYBOOKS.values() for asked in book.questions]
IDS = [f"{book.name}-{asked.variable}" for book, asked in QUESTIONS]


def options(name: str, variables: Variables, environment: dict[str, str] | None = None) -> Variables:
    """Return the options of the role, if nothing is wrong."""
    answers, errors = read(PLAYBOOKS[name], variables, environment or {})
    assert not errors, [str(error) for error in errors]
    return role_options(PLAYBOOKS[name], answers)


def refusals(name: str, variables: Variables, environment: dict[str, str] | None = None) -> list[str]:
    """Return what is wrong with the values."""
    return [str(error) for error in read(PLAYBOOKS[name], variables, environment or {})[1]]


def names(book: str, *typed: str, others: tuple[str, ...] = ()) -> list[str]:
    """Return what is wrong with the names of variables."""
    roles = {
        "create": {"create_wait", "create_wait_timeout", "create_description"},
        "update": {"update_description"},
        "preflight": {"preflight_via", "preflight_connect_timeout", "preflight_job"},
        "grant": {"grant_wait"},
    }
    return [str(error) for error in misspelt(PLAYBOOKS[book], typed, others, lambda: roles)]


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_pages_list_the_variables(name: str) -> None:
    """Each variable that a playbook takes is in its page's table, with what it can be, and the other way round."""
    page = (ROOT / "docs" / f"{PAGES.get(name, name)}.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z0-9_]+)` \| (.*)$", page, re.MULTILINE))
    assert set(rows) == set(PLAYBOOKS[name].variables)
    for asked in PLAYBOOKS[name].questions:
        if asked.choices and (name in ("create", "grant") or asked.variable not in PLAYBOOKS["create"].variables):
            missing = [choice for choice in asked.choices if f"`{choice}`" not in rows[asked.variable]]
            assert not missing or "sslmode" in rows[asked.variable], asked.variable


@pytest.mark.parametrize("name", [name for name, book in PLAYBOOKS.items() if book.role])
def test_playbooks_hand_on_every_option(name: str) -> None:
    """And no other, each to a variable that the role has."""
    book = PLAYBOOKS[name]
    (play,) = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text())
    (role,) = play["roles"]
    handed = {**role["vars"], **play.get("vars", {})}
    taken = {re.sub("^[a-z]+_", "", variable): text for variable, text in handed.items() if "{{" in text}
    answered = {asked.option.partition(".")[0] for asked in book.questions if asked.option}
    assert set(taken) == answered
    assert all(f"registry_answers.options.{option} " in text for option, text in taken.items())
    specs = {
        variable: option
        for file in (ROOT / "roles").glob("*/meta/argument_specs.yml")
        for variable, option in yaml.safe_load(file.read_text())["argument_specs"]["main"]["options"].items()
    }
    assert set(handed) <= set(specs)
    for asked in book.questions:
        if asked.choices and asked.option and "." not in asked.option:
            prefix = "preflight" if asked.option == "via" else name
            assert set(asked.choices) == set(specs[f"{prefix}_{asked.option}"]["choices"]), asked.variable


@pytest.mark.parametrize(
    ("name", "files", "by_filter"),
    [
        ("prepare_database", ("prepare_database.yml", "tasks/prepare_database.yml"), set()),
        ("info", ("info.yml",), {"query"}),
        ("export", ("export.yml",), set()),
    ],
)
def test_playbooks_without_a_role_use_every_option(name: str, files: tuple[str, ...], by_filter: set[str]) -> None:
    """by_filter: options that a filter takes from all of them."""
    used = re.findall(
        r"registry_answers\.options\.(\w+)", "".join((ROOT / "playbooks" / file).read_text() for file in files)
    )
    assert {*used, *by_filter} == {asked.option for asked in PLAYBOOKS[name].questions if asked.option}


@pytest.mark.parametrize("name", PLAYBOOKS)
@pytest.mark.parametrize("blank", BLANK)
def test_blank_is_not_given(name: str, blank: Any) -> None:
    """The least that a playbook needs gives the same with all else blank."""
    variables: Variables = dict.fromkeys(PLAYBOOKS[name].variables, blank)
    # A password can be that very text.
    secrets = {asked.variable: "" for asked in PLAYBOOKS[name].questions if asked.kind == "secret"}
    assert options(name, {**variables, **secrets, **NAMED[name]}) == options(name, NAMED[name])


CONVERTED: list[tuple[str, Any, Any]] = [
    *(("preflight", value, True) for value in (True, "true", "yes", "True", "YES", " on ")),
    *(("preflight", value, False) for value in (False, "false", "no", "No", "FALSE", "off")),
    ("auth_proxy_port", 9443, 9443),
    ("auth_proxy_port", "9443", 9443),
    ("auth_proxy", " oauth ", "oauth"),
    ("description", " a, b ", " a, b "),
]


@pytest.mark.parametrize(("variable", "value", "answer"), CONVERTED)
def test_conversion(variable: str, value: Any, answer: Any) -> None:
    asked = question(PLAYBOOKS["create"], variable)
    given_too = options("create", {**NAMED["create"], variable: value})
    for name in asked.option.split("."):
        given_too = given_too[name]
    assert given_too == answer and type(given_too) is type(answer)


SOURCES = "Give cluster, openshift_ai, config_map, secret, pem or none."
NOBODY = "access_users, access_groups, access_projects, access_service_accounts or access_members: the playbook grant needs one of these."
SECRET = {"database_password_secret_name": "x", "database_password_secret_key": "x"}
SYSTEM_DATABASES = ("mysql", "SYS", "Information_Schema", "performance_schema")
SYSTEM_ACCOUNTS = ("root", "Root", "mysql.sys", "mysql.session", "mysql.infoschema", "MariaDB.sys")
ADMINISTRATOR = "database_username: it is the administrator's account, which admin_username names."
REFUSED: list[tuple[str, Variables, str]] = [
    ("create", {"ca_source": "openshift-ai"}, "ca_source: it cannot be 'openshift-ai'. Did you mean openshift_ai? " + SOURCES),
    ("create", {"ca_source": "Cluster"}, "ca_source: it cannot be 'Cluster'. Did you mean cluster? Give cluster,"),
    ("create", {"ca_source": "config_map"}, "ca_source: it is config_map, and ca_name is not given. Give ca_name."),
    ("create", {"ca_source": "secret", "ca_name": "x"}, "ca_source: it is secret, and ca_key is not given."),
    ("create", {"ca_source": "pem"}, "ca_source: it is pem, and ca_pem is not given."),
    ("create", {"ca_pem": "x"}, "ca_pem: it is given, and ca_source is not given. Give ca_source: pem."),
    ("create", {"ca_pem": "x", "ca_source": "cluster"}, "ca_pem: ca_source is cluster, which has no use for it. Leave it out, or give ca_source: pem."),
    ("create", {"ca_name": "x", "ca_key": "y"}, "ca_name: it is given, and ca_source is not given. Give ca_source: config_map or secret."),
    ("create", {"ca_source": False}, "ca_source: it has been read as the boolean false: quote it. Give cluster,"),
    ("create", {"preflight": "maybe"}, "preflight: 'maybe' is neither true nor false."),
    ("create", {"preflight": 1}, "preflight: the number 1 is neither true nor false."),
    ("create", {"preflight": "0"}, "preflight: '0' is neither true nor false."),
    ("create", {"database_port": "no number"}, "database_port: 'no number' is not a whole number."),
    ("create", {"database_port": "0123"}, "database_port: '0123' is not a whole number."),
    ("create", {"database_port": True}, "database_port: the boolean true is not a whole number."),
    ("create", {"database_port": 3306.5}, "database_port: the number 3306.5 is not a whole number."),
    ("create", {"database_name": 202410}, "database_name: it has been read as the number 202410: quote it."),
    ("create", {"database_username": 83}, "database_username: it has been read as the number 83: quote it."),
    ("create", {"description": date(2026, 1, 1)}, "description: it has been read as the date 2026-01-01: quote it."),
    ("create", {"registry_name": True}, "registry_name: it has been read as the boolean true: quote it."),
    ("create", {"database_host": ["a"]}, "database_host: it has been read as a list: quote it."),
    ("create", {"database_via": "relay"}, "database_via: it is relay, and relay_image is not given."),
    ("create", {"database_password_secret_name": "x"}, "database_password_secret_name: it is given, and database_password_secret_key is not given."),
    ("create", {"database_password_secret_key": "x"}, "database_password_secret_key: it is given, and database_password_secret_name is not given."),
    ("create", {"database_password": "x", **SECRET}, "database_password: database_password_secret_name is given, too."),
    ("create", {"database_host": "x", "database_host_address": "10.0.0.1"}, "database_host: database_host_address is given, too."),
    ("create", {"client_key_secret_key": "x"}, "client_key_secret_key: it is given, and client_key_secret_name is not given."),
    ("create", {"registry_name": ""}, "registry_name or display_name: the playbook create needs one of these."),
    ("update", {"registry_name": None}, "registry_name: it is not given, and the playbook update needs it."),
    ("export", {"registry_name": ""}, "registry_name: it is not given, and the playbook export needs it."),
    ("info", {"info_query": ["a"]}, "info_query: it has been read as a list: quote it."),
    ("teardown", {"registry_name": " "}, "registry_name: it is not given, and the playbook teardown needs it."),
    ("grant", {"registry_name": ""}, "registry_name: it is not given, and the playbook grant needs it."),
    ("update", {"rotate_password": True}, "rotate_password: it is true, and database_password is not given."),
    ("update", {"rotate_password": True}, "Give database_password, or set the environment variable MODEL_REGISTRY_DATABASE_PASSWORD."),
    ("update", {"clear": "display_name"}, "clear: display_name cannot be removed, only changed. What can be removed: description, registry_image,"),
    ("update", {"rotate_password": "no", "database_password": "x"}, "rotate_password: it is false, and database_password is given."),
    ("update", {"clear": "descripton"}, "clear: it cannot be 'descripton'. Did you mean description?"),
    ("update", {"clear": "description", "description": "x"}, "clear: description is given, too."),
    *(("grant", {"access_users": "", "access_state": state}, NOBODY) for state in ("present", "absent", "exact")),
    ("grant", {"access_users": "", "access_members": [], "access_state": "exact"}, "the playbook grant needs one of these."),
    ("grant", {"access_users": " , "}, "the playbook grant needs one of these."),
    ("grant", {"access_state": "Exact"}, "access_state: it cannot be 'Exact'. Did you mean exact? Give present, absent or exact."),
    ("preflight", {"job": "created"}, "job: it cannot be 'created'. Did you mean create? Give create, update, teardown or grant."),
    ("prepare_database", {"database_name": "fr`aud"}, "database_name: it cannot be 'fr`aud'. Give at most 64 letters"),
    *(("prepare_database", {"database_name": name}, f"database_name: '{name}' is the server's own. Give one") for name in SYSTEM_DATABASES),
    *(("prepare_database", {"database_username": name}, f"database_username: '{name}' is the server's own. Give one") for name in SYSTEM_ACCOUNTS),
    *(("prepare_database", {"database_username": "admin", "admin_username": name}, ADMINISTRATOR) for name in ("admin", "ADMIN")),
    ("create", {"accept": "blocker"}, "accept: 'blocker' is not the code of a finding. Give codes, such as plaintext: fail_on takes severities."),
    ("preflight", {"accept": "charset; plaintext"}, "accept: 'charset; plaintext' is not the code of a finding. Put commas between several names."),
    ("update", {"fail_on": "blockers"}, "fail_on: 'blockers' is not a severity or the code of a finding. Did you mean blocker?"),
    ("create", {"fail_on": "charset", "accept": ["charset"]}, "accept: fail_on has charset, too."),
    ("create", {"registry_hosts": ["a"]}, "registry_hosts: it has been read as a list: quote it."),
    ("prepare_database", {"database_host": ""}, "admin_host or database_host: the playbook prepare_database needs one of these."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "variables", "text"), REFUSED, ids=[text for _, _, text in REFUSED])
def test_what_is_refused(name: str, variables: Variables, text: str) -> None:
    found = refusals(name, {**NAMED[name], **variables})
    assert any(text in refusal for refusal in found), found


NEEDS = [(book, asked, need) for book, asked in QUESTIONS for need in asked.needs]


@pytest.mark.parametrize(
    ("book", "asked", "need"), NEEDS, ids=[f"{b.name}-{a.variable}-{n.variable}" for b, a, n in NEEDS]
)
def test_half_of_an_answer(book: Playbook, asked: Question, need: Need) -> None:
    """Each variable that needs another one is refused without it, by its own name."""
    word = need.when[0] if need.when else "true" if asked.kind == "boolean" else "x"
    found = refusals(book.name, {**NAMED[book.name], asked.variable: word})
    assert any(text.startswith(f"{asked.variable}: ") and f"{need.variable} is not given" in text for text in found)


EXCLUDED = [(book, asked, other) for book, asked in QUESTIONS for other in asked.excludes]


@pytest.mark.parametrize(("book", "asked", "other"), EXCLUDED, ids=[f"{b.name}-{a.variable}" for b, a, _ in EXCLUDED])
def test_answers_that_exclude_each_other(book: Playbook, asked: Question, other: str) -> None:
    found = refusals(book.name, {**NAMED[book.name], asked.variable: "x", other: "y"})
    assert any(text == f"{asked.variable}: {other} is given, too. Give one of the two." for text in found)


READ_BY_YAML = (83, 202410, 1.5, True, False, date(2026, 1, 1), {"a": "b"}, ["a"], [83], b"x")


OWN_TYPES: dict[str, tuple[Any, ...]] = {"boolean": (True, False), "integer": (83, 202410), "names": (["a"],)}


@pytest.mark.parametrize(("book", "asked"), QUESTIONS, ids=IDS)
def test_what_yaml_reads_as_something_else(book: Playbook, asked: Question) -> None:
    """Each variable takes only the types that are its own."""
    closed = asked.choices or asked.variable in ("fail_on", "accept")
    own = [] if closed else [(value, type(value)) for value in OWN_TYPES.get(asked.kind, ())]
    for value in READ_BY_YAML:
        found = refusals(book.name, {**NAMED[book.name], asked.variable: value})
        wrong = [text for text in found if text.startswith(f"{asked.variable}: ") and "is not given" not in text]
        assert bool(wrong) is ((value, type(value)) not in own), (value, found)


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = {"registry_name": 83, "ca_source": "clusters", "database_port": "x", "preflight": "x"}
    assert [text.partition(":")[0] for text in refusals("create", wrong)] == [
        "registry_name",
        "database_port",
        "ca_source",
        "preflight",
    ]


MISSPELT = [
    ("create", "ca_sorce", "ca_sorce: the playbook create has no variable of this name. Did you mean ca_source, which can be cluster, openshift_ai,"),
    ("grant", "access_user", "Did you mean access_users?"),
    ("grant", "access_group", "Did you mean access_groups?"),
    ("grant", "access_Users", "Did you mean access_users?"),
    ("grant", "access-users", "Did you mean access_users?"),
    ("grant", "access_list", "access_list: the playbook grant has no variable"),
    ("create", "registryname", "Did you mean registry_name?"),
    ("create", "registry", "Use registry_name."),
    ("teardown", "confirm", "Use confirm_name."),
    ("create", "database_user", "Did you mean database_username?"),
    ("create", "databse_host", "Did you mean database_host?"),
    ("create", "auth_proxy_routes", "auth_proxy_routes: the playbook create has no variable"),
    ("create", "descripton", "Did you mean description?"),
    ("create", "create_wiat", "create_wiat: the role create has no variable of this name. Did you mean create_wait?"),
    ("create", "access_user", "Did you mean access_users? It is a variable of the playbook grant."),
    ("update", "via", "via: the playbook update has no variable of this name. Use database_via."),
    ("create", "namespace", "Use registries_namespace."),
    ("create", "name", "Use registry_name."),
    ("create", "host", "Use database_host."),
    ("create", "password", "Use database_password."),
    ("create", "user", "Use database_username."),
    ("create", "db_host", "Use database_host."),
    ("create", "db_user", "Use database_username."),
    ("create", "db_password", "Use database_password."),
    ("create", "database", "Use database_type, database_host, database_host_address, database_port and others."),
    ("create", "password_secret", "Use database_password_secret_name or database_password_secret_key."),
    ("create", "ca_bundle", "Use ca_source."),
    ("grant", "name", "Use registry_name."),
    ("grant", "users", "Use access_users."),
    ("create", "users", "It may mean access_users, a variable of the playbook grant."),
    ("create", "wait", "Use create_wait."),
    ("update", "update_description", "update_description: the playbook update sets this variable of its role itself. Use description."),
    ("create", "preflight_via", "the playbook create sets this variable of its role itself. Use database_via."),
    ("grant", "preflight_via", "preflight_via: the playbook grant does not use it. It is a variable of the role preflight."),
    ("update", "create_wait", "create_wait: the playbook update does not use it. It is a variable of the role create."),
    ("update", "create_description", "create_description: the playbook update does not use it. Use description."),
    ("info", "info_querry", "Did you mean info_query?"),
    ("info", "query", "query: the playbook info has no variable of this name. Use info_query."),
    ("info", "name", "Use registry_name."),
    ("export", "export_too", "Did you mean export_to?"),
    ("create", "create_foo", "create_foo: the role create has no variable of this name."),
    ("create", "create_result", "create_result: the role create has no variable of this name."),
    ("create", "preflight_job", "preflight_job: the playbook create sets this variable of its role itself. Leave it out."),
    ("create", "registry_answers", "registry_answers: the playbook create sets this variable itself. Leave it out."),
    ("prepare_database", "prepare_name", "prepare_name: the playbook prepare_database sets this variable itself. Use database_name."),
    ("prepare_database", "prepare_scope", "prepare_scope: the playbook prepare_database sets this variable itself. Leave it out."),
]  # fmt: skip


@pytest.mark.parametrize(("book", "typed", "text"), MISSPELT, ids=[f"{book}-{typed}" for book, typed, _ in MISSPELT])
def test_misspelt_names(book: str, typed: str, text: str) -> None:
    (found,) = names(book, typed)
    assert text in found


def misspellings(name: str) -> set[str]:
    """Return a name with a letter left out, doubled or swapped with the next, in other cases, and with look-alikes."""
    places = range(len(name))
    return {
        *(name[:i] + name[i + 1 :] for i in places),
        *(name[: i + 1] + name[i:] for i in places),
        *(name[:i] + name[i + 1 : i + 2] + name[i] + name[i + 2 :] for i in places),
        *(
            name.upper(),
            name.title(),
            f"{name}s",
            name.replace("_", "-"),
            name.replace("_", " "),
            name.replace("_", ""),
        ),
        *(name.replace("o", "\u043e"), name.replace("e", "\u0435"), name.replace("a", "\uff41")),
    }


@pytest.mark.parametrize(("book", "asked"), QUESTIONS, ids=IDS)
def test_each_name_misspelt(book: Playbook, asked: Question) -> None:
    known = {variable for other in PLAYBOOKS.values() for variable in other.variables}
    passed = [name for name in sorted(misspellings(asked.variable) - known) if not names(book.name, name)]
    assert passed == []


def test_letters_that_look_alike_are_told_apart() -> None:
    assert names("create", "ca_s\u043eurce")[0].startswith("ca_s\\u043eurce: ")
    (found,) = refusals("create", {"registry_name": "f", "ca_source": "\u0441luster"})
    assert "it cannot be '\\u0441luster'. Did you mean cluster?" in found
    (found,) = refusals("create", {"registry_name": "f", "database_port": "\uff13\uff13"})
    assert "'\\uff13\\uff13' is not a whole number" in found


def test_names_that_are_right_or_others() -> None:
    """What a controller adds, what other plays have, and variables of roles and of other playbooks of the collection."""
    others = (
        *("awx_job_id", "tower_user_name", "ansible_user", "hostvars", "group_names", "inventory_hostname", "omit"),
        *("playbook_dir", "role_names", "environment", "play_hosts", "vars", "users", "host", "team"),
    )
    options_of_others = {"users", "host"}
    assert names("create", others=others) == []
    assert names("create", *(name for name in others if name not in options_of_others), others=others) == []
    assert names("create", "create_wait", "preflight_connect_timeout", "access_users", "ca_source") == []


def set_in(tasks: Any) -> set[str]:
    """Return the variables that a playbook or tasks set by vars or register, at any depth."""
    if isinstance(tasks, list):
        return {name for task in tasks for name in set_in(task)}
    if not isinstance(tasks, dict):
        return set()
    registered = {tasks["register"]} if "register" in tasks else set()
    return registered | set(tasks.get("vars", {})) | {name for part in tasks.values() for name in set_in(part)}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_an_extra_variable_takes_the_place_of_no_answer(name: str) -> None:
    """An extra variable wins over all that a playbook or its role sets by itself, and so would not be read strictly."""
    book = PLAYBOOKS[name]
    roles = {file.parents[1].name: file for file in (ROOT / "roles").glob("*/meta/argument_specs.yml")}
    specs = {
        role: set(yaml.safe_load(file.read_text())["argument_specs"]["main"]["options"]) for role, file in roles.items()
    }
    files = [ROOT / "playbooks" / f"{name}.yml", *(ROOT / "playbooks" / "tasks").glob(f"{name}*.yml")]
    if book.role:
        used = {book.role, "preflight"} if "database_via" in book.variables else {book.role}
        files += [
            file for role in used for part in ("tasks", "vars") for file in (ROOT / "roles" / role / part).glob("*.yml")
        ]
    found = {variable for file in files for variable in set_in(yaml.safe_load(file.read_text()))}
    harmless = {"preflight_check_unchanged", "preflight_detail"}  # more is checked or shown, or less is shown
    found = {variable for variable in found - harmless if not variable.startswith("ansible_")}
    assert "registry_answers" in found
    passed = [variable for variable in sorted(found) if not misspelt(book, [variable], [], lambda: specs)]
    assert passed == []


def test_an_inventory_is_shared_with_other_plays() -> None:
    """A name that only begins like ours is another play's there; one of TLS or access is misspelt there, too."""
    assert names("create", others=("database_backup_window", "client_id", "access_log", "create_swap", "jobs")) == []
    assert len(names("create", others=("ca_sorce", "access_user"))) == 2


def test_other_roles_variables_do_not_stop_a_playbook() -> None:
    """They nearly are ours, and so are named in a warning."""
    others = ("registry_host", "database_user", "registry_images", "descriptions", "registry_name")
    assert names("create", others=others) == []
    found = dict(doubtful((), others))
    assert set(found) == {"registry_host", "database_user", "registry_images", "descriptions"}
    assert found["registry_host"] == "registry_hosts"
    assert doubtful(("registry_host",), others[:1]) == []


def test_encrypted_values_at_any_depth() -> None:
    """As ansible-core before 2.19 has them."""

    class Encrypted:
        __ENCRYPTED__ = True

        def __str__(self) -> str:
            return "ann"

    assert decrypted({"a": [Encrypted(), {"b": Encrypted()}, 1]}) == {"a": ["ann", {"b": "ann"}, 1]}


def test_variables_of_other_playbooks_are_named() -> None:
    """Unless they describe a registry: one file of them can be given to each playbook."""
    assert elsewhere(PLAYBOOKS["create"], ["access_users", "job", "admin_host", "x"]) == ["access_users", "job"]
    assert elsewhere(PLAYBOOKS["teardown"], ["ca_source", "registry_name", "clear"]) == ["clear"]
    assert [owner(name) for name in ("access_users", "job", "clear", "admin_host")] == [
        "grant",
        "preflight",
        "update",
        "prepare_database",
    ]


def test_no_variable_leads_into_an_error() -> None:
    """What a message about a name recommends is accepted, or is said to be another playbook's."""
    for book in PLAYBOOKS.values():
        assert names(book.name, *book.variables) == []


OTHERS = {"database_host": "h", "database_name": "d"}
INHERITED: list[tuple[str, Variables, set[str], str]] = [
    ("update", OTHERS, {"database_host", "database_name"}, "database_host and database_name: they are from the inventory, which may mean another registry"),
    ("update", OTHERS, {"database_name"}, "database_name: it is from the inventory, which may mean another registry: registry_name is not from there."),
    ("update", {"description": "Web server"}, {"description"}, "An empty text leaves a variable out: --extra-vars description=."),
    ("update", {"rotate_password": True, "database_password": "x"}, {"rotate_password"}, "rotate_password: it is from"),
    ("update", OTHERS, {"database_host", "database_name", "registry_name"}, ""),
    ("update", {"registries_namespace": "n", "database_via": "auto", "preflight": False}, {"registries_namespace", "database_via", "preflight"}, ""),
    ("teardown", {"delete_generated_data": True}, {"delete_generated_data"}, "delete_generated_data: it is from the inventory"),
    ("teardown", {"confirm_name": "fraud"}, {"confirm_name"}, "confirm_name: it is from the inventory"),
    ("teardown", {"save_permissions": "x.yml"}, {"save_permissions"}, ""),
    ("create", OTHERS, {"database_host", "database_name"}, ""),
    ("grant", {"access_groups": "team"}, {"access_groups"}, ""),
    *((name, {"registry_hosts": "bastion"}, {"registry_hosts"}, "registry_hosts: it is in the inventory, and the hosts") for name in PLAYBOOKS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "variables", "inherited", "text"), INHERITED)
def test_what_an_inventory_must_not_give(name: str, variables: Variables, inherited: set[str], text: str) -> None:
    """A registry that is named elsewhere is not changed by what may be another one's, or another application's."""
    book = PLAYBOOKS[name]
    answers, errors = read(book, {**NAMED[name], **variables}, {})
    found = [str(error) for error in misplaced(book, answers, inherited)]
    assert not errors and len(found) == bool(text) and text in "".join(found)


def test_what_an_inventory_gives_is_named() -> None:
    """In one line, if the playbook writes; what the inventory has blank is not given."""
    answers = {"registry_name": "f", **OTHERS}
    inherited = {"database_name", "database_host", "database_port"}
    line = ["from the inventory: database_host, database_name"]
    assert from_inventory(PLAYBOOKS["create"], answers, inherited) == line
    assert from_inventory(PLAYBOOKS["create"], answers, set()) == []
    assert from_inventory(PLAYBOOKS["preflight"], answers, inherited) == []


@pytest.mark.parametrize(
    "variable", ["database_port", "ca_source", "preflight", "database_host_address", "registry_name"]
)
@pytest.mark.parametrize("secret", ["hunter2", "p", "x" * 200, "a\x1bb c"])
def test_errors_do_not_show_a_secret_that_is_another_answer(variable: str, secret: str) -> None:
    value = [secret] if variable in ("database_host_address", "registry_name") else secret
    for given_as, environment in (({"database_password": secret}, {}), ({}, {ENV: secret})):
        found = refusals("create", {"registry_name": "f", variable: value, **given_as}, environment)
        about = [error for error in found if error.startswith(variable)]
        assert len(about) == 1 and "not shown, since a secret has the same text" in about[0]
        assert secret[:60] not in about[0].replace(variable, "").replace("Give", "") or len(secret) == 1


def test_a_secret_in_a_longer_answer_is_not_shown() -> None:
    assert (
        "hunter2"
        not in refusals(
            "create", {"registry_name": "f", "database_port": "x" * 75 + "hunter2", "database_password": "hunter2"}
        )[0]
    )
    (shown,) = refusals("create", {"registry_name": "f", "database_port": "other", "database_password": "hunter2"})
    assert "'other' is not a whole number" in shown


AUTHORITIES: list[tuple[Variables, Variables]] = [
    ({"ca_source": "cluster"}, {"ca_bundle": "cluster"}),
    ({"ca_source": "openshift_ai"}, {"ca_bundle": "openshift_ai"}),
    ({"ca_source": "config_map", "ca_name": "n", "ca_key": "k"}, {"ca_config_map": {"name": "n", "key": "k"}}),
    ({"ca_source": "secret", "ca_name": "n", "ca_key": "k"}, {"ca_secret": {"name": "n", "key": "k"}}),
    ({"ca_source": "pem", "ca_pem": "p"}, {"ca_pem": "p"}),
    ({"ca_source": "none"}, {"enabled": False}),
    (
        {"client_key_secret_name": "n", "client_certificate_secret_name": "c"},
        {
            "client_key_secret": {"name": "n", "key": "tls.key"},
            "client_certificate_secret": {"name": "c", "key": "tls.crt"},
        },
    ),
    ({"database_verify": "no"}, {"verify": False}),
]


@pytest.mark.parametrize(("variables", "tls"), AUTHORITIES)
def test_authorities(variables: Variables, tls: Variables) -> None:
    assert options("create", {**NAMED["create"], **variables})["database"] == {"tls": tls}


ACCESS: list[tuple[Variables, Variables]] = [
    ({"access_users": " a ,b,\n c d\n,"}, {"users": ["a", "b", "c d"]}),
    ({"access_users": [" a", "b,c", "", " "]}, {"users": [" a", "b,c"]}),
    ({"access_users": "x", "access_members": " , "}, {"users": ["x"]}),
    ({"access_users": "x", "access_members": []}, {"users": ["x"], "members": []}),
    (
        {"access_service_accounts": "a/b, c/d.e"},
        {"service_accounts": [{"namespace": "a", "name": "b"}, {"namespace": "c", "name": "d.e"}]},
    ),
    (
        {"access_service_accounts": [{"namespace": "a", "name": "b"}]},
        {"service_accounts": [{"namespace": "a", "name": "b"}]},
    ),
]


@pytest.mark.parametrize(("variables", "lists"), ACCESS)
def test_access(variables: Variables, lists: Variables) -> None:
    assert options("grant", {"registry_name": "fraud", **variables}) == {"registry": "fraud", **lists}


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("users", False, "access_users: it has been read as the boolean false"),
        ("users", 1001, "access_users: it has been read as the number 1001"),
        ("groups", ["a", 83], "access_groups: a name in it has been read as the number 83"),
        ("members", [None], "access_members: a name in it has been read as null"),
        ("users", date(2026, 1, 1), "access_users: it has been read as the date 2026-01-01"),
        ("projects", {"a": "b"}, "access_projects: it has been read as a mapping"),
        (
            "service_accounts",
            [{"namespace": 83, "name": "x"}],
            "access_service_accounts: a name in it has been read as the number 83",
        ),
        ("users", "['ann', 'bob']", "access_users: it is a list or a mapping that has been read as a text. Put commas"),
        ("members", ' ["ann"]', "access_members: it is a list or a mapping that has been read as a text."),
        ("service_accounts", "{'namespace': 'a'}", "access_service_accounts: it is a list or a mapping that"),
        ("service_accounts", "no-slash", "access_service_accounts: 'no-slash' is not written as project/name"),
        ("service_accounts", "a/b/c", "access_service_accounts: 'a/b/c' is not written"),
        ("service_accounts", ["/b"], "access_service_accounts: '/b' is not written"),
    ],
)
def test_what_is_no_name(variable: str, value: Any, text: str) -> None:
    found = refusals("grant", {"registry_name": "fraud", f"access_{variable}": value})
    assert len(found) == 1 and text in found[0]


ACCOUNT: Variables = {"registry_name": "fraud", "database_username": "u"}
PASSWORDS: list[tuple[str, Variables, bool]] = [
    ("create", ACCOUNT, True),
    ("create", {"registry_name": "fraud", "description": "x"}, False),
    ("create", {**ACCOUNT, "database_password_secret_name": "s", "database_password_secret_key": "k"}, False),
    ("create", {"registry_name": "fraud", "database_generate": True}, False),
    ("update", {"registry_name": "risk", "description": "x"}, False),
    ("update", ACCOUNT, False),
    ("update", {"registry_name": "risk", "rotate_password": False}, False),
    ("update", {"registry_name": "risk", "rotate_password": "yes"}, True),
    ("preflight", ACCOUNT, True),
    ("preflight", {**ACCOUNT, "job": "update"}, False),
    ("preflight", {**ACCOUNT, "job": "update", "rotate_password": True}, True),
]


@pytest.mark.parametrize(("name", "variables", "used"), PASSWORDS)
def test_a_password_in_the_environment(name: str, variables: Variables, used: bool) -> None:
    """Used by the job that asks for it. One that is there and not used is named."""
    environment = {ENV: "of-the-environment"}
    database = options(name, variables, environment).get("database", {})
    assert (database.get("password") == "of-the-environment") is used
    answers = read(PLAYBOOKS[name], variables, environment)[0]
    assert unused_environment(PLAYBOOKS[name], answers, environment) == ([] if used else [ENV])
    assert not unused_environment(PLAYBOOKS[name], answers, {ENV: ""})


@pytest.mark.parametrize(
    ("name", "variables", "text"),
    [
        ("create", {}, "database_username"),
        ("update", {}, "rotate_password=true"),
        ("preflight", {"job": "update"}, "rotate_password=true"),
        ("preflight", {}, "database_username"),
    ],
)
def test_an_ignored_password_says_when_it_is_used(name: str, variables: Variables, text: str) -> None:
    """A user with another registry's password in the environment is not told to store it."""
    said = environment_use(PLAYBOOKS[name], variables)
    assert text in said and "Give" not in said


def test_a_password_in_the_environment_is_for_a_new_registry() -> None:
    """One that exists may be another: it keeps its own, unless rotate_password asks for this one."""
    new = {"username": "u", "password": "x", "update_password": "on_create"}
    asked = {"username": "u", "password": "x"}
    for name in ("create", "preflight"):
        assert options(name, ACCOUNT, {ENV: "x"})["database"] == new
        assert options(name, {**ACCOUNT, "rotate_password": True}, {ENV: "x"})["database"] == asked
        assert options(name, {**ACCOUNT, "database_password": "x"}, {ENV: "y"})["database"] == asked
    assert options("update", {**ACCOUNT, "rotate_password": True}, {ENV: "x"})["database"] == asked
    assert "update_password" not in options("prepare_database", NAMED["prepare_database"], {ENV: "x"})


def test_a_variable_comes_before_the_environment() -> None:
    variables = {**ACCOUNT, "database_password": "of-the-variable"}
    assert options("create", variables, {ENV: "other"})["database"]["password"] == "of-the-variable"


def test_clearing() -> None:
    """An empty text is no answer, so what is to be taken away is named."""
    cleared = options("update", {"registry_name": "fraud", "clear": "description, database_tls_cipher"})
    assert cleared == {"name": "fraud", "description": "", "database": {"tls": {"cipher": ""}}}


ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(),
    st.sampled_from(["true", "yes", "relay", "cluster", "exact", "null", "~", "Null", "a/b", "83"]),
    st.lists(st.one_of(st.text(), st.none(), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)


@pytest.mark.parametrize(("book", "asked"), QUESTIONS, ids=IDS)
@settings(max_examples=25)
@given(value=ANY)
def test_an_answer_is_taken_as_it_is_or_refused_by_name(book: Playbook, asked: Question, value: Any) -> None:
    """Never dropped and never altered: it is the role's, or an error that begins with the variable and hides secrets."""
    answers, errors = read(book, {**NAMED[book.name], asked.variable: value}, {})
    about = [error for error in errors if error.what == asked.variable]
    blank = value is None or (isinstance(value, str) and value.strip() in ("", "null", "Null", "NULL", "~"))
    if asked.kind in ("text", "choice", "secret") and not blank and not about:
        assert isinstance(value, str) and answers[asked.variable] in (value, value.strip())
    if asked.kind in ("boolean", "integer") and not blank and not about:
        assert str(answers[asked.variable]).lower() == str(value).strip().lower() or isinstance(value, str)
    if asked.kind == "secret":
        assert not any(str(value) in str(error) for error in about if len(str(value)) > 9)
    if not blank and asked.variable not in answers:
        # Commas alone name nobody.
        assert about or not str(value).strip(", \n")


VARIABLES = st.dictionaries(
    st.sampled_from(sorted({name for book in PLAYBOOKS.values() for name in book.variables})), ANY
)


@pytest.mark.parametrize("name", PLAYBOOKS)
@settings(max_examples=60)
@given(variables=VARIABLES)
def test_reading_ends_with_options_or_errors(name: str, variables: Variables) -> None:
    """Whatever is given, and each error is three parts about a variable of the playbook."""
    answers, errors = read(PLAYBOOKS[name], variables, {})
    known = set(PLAYBOOKS[name].variables)
    assert all(set(re.split(r", | or ", error.what)) <= known for error in errors)
    if not errors:
        assert isinstance(role_options(PLAYBOOKS[name], answers), dict)


def test_hosts_are_chosen_in_each_playbook_by_the_same_words() -> None:
    """And by no variable but registry_hosts: an extra variable would take the place of any other."""
    heads = [yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text())[0] for name in PLAYBOOKS]
    assert len({head["hosts"] for head in heads}) == len({head["connection"] for head in heads}) == 1
    for part in ("hosts", "connection"):
        words = set(re.findall(r"[a-z_]+", re.sub("'[^']*'", "", heads[0][part])))
        syntax = {"if", "is", "defined", "and", "string", "lookup", "wantlist", "true", "else"}
        assert words - syntax == {"registry_hosts"}


OTHER_WORDS = [
    ("create", "tls_mode", "database_tls_mode"),
    ("create", "sslmode", "database_tls_mode"),
    *(("create", name, "ca_source") for name in ("tls_ca", "ssl", "tls", "ssl_ca", "ssl_required", "cacert", "certificate", "pem", "encrypt")),
    *(("create", name, "database_verify") for name in ("tls_verify", "verify_tls", "TLS-Verify")),
    *(("create", name, "database_host") for name in ("dbhost", "mysql_host", "hostname")),
    *(("create", name, "database_password") for name in ("db_pass", "mysql_password", "pwd", "passwd", "pw")),
    *(("create", name, "rotate_password") for name in ("new_password", "password_rotate")),
    ("create", "mysql_options", "database_host, database_name or database_username"),
    *(("prepare_database", name, "admin_password") for name in ("admin_pass", "adminpw")),
    *(("prepare_database", name, "admin_username") for name in ("admin_user", "admin")),
    ("prepare_database", "ssl", "database_require_tls"),
    ("prepare_database", "cacert", "admin_ca_file"),
    ("create", "skip_preflight", "preflight"),
    ("create", "fail_level", "fail_on"),
    ("create", "accept_findings", "accept"),
    ("teardown", "force", "confirm_name"),
    ("teardown", "confirmed", "confirm_name"),
    ("teardown", "keep", "delete_generated_data"),
    ("teardown", "delete_data", "delete_generated_data"),
    ("update", "unset", "clear"),
    ("create", "desc", "description"),
    ("create", "title", "display_name"),
    ("create", "proxy", "auth_proxy"),
    ("create", "limits", "create_resources"),
    ("create", "reg_name", "registry_name"),
    ("grant", "model_registry_name", "registry_name"),
    ("info", "ns", "registries_namespace"),
    ("grant", "group", "access_groups"),
    ("grant", "serviceaccount", "access_service_accounts"),
    ("grant", "revoke", "access_state"),
    ("grant", "exact", "access_state"),
    ("export", "export_file", "export_to"),
    ("export", "export_path", "export_to"),
    ("export", "output", "export_to"),
    ("info", "filter", "info_query"),
    ("create", "playbook_hosts", "registry_hosts"),
]  # fmt: skip


@pytest.mark.parametrize(("book", "name", "variable"), OTHER_WORDS, ids=[f"{b}-{n}" for b, n, _ in OTHER_WORDS])
def test_other_words_are_errors_with_the_right_name(book: str, name: str, variable: str) -> None:
    (found,) = names(book, name)
    assert "has no variable of this name" in found and variable in found.split(". ", 1)[1], found


def test_other_words_lead_to_variables_that_there_are() -> None:
    known = {variable for book in PLAYBOOKS.values() for variable in book.variables}
    named = {variable for _pattern, variables in MEANT for variable in variables}
    assert named - known == {"create_resources"}
    assert meant("ssl", PLAYBOOKS["teardown"]) == ()


def test_extra_variables_that_nothing_uses_are_named() -> None:
    """Except for those of Ansible, of controllers and of roles, and for those that a template uses."""
    typed = (
        "registry_name",
        "ca_source",
        "awx_job_id",
        "tower_user_name",
        "ansible_user",
        "create_wait",
        "K8S_AUTH_HOST",
    )
    book = PLAYBOOKS["teardown"]
    assert list(unused(book, typed, ())) == []
    assert list(unused(book, (*typed, "ssl"), ())) == ["ssl: the playbook teardown does not use it."]
    assert list(unused(book, ("b", "a", "c"), ("c",))) == ["a and b: the playbook teardown does not use them."]


def test_words_that_a_template_uses_are_others_own() -> None:
    given_too = {"database_password": "{{ db.mysql_password }}", "lists": [{"x": "{% if flag %}"}], "pw": "{{ pw }}"}
    assert referenced(("mysql_password", "flag", "pw", "other"), {**given_too, "other": "mysql_password other"}) == {
        "mysql_password",
        "flag",
    }
    assert misspelt(PLAYBOOKS["create"], ["mysql_password"], (), dict, ["mysql_password"]) == []


def test_a_file_that_cannot_be_written_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    texts = {
        "folder": "export_to: 'folder' is a directory. Give the name of a file in it, too.",
        "new/": "export_to: 'new/' is a directory.",
        "nowhere/x.yml": "export_to: the directory of 'nowhere/x.yml' does not exist. Make it, or give another file.",
        "/nonexistent/x.yml": "export_to: the directory of '/nonexistent/x.yml' does not exist.",
        "file/x.yml": "export_to: the directory of 'file/x.yml' does not exist.",
    }
    for name, text in texts.items():
        (found,) = unwritable({"export_to": name}, str(tmp_path))
        assert text in str(found)
    for path in ("x.yml", "file", "folder/x.yml", str(tmp_path / "x.yml"), None):
        assert not list(unwritable({"export_to": path}, str(tmp_path)))
    assert not list(unwritable({}, str(tmp_path)))
