# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/findings.md lists every code of findings and statuses as the source gives it, and explains those of findings."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.finding import CODES
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.references import (
    CLUSTER_ROLE,
    DATABASE_ROLE,
    PAGES,
    RAW,
    REGISTRY_ROLE,
    findings_page,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.failure_causes import NEEDED
from finding_codes import ROOT, SEVERITIES, documented, given_codes

PAGE = (ROOT / "docs" / "findings.md").read_text()
TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text()
OF_FINDINGS = SEVERITIES[:3]


def sections() -> dict[str, str]:
    return {part.split("\n")[0]: part.split("\n## ")[0] for part in PAGE.split("\n### ")[1:]}


def test_the_table_is_what_the_code_says() -> None:
    """One code for one fact: its severities or states, and the module or status that it appears in."""
    assert documented() == given_codes()


def test_the_codes_that_options_take_are_those_of_findings() -> None:
    assert list(CODES) == sorted(code for code, (given, _) in given_codes().items() if given & set(OF_FINDINGS))


def test_references_are_of_this_release() -> None:
    """The address has the repository and the version of galaxy.yml, and each file that it is given for exists."""
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert [f"{galaxy['repository']}/{kind}/v{galaxy['version']}" for kind in ("blob", "raw")] == [PAGES, RAW]
    for address in (REGISTRY_ROLE, CLUSTER_ROLE, DATABASE_ROLE, findings_page()):
        assert (ROOT / address.removeprefix(f"{RAW}/").removeprefix(f"{PAGES}/")).is_file()
    samples = re.findall(
        r"https://github\S+/blob/\S+", "".join(file.read_text() for file in (ROOT / "plugins/modules").glob("*.py"))
    )
    assert samples and all(sample.startswith(findings_page()) for sample in samples)


def test_every_finding_has_its_place_and_none_is_superfluous() -> None:
    headings = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == {code for code, (given, _) in given_codes().items() if given & set(OF_FINDINGS)}
    assert set(re.findall(r"^\| \[`(\w+)`\]\(#\1\) ", PAGE, re.MULTILINE)) == set(headings)


def test_each_says_how_severe_it_is_and_how_to_fix_it() -> None:
    for part in sections().values():
        assert re.search(r"^\*(blocker|warning|info)\.\* \w", part, re.MULTILINE), part
        assert re.search(r"^To fix it: \w?", part, re.MULTILINE), part


def test_the_severities_are_those_of_the_code() -> None:
    """The first one is the most severe that it can have; the others are named in the text."""
    wrong = {}
    given = given_codes()
    for code, text in sections().items():
        (first,) = re.findall(r"^\*(\w+)\.\*", text, re.MULTILINE)
        named = {severity for severity in OF_FINDINGS if re.search(rf"\b{severity}", text)}
        severities = given[code][0] & set(OF_FINDINGS)
        if first != min(severities, key=SEVERITIES.index) or not severities <= named:
            wrong[code] = (first, named, severities)
    assert not wrong


def test_every_reason_of_a_failure_is_in_the_page_where_a_user_looks_up_its_words() -> None:
    """And that page gives no reason that does not exist."""
    firsts = re.findall(r"^\| ([^|]+) \|", TROUBLES, re.MULTILINE)
    explained = {
        code for cell in firsts for part in re.findall(r"\((`[^)]*)\)", cell) for code in re.findall(r"`(\w+)`", part)
    }
    given = given_codes()
    assert {code for code, (states, _) in given.items() if "failed" in states} <= explained
    assert explained <= {code for code, (_, places) in given.items() if "status" in places}


@pytest.mark.parametrize(
    "page",
    ["docs/create.md", "docs/findings.md", "docs/preparing-the-database.md", "playbooks/prepare_database.yml"],
)
def test_pages_name_the_needed_privileges(page: str) -> None:
    """In the order of the constant, each time that a page lists more than two of them."""
    privilege = f"(?:{'|'.join(NEEDED)})"
    lists = re.findall(rf"{privilege}(?:(?:, ?| and ){privilege}){{2,}}", (ROOT / page).read_text())
    assert lists and all(re.findall(privilege, one) == list(NEEDED) for one in lists), lists
