# Every target is one command that can be read here and typed by hand.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := adapters api bench bootstrap db domain schema tests usecases workers

.DEFAULT_GOAL := help
.PHONY: help install run test figures bench soak check lint format format-check types imports schema schema-check reference lock clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

install: ## Install the locked packages; done by every target that needs them
	@$(PYTHON) -m bootstrap.install

run: install ## Start everything: databases, API, worker, mail catcher (Ctrl-C stops it)
	@exec $(BIN)/python -m bootstrap

test: install ## Run the whole suite against a PostgreSQL and a Redis of its own
	@$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadgroup

figures: install ## Hold the security page's figures on their whole scale, and print them
	@$(BIN)/pytest -m figures --full --numprocesses 2 --dist loadgroup

bench: install ## Measure this machine: how fast jobs are, against arq as it comes
	@$(BIN)/python -m bench.jobs

soak: install ## Torment an installation under load for MINUTES=10, then check every promise
	@$(BIN)/python -m bench.soak

check: lint format-check types imports schema-check test ## Run everything that a change must pass

lint: install ## Look for mistakes and bad style
	@$(BIN)/ruff check $(SOURCES)

format: install ## Lay the code out
	@$(BIN)/ruff format $(SOURCES)

format-check: install
	@$(BIN)/ruff format --check $(SOURCES)

types: install ## Check the types, strictly
	@$(BIN)/mypy

imports: install ## Check that dependencies point inwards
	@$(BIN)/lint-imports

schema: install ## Write schema.graphql from the code
	@$(BIN)/python -m schema.export

schema-check: install ## Check that schema.graphql equals the code
	@$(BIN)/python -m schema.export --check

reference: install ## Write .env.example and the README's settings table from the code
	@$(BIN)/python -m bootstrap.settings_reference

lock: install ## Resolve the dependencies anew and write the lock files
	@$(PYTHON) -m bootstrap.lock

clean: ## Remove what was installed and built; the databases in .storyloom stay
	@rm -rf .venv .storyloom/tools web/node_modules web/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
