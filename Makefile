# make demo: set up, then clean a small corpus end to end.   make test: set up, then the tests.
# make test-slow: those that train, kill and start clusters.   make test-long: those of a minute or more, an hour in all.
# make test-all: lint, and every test.
# make docs: write the pages that are made from the code.   make site: those, and the site in build/site.
# make coverage: the quick tests, and which lines they do not reach.
# TORCH=torch==2.11.0 installs another torch; a torch already inside .venv is left alone.
# WORKERS=4 runs the tests in as many processes, but those of the long ones that ask how soon something happens.
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What it installs is compiled apart: torch while the rest comes, the rest on every core. What is no Python of today is passed over
# then, and a third of it that hardly anything imports: the packages' own tests, and what nobody here asks them for.
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile
COMPILE := $(BIN)/python -m compileall -qq -x '/(tests?|testing|sympy|sqlalchemy|networkx|debugpy|rllib|_inductor)/|/transformers/models/'
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder
SLOW := train or cluster or slow or long
# In the text of every file that has a slow test (tests/conftest.py makes sure): what has none is not even imported for them.
TELLS := mark\.(train|cluster|slow|long)|(ray_runtime|finished)[,)]
SLOW_FILES = $$(grep -rlE '$(TELLS)' --include='test_*.py' tests | sort)
# Else each of the hundreds of processes that the tests start compiles all that it imports of raysep.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo test test-slow test-long test-all lint docs site coverage clean-demo
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

install: $(STAMP)
$(STAMP): pyproject.toml constraints.txt requirements-songs.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'raysep needs Python 3.11 or newer: make PYTHON=python3.11'; exit 1; }
	$(PIP) 'pip>=26' || echo 'the pip of this Python takes a minute longer'  # to look through all the files that an index names
	$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) '$(TORCH)'
	{ $(COMPILE) $(VENV)/lib || true; } & $(PIP) -c constraints.txt -e '.[dev]' && $(PIP) --no-deps -r requirements-songs.txt; \
	  status=$$?; wait; exit $$status
	$(COMPILE) -j 0 $(VENV)/lib || true
	touch $(STAMP)

demo: install
	$(BIN)/raysep demo --out runs/demo

test: install
	$(PYTEST) -m 'not ($(SLOW))'

test-slow: install
	$(PYTEST) -m '($(SLOW)) and not long' --durations=40 $(SLOW_FILES)

test-long: install
	$(PYTEST) -m 'long and not alone' --durations=40 $(SLOW_FILES)
	$(BIN)/python -m pytest -m alone --durations=20 $(SLOW_FILES)

test-all: lint test test-slow test-long

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: install
	$(BIN)/python -m raysep.commands.config.page docs/settings.md
	$(BIN)/python -m raysep.commands.pages docs

site: docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

coverage: install
	$(PYTEST) -m 'not ($(SLOW))' --cov --cov-report=term --cov-report=html:build/coverage

clean-demo:
	rm -rf runs/demo
