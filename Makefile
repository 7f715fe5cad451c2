# fmbench: the commands of a checkout. PYTHON chooses the interpreter that .venv is made with (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A run is several processes that import the same modules: those are compiled once, wherever this is set to forbid it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: quickstart test lint docs bench clean

quickstart: $(VENV)/.run  ## benchmark a real model on this machine's CPU
	$(BIN)/fmbench --config-file quickstart

test: $(VENV)/.dev  ## everything that is checked, formatting and types included
	$(MAKE) lint
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev  ## the parts of docs/ that are made from the code
	$(BIN)/python -m fmbench_lib.config.key_reference docs/configuration.md
	$(BIN)/python -m fmbench_lib.cli.reference docs/cli.md

# Each says what it measures in its first lines, prints a table and writes benchmarks/results/<name>.json. One that
# finds something that is not as it should be does not keep the others from running.
BENCHMARKS := accuracy throughput memory arrivals omission faults overload search notebook_overhead

bench: $(VENV)/.dev  ## what fmbench itself does and costs; wants an idle machine, and its time
	failed=; for name in $(BENCHMARKS); do \
		echo "== $$name"; $(BIN)/python benchmarks/$$name.py || failed="$$failed $$name"; \
	done; \
	test -z "$$failed" || { echo "not as it should be:$$failed"; exit 1; }

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local]'
	$(BIN)/python -m fmbench_lib.models.embedded
	touch $@

$(VENV)/.dev: setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,sagemaker]'
	$(BIN)/python -m fmbench_lib.models.embedded
	touch $@ $(VENV)/.run
