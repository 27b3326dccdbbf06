# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where modules end: options in, result or error out, and nothing secret in either."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

from ._argspec import check_ranges
from ._cluster import MISSING, Cluster, connected
from ._core.errors import RegistryError
from ._core.names import check_namespace
from ._core.params import check_numbers
from ._core.printable import printable_message

__all__ = ["Connect", "Result", "run_module"]

Result = dict[str, Any]
Connect = Callable[[], Cluster]
"""Opens the way to the cluster, once a module knows that its options make sense."""
SECRET_FIELDS = ("token", "password", "client-key-data", "client-certificate-data", "access-token", "refresh-token")
"""Of a kubeconfig that is given as a dict."""


def run_module(module: AnsibleModule, work: Callable[[Connect, Result], None]) -> None:
    """Do the module's work on the cluster of its authentication options, and end the module.

    work fills the result as it goes: what has been done before an error is reported with it.
    """
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=MISSING)
    module.no_log_values.update(_kubeconfig_secrets(module.params.get("kubeconfig")))
    result: Result = {"changed": False}
    try:
        check_numbers(module.argument_spec, module.params)
        check_namespace(module.params.get("namespace"))
        check_ranges(module.params)
        work(lambda: connected({name: module.params[name] for name in AUTH_ARG_SPEC}), result)
    except RegistryError as error:
        module.fail_json(msg=printable_message(str(error)), **_end(module, result))
    except Exception as error:
        module.fail_json(msg=_unexpected(error), **_end(module, result))
    module.exit_json(**_end(module, result))


def _end(module: AnsibleModule, result: Result) -> Result:
    for warning in result.pop("warnings", ()):
        module.warn(printable_message(warning))
    return result


def _unexpected(error: Exception) -> str:
    """What escaped and where. Its own text is left out: it can quote anything, a password too."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " <- ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return f"Unexpected {type(error).__name__} at {place}. This is a defect of the collection: please report it."


def _kubeconfig_secrets(config: Any) -> set[str]:
    if isinstance(config, dict):
        own = {value for name, value in config.items() if name in SECRET_FIELDS and isinstance(value, str)}
        return own.union(*(_kubeconfig_secrets(value) for value in config.values()))
    if isinstance(config, list):
        return set().union(*(_kubeconfig_secrets(value) for value in config))
    return set()
