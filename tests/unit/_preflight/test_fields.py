# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight reports on proxy options, before a registry is created or edited."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import Forbidden, Refused
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.model import (
    Database,
    KeyRef,
    Object,
    ProxySettings,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._preflight.gather import (
    Wanted,
    database_to_check,
    keys_read,
    unserved_options,
)

NEWEST = frozenset({"oauthProxy", "kubeRBACProxy", "kubeRBACProxy.port", "oauthProxy.port", "mysql.sslCipher"})
BARE: Object = {"metadata": {"name": "fraud"}, "spec": {}}


class Schema:
    """A cluster that reports its release, and whether it is OpenShift."""

    def __init__(self, fields: frozenset[str] = NEWEST) -> None:
        self._fields = fields

    def version(self) -> str:
        return "v1beta1"

    def spec_fields(self) -> frozenset[str]:
        return self._fields


def wanted(job: str = "create", **given: Any) -> Wanted:
    return Wanted(job, "fraud", None, Database(type="mysql"), **given)


@pytest.mark.parametrize(
    ("asked", "registry", "openshift", "option"),
    [
        (wanted(), None, True, None),
        (wanted(auth_proxy="kube_rbac"), None, False, None),
        (wanted(auth_proxy="istio"), None, True, "auth_proxy"),
        (wanted(proxy=ProxySettings(port=1)), None, True, None),
        (wanted(proxy=ProxySettings(port=1)), None, False, "auth_proxy_settings"),
        (wanted(proxy=ProxySettings(domain="a")), None, True, "auth_proxy_settings.domain"),
        (wanted("update", proxy=ProxySettings(port=1)), BARE, True, "auth_proxy_settings"),
        (wanted("update", auth_proxy="kube_rbac", proxy=ProxySettings(port=1)), BARE, True, None),
        (wanted("teardown", proxy=ProxySettings(port=1)), BARE, True, None),
    ],
)
def test_options_that_the_release_lacks(
    asked: Wanted, registry: Object | None, openshift: bool, option: str | None
) -> None:
    found = unserved_options(cast("Cluster", Schema()), asked, registry, openshift)
    assert [error.what for error in found] == ([option] if option else [])


@pytest.mark.parametrize(
    ("asked", "openshift", "keys"),
    [
        (wanted(), False, []),
        (wanted(auth_proxy="kube_rbac"), True, []),
        (
            wanted(auth_proxy="kube_rbac"),
            False,
            [("fraud-kube-rbac-proxy", "tls.crt", "auth_proxy"), ("fraud-kube-rbac-proxy", "tls.key", "auth_proxy")],
        ),
        (
            wanted(auth_proxy="kube_rbac", proxy=ProxySettings(certificate=KeyRef("a", "c"), key=KeyRef("a", "k"))),
            False,
            [
                ("a", "c", "auth_proxy_settings.certificate_secret"),
                ("a", "k", "auth_proxy_settings.key_secret"),
            ],
        ),
    ],
)
def test_secrets_that_a_proxy_needs(asked: Wanted, openshift: bool, keys: list[tuple[str, str, str]]) -> None:
    """Without OpenShift nothing makes its certificate."""
    found = list(keys_read(asked, None, None, openshift))
    assert [(key.ref.name, key.ref.key, key.option) for key in found] == keys


GIVEN = Database(host="db", name="d", username="u", password="canary")
ON_POSTGRES: Object = {
    "metadata": {"name": "fraud"},
    "spec": {"postgres": {"host": "pg", "database": "d", "username": "u", "passwordSecret": {"name": "s", "key": "k"}}},
}
UNSEEN, CLASH = Forbidden("ModelRegistry fraud", "w", "s"), Refused("ModelRegistry fraud", "w", "s")


@pytest.mark.parametrize(
    ("job", "given", "registry", "unclear", "kind"),
    [
        ("create", GIVEN, None, {}, "mysql"),
        ("update", GIVEN, ON_POSTGRES, {}, "postgres"),
        ("update", replace(GIVEN, type="mysql"), ON_POSTGRES, {}, "mysql"),
        ("update", None, ON_POSTGRES, {}, "postgres"),
        ("update", GIVEN, None, {}, None),
        ("update", GIVEN, UNSEEN, {}, None),
        ("update", replace(GIVEN, type="mysql"), UNSEEN, {}, "mysql"),
        ("update", GIVEN, BARE, {"odd_field": "spec.postgres"}, None),
        ("create", GIVEN, ON_POSTGRES, {"clash": CLASH}, None),
        ("teardown", GIVEN, ON_POSTGRES, {}, None),
    ],
)
def test_the_database_of_a_job(
    job: str, given: Database | None, registry: Any, unclear: dict[str, Any], kind: str | None
) -> None:
    """If a registry cannot be read, its type is not guessed; that of another registry is not checked."""
    how: dict[str, Any] = {"odd_field": None, "clash": None, **unclear}
    database, invalid = database_to_check(Wanted(job, "fraud", None, given), registry, **how)
    assert (database and database.type, invalid) == (kind, ())


def test_a_new_registry_needs_a_database() -> None:
    """As when it is created. Without a name, or with a registry that cannot be read, nothing is known of it."""
    database, (error,) = database_to_check(Wanted("create", "fraud", None, None), None, None, None)
    assert database is None and str(error).startswith("database: a registry needs a database and none is given.")
    for wanted, registry in (
        (Wanted("create", None, None, None), None),
        (Wanted("create", "fraud", None, None), UNSEEN),
        (Wanted("create", "fraud", None, None), ON_POSTGRES),
        (Wanted("update", "fraud", None, None), None),
    ):
        assert database_to_check(wanted, registry, None, None)[1] == ()
