# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module options to a registry, with the checks that neither Ansible's schema nor the API server does."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .._common.certificates import read_ca_pem
from .._common.errors import InvalidInput
from .._common.model import CaSource, Database, KeyRef, ProxySettings, Registry, Tls
from .._common.names import YAML_WORDS, check_object_name, derive_name
from .._common.text import quoted
from .._kubernetes.dns import address_of, overlong
from .quantity import amount

__all__ = [
    "QUESTION_MARK",
    "URL_STEP",
    "URL_WHY",
    "breaks_url",
    "check_encryption",
    "check_for_type",
    "check_numbers",
    "database_from",
    "proxy_from",
    "registry_from",
    "resource_name",
]

_ENCRYPTS = (
    "Give a certificate authority (ca_bundle, ca_config_map, ca_secret or ca_pem), a client certificate, cipher, or verify: true if a "
    "public authority signed the server's certificate. For plain text leave tls out."
)

Params = Mapping[str, Any]

CA_BUNDLE = "odh-trusted-ca-bundle"
CA_BUNDLE_KEYS = {"cluster": "ca-bundle.crt", "openshift_ai": "odh-ca-bundle.crt"}
"""The ConfigMap that the product creates in every namespace, and its keys (OpenShift AI's documentation on certificates)."""
LONGEST_DATABASE_NAME = {"mysql": 64, "postgres": 63}
"""Characters: the limits of MySQL and PostgreSQL identifiers."""
SYSTEM_DATABASES = ("information_schema", "mysql", "performance_schema", "sys")
"""The databases that a MySQL server keeps for itself (MySQL's manual, chapters 7.3, 28, 29 and 30)."""
LONGEST_USERNAME = 128
"""Characters: MariaDB's limit, the highest of the servers'."""
LONGEST_PASSWORD = 1024
"""Characters: far more than any real password. A longer value is something else, given by mistake."""
IN_URL = "a-zA-Z0-9._~!$&'()*+,;=-"
"""Characters allowed unescaped in the user part of a URL. PostgreSQL's password is put there as it is (RFC 3986, section 3.2.1)."""
BREAKS_MYSQL = {"name": "/?%", "username": ":"}
"""Characters that end a part of a MySQL connection string (documentation of go-sql-driver/mysql, DSN). The last ``@`` before
the last ``/`` ends the password, so both may be in the account's name."""
EXPANDED = r"\$[($]"
"""Names are in the arguments of the server's container, where Kubernetes expands ``$(X)`` and turns ``$$`` into ``$``."""
CUT = " #|: "
"""Characters that end or split a value in YAML: the operator's template of the Deployment writes the arguments without quotes."""
NOT_IN_YAML = r"[\x7f-\x9f\u2028\u2029\ufffe\uffff]"
"""Characters that YAML forbids, or that end its lines, so that the rest would become fields of the pod (YAML 1.1, sections
4.1.1 and 4.1.4)."""
YAML_NUMBER = r"[0-9][0-9_]*(\.[0-9_]*)?(e[-+]?[0-9]+)?|0x[0-9a-f_]+|0o?[0-7_]+|0b[01_]+"
"""What YAML reads as a number."""
QUESTION_MARK = "0.3.2"
"""The first release of the registry server that refuses a ``?`` in a MySQL connection string before that of its options."""
URL_WHY = "the registry server puts it unescaped into a URL"
URL_STEP = "Choose a password of letters, digits and any of . _ ~ ! $ & ' ( ) * + , ; = -"
HOST = r"(?=.{1,253}\Z)[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*\.?|\[[0-9a-fA-F:.]+\]"
DOMAIN = r"(?=.{1,253}\Z)[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
LONGEST_IMAGE = 512
"""Characters: more than any registry of images allows."""
IMAGE = r"[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?"
"""A reference to an image: its location, and a tag or digest."""
CIPHER = (
    r"TLS_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256|ECDHE_(ECDSA|RSA)_WITH_"
    r"(AES_128_CBC_SHA|AES_256_CBC_SHA|AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256))"
)
"""The cipher suites that the registry server accepts, by Go's names."""
RESOURCE = (
    r"cpu|memory|ephemeral-storage|hugepages-[0-9]+([KMGTPE]i?)?"
    r"|(?=[^/]{1,253}/)[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?"
)
"""The names of a container's resources: the standard ones, and those with a domain (Kubernetes' validation of pods)."""
OBJECT_NAME = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
DATA_KEY = r"[-._a-zA-Z0-9]+"


def check_numbers(spec: Mapping[str, Any], params: Params, prefix: str = "") -> None:
    """Raise InvalidInput for a boolean instead of a number: Ansible accepts it, and the API server gets true for 1.

    spec: the argument spec of the options. prefix: precedes their names in the error.
    """
    for name, option in spec.items():
        value = params.get(name)
        if option.get("type") == "int" and isinstance(value, bool):
            why = f"it is the boolean {str(value).lower()} and not a number"
            raise InvalidInput(f"{prefix}{name}", why, "Give a number: check what the variable holds.")
        inner = value if isinstance(value, list) else [value]
        for part in inner if "options" in option else ():
            if isinstance(part, dict):
                check_numbers(option["options"], part, f"{prefix}{name}.")


def registry_from(params: Params, now: datetime, option: str = "") -> Registry:
    """Build a registry from module options.

    now: to find expired certificates. option: a prefix for options in error texts, such as registries[3].
    Raises InvalidInput.
    """
    prefix = f"{option}." if option else ""
    display_name = params["display_name"]
    if display_name is not None:
        _check_line(f"{prefix}display_name", display_name)
    if params["description"] is not None:
        _check_single(f"{prefix}description", params["description"])
    name = resource_name(params, option)
    database = params["database"]
    return Registry(
        name=name,
        is_derived=params["name"] is None,
        display_name=display_name,
        description=params["description"],
        database=None if database is None else database_from(database, now, f"{prefix}database"),
        auth_proxy=params["auth_proxy"],
        resources=_resources(params["resources"], f"{prefix}resources"),
        image=_image(params.get("image"), f"{prefix}image"),
        port=_port(params.get("port"), f"{prefix}port"),
        service_route=params.get("service_route"),
        proxy=proxy_from(params.get("auth_proxy_settings"), f"{prefix}auth_proxy_settings"),
    )


def proxy_from(params: Params | None, option: str = "auth_proxy_settings") -> ProxySettings | None:
    """Build the settings of a proxy from module options. Raises InvalidInput."""
    if params is None:
        return None
    domain = params["domain"]
    if domain and not re.fullmatch(DOMAIN, domain):
        why = f"{quoted(domain)} is not a domain name"
        raise InvalidInput(f"{option}.domain", why, "Give one such as apps.example.com, or leave it out.")
    return ProxySettings(
        image=_image(params["image"], f"{option}.image"),
        port=_port(params["port"], f"{option}.port"),
        service_route=params["service_route"],
        domain=domain,
        route_port=_port(params["route_port"], f"{option}.route_port"),
        certificate=_mounted(params["certificate_secret"], f"{option}.certificate_secret"),
        key=_mounted(params["key_secret"], f"{option}.key_secret"),
    )


def _image(image: str | None, option: str) -> str | None:
    """Return the image's name, which may be empty. Whether the image exists is not checked."""
    if image and (len(image) > LONGEST_IMAGE or not re.fullmatch(IMAGE, image)):
        why = f"{quoted(image)} is not the name of an image"
        raise InvalidInput(option, why, "Give one such as quay.io/example/model-registry:1.0 or …@sha256:….")
    return image


def _port(port: int | None, option: str) -> int | None:
    if port is not None and not 1 <= port <= 65535:
        raise InvalidInput(option, f"{port} is no port", "Give a number from 1 to 65535.")
    return port


def resource_name(params: Params, option: str = "") -> str:
    """Return the resource name from the options name and display_name, if an object can have it.

    The rules for new registries are checked later, if none of that name exists. option: as above. Raises InvalidInput.
    """
    prefix = f"{option}." if option else ""
    name: str | None = params["name"]
    if name is None:
        name = derive_name(params["display_name"] or "")
        if not name:
            why = f"no resource name can be derived from {quoted(params['display_name'])}: none of its characters may be in one"
            raise InvalidInput(f"{prefix}display_name", why, "Give name, too.")
    check_object_name(name, f"{prefix}name")
    return name


def _resources(params: Params | None, option: str) -> Mapping[str, Any] | None:
    if params is None:
        return None
    given = {part: amounts for part, amounts in params.items() if amounts is not None}
    for part, amounts in given.items():
        for name, text in amounts.items():
            if not re.fullmatch(RESOURCE, str(name)):
                why = f"{quoted(str(name), 80)} is not a resource of a container"
                step = "Give cpu, memory, ephemeral-storage or one with a domain, such as nvidia.com/gpu."
                raise InvalidInput(f"{option}.{part}", why, step)
            if amount(text) is None:
                raise InvalidInput(
                    f"{option}.{part}.{name}", f"{quoted(text)} is no amount", "Give one such as 500m, 1 or 256Mi."
                )
    # YAML turns some into numbers; the API accepts strings and whole numbers.
    return {part: {name: str(text) for name, text in amounts.items()} for part, amounts in given.items()}


def database_from(params: Params, now: datetime, option: str = "database") -> Database:
    """Build a database from module options. now: as above. option: its name in error texts. Raises InvalidInput."""
    database = Database(
        type=params["type"],
        host=params["host"],
        port=params["port"],
        name=params["name"],
        username=params["username"],
        password=params["password"],
        is_password_of_new=params.get("update_password") == "on_create",
        password_secret=_key_ref(params["password_secret"], f"{option}.password_secret"),
        tls=None if params["tls"] is None else _tls(params["tls"], now, f"{option}.tls"),
        generate=params["generate"],
        host_address=params.get("host_address"),
        image=_image(params.get("image"), f"{option}.image"),
    )
    _check_place(database, option)
    check_for_type(database, option)
    return database


def _check_postgres_only(database: Database, option: str) -> None:
    """Raise InvalidInput if an option is given for MySQL that only PostgreSQL has a field for."""
    given = [name for name in ("host_address", "image") if getattr(database, name) is not None]
    if given and database.type == "mysql":
        why = "it is for PostgreSQL, and the database is MySQL"
        step = {"host_address": "Give host, which may be an address.", "image": "Leave it out."}
        raise InvalidInput(f"{option}.{given[0]}", why, step[given[0]])


def _check_generated(database: Database, option: str) -> None:
    """Raise InvalidInput for options that the operator would ignore: it chooses its own for a database that it runs."""
    for name in ("host", "host_address", "name", "username", "port", "password", "password_secret", "tls"):
        if database.generate and getattr(database, name) is not None:
            why = "the operator sets it for a database that it runs: model_registry, with the account modelregistry"
            raise InvalidInput(f"{option}.{name}", why, "Leave it out.")
    if database.image and (database.host or database.host_address or database.generate is False):
        why = "it is only for a database that the operator runs"
        raise InvalidInput(f"{option}.image", why, f"Leave it out, or set {option}.generate to true.")


def _check_cipher(tls: Tls, database_type: str | None, option: str) -> None:
    """Raise InvalidInput for cipher suites with which the registry server does not start (its internal/tls package)."""
    if tls.cipher is None:
        return
    if database_type == "postgres":
        why = "it is for MySQL, and the database is PostgreSQL, whose driver chooses by itself"
        raise InvalidInput(option, why, "Leave it out.")
    if tls.cipher and tls.enabled is False:
        raise InvalidInput(option, "cipher suites encrypt, and tls.enabled is false", "Leave one of the two out.")
    wrong = [name for name in tls.cipher.split(":") if tls.cipher and not re.fullmatch(CIPHER, name)]
    if wrong:
        why = f"{quoted(wrong[0])} is not a cipher suite of the registry server"
        step = "Give Go's names, with colons between them, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256."
        raise InvalidInput(option, why, step)


def _is_no_address(host: str) -> bool:
    """Return whether a host has the form of an address but is not one."""
    is_in_form = host.startswith("[") or re.fullmatch(r"[0-9.]+\.[0-9]+", host)
    return bool(is_in_form) and address_of(host) is None


def _check_place(database: Database, option: str) -> None:
    if database.host is not None and (not re.fullmatch(HOST, database.host) or _is_no_address(database.host)):
        why = f"{quoted(database.host)} is not a host name or address"
        step = "Give the bare name, such as mysql.databases.svc.cluster.local; the port has its own option."
        raise InvalidInput(f"{option}.host", why, step)
    if database.host is not None and (why := overlong(database.host)):
        raise InvalidInput(f"{option}.host", why, "Give the server's right name.")
    _port(database.port, f"{option}.port")
    if database.host_address is not None:
        address = address_of(database.host_address)
        if address is None or "[" in database.host_address:
            why = f"{quoted(database.host_address)} is not an IP address"
            raise InvalidInput(f"{option}.host_address", why, f"Give a name with {option}.host instead.")
        if address.version == 6:
            why = "the operator writes an IPv6 address into a URL without brackets, which makes the port a part of it"
            raise InvalidInput(
                f"{option}.host_address", why, f"Give it in brackets, as in [fd00::1], with {option}.host."
            )


def check_for_type(database: Database, option: str = "database") -> None:
    """Raise InvalidInput if values cannot be right for a database of that type.

    If the type is not set, it is that of an existing registry. Then only the rules for every type are checked here, and
    the rest by another call once the type is known.
    """
    if database.generate and database.type == "mysql":
        why = "only a PostgreSQL server can be run by the operator"
        raise InvalidInput(f"{option}.generate", why, f"Set {option}.type to postgres, or leave generate out.")
    _check_postgres_only(database, option)
    _check_generated(database, option)
    longest = LONGEST_DATABASE_NAME.get(database.type or "", max(LONGEST_DATABASE_NAME.values()))
    _check_in_url(f"{option}.name", database.name, longest, database.type)
    if database.type == "mysql" and (database.name or "").lower() in SYSTEM_DATABASES:
        why = f"{database.name} is the server's own database"
        raise InvalidInput(f"{option}.name", why, "Give one that only the registry uses.")
    _check_in_url(f"{option}.username", database.username, LONGEST_USERNAME, database.type)
    if database.password is not None:
        _check_password(f"{option}.password", database.password, database.type)
    if database.tls is not None:
        _check_tls(database.tls, database.type, f"{option}.tls")
        _check_cipher(database.tls, database.type, f"{option}.tls.cipher")


def _check_in_url(option: str, value: str | None, longest: int, database_type: str | None) -> None:
    """Raise InvalidInput for a name that breaks the connection string, into which the operator writes it unescaped."""
    if value is None:
        return
    _check_line(option, value)
    if len(value) > longest:
        raise InvalidInput(option, f"it has {len(value)} characters and {longest} is the most", "Use a shorter one.")
    expanded = re.search(EXPANDED, value)
    if expanded:
        why = f"it contains {expanded[0]}, which Kubernetes expands in the registry server's arguments"
        raise InvalidInput(option, why, "Choose one without it.")
    if re.search(NOT_IN_YAML, value):
        why = (
            "it contains a line separator or control character, which breaks the operator's template of the Deployment"
        )
        raise InvalidInput(option, why, "Remove it.")
    cut = re.search(CUT, value)
    if cut:
        why = f"it contains {cut[0]!r}, and the model registry operator splits the registry server's arguments there"
        raise InvalidInput(option, why, "Choose one without it.")
    part = option.rpartition(".")[2]
    breaking = f"[^{IN_URL}]" if database_type == "postgres" else f"[{BREAKS_MYSQL[part]}]"
    bad = re.search(breaking, value)
    if bad:
        why = f"{quoted(value)} contains {bad[0]!r}, which breaks the registry server's connection string"
        raise InvalidInput(option, why, "Use one of letters, digits, dashes and underscores.")
    if "?" in value:
        why = f"{quoted(value)} contains '?', and registry servers from {QUESTION_MARK} on do not start with that"
        raise InvalidInput(option, why, "Use one without it.")


def _check_password(option: str, password: str, database_type: str | None) -> None:
    """Raise InvalidInput for an unusable password, without quoting it or any character that is not named here."""
    if not password:
        raise InvalidInput(option, "it is empty", "Leave it out to keep the password as it is, or give one.")
    _check_single(option, password)
    if len(password) > LONGEST_PASSWORD:
        why = f"it has {len(password)} characters and {LONGEST_PASSWORD} is the most"
        raise InvalidInput(option, why, "Check what the variable holds: it may be a whole file.")
    if re.search(r"[\x00-\x1f\x7f]", password):
        why = "it contains a line break or another control character"
        raise InvalidInput(option, why, "Remove it: it is often the line break at the end of a file.")
    if database_type == "postgres" and breaks_url(password):
        raise InvalidInput(option, f"{URL_WHY}, and it contains a character that is not allowed there", URL_STEP)


def breaks_url(password: str) -> bool:
    """Return whether a PostgreSQL password has a character that must not be in a URL unescaped."""
    return re.search(f"[^{IN_URL}]", password) is not None


def _tls(params: Params, now: datetime, option: str) -> Tls:
    pem = params["ca_pem"]
    return Tls(
        enabled=params["enabled"],
        ca=_ca(params, option),
        ca_pem=None if pem is None else read_ca_pem(pem, now, f"{option}.ca_pem"),
        verify=params["verify"],
        client_certificate=_mounted(params["client_certificate_secret"], f"{option}.client_certificate_secret"),
        client_key=_mounted(params["client_key_secret"], f"{option}.client_key_secret"),
        mode=params["mode"],
        cipher=params.get("cipher"),
    )


def _ca(params: Params, option: str) -> CaSource | None:
    if params["ca_bundle"] is not None:
        return CaSource("ConfigMap", KeyRef(CA_BUNDLE, CA_BUNDLE_KEYS[params["ca_bundle"]]))
    for name, kind in (("ca_config_map", "ConfigMap"), ("ca_secret", "Secret")):
        ref = _mounted(params[name], f"{option}.{name}")
        if ref is not None:
            return CaSource(kind, ref)
    return None


def _check_tls(tls: Tls, database_type: str | None, option: str) -> None:
    given = [tls.ca, tls.ca_pem, tls.client_certificate]
    if tls.enabled is False and (tls.verify or any(value is not None for value in given)):
        why = "it is false, but certificates or verify are given"
        raise InvalidInput(f"{option}.enabled", why, "Leave enabled out, or give it alone to connect in plain text.")
    if tls.mode is not None and database_type == "mysql":
        why = "it is for PostgreSQL, and the database is MySQL"
        raise InvalidInput(f"{option}.mode", why, "Use verify for MySQL, or set database.type to postgres.")
    if tls.mode is not None and tls.verify is not None:
        why = "verify means the same"
        raise InvalidInput(f"{option}.mode", why, "Give mode alone: verify stands for verify-full.")
    if tls.mode == "disable" and any(value is not None for value in given):
        why = "disable means plain text, but certificates are given"
        raise InvalidInput(f"{option}.mode", why, "Leave mode out, or give it alone.")
    if tls.mode == "disable" and tls.enabled:
        why = "disable means plain text, but enabled is true"
        raise InvalidInput(f"{option}.mode", why, "Leave one of the two out.")
    if tls.enabled is False and tls.mode not in (None, "disable"):
        why = f"it is false, and mode is {tls.mode}"
        raise InvalidInput(f"{option}.enabled", why, "Leave enabled out, or give it alone to connect in plain text.")


def _key_ref(params: Params | None, option: str) -> KeyRef | None:
    if params is None:
        return None
    for part, pattern in (("name", OBJECT_NAME), ("key", DATA_KEY)):
        if len(params[part]) > 253 or not re.fullmatch(pattern, params[part]):
            why = f"{quoted(params[part])} cannot be one"
            step = "Give the name of an object in the registries namespace and of a key in its data."
            raise InvalidInput(f"{option}.{part}", why, step)
    return KeyRef(params["name"], params["key"])


def _mounted(params: Params | None, option: str) -> KeyRef | None:
    """Return the key of an object that the operator mounts: it writes the object's name into YAML without quotes."""
    ref = _key_ref(params, option)
    if ref is None:
        return None
    is_same_number = re.fullmatch(r"0|[1-9][0-9]{0,15}", ref.name)
    if ref.name in YAML_WORDS or (re.fullmatch(YAML_NUMBER, ref.name) and not is_same_number):
        why = f"{quoted(ref.name)} is a word or number of YAML, and the model registry operator reads it as that"
        raise InvalidInput(f"{option}.name", why, "Copy the object to one with another name.")
    return ref


def _check_line(option: str, text: str) -> None:
    if not text.strip():
        raise InvalidInput(option, "it is empty", "Leave it out to keep it as it is, or give a text.")
    _check_single(option, text)
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise InvalidInput(option, "it contains a line break or another control character", "Remove it.")


def _check_single(option: str, text: str) -> None:
    """Raise InvalidInput for a list or a dictionary, which Ansible converts to its Python text if a string is expected.

    The text is parsed and written again rather than matched: that takes linear time. Text that was read from invalid UTF-8
    is refused, too: the API server would store a different text.
    """
    if re.search(r"[\ud800-\udfff]", text):
        raise InvalidInput(option, "it is not text in UTF-8", "Check the encoding of the variable's source.")
    if f"{text[:1]}{text[-1:]}" not in ("[]", "{}"):
        return
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return
    if repr(value) == text:
        what = "dictionary" if isinstance(value, dict) else "list"
        raise InvalidInput(option, f"it is a {what}, not a text", "Give a single value: check what the variable holds.")


def check_encryption(given: Tls | None, merged: Database, option: str = "database.tls") -> None:
    """Raise InvalidInput if options request TLS but the registry would connect in plain text, or the reverse.

    given: the options. merged: the resulting database, with the values of an existing registry. An empty ``tls`` requests
    TLS, too: a user who wants none leaves it out or sets ``enabled: false``.
    """
    if given is None or given.enabled is False:
        return
    tls = merged.tls or Tls()
    has_authority = bool(tls.ca or tls.ca_pem)
    if given.mode == "disable":
        if has_authority:
            why = "the registry has a certificate authority, and with one the registry server always encrypts"
            raise InvalidInput(f"{option}.mode", why, "Give enabled: false instead of mode.")
        return
    # PostgreSQL gets a client certificate only with an sslmode that encrypts, and the API's default is disable.
    has_certificate = bool(tls.client_certificate) and merged.type != "postgres"
    if has_authority or has_certificate or tls.verify or tls.cipher:
        return
    if merged.type == "mysql":
        why = "with nothing else in it, a registry connects to MySQL in plain text"
        raise InvalidInput(option, why, _ENCRYPTS)
    if not (tls.enabled or tls.verify is False or tls.mode not in (None, "disable")):
        why = "with nothing else in it, a registry connects to PostgreSQL in plain text"
        step = "Give a certificate authority, enabled: true or mode. For plain text leave tls out."
        raise InvalidInput(option, why, step)
