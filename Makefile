# make demo: set up, then clean a small corpus end to end.   make test: set up, then the tests.
# make test-slow: the proofs that take minutes.   make test-all: lint, and every test.
# make docs: write docs/settings.md from the settings.
# TORCH=torch==2.11.0 installs another torch; a torch already inside .venv is left alone.
# WORKERS=4 runs make test in as many processes. The slow ones run alone: each of them fills the cores.
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder
SLOW := train or cluster or slow

.PHONY: help install demo test test-slow test-all lint docs bench clean-demo
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

install: $(STAMP)
$(STAMP): pyproject.toml constraints.txt requirements-songs.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'raysep needs Python 3.11 or newer: make PYTHON=python3.11'; exit 1; }
	$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) '$(TORCH)'
	$(PIP) -c constraints.txt -e '.[dev]'
	$(PIP) --no-deps -r requirements-songs.txt
	touch $(STAMP)

demo: install
	$(BIN)/raysep demo --out runs/demo

test: install
	$(PYTEST) -m 'not ($(SLOW))'

test-slow: install
	$(BIN)/python -m pytest -m '$(SLOW)' --durations=10

test-all: lint test test-slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: install
	$(BIN)/python -m raysep.commands.config.page docs/settings.md

clean-demo:
	rm -rf runs/demo
