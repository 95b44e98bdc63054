# Works with Python >= 3.11 and make alone; `make help` lists the targets.
SHELL := /bin/sh
PYTHON ?= python3
ARGS ?=
UPGRADE ?=
BIN := .venv/bin
export PYTHON

# No library reports home, and OpenMP threads wait without spinning (a busy machine would stall).
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export OMP_WAIT_POLICY ?= passive

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header $(if $(UPGRADE),--upgrade)

define WRITE_DOCS
from pathlib import Path
from data.contract_doc import contract_markdown
from features.dictionary import features_markdown
Path("docs/data-contract.md").write_text(contract_markdown(), encoding="utf-8")
Path("docs/features.md").write_text(features_markdown(), encoding="utf-8")
endef
export WRITE_DOCS

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint format docs lock clean install install-dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: install ## simulate a CRM, run the whole pipeline on it, print the ranked deals
	$(BIN)/dealcast demo $(ARGS)

test: install-dev ## run all tests, doctests included (ARGS="-k promises" narrows them)
	$(BIN)/pytest $(ARGS)

test-fast: install-dev ## run the tests that take seconds and need no shared data
	$(BIN)/pytest -m "not slow and not real_data" $(ARGS)

lint: install-dev ## check format, style, types, import direction and dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: install-dev ## format the code and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install-dev ## write docs/data-contract.md and docs/features.md from the code
	$(BIN)/python -c "$$WRITE_DOCS"

lock: install-dev ## bring requirements/*.lock in line with pyproject.toml (UPGRADE=1 takes newer versions)
	$(COMPILE) requirements/bootstrap.in -o requirements/bootstrap.lock > /dev/null
	$(COMPILE) pyproject.toml requirements/build.in -o requirements/run.lock > /dev/null
	$(COMPILE) pyproject.toml --extra dev -c requirements/run.lock -o requirements/dev.lock > /dev/null

install: ## create .venv with what dealcast needs to run
	@requirements/install.sh run

install-dev: ## create .venv with the test and lint tools too
	@requirements/install.sh dev

clean: ## remove the caches, the build output and the demo's workspace (.venv stays)
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find data features models serving pipelines tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
