# The commands that people use here. `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000
# Tests run on all cores; TESTS narrows them down: make test TESTS=tests/tasks
TESTS ?= tests
# How many requests `make fuzz` tries at least.
FUZZ_CASES ?= 20000
export PORT
# Compiled code is kept whatever the environment says: the tests of the command line start Python many times.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test soak fuzz check format lint types migrations lock sbom up clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

run: $(VENV)/.installed ## the service with demo data, on the embedded database
	@$(BIN)/flask --app wsgi db upgrade
	@$(BIN)/flask --app wsgi seed --users 12 --projects 12 --tasks 600 --tags 6
	@echo
	@echo "  Swagger UI   http://127.0.0.1:$(PORT)/api/v1/docs"
	@echo "  log in as    demo / demo-password-please-change"
	@echo
	@exec $(BIN)/gunicorn wsgi:app

test: $(VENV)/.installed-dev ## every test, on PostgreSQL with Redis and on SQLite
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term $(TESTS)

soak: $(VENV)/.installed-dev ## writes while servers fail, for SOAK_SECONDS (600): is anything lost?
	$(BIN)/python -m tests.history.soak

fuzz: $(VENV)/.installed-dev ## random requests, FUZZ_CASES of them or more, on both databases
	FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -n 2 --dist worksteal -p tests.attacks.counting tests/test_schemathesis.py \
	  tests/attacks/test_any_request.py

check: format lint types migrations test ## everything that must hold before a change lands

format: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive tasktracker config.py wsgi.py gunicorn.conf.py tools

types: $(VENV)/.installed-dev
	$(BIN)/basedpyright --pythonpath $(BIN)/python

migrations: $(VENV)/.installed-dev ## do models and migrations say the same?
	@instance=$$(mktemp -d) && trap 'rm -rf "$$instance"' EXIT && \
	export INSTANCE_PATH="$$instance" DATABASE_URL= REDIS_URL= APP_ENV=development && \
	$(BIN)/flask --app wsgi db upgrade && $(BIN)/flask --app wsgi db check

lock: $(VENV)/.installed-dev ## requirements.lock and requirements-dev.lock anew
	$(BIN)/python -m pip install -qq uv
	for name in requirements requirements-dev; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header $$name.txt --output-file $$name.lock || exit 1; done

sbom: $(VENV)/.installed-dev ## sbom.json: the bill of materials (CycloneDX) of what requirements.lock names
	$(BIN)/python tools/sbom.py sbom.json

up: ## PostgreSQL and Redis in containers
	@docker compose version > /dev/null 2>&1 || { echo "make up needs Docker with its compose plugin"; exit 1; }
	docker compose up --detach --wait

clean: ## removes what was installed and made, but for instance/ with its data
	rm -rf $(VENV) sbom.json .coverage* .hypothesis .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "TaskTracker needs Python 3.11 or newer: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@touch $@
