# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Secret passes the door to the cluster without its values, and with its known writers."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import (
    Sealed,
    hidden,
    redacted,
    seal,
    sealed_in,
    unsealed,
)

CANARY = "canary-4711"
ENCODED = base64.b64encode(CANARY.encode()).decode()
SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "one",
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": CANARY,
            "banzaicloud.com/last-applied": json.dumps({"data": {"password": ENCODED}}),
            "example.com/written-by-any-tool": f"was {CANARY}",
            "ansible.opendatahub.io/restart-pending": "never",
            "template.openshift.io/expose-password": "{.data['password']}",
        },
        "managedFields": [
            {
                "manager": "kubectl-edit",
                "operation": "Update",
                "time": "2026-11-23T09:00:00Z",
                "fieldsType": "FieldsV1",
                # No field of a Secret is a list of values today; one that is would be quoted here.
                "fieldsV1": {"f:data": {"f:password": {}, f'v:"{CANARY}"': {}}},
            }
        ],
    },
    "data": {"password": ENCODED},
}


def test_no_value_is_left_and_who_wrote_it_when_is_kept() -> None:
    sealed = seal(SECRET)
    for text in (repr(sealed), json.dumps(redacted(sealed))):
        assert CANARY not in text and ENCODED not in text
    assert sealed["metadata"]["managedFields"] == [
        {
            "manager": "kubectl-edit",
            "operation": "Update",
            "time": "2026-11-23T09:00:00Z",
            "fieldsV1": {"f:data": {}},
        }
    ]
    assert sealed["metadata"]["annotations"] == {
        "ansible.opendatahub.io/restart-pending": "never",
        "template.openshift.io/expose-password": "{.data['password']}",
    }
    assert unsealed(sealed["data"]) == SECRET["data"]


def test_annotations_may_be_null() -> None:
    assert seal({"metadata": {"annotations": None}})["metadata"] == {"annotations": {}}


def test_a_secret_without_metadata_of_that_kind() -> None:
    assert seal({"kind": "Secret", "metadata": {"name": "bare"}}) == {
        "kind": "Secret",
        "metadata": {"name": "bare"},
        "data": {},
    }


@pytest.mark.parametrize("secrets", [(b"registry", b"registry-2024!x"), (b"registry-2024!x", b"registry")])
def test_nothing_is_left_of_a_secret_that_begins_like_another(secrets: tuple[bytes, ...]) -> None:
    assert hidden("denied: registry-2024!x", secrets) == "denied: (hidden)"


NASTY = ("ab'cd12", 'ab"cd12', "ab\\cd12", "ab\tcd12", "ab%cd 12", "p\xe4'ss\u20acwort", "a<b>&c12'")
ECHOES: dict[str, Callable[[str], str]] = {
    "SQL, doubled quotes": lambda text: text.replace("'", "''"),
    "SQL, backslashes": lambda text: text.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"'),
    "shell": shlex.quote,
    "JSON in JSON": lambda text: json.dumps({"applied": json.dumps({"password": text}, ensure_ascii=False)}),
    "ASCII JSON in JSON": lambda text: json.dumps({"applied": json.dumps({"password": text})}),
    "Python's text": repr,
    "Python's bytes": lambda text: repr(text.encode()),
    "a URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "base64 of JSON": lambda text: base64.b64encode(json.dumps({"p": text}).encode()).decode(),
    "base64 of base64": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64 of a Secret": lambda text: base64.b64encode(
        json.dumps({"data": {"p": base64.b64encode(text.encode()).decode()}}).encode()
    ).decode(),
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("secret", NASTY)
def test_a_secret_is_found_however_it_is_quoted(echo: str, secret: str) -> None:
    text = hidden(f"denied {ECHOES[echo](secret)} here", [secret.encode()])
    assert "(hidden)" in text and "cd12" not in text and "c12" not in text


def test_short_secrets_are_hidden_once_and_not_in_numbers() -> None:
    assert hidden("port 3136 of a", [b"1", b"a", b"d", b"h"]) == "port 3(hidden)36 of (hidden)"
    assert hidden("uid 0a61", [b"a"]) == "uid 0(hidden)61"


def test_names_that_the_spec_has_are_no_secrets() -> None:
    """Otherwise an error would be about a user called (hidden)."""
    password = Sealed.of("s3cret")
    data = {"database-name": Sealed.of("fraud"), "database-user": Sealed.of("ml"), "database-password": password}
    assert sealed_in({"kind": "Secret", "data": data}) == {password}
