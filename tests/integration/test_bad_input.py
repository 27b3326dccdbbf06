# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invalid input, on a real cluster: the error names field, problem and fix, and nothing is written."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from _registry.test_options import GOOD_PEM, KEY_PEM, LEAF_PEM, expired
from plays import play, program, task
from registries import Registries
from testbed.bed import Testbed

Options = dict[str, Any]
Case = tuple[Options, str, str, str]
"""Options, the field that the error names, its problem, and what to do."""
PASSWORD = "canary-4711"
NOTHING = object()
"""Stands for an option that is left out."""


def given(**options: Any) -> Options:
    """Return options of a new registry, valid except for those given here."""
    database = {"type": "mysql", "host": "mysql", "name": "bad", "username": "bad", "password": PASSWORD}
    return _without({"name": "bad", "database": database, **options})


def on(database_type: str = "mysql", **database: Any) -> Options:
    """Return the same, for options of the database."""
    options = copy.deepcopy(given())
    return given(database=_without({**options["database"], "type": database_type, **database}))


def tls(database_type: str = "mysql", **options: Any) -> Options:
    """Return the same, for options of TLS."""
    return on(database_type, tls=options)


def _without(options: Options) -> Options:
    return {name: value for name, value in options.items() if value is not NOTHING}


NO_NAME = ""
"""Stands for the field if Ansible itself refuses a text for a dictionary: its message lacks the option's name."""
KEY = {"name": "ca", "key": "ca.crt"}
LONG = "x" * 10_000
NAMES: list[Case] = [
    (given(name=""), "name", "empty", "Give a name of"),
    (given(name="x" * 49), "name", "48 is the most", "shorter"),
    (given(name=LONG), "name", "49 is the most", "shorter"),
    (given(name="Demo"), "name", "other characters", "lowercase letters"),
    (given(name="a.b"), "name", "other characters", "lowercase letters"),
    (given(name="größe"), "name", "other characters", "lowercase letters"),
    (given(name="1a"), "name", "begin with a letter", "Use 'mr-1a'"),
    (given(name="a-"), "name", "ends with a dash", "Use 'a'"),
    (given(name={"a": "b"}), "name", "other characters", "lowercase letters"),
    (given(name=NOTHING), "name", "one of the following is required", "display_name"),
    (given(name=NOTHING, display_name="日本"), "display_name", "no resource name can be derived", "Give name, too"),
    (given(display_name=""), "display_name", "empty", "Leave it out"),
    (given(display_name="a\nb"), "display_name", "line break", "Remove it"),
    (given(display_name={"a": "b"}), "display_name", "a dictionary, not a text", "check what the variable holds"),
    (given(auth_proxy="nginx"), "auth_proxy", "value of auth_proxy must be one of", "kube_rbac"),
    (given(state="gone"), "state", "value of state must be one of", "absent"),
    (given(wait_timeout="soon"), "wait_timeout", "unable to convert to int", "converted to an int"),
    *(
        (given(wait_timeout=seconds), "wait_timeout", f"{seconds} is out of range", "Give 1 to 86400 seconds")
        for seconds in (0, -1, 86_401, 10**12)
    ),
    (given(resources="much"), NO_NAME, "dictionary requested", "key=value"),
    (given(resources={"requests": {"cpu": "much"}}), "resources.requests.cpu", "'much' is no amount", "Give one such"),
    (given(databse={}), "databse", "Unsupported parameters", "Supported parameters include"),
]
DATABASES: list[Case] = [
    (given(database=NOTHING), "database.type", "needs a database and none is given", "Give database"),
    (given(database={"host": "mysql"}), "database.name", "needed and not given", "Give database.name"),
    (on("oracle"), "type", "must be one of", "postgres"),
    (on(mysql={}), "database.mysql", "Unsupported parameters", "Supported parameters include"),
    (on(host=NOTHING), "database.host", "needed and not given", "Give database.host"),
    (on(host=""), "database.host", "not a host name", "bare name"),
    (on(host="mysql:3306"), "database.host", "not a host name", "the port has its own option"),
    (on(host="mysql://mysql"), "database.host", "not a host name", "bare name"),
    (on(host="größe"), "database.host", "not a host name", "bare name"),
    (on(host={"name": "mysql"}), "database.host", "not a host name", "bare name"),
    (on(host=LONG), "database.host", "not a host name", "bare name"),
    (on(port=0), "database.port", "0 is no port", "1 to 65535"),
    (on(port=65536), "database.port", "65536 is no port", "1 to 65535"),
    (on(port="mysql"), "port", "unable to convert to int", "converted to an int"),
    (given(database="mysql"), NO_NAME, "dictionary requested", "key=value"),
    (on(name=LONG), "database.name", "64 is the most", "shorter"),
    (on(name=NOTHING), "database.name", "needed and not given", "Give database.name"),
    (on(name=""), "database.name", "empty", "Leave it out"),
    (on(name="a/b"), "database.name", "connection string", "Use one of letters"),
    (on(name="x" * 65), "database.name", "64 is the most", "shorter"),
    (on("postgres", name="x" * 64), "database.name", "63 is the most", "shorter"),
    (on(name="$(HOME)"), "database.name", "expand", "Choose one without it"),
    (on(username=NOTHING), "database.username", "needed and not given", "Give database.username"),
    (on(username="a:b"), "database.username", "connection string", "Use one of letters"),
    (on(username="a?b"), "database.username", "from 0.3.2 on", "Use one without it"),
    (on(username="a$$b"), "database.username", "expand", "Choose one without it"),
    (on(username=LONG), "database.username", "128 is the most", "shorter"),
    (on("postgres", generate=True), "database.host", "the operator sets it", "Leave it out"),
    (on(generate=True, host=NOTHING, password=NOTHING), "database.generate", "only a PostgreSQL server", "postgres"),
]
PASSWORDS: list[Case] = [
    (on(password=NOTHING), "database.password", "needed and not given", "database.password_secret"),
    (on(password=""), "database.password", "empty", "Leave it out"),
    (on(password=f"{PASSWORD}{LONG}"), "database.password", "1024 is the most", "whole file"),
    (on(password=f"{PASSWORD}\n"), "database.password", "line break", "Remove it"),
    (on(password=f"{PASSWORD}\x07"), "database.password", "control character", "Remove it"),
    *(
        (on("postgres", password=f"{PASSWORD}{character}"), "database.password", "into a URL", "Choose a password")
        for character in "@:/?#%€ "
    ),
    (
        on(password={"value": PASSWORD}),
        "database.password",
        "a dictionary, not a text",
        "check what the variable holds",
    ),
    (on(password_secret=KEY), "password", "mutually exclusive", "password_secret"),
    (on(password=NOTHING, password_secret={"name": "A", "key": "k"}), "password_secret.name", "'A' cannot be", "Give"),
    (on(password=NOTHING, password_secret={"name": "a", "key": ""}), "password_secret.key", "cannot be one", "Give"),
    (on(password=NOTHING, password_secret={"name": LONG, "key": "k"}), "password_secret.name", "cannot be one", "Give"),
    (on(password=NOTHING, password_secret={"name": "a", "key": LONG}), "password_secret.key", "cannot be one", "Give"),
    (on(password=NOTHING, password_secret="a"), NO_NAME, "dictionary requested", "key=value"),
    (on(password=NOTHING, password_secret={"name": "a"}), "password_secret", "missing required", "key"),
]
CERTIFICATES: list[Case] = [
    (tls(ca_pem="certificate"), "database.tls.ca_pem", "no certificate in PEM form", "BEGIN CERTIFICATE"),
    (tls(ca_pem=""), "database.tls.ca_pem", "no certificate in PEM form", "BEGIN CERTIFICATE"),
    (tls(ca_pem=LONG), "database.tls.ca_pem", "no certificate in PEM form", "BEGIN CERTIFICATE"),
    (tls(ca_secret={"name": LONG, "key": "k"}), "ca_secret.name", "cannot be one", "Give the name"),
    (on(tls="cluster"), NO_NAME, "dictionary requested", "key=value"),
    (tls(ca_pem=KEY_PEM), "database.tls.ca_pem", "private key", "never its key"),
    (tls(ca_pem=GOOD_PEM + KEY_PEM), "database.tls.ca_pem", "private key", "never its key"),
    (tls(ca_pem=LEAF_PEM), "database.tls.ca_pem", "CA:FALSE", "that signed"),
    (tls(ca_pem=expired()), "database.tls.ca_pem", "expired on 2016-01-04", "current certificate"),
    (tls(ca_pem=GOOD_PEM.replace("MII", "M!I")), "database.tls.ca_pem", "damaged", "Copy the whole file"),
    (tls(ca_config_map=KEY, ca_secret=KEY), "ca_config_map", "mutually exclusive", "ca_secret"),
    (tls(ca_config_map=KEY, ca_pem=GOOD_PEM), "ca_config_map", "mutually exclusive", "ca_pem"),
    (tls(ca_bundle="cluster", ca_secret=KEY), "ca_bundle", "mutually exclusive", "ca_secret"),
    (tls(ca_bundle="mine"), "ca_bundle", "must be one of", "openshift_ai"),
    (tls(ca_config_map={"name": "CA", "key": "k"}), "ca_config_map.name", "'CA' cannot be one", "Give the name"),
    (tls(), "database.tls", "in plain text", "Give a certificate authority"),
    (tls(enabled=True), "database.tls", "in plain text", "verify: true"),
    (tls(verify=False), "database.tls", "in plain text", "Give a certificate authority"),
    (tls("postgres"), "database.tls", "in plain text", "enabled: true"),
    (tls("postgres", mode="disable", ca_pem=GOOD_PEM), "database.tls.mode", "plain text", "Leave mode out"),
    (on(host=f"mysql://u:{PASSWORD}@db"), "database.host", "'mysql://***@db'", "bare name"),
    (tls(enabled=False, ca_config_map=KEY), "database.tls.enabled", "certificates or verify", "Leave enabled out"),
    (tls(mode="require"), "database.tls.mode", "for PostgreSQL", "Use verify"),
    (
        tls("postgres", mode="verify-full"),
        "database.tls",
        "needs a certificate authority, and none is given",
        "ca_bundle",
    ),
    (tls("postgres", mode="require", verify=True), "database.tls.mode", "verify means the same", "Give mode alone"),
    (tls("postgres", mode="always"), "mode", "must be one of", "verify-full"),
    (tls(client_certificate_secret=KEY), "client_certificate_secret", "required together", "client_key_secret"),
]
THERE = "bad-there"
"""A registry that exists, on MySQL and without TLS."""


def edit(**database: Any) -> Options:
    return {"name": THERE, "database": database}


def deletion(**options: Any) -> Options:
    return {"name": THERE, "state": "absent", **options}


EDITS: list[Case] = [
    (edit(password=""), "database.password", "empty", "Leave it out"),
    (edit(host=f"{THERE}:3306"), "database.host", "not a host name", "the port has its own option"),
    (edit(username="a:b"), "database.username", "connection string", "Use one of letters"),
    (edit(generate=True), "database.generate", "only a PostgreSQL server", "postgres"),
    (edit(tls={"mode": "require"}), "database.tls.mode", "the database is MySQL", "Use verify"),
    *(
        (edit(tls=tls), "database.tls", "in plain text", "Give a certificate authority")
        for tls in ({}, {"enabled": True}, {"verify": False})
    ),
    (edit(type="postgres"), "database.host", "needed and not given", "Give database.host"),
    ({"name": THERE, "display_name": ""}, "display_name", "empty", "Leave it out"),
]
DELETIONS: list[Case] = [
    (deletion(name="Bad There"), "name", "other characters", "Use 'bad-there'"),
    (deletion(name=LONG), "name", "49 is the most", "shorter"),
    (
        deletion(ignore_inference_services="perhaps"),
        "ignore_inference_services",
        "unable to convert to bool",
        "Valid booleans include",
    ),
    (deletion(delete_generated_data={}), "delete_generated_data", "unable to convert to bool", "converted to a bool"),
]
CASES = [*NAMES, *DATABASES, *PASSWORDS, *CERTIFICATES, *EDITS, *DELETIONS]


@dataclass
class Refused:
    """The outcome of all cases."""

    results: list[Options]
    requests: list[Options]
    """All requests to the API server."""


@pytest.fixture(scope="module")
def refused(bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refused]:
    """Run all cases, beside a registry that exists."""
    registries, file = Registries(bed), tmp_path_factory.mktemp("cases") / "cases.json"
    registries.make_secret(THERE)
    registries.create(registries.body(THERE))
    file.write_text(json.dumps([options for options, *_ in CASES]))
    before = len(bed.audit())
    done = program(bed, "refusals.py", str(file), "registry-admin")
    assert done.returncode == 0, done.stderr
    asked = [one for one in bed.audit()[before:] if one["user"]["username"] == "registry-admin"]
    yield Refused([json.loads(line) for line in done.stdout.splitlines()], asked)
    registries.remove()


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{field}-{why}" for _, field, why, _ in CASES])
def test_the_error_names_field_problem_and_remedy(refused: Refused, number: int) -> None:
    _, field, problem, remedy = CASES[number]
    result = refused.results[number]
    assert result["failed"] and not result.get("changed"), result
    message = result["msg"]
    assert remedy, "each error says what to do"
    assert field in message and problem in message and remedy in message, message
    assert len(message) < 2000 and "Traceback" not in message, message
    assert "canary" not in str({key: value for key, value in result.items() if key != "invocation"})


def test_nothing_is_written(bed: Testbed, refused: Refused) -> None:
    """Not even a dry run is requested: what can be known beforehand is reported before the server sees anything."""
    assert len(refused.results) == len(CASES) >= 40
    registries = Registries(bed)
    writes = [one["requestURI"] for one in refused.requests if one["verb"] not in ("get", "list", "watch")]
    assert [path.split("?")[0] for path in writes] == ["/apis/authentication.k8s.io/v1/selfsubjectreviews"], writes
    assert registries.get("bad") is None and not registries.api.get(
        "v1", "Secret", "bad-db-password", registries.namespace
    )
    print(f"{len(CASES)} bad inputs, {len(refused.requests)} requests, none of them a write")


def test_no_password_is_shown_by_a_play(bed: Testbed, refused: Refused) -> None:
    """Its results are the same, without a password in them."""
    played = play(bed, *(task(**options, diff=True) for options, *_ in PASSWORDS), options=("-v", "--diff"))
    first = CASES.index(PASSWORDS[0])
    for result, alone in zip(played.results, refused.results[first:], strict=False):
        assert result["failed"] and result["msg"] == alone["msg"]
        assert "canary" not in str({key: value for key, value in result.items() if key != "invocation"})
