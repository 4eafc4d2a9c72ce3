# The two commands of the README, and the words CI uses. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The demo and `up` share one folder: NOMAFLOW_HOME, or var here.

.PHONY: help demo up setup test check lint types migrations bench bench-cron bench-pages bench-tails bench-alerts bench-copy bench-jde screenshots clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*## "} {printf "  make %-12s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Nomaflow needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Could not make a virtual environment with $(PYTHON). On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/runtime.stamp: requirements/runtime.txt | $(BIN)/python
	@echo "Installing the pinned packages into $(VENV) ..."
	@$(BIN)/python -m pip install -q --no-deps -r requirements/runtime.txt
	@touch $@

$(VENV)/test.stamp: requirements/test.txt requirements/browser.txt $(VENV)/runtime.stamp
	@$(BIN)/python -m pip install -q --no-deps -r requirements/test.txt
	@if command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1; then \
		$(BIN)/python -m pip install -q --no-deps -r requirements/browser.txt; fi
	@touch $@

$(VENV)/demo.stamp: requirements/demo.txt $(VENV)/runtime.stamp
	@$(BIN)/python -m pip install -q --no-deps -r requirements/demo.txt
	@touch $@

$(VENV)/quality.stamp: requirements/quality.txt $(VENV)/runtime.stamp
	@$(BIN)/python -m pip install -q --no-deps -r requirements/quality.txt
	@touch $@

setup: $(VENV)/runtime.stamp  ## make .venv with the pinned packages

demo: $(VENV)/demo.stamp  ## run the example job end to end on real data
	@$(BIN)/python examples/demo.py

up: setup  ## start web, worker and beat; the pages are at the address it prints
	@$(BIN)/python manage.py up

test: $(VENV)/test.stamp  ## set up and run the tests
	@$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

lint: $(VENV)/quality.stamp  ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/quality.stamp  ## mypy, strict, on the source
	@$(BIN)/mypy nomaflow_site jobs runs connectors notifications

migrations: setup  ## fail when a model change has no migration
	@$(BIN)/python manage.py makemigrations --check --dry-run

check: lint types migrations test  ## everything CI checks
	@$(BIN)/python manage.py check

bench: setup  ## overhead per step and lateness of schedules, as ratios to the parts they are made of
	@$(BIN)/python bench/overhead.py
	@$(BIN)/python bench/schedules.py

bench-cron: $(VENV)/test.stamp  ## a week of a thousand schedules, folded, next to listing every fire with cronsim
	@$(BIN)/python bench/cron.py

bench-alerts: setup  ## what alerts cost the run that they're about, and how soon they arrive
	@$(BIN)/python bench/alerts.py $(BENCH_ARGS)

bench-copy: setup  ## copying tables next to the databases' own tools, in every pair of databases found here
	@$(BIN)/python bench/copying.py $(BENCH_ARGS)

bench-jde: setup  ## copying with the jde rules next to psql without them
	@$(BIN)/python bench/jdecopy.py $(BENCH_ARGS)

bench-tails: $(VENV)/test.stamp  ## the way of a log line to the browser, with a hundred logs open
	@$(BIN)/python bench/tails.py

screenshots: $(VENV)/test.stamp  ## take the pictures of docs/screenshots anew (needs Chromium)
	@$(BIN)/python docs/screenshots/take.py

bench-pages: setup  ## every page with a thousand jobs and a million runs in PostgreSQL; KEEP=FOLDER keeps these 16 GB
	@$(BIN)/python -W ignore bench/pages.py $(if $(KEEP),--keep $(KEEP)) $(BENCH_ARGS)

clean:  ## remove the virtual environment and embedded data
	rm -rf $(VENV) var
