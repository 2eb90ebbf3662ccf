# Every target prepares .venv with what it needs and nothing more; a repeat does no work until pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/stamp

.DEFAULT_GOAL := help
.PHONY: help demo test test-mutants test-matrix test-oldest test-newest lint docs bench clean
.NOTPARALLEL:  # one pip at a time in the one environment

help:  ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/'

demo: $(STAMP)-demo  ## train a circulant network on real digits (under 3 minutes)
	$(VENV)/bin/python -m structmat demo

# One thread a worker: pytest-xdist already keeps every core busy.
test: $(STAMP)-test  ## run the tests, the examples of the documentation among them
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto $(ARGS)

test-mutants: $(STAMP)-test  ## plant mistakes in copies of the package, each of which the tests must notice
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto -m mutants tests/test_mutants.py $(ARGS)

# Both ends of what pyproject.toml allows, each in an environment made afresh; so few lines need no tool such as nox.
test-matrix: test-oldest test-newest  ## run the tests with the oldest and with the newest dependencies

OLDEST ?= python3.11
NEWEST ?= python3.13
# The least release of each dependency, with its newest repairs.
FLOORS := import tomllib; \
  floors = tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]; \
  print(*(floor.replace(">=", "==") + ".*" for floor in floors), sep="\n")

test-oldest:
	$(OLDEST) -m venv --clear $(VENV)-oldest
	$(OLDEST) -c '$(FLOORS)' > $(VENV)-oldest/floors.txt
	$(call tested,oldest,--group test --constraint $(VENV)-oldest/floors.txt)

test-newest:
	$(NEWEST) -m venv --clear $(VENV)-newest
	$(call tested,newest,--group test-without-torch,torch linear_operator)

define tested
	$(VENV)-$(1)/bin/python -m pip install -qq --upgrade 'pip>=25.1'
	$(VENV)-$(1)/bin/python -m pip install -qq --editable '.[demo]' $(2)
	STRUCTMAT_TEST_WITHOUT='$(3)' OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	  $(VENV)-$(1)/bin/python -m pytest -n auto $(ARGS)
endef

lint: $(STAMP)-lint  ## check style, types, layers, spelling and the repository itself
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/codespell
	$(VENV)/bin/sp-repo-review .
	$(VENV)/bin/asv check --python=same

docs: $(STAMP)-docs  ## build the documentation into docs/_build/html
	$(VENV)/bin/sphinx-build -W -n --keep-going -q docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

bench: $(STAMP)-bench  ## time products and training steps beside peers', and judge the figures to reach
	$(VENV)/bin/python -m benchmarks.peers $(or $(ARGS),--json benchmarks/results/peers.json)

clean:  ## remove the environment and everything built
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest build dist docs/_build docs/_generated .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .asv

# What each target installs beside the package itself.
$(STAMP)-demo: EXTRAS := [demo]
$(STAMP)-test: EXTRAS := [demo]
$(STAMP)-test: GROUP := --group test
$(STAMP)-lint: GROUP := --group lint
$(STAMP)-docs: GROUP := --group docs
$(STAMP)-bench: GROUP := --group bench

$(STAMP)-%: pyproject.toml | $(STAMP)
	$(VENV)/bin/python -m pip install -qq --editable '.$(EXTRAS)' $(GROUP)
	@touch $@

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "structmat needs Python 3.11 or later: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -qq --upgrade 'pip>=25.1'  # 25.1: dependency groups
	@touch $@
