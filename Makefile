# Ringback: `make` alone prints the verbs. Each one makes .venv first, if it is not there or not up to date.

PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/ready

# Compiled modules are kept whatever the caller has set: each process of a test would compile Ringback anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test test-fast test-live test-oldest coverage parity faults chaos bench bench-calls bench-door check services try-servers lock clean again

help: ## print this list
	@echo "make VERB, where VERB is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r verb text; do printf '%-11s %s\n' "$$verb" "$$text"; done

run: $(READY) ## start Ringback: REST on 127.0.0.1:8080, state in ./var; Ctrl-C stops it
	@exec $(BIN)/ringback up

demo: $(READY) ## ring two real phones through a real Asterisk; STAY=1 keeps both servers running
	@exec $(BIN)/ringback demo $(if $(STAY),--stay)

test: $(READY) ## run every test: the fast ones, then the others
	@failed=0; \
	$(MAKE) --no-print-directory test-fast BUT="$(addprefix --ignore=,$(ROUTER))" || failed=1; \
	$(MAKE) --no-print-directory coverage || failed=1; \
	$(MAKE) --no-print-directory test-live || failed=1; \
	exit $$failed

test-fast: $(READY) ## run the tests that need no server and no network
	$(BIN)/pytest -n auto --dist worksteal --ignore tests/live --ignore tests/chaos $(BUT)

# Two at once: with more, two processors are so busy that phones hear gaps in what they measure.
test-live: services ## run the tests of real processes, of a real Asterisk and Kamailio, and those that take seconds
	@failed=0; \
	$(BIN)/pytest -n 2 --dist loadfile -m "sip or process or long" || failed=1; \
	$(PARITY) || failed=1; \
	exit $$failed

test-oldest: services ## run the tests of a real Asterisk with the oldest one that will do: 16, fetched once (75 MB)
	$(BIN)/pytest -n 2 --dist loadfile -m sip --asterisk bullseye tests/live

coverage: $(READY) ## measure how much of the router its own fast tests run; less than nine tenths is a failure
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist worksteal -m "not process" $(ROUTER)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Its fast tests run once in `make test`: where they are measured.
ROUTER = tests/router tests/api/test_router.py tests/cli/test_router.py

parity: services ## run the tests of worlds again over RabbitMQ and Redis, on MariaDB and on PostgreSQL
	@$(PARITY)

faults: $(READY) ## put one small fault at a time into breaker, merge, conditions and rights, and tell those that no test sees
	@$(BIN)/python -m tests.faults

chaos: services ## kill everything under load, 200 times; SEED=… and KILLS=… play it again
	CHAOS_SEED=$(SEED) CHAOS_KILLS=$(or $(KILLS),200) $(BIN)/pytest --timeout 0 -m process -s tests/chaos

bench: services ## measure what Ringback costs beside bare floors, and write docs/benchmarks.md; ONLY="M-1 M-3", SHARE=0.1
	@$(BIN)/python -m bench $(ONLY) $(if $(SHARE),--share $(SHARE))

bench-calls: services ## measure calls a second by each way of asking who rings; needs sipp (Debian: sip-tester)
	@$(BIN)/python -m bench.calls

bench-door: $(READY) ## measure how much one customer's flood slows another down, and write docs/benchmarks-door.md
	@$(BIN)/python -m bench.door

# Both engines at once, each in one process, which needs servers of its own but once.
PARITY = $(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync parity-mariadb parity-postgresql
parity-%: $(READY)
	$(BIN)/pytest -n 0 --on $* -m ""

check: $(READY) ## check format, lint, types and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

services: $(READY) ## install what the tests of real servers and the demo need, and say what that is
	@$(BIN)/python -m ringback.demo
	@$(BIN)/python -m tests.servers

try-servers: $(READY) ## start RabbitMQ, MariaDB, PostgreSQL and Redis on loopback for a try-out, and say what to type; Ctrl-C stops them
	@exec $(BIN)/python -m tests.servers --stay

lock: $(READY) ## rewrite the pinned requirements; UPGRADE=1 takes newer versions
	$(BIN)/uv pip compile $(LOCK) --all-extras pyproject.toml -o requirements.lock
	printf 'uv\nhatchling\neditables\n' | $(BIN)/uv pip compile $(LOCK) --no-annotate - -o requirements-build.lock

LOCK = --quiet --universal --python-version 3.11 --generate-hashes --no-header $(if $(UPGRADE),--upgrade)

clean: ## remove .venv and caches; VAR=1 removes ./var, your data, as well
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
ifdef VAR
	rm -rf var
else
	@if [ -e var ]; then echo "Kept ./var, which holds your data: 'make clean VAR=1' removes it too."; fi
endif

# ---- .venv -------------------------------------------------------------------------------------------------
# $(READY) is written last and holds the folder that .venv was made for. A .venv without it (an interrupted
# install), one that was moved here, or one whose Python has gone is made anew; otherwise it is brought up to date.

ifneq ($(shell test -x $(BIN)/python && cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): again
endif

UV_INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),--system-certs)

# What this machine lacks, as one line; nothing when it has all of it.
LACKS = $(shell \
  command -v git >/dev/null || { echo "git is missing: apt-get install git"; exit; }; \
  command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is missing: apt-get install python3"; exit; }; \
  "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
    echo "$$("$(PYTHON)" -V) is too old: apt-get install python3 (3.11 on Debian 12), or name a newer one: make PYTHON=python3.12"; exit; }; \
  "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || echo "the venv module of $(PYTHON) is missing: apt-get install python3-venv")

$(READY): requirements.lock requirements-build.lock pyproject.toml
	$(eval lacks := $(LACKS))$(if $(lacks),$(error $(lacks)))
	@say() { echo "$$*" >&2; }; die() { say "$$*"; exit 1; }; \
	if [ "$$(test -x $(BIN)/python && cat $@ 2>/dev/null)" != "$(CURDIR)" ]; then \
	  say "Making .venv with $$("$(PYTHON)" -V)"; \
	  rm -rf .venv && "$(PYTHON)" -m venv .venv || die "Cannot make .venv in $(CURDIR)"; \
	fi; \
	rm -f $@; \
	say "Installing uv and the build tools (requirements-build.lock)"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-build.lock \
	  || die "Cannot install uv: is there a network to the package registry?"; \
	say "Installing $$(grep -c '^[a-z].*==' requirements.lock) packages (requirements.lock)"; \
	$(UV_INSTALL) --compile-bytecode --require-hashes -r requirements.lock \
	  || die "Cannot install the packages of requirements.lock: is there a network to the package registry?"; \
	say "Installing Ringback from this folder"; \
	$(UV_INSTALL) --no-deps --no-build-isolation --editable . || die "Cannot install Ringback"; \
	echo "$(CURDIR)" > $@
