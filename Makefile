# install   a .venv with everything; the others do it first where needed
# demo      run the notebooks in a real kernel; leaves HTML reports in out/
# test      every check, quick to slow; ends in pytest's summary
# lint      the checks without the tests
# conformance  one suite of plans on six systems, with fresh servers; writes docs/conformance.md
# bench     what a task costs, beside floors and peers; half an hour (BENCH_ARGS=--quick: less)
# lab       JupyterLab on the notebooks
.PHONY: install demo test lint conformance bench lab environment clean
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The first interpreter that is new enough, whatever it is called.
PYTHON ?= $(shell for p in python3 python python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

NODE_PACKAGES := @modelcontextprotocol/server-sequential-thinking@2026.8.31 \
	@modelcontextprotocol/server-filesystem@2026.8.31 @upstash/context7-mcp@4.1.1 \
	@restatedev/restate-server@1.7 bullmq@6.7 ioredis@5 xstate@5.33

# Programs of the venv before those of the user, and its kernel before any that the user registered
# under the same name.
export PATH := $(abspath $(BIN)):$(PATH)
export JUPYTER_PREFER_ENV_PATH := 1
export ORCH_NB_NPM ?= $(abspath $(VENV)/npm)
export NODE_PATH ?= $(ORCH_NB_NPM)/node_modules
export ORCH_NB_AIRFLOW ?= $(abspath $(VENV)/airflow/bin/python)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:
	@sed -n 's/^# //p' Makefile | head -7

install: $(STAMP)

$(STAMP): pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "orch_nb needs Python 3.11 or newer; found: $$(python3 --version 2>&1)." >&2; \
		echo "Name one with: make install PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "installing orch_nb and its tools into $(VENV) (once; a few minutes)"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@# An older kernel beside it: the browser's tests run in both.
	@$(BIN)/python -m pip install --quiet --upgrade --no-deps --target $(VENV)/ipykernel6 \
		'ipykernel==6.31.0' 'nest-asyncio>=1.6'
	@# Servers of Node that tests speak with; without npm those are skipped, and say so.
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --no-save \
		--prefix $(VENV)/npm $(NODE_PACKAGES) || echo "npm could not install $(NODE_PACKAGES)"; fi
	@# Airflow shares a venv with nobody: plans are tested as DAG files in its own, if CI asks.
	@if [ -n "$(ORCH_NB_CI)" ] && [ ! -x $(VENV)/airflow/bin/airflow ]; then \
		$(PYTHON) -m venv $(VENV)/airflow && \
		$(VENV)/airflow/bin/python -m pip install --quiet 'apache-airflow==3.*'; fi
	@touch $@

demo: install
	@$(BIN)/python .ci/demo.py notebooks out

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run: ruff format ."; exit 1; }
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

test: lint
	@$(BIN)/python -m pytest --nbmake --nbmake-kernel=python3 --nbmake-timeout=280 \
		-n $(or $(WORKERS),2) --dist loadfile tests notebooks $(PYTEST_ARGS)

conformance: install
	@ORCH_NB_CI=1 ORCH_NB_CONFORMANCE=docs/conformance.md $(BIN)/python -m pytest -q \
		tests/backends/test_executors.py tests/backends/test_restate.py \
		tests/backends/test_temporal.py tests/backends/test_survival.py \
		tests/backends/test_executor_survival.py \
		-k "ends_as or timeout_stops or kills or (replaced and kill) or killed_server or killed_kernel or killed_worker"

bench: install
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@$(BIN)/python benchmarks/overhead.py $(BENCH_ARGS)

lab: install
	@$(BIN)/jupyter lab --notebook-dir=notebooks

environment: install
	@$(BIN)/python .ci/environment.py environment.yml

clean:
	rm -rf $(VENV) out build dist
