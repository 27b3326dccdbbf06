# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook grant, and with it the role; and the teardown that saves what the playbook grants again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from plays import ROOT, RUNNER, Answers, Book, book
from registries import Registries
from testbed.bed import Testbed

Run = Callable[..., Book]
RBAC = "rbac.authorization.k8s.io/v1"
EMPTY = ("users", "groups", "projects", "service_accounts", "members", "state", "adopt", "verify", "must_exist")


@pytest.fixture
def run(bed: Testbed) -> Run:
    """Runs a playbook of the collection as somebody."""

    def run_playbook(name: str, answers: Answers | Path, *options: str, user: str, fails: bool = False) -> Book:
        done = book(bed, name, answers, *options, user=user)
        assert done.succeeded is not fails, done.output
        return done

    return run_playbook


def survey(registry: str, **more: Any) -> Answers:
    """The answers to a survey; what nobody has filled in comes as an empty text."""
    return {
        "registry_name": registry,
        "registries_namespace": "",
        **{f"access_{name}": more.get(name, "") for name in EMPTY},
    }


def bound(registries: Registries, registry: str) -> list[str]:
    """The RoleBindings to the registry's Role, but for the operator's."""
    found = registries.api.list(RBAC, "RoleBinding", registries.namespace)
    names = [one["metadata"]["name"] for one in found if one["roleRef"]["name"] == f"registry-user-{registry}"]
    return sorted(name for name in names if name != f"{registry}-users")


def set_members(registries: Registries, registry: str, *names: str) -> None:
    kind = {"apiVersion": "user.openshift.io/v1", "kind": "Group"}
    registries.api.patch({**kind, "metadata": {"name": f"{registry}-users"}, "users": names})


def members(registries: Registries, registry: str) -> list[str] | None:
    group = registries.api.get("user.openshift.io/v1", "Group", f"{registry}-users")
    return None if group is None else list(group.get("users") or ())


@pytest.fixture(scope="module")
def sharing(bed: Testbed) -> Iterator[Registries]:
    """A registry named book-grant, which nobody waits for: its Role and its Group are what matters."""
    made = Registries(bed)
    made.make("book-grant")
    bed.until("the operator's part", lambda: members(made, "book-grant") is not None)
    yield made
    made.remove()


def test_a_survey_grants_and_takes_away(sharing: Registries, run: Run) -> None:
    """By an administrator of the namespace. Each first in check mode, and again when it is done."""
    registries = sharing
    wanted = survey(
        "book-grant",
        users=" alice ,kube:admin,\nAnn Smith,, ",
        groups=["cn=fraud,ou=teams", "system:authenticated"],
        projects="data-science",
        service_accounts="data-science/default, data-science/runner.1",
    )
    everybody = [
        "Group cn=fraud,ou=teams",
        "Group system:authenticated",
        "Project data-science",
        "ServiceAccount data-science default",
        "ServiceAccount data-science runner.1",
        "User Ann Smith",
        "User alice",
        "User kube:admin",
    ]
    foreseen = run("grant", wanted, "--check", user="registry-admin")
    assert not foreseen.writes and bound(registries, "book-grant") == []
    made = run("grant", wanted, user="registry-admin")
    assert made.counts["changed"] == 1 and len(made.writes) == len(everybody)
    assert made.said[-1]["may_use"] == made.said[-1]["got_access"] == everybody
    assert made.said[-1]["confirmed"] is True
    assert made.said[-1]["members"] == made.said[-1]["others_who_may"] == []
    assert foreseen.said[-1]["may_use"] == everybody and foreseen.said[-1]["confirmed"] is False
    names = bound(registries, "book-grant")
    assert len(names) == len(everybody)

    again = run("grant", wanted, user="registry-admin")
    assert again.counts["changed"] == 0 and not again.writes
    assert again.said[-1]["may_use"] == everybody and again.said[-1]["got_access"] == []

    emptied = run("grant", survey("book-grant", state="exact"), user="registry-admin", fails=True)
    assert "everybody would lose access" in emptied.output and not emptied.writes
    mistyped = run("grant", survey("book-grant", service_accounts="no-slash"), user="registry-admin", fails=True)
    assert "service_accounts" in mistyped.output and not mistyped.writes
    assert bound(registries, "book-grant") == names

    taken = run("grant", survey("book-grant", state="absent", groups="system:authenticated"), user="registry-admin")
    assert taken.said[-1]["lost_access"] == ["Group system:authenticated"]
    left = run("grant", survey("book-grant", state="exact", users="alice"), user="registry-admin")
    assert left.said[-1]["may_use"] == ["User alice"] and len(bound(registries, "book-grant")) == 1
    assert "User registry-admin" in left.said[-1]["others_who_may"], "by the Role of the namespace's administrators"


def test_members_and_existence_take_rights_of_the_cluster(sharing: Registries, run: Run) -> None:
    set_members(sharing, "book-grant", "carol")
    wanted = survey("book-grant", users="alice", members="bob, alice", must_exist="true")
    unknown = run("grant", {**wanted, "access_users": "dave"}, user="platform-admin", fails=True)
    assert "does not know dave" in unknown.output and not unknown.writes
    for name in ("alice", "bob"):
        sharing.api.apply({"apiVersion": "user.openshift.io/v1", "kind": "User", "metadata": {"name": name}})
    made = run("grant", wanted, user="platform-admin")
    assert ("patch", "groups", "book-grant-users") in made.writes and "WARNING]: users" not in made.output
    assert made.said[-1]["members"] == members(sharing, "book-grant") == ["carol", "bob", "alice"]
    again = run("grant", wanted, user="platform-admin")
    assert again.counts["changed"] == 0 and not again.writes
    refused = run("grant", survey("book-grant", members="bob"), user="registry-admin", fails=True)
    assert "resources: [groups]" in refused.output and "registry-admin-cluster.yaml" in refused.output
    # Nothing after a variable's colon is null: it is not given. Members alone are somebody named.
    nothing: Answers = {"access_users": None, "access_groups": None, "access_service_accounts": None}
    only = survey("book-grant", members="alice", state="exact") | nothing
    left = run("grant", only, user="platform-admin")
    assert left.said[-1]["may_use"] == [] and left.said[-1]["members"] == members(sharing, "book-grant") == ["alice"]
    for name in ("alice", "bob"):
        sharing.api.delete("user.openshift.io/v1", "User", name)


def test_any_name_is_read_from_the_file_as_it_was(tmp_path: Path) -> None:
    """Also those that YAML or Ansible would take for something else, and those that grant refuses then."""
    names = [
        "😀 Zoë",
        "a\u0085b\x7f\u2028",
        "\ufeffq\U000e0001",
        "yes",
        "1",
        "null",
        "~",
        "- x",
        "a: b #c",
        "tab\tx",
        "\\",
        "!x",
    ]
    names += ["x y " * 80 + "z", "{{ 7 * 7 }} 'of' \"them\"", "{% if %}", "a\nb\n", "2026-01-01", "é" * 300]
    found = {"users": names, "groups": [], "projects": ["p"], "members": names[:2]}
    accounts = [{"namespace": "a", "name": "b"}]
    (tmp_path / "found.json").write_text(json.dumps({**found, "service_accounts": accounts}))
    template = ROOT / "roles" / "teardown" / "templates" / "permissions.yml.j2"
    variables = {"teardown_name": "demo", "teardown_permissions": "{{ found.content | b64decode | from_json }}"}
    told = "{{ [access_users, access_groups, access_projects, access_members, access_service_accounts] | to_json }}"
    steps: list[Answers] = [
        {"ansible.builtin.slurp": {"src": f"{tmp_path}/found.json"}, "register": "found"},
        {"ansible.builtin.template": {"src": str(template), "dest": f"{tmp_path}/saved.yml"}, "vars": variables},
        {"ansible.builtin.include_vars": f"{tmp_path}/saved.yml"},
        {"ansible.builtin.copy": {"content": told, "dest": f"{tmp_path}/read.json"}},
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": steps}]))
    done = subprocess.run([str(RUNNER), f"{tmp_path}/play.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "read.json").read_text()) == [*found.values(), accounts]


def test_teardown_saves_what_grant_takes_back(registries: Registries, run: Run, tmp_path: Path) -> None:
    """All permissions, with names that are no templates; and no grant of any making is left behind."""
    registries.make("book-saved")
    registries.bed.until("the Group", lambda: members(registries, "book-saved") is not None)
    hostile = "{{ 7 * 7 }} 'of' \"them\" 😀"
    set_members(registries, "book-saved", "alice", hostile)
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "registry-user-book-saved"}
    people = [{"apiGroup": ref["apiGroup"], "kind": "User", "name": name} for name in (hostile, "Ann Smith")]
    meta = {"name": "book-saved-by-hand", "namespace": registries.namespace}
    registries.api.create(
        {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": meta, "roleRef": ref, "subjects": people}
    )
    run("grant", survey("book-saved", groups="team", service_accounts="data-science/default"), user="registry-admin")
    file = tmp_path / "saved" / "access.yml"
    file.parent.mkdir()
    confirmed = {"registry_name": "book-saved", "confirm_name": "book-saved"}

    blind = run("teardown", {**confirmed, "save_permissions": str(file)}, user="registry-admin", fails=True)
    assert "nothing was deleted" in blind.output and not file.exists()
    assert "deletionTimestamp" not in (registries.get("book-saved") or {})["metadata"]
    deleted = run("teardown", {**confirmed, "save_permissions": str(file)}, user="platform-admin")
    assert deleted.output.count("goes with the registry, and with it alice") == 1, "a warning is given once"
    assert file.stat().st_mode & 0o777 == 0o600
    registries.bed.until("no grants", lambda: bound(registries, "book-saved") == [])
    assert members(registries, "book-saved") is None
    again = run("teardown", {**confirmed, "save_permissions": str(file)}, user="platform-admin")
    assert again.counts["changed"] == 0 and len(list(file.parent.iterdir())) == 1, "what is saved stays"

    registries.make("book-saved")
    registries.bed.until("the Group", lambda: members(registries, "book-saved") is not None)
    granted = run("grant", file, user="platform-admin")
    wanted = ["Group team", "ServiceAccount data-science default", "User Ann Smith", f"User {hostile}"]
    assert granted.said[-1]["may_use"] == wanted and granted.said[-1]["confirmed"]
    assert members(registries, "book-saved") == ["alice", hostile]
    assert run("grant", file, user="platform-admin").counts["changed"] == 0

    # What may not be seen is said before the deletion, and not again with it.
    deleted = run("teardown", confirmed, user="registry-admin")
    assert deleted.output.count("It was not checked whether InferenceServices refer to book-saved") == 1
    assert deleted.output.count("It is not known who is in the Group book-saved-users") == 1
