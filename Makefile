# Every target installs its own dependencies into .venv. They are installed again only if pyproject.toml or the sources
# of the compiled kernels change.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/stamp

.DEFAULT_GOAL := help
.PHONY: help demo kernels test test-fast test-pure test-sanitize test-mutants test-matrix test-oldest test-newest \
  test-cupy-api test-cupy-oldest test-cupy-newest test-scale lint docs test-docs chromium bench clean
.NOTPARALLEL:  # one pip at a time in the one environment
COMMA := ,
KERNELS := structmat/_kernels/build.py $(wildcard structmat/_kernels/*.?pp)

help:  ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/'

demo: $(STAMP)-demo  ## train a circulant network on real digits (under 3 minutes)
	$(VENV)/bin/python -m structmat demo

kernels:  ## compile the kernels in place, after a change of their sources
	$(PYTHON) structmat/_kernels/build.py

# One thread a worker: pytest-xdist already keeps every core busy.
test: $(STAMP)-test  ## run the tests, the examples of the documentation among them
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto $(ARGS)

test-mutants: $(STAMP)-test  ## check that the tests fail for each of a list of mistakes in copies of the package
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto -m mutants tests/repository/test_mutants.py $(ARGS)

# Files that import an excluded package are not collected. Neither are slow files, and files that need one indirectly.
LEFT_OUT := torch jax dask distributed zarr equinox flax keras linear_operator lineax matplotlib onnxruntime onnxscript peft pylops rich sklearn transformers
SLOW := operators/test_circulant_accuracy repository/test_mutants
INDIRECT := repository/test_cli repository/test_distances repository/test_docs repository/test_paper

test-fast: $(VENV)-fast/stamp  ## run the tests of the core with NumPy alone (under 2 minutes), at each change
	$(test_fast)

test-pure: $(VENV)-fast/stamp  ## run the tests of test-fast without the compiled kernels
	STRUCTMAT_KERNELS=0 $(test_fast)

define test_fast
	STRUCTMAT_TEST_WITHOUT='$(LEFT_OUT)' OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	  $(VENV)-fast/bin/python -m pytest -n auto $(patsubst %,--ignore=tests/%.py,$(SLOW) $(INDIRECT)) $(ARGS)
endef

# Sanitizers need their libraries loaded first; Python itself leaks, so leaks are not looked for.
SANITIZED := build/sanitized
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined

test-sanitize: $(VENV)-fast/stamp  ## run the tests of the kernels with the sanitizers of GCC (a few minutes)
	rm -rf $(SANITIZED)
	mkdir -p $(SANITIZED)
	cp -r structmat $(SANITIZED)
	CXX='$(CXX)' CXXFLAGS='$(SANITIZE)' $(VENV)-fast/bin/python $(SANITIZED)/structmat/_kernels/build.py
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONMALLOC=malloc \
	  STRUCTMAT_KERNELS=1 STRUCTMAT_TEST_WITHOUT='$(LEFT_OUT)' PYTHONSAFEPATH=1 PYTHONPATH=$(SANITIZED):. \
	  $(VENV)-fast/bin/python -m pytest tests/kernels --ignore=tests/kernels/test_build.py $(ARGS)

$(VENV)-fast/stamp: pyproject.toml $(KERNELS)
	$(PYTHON) -m venv --clear $(VENV)-fast
	$(call install,fast,NumPy$(COMMA) SciPy and pytest (.3 GB),--editable . --group test-fast)
	@touch $@

# The oldest and the newest versions that pyproject.toml allows, each in a new environment.
test-matrix: test-oldest test-newest  ## run the tests with the oldest and with the newest dependencies

OLDEST ?= python3.11
NEWEST ?= python3.13
# The minimum release of each dependency, with its latest patch.
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
	$(call install,$(1),the dependencies of the tests (3.3 GB),--editable '.[demo]' $(2))
	STRUCTMAT_TEST_WITHOUT='$(3)' OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	  $(VENV)-$(1)/bin/python -m pytest -n auto $(ARGS)
endef

# pip shows what it downloads.
define install
	@echo "Installing $(2) into $(VENV)-$(1)"
	$(VENV)-$(1)/bin/python -m pip install -qq --upgrade 'pip>=25.1'  # 25.1: dependency groups
	$(VENV)-$(1)/bin/python -m pip install $(3)
endef

# CuPy can be imported without a GPU if it finds the CUDA libraries; newer releases find NVIDIA's packages themselves.
test-cupy-api: test-cupy-oldest test-cupy-newest  ## check that the oldest and newest CuPy have the functions that structmat calls (no GPU)

LEAST_CUPY := import tomllib; \
  extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
  print(extras["cuda12"][0].replace(">=", "==") + ".*")

test-cupy-oldest:
	$(OLDEST) -m venv --clear $(VENV)-cupy-oldest
	$(OLDEST) -c '$(FLOORS)' > $(VENV)-cupy-oldest/floors.txt
	$(OLDEST) -c '$(LEAST_CUPY)' >> $(VENV)-cupy-oldest/floors.txt
	$(call install,cupy-oldest,CuPy and CUDA 12 (2.9 GB),--editable '.[cuda12]' --group test-cupy-oldest \
	  --constraint $(VENV)-cupy-oldest/floors.txt)
	LD_LIBRARY_PATH=$$(ls -d $(CURDIR)/$(VENV)-cupy-oldest/lib/python*/site-packages/nvidia/*/lib | paste -sd:) \
	  $(VENV)-cupy-oldest/bin/python -m pytest --noconftest tests/interop/cupy_api.py $(ARGS)

test-cupy-newest:
	$(OLDEST) -m venv --clear $(VENV)-cupy-newest
	$(call install,cupy-newest,CuPy and CUDA 13 (2.1 GB),--editable '.[cuda13]' --group test-cupy-newest)
	$(VENV)-cupy-newest/bin/python -m pytest --noconftest tests/interop/cupy_api.py $(ARGS)

test-scale: $(STAMP)-test-scale  ## run the recipes of the page "At scale", with Spark, which needs Java, and Ray
	STRUCTMAT_TEST_SCALE=1 OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest tests/scale $(ARGS)

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

test-docs: chromium docs $(STAMP)-test-docs  ## check every page of the site in a browser (2 minutes after the build)
	STRUCTMAT_TEST_SITE='$(CHROMIUM)' $(VENV)/bin/python -m pytest --confcutdir=tests/site tests/site $(ARGS)

CHROMIUM ?= $(shell for name in chromium chromium-browser google-chrome; do command -v $$name && break; done)

chromium:
	@test -x '$(CHROMIUM)' || { echo "make test-docs needs Chromium or Chrome: make test-docs CHROMIUM=/path/to/it" >&2; exit 1; }

bench: $(STAMP)-bench  ## time products and training steps of structmat and its peers, and compare with the goals
	$(VENV)/bin/python -m benchmarks.peers $(or $(ARGS),--json benchmarks/results/peers.json)

clean:  ## remove the environment and everything built
	rm -rf $(VENV) $(VENV)-* structmat/_kernels/*.so build dist docs/_build docs/_generated .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .asv

# The extras and groups that each target installs. pip shows its downloads.
$(STAMP)-demo: EXTRAS := [demo]
$(STAMP)-test: EXTRAS := [demo]
$(STAMP)-test: GROUP := --group test
$(STAMP)-test: NOTE := : 3.3 GB of PyTorch, JAX, Keras and other libraries that structmat works with
$(STAMP)-test-scale: GROUP := --group test-scale
$(STAMP)-lint: GROUP := --group lint
$(STAMP)-docs: GROUP := --group docs
$(STAMP)-docs: NOTE := , with PyTorch, JAX and PEFT for the examples
$(STAMP)-test-docs: GROUP := --group test-docs
$(STAMP)-bench: GROUP := --group bench

$(STAMP)-%: pyproject.toml $(KERNELS) | $(STAMP)
	@echo "Installing structmat$(EXTRAS) $(GROUP) into $(VENV)$(NOTE)"
	$(VENV)/bin/python -m pip install --editable '.$(EXTRAS)' $(GROUP)
	@touch $@

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "structmat needs Python 3.11 or later: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -qq --upgrade 'pip>=25.1'  # 25.1: dependency groups
	@touch $@
