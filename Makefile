# Every target sets up .venv by itself; a plain `make` lists them.

BIN    := .venv/bin
READY  := .venv/ready
SOURCE := src tests $(wildcard benchmarks)

# Words for the command behind a target: make demo ARGS="--seconds 10 --json out.json"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check integration bench evidence format style lint types rooms engine setup

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: engine ## serve mixed traffic on a small real fleet and print what it took (ARGS: see perllm demo --help)
	@$(BIN)/perllm demo $(ARGS)

test: engine ## run the tests, those with real engines and clients too (ARGS go to pytest)
	@echo '== tests'
	@$(BIN)/pytest --ignore=tests/integration $(ARGS)

check: style lint types rooms test ## run everything a change must pass, the same as CI does

integration: engine ## run what takes whole processes: the commands as a user types them
	@echo '== integration'
	@$(BIN)/pytest -p no:randomly tests/integration $(ARGS)

bench: $(READY) ## time decisions, the gateway and the simulator, write nothing
	@$(BIN)/python benchmarks/decision.py
	@$(BIN)/python benchmarks/gateway.py
	@$(BIN)/python benchmarks/simulator.py --small

# What needs data or programs of others is run where they are named: TRACES=DIR, VIDUR=DIR with VIDUR_PYTHON=…/python.
evidence: engine ## measure everything again and write the numbers the docs quote; half an hour, on a quiet machine
	@$(BIN)/python benchmarks/decision.py --out docs/evidence
	@$(BIN)/python benchmarks/gateway.py --out docs/evidence
	@$(BIN)/python benchmarks/simulator.py --out docs/evidence
	@$(BIN)/python benchmarks/queues.py --out docs/evidence
	@$(BIN)/python benchmarks/real_engines.py --out docs/evidence
	@if [ -n "$(TRACES)" ]; then $(BIN)/python benchmarks/published.py --traces $(TRACES) --out docs/evidence; \
	else echo 'Against published measurements: left out; TRACES=DIR names their tables (docs/validation.md).'; fi
	@if [ -n "$(VIDUR)" ]; then $(BIN)/python benchmarks/vidur.py --vidur $(VIDUR) --python $(VIDUR_PYTHON) \
	  --out docs/evidence; \
	else echo 'Beside Vidur: left out; VIDUR=DIR and VIDUR_PYTHON=PYTHON name a checkout (docs/benchmarks.md).'; fi

format: $(READY) ## put the code into shape
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

style: $(READY)
	@echo '== style'
	@$(BIN)/ruff format --check .

lint: $(READY)
	@echo '== lint'
	@$(BIN)/ruff check .

types: $(READY)
	@echo '== types'
	@$(BIN)/mypy $(SOURCE)

rooms: $(READY)
	@echo '== rooms'
	@$(BIN)/lint-imports --no-logo

engine: $(READY)
	@$(BIN)/python -c 'import xllamacpp' 2>/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo 'Installing libgomp1, which llama.cpp needs…' && \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends libgomp1 >/dev/null; }
	@$(BIN)/python -c 'import xllamacpp' || { \
	  echo 'llama.cpp does not load. Where libgomp is missing, run as root: apt-get install libgomp1' >&2; exit 1; }

# The environment. `unfinished` marks an installation under way, so that an interrupted one starts afresh.
# `ready` holds the path it was made for: scripts and the editable install of a moved checkout point at the old one.

PYTHONS := python3 python3.13 python3.12 python3.11

ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): setup
endif

$(READY): pyproject.toml constraints.txt
	@if [ -e .venv/unfinished ] || { [ -e $@ ] && [ "$$(cat $@)" != '$(CURDIR)' ]; }; then rm -rf .venv; fi
	@mkdir -p .venv && rm -f $@ && echo '$(CURDIR)' > .venv/unfinished
	@if [ -x $(BIN)/python ]; then echo 'Updating .venv…'; exit; fi; \
	for python in $(PYTHONS); do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  found=$$python; \
	  $$python -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  echo "Setting up .venv with $$($$python --version) (first time only, about a minute)…"; \
	  exec $$python -m venv .venv; \
	done; \
	if [ -n "$$found" ]; then \
	  echo "$$found cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; \
	else \
	  echo 'PerLLM needs Python 3.11 or newer; on Debian or Ubuntu: apt-get install python3 python3-venv' >&2; \
	fi; \
	exit 1
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[bound,demo,dev,plots]'
	@mv .venv/unfinished $@
