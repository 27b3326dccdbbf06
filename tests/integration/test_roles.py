# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks, and with them the roles, as an administrator of registries runs them: by name, with flat variables."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme
from plays import HOST, Answers, Book, book
from registries import Registries
from testbed.bed import Testbed

Run = Callable[..., Book]
CANARY = "canary-Zx81-{{ no }}-'\"#%é"
"""A password with all characters that break YAML, Jinja and shells."""


@pytest.fixture
def run(bed: Testbed, registries: Registries) -> Iterator[Run]:
    """Return a function that runs a playbook, with secrets in the environment. Delete afterwards what a test leaves."""
    created: set[str] = set()

    def run_playbook(name: str, answers: Answers, *options: str, password: str = "", fails: bool = False) -> Book:
        created.update({answers["registry_name"]} if name == "create" else ())
        done = book(bed, name, answers, *options, environment={"MODEL_REGISTRY_DATABASE_PASSWORD": password})
        assert done.succeeded is not fails, done.output
        return done

    yield run_playbook
    for name in created:
        if name and registries.get(name):
            run_playbook("teardown", {"registry_name": name, "confirm_name": name})


def survey(name: str, **more: Any) -> Answers:
    """Return the answers to a survey; a question left empty comes as an empty text."""
    empty = (
        "description",
        "registries_namespace",
        "database_port",
        "database_password_secret_name",
        "ca_source",
        "ca_name",
    )
    return {
        **dict.fromkeys(empty, ""),
        "registry_name": name,
        "display_name": f"Registry {name}",
        "database_type": "mysql",
        "database_host": HOST,
        "database_name": name,
        "database_username": name,
        **more,
    }


def persisted(registries: Registries, registry: str) -> dict[str, str]:
    """Return a registry's stored objects, Secrets and ConfigMaps, by name, with their content but without status.

    Of this registry alone: the cluster is still collecting what others leave behind.
    """
    found = {}
    for version, kind in ((registries.version, "ModelRegistry"), ("v1", "Secret"), ("v1", "ConfigMap")):
        for item in registries.api.list(version, kind, registries.namespace):
            meta = item["metadata"]
            if not f"{meta['name']}-".startswith(f"{registry}-"):
                continue
            stored = {key: item.get(key) for key in ("spec", "data")} | {"annotations": meta.get("annotations")}
            found[f"{kind} {meta['name']}"] = f"{meta['uid']} {meta.get('deletionTimestamp')} {json.dumps(stored)}"
    return found


def test_life(registries: Registries, run: Run) -> None:
    """Created, edited and deleted. Each first in check mode, and again when it is done."""
    registries.make_database("booklife")
    password = "booklife-password"
    wanted = survey("booklife", description="before")
    nothing = persisted(registries, "booklife")

    foreseen = run("create", wanted, "--check", password=password)
    assert not foreseen.writes and persisted(registries, "booklife") == nothing
    created = run("create", wanted, password=password)
    assert created.counts["changed"] == 1
    assert "booklife would be created (check mode: nothing is written)" in foreseen.said
    assert re.search(
        r"^  booklife is created and ready after \d+ s: https://booklife-rest\.", created.output, re.MULTILINE
    )
    assert created.lines("waiting for booklife, 0 s") or "waiting for booklife" in created.output
    assert created.lines("password") == foreseen.lines("password") == ["stored in Secret booklife-db-password"]
    assert {(verb, kind) for verb, kind, _name in created.writes} == {
        ("create", "secrets"),
        ("create", "modelregistries"),
    }
    assert registries.rest("booklife", "GET", "/readyz/health")[0] == 200
    again = run("create", wanted, password=password)
    assert again.counts["changed"] == 0 and not again.writes
    assert "booklife is unchanged and ready: https://booklife-rest" in again.output and not again.lines("password")

    edit = {"registry_name": "booklife", "display_name": "", "description": "after", "database_host": ""}
    before = persisted(registries, "booklife")
    foreseen = run("update", edit, "--check")
    assert not foreseen.writes and persisted(registries, "booklife") == before
    edited = run("update", edit)
    assert edited.writes == [("patch", "modelregistries", "booklife")]
    assert edited.lines("description") == foreseen.lines("description") == ["'before' -> 'after'"]
    assert "booklife would be changed (check mode: nothing is written)" in foreseen.said
    stored = registries.get("booklife")
    assert stored is not None
    assert stored["metadata"]["annotations"]["openshift.io/description"] == "after"
    assert stored["metadata"]["annotations"]["openshift.io/display-name"] == "Registry booklife"
    again = run("update", edit)
    assert again.counts["changed"] == 0 and not again.writes
    run("update", {"registry_name": "booklife", "clear": "description"})
    stored = registries.get("booklife")
    assert stored is not None and "openshift.io/description" not in stored["metadata"]["annotations"]

    before = persisted(registries, "booklife")
    refused = run("teardown", {"registry_name": "booklife"}, fails=True)
    assert "nothing was deleted" in refused.output and "confirm_name" in refused.output
    assert refused.lines("would be deleted") == ["ModelRegistry booklife", "Secret booklife-db-password"]
    assert [kept.split()[0] for kept in refused.lines("stays")] == ["Database", "ClusterRoleBinding"]
    mistyped = run("teardown", {"registry_name": "booklife", "confirm_name": "booklive"}, fails=True)
    assert "nothing was deleted" in mistyped.output
    confirmed = {
        "registry_name": "booklife",
        "confirm_name": "booklife",
        "ignore_inference_services": "",
        "delete_generated_data": "",
    }
    foreseen = run("teardown", confirmed, "--check")
    assert persisted(registries, "booklife") == before
    deleted = run("teardown", confirmed)
    assert deleted.counts["changed"] == 1
    assert deleted.lines("deleted") == foreseen.lines("would be deleted") and deleted.lines("stays") == foreseen.lines(
        "stays"
    )
    assert deleted.lines("stays")[0].startswith(f"Database booklife on {HOST}:3306 (")
    absent = run("teardown", confirmed)
    assert absent.counts["changed"] == 0 and not absent.writes and not absent.lines("stays")
    assert f"There is no registry booklife in namespace {registries.namespace}." in absent.output
    assert persisted(registries, "booklife") == nothing
    assert registries.sql("SHOW TABLES IN booklife")
    again = run("teardown", confirmed)
    assert again.counts["changed"] == 0 and not again.writes


def test_update_creates_nothing(registries: Registries, run: Run) -> None:
    """The name is wrong, so there is nothing to edit; the error names the playbook that creates."""
    before = persisted(registries, "never-made")
    refused = run("update", survey("never-made"), password="some-password", fails=True)
    assert "ModelRegistry never-made: it does not exist" in refused.output
    assert "opendatahub.model_registry.create" in refused.output
    assert not refused.writes and persisted(registries, "never-made") == before


def test_password_is_rotated_and_never_shown(registries: Registries, run: Run) -> None:
    """The update playbook rotates with an awaited restart; the password is nowhere in the loudest output."""
    registries.make_database("bookrotate")
    loud = ("-vvvv", "--diff")
    run("create", survey("bookrotate"), password="bookrotate-password")
    first = registries.pod("bookrotate")["metadata"]["name"]
    registries.sql("ALTER USER 'bookrotate'@'%' IDENTIFIED BY '" + CANARY.replace("'", "''") + "'")
    before = persisted(registries, "bookrotate")
    # One that was set for another registry is left alone.
    kept = run("update", {"registry_name": "bookrotate", "display_name": "Kept"}, "--check", password=CANARY)
    assert "MODEL_REGISTRY_DATABASE_PASSWORD: it is set, and ignored" in " ".join(kept.output.split())
    assert kept.lines("display_name") and not kept.lines("password")
    rotation = {"registry_name": "bookrotate", "rotate_password": "true"}
    foreseen = run("update", rotation, *loud, "--check", password=CANARY)
    assert not foreseen.writes and persisted(registries, "bookrotate") == before
    rotated = run("update", rotation, *loud, password=CANARY)
    assert rotated.counts["changed"] == 1 and rotated.lines("password") == foreseen.lines("password")
    assert rotated.lines("pods") == foreseen.lines("pods") == ["restarted"]
    assert registries.pod("bookrotate")["metadata"]["name"] != first
    assert registries.rest("bookrotate", "GET", "/readyz/health")[0] == 200
    again = run("create", survey("bookrotate"), *loud, password=CANARY)
    assert again.counts["changed"] == 0 and not again.writes
    # Another registry's is neither stored nor sent to the database.
    other = run("create", survey("bookrotate", description="Edited"), "--check", password="of-another-registry")
    assert "MODEL_REGISTRY_DATABASE_PASSWORD: it is not the stored password" in " ".join(other.output.split())
    assert other.lines("description") and not other.lines("password")
    wrong = run("create", survey("bookrotate", database_port="no number"), *loud, password=CANARY, fails=True)
    for shown in (foreseen.output, rotated.output, again.output, wrong.output):
        for form in ("Zx81", base64.b64encode(CANARY.encode()).decode()):
            assert form not in shown
    run("teardown", {"registry_name": "bookrotate", "confirm_name": "bookrotate"})


CA_SOURCES: list[tuple[Answers, Answers]] = [
    (
        {"ca_source": "cluster"},
        {"sslRootCertificateConfigMap": {"name": "odh-trusted-ca-bundle", "key": "ca-bundle.crt"}},
    ),
    (
        {"ca_source": "openshift_ai"},
        {"sslRootCertificateConfigMap": {"name": "odh-trusted-ca-bundle", "key": "odh-ca-bundle.crt"}},
    ),
    (
        {"ca_source": "config_map", "ca_name": "own-ca", "ca_key": "ca.crt"},
        {"sslRootCertificateConfigMap": {"name": "own-ca", "key": "ca.crt"}},
    ),
    (
        {"ca_source": "secret", "ca_name": "own-ca", "ca_key": "ca.crt", "database_verify": "false"},
        {"sslRootCertificateSecret": {"name": "own-ca", "key": "ca.crt"}},
    ),
    (
        {"ca_source": "pem", "ca_pem": trustme.CA().cert_pem.bytes().decode()},
        {"sslRootCertificateConfigMap": {"name": "bookca-db-credential", "key": "ca.crt"}},
    ),
    (
        {"client_certificate_secret_name": "own", "client_key_secret_name": "own"},
        {
            "sslRootCertificateConfigMap": {"name": "bookca-db-credential", "key": "ca.crt"},
            "sslCertificateSecret": {"name": "own", "key": "tls.crt"},
            "sslKeySecret": {"name": "own", "key": "tls.key"},
        },
    ),
    ({"ca_source": "none"}, {}),
]


def test_flat_answers_choose_certificates(registries: Registries, run: Run) -> None:
    """Each answer about certificates reaches the registry's specification, one after the other on the same registry."""
    # Neither the database nor the objects with certificates exist.
    run("create", {**survey("bookca"), "create_wait": False, "preflight": False}, password="bookca-password")
    for answers, expected in CA_SOURCES:
        given = {"registry_name": "bookca", "update_wait": False, "preflight": False, **answers}
        run("update", given)
        mysql = (registries.get("bookca") or {})["spec"]["mysql"]
        assert {key: value for key, value in mysql.items() if key.startswith("ssl")} == expected, answers
        assert mysql.get("verifyServerCert", False) is (bool(expected) and answers.get("database_verify") != "false")
    run("teardown", {"registry_name": "bookca", "confirm_name": "bookca"})


def test_password_in_a_secret_of_the_users(registries: Registries, run: Run) -> None:
    """A Secret that exists is used, left alone by the teardown, and named among what stays."""
    registries.make_database("booksecret")
    registries.make_secret("booksecret")
    named = {"database_password_secret_name": "booksecret-db", "database_password_secret_key": "database-password"}
    created = run("create", survey("booksecret", **named))
    assert [(verb, kind) for verb, kind, _name in created.writes] == [("create", "modelregistries")]
    deleted = run("teardown", {"registry_name": "booksecret", "confirm_name": "booksecret"})
    assert [kept.split()[:2] for kept in deleted.lines("stays")][1:] == [
        ["Secret", "booksecret-db"],
        ["ClusterRoleBinding", "booksecret-auth-delegator"],
    ]
    assert registries.api.get("v1", "Secret", "booksecret-db", registries.namespace)


def test_display_name_alone_names_the_registry(registries: Registries, run: Run) -> None:
    """Without a resource name one is derived, and the message names it."""
    registries.make_database("book-derived")
    answers = {**survey("book-derived"), "registry_name": "", "display_name": "  Book Derived!"}
    created = run("create", answers, password="book-derived-password")
    assert "book-derived is created and ready after" in created.output
    for options, more in (((), {}), (("--check",), {}), (("--check",), {"preflight": False})):
        other = run("create", {**answers, "display_name": "BOOK-derived", **more}, *options, fails=True)
        assert not other.writes and "Book Derived!'" in other.output and "'BOOK-derived'" in other.output
        assert "Give registry_name: book-derived" in other.output and ("name_derived" in other.output) == (not more)
        # The database is not checked with the password of a registry that may be another.
        assert more or not any(request.get("objectRef", {}).get("resource") == "secrets" for request in other.requests)
    run("teardown", {"registry_name": "book-derived", "confirm_name": "book-derived"})
