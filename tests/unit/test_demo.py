# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration shows what is a message, and not what Ansible prints around it."""

from __future__ import annotations

import io

import pytest
from demo import Demo
from terminal import messages

OUTPUT = """
PLAY [Create a model registry] *************************************************

TASK [Read the variables] ******************************************************
ok: [localhost]

TASK [opendatahub.model_registry.create : Run the preflight checks] ************
included: opendatahub.model_registry.preflight for localhost
[WARNING]: a warning
  logged in to MySQL 8.0.12
      what to do

TASK [Show] ********************************************************************
ok: [localhost] => {
    "msg": {
        "a": "b"
    }
}
skipping: [localhost]
changed: [localhost] => (item=fraud)
  fraud is ready (18 s)
[ERROR]: Task failed: Module failed: ModelRegistry fraud: it is not ready.
Origin: /a/main.yml:20:3

18   when: x
19
20 - name: Create the registry
     ^ column 3

fatal: [localhost]: FAILED! => {"changed": false, "msg": "ModelRegistry fraud: it is not ready."}

PLAY RECAP *********************************************************************
localhost                  : ok=9    changed=0    unreachable=0    failed=1    skipped=1    rescued=0    ignored=0
"""
MESSAGES = [
    "[WARNING]: a warning",
    "  logged in to MySQL 8.0.12",
    "      what to do",
    "  fraud is ready (18 s)",
    "[ERROR]: Task failed: Module failed: ModelRegistry fraud: it is not ready.",
]


def test_messages() -> None:
    assert list(messages(OUTPUT.splitlines(keepends=True))) == MESSAGES


@pytest.mark.parametrize("text", ["a text of the user", "  [a] list", "fraud: ok=1", "  } and more"])
def test_all_else_is_a_message(text: str) -> None:
    assert list(messages([text])) == [text]


def test_a_finding_is_named_again(capsys: pytest.CaptureFixture[str]) -> None:
    """The count above it stands for it; what to do, and all else that was shown, is only counted."""
    output = [
        "  Preflight: 0 blockers, 1 warning\n",
        "  WARNING plaintext: why.\n",
        "    Give ca_source.\n",
        "  passed: a\n",
    ]
    demo = Demo(io.StringIO(), verbose=False)
    demo.messages(output)
    capsys.readouterr()
    demo.messages(["  a new line\n", *output])
    assert capsys.readouterr().out == "    a new line\n    WARNING plaintext: why.\n    … 3 lines as before\n"
