# Everything works on a machine with Python 3.11 or newer, make and git. `make` lists the commands.

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# Two processes, each with servers of its own, since much of a test is waiting. Files stay together.
TEST := $(PY) -m pytest -q -n 2 --dist loadfile
LOCK_TOOLS := .venvs/lock
COMPILE := $(LOCK_TOOLS)/bin/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes \
	--no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check format chaos bench exit-status histories cross-check screenshots lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:.*##/\t/' | sort | awk -F'\t' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## install everything into .venv (nothing to do when it is up to date)

demo: $(READY) ## run the main job on a stack of its own, show what happened (KEEP=1 leaves it running)
	@$(PY) -m cli demo

up: $(READY) ## start the whole stack and keep it running until Ctrl-C
	@$(PY) -m cli up

test: $(READY) ## pass the tests
	@$(TEST)

check: $(READY) ## format, lint, types, import rules, tests: what CI runs
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	$(VENV)/bin/lint-imports
	$(TEST)

format: $(READY) ## put the code into the form that check wants
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

chaos: $(READY) ## kill and fault everything while payments are under way, then compare the books
	@PAYCENTER_CHAOS=full $(PY) -m pytest -q tests/chaos

bench: $(READY) ## measure, side by side with the baselines
	@$(PY) -m bench

exit-status: $(READY) ## a short command 100 times: its exit status is right every time
	@PAYCENTER_EXIT_STATUS_RUNS=100 $(PY) -m pytest -q tests/devstack/test_exit_status.py

histories: $(READY) ## record the workflow histories that the replay tests run
	rm -f tests/replay/histories/*.json
	@RECORD_HISTORIES=1 $(PY) -m pytest -q tests/workflows/test_payment.py \
		tests/workflows/test_races.py tests/workflows/test_held_money.py

cross-check: $(READY) ## judge adapters and sandbox with the providers' own SDKs
	@$(PY) tests/cross_check/environments.py
	@$(PY) -m pytest -q tests/cross_check

screenshots: $(READY) ## a picture of every page, in .data/screenshots, to be looked at
	@$(PY) -m tests.end_to_end.browser.screenshots

lock: $(LOCK_TOOLS)/bin/pip-compile ## write the dependency locks again (they name no index)
	$(COMPILE) --extra stack --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file requirements-server.lock pyproject.toml
	@! grep -nE '://|^--(index|extra|find|trusted)' requirements.lock requirements-server.lock

clean: ## remove environments, caches and all data of the stack in this folder
	rm -rf .venv .venvs .data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed from the lock alone, every file checked against its hash. The project itself is put on
# the path instead of being built, so no build tool is fetched.
$(READY): requirements.lock | $(PY)
	@echo "installing the locked packages into $(VENV) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo "$(CURDIR)" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/paycenter.pth"
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m cli "$$@"\n' > $(VENV)/bin/paycenter
	@chmod +x $(VENV)/bin/paycenter
	@touch $(READY)

# The first of these that is new enough and can make environments. PYTHON=… chooses another.
$(PY):
	@for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
		if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
			2>/dev/null; then \
			exec "$$candidate" -m venv $(VENV); \
		fi; \
	done; \
	echo "Paycenter needs Python 3.11 or newer with its venv module (on Debian: apt install" \
		"python3-venv). If it is not on the PATH: make PYTHON=/path/to/python3.11" >&2; \
	exit 1

$(LOCK_TOOLS)/bin/pip-compile: | $(PY)
	$(PY) -m venv $(LOCK_TOOLS)
	$(LOCK_TOOLS)/bin/python -m pip install --quiet 'pip-tools>=7.4'
