# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later

VENV := $(CURDIR)/.venv
PYTHON3 := $(VENV)/bin/python

# .venv is made by a Python from outside it.
OUTER_PATH := $(PATH)
# Programs started here are those of .venv, and Ansible finds this collection and kubernetes.core nowhere else.
export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(VENV)/collections
# Given on the command line, it chooses the interpreter that .venv is made with.
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help venv demo test ci test-unit test-testbed test-integration test-timed test-molecule test-kind test-matrix lint sanity build role-specs \
        testbed-up testbed-down kind-build docker-engine docker-engine-stop clean

# Each stands for a role, default for a registry's whole life, and faults for what turns default red. They run on one
# cluster, whose files are here: what a run that was cut off has left goes before the next begins.
SCENARIOS := default create update grant preflight teardown faults
# Those of test-kind.
KIND_SCENARIOS ?= $(SCENARIOS)
test-molecule: export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/tests/output/molecule
test-kind: export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/tests/output/kind
MOLECULE_TEST = $(PYTHON3) tests/tools/remains.py $(MOLECULE_EPHEMERAL_DIRECTORY) molecule test

help: ## Show this list
	@echo 'opendatahub.model_registry: model registries of OpenShift AI and Open Data Hub'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Every target makes the virtual environment that it needs. docs/contributing.md says more.'

venv: ## Make .venv, unless it is up to date (PYTHON=... chooses the interpreter)
	@PATH='$(OUTER_PATH)' command -v python3 >/dev/null || { echo 'python3 is needed: install Python 3.10 or newer.' >&2; exit 1; }
	@PATH='$(OUTER_PATH)' python3 tests/tools/environment.py

demo: venv ## Show a registry's life on a real API server, in a few minutes
	@$(PYTHON3) tests/demo/demo.py

STAGES := lint --beside test-unit sanity --then test-molecule test-integration test-timed test-testbed

test: venv ## Run every check and test, but test-kind and test-matrix
	@$(PYTHON3) tests/tools/stages.py $(STAGES)

# On kind, `default` runs a registry's whole life; the other scenarios have been run on a testbed before.
ci: venv ## Run what CI runs: test, and the scenarios kind and default on a Docker engine
	@KIND_SCENARIOS=default $(PYTHON3) tests/tools/stages.py $(STAGES) docker-engine kind-build test-kind

test-unit: venv ## Run the unit tests
	@$(PYTHON3) -m pytest tests/unit

test-testbed: venv ## Run the testbed's own tests: real servers, no containers
	@$(PYTHON3) -m pytest tests/testbed/tests -m 'not timed'

test-integration: venv ## Run modules, roles and playbooks against real servers
	@$(PYTHON3) -m pytest tests/integration -m 'not timed' --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 30

test-timed: venv ## Run those of both that assert seconds, and so want the machine for themselves
	@$(PYTHON3) -m pytest tests/testbed/tests tests/integration -m timed

test-molecule: venv ## Run the Molecule scenarios on a testbed
	@$(FRESH)
	@$(MOLECULE_TEST) $(SCENARIOS:%=--scenario-name %)

test-kind: venv ## Run the Molecule scenarios, and those that need real pods, on a kind cluster
	@$(FRESH)
	@$(MOLECULE_TEST) --scenario-name kind
	@MODEL_REGISTRY_TESTBED=kind $(MOLECULE_TEST) $(KIND_SCENARIOS:%=--scenario-name %)

define FRESH
command -v molecule >/dev/null || { echo 'Molecule needs Python 3.11 or newer: make clean, then make venv PYTHON=...' >&2; exit 1; }; \
cd $(MOLECULE_EPHEMERAL_DIRECTORY) 2>/dev/null || exit 0; \
if [ -d testbed ]; then testbed --state testbed down; fi; \
if [ -d kind ]; then testbed --state kind kind down; fi; \
rm -rf $(MOLECULE_EPHEMERAL_DIRECTORY)
endef

kind-build: venv ## Build what a kind cluster is made of, where it is not in the user's cache
	@testbed kind build

test-matrix: venv ## Run the tests on every ansible-core (MATRIX_CORES='2.16 2.21' and MATRIX_TESTS=... choose)
	@$(PYTHON3) tests/tools/matrix.py

lint: venv ## Check style and types: ruff, mypy, ansible-lint with yamllint, changelog fragments
	ruff check .
	ruff format --check .
	mypy
	ansible-lint
	antsibull-changelog lint

sanity: venv ## Run ansible-test sanity on the built and installed archive
	@$(PYTHON3) tests/tools/sanity.py

role-specs: venv ## Write the options of modules into the argument specs of the roles
	@PYTHONPATH='$(ANSIBLE_COLLECTIONS_PATH)' $(PYTHON3) tests/tools/role_specs.py

build: venv ## Build the archive into dist/
	@ansible-galaxy collection build --force --output-path dist

testbed-up: venv ## Start a testbed and leave it running
	@testbed up

testbed-down: venv ## Stop it
	@testbed down

docker-engine: venv ## Install and start a Docker engine of the project's own (Debian, root)
	@testbed kind engine

docker-engine-stop: venv ## Stop it, with all that runs on it
	@testbed kind engine --stop

clean: ## Remove what was made in the repository; the user's cache stays
	rm -rf .venv .ansible .mypy_cache .pytest_cache .ruff_cache dist tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
