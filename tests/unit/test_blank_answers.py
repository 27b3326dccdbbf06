# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers as a controller writes them and as a user types them, read by each ansible-core that the matrix has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.plugin_utils._answers.questions import PLAYBOOKS
from answer_runs import ROOT, in_one_play, options_of, run

LEAST = {
    "create": "registry_name: fraud\n",
    "update": "registry_name: fraud\n",
    "grant": "registry_name: fraud\naccess_users: ann\n",
    "teardown": "registry_name: fraud\n",
    "preflight": "registry_name: fraud\n",
    "info": "registry_name: fraud\n",
    "export": "registry_name: fraud\n",
    "prepare_database": "database_name: d\ndatabase_username: u\ndatabase_password: p\ndatabase_host: h\n",
}
"""The least that each playbook needs."""


@pytest.mark.parametrize("book", LEAST)
def test_blank_answers_are_not_given(tmp_path: Path, book: str) -> None:
    """A name of ``None`` would be a name, and a ``tls`` of nulls asks for TLS."""
    names = [asked for asked in PLAYBOOKS[book].questions if f"{asked.variable}:" not in LEAST[book]]
    files = [LEAST[book]]
    for blank in ("", "!unsafe ''", "~", "!unsafe 'null'", "!unsafe '~'", "'  '"):
        secret = "" if "null" in blank or "'~'" in blank else blank  # a password can be that text
        lines = (f"{asked.variable}: {secret if asked.kind == 'secret' else blank}\n" for asked in names)
        files.append(LEAST[book] + "".join(lines))
    (expected, *found), output = in_one_play(tmp_path, book, {}, files)
    assert expected is not None and found == [expected] * len(found), output


def test_false_is_an_answer(tmp_path: Path) -> None:
    answers = (
        "registry_name: f\ndatabase_verify: false\ndatabase_generate: !unsafe 'no'\nauth_proxy_service_route: 'no'\n"
    )
    read, output = options_of(tmp_path, "create", answers)
    database = {"generate": False, "tls": {"verify": False}}
    assert read == {"name": "f", "database": database, "auth_proxy_settings": {"service_route": False}}, output


def test_a_name_is_read_as_it_is_typed_or_refused(tmp_path: Path) -> None:
    """ansible-core from 2.19 on alters what a controller writes; it is never used altered."""
    texts = ("2024_10", "0123", "12:30", "2026-01-01", "no")
    forms = ("database_name: '{}'\n", "database_name: {}\n", "database_name: !unsafe '{}'\n")
    files = [form.format(text) for text in texts for form in forms]
    found, output = in_one_play(tmp_path, "create", {"registry_name": "f"}, files)
    for number, text in enumerate(texts):
        quoted, plain, tagged = found[3 * number : 3 * number + 3]
        assert quoted is not None and quoted["database"] == {"name": text}
        assert plain is None and (tagged is None or tagged == quoted)
    assert output.count("database_name: it has been read as") >= found.count(None) >= len(texts)


CALLS = [
    ("create", ["-e", "registry_name=f", "-e", "ca_sorce=cluster"], "ca_sorce: the playbook create has no variable"),
    ("create", ["-e", "registry_name=f", "-e", "ca_source=openshift-ai"], "ca_source: it cannot be 'openshift-ai'."),
    ("update", [], "registry_name: it is not given, and the playbook update needs it."),
    ("grant", ["-e", "registry_name=f access_user=ann"], "Did you mean access_users?"),
    ("teardown", ["-e", "confirm_name=f"], "registry_name: it is not given, and the playbook teardown needs it."),
    ("preflight", ["-e", "registry_name=f database_via=relay"], "database_via: it is relay, and relay_image"),
    ("prepare_database", [], "database_name: it is not given, and the playbook prepare_database needs it."),
    (
        "info",
        ["-e", "registry_name=f info_querry=names"],
        "info_querry: the playbook info has no variable of this name. Did you mean info_query",
    ),
    ("export", [], "registry_name: it is not given, and the playbook export needs it."),
    ("create", ["-e", "registry_name={{ nowhere }}"], "registry_name: its template cannot be evaluated"),
]


@pytest.mark.parametrize(("book", "arguments", "text"), CALLS, ids=[text for _, _, text in CALLS])
def test_playbooks_stop_at_what_is_wrong(tmp_path: Path, book: str, arguments: list[str], text: str) -> None:
    """With a bare localhost in the inventory, which has no connection of its own."""
    (tmp_path / "hosts").write_text("localhost\n")
    done = run(tmp_path, f"opendatahub.model_registry.{book}", "-i", "hosts", *arguments)
    assert done.returncode == 2 and text in done.stdout, done.stdout + done.stderr
    assert "ok=0" in done.stdout and "UNREACHABLE" not in done.stdout and "interpreter" not in done.stderr


def test_an_inventory_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("localhost database_backup_window=1 ca_sorce=cluster\n")
    done = run(tmp_path, "opendatahub.model_registry.create", "-i", "hosts", "-e", "registry_name=f")
    assert "ca_sorce: the playbook create has no variable" in done.stdout, done.stdout + done.stderr
    assert "database_backup_window" not in done.stdout


OMITTED = """\
registry_name: f
database_port: "{{ nowhere | default(omit) }}"
database_password: "{{ nowhere | default(omit) }}"
preflight: "{{ omit }}"
access_users: [a]
ca_source: "{{ other }}"
other: "{{ nowhere | default(omit) }}"
"""


def test_omit_is_not_given(tmp_path: Path) -> None:
    assert options_of(tmp_path, "create", OMITTED)[0] == {"name": "f"}
    names = "registry_name: f\naccess_users: ['{{ nowhere | default(omit) }}', b]\n"
    assert options_of(tmp_path, "grant", names)[0] == {"registry": "f", "users": ["b"]}
    part = "registry_name: f\ndescription: 'x {{ nowhere | default(omit) }}'\n"
    assert options_of(tmp_path, "create", part)[0] == {"name": "f", "description": "x "}


def test_an_inventory_changes_no_registry_silently(tmp_path: Path) -> None:
    """Neither one that is named on the command line, nor the hosts of the play; what it may give is named."""
    (tmp_path / "hosts").write_text("localhost database_name=web database_host=\nother ansible_connection=local\n")
    (tmp_path / "group_vars").mkdir()
    everything = tmp_path / "group_vars" / "all.yml"
    everything.write_text("database_host: web\nregistries_namespace: n\n")
    update = ("opendatahub.model_registry.update", "-i", "hosts", "-e", "registry_name=f")
    done = run(tmp_path, *update)
    assert done.returncode == 2 and "database_name: it is from the inventory" in done.stdout, done.stdout
    assert "from the inventory: registries_namespace\n" in run(tmp_path, *update, "-e", "database_name=").stdout
    done = run(tmp_path, *update, "-e", "database_name=mine database_host=mine registry_hosts=other")
    assert "from the inventory: registries_namespace\n" in done.stdout and "[other]" in done.stdout
    create = ("opendatahub.model_registry.create", "-i", "hosts", "-e", "registry_name=f")
    assert "from the inventory: registries_namespace, database_name\n" in run(tmp_path, *create).stdout
    everything.write_text("registry_hosts: other\n")
    done = run(tmp_path, *create)
    assert done.returncode == 2 and "registry_hosts: it is in the inventory, and" in done.stdout, done.stdout
    assert "[other]" in run(tmp_path, *create, "-e", "registry_hosts=other").stdout


def test_hosts_that_the_inventory_lacks_are_an_error(tmp_path: Path) -> None:
    """By itself, Ansible skips such a play and ends without an error. Null is not given."""
    (tmp_path / "hosts").write_text("localhost\nother ansible_connection=local\n")
    create = ("opendatahub.model_registry.create", "-i", "hosts", "-e", "registry_name=f", "-e")
    for hosts in ("nowhere", "all:!localhost:!other"):
        done = run(tmp_path, *create, f"registry_hosts={hosts}")
        assert done.returncode == 2 and f"registry_hosts: the inventory has no host '{hosts}'" in done.stdout, (
            done.stdout
        )
    for read in ('["other"]', "[]", '{"other": 1}', "83", "true"):
        done = run(tmp_path, *create, f'{{"registry_hosts": {read}}}')
        assert done.returncode == 2 and "registry_hosts: it has been read as" in done.stdout, done.stdout + done.stderr
    for hosts in ("null", "", "~"):
        done = run(tmp_path, *create, f"registry_hosts={hosts} database_port=x")
        assert "[localhost]" in done.stdout and "registry_hosts" not in done.stdout, done.stdout


def test_extra_variables_take_the_place_of_no_answer(tmp_path: Path) -> None:
    """They win over play variables and registered results, so they are refused."""
    given = '{"registry_answers": {"options": {}}, "playbook_hosts": "nohost", "registry_name": "f"}'
    done = run(tmp_path, "opendatahub.model_registry.create", "-e", given)
    assert done.returncode == 2 and "registry_answers: the playbook create sets this variable itself." in done.stdout
    assert "playbook_hosts: the playbook create has no variable of this name. Use registry_hosts." in done.stdout
    given = "database_name=d database_username=u database_password=p database_host=h prepare_name=d;x"
    done = run(tmp_path, "opendatahub.model_registry.prepare_database", "-e", given)
    assert done.returncode == 2 and "prepare_name: the playbook prepare_database sets" in done.stdout, done.stdout


WHERE = """\
  tasks:
    - ansible.builtin.debug:
        msg: "{{ ansible_connection | default('none') }} {{ ansible_python_interpreter }} {{ ansible_playbook_python }}"
    - ansible.builtin.command: "true"
      changed_when: false
"""


@pytest.mark.parametrize("book", ["teardown", "info", "export"])
def test_a_bare_localhost_is_local_and_uses_ansibles_python(tmp_path: Path, book: str) -> None:
    """The head of a playbook, with other tasks. A task that needs a connection works, without a word about Python."""
    head = re.split("^  (?:pre_)?tasks:", (ROOT / "playbooks" / f"{book}.yml").read_text(), flags=re.MULTILINE)[0]
    (tmp_path / "vars").symlink_to(ROOT / "playbooks" / "vars")
    (tmp_path / "play.yml").write_text(head + WHERE)
    (tmp_path / "hosts").write_text("localhost\nother ansible_connection=local ansible_python_interpreter=/x/python\n")
    done = run(tmp_path, "play.yml", "-i", "hosts")
    assert done.returncode == 0 and "WARNING" not in done.stdout + done.stderr, done.stdout + done.stderr
    other = run(tmp_path, "play.yml", "-i", "hosts", "-e", "registry_hosts=other info_query=names")
    assert '"local /x/python ' in other.stdout, other.stdout + other.stderr


def test_a_password_that_nothing_asks_for_is_named(tmp_path: Path) -> None:
    environment = {"MODEL_REGISTRY_DATABASE_PASSWORD": "of-another"}
    read, output = options_of(tmp_path, "update", "registry_name: risk\ndescription: x\n", environment=environment)
    assert read == {"name": "risk", "description": "x"}
    assert (
        "MODEL_REGISTRY_DATABASE_PASSWORD: it is set, and ignored. It is used only with rotate_password=true"
        in " ".join(output.split())
    )
    asked = "registry_name: risk\nrotate_password: true\n"
    read, output = options_of(tmp_path, "update", asked, "-vvv", environment=environment)
    assert read == {"name": "risk", "database": {"password": "of-another"}}
    assert "of-another" not in output


def test_the_role_grant_itself_takes_access_from_nobody_by_accident(tmp_path: Path) -> None:
    """The reader refuses that for the playbook; the role is used without it, too."""
    role = {"role": "opendatahub.model_registry.grant", "vars": {"grant_registry": "fraud", "grant_state": "exact"}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "roles": [role]}]))
    done = run(tmp_path, "play.yml")
    assert done.returncode == 2 and "all would lose access" in done.stdout, done.stdout + done.stderr


def test_errors_of_modules_name_the_variables(tmp_path: Path) -> None:
    """Wherever an ansible-core shows the error; a task of the user's own has the module's options."""
    database = {"database_host": "mysql://x", "database_name": "d", "database_username": "u"}
    given = " ".join(f"{name}={value}" for name, value in {"registry_name": "f", "preflight": "no", **database}.items())
    done = run(tmp_path, "opendatahub.model_registry.create", "-e", given)
    output = done.stdout + done.stderr
    assert "database_host: 'mysql://x' is not a host name" in output and "database.host" not in output, output
    task = {"opendatahub.model_registry.model_registry": {"name": "f", "database": {"host": "mysql://x"}}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    assert "database.host: 'mysql://x' is not a host name" in run(tmp_path, "play.yml").stdout


def test_a_missing_collection_is_named(tmp_path: Path) -> None:
    (tmp_path / "ansible_collections").mkdir()
    for name in ("opendatahub", "kubernetes"):
        place = ROOT / ".venv" / "collections" / "ansible_collections" / name
        (tmp_path / "ansible_collections" / name).symlink_to(place)
    only = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
    done = run(tmp_path, "opendatahub.model_registry.prepare_database", environment=only)
    assert "ansible.mysql: the playbook prepare_database needs this collection" in done.stdout, (
        done.stdout + done.stderr
    )
    assert "ansible-galaxy collection install ansible.mysql" in done.stdout
