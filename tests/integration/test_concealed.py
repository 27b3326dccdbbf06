# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets among the authentication options: no module output contains them, however the task ends."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest
from modules import Task, run

COUNTER = itertools.count()
CLOSED = "127.0.0.1:1"


def canary() -> str:
    """Return a secret that is unlike any other."""
    return f"canary{next(COUNTER)}"


def kubeconfig() -> dict[str, Any]:
    """Return a kubeconfig with a secret in every place that can hold one."""
    provider = {"name": "oidc", "config": {"id-token": canary(), "client-secret": canary(), "other": canary()}}
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "no-such-plugin",
        "args": ["get-token", f"--password={canary()}", canary()],
        "env": [{"name": "TOKEN", "value": canary()}],
        "installHint": canary(),
    }
    user = {
        "token": canary(),
        "password": canary(),
        "client-key-data": base64.b64encode(canary().encode()).decode(),
        "as-user-extra": {"reason": [canary()]},
        "exec": command,
        "auth-provider": provider,
        "unknown": {"deep": [{"er": canary()}]},
    }
    cluster = {
        "server": f"https://user:{canary()}@{CLOSED}",
        "proxy-url": f"http://user:{canary()}@{CLOSED}",
        "extensions": [{"name": "x", "extension": {"secret": canary()}}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "known-cluster", "cluster": cluster}],
        "users": [{"name": "known-user", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "known-cluster", "user": "known-user"}}],
        "current-context": "c",
        "preferences": {"x": canary()},
    }


URLS: dict[str, Any] = {
    "host": f"https://user:{canary()}@{CLOSED}",
    "proxy": f"http://user:{canary()}@{CLOSED}",
    "api_key": canary(),
    "proxy_headers": {"basic_auth": f"u:{canary()}", "proxy_basic_auth": f"u:{canary()}"},
}
KEY = f"-----BEGIN PRIVATE KEY-----\n{canary()}\n-----END PRIVATE KEY-----\n"
TASKS = {
    "kubeconfig": Task("model_registry_info", {"kubeconfig": kubeconfig(), "namespace": "ns"}),
    "refused by its options": Task("model_registry_info", {"kubeconfig": kubeconfig(), **URLS, "unknown": 1}),
    "refused by their types": Task("model_registry_info", {"kubeconfig": kubeconfig(), **URLS, "validate_certs": "x"}),
    "kubeconfig that is none": Task("model_registry_info", {"kubeconfig": {"users": {"a": canary()}, "x": canary()}}),
    "a list of them": Task("model_registry_info", {"kubeconfig": [kubeconfig()]}),
    "its content": Task("model_registry_info", {"kubeconfig": f"apiVersion: v1\nusers:\n- token: {canary()}\n"}),
    "its content as JSON": Task("model_registry_info", {"kubeconfig": f' {{"token": "{canary()}"}}'}),
    "URLs": Task("model_registry_info", {**URLS, "namespace": "ns"}),
    "a URL that is none": Task("model_registry_info", {"host": f"https://u:{canary()}@[::1", "api_key": canary()}),
    "a URL of no scheme": Task("model_registry_info", {"host": f"u:{canary()}@{CLOSED}", "api_key": canary()}),
    "a proxy of no scheme": Task(
        "model_registry_info", {"host": f"http://{CLOSED}", "proxy": f"u:{canary()}@{CLOSED}", "api_key": canary()}
    ),
    "a key": Task("model_registry_info", {"host": f"https://{CLOSED}", "client_key": KEY, "client_cert": "/none"}),
    "a token of two lines": Task("model_registry_info", {"host": f"http://{CLOSED}", "api_key": f"{canary()}\n"}),
    "the environment": Task(
        "model_registry_info",
        {"namespace": "ns"},
        {
            "K8S_AUTH_HOST": URLS["host"],
            "K8S_AUTH_PROXY": URLS["proxy"],
            "K8S_AUTH_API_KEY": canary(),
            "K8S_AUTH_PROXY_HEADERS_BASIC_AUTH": f"u:{canary()}",
        },
    ),
}


def test_no_secret_is_shown() -> None:
    """Not in the result, with its invocation, and not in other output; nor does the module crash."""
    for name, ran in zip(TASKS, run(list(TASKS.values())), strict=True):
        print(f"{name}: {ran.message}")
        assert ran.result.get("failed") and ran.message, name
        assert "canary" not in ran.text, (name, ran.text)
        assert base64.b64encode(b"canary").decode()[:7] not in ran.text, (name, ran.text)
        assert "defect" not in ran.text and "Traceback" not in ran.text, (name, ran.text)
        assert "invocation" in ran.result, name


@pytest.mark.parametrize("name", ["kubeconfig", "URLs"])
def test_what_is_harmless_is(name: str) -> None:
    """Cluster and user of the task are still visible."""
    (ran,) = run([TASKS[name]])
    shown = ran.result["invocation"]["module_args"]
    if name == "URLs":
        assert shown["host"] == f"https://{CLOSED}" and shown["proxy"] == f"http://{CLOSED}"
        return
    config = shown["kubeconfig"]
    assert config["clusters"][0]["name"] == "known-cluster" and config["current-context"] == "c"
    assert config["clusters"][0]["cluster"]["server"] == f"https://{CLOSED}"
    command = config["users"][0]["user"]["exec"]
    assert command["command"] == "no-such-plugin" and command["env"][0]["name"] == "TOKEN"
