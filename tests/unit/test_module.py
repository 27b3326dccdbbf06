# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules end: without the client library, with an unforeseen error, with and without a diff."""

from __future__ import annotations

import sys
from typing import Any, cast

import kubernetes
import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils import _module


class Ended(Exception):
    """The module ended, with a result."""


class Module:
    """Options, and where a module ends."""

    def __init__(self, diff: bool = False) -> None:
        self.params: dict[str, Any] = {"wait_timeout": 1}
        self.argument_spec: dict[str, Any] = {}
        self.no_log_values: set[str] = set()
        self._diff = diff

    def fail_json(self, **result: Any) -> None:
        raise Ended({"failed": True, **result})

    def exit_json(self, **result: Any) -> None:
        raise Ended(result)

    def warn(self, text: str) -> None:
        raise AssertionError(text)


def ended(module: Module, work: Any) -> dict[str, Any]:
    """Return the module's result."""
    with pytest.raises(Ended) as caught:
        _module.run_module(cast("Any", module), work)
    result: dict[str, Any] = caught.value.args[0]
    return result


def nothing(_connect: Any, _result: Any) -> None:
    """Do nothing."""


@pytest.mark.parametrize("missing", [True, False])
def test_the_client_library(monkeypatch: pytest.MonkeyPatch, missing: bool) -> None:
    """If it is missing or too old, the error names the interpreter, and what to do in an execution environment."""
    if missing:
        monkeypatch.setattr(_module, "MISSING", "No module named kubernetes")
    else:
        monkeypatch.setattr(kubernetes, "__version__", "12.0.1")
    message = ended(Module(), nothing)["msg"]
    assert sys.executable in message and "kubernetes" in message
    assert "ansible_python_interpreter" in message and "execution environment" in message
    assert missing or "is 12.0.1, and 24.2.0 or newer is needed" in message


@pytest.mark.parametrize("version", ["24.2.0", "31.0.0", "37.0.2"])
def test_good_versions(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Numbers are compared, not texts."""
    monkeypatch.setattr(kubernetes, "__version__", version)
    assert "failed" not in ended(Module(), nothing)


def test_a_defect_can_be_reported() -> None:
    """By frames and types, also of the errors behind it; it shows no value and no line of code."""

    def fail(_connect: Any, _result: Any) -> None:
        password = "canary-value"
        try:
            raise KeyError(password)
        except KeyError as error:
            raise ValueError(f"canary {password}") from error

    result = ended(Module(), fail)
    assert "Unexpected ValueError at test_module.py:" in result["msg"]
    assert "KeyError" in result["exception"] and "ValueError" in result["exception"]
    assert f"{__file__}:" in result["exception"] and "in fail" in result["exception"]
    assert "canary" not in str(result)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_diff_is_returned_if_it_is_asked_for(wanted: bool) -> None:
    """It is as long as its subject."""

    def work(_connect: Any, result: dict[str, Any]) -> None:
        result["diff"] = [{"before": "", "after": "x"}]

    assert ("diff" in ended(Module(diff=wanted), work)) == wanted


def test_a_token_in_the_environment_that_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are in it as lone surrogates, which cannot be encoded."""
    monkeypatch.setenv("K8S_AUTH_API_KEY", "\udcff-secret")
    assert "failed" not in ended(Module(), nothing)
