# make demo: set up, then clean a small corpus end to end.   make test: set up, then the tests.
# make docs: write docs/settings.md from the settings.
# TORCH=torch==2.11.0 installs another torch; a torch already inside .venv is left alone.
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo test test-all lint docs bench clean-demo
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

install: $(STAMP)
$(STAMP): pyproject.toml constraints.txt requirements-songs.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'raysep needs Python 3.11 or newer: make PYTHON=python3.11'; exit 1; }
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check '$(TORCH)'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-songs.txt
	touch $(STAMP)

demo: install
	$(BIN)/raysep demo --out runs/demo

test: install
	$(BIN)/python -m pytest -m 'not train and not cluster and not slow'

test-all: install lint
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: install
	$(BIN)/python -m raysep.commands.config.page docs/settings.md

clean-demo:
	rm -rf runs/demo
