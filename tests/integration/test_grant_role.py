# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook grant, and with it the role; and the teardown that saves what the playbook grants again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plays import INFO, Answers, Book, book, play, task
from registries import Registries
from testbed.bed import Testbed

Run = Callable[..., Book]
RBAC = "rbac.authorization.k8s.io/v1"
EMPTY = ("users", "groups", "projects", "service_accounts", "members", "state", "adopt", "verify", "must_exist")


@pytest.fixture
def run(bed: Testbed) -> Run:
    """Return a function that runs a playbook of the collection as a user."""

    def run_playbook(name: str, answers: Answers | Path, *options: str, user: str, fails: bool = False) -> Book:
        done = book(bed, name, answers, *options, user=user)
        assert done.succeeded is not fails, done.output
        return done

    return run_playbook


def survey(registry: str, **more: Any) -> Answers:
    """Return the answers to a survey; a question left empty comes as an empty text."""
    return {
        "registry_name": registry,
        "registries_namespace": "",
        **{f"access_{name}": more.get(name, "") for name in EMPTY},
    }


def bound(registries: Registries, registry: str) -> list[str]:
    """Return the RoleBindings to the registry's Role, except the operator's."""
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
    """Make a registry named book-grant, without waiting for it: only its Role and its Group matter."""
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
        "ServiceAccount data-science/default",
        "ServiceAccount data-science/runner.1",
        "User Ann Smith",
        "User alice",
        "User kube:admin",
    ]
    foreseen = run("grant", wanted, "--check", user="registry-admin")
    assert not foreseen.writes and bound(registries, "book-grant") == []
    made = run("grant", wanted, user="registry-admin")
    assert made.counts["changed"] == 1 and len(made.writes) == len(everybody)
    assert made.lines("may use it") == made.lines("granted") == everybody
    assert "access to book-grant is changed, and access reviews confirm it" in made.said
    assert not made.lines("member of Group book-grant-users") and not made.lines("may use it by other roles")
    assert foreseen.lines("may use it") == everybody
    assert "access to book-grant would be changed (check mode: nothing is written)" in foreseen.said
    names = bound(registries, "book-grant")
    assert len(names) == len(everybody)

    again = run("grant", wanted, user="registry-admin")
    assert again.counts["changed"] == 0 and not again.writes
    assert again.lines("may use it") == everybody and again.lines("granted") == []

    emptied = run("grant", survey("book-grant", state="exact"), user="registry-admin", fails=True)
    assert "the playbook grant needs one of these" in emptied.output and not emptied.writes
    mistyped = run("grant", survey("book-grant", service_accounts="no-slash"), user="registry-admin", fails=True)
    assert "service_accounts" in mistyped.output and not mistyped.writes
    assert bound(registries, "book-grant") == names

    taken = run("grant", survey("book-grant", state="absent", groups="system:authenticated"), user="registry-admin")
    assert taken.lines("revoked") == ["Group system:authenticated"]
    left = run("grant", survey("book-grant", state="exact", users="alice"), user="registry-admin")
    assert left.lines("may use it") == ["User alice"] and len(bound(registries, "book-grant")) == 1
    assert "User registry-admin" in left.lines("may use it by other roles"), (
        "by the Role of the namespace's administrators"
    )


def test_members_and_existence_take_rights_of_the_cluster(sharing: Registries, run: Run) -> None:
    set_members(sharing, "book-grant", "carol")
    wanted = survey("book-grant", users="alice", members="bob, alice", must_exist="true")
    unknown = run("grant", {**wanted, "access_users": "dave"}, user="platform-admin", fails=True)
    assert "does not know dave" in unknown.output and not unknown.writes
    for name in ("alice", "bob"):
        sharing.api.apply({"apiVersion": "user.openshift.io/v1", "kind": "User", "metadata": {"name": name}})
    made = run("grant", wanted, user="platform-admin")
    assert ("patch", "groups", "book-grant-users") in made.writes and "WARNING]: users" not in made.output
    assert made.lines("member of Group book-grant-users") == members(sharing, "book-grant") == ["carol", "bob", "alice"]
    again = run("grant", wanted, user="platform-admin")
    assert again.counts["changed"] == 0 and not again.writes
    refused = run("grant", survey("book-grant", members="bob"), user="registry-admin", fails=True)
    assert "resources: [groups]" in refused.output and "registry-admin-cluster.yaml" in refused.output
    # Nothing after a variable's colon is null: it is not given. Members alone name a user.
    nothing: Answers = {"access_users": None, "access_groups": None, "access_service_accounts": None}
    only = survey("book-grant", members="alice", state="exact") | nothing
    left = run("grant", only, user="platform-admin")
    assert left.lines("may use it") == ["no subject, by grants"]
    assert left.lines("member of Group book-grant-users") == members(sharing, "book-grant") == ["alice"]
    for name in ("alice", "bob"):
        sharing.api.delete("user.openshift.io/v1", "User", name)


def test_teardown_saves_what_grant_takes_back(registries: Registries, run: Run, tmp_path: Path) -> None:
    """All permissions, with names that are no templates; and no grant remains, whoever made it."""
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
    assert deleted.output.count("is deleted with the registry, and its members are alice") == 1, (
        "a warning is given once"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    registries.bed.until("no grants", lambda: bound(registries, "book-saved") == [])
    assert members(registries, "book-saved") is None
    again = run("teardown", {**confirmed, "save_permissions": str(file)}, user="platform-admin")
    assert again.counts["changed"] == 0 and len(list(file.parent.iterdir())) == 1, "what is saved stays"

    registries.make("book-saved")
    registries.bed.until("the Group", lambda: members(registries, "book-saved") is not None)
    granted = run("grant", file, user="platform-admin")
    wanted = ["Group team", "ServiceAccount data-science/default", "User Ann Smith", f"User {hostile}"]
    assert granted.lines("may use it") == wanted and "access reviews confirm it" in granted.output
    assert members(registries, "book-saved") == ["alice", hostile]
    assert run("grant", file, user="platform-admin").counts["changed"] == 0

    # What the user may not see is reported before the deletion, and not again with it.
    deleted = run("teardown", confirmed, user="registry-admin")
    assert deleted.output.count("The members of the Group book-saved-users") == 1


def subject(kind: str, name: str, **more: str) -> Answers:
    return {
        "kind": kind,
        "name": name,
        **({} if kind == "ServiceAccount" else {"apiGroup": RBAC.partition("/")[0]}),
        **more,
    }


def test_names_from_the_cluster_are_never_run(registries: Registries, run: Run, tmp_path: Path) -> None:
    """In subjects of every kind, members, display name and description; through every role's output, and the saved file.

    Each name makes a file of its own if anything treats it as a template.
    """
    name = "book-hostile"

    def text(place: str, before: str = "") -> str:
        return f"{before}{{{{ lookup('ansible.builtin.pipe', 'touch {tmp_path}/{place}') }}}}"

    registries.make(name)
    registries.bed.until("the Group", lambda: members(registries, name) is not None)
    set_members(registries, name, text("member"), "alice")
    place = {"namespace": registries.namespace}
    shown = {"openshift.io/display-name": text("display"), "openshift.io/description": text("description")}
    registries.api.patch(
        {
            "apiVersion": registries.version,
            "kind": "ModelRegistry",
            "metadata": {**place, "name": name, "annotations": shown},
        }
    )
    subjects = [
        subject("User", text("user")),
        subject("User", text("account", "system:serviceaccount:dev:")),
        subject("Group", text("group")),
        subject("Group", text("project", "system:serviceaccounts:")),
        subject("ServiceAccount", "builder", namespace=text("namespace")),
        subject("User", "0123"),
        subject("User", "null"),
    ]
    ref = {"apiGroup": RBAC.partition("/")[0], "kind": "Role", "name": f"registry-user-{name}"}
    meta = {**place, "name": f"{name}-by-hand"}
    registries.api.create(
        {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": meta, "roleRef": ref, "subjects": subjects}
    )
    expected = sorted(
        [
            f"Group {text('group')}",
            f"Group {text('project', 'system:serviceaccounts:')}",
            "User 0123",
            "User null",
            f"User {text('user')}",
            f"User {text('account', 'system:serviceaccount:dev:')}",
            f"User system:serviceaccount:{text('namespace')}:builder",
        ]
    )
    loud = ("-vvv", "--diff")
    told = run("grant", survey(name, users="alice"), *loud, user="platform-admin")
    assert sorted(told.lines("may use it")) == sorted([*expected, "User alice"])
    run("grant", survey(name, users="alice", state="absent"), *loud, user="platform-admin")
    run("update", {"registry_name": name, "display_name": "Plain", "update_wait": False}, *loud, user="platform-admin")
    looked = play(registries.bed, task(INFO, name=name, access="verified"), options=loud, user="platform-admin").result
    assert looked["registries"][0]["description"] == shown["openshift.io/description"]

    file = tmp_path / "saved.yml"
    confirmed = {"registry_name": name, "confirm_name": name, "save_permissions": str(file)}
    deleted = run("teardown", confirmed, *loud, user="platform-admin")
    assert f"the permissions are saved in {file}" in deleted.said
    registries.make(name)
    registries.bed.until("the Group", lambda: members(registries, name) is not None)
    granted = run("grant", file, *loud, user="platform-admin")
    assert sorted(granted.lines("may use it")) == expected and "access reviews confirm it" in granted.output
    assert members(registries, name) == [text("member"), "alice"]
    assert [path.name for path in tmp_path.iterdir()] == [file.name], "a name was run as a template"
