# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the matrix of ansible-core versions decides, without running a cell."""

from __future__ import annotations

import re
from pathlib import Path

import environment
import matrix
import pytest
import yaml
from environment import Interpreter
from matrix import Cell, Check, Outcome

CELL = Cell("2.18", (13, 12, 11))
PYTHON = Interpreter(Path("/real/python"), (3, 13, 1))
REQUIREMENTS = """\
# A comment.
ansible-core==2.21.5; python_version >= "3.12"
ansible-lint==26.10.1
molecule==26.10.0; python_version >= "3.11"
kubernetes==37.0.2

PyMySQL[rsa]==1.2.4
types-PyYAML==6.0.12
other==1; python_version < "3.12"
-e tests/testbed
"""


def outcome(*results: str, cell: Cell = CELL, python: Interpreter | None = PYTHON) -> Outcome:
    """Return a cell with these results of its checks, from the first on."""
    return Outcome(
        cell, python, [Check(name, result, 1.0) for name, result in zip(matrix.CHECKS, results, strict=False)]
    )


def test_the_cells_are_what_the_collection_supports() -> None:
    runtime = yaml.safe_load((environment.ROOT / "meta" / "runtime.yml").read_text())
    oldest = runtime["requires_ansible"].removeprefix(">=").removesuffix(".0")
    newest = re.findall(r"^ansible-core==(\d+\.\d+)", environment.REQUIREMENTS.read_text(), re.MULTILINE)[0]
    minors = range(int(oldest.split(".")[1]), int(newest.split(".")[1]) + 1)
    assert [cell.core for cell in matrix.CELLS] == [f"2.{minor}" for minor in minors]


def test_every_python_is_wanted_by_some_cell() -> None:
    wanted = {cell.minors[0] for cell in matrix.CELLS}
    assert wanted == set(range(environment.OLDEST, environment.NEWEST + 1))


@pytest.mark.parametrize(("minors", "expected"), [((11, 12, 13), 13), ((11, 12), 12), ((10, 14), None), ((), None)])
def test_the_python_that_is_wanted_most_is_taken(minors: tuple[int, ...], expected: int | None) -> None:
    present = {minor: Interpreter(Path("/real/python"), (3, minor, 0)) for minor in minors}
    assert matrix.pick(CELL, present) == (None if expected is None else present[expected])


@pytest.mark.parametrize(("client", "expected"), [(None, "kubernetes==37.0.2"), ("24.2.0", "kubernetes==24.2.0")])
def test_a_cell_takes_the_pins_and_chooses_core_and_client(client: str | None, expected: str) -> None:
    found = matrix.packages(Cell("2.16", (10,), kubernetes=client), REQUIREMENTS)
    assert found[0] == "ansible-core~=2.16.0"
    assert [one for one in found if one.startswith("kubernetes")] == [expected]
    assert found[-4:] == ["PyMySQL[rsa]==1.2.4", 'other==1; python_version < "3.12"', "-e", "tests/testbed"]
    assert len(found) == 6


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("PLAY [Bad input] ***\nok: [localhost] => a [WARNING] inside\n", []),
        ("[WARNING]: one that\ngoes on\n\nPLAY [Bad input] ***\n", ["[WARNING]: one that\ngoes on"]),
        ("TASK [x]\n[DEPRECATION WARNING]: old\n[WARNING]: b", ["[DEPRECATION WARNING]: old", "[WARNING]: b"]),
        ("[ERROR]: Task failed\n", []),
    ],
    ids=["none", "continued", "two", "an error"],
)
def test_warnings_are_found(output: str, expected: list[str]) -> None:
    assert matrix.warnings_in(output) == expected


@pytest.mark.parametrize(
    ("script", "name", "expected"),
    [
        ("exit 0", matrix.SMOKE_PLAY, matrix.PASSED),
        ("echo before; exit 3", matrix.SMOKE_PLAY, matrix.FAILED),
        ("echo '[WARNING]: x' >&2", matrix.SMOKE_PLAY, matrix.FAILED),
        ("echo '[WARNING]: x' >&2", matrix.UNIT_TESTS, matrix.PASSED),
    ],
)
def test_a_check_fails_with_its_status_or_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, name: str, expected: str
) -> None:
    monkeypatch.setattr(matrix, "ROOT", tmp_path)
    assert matrix.check(name, ["/bin/sh", "-c", script], {}, tmp_path / "logs" / "log").result == expected


def test_a_test_that_is_not_there_is_not_run() -> None:
    assert matrix.commands(["tests/unit/test_matrix.py::test_one"])[matrix.INTEGRATION_TESTS]
    assert matrix.commands(["tests/unit", "tests/missing"])[matrix.INTEGRATION_TESTS] is None
    assert matrix.commands([])[matrix.INTEGRATION_TESTS] is None


def test_settings_of_the_user_do_not_reach_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_DEPRECATION_WARNINGS", "False")
    monkeypatch.setenv("KUBECONFIG", "/home/user/.kube/config")
    monkeypatch.setenv("PATH", f"{environment.VENV / 'bin'}:/usr/bin")
    found = matrix.variables(tmp_path)
    assert found["PATH"] == f"{tmp_path / 'bin'}:/usr/bin"
    assert found["ANSIBLE_DEPRECATION_WARNINGS"] == "True"
    assert "KUBECONFIG" not in found


def test_a_missing_python_is_told_and_is_no_failure() -> None:
    passed, missing = outcome(*[matrix.PASSED] * 5), outcome(python=None, cell=Cell("2.99", (15,)))
    assert matrix.exit_status([passed, missing]) == 0
    assert "NOT RUN: ansible-core 2.99 (no Python of 3.15 on this machine)" in matrix.summary([passed, missing])


def test_a_python_that_is_only_second_best_and_tests_that_are_missing_are_told() -> None:
    older = Interpreter(Path("/real/python"), (3, 12, 1))
    told = matrix.gaps([outcome(*[matrix.PASSED] * 4, matrix.NOT_RUN, python=older)])
    assert told == [
        "NOT RUN: ansible-core 2.18 on Python 3.13, which is not on this machine",
        "NOT RUN: integration tests on ansible-core 2.18",
    ]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([outcome(matrix.PASSED)], 0),
        ([outcome(matrix.PASSED), outcome(matrix.PASSED, matrix.FAILED)], 1),
        ([outcome(python=None)], 1),
        ([], 1),
    ],
    ids=["passed", "one failed", "none was run", "no cells"],
)
def test_exit_status(outcomes: list[Outcome], expected: int) -> None:
    assert matrix.exit_status(outcomes) == expected


def test_an_unknown_core_is_refused() -> None:
    assert [cell.core for cell in matrix.chosen_cells(["2.18"])] == ["2.18"]
    assert matrix.chosen_cells([]) == list(matrix.CELLS)
    with pytest.raises(environment.SetupError, match=r"no 2\.3; there are 2\.16"):
        matrix.chosen_cells(["2.3"])
