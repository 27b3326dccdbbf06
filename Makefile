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

# pyenv's own commands run only the versions that the user switched on; the others are as good.
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)
space := $() $()

.DEFAULT_GOAL := help
.PHONY: help venv demo quick test test-all test-rest test-unit test-testbed test-integration test-exhaustive test-timed test-default \
        test-scenarios test-kind test-matrix lint sanity build role-specs testbed-up testbed-down kind-build docker-engine \
        docker-engine-stop clean

# `default` is a registry's whole life. The others stand for a role each, and `faults` for what turns `default` red.
SCENARIOS := create update grant preflight teardown faults
# Those of test-kind.
KIND_SCENARIOS ?= default $(SCENARIOS)
# They run on one cluster, whose files are here: what a run that was cut off has left is removed before the next begins.
test-default test-scenarios: export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/tests/output/molecule
test-kind: export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/tests/output/kind
INTEGRATION = $(PYTHON3) -m pytest tests/integration --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 20
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

# Run targets one after the other, each with its seconds, up to the first that fails.
define STAGES
@began=$$(date +%s); \
for stage in $(1); do \
  started=$$(date +%s); echo "── $$stage ──"; \
  $(MAKE) --no-print-directory $$stage || { echo "── $$stage FAILED after $$(($$(date +%s) - started)) s ──" >&2; exit 1; }; \
  echo "── $$stage passed after $$(($$(date +%s) - started)) s ──"; \
done; \
echo "── $(1): all passed after $$(($$(date +%s) - began)) s ──"
endef

quick: venv ## Check style, types and rules, in a minute: lint and the unit tests that run no playbook
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint test-rules

test: venv ## Prove every promise once, before a push: lint, unit tests, sanity, jobs on real servers, a Molecule scenario
	$(call STAGES,lint test-unit sanity test-integration test-default)

test-rest: venv ## Run all that `make test` leaves out: every case, times, the testbed's own tests, all scenarios, kind
	$(call STAGES,test-exhaustive test-timed test-scenarios test-testbed kind-build test-kind)

test-all: test test-rest ## Run both

test-rules: venv
	@$(PYTHON3) -m pytest -q tests/unit -m 'not playbook' --numprocesses 2

test-unit: venv ## Run the unit tests
	@$(PYTHON3) -m pytest tests/unit -m 'not exhaustive' --numprocesses 2

test-testbed: venv ## Run the testbed's own tests: real servers, no containers
	@$(PYTHON3) -m pytest tests/testbed/tests -m 'not timed'

test-integration: venv ## Run modules, roles and playbooks against real servers
	@$(INTEGRATION) -m 'not timed and not exhaustive'

test-exhaustive: venv ## Run the verdict matrix, every cut, all flavours, every playbook: what proves again what `make test` proves once
	@$(PYTHON3) -m pytest tests/unit -m exhaustive --numprocesses 2
	@$(INTEGRATION) -m 'not timed and exhaustive'

test-timed: venv ## Run those that assert seconds, and so want the machine for themselves
	@$(PYTHON3) -m pytest tests/testbed/tests tests/integration -m timed

test-default: venv ## Run the Molecule scenario `default` on a testbed
	@$(FRESH)
	@$(MOLECULE_TEST) --scenario-name default

test-scenarios: venv ## Run the other Molecule scenarios on a testbed
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

test-matrix: venv ## Run the tests on every ansible-core, each with a Python that it supports (see noxfile.py)
	@PATH="$(VENV)/bin:$(subst $(space),:,$(wildcard $(PYENV)/versions/3.*/bin)):$$PATH" nox

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
	rm -rf .venv .ansible .mypy_cache .nox .pytest_cache .ruff_cache dist tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
