# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens on the controller around a module of the collection.

What it waits for and its summary are shown, and before that, kubeconfig is found as kubernetes.core does it. The action plugin of
kubernetes.core cannot be used: it adds all arguments to the result as given, including passwords in plain text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.release import __version__

from ..plugin_utils._answers.wording import output_with_variables
from ..plugin_utils._terminal import show, shown_progress

__all__ = ["ActionModule"]

ANSWERS = "registry_answers"
"""What a playbook registers the result of playbook_answers as."""

OLD = tuple(map(int, __version__.split(".")[:2])) < (2, 19)
"""Newer releases of ansible-core print the message of a failed task before its result, as a line of its own."""


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no annotations
    """The action of all modules of the collection: meta/runtime.yml names this plugin for each of them."""

    _supports_async = True
    _is_of_playbook = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        self._is_of_playbook = ANSWERS in variables
        with self._arguments(self._task.args) as arguments, self._progress(variables):
            result.update(
                self._execute_module(
                    module_name=self._task.action,
                    module_args=arguments,
                    task_vars=task_vars,
                    wrap_async=bool(self._task.async_val),
                )
            )
        if not self._task.no_log:
            show(result.get("summary", ()))
            if result.get("failed") and OLD:
                show([f"ERROR: {result.get('msg', '')}"])
        return result

    @contextmanager
    def _progress(self, variables: Mapping[str, Any]) -> Iterator[None]:
        """Show what the module waits for, if it runs on this machine and is waited for itself."""
        given = self._task.environment
        if self._connection.transport != "local" or self._task.async_val or self._task.no_log:
            yield
            return
        with shown_progress(given or [], variables.get("inventory_hostname", "localhost")) as environment:
            self._task.environment = environment
            try:
                yield
            finally:
                self._task.environment = given

    def _parse_returned_data(self, res: dict[str, Any], *arguments: Any) -> Any:
        """Return the module's result, in a playbook of the collection with the variables that its user knows.

        From ansible-core 2.19 on, parsing also records the warnings, so they are changed before.
        """
        known = {**res, "stdout": output_with_variables(res["stdout"])} if self._is_of_playbook else res
        return super()._parse_returned_data(known, *arguments)

    @contextmanager
    def _arguments(self, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the arguments with kubeconfig files found relative to the play or role, and decrypted if they are vaulted."""
        kubeconfig = given.get("kubeconfig")
        if not kubeconfig or not isinstance(kubeconfig, str) or self._connection.transport != "local":
            yield dict(given)
            return
        found = [self._find_needle("files", path) for path in kubeconfig.split(os.pathsep)]
        files = [self._loader.get_real_file(path, decrypt=True) for path in found]
        try:
            if self._task.async_val and files != found:
                why = "a kubeconfig that is encrypted with Ansible Vault is decrypted only for as long as the task runs here"
                raise AnsibleActionFail(f"async: {why}. Leave async out, or give host and api_key.")
            yield {**given, "kubeconfig": os.pathsep.join(files)}
        finally:
            for file in files:
                self._loader.cleanup_tmp_file(file)
