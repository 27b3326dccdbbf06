# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight as a playbook: everything is shown, and with a blocker for a registry, nothing of it is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from plays import ROOT, Answers, Book, book, play, task
from registries import Registries
from testbed.api import ApiError
from testbed.bed import Testbed

PREFLIGHT = "opendatahub.model_registry.model_registry_preflight"
DATABASE = {
    "type": "mysql",
    "host": "mysql-80.databases.svc.cluster.local",
    "name": "d",
    "username": "u",
    "password": "p",
}
RELAY = ["/relay", "--listen", ":{listen}", "--to", "{host}:{port}"]
HOOKS = ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")


def answers(name: str, **more: str) -> dict[str, str]:
    """Return the answers as a survey gives them."""
    return {
        "registry_name": name,
        "database_type": "mysql",
        "database_host": "mysql-80.databases.svc.cluster.local",
        "database_name": name,
        "database_username": name,
        **more,
    }


def secret(name: str) -> dict[str, str]:
    return {"MODEL_REGISTRY_DATABASE_PASSWORD": f"{name}-password"}


def shown(done: Book) -> list[str]:
    """Return the lines that the role preflight shows, without their indent: as they are in the output, never wrapped."""
    lines = done.output.partition("Show the findings]")[2].partition("TASK [")[0].splitlines()
    return [line[2:] for line in lines[1:] if line.startswith("  ")]


def reason(done: Book) -> str:
    """Return what the failed task begins with: its first 500 bytes, whatever the callback puts before them."""
    return done.output.partition("Stop because of the findings]")[2].encode()[:700].decode(errors="replace")


def stored(writes: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return all writes except the connections of port-forwards."""
    return [write for write in writes if not write[1].startswith("pods")]


@pytest.mark.parametrize(("charset", "code"), [("utf8mb4", ""), ("latin1", "charset")])
def test_the_playbook_shows_all(bed: Testbed, registries: Registries, charset: str, code: str) -> None:
    """A warning is shown and blocks nothing; a blocker is shown with it, and fails the playbook."""
    registries.make_database("booked", charset=charset)
    done = book(bed, "preflight", answers("booked"), user="admin", environment=secret("booked"))
    assert done.succeeded is not bool(code), done.output
    lines = shown(done)
    assert lines[0] == f"Preflight of booked: {len(code and [1])} blocker{'' if code else 's'}, 1 warning"
    assert any(line.startswith("WARNING plaintext: server at ") for line in lines)
    assert any(line.startswith("BLOCKER charset: ") for line in lines) is bool(code)
    assert ("  ALTER DATABASE `booked` CHARACTER SET utf8mb4;" in lines) is bool(code), "as it is pasted"
    (passed,) = [line for line in lines if line.startswith("passed: ")]
    assert "logged in to MySQL 8.0" in passed and " as booked@%" in passed and passed.endswith(" · name free")
    assert ("utf8mb4" in passed) is not bool(code) and "privileges complete" in passed
    assert not code or "Preflight of booked failed. charset: database booked: " in reason(done)
    assert not stored(done.writes) and "booked-password" not in done.output


def test_all_that_is_wrong_is_shown_at_once(bed: Testbed) -> None:
    """An invalid name, a Secret and an authority that do not exist, and an invalid host: in one run."""
    given = {"database_password_secret_name": "booked-none", "database_password_secret_key": "password"}
    authority = {"ca_source": "config_map", "ca_name": "booked-none", "ca_key": "ca.crt"}
    wrong = {**answers("9-booked", **given, **authority), "database_host": "mysql-80"}
    done = book(bed, "preflight", wrong, user="admin")
    told = re.search(r"Preflight of 9-booked found ([^.]*)\.", reason(done))
    assert told and not done.succeeded, done.output
    assert set(told[1].split(", ")) == {"name_invalid", "secret_missing", "ca_missing", "host_no_service"}
    lines = shown(done)
    assert len([line for line in lines if "secret_missing" in line]) == 1
    assert any(line.startswith("WARNING not_checked: ") for line in lines)
    closed = book(bed, "preflight", {**wrong, "database_host": answers("booked")["database_host"]}, user="admin")
    assert "tls_handshake" in closed.output, "the server is looked at, and nobody logs in"
    assert not stored(done.writes) and not stored(closed.writes)


@pytest.mark.parametrize("via", ["port_forward", "direct"])
def test_create_stores_nothing_where_it_cannot_work(bed: Testbed, registries: Registries, via: str) -> None:
    """The path is an answer like the others: a blocker on it stops the playbook before anything is stored."""
    registries.make_database("stopped", charset="latin1")
    host = {"database_host": bed.address("mysql-80", "databases")} if via == "direct" else {}
    given = answers("stopped", database_via=via, **host)
    done = book(bed, "create", given, user="admin", environment=secret("stopped"))
    assert not done.succeeded and "Preflight of stopped failed. charset:" in reason(done), done.output
    assert not stored(done.writes)
    assert registries.get("stopped") is None
    assert registries.api.get("v1", "Secret", "stopped-db-password", registries.namespace) is None


def logged_in(done: Book) -> bool:
    """Return whether a connection to a pod was opened, or a relay made."""
    return any("portforward" in one["requestURI"] or "/jobs" in one["requestURI"] for one in done.requests)


def test_nothing_to_do_does_not_log_in(bed: Testbed, registries: Registries) -> None:
    """The database is checked before it changes, and not before a run that leaves it as it is."""
    registries.make_database("rested")
    password = secret("rested")
    created = book(bed, "create", answers("rested"), user="admin", environment=password)
    assert created.succeeded and logged_in(created) and any("logged in to" in line for line in shown(created)), (
        created.output
    )
    again = book(bed, "create", answers("rested"), user="admin", environment=password)
    described = book(bed, "update", {"registry_name": "rested", "description": "seen"}, user="admin")
    for done in (again, described):
        assert done.succeeded and not logged_in(done), done.output
        assert any(line.startswith("passed: database unchanged · ") for line in shown(done)), done.output
    assert not again.writes
    edit = {"registry_name": "rested", "database_name": "rested_none", "fail_on": "database_denied"}
    moved = book(bed, "update", edit, user="admin")
    assert not moved.succeeded and logged_in(moved) and not stored(moved.writes), moved.output
    asked = book(bed, "preflight", answers("rested"), user="admin", environment=password)
    assert logged_in(asked) and any("logged in to" in line for line in shown(asked)), "who asks for a check gets one"


@contextmanager
def database_check(registries: Registries) -> Iterator[None]:
    """Give registry-admin the Role that the collection ships for the database's namespace, and no more."""
    role = yaml.safe_load((ROOT / "playbooks" / "files" / "database-check.yaml").read_text())
    role["metadata"]["namespace"] = "databases"
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "registry-admin"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]}
    binding = {**role, "kind": "RoleBinding", "roleRef": ref, "subjects": [subject]}
    del binding["rules"]
    for body in (role, binding):
        registries.api.apply(body)
    try:
        yield
    finally:
        for body in (binding, role):
            registries.api.delete(role["apiVersion"], body["kind"], role["metadata"]["name"], "databases")


def test_the_recommended_rights(bed: Testbed, registries: Registries) -> None:
    """With the Roles that the collection ships, the check runs. Without the database's, one line says what to apply."""
    registries.make_database("righted")
    without = book(bed, "preflight", answers("righted"), environment=secret("righted"))
    lines = shown(without)
    (place,) = [place for place, line in enumerate(lines) if line.startswith("WARNING not_checked: ")]
    assert "playbooks/files/database-check.yaml in namespace databases" in lines[place + 1]
    assert '  - {apiGroups: [""], resources: [pods/portforward], verbs: [get, create]}' in lines, "as it is pasted"
    assert without.output.count("pods/portforward") == 1 and "rights_limited" not in without.output, "it is said once"
    with database_check(registries):
        done = book(bed, "preflight", answers("righted"), environment=secret("righted"))
    assert done.succeeded and any(" as righted@%" in line for line in shown(done)), done.output
    assert not any("rights_limited" in line or "not_checked" in line for line in shown(done))


def test_what_stops_a_job_is_chosen(bed: Testbed, registries: Registries) -> None:
    """By severity and code; a blocker that is accepted is shown as such, and an unknown code names the closest."""
    registries.make_database("chosen", charset="latin1")
    wrong = {"MODEL_REGISTRY_DATABASE_PASSWORD": "wrong"}
    cases: tuple[tuple[Answers, Answers, bool, str], ...] = (
        ({"accept": "charset"}, secret("chosen"), True, "BLOCKER (accepted) charset: "),
        ({"accept": "char_set"}, secret("chosen"), False, ""),
        ({}, wrong, True, "WARNING access_denied: "),
        ({"fail_on": "access_denied"}, wrong, False, "WARNING access_denied: "),
        ({"database_via": "relay"}, wrong, False, ""),
    )
    for given, password, succeeds, begin in cases:
        done = book(bed, "preflight", answers("chosen", **given), user="admin", environment=password)
        assert done.succeeded is succeeds, done.output
        assert not begin or any(line.startswith(begin) for line in shown(done)), done.output
        assert "char_set" not in str(given) or "Did you mean charset?" in done.output


def test_a_password_that_is_wrong_for_the_pods_stops_a_create(bed: Testbed, registries: Registries) -> None:
    """A relay connects from where they do, so nothing is stored, and the error begins with MySQL's own words."""
    registries.make_database("mistyped")
    relay = {"database_via": "auto", "relay_image": "testbed/relay", "preflight_relay_command": RELAY}
    wrong = {"MODEL_REGISTRY_DATABASE_PASSWORD": "canary-wrong"}
    done = book(bed, "create", {**answers("mistyped"), **relay}, user="admin", environment=wrong)
    assert not done.succeeded and "canary-wrong" not in done.output
    assert "Preflight of mistyped failed. access_denied: account mistyped: error 1045: " in reason(done)
    assert "ALTER USER 'mistyped'@'%' IDENTIFIED BY '<password>';" in reason(done)
    assert {write[1] for write in stored(done.writes)} <= {"jobs"} and registries.get("mistyped") is None


def test_a_name_that_another_namespace_has(bed: Testbed, registries: Registries) -> None:
    """Seen by users who may look, and reported by the operator's webhook to everyone else."""
    api = registries.api
    (hook,) = api.list(*HOOKS)
    meta = {"name": hook["metadata"]["name"], "labels": hook["metadata"].get("labels", {})}
    restored: dict[str, Any] = {
        "apiVersion": HOOKS[0],
        "kind": HOOKS[1],
        "metadata": meta,
        "webhooks": hook["webhooks"],
    }
    place = "elsewhere"
    body = registries.body("taken")
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
    # The webhook refuses other namespaces: a registry there dates from before it was on.
    api.delete(*HOOKS, hook["metadata"]["name"])
    try:
        bed.until(
            "a registry elsewhere",
            lambda: _made(registries, {**body, "metadata": {"name": "taken", "namespace": place}}),
        )
    finally:
        api.apply(restored)
    try:
        for user in ("registry-admin", "admin"):
            bed.until("the webhook", lambda user=user: _codes(bed, user) == ["name_taken"])  # type: ignore[misc]
    finally:
        api.delete(registries.version, "ModelRegistry", "taken", place)


def _made(registries: Registries, body: dict[str, Any]) -> bool:
    """Return whether the registry was made: the API server takes a moment to forget a webhook."""
    try:
        registries.api.create(body)
    except ApiError as error:
        return "already exists" in str(error)
    return True


def _codes(bed: Testbed, user: str) -> list[str]:
    found = play(bed, task(PREFLIGHT, name="taken", database=DATABASE, fail_on="never"), user=user).result["findings"]
    return [one["code"] for one in found if one["severity"] == "blocker"]
