# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module model_registry with one set of options after the other, each in a process forked once all is loaded.

Run as `python refusals.py FILE USER`, it checks that it is that user, reads a list of options as JSON from the file,
and writes a line with the module's result for each. A task of a playbook takes a second to load what is loaded here
once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def _result(options: dict[str, Any]) -> str:
    """Return the module's result, as a line of JSON."""
    from ansible.module_utils import basic
    from ansible_collections.opendatahub.model_registry.plugins.modules import model_registry

    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(theirs, sys.stdout.fileno())
        # As the wrapper around a module leaves them; ansible-core before 2.19 knows no profile.
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()  # noqa: SLF001
        basic._ANSIBLE_PROFILE = "legacy"  # noqa: SLF001
        try:
            model_registry.main()
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as source:
        text = source.read()
    os.waitpid(pid, 0)
    return json.dumps(json.loads(text))


def main() -> None:
    """Run what the file says."""
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
    from identity import expect_user

    file, user = sys.argv[1:]
    # In processes of their own, too: two processes cannot share one TLS connection.
    identity = os.fork()
    if not identity:
        expect_user(Cluster(get_api_client()), user)
        os._exit(0)
    assert os.waitpid(identity, 0)[1] == 0
    for options in json.loads(Path(file).read_text()):
        print(_result(options), flush=True)


if __name__ == "__main__":
    main()
