# Three commands matter: `make run`, `make check` and `make test`. `make help` lists the others.

# The first that is here; another one: make PYTHON=...
PYTHON ?= $(or $(firstword $(foreach it,python3.11 python3.12 python3.13,$(shell command -v $(it)))),python3.11)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
UV := uv==0.13.9
SPEED ?= 0
RULES := form types imports lua
# Side by side; each one's words together where make can do that, and all of them before the first failure ends it.
ABREAST = $(MAKE) --no-print-directory --keep-going --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync)
# The tests of a file, which share processes, stay with one worker; the longest files begin.
PYTEST := $(BIN)/pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder
# Hundreds of interpreters are started: each module is compiled once, not each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo-replay check test $(RULES) quick-tests faults bench fmt docs lock clean

help:                 ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

run: .venv/run        ## start everything on this machine and print where to look
	@$(BIN)/python -m stormalert run

demo-replay: .venv/run ## the same with a recorded market: make demo-replay FILE=minutes.csv [SPEED=60]
	@test -n "$(FILE)" || { echo "Say which recording to play: make demo-replay FILE=minutes.csv [SPEED=60]" >&2; exit 2; }
	@$(BIN)/python -m stormalert demo-replay "$(FILE)" --speed "$(SPEED)"

check: .venv/dev      ## in a minute: form, types, import rules, Lua, and all tests that start no process
	@$(ABREAST) $(RULES) quick-tests

test: .venv/dev       ## in half an hour: every check that the public CI runs
	@deploy/system-packages
	@$(ABREAST) $(RULES)
	$(PYTEST) --durations=20 -m "not e2e"
	@# One after another: a whole product is enough for two cores, and beside a second one messages go out twice.
	$(BIN)/pytest --durations=20 -m e2e

form:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@DENO_NO_UPDATE_CHECK=1 $(BIN)/deno fmt --check --quiet && $(BIN)/deno lint --quiet

types:
	@$(BIN)/mypy

imports:
	@$(BIN)/lint-imports >.venv/imports || { cat .venv/imports >&2; exit 1; }

lua:
	@if command -v luacheck >/dev/null; then luacheck --quiet lua; \
	else echo "THE LUA SCRIPTS ARE NOT CHECKED: luacheck is not installed; on Debian or Ubuntu: apt install lua-check" >&2; \
	  [ -z "$$CI" ]; fi

quick-tests:
	@$(PYTEST) -m "not process"

faults: .venv/dev     ## an hour: break everything that can break, one after the other, and write docs/reliability.md
	ALL_FAULTS=1 $(BIN)/pytest --durations=0 tests/faults

bench: .venv/dev      ## measure, print a table and write bench/results.json
	@$(BIN)/python -m bench

fmt: .venv/dev        ## put code into its form
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .
	@DENO_NO_UPDATE_CHECK=1 $(BIN)/deno fmt --quiet && $(BIN)/deno lint --quiet --fix

docs: .venv/dev       ## make .env.example, the tables of the architecture and docs/provider-answers.md anew
	@$(BIN)/python -m stormalert docs
	@$(BIN)/python -m tests.workers.answers

lock: .venv/dev       ## compile requirements*.txt, with hashes, from pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .venv/uv --upgrade $(UV)
	@for extra in "" dev; do \
	  .venv/uv/bin/uv pip compile pyproject.toml $${extra:+--extra $$extra} --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" \
	    --output-file requirements$${extra:+-$$extra}.txt || exit 1; \
	done

clean:                ## forget the environment and all data
	rm -rf .venv var build .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The stamps say which requirements are installed.
.venv/run: requirements.txt | .venv/bin/python
	@echo "Installing the packages (once, some minutes) ..."
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt | .venv/bin/python
	@echo "Installing the packages and development tools (once, some minutes) ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@ .venv/run

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "StormAlert needs Python 3.11, 3.12 or 3.13; $(PYTHON) is not here. On Debian or Ubuntu: apt install python3 python3-venv," \
	       "and where that is another version, python3.12 python3.12-venv; on macOS: brew install python@3.12." \
	       "Under another name: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  rm -rf .venv; echo "$(PYTHON) cannot make an environment. On Debian or Ubuntu: apt install python3-venv." >&2; exit 1; }
