# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the unit tests make the rules find, its severity is one that docs/findings.md gives for the code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding import Finding
from finding_codes import documented


@pytest.fixture(autouse=True, scope="session")
def documented_severities() -> Iterator[None]:
    """Fail where a finding is made whose code the page does not list with this severity."""
    listed = documented()

    made = Finding.__init__

    def make(finding: Finding, *parts: str, **named: str) -> None:
        made(finding, *parts, **named)
        # Codes of one character are made up by tests.
        assert len(finding.code) == 1 or finding.severity in listed[finding.code][0], finding

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Finding, "__init__", make)
        yield
