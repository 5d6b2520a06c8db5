# distwall: one command for each job, from a fresh clone on. "make help" lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3.11
# One interpreter for maturin, cargo test and clippy, or each of them would rebuild the bindings.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
# The build backend is the project's own, which asks maturin.
export MATURIN_NO_MISSING_BUILD_BACKEND_WARNING := 1

# Node tests wait more than they compute, so there are more of them at a time than cores.
TEST_WORKERS ?= 4
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 3600
SOURCES := python tests demo bench tools
CORE := $(shell find crates \( -name target -o -name fuzz -o -name difference \) -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print 2>/dev/null) Cargo.toml Cargo.lock

.PHONY: help setup venv core erlang tools demo quick test test-rust test-python test-otp check format bench bench-core docs pages behaviours fuzz fuzz-services soak wheel deny lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: venv core erlang ## Make .venv with distwall in it, build the core, install Erlang if it is missing
	@echo "ready: $(BIN)/distwall"

demo: setup ## Three real Erlang nodes, without distwall and with it (about a minute)
	@$(BIN)/python -m demo

test: test-rust test-python bench-core ## All tests: the core's, pytest with real Erlang nodes, the core's instructions

# Everything that needs no node and no waiting: the state machines, the core, the policy, the pages. Left out are tests
# that try one thing in thousands of ways.
QUICK := tests/epmd tests/handshake tests/etf tests/net tests/policy tests/docs \
    $(filter-out %/test_splits.py %/test_patterns.py %/test_mixture.py, $(wildcard tests/wire/test_*.py))
quick: setup ## Less than a minute, for before a commit: style, the core's tests, tests without nodes
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/ruff format --quiet --check $(SOURCES)
	cargo fmt --all --check
	cargo test --quiet --package distwall-wire --locked
	$(BIN)/pytest --quiet --numprocesses 2 -m 'not slow' $(QUICK)

test-rust: venv
	cargo test --workspace --locked

test-python: setup tools
	$(BIN)/pytest --numprocesses $(TEST_WORKERS) --dist worksteal tests

test-otp: setup ## The node tests against OTP 23, 27 and 29 in chroots under .cache/otp (needs root or sudo)
	scripts/test-otp

check: setup ## Style, types, lints, stubs, prose
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml --allowlist scripts/stubtest-allowlist distwall._core
	scripts/check-layers
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python scripts/check-names
	$(BIN)/python scripts/check-test-imports
	$(BIN)/python scripts/check-prose

format: venv ## Format the Python and Rust sources
	$(BIN)/ruff check --fix --select I $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	cargo fmt --all

bench: setup ## Real nodes: raw, through HAProxy and through distwall; then the core alone (about ten minutes)
	@command -v haproxy >/dev/null || scripts/need haproxy
	@command -v valgrind >/dev/null || scripts/need valgrind
	@$(BIN)/python -m bench

bench-core: venv ## Instructions of the core for each command; fails if one grew by 3 % (UPDATE=1 writes the reference anew)
	@command -v valgrind >/dev/null || scripts/need valgrind
	@$(BIN)/python -m bench.instructions $(if $(UPDATE),--update)

fuzz: ## Run each fuzz target of the core for FUZZ_SECONDS (default 60); needs Rust's nightly toolchain
	scripts/fuzz $(FUZZ_SECONDS)

behaviours: setup ## Clauses of OTP's behaviours, in the sources of OTP 25, 27 and 29: all are covered (needs root or sudo)
	scripts/behaviour-clauses

fuzz-services: setup ## 100,000 messages with random values under each service that opens no code (half an hour)
	$(BIN)/python -m tests.attacks.service_holes --messages 100000

pages: setup ## Write the pages that are made from code: commands, events, services, attacks
	$(BIN)/python -m tools.pages

docs: setup ## Build the documentation site into site/; a broken link or a page outside the nav fails it
	@$(BIN)/python -m tools.site

soak: setup ## Hostile traffic against a real node for SOAK_SECONDS (default: an hour); what stays is bounded
	$(BIN)/python -m tests.attacks.soak --seconds $(SOAK_SECONDS)

wheel: setup ## Build a wheel into target/wheels; it fails if a compiled Erlang module or any other file is missing
	rm -rf target/wheels
	$(BIN)/maturin build --release --locked --interpreter $(BIN)/python
	$(BIN)/python -m tools.wheel target/wheels/*.whl

deny: ## Licences, sources and doubles among the crates of the core
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check bans licenses sources

lock: ## Pin the dependencies anew from pyproject.toml
	scripts/lock

clean: ## Remove what the other targets made, except the chroots in .cache
	rm -rf $(VENV) $(EBIN) site target crates/distwall-wire/fuzz/target crates/distwall-wire/difference/target .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.cache/*' -exec rm -rf {} +

# --- what setup is made of; each part is skipped when nothing changed ---

venv: $(VENV)/.locked
core: $(VENV)/.core
erlang:
	@command -v erl >/dev/null || scripts/need erlang-nox
	@$(MAKE) $(BEAMS)

# What tests run besides erl; they install it by themselves, too, but while others wait.
tools:
	@scripts/need erlang-src elixir iproute2 nftables rabbitmq-server

EBIN := python/distwall/erlang/ebin
BEAMS := $(patsubst python/distwall/erlang/%.erl,$(EBIN)/%.beam,$(wildcard python/distwall/erlang/*.erl))
$(EBIN)/distwall_epmd.beam: python/distwall/erlang/distwall_epmd.erl python/distwall/erlang/boot/heart.erl
	mkdir -p $(EBIN)/boot
	erlc -Werror +deterministic -o $(EBIN)/boot python/distwall/erlang/boot/heart.erl
	erlc -Werror +deterministic -o $(EBIN) $<

$(filter-out $(EBIN)/distwall_epmd.beam,$(BEAMS)): $(EBIN)/%.beam: python/distwall/erlang/%.erl python/distwall/erlang/distwall_eval.hrl
	mkdir -p $(EBIN)
	erlc -Werror +deterministic -o $(EBIN) $<

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "distwall needs Python 3.11 ($(PYTHON) is not there)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/need python3-venv
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.locked: requirements.lock $(VENV)/.made
	$(BIN)/pip install --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.core: $(CORE) pyproject.toml $(VENV)/.locked
	@command -v cargo >/dev/null || { echo "distwall's core needs Rust (cargo is not there)" >&2; exit 1; }
	@command -v cc >/dev/null || scripts/need gcc libc6-dev
	PIP_QUIET=1 $(BIN)/maturin develop --release --locked
	@touch $@
