# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection on each ansible-core that it supports, with one of the Pythons of this machine each.

Runs in `.venv`, and with its collections. Each cell has a virtual environment of its own in the user's cache. Two
environment variables, lists with spaces between: MATRIX_CORES chooses cells (2.16 2.21), MATRIX_TESTS what pytest runs
in them beside the unit tests, instead of the playbooks' tests.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path

from environment import (
    COLLECTIONS,
    NEWEST,
    OLDEST,
    REQUIREMENTS,
    ROOT,
    STAMP,
    TESTBED_PROJECT,
    VENV,
    Interpreter,
    SetupError,
    cache_root,
    create,
    finished,
    interpreters,
    locked,
    outside,
)
from testbed.bed import Testbed, TestbedError
from testbed.programs import BuildError
from testbed.servers import SERVERS, ServerError

__all__ = [
    "CELLS",
    "Cell",
    "Check",
    "Outcome",
    "exit_status",
    "made_from",
    "packages",
    "pick",
    "summary",
    "warnings_in",
]


@dataclass(frozen=True)
class Cell:
    """One ansible-core, the minor versions of Python 3 that its controller runs on, and a client of Kubernetes."""

    core: str
    minors: tuple[int, ...]
    """Preferred first: the first that this machine has is used."""
    kubernetes: str | None = None
    """None: the version that tests/requirements.txt has."""


CELLS = (
    # kubernetes.core 6 and this collection take 24.2.0 or newer: here the oldest, one in between, and the newest.
    Cell("2.16", (10, 11, 12), kubernetes="24.2.0"),
    Cell("2.17", (12, 11, 10)),
    Cell("2.18", (11, 12, 13), kubernetes="31.0.0"),
    Cell("2.19", (13, 12, 11)),
    Cell("2.20", (14, 13, 12)),
    Cell("2.21", (14, 13, 12)),
)
"""Old ones on the oldest Python that they support, new ones on the newest, and none left out in between.

See the support matrix in the documentation of ansible-core.
"""
LEFT_OUT = ("ansible-core=", "ansible-lint=", "antsibull-changelog=", "molecule=", "mypy=", "ruff=", "types-")
"""What tests/requirements.txt has for `make lint` and `make test-molecule`, and what a cell chooses itself."""
UNIT = "tests/unit"
INTEGRATION = "tests/integration/test_roles.py"
"""The tests against a testbed that use most of ansible-core: playbooks, roles, templates and modules."""
SMOKE = Path(__file__).with_name("matrix_smoke.yml")
CONFIG = "ansible.cfg"
"""An empty file, instead of the user's."""
LOGS = ROOT / "tests" / "output" / "matrix"
WARNING = re.compile(r"^\[(?:DEPRECATION )?WARNING\].*(?:\n(?!\[|\n).*)*", re.MULTILINE)
PASSED, FAILED, NOT_RUN = "passed", "FAILED", "NOT RUN"
CHECKS = (ENVIRONMENT, DOCUMENTATION, UNIT_TESTS, SMOKE_PLAY, INTEGRATION_TESTS) = (
    "environment",
    "documentation",
    "unit tests",
    "smoke play",
    "integration tests",
)
WITHOUT_WARNINGS = (DOCUMENTATION, SMOKE_PLAY)
OF_OTHERS = ("ANSIBLE_", "K8S_AUTH_", "KUBECONFIG", "PYTHONPATH", "PYTEST_")
"""Prefixes of environment variables that would make a cell depend on the user who runs it."""


@dataclass(frozen=True)
class Check:
    """One check in a cell, and what to show of it if it failed."""

    name: str
    result: str
    seconds: float = 0.0
    text: str = ""

    @property
    def brief(self) -> str:
        """The text in the table."""
        return f"{self.seconds:.1f} s" if self.result == PASSED else self.result


@dataclass
class Outcome:
    """The result of a cell. Without a Python, nothing ran."""

    cell: Cell
    python: Interpreter | None
    checks: list[Check] = field(default_factory=list)
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the installed packages, by name."""

    @property
    def result(self) -> str:
        """One word for all checks together."""
        if not self.python:
            return NOT_RUN
        return FAILED if self.failed else PASSED

    @property
    def failed(self) -> list[str]:
        """The names of the failed checks."""
        return [check.name for check in self.checks if check.result == FAILED]

    @property
    def title(self) -> str:
        """The cell with its known versions."""
        if not self.python:
            wanted = ", ".join(f"3.{minor}" for minor in sorted(self.cell.minors))
            return f"ansible-core {self.cell.core} (no Python of {wanted} on this machine)"
        core = self.versions.get("ansible-core", self.cell.core)
        client = self.versions.get("kubernetes", self.cell.kubernetes or "newest")
        return f"ansible-core {core}, Python {_dotted(self.python)}, kubernetes {client}"


def pick(cell: Cell, present: Mapping[int, Interpreter]) -> Interpreter | None:
    """Choose the Python for a cell from those present, by minor version."""
    return next((present[minor] for minor in cell.minors if minor in present), None)


def packages(cell: Cell, requirements: str) -> list[str]:
    """List what pip installs in a cell: its own choices, and the pins of tests/requirements.txt for everything else."""
    chosen = [f"ansible-core~={cell.core}.0"]
    left_out = ["#", *LEFT_OUT]
    if cell.kubernetes:
        chosen.append(f"kubernetes=={cell.kubernetes}")
        left_out.append("kubernetes=")
    lines = [line for line in requirements.splitlines() if line and not line.startswith(tuple(left_out))]
    # An option and its value are two arguments; other text with spaces, such as an environment marker, is one.
    return chosen + [word for line in lines for word in (line.split(None, 1) if line.startswith("-") else [line])]


def made_from(cell: Cell) -> str:
    """Return all that a cell's virtual environment depends on."""
    return "\n".join([str(ROOT), *packages(cell, REQUIREMENTS.read_text()), TESTBED_PROJECT.read_text()])


def home() -> Path:
    """Return the directory of the cells: one for each clone of the repository, since they name it."""
    return cache_root() / f"matrix-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]}"


def present_pythons() -> dict[int, Interpreter]:
    """Return the usable Pythons of this machine by their minor version."""
    path = outside(os.environ.get("PATH", os.defpath), VENV)
    found: dict[int, Interpreter] = {}
    for python in interpreters({**os.environ, "PATH": path}, range(OLDEST, NEWEST + 1)):
        if python.has_venv:
            found.setdefault(python.version[1], python)
    return found


def prepare(cell: Cell, python: Interpreter) -> Path:
    """Return the cell's virtual environment, made if missing or made from something else. Raises SetupError."""
    venv = home() / f"{cell.core}-python3.{python.version[1]}"
    source = made_from(cell)
    present = finished(venv, source)
    if not present or present.version != python.version:
        create(venv, python, packages(cell, REQUIREMENTS.read_text()))
        (venv / CONFIG).touch()
        (venv / STAMP).write_text(source)
    return venv


def variables(venv: Path) -> dict[str, str]:
    """Return the environment variables of a cell: no settings of the user's, and all warnings."""
    path = outside(os.environ.get("PATH", os.defpath), VENV)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OF_OTHERS)}
    return {
        **inherited,
        "PATH": os.pathsep.join([str(venv / "bin"), path]),
        "ANSIBLE_CONFIG": str(venv / CONFIG),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS.parent),
        "ANSIBLE_DEPRECATION_WARNINGS": "True",
        "ANSIBLE_NOCOLOR": "True",
    }


def warnings_in(output: str) -> list[str]:
    """Extract Ansible's warnings, each with its continuation lines."""
    return WARNING.findall(output)


def check(name: str, command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Check:
    """Run ``command``. It fails with its exit status, and as one of WITHOUT_WARNINGS with any warning of Ansible's."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("w") as output:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = time.monotonic() - started
    written = log.read_text(errors="replace")
    place = f"all of it: {log.relative_to(ROOT)}"
    if done.returncode:
        return Check(name, FAILED, seconds, "\n".join([*written.splitlines()[-30:], place]))
    warned = warnings_in(written) if name in WITHOUT_WARNINGS else []
    if warned:
        return Check(name, FAILED, seconds, "\n".join([*warned, place]))
    return Check(name, PASSED, seconds)


def modules() -> list[str]:
    """List the full names of the collection's modules."""
    return [
        f"opendatahub.model_registry.{path.stem}" for path in sorted((ROOT / "plugins" / "modules").glob("[!_]*.py"))
    ]


def commands(tests: Sequence[str]) -> dict[str, list[str | Path] | None]:
    """Return the commands of a cell by the names of CHECKS; None if there is nothing to run."""
    pytest: list[str | Path] = ["python", "-m", "pytest", "-p", "no:cacheprovider"]
    there = tests and all((ROOT / test.split("::")[0]).exists() for test in tests)
    return {
        DOCUMENTATION: ["ansible-doc", "-t", "module", *modules()],
        UNIT_TESTS: [*pytest, UNIT],
        SMOKE_PLAY: ["ansible-playbook", "--inventory=localhost,", SMOKE],
        INTEGRATION_TESTS: [*pytest, *tests] if there else None,
    }


def run_cell(cell: Cell, python: Interpreter, tests: Sequence[str], bed: Testbed | None) -> Outcome:
    """Run every check in one cell. A check that fails does not keep the next ones from running."""
    outcome = Outcome(cell, python)
    started = time.monotonic()
    try:
        venv = prepare(cell, python)
    except SetupError as error:
        outcome.checks = [
            Check(ENVIRONMENT, FAILED, time.monotonic() - started, str(error)),
            *(Check(name, NOT_RUN) for name in CHECKS[1:]),
        ]
        return outcome
    outcome.checks.append(Check(ENVIRONMENT, PASSED, time.monotonic() - started))
    site = [str(path) for path in venv.glob("lib/python3*/site-packages")]
    names = ("ansible-core", "kubernetes")
    outcome.versions = {name: next(iter(distributions(name=name, path=site))).version for name in names}
    environment = variables(venv)
    if bed:
        environment["TESTBED_STATE"] = str(bed.layout.state)
    for name, command in commands(tests).items():
        log = LOGS / venv.name / f"{name.replace(' ', '-')}.log"
        if command is None:
            outcome.checks.append(Check(name, NOT_RUN, text=f"no {' '.join(tests) or 'MATRIX_TESTS'} here"))
        else:
            program = venv / "bin" / command[0]
            outcome.checks.append(check(name, [program, *command[1:]], environment, log))
    return outcome


def start_testbed(state: Path) -> Testbed:
    """Start a testbed with all database servers; it ends with this process at the latest."""

    def say(line: str) -> None:
        print(f"  {line}", flush=True)

    print("── one testbed for all cells ──", flush=True)
    return Testbed.up(state, more_servers=tuple(SERVERS), time_factor=0.2, owner=os.getpid(), say=say)


def run_cells(cells: Sequence[Cell], tests: Sequence[str]) -> Iterator[Outcome]:
    """Run the cells one after the other, and yield the outcome of each as soon as it is known.

    They share one testbed. A new one takes its place when tests fail, since they may leave behind what the next
    cell would trip over.
    """
    present = present_pythons()
    bed: Testbed | None = None
    with tempfile.TemporaryDirectory(prefix="model-registry-matrix-") as folder:
        try:
            for cell in cells:
                python = pick(cell, present)
                if tests and python and not bed:
                    bed = start_testbed(Path(folder) / "state")
                print(f"── ansible-core {cell.core} ──", flush=True)
                outcome = run_cell(cell, python, tests, bed) if python else Outcome(cell, None)
                yield outcome
                if bed and INTEGRATION_TESTS in outcome.failed:
                    bed.down()
                    bed = None
        finally:
            if bed:
                bed.down()


def report(outcome: Outcome) -> str:
    """Format the line of a cell, and below it what failed or was not run."""
    if not outcome.python:
        return f"{NOT_RUN}: {outcome.title}"
    parts = ", ".join(f"{one.name} {one.brief}" for one in outcome.checks)
    seconds = sum(one.seconds for one in outcome.checks)
    lines = [f"{outcome.result}: {outcome.title}: {seconds:.1f} s ({parts})"]
    for one in outcome.checks:
        if one.text:
            lines += [f"  {one.name} {one.result}:", *(f"    {line}" for line in one.text.splitlines())]
    return "\n".join(lines)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Format a table of all cells, and what it does not cover."""
    rows = [["ansible-core", "Python", "kubernetes", *CHECKS, "result"]]
    for one in outcomes:
        briefs = {check.name: check.brief for check in one.checks}
        rows.append(
            [
                one.versions.get("ansible-core", one.cell.core),
                _dotted(one.python) if one.python else "none",
                one.versions.get("kubernetes", one.cell.kubernetes or ""),
                *(briefs.get(name, NOT_RUN) for name in CHECKS),
                one.result,
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*table, *gaps(outcomes)])


def gaps(outcomes: Sequence[Outcome]) -> list[str]:
    """List what was requested and not run, a line each."""
    told = [f"{NOT_RUN}: {one.title}" for one in outcomes if not one.python]
    for one in outcomes:
        first = one.cell.minors[0]
        if one.python and one.python.version[1] != first:
            told.append(f"{NOT_RUN}: ansible-core {one.cell.core} on Python 3.{first}, which is not on this machine")
    without = [
        one.cell.core
        for one in outcomes
        if any(c.name == INTEGRATION_TESTS and c.result == NOT_RUN for c in one.checks)
    ]
    if without:
        told.append(f"{NOT_RUN}: integration tests on ansible-core {', '.join(without)}")
    return told


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """Return 1 if a cell failed, or none was run."""
    results = [one.result for one in outcomes]
    return 1 if FAILED in results or PASSED not in results else 0


def chosen_cells(names: Sequence[str]) -> list[Cell]:
    """Return the cells of MATRIX_CORES, or all. Raises SetupError."""
    unknown = set(names) - {cell.core for cell in CELLS}
    if unknown:
        known = ", ".join(cell.core for cell in CELLS)
        raise SetupError(f"MATRIX_CORES: no {', '.join(sorted(unknown))}; there are {known}.")
    return [cell for cell in CELLS if not names or cell.core in names]


def matrix() -> int:
    """Run what the environment variables choose, and report the outcome. Returns the exit status."""
    cells = chosen_cells(os.environ.get("MATRIX_CORES", "").split())
    tests = os.environ.get("MATRIX_TESTS", INTEGRATION).split()
    outcomes: list[Outcome] = []
    home().mkdir(parents=True, exist_ok=True)
    with locked(home()):
        for outcome in run_cells(cells, tests):
            print(report(outcome), flush=True)
            outcomes.append(outcome)
    print(f"\n{summary(outcomes)}", flush=True)
    return exit_status(outcomes)


def _dotted(python: Interpreter) -> str:
    return ".".join(map(str, python.version))


def main() -> int:
    """Return exit status 0 when every cell that could be run passed."""
    try:
        return matrix()
    except (SetupError, TestbedError, BuildError, ServerError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
