# Each job first makes the environment in .venv, once, with the exact versions of requirements.txt; after that it starts
# at once.

PYTHON ?= python3
# Extra options for each pip call, e.g. PIP_OPTIONS="--extra-index-url ADDRESS" for a build of torch without CUDA.
PIP_OPTIONS ?=
# Extra options for pytest, e.g. PYTEST_OPTIONS="-k grace -x".
PYTEST_OPTIONS ?=
# Options of `workbench app` for `make app`, e.g. APP_OPTIONS="--no-browser --port=8877".
APP_OPTIONS ?=

VENV := .venv
OLDEST := .venv-oldest
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install run gallery lab app test test-oldest torture check hostile audit bench bench-check format pictures lock clean

help: ## show this list
	@echo "make JOB, where JOB is one of:"
	@sed -n 's/^\([a-z-]*\):.*## /  \1#/p' Makefile | awk -F'#' '{ printf "%-12s %s\n", $$1, $$2 }'

install: $(STAMP) ## make .venv and install the tested versions (other jobs do it by themselves)

$(STAMP): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
	  { echo "make: '$(PYTHON)' not found; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: '$(PYTHON)' is older than Python 3.11; name a newer one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "make: '$(PYTHON)' has no venv module; install it (on Debian and Ubuntu: the package python3-venv)" >&2; exit 1; }
	@echo "Setting up $(VENV): some minutes and 2 GB, this once"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install $(PIP_OPTIONS) -r requirements.txt
	$(PY) -m pip install --quiet $(PIP_OPTIONS) --no-deps --no-build-isolation -e .
	@touch $@

run: $(STAMP) ## run the tour: train each method, compare them, write build/00_tour.html
	@$(PY) -m workbench notebooks 00_tour --out-dir build
	@echo
	@echo "Next: make lab    opens the start page in JupyterLab: the tour, other graphs and methods are a click away"

gallery: $(STAMP) ## execute every notebook, write build/gallery/index.html, which leads to their pages
	@$(PY) -m workbench notebooks --gallery build/gallery

lab: $(STAMP) ## open JupyterLab on the start page
	@$(PY) -m workbench lab

app: $(STAMP) ## serve the notebooks as pages to click in, on this machine only, with a token
	@$(PY) -m pip install --quiet $(PIP_OPTIONS) -r requirements.txt --no-build-isolation -e ".[app]"
	@$(PY) -m workbench app $(APP_OPTIONS)

test: $(STAMP) ## run the tests
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist worksteal $(PYTEST_OPTIONS)

# The lower ends of pyproject.toml's ranges are what these tests have passed with. That holds of torch too: its lower end
# is the one version that was ever run, though older ones may well work. The two tests left out compare .venv with
# requirements.txt.
test-oldest: $(OLDEST)/.installed ## run the tests in .venv-oldest, with the lowest versions of pyproject.toml's ranges
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest $(PYTEST_OPTIONS) \
	  --deselect tests/test_packaging.py::test_what_is_installed_is_what_is_locked \
	  --deselect tests/test_packaging.py::test_the_lock_is_closed_under_requirements

$(OLDEST)/.installed: pyproject.toml .ci/oldest.py
	$(PYTHON) -m venv --clear $(OLDEST)
	$(PYTHON) .ci/oldest.py > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install $(PIP_OPTIONS) --constraint $(OLDEST)/constraints.txt -e ".[app,dev]"
	@touch $@

# Kills to make, e.g. TORTURE=1000.
TORTURE ?= 100

torture: $(STAMP) ## kill -9 at random moments (TORTURE times), see that nothing is lost, write docs/reliability.md
	TORTURE=$(TORTURE) OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 nice $(PY) tests/torture.py

hostile: $(STAMP) ## hand malformed and extreme input to the commands, print what came of each
	@OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(PY) tests/test_hostile.py

audit: $(STAMP) ## look for code that runs what a file holds, and for known weaknesses of the packages
	@$(PY) -m pytest -q tests/test_hostile.py -k "runs_code_from_a_file or audit_sees"
	@if ! $(PY) -c 'import pip_audit' 2>/dev/null; then \
	  echo "audit: the packages were not looked at: pip-audit isn't installed ($(PY) -m pip install pip-audit)"; \
	else $(PY) -m pip_audit -r requirements.txt --no-deps --disable-pip || \
	  { echo "audit: see above: a known weakness, or the service could not be reached" >&2; exit 1; }; fi

check: $(STAMP) ## check formatting, lint and types, changing nothing
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m nbstripout --verify --keep-id notebooks/*.ipynb $(wildcard notebooks/*/*.ipynb)

BENCH := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(PY) -m benchmarks

bench: $(STAMP) ## measure times and memory, write docs/performance.md (an hour; BENCHMARKS="sparsity widgets" for some)
	$(BENCH) $(BENCHMARKS)

bench-check: $(STAMP) ## measure the ratios again, fail where one fell below its stored value
	$(BENCH) --check $(BENCHMARKS)

format: $(STAMP) ## format the code, mend what lint can mend, take the outputs out of the notebooks
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	$(PY) -m nbstripout --keep-id notebooks/*.ipynb $(wildcard notebooks/*/*.ipynb)

pictures: $(STAMP) ## draw the README's pictures (needs Chrome or Chromium)
	@$(PY) docs/pictures/draw.py

# torch keeps its version, whatever is new: each build of it is gigabytes.
lock: ## resolve pyproject.toml afresh and write requirements.txt
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet $(PIP_OPTIONS) -e '.[dev]' $$(grep '^torch==' requirements.txt)
	{ echo "# Every package with its tested version, dev tools included; written by 'make lock' from pyproject.toml."; \
	  build/lock/bin/python -m pip freeze --all --exclude pip --exclude-editable \
	    | sed 's/[+ ].*//'; } > build/requirements.txt
	mv build/requirements.txt requirements.txt
	rm -rf build/lock

clean: ## remove .venv, .venv-oldest, build and every cache; runs/ and data/ stay
	rm -rf $(VENV) $(OLDEST) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
