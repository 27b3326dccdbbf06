# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module options that cannot be right: each error names the option, the problem and the fix."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import trustme
from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import database as database_options
from ansible_collections.opendatahub.model_registry.plugins.module_utils._argspec import registry, waiting
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.options import (
    check_numbers,
    registry_from,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Options = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
CA = trustme.CA()
GOOD_PEM = CA.cert_pem.bytes().decode()
LEAF = CA.issue_cert("mysql.example")
LEAF_PEM = LEAF.cert_chain_pems[0].bytes().decode()
KEY_PEM = LEAF.private_key_pem.bytes().decode()


def expired() -> str:
    """Return a certificate authority that expired ten years ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(days=4000), NOW - timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def options(**given: Any) -> Options:
    """Return options as a module has them: None for those left out."""
    top = dict.fromkeys(("name", "display_name", "description", "database", "auth_proxy", "resources", "image", "port"))
    return {**top, "service_route": None, "auth_proxy_settings": None, "name": "demo", **given}


def proxy(**given: Any) -> Options:
    names = ("image", "port", "service_route", "domain", "route_port", "certificate_secret", "key_secret")
    return options(auth_proxy_settings={**dict.fromkeys(names), **given})


def generated(**given: Any) -> Options:
    return database(type="postgres", generate=True, **given)


def cipher(text: str, **given: Any) -> Options:
    return database({"cipher": text}, **given)


SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


def database(tls: Options | None = None, **given: Any) -> Options:
    names = ("type", "host", "port", "name", "username", "password", "password_secret", "generate", "tls")
    parts = ("enabled", "ca_bundle", "ca_config_map", "ca_secret", "ca_pem", "verify", "mode", "cipher")
    clients = ("client_certificate_secret", "client_key_secret")
    full = None if tls is None else {**dict.fromkeys((*parts, *clients)), **tls}
    return options(database={**dict.fromkeys((*names, "image", "host_address")), "type": "mysql", "tls": full, **given})


def named(part: str, value: str) -> Options:
    return {part: value}


REFERENCE = {"name": "ca", "key": "ca.crt"}
BAD: list[tuple[Options, str, str]] = [
    (options(name=""), "name", "empty"),
    (options(name="x" * 10_000), "name", "49 is the most"),
    (options(name="Demo"), "name", "other characters"),
    (options(name=str(["a", "b"])), "name", "other characters"),
    (options(display_name=str(["x", "y"])), "display_name", "list"),
    (options(display_name="[]"), "display_name", "list"),
    (options(description=str(["x"])), "description", "list"),
    (options(description=str([{"a": [1, None, True]}])), "description", "list"),
    (options(description="{}"), "description", "dictionary"),
    (database(password=str(["canary"])), "database.password", "list"),
    (database(name=str(["a"])), "database.name", "list"),
    (database(username=str({"a": "b"})), "database.username", "dictionary"),
    (options(resources={"requests": {"no such thing!": 1}, "limits": None}), "resources.requests", "not a resource of"),
    (options(resources={"requests": None, "limits": {"cpus": 1}}), "resources.limits", "not a resource of"),
    (options(resources={"requests": None, "limits": {"nvidia.com/": 1}}), "resources.limits", "not a resource of"),
    (options(resources={"requests": None, "limits": {"": 1}}), "resources.limits", "not a resource of"),
    (options(name="a-"), "name", "ends with a dash"),
    (options(name=None, display_name="日本"), "display_name", "Give name, too"),
    (options(display_name=""), "display_name", "empty"),
    (options(display_name="  "), "display_name", "empty"),
    (options(display_name="a\nb"), "display_name", "line break"),
    (options(resources={"requests": {"cpu": "much"}, "limits": None}), "resources.requests.cpu", "Give one such as"),
    (options(resources={"limits": {"memory": "-1Gi"}, "requests": None}), "resources.limits.memory", "no amount"),
    (database(host=""), "database.host", "not a host name"),
    (database(host="mysql.example:3306"), "database.host", "the port has its own option"),
    (database(host="mysql://mysql.example"), "database.host", "bare name"),
    (database(host="my sql"), "database.host", "not a host name"),
    (database(host="{'a': 'dict'}"), "database.host", "not a host name"),
    (database(host="größe.example"), "database.host", "not a host name"),
    (database(host="a" * 254), "database.host", "not a host name"),
    (database(host="-a"), "database.host", "not a host name"),
    (database(host="a..b"), "database.host", "not a host name"),
    (database(host=f"db.{'a' * 64}.example"), "database.host", "64 characters, and 63 is the most"),
    (database(port=0), "database.port", "1 to 65535"),
    (database(port=65536), "database.port", "1 to 65535"),
    (database(port=-1), "database.port", "1 to 65535"),
    (database(name=""), "database.name", "empty"),
    (database(name="a/b"), "database.name", "connection string"),
    *(
        (database(name=name), "database.name", "own database")
        for name in ("mysql", "SYS", "Information_Schema", "performance_schema")
    ),
    (database(name="a?b"), "database.name", "connection string"),
    (database(name="x" * 65), "database.name", "64 is the most"),
    (database(name="x" * 64, type="postgres"), "database.name", "63 is the most"),
    (database(name="$(HOME)"), "database.name", "expand"),
    (database(username=""), "database.username", "empty"),
    (database(username="a:b"), "database.username", "connection string"),
    (database(username="a@b", type="postgres"), "database.username", "connection string"),
    (database(username="a b", type="postgres"), "database.username", "connection string"),
    (database(username="a?b"), "database.username", "from 0.3.2 on"),
    (database(name="a%41"), "database.name", "connection string"),
    *(
        (database(**named(part, f"a{text}b"), type=kind), f"database.{part}", "Kubernetes expands")
        for text in ("$(HOME)", "$(", "$$", "$$(X)", "$$$")
        for part in ("name", "username")
        for kind in ("mysql", "postgres", None)
    ),
    (database(username="x" * 10_000), "database.username", "128 is the most"),
    (database(username="ä", type="postgres"), "database.username", "connection string"),
    (database(password=""), "database.password", "empty"),
    (database(password="canary" * 1000), "database.password", "1024 is the most"),
    (database(password="canary\n"), "database.password", "line break"),
    (database(password="canary\x00"), "database.password", "control character"),
    (database(password=str({"value": "canary"})), "database.password", "dictionary"),
    (options(display_name=str({"value": 1})), "display_name", "dictionary"),
    (options(description=str({"it's": 1})), "description", "dictionary"),
    *(
        (database(password=f"canary{character}", type="postgres"), "database.password", "into a URL")
        for character in '@:/?#%€ "[]^'
    ),
    (database(generate=True), "database.generate", "database.type to postgres"),
    (database(password_secret={"name": "A", "key": "k"}), "database.password_secret.name", "cannot be one"),
    (database(password_secret={"name": "a", "key": "k k"}), "database.password_secret.key", "cannot be one"),
    (database(password_secret={"name": "", "key": "k"}), "database.password_secret.name", "cannot be one"),
    (database({"ca_pem": ""}), "database.tls.ca_pem", "no certificate in PEM form"),
    (database({"ca_pem": "certificate"}), "database.tls.ca_pem", "no certificate in PEM form"),
    (database({"ca_pem": KEY_PEM}), "database.tls.ca_pem", "private key"),
    (database({"ca_pem": GOOD_PEM + KEY_PEM}), "database.tls.ca_pem", "private key"),
    (database({"ca_pem": LEAF_PEM}), "database.tls.ca_pem", "CA:FALSE"),
    (database({"ca_pem": expired() + LEAF_PEM}), "database.tls.ca_pem", "expired on 2016-01-04"),
    (database({"ca_pem": expired()}), "database.tls.ca_pem", "expired on 2016-01-04"),
    (database({"ca_pem": GOOD_PEM.replace("MII", "M!I")}), "database.tls.ca_pem", "damaged"),
    (database({"ca_pem": GOOD_PEM.replace(GOOD_PEM[60:200], "")}), "database.tls.ca_pem", "damaged"),
    (database({"ca_pem": GOOD_PEM * 3000}), "database.tls.ca_pem", "1 MiB"),
    (database({"ca_config_map": {"name": "CA", "key": "k"}}), "database.tls.ca_config_map.name", "cannot be one"),
    (database({"ca_secret": {"name": "ca", "key": ""}}), "database.tls.ca_secret.key", "cannot be one"),
    (database({"enabled": False, "ca_config_map": REFERENCE}), "database.tls.enabled", "plain text"),
    (database({"enabled": False, "verify": True}), "database.tls.enabled", "plain text"),
    (database({"mode": "require"}), "database.tls.mode", "for PostgreSQL, and the database is MySQL"),
    (database(name="x" * 65, type=None), "database.name", "64 is the most"),
    (database({"mode": "disable", "ca_config_map": REFERENCE}, type="postgres"), "database.tls.mode", "plain text"),
    (database({"mode": "disable", "enabled": True}, type="postgres"), "database.tls.mode", "one of the two"),
    (database({"mode": "prefer", "enabled": False}, type="postgres"), "database.tls.enabled", "mode is prefer"),
    *(
        (given, what, "***")
        for text in ("mysql://u:canary@db", "u:canary@h", "u:canary", "jdbc:mysql://db/x?password=canary", "a@canary@b")
        for given, what in (
            (database(host=text), "database.host"),
            (database(name=f"{text}/"), "database.name"),
            (database(username=f"{text}:"), "database.username"),
            (database(type="postgres", host_address=text), "database.host_address"),
            (options(image=f"{text}:"), "image"),
            (proxy(domain=text), "auth_proxy_settings.domain"),
            (database(password_secret={"name": text, "key": "k"}), "database.password_secret.name"),
            (database(password_secret={"name": "n", "key": text}), "database.password_secret.key"),
            (options(name=text), "name"),
            (options(resources={"requests": {"cpu": text}, "limits": None}), "resources.requests.cpu"),
        )
    ),
    (database({"mode": "require", "verify": True}, type="postgres"), "database.tls.mode", "Give mode alone"),
    *((options(image=image), "image", "not the name of an image") for image in (" ", "a b", "quay.io/A/b", "a:b:c")),
    *((options(port=port), "port", "1 to 65535") for port in (0, -1, 65536)),
    (proxy(port=70000), "auth_proxy_settings.port", "1 to 65535"),
    (proxy(route_port=0), "auth_proxy_settings.route_port", "1 to 65535"),
    *(
        (proxy(domain=text), "auth_proxy_settings.domain", "not a domain")
        for text in ("https://a", "a/b", "-a", "a..b", "x" * 64)
    ),
    (proxy(image="http://a/b"), "auth_proxy_settings.image", "not the name of an image"),
    (
        proxy(certificate_secret={"name": "A", "key": "k"}),
        "auth_proxy_settings.certificate_secret.name",
        "cannot be one",
    ),
    (database(host_address="10.0.0.1"), "database.host_address", "for PostgreSQL, and the database is MySQL"),
    (database(type="postgres", host_address="fd00::1"), "database.host_address", "without brackets"),
    (database(type="postgres", host_address="fe80::1%eth0"), "database.host_address", "without brackets"),
    *(
        (database(host=text), "database.host", "not a host name")
        for text in ("[::::]", "[.]", "[fe80::1%eth0]", "127.1", "1.2.3.256", "10.0.0")
    ),
    *(
        (database(**named(part, f"a{text}b"), type=kind), f"database.{part}", "line separator or control character")
        for text in ("\x80", "\x85", "\u2028", "\u2029", "\ufffe", "\u2028          command: [evil]\u2028          ")
        for part in ("name", "username")
        for kind in ("mysql", None)
    ),
    *(
        (given, option, "UTF-8")
        for text in ("a\udcffb", "\ud800")
        for given, option in (
            (options(display_name=text), "display_name"),
            (options(description=text), "description"),
            (database(name=text), "database.name"),
            (database(username=text), "database.username"),
            (database(password=f"canary{text}"), "database.password"),
        )
    ),
    *(
        (database({option: {"name": text, "key": "k"}}), f"database.tls.{option}.name", "a word or number of YAML")
        for text in ("null", "yes", "1e3", "0x1f", "08", "007", "1.50", "1e-3", "12345678901234567890")
        for option in ("ca_config_map", "ca_secret")
    ),
    (
        proxy(certificate_secret={"name": "0b1", "key": "k"}, key_secret=REFERENCE),
        "auth_proxy_settings.certificate_secret.name",
        "a word or number of YAML",
    ),
    (database(image="postgres:16"), "database.image", "for PostgreSQL, and the database is MySQL"),
    *(
        (database(type="postgres", host_address=text), "database.host_address", "not an IP address")
        for text in ("db", "10.0.0", "10.0.0.1:5432", "")
    ),
    (
        database(type="postgres", host="db", image="postgres:16"),
        "database.image",
        "only for a database that the operator runs",
    ),
    (generated(host="db"), "database.host", "the operator sets it"),
    (generated(host_address="10.0.0.1"), "database.host_address", "the operator sets it"),
    (generated(name="mine"), "database.name", "the account modelregistry"),
    (generated(username="me"), "database.username", "the account modelregistry"),
    (generated(port=5432), "database.port", "the operator sets it"),
    *(
        (cipher(text), "database.tls.cipher", "not a cipher suite of the registry server")
        for text in (
            "ECDHE-RSA-AES128-GCM-SHA256",
            f"{SUITE},{SUITE}",
            f"{SUITE}:",
            "TLS_RSA_WITH_AES_128_CBC_SHA",
            " ",
        )
    ),
    (cipher(SUITE, type="postgres"), "database.tls.cipher", "for MySQL, and the database is PostgreSQL"),
    (database({"cipher": SUITE, "enabled": False}), "database.tls.cipher", "Leave one of the two out"),
]


@pytest.mark.parametrize(("given", "option", "words"), BAD)
def test_bad(given: Options, option: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        registry_from(given, NOW)
    error = caught.value
    assert error.what == option
    assert words in str(error), error
    assert error.next_step
    assert "canary" not in str(error), "a password is never quoted"


@pytest.mark.parametrize("option", ["name", "username"])
@pytest.mark.parametrize("text", ["a #b", "a #", " #a", "a: b"])
@pytest.mark.parametrize("kind", ["mysql", "postgres", None])
def test_names_that_the_operators_template_cuts(option: str, text: str, kind: str | None) -> None:
    """It writes the connection string into YAML without quotes, so these become a comment and a mapping."""
    given: Options = {"type": kind, option: text}
    with pytest.raises(InvalidInput, match=rf"^database\.{option}: "):
        registry_from(database(**given), NOW)


@pytest.mark.parametrize(
    "given",
    [
        options(),
        options(name=None, display_name="Fraud models"),
        options(display_name="Größe 日本 $(X)", description="a\nb"),
        options(display_name="{{ Braces }}", description='{"quoted"}'),
        database(password="{'"),
        *(
            database(password=text, type=kind)
            for text in ("YBc($4+s76", "a$(HOSTNAME)b", "$$")
            for kind in ("mysql", "postgres")
        ),
        *(database(username=text) for text in ("svc-ml@corp.example", "a#b", "a%b", "a/b", "a b", "a@b/c@d", "a$b")),
        *(database(name=text) for text in ("a@b", "a#b", "a:b", "a b", "a$b")),
        database({"mode": "disable"}, type="postgres"),
        database({"enabled": False, "mode": "disable"}, type="postgres"),
        database(host="mysql", port=1, name="a b_c".replace(" ", "-"), username="a", password="€ @:/?#%"),
        database(host="10.0.0.1"),
        database(host="[fd00::1]"),
        database(host="mysql.databases.svc.cluster.local."),
        database(type="postgres", password="aZ0._~!$&'()*+,;=-"),
        database({"mode": "require"}, type=None, password="a@b"),
        options(image="", port=1, service_route=False),
        options(image="quay.io:5000/opendatahub/model-registry:v0.3.1@sha256:" + "0" * 64),
        proxy(image="", domain="", port=8444, service_route=True, route_port=443),
        proxy(domain="apps.example.com", certificate_secret=REFERENCE, key_secret=REFERENCE),
        cipher(f"{SUITE}:TLS_AES_128_GCM_SHA256"),
        cipher(""),
        database(type="postgres", host_address="10.0.0.1"),
        database(type="postgres", host="[fd00::1]"),
        *(
            database({"ca_secret": {"name": text, "key": "1e3"}})
            for text in ("0", "123", "1e", "1.2.3", "a1", "2024-01-01")
        ),
        database(password_secret={"name": "1e3", "key": "0x1f"}, password=None),
        database(type="postgres", generate=False, host="db", port=5432, password="p"),
        generated(image="registry.example/postgresql-16@sha256:" + "a" * 64),
        database({"ca_pem": GOOD_PEM}),
        database({"ca_pem": "a comment\n" + GOOD_PEM + GOOD_PEM}),
        database({"ca_pem": expired() + GOOD_PEM}),
        options(resources={"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"cpu": 1}}),
    ],
)
def test_good(given: Options) -> None:
    made = registry_from(given, NOW)
    assert made.name in ("demo", "fraud-models")


def test_no_secret_in_the_repr() -> None:
    made = registry_from(database({"ca_pem": GOOD_PEM}, password="canary"), NOW)
    assert "canary" not in repr(made)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"port": True}, "port"),
        ({"port": False}, "port"),
        ({"auth_proxy_settings": {"route_port": True}}, "auth_proxy_settings.route_port"),
        ({"database": {"port": True}}, "database.port"),
        ({"wait_timeout": True}, "wait_timeout"),
        ({"many": [{"port": 1}, {"port": True}]}, "many.port"),
    ],
)
def test_a_boolean_is_no_number(given: Options, option: str) -> None:
    """Of every number that a module takes."""
    spec = {**registry(), **waiting(), "many": {"type": "list", "elements": "dict", "options": database_options()}}
    with pytest.raises(InvalidInput, match="boolean") as caught:
        check_numbers(spec, given)
    assert caught.value.what == option
    check_numbers(spec, {"port": 1, "database": None, "auth_proxy_settings": {"port": 8443}, "wait_timeout": 0})


@pytest.mark.parametrize(
    "text", ["[draft] models", "{see below}", "[2] and {3}", "['a' 'b']", "{'a': }", "[" * 500 + "]" * 500]
)
def test_brackets_are_no_list(text: str) -> None:
    """A text that Python would not write for a list or a dictionary is a text like any other."""
    assert registry_from(options(description=text), NOW).description == text


@pytest.mark.parametrize(
    "text",
    [
        "{'" + "': " * 400_000,
        "{'" + "': " * 400_000 + "}",
        "[" * 1_000_000 + "]",
        "['" + "a" * 1_000_000 + "\\']",
        "{'" * 300_000 + "}",
    ],
    ids=["dict", "closed dict", "brackets", "long", "many"],
)
def test_long_texts_take_no_time(text: str) -> None:
    """A megabyte each; a pattern that backtracks again and again takes half a minute."""
    begun = time.process_time()
    registry_from(options(description=text), NOW)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "name", ["cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "nvidia.com/gpu", "example.com/A_b.c"]
)
def test_resources_of_a_container(name: str) -> None:
    assert registry_from(options(resources={"requests": None, "limits": {name: 1}}), NOW).resources == {
        "limits": {name: "1"}
    }
