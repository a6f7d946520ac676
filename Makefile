# serai: `make run` sets all up and starts a host; `make test` sets all up and tests.
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
NAME  ?= edge
# Tests wait as much as they compute: one more at once than there are processors, and at most 8, for the memory's sake.
JOBS  ?= $(shell cores=$$(nproc); echo $$((cores < 8 ? cores + 1 : 8)))
# Where .venv is elsewhere (scripts/setup says when) it holds a copy of the code, to be made anew with each change.
COPIED = $(if $(shell test -L $(VENV) && echo yes),$(shell find src -not -name __pycache__ -not -name '*.pyc'))

CHECKS = check-types check-format check-rules check-imports check-sizes
# Processes by the hundred start in tests: what the first of them compiled, the others shall not compile again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup setup-dev run test check bench docs clean $(CHECKS)
.DEFAULT_GOAL := setup

setup: $(VENV)/.setup            ## install what running needs; leaves .venv/bin/serai
setup-dev: $(VENV)/.setup-dev    ## and what tests and checks need

$(VENV)/.setup: deps/apt-run.txt requirements.lock pyproject.toml scripts/setup $(COPIED)
	@scripts/setup run $@

$(VENV)/.setup-dev: $(VENV)/.setup deps/apt-test.txt requirements-dev.lock
	@scripts/setup dev $@

run: setup                       ## run a host in the foreground, with a tenant to try
	@$(BIN)/serai up --demo

test: setup-dev                  ## run all tests, JOBS=N at once
	@$(BIN)/pytest -n $(JOBS) --dist loadgroup

check: setup-dev                 ## style, types, imports, sizes: all at once, each telling what it found
	@$(MAKE) --no-print-directory --keep-going --jobs --output-sync $(CHECKS)

check-types:
	@$(BIN)/mypy
check-format:
	@$(BIN)/ruff format --check src tests bench scripts
check-rules:
	@$(BIN)/ruff check src tests bench
check-imports:
	@$(BIN)/lint-imports
check-sizes:
	@$(BIN)/python scripts/sizes.py

bench: setup-dev                 ## NAME=edge|replica|tasks…: us and the peer, in turn
	@scripts/setup bench
	@$(BIN)/python bench/$(NAME).py

docs: setup-dev                  ## regenerate the reference pages
	@$(BIN)/python scripts/docs.py

clean:                           ## forget the environment and caches, keep all homes
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build
