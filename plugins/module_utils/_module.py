# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place in which modules end: options in, result or error out, and nothing secret in either."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

from ._argspec import check_ranges
from ._common.errors import InvalidInput, RegistryError
from ._common.names import check_namespace
from ._common.text import printable_message
from ._kubernetes.authentication import given, secrets_in, user_info
from ._kubernetes.client import Cluster
from ._kubernetes.login import MISSING, OLDEST_CLIENT, client_version, connected
from ._kubernetes.sealed import forms, hidden
from ._registry.options import check_numbers

__all__ = ["ALLOWANCE", "Connect", "Result", "run_module"]

Result = dict[str, Any]
Connect = Callable[[], Cluster]
"""Connects to the cluster, once a module knows that its options make sense."""
ALLOWANCE = 10
"""Seconds that a run may take beyond wait_timeout, before and after the wait."""
LONGEST_RUN = 600
"""Seconds for a run of a module without wait_timeout, beyond its other time-outs."""
INSTALL = (
    "Install it for this interpreter, or choose another with ansible_python_interpreter; in an execution environment, "
    "build it with the collection's meta/execution-environment.yml."
)


def run_module(module: AnsibleModule, work: Callable[[Connect, Result], None]) -> None:
    """Do the module's work on the cluster that its authentication options choose, and end the module.

    work fills the result as it proceeds, so an error is reported with what was done before it.
    """
    began = time.monotonic()
    _check_library(module)
    module.no_log_values.update(
        form for secret in _secrets(module.params) for form in forms(secret.encode(errors="replace"))
    )
    result: Result = {"changed": False}
    try:
        check_numbers(module.argument_spec, module.params)
        check_namespace(module.params.get("namespace"))
        check_ranges(module.params)
        until = began + _seconds(module.params)
        work(lambda: _connected(module.params, until), result)
    except RegistryError as error:
        module.fail_json(msg=printable_message(str(_as_typed(module, error))), **_end(module, result))
    except Exception as error:
        module.fail_json(msg=_unexpected(error), exception=_trace(error), **_end(module, result))
    module.exit_json(**_end(module, result))


def _check_library(module: AnsibleModule) -> None:
    """Fail if the client library is not installed for this interpreter, or is too old."""
    if MISSING is not None:
        module.fail_json(msg=f"{missing_required_lib('kubernetes')} {INSTALL}", exception=MISSING)
    version = client_version()
    if version is not None:
        why = f"the Python package kubernetes of {sys.executable} is {version}, and {OLDEST_CLIENT} or newer is needed"
        module.fail_json(msg=f"kubernetes: {why}. {INSTALL}")


def _seconds(params: dict[str, Any]) -> float:
    """Return how long the whole run may take."""
    if "wait_timeout" in params:
        return float(params["wait_timeout"] + ALLOWANCE)
    return float(LONGEST_RUN + sum(params.get(name) or 0 for name in ("relay_timeout", "connect_timeout")))


def _connected(params: dict[str, Any], until: float) -> Cluster:
    """Return the cluster. Errors hide whatever they could quote of a kubeconfig that is given as a dict."""
    config = given(params.get("kubeconfig"))
    try:
        return connected({name: given(params[name]) for name in AUTH_ARG_SPEC}, until)
    except RegistryError as error:
        quotable = {text.encode(errors="replace") for text, _always in secrets_in(config) if len(text) > SHORTEST}
        raise RegistryError(error.what, hidden(error.why, quotable), error.next_step) from None


SHORTEST = 3
"""Characters: a text of at most this length can be part of any word."""


def _secrets(params: dict[str, Any]) -> Iterator[str]:
    """Yield the secrets among the authentication options and their environment variables, wherever they may be quoted."""
    yield from (text for text, always in secrets_in(given(params.get("kubeconfig"))) if always and text)
    names = [f"K8S_AUTH_{name}" for name in ("API_KEY", "PASSWORD", "PROXY_HEADERS_BASIC_AUTH")]
    names.append("K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH")
    proxies = params.get("proxy_headers") or {}
    options = (
        params.get("api_key"),
        params.get("password"),
        proxies.get("basic_auth"),
        proxies.get("proxy_basic_auth"),
    )
    yield from (value for value in (*options, *map(os.environ.get, names)) if value)
    for url in ("host", "proxy"):
        for value in (given(params.get(url)), os.environ.get(f"K8S_AUTH_{url.upper()}")):
            yield from user_info(value or "")


def _as_typed(module: AnsibleModule, error: RegistryError) -> RegistryError:
    """Return the error, about the alias if the user has given an option by it."""
    option = module.argument_spec.get(error.what, {}) if isinstance(error, InvalidInput) else {}
    typed = next((alias for alias in option.get("aliases", ()) if alias in module.params), None)
    return InvalidInput(typed, error.why, error.next_step) if typed else error


def _end(module: AnsibleModule, result: Result) -> Result:
    for warning in result.pop("warnings", ()):
        module.warn(printable_message(warning))
    # Ansible documents it, but it has no public name.
    if not getattr(module, "_diff", False):
        result.pop("diff", None)
    return result


def _unexpected(error: Exception) -> str:
    """Return the type and place of an unexpected error. Its text is left out: it can quote anything, even a password."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " <- ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return f"Unexpected {type(error).__name__} at {place}. This is a defect of the collection: please report it."


def _trace(error: BaseException) -> str:
    """Return the traceback, with the errors behind it, as frames and types alone: no line of code and no value."""
    frames = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    lines = "\n".join([f"{type(error).__name__}, the last call at the end:", *(f"  {frame}" for frame in frames)])
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{_trace(cause)}\nthen\n{lines}" if cause else lines
