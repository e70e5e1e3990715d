# One list of tasks for hand, hooks and CI. `make` alone prints it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
UV := $(BIN)/uv pip
COMPILE := $(UV) compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
export UV_PYTHON_DOWNLOADS := never

# Where `db-migrate` works; empty: the database that config/khata.yaml names.
DATABASE_URL ?=
ARGS ?=
# Why a model is taken back: it is recorded.
WHY ?=
# The business day that `settle` works on.
DATE ?=

.DEFAULT_GOAL := help
.PHONY: help install demo dev db-migrate mock-banks mock-fraud-engine train rollback-model settle test test-integration test-e2e simulate \
	bench lint format lock clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## Make .venv and install the pinned dependencies

# The stamp is newer than the pinned list, or everything is installed again.
$(READY): requirements/all.txt requirements/bootstrap.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(UV) sync --require-hashes requirements/all.txt
	@touch $@

demo: $(READY) ## A day of payments, settled and reconciled, from nothing
	$(BIN)/python -m pipelines demo $(ARGS)

dev: $(READY) ## Run the service, sandbox banks, Dagster UI and MLflow UI together
	$(BIN)/python -m pipelines dev $(ARGS)

db-migrate: $(READY) ## Bring the database's schema up to date (DATABASE_URL=…)
	$(BIN)/python -m online migrate $(if $(DATABASE_URL),--database "$(DATABASE_URL)") $(ARGS)

mock-banks: $(READY) ## Run the sandbox banks, UPI switch and card acquirers alone
	$(BIN)/python -m online.sandbox serve --port 8090 --data var/banks $(ARGS)

mock-fraud-engine: $(READY) ## Run a fraud engine of another company, for merchants who bring their own
	$(BIN)/python -m online.sandbox fraud-engine --port 8091 $(ARGS)

train: $(READY) ## Train a fraud model, judge it, and promote it if every gate holds
	$(BIN)/python -m pipelines train $(ARGS)

rollback-model: $(READY) ## Put the previous fraud model back in use (WHY="alerts doubled")
	$(BIN)/python -m models rollback $(if $(WHY),--why "$(WHY)") $(ARGS)

settle: $(READY) ## Settle a closed business day (DATE=2025-01-15)
	$(BIN)/python -m pipelines settle $(if $(DATE),--date $(DATE)) $(ARGS)

test: $(READY) ## Everything that must hold
	$(BIN)/python -m pytest $(ARGS)

test-integration: $(READY) ## Each part against the real thing beside it
	$(BIN)/python -m pytest tests/integration tests/contract $(ARGS)

test-e2e: $(READY) ## The whole system, as its users meet it
	$(BIN)/python -m pytest tests/e2e --whole $(ARGS)

simulate: $(READY) ## Random operations, audited after each (ARGS="--seed 7 --steps 20000")
	$(BIN)/python -m tests.simulation $(ARGS)

bench: $(READY) ## Measure, each figure beside a baseline from the same run
	$(BIN)/python -m tests.load.bench $(ARGS)

lint: $(READY) ## Style, format, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(READY) ## Pin again what pyproject.toml asks for
	echo uv | $(COMPILE) - --output-file requirements/bootstrap.txt $(ARGS)
	$(COMPILE) pyproject.toml --all-extras --output-file requirements/all.txt $(ARGS)
	$(COMPILE) pyproject.toml --constraints requirements/all.txt --output-file requirements/base.txt
	for extra in pipeline ml dev; do $(COMPILE) pyproject.toml --extra $$extra --constraints requirements/all.txt --output-file requirements/$$extra.txt || exit 1; done

clean: ## Remove everything that running wrote, and the caches; .venv stays
	rm -rf var build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
