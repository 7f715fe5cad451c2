# fmbench: the commands of a checkout. PYTHON chooses the interpreter that .venv is made with (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

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
	$(BIN)/python -m fmbench_lib.config.reference docs/configuration.md
	$(BIN)/python -m fmbench_lib.cli_reference docs/cli.md

bench: $(VENV)/.dev  ## timings of fmbench itself
	$(BIN)/python benchmarks/notebook_overhead.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local]'
	$(BIN)/python -m fmbench_lib.weights
	touch $@

$(VENV)/.dev: setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,sagemaker]'
	$(BIN)/python -m fmbench_lib.weights
	touch $@ $(VENV)/.run
