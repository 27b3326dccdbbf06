# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight as a playbook: everything is shown, and with a blocker for a registry, nothing of it is stored."""

from __future__ import annotations

import re
from typing import Any

import pytest
from plays import Book, book, play, task
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
    assert not code or "Preflight of booked found charset. charset: database booked: " in reason(done)
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
    assert not done.succeeded and "Preflight of stopped found charset." in reason(done), done.output
    assert not stored(done.writes)
    assert registries.get("stopped") is None
    assert registries.api.get("v1", "Secret", "stopped-db-password", registries.namespace) is None


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
