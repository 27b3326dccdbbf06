# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries on servers of other kinds, with unusual passwords and accounts."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import pytest
import trustme
from plays import Servers, Start, full, play, store, succeeded, task
from registries import Registries
from testbed.bed import Testbed
from testbed.databases import NAMESPACE, ROOT_PASSWORD, connect_mysql

Options = dict[str, Any]
REST = "/api/model_registry/v1alpha3/registered_models"
STRANGE = "ünï-日本-€ ?@:/#%&=+;'\"\\`{}"
"""Characters that break a URL, a shell, YAML and SQL, and characters beyond latin-1."""


def host(service: str) -> str:
    """Return the host name of a database server in the cluster."""
    return f"{service}.{NAMESPACE}.svc.cluster.local"


def on(service: str, name: str, **more: Any) -> Options:
    """Return options of a registry on the database of its own name."""
    return full(name, **{"host": host(service), **more})


def works(registries: Registries, name: str) -> None:
    """Check that the server stores a model and returns it."""
    assert registries.rest(name, "GET", "/readyz/health")[0] == 200
    made, _ = registries.rest(name, "POST", REST, {"name": f"m{time.time_ns()}"})
    assert made == 201


def alter(registries: Registries, service: str, name: str, password: str) -> None:
    """Give the account another password, whatever is in it."""
    with connect_mysql(registries.bed, service, charset="utf8mb4") as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER USER '{name}'@'%%' IDENTIFIED BY %s", (password,))


@pytest.mark.parametrize("service", ["mysql-80", "mysql-57"])
def test_strange_passwords(bed: Testbed, registries: Registries, servers: Servers, service: str) -> None:
    """Created with one, rotated to another: ready each time, nothing to do after it, and shown nowhere."""
    servers({"mysql-80": "mysql-8.0", "mysql-57": "mysql-5.7"}[service], name=service)
    name = f"strange-{service[-2:]}"
    registries.make_database(name, service=service)
    alter(registries, service, name, STRANGE)
    created = succeeded(play(bed, task(**on(service, name, password=STRANGE)), options=("-vvv", "--diff")))
    works(registries, name)
    alter(registries, service, name, f"€{STRANGE}€")
    rotation: Options = {"name": name, "database": {"password": f"€{STRANGE}€"}}
    rotated = succeeded(play(bed, task(**rotation), options=("-vvv", "--diff")))
    assert [write[:2] for write in rotated.writes] == [
        ("patch", "secrets"),
        ("patch", "deployments"),
        ("patch", "secrets"),
    ]
    works(registries, name)
    again, edited = succeeded(play(bed, task(**rotation), task(name=name, description="edited"))).results
    assert not again["changed"]
    assert [change["fields"] for change in edited["changes"]] == [["metadata.annotations.openshift.io/description"]]
    works(registries, name)
    for played in (created, rotated):
        assert "日本" not in played.output and r"\u65e5" not in played.output
    succeeded(play(bed, task(name=name, state="absent")))
    assert registries.sql(f"SHOW TABLES IN `{name}`", service=service)


AUTHORITY = trustme.CA()
CLIENT = AUTHORITY.issue_cert("registry@example.com", common_name="registry")
TLS = ["--ssl-ca=/etc/testbed/ca.crt", "--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key"]


def test_client_certificates(bed: Testbed, registries: Registries, servers: Servers) -> None:
    """An account that requires a certificate: refused without, ready with it, and the certificate is no drift."""
    leaf = AUTHORITY.issue_cert(host("mariadb-x509"))
    files = {
        "ca.crt": AUTHORITY.cert_pem.bytes(),
        "tls.crt": leaf.cert_chain_pems[0].bytes(),
        "tls.key": leaf.private_key_pem.bytes(),
    }
    service = servers("mariadb-10.11", name="mariadb-x509", options=TLS, files=files)
    with connect_mysql(bed, service, ssl={"ca": None}) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE DATABASE clientcert CHARACTER SET utf8mb4")
        cursor.execute("CREATE OR REPLACE USER 'clientcert'@'%' IDENTIFIED BY 'clientcert-password' REQUIRE X509")
        cursor.execute("GRANT ALL ON clientcert.* TO 'clientcert'@'%'")
    pair = {"tls.crt": CLIENT.cert_chain_pems[0].bytes(), "tls.key": CLIENT.private_key_pem.bytes()}
    store(registries, "Secret", "client-cert", {key: pem.decode() for key, pem in pair.items()})
    tls: Options = {"ca_pem": AUTHORITY.cert_pem.bytes().decode()}
    refused = play(bed, task(**on(service, "clientcert", tls=tls)))
    assert refused.result["failed"] and "Error 1045 (28000): Access denied" in refused.result["msg"]
    tls["client_certificate_secret"] = {"name": "client-cert", "key": "tls.crt"}
    tls["client_key_secret"] = {"name": "client-cert", "key": "tls.key"}
    wanted = on(service, "clientcert", tls=tls)
    accepted = succeeded(play(bed, task(**wanted)))
    # The second removes the annotation, once new pods are seen to serve.
    assert accepted.writes == [("patch", "modelregistries", "clientcert")] * 2
    works(registries, "clientcert")
    again = succeeded(play(bed, task(**wanted)))
    assert not again.writes and not again.result["changed"]
    succeeded(play(bed, task(name="clientcert", state="absent")))
    assert registries.api.get("v1", "Secret", "client-cert", registries.namespace)


def postgres(bed: Testbed, service: str, *statements: str) -> None:
    """Run statements as the administrator of a PostgreSQL server, with the server's own psql."""
    found = re.search(r"--home=(\S*/server-postgres\S*)", (bed.layout.state / "images.yaml").read_text())
    assert found
    settings = [f"LD_LIBRARY_PATH={found[1]}/lib", f"PGPASSWORD={ROOT_PASSWORD}", f"{found[1]}/bin/psql"]
    where = ["-h", bed.address(service, NAMESPACE), "-U", "postgres", "-v", "ON_ERROR_STOP=1"]
    for statement in statements:
        done = bed.run(["env", *settings, *where, "-c", statement], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_postgres_of_the_users(bed: Testbed, registries: Registries, servers: Servers) -> None:
    """Created, edited, its password rotated, and the database kept."""
    service = servers("postgres-16")
    statements = ("CREATE ROLE own LOGIN PASSWORD 'own-password'", "CREATE DATABASE own OWNER own")
    postgres(bed, service, "DROP DATABASE IF EXISTS own", "DROP ROLE IF EXISTS own", *statements)
    wanted = on(service, "own", type="postgres", tls={"enabled": False})
    predicted, created, again = succeeded(
        play(bed, task(**wanted, check_mode=True), task(**wanted), task(**wanted))
    ).results
    assert created["changes"] == predicted["changes"] and not again["changed"]
    works(registries, "own")
    edits: list[Options] = [{"password": "canary@b"}, {"username": "o<n"}, {"tls": {"mode": "require", "verify": True}}]
    refused = play(bed, *(task(name="own", database=edit) for edit in edits))
    assert not refused.writes and "canary" not in refused.output
    for result, option in zip(refused.results, ("password", "username", "tls.mode"), strict=True):
        assert result["failed"] and result["msg"].startswith(f"database.{option}: "), result["msg"]
    postgres(bed, service, "ALTER ROLE own PASSWORD 'another.~one!'")
    edit: Options = {
        "name": "own",
        "database": {"password": "another.~one!", "tls": {"mode": "prefer"}},
        "description": "edited",
    }
    predicted, rotated = succeeded(play(bed, task(**edit, check_mode=True), task(**edit))).results
    assert rotated["changes"] == predicted["changes"] and len(rotated["changes"]) == 4
    works(registries, "own")
    predicted, gone = succeeded(
        play(bed, task(name="own", state="absent", check_mode=True), task(name="own", state="absent"))
    ).results
    assert gone["changes"] == predicted["changes"]
    assert gone["retained"][0]["name"] == f"own on {host(service)}:5432"
    postgres(bed, service, "ALTER DATABASE own OWNER TO postgres")


SLOW: dict[str, tuple[Options, str]] = {
    "slow-password": ({"password": "wrong"}, "Error 1045 (28000): Access denied"),
    "slow-host": ({"port": 3999}, "connection refused"),
    "slow-secret": ({"password_secret": {"name": "nowhere", "key": "k"}}, 'secret "nowhere" not found'),
}


@pytest.mark.timed
def test_failures_at_a_kubelets_own_pace(start: Start) -> None:
    """With a real cluster's probes, each failure ends its task within 10 s of the first appearance of its words."""
    with start(time_factor=1) as bed:
        registries = Registries(bed)
        for name, (database, words) in SLOW.items():
            registries.make_database(name)
            options = on("mysql-80", name, **database)
            if "password_secret" in database:
                del options["database"]["password"]
            failed = play(bed, task(**options))
            ended = time.time()
            assert failed.result["failed"] and words in failed.result["msg"], failed.output
            seconds = ended - first_words(registries, name)
            print(f"{name:14} {seconds:5.1f} s after they appeared  {failed.result['msg'][:110]}")
            assert 0 <= seconds < 10


def first_words(registries: Registries, name: str) -> float:
    """Return when the server wrote its first failed attempt, or if it never ran, when the pod was started."""
    pod = registries.pod(name)
    path = f"/api/v1/namespaces/{registries.namespace}/pods/{pod['metadata']['name']}/log"
    _, text = registries.api.raw("GET", f"{path}?container=rest-container&timestamps=true")
    found = re.search(r"^(\S{26})\S* .*(Error 1045|connection refused)", text.decode(errors="replace"), re.MULTILINE)
    return datetime.fromisoformat(f"{found[1]}+00:00" if found else pod["status"]["startTime"]).timestamp()
