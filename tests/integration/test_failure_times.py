# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""More failures that are reported soon after their first words: a server that requires TLS, the longest invalid name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import trustme
from test_wait import BOUND, On, first_words, told_of
from testbed.bed import Testbed
from testbed.databases import connect_mysql, service_name
from testbed_fixtures import Servers
from waiter import Told, waiter

LONGEST = "a" * 64
"""The API accepts it, the operator cannot make a ServiceAccount of that name."""


class Plain(On):
    """Registries whose databases are made without TLS: no current client supports that of MySQL 5.7.22."""

    def sql(self, *statements: str, service: str = "") -> list[tuple[Any, ...]]:
        with connect_mysql(self.bed, service or self.service, ssl_disabled=True) as root, root.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())


@pytest.fixture(params=["mysql-8.0", "mysql-5.7"])
def secure(request: pytest.FixtureRequest, bed: Testbed, servers: Servers) -> Iterator[On]:
    """Make registries on a server of its own, which refuses connections without TLS once all is prepared."""
    name = f"{service_name(request.param)}-secure"
    # Builds as old as these support no other keys.
    leaf = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(name, key_type=trustme.KeyType.RSA)
    files = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    options = ["--ssl-cert=/etc/testbed/tls.crt", "--ssl-key=/etc/testbed/tls.key"]
    registries = Plain(bed, servers(request.param, name=name, options=options, files=files))
    for one in ("plaintext", LONGEST[:32]):
        registries.make_database(one)
    # It stays open: switching this off again would take a login with TLS.
    with connect_mysql(bed, name, ssl_disabled=True) as root, root.cursor() as cursor:
        cursor.execute("SET GLOBAL require_secure_transport = ON")
        yield registries
        cursor.execute("SET GLOBAL require_secure_transport = OFF")
    registries.remove()


@pytest.mark.timed
def test_failures_are_told_in_time(bed: Testbed, secure: On) -> None:
    """In the server's and in Kubernetes' words, within ten seconds of their first appearance."""
    for name in ("plaintext", LONGEST):
        secure.make_secret(name)
    with waiter(bed) as waiting:
        secure.create(secure.body("plaintext"))
        secure.create(secure.body(LONGEST, database=LONGEST[:32], username=LONGEST[:32]))
        found = told_of(waiting, lambda told: began(secure, told), "plaintext", LONGEST)
    expected = {
        "plaintext": ("tls_required", "Error 3159 (HY000): Connections using insecure transport are prohibited"),
        LONGEST: ("name_invalid", "must be no more than 63"),
    }
    for name, (reason, words) in expected.items():
        told = found[name]
        assert (told["state"], told["reason"]) == ("failed", reason), told
        assert words in told["message"] and told["next_step"] and told["source"], told
        print(f"{secure.service:16}  {name[:16]:16}  {reason:12}  {told['seconds']:5.1f} s  {told['message'][:100]}")
        assert 0 <= told["seconds"] < BOUND, told


def began(registries: On, told: Told) -> float:
    """Return when its words first appeared. A name that is not a valid label value has no pods to find."""
    if told["name"] != LONGEST:
        return first_words(registries, told)
    registry = registries.get(LONGEST)
    assert registry
    return datetime.fromisoformat(registry["metadata"]["creationTimestamp"]).timestamp()
