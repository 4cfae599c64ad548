# Two commands matter: `make demo` plays a market day, `make test` passes the tests. Everything lives in .venv and .catalyst.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SEED   ?= 7

.PHONY: demo dev test lint types bench clean lock install docs-pictures

install: $(STAMP)

# Hash-checked from the lock, then the project itself without touching its dependencies.
$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Catalyst needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/catalyst env --write >/dev/null
	@touch $@

demo: $(STAMP)
	@$(BIN)/catalyst demo --seed $(SEED)

dev: $(STAMP)
	@$(BIN)/catalyst dev

test: $(STAMP)
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP)
	@$(BIN)/ruff check catalyst_assets catalyst_assets_tests benchmarks
	@$(BIN)/ruff format --check catalyst_assets catalyst_assets_tests benchmarks
	@$(BIN)/lint-imports
	@$(BIN)/mypy

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

clean:
	@if [ -x $(BIN)/catalyst ]; then $(BIN)/catalyst services stop || true; fi
	rm -rf $(VENV) .catalyst .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# Versions and hashes, no addresses.
lock:
	uv pip compile pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header --no-annotate --no-strip-extras --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --extra build --extra dev --extra bench --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --no-strip-extras --quiet --output-file requirements-dev.lock
