# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each playbook asks: its variables, what they may be, and the option of its role that each is for.

The tables of variables in docs, and surveys, are held to this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["DATABASE_PASSWORD", "PLAYBOOKS", "Need", "Playbook", "Question", "question"]

DATABASE_PASSWORD = "MODEL_REGISTRY_DATABASE_PASSWORD"  # noqa: S105 # the name of an environment variable
ADMIN_PASSWORD = "MODEL_REGISTRY_ADMIN_PASSWORD"  # noqa: S105


@dataclass(frozen=True)
class Need:
    """What must be given beside a variable."""

    variable: str
    values: tuple[str, ...] = ()
    """The other variable must have one of these; empty: any."""
    when: tuple[str, ...] = ()
    """It is only needed if the variable itself has one of these; empty: always."""


@dataclass(frozen=True)
class Question:
    """A variable of a playbook."""

    variable: str
    kind: str = "text"
    """text, boolean, integer, choice, names, accounts or secret."""
    option: str = ""
    """The role's option that it is for, with dots; in braces, the answer to another question. Empty: it is for none."""
    choices: tuple[str, ...] = ()
    """What a choice, or each of the names, can be."""
    places: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    """Of a choice: the option that a value is for, and what it is there, if that is not the question's."""
    needs: tuple[Need, ...] = ()
    excludes: tuple[str, ...] = ()
    """Variables that cannot be given beside it."""
    default: tuple[str, str] | None = None
    """Another variable, and what is answered here if only that one is given."""
    env: str = ""
    """The environment variable that a secret is taken from."""
    pattern: str = ""
    """A regular expression for the whole of a text."""
    pattern_text: str = ""
    """What it stands for, in words."""
    reserved: tuple[str, ...] = ()
    """Texts that it cannot be, in any case of their letters: the server's own."""


@dataclass(frozen=True)
class Playbook:
    """A playbook, and the role that it runs."""

    name: str
    role: str
    """Empty: it has tasks of its own."""
    questions: tuple[Question, ...]
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    """At least one of these must be given."""
    one_of_step: str = ""
    job: str = ""
    """What is done to the registry; empty: the variable job says it."""
    collection: str = ""
    """A module of a collection that it needs, and that may not be installed."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the names of its variables."""
        return tuple(asked.variable for asked in self.questions)


def question(playbook: Playbook, variable: str) -> Question:
    """Return a question of a playbook."""
    return next(asked for asked in playbook.questions if asked.variable == variable)


def _both(first: str, second: str) -> dict[str, tuple[Need, ...]]:
    return {first: (Need(second),), second: (Need(first),)}


def _secret_key(prefix: str, option: str, key: str, beside: str) -> Iterable[Question]:
    """Yield the questions about a Secret, and a key in it that has a default. Of a certificate and its key, both are needed."""
    name = f"{prefix}_secret_name"
    yield Question(name, option=f"{option}.name", needs=(Need(f"{beside}_secret_name"),))
    yield Question(f"{prefix}_secret_key", option=f"{option}.key", needs=(Need(name),), default=(name, key))


HOSTS = Question("registry_hosts")
NAME = Question("registry_name", option="name")
DISPLAY_NAME = Question("display_name", option="display_name")
DESCRIPTION = Question("description", option="description")
NAMESPACE = Question("registries_namespace", option="namespace")

PASSWORD_SECRET = _both("database_password_secret_name", "database_password_secret_key")
AUTHORITY = ("cluster", "openshift_ai", "config_map", "secret", "pem", "none")
OF_OBJECT = ("config_map", "secret")
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
DATABASE = (
    Question("database_type", "choice", "database.type", choices=("mysql", "postgres")),
    Question("database_host", option="database.host", excludes=("database_host_address",)),
    Question("database_host_address", option="database.host_address"),
    Question("database_port", "integer", "database.port"),
    Question("database_name", option="database.name"),
    Question("database_username", option="database.username"),
    Question(
        "database_password",
        "secret",
        "database.password",
        excludes=("database_password_secret_name",),
        env=DATABASE_PASSWORD,
    ),
    *(
        Question(variable, option=f"database.password_secret.{variable.rpartition('_')[2]}", needs=needs)
        for variable, needs in PASSWORD_SECRET.items()
    ),
    Question("database_generate", "boolean", "database.generate"),
    Question("database_image", option="database.image"),
    Question(
        "ca_source",
        "choice",
        choices=AUTHORITY,
        places={
            "cluster": ("database.tls.ca_bundle", "cluster"),
            "openshift_ai": ("database.tls.ca_bundle", "openshift_ai"),
            "none": ("database.tls.enabled", False),
        },
        needs=(
            Need("ca_name", when=OF_OBJECT),
            Need("ca_key", when=OF_OBJECT),
            Need("ca_pem", when=("pem",)),
        ),
    ),
    Question("ca_name", option="database.tls.ca_{ca_source}.name", needs=(Need("ca_source", OF_OBJECT),)),
    Question("ca_key", option="database.tls.ca_{ca_source}.key", needs=(Need("ca_source", OF_OBJECT),)),
    Question("ca_pem", option="database.tls.ca_pem", needs=(Need("ca_source", ("pem",)),)),
    Question("database_verify", "boolean", "database.tls.verify"),
    Question("database_tls_mode", "choice", "database.tls.mode", choices=MODES),
    Question("database_tls_cipher", option="database.tls.cipher"),
    *_secret_key("client_certificate", "database.tls.client_certificate_secret", "tls.crt", "client_key"),
    *_secret_key("client_key", "database.tls.client_key_secret", "tls.key", "client_certificate"),
)
PROXY = (
    Question("auth_proxy", "choice", "auth_proxy", choices=("auto", "kube_rbac", "oauth", "istio", "none")),
    Question("auth_proxy_image", option="auth_proxy_settings.image"),
    Question("auth_proxy_port", "integer", "auth_proxy_settings.port"),
    Question("auth_proxy_service_route", "boolean", "auth_proxy_settings.service_route"),
    Question("auth_proxy_domain", option="auth_proxy_settings.domain"),
    Question("auth_proxy_route_port", "integer", "auth_proxy_settings.route_port"),
    *_secret_key("auth_proxy_certificate", "auth_proxy_settings.certificate_secret", "tls.crt", "auth_proxy_key"),
    *_secret_key("auth_proxy_key", "auth_proxy_settings.key_secret", "tls.key", "auth_proxy_certificate"),
)
PATH = (
    Question(
        "database_via",
        "choice",
        "via",
        choices=("auto", "direct", "port_forward", "relay"),
        needs=(Need("relay_image", when=("relay",)),),
    ),
    Question("relay_image", option="relay_image"),
)
FAILING = (Question("fail_on", "names", "fail_on"), Question("accept", "names", "accept"))
"""Severities and codes of findings. The check itself knows which there are."""
REGISTRY = (
    HOSTS,
    NAME,
    DISPLAY_NAME,
    DESCRIPTION,
    NAMESPACE,
    *DATABASE,
    *PROXY,
    Question("registry_image", option="image"),
    *PATH,
    Question("preflight", "boolean", "preflight"),
    *FAILING,
)
ROTATE = Question("rotate_password", "boolean", needs=(Need("database_password", when=("true",)),))
CLEARED = (
    "description",
    "registry_image",
    "database_image",
    "database_tls_cipher",
    "auth_proxy_image",
    "auth_proxy_domain",
)
"""What an empty text takes away in the roles. In the playbooks it means that nothing is answered."""
CLEAR = Question("clear", "names", choices=CLEARED)

LISTS = ("access_users", "access_groups", "access_projects", "access_service_accounts", "access_members")
GRANT = (
    HOSTS,
    replace(NAME, option="registry"),
    NAMESPACE,
    *(
        Question(variable, "accounts" if variable == "access_service_accounts" else "names", variable[len("access_") :])
        for variable in LISTS
    ),
    Question("access_state", "choice", "state", choices=("present", "absent", "exact")),
    Question("access_adopt", "boolean", "adopt"),
    Question("access_must_exist", "boolean", "must_exist"),
    Question("access_verify", "boolean", "verify"),
)
TEARDOWN = (
    HOSTS,
    NAME,
    Question("confirm_name", option="confirm"),
    NAMESPACE,
    Question("save_permissions", option="save_permissions"),
    Question("ignore_inference_services", "boolean", "ignore_inference_services"),
    Question("delete_generated_data", "boolean", "delete_generated_data"),
)
PREFLIGHT = (
    HOSTS,
    Question("job", "choice", "job", choices=("create", "update", "teardown", "grant")),
    NAME,
    DISPLAY_NAME,
    NAMESPACE,
    *DATABASE,
    *PROXY,
    *PATH,
    ROTATE,
    *FAILING,
)
PREPARE = (
    HOSTS,
    Question(
        "database_name",
        option="name",
        pattern="[A-Za-z0-9_-]{1,64}",
        pattern_text="at most 64 letters, digits, dashes and underscores",
        reserved=("mysql", "sys", "information_schema", "performance_schema"),
    ),
    Question(
        "database_username",
        option="account",
        pattern="[A-Za-z0-9_.@-]{1,32}",
        pattern_text="at most 32 letters, digits, dashes, underscores, dots and @",
        reserved=("root", "mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys"),
    ),
    Question("database_password", "secret", "password", env=DATABASE_PASSWORD),
    Question(
        "database_account_host",
        option="account_host",
        pattern="[A-Za-z0-9_.:/%-]{1,255}",
        pattern_text="at most 255 letters, digits, dashes, underscores, dots, colons, slashes and percent signs",
    ),
    Question(
        "database_plugin",
        option="plugin",
        pattern="[A-Za-z0-9_]{1,64}",
        pattern_text="at most 64 letters, digits and underscores",
    ),
    Question("database_require_tls", "boolean", "require_tls"),
    Question("database_host", option="host"),
    Question("admin_host", option="admin_host"),
    Question("admin_port", "integer", "admin_port"),
    Question("admin_username", option="admin_username"),
    Question("admin_password", "secret", "admin_password", env=ADMIN_PASSWORD),
    Question("admin_ca_file", option="admin_ca_file"),
)

INFO = (HOSTS, NAME, NAMESPACE, Question("info_query", option="query"))
EXPORT = (HOSTS, NAME, NAMESPACE, Question("export_to", option="export_to"))

PLAYBOOKS = {
    book.name: book
    for book in (
        Playbook(
            "create",
            "create",
            (*REGISTRY, ROTATE),
            one_of=("registry_name", "display_name"),
            one_of_step="Give registry_name, or a display_name to derive it from.",
            job="create",
        ),
        Playbook("update", "update", (*REGISTRY, ROTATE, CLEAR), required=("registry_name",), job="update"),
        Playbook(
            "grant",
            "grant",
            GRANT,
            required=("registry_name",),
            one_of=LISTS,
            one_of_step="Name those who are meant.",
            job="grant",
        ),
        Playbook("teardown", "teardown", TEARDOWN, required=("registry_name",), job="teardown"),
        Playbook(
            "preflight",
            "preflight",
            PREFLIGHT,
            one_of=("registry_name", "display_name"),
            one_of_step="Give registry_name, or a display_name to derive it from.",
        ),
        Playbook(
            "prepare_database",
            "",
            PREPARE,
            required=("database_name", "database_username", "database_password"),
            one_of=("admin_host", "database_host"),
            one_of_step="Give database_host, or admin_host if the server is reached otherwise from here.",
            job="create",
            collection="ansible.mysql.mysql_info",
        ),
        Playbook("info", "", INFO),
        Playbook("export", "", EXPORT, required=("registry_name",)),
    )
}
