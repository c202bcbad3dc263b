# `make verify` and `make test` create what they need; nothing is done twice.
#
# Three stamps in .venv say what is ready: .packages (the locked packages), .pango (the text library that the PDF
# report needs) and .medpipe (this package, editable). A stamp is written last, so an interrupted step is done again;
# package installation that was interrupted or failed starts from an empty .venv (what was downloaded whole stays in pip's cache).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/lock.txt
# The first of these that is at least Python 3.11; `make setup PYTHON=...` names one.
PYTHON ?= python3 python3.11 python3.12 python3.13
# Two makes at once: the second waits for the first, then finds everything done. (Without flock, as on macOS, they do not wait.)
WAIT := $(if $(shell command -v flock),flock Makefile)
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 $(BIN)/python -m pip
COMPILE := $(BIN)/uv pip compile pyproject.toml --no-config --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links $(if $(call yes,$(UPGRADE)),--upgrade)
yes = $(filter-out 0 no false off,$(1))

.PHONY: help setup verify test test-full lint types bench audit lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile
	@echo "Settings: MEDPIPE_DATA=folder with the data sets, STRICT=1, PROFILE=demonstration|reduced|published, NAME=report name, JOBS=n"

setup: ## create .venv with the locked packages and pango (done by verify and test too)
	@$(WAIT) $(MAKE) --silent $(VENV)/.medpipe

verify: setup ## audit the published claims and write the signed report
	@$(BIN)/medpipe verify $(if $(call yes,$(STRICT)),--strict) $(if $(PROFILE),--profile $(PROFILE)) \
		$(if $(NAME),--name $(NAME)) $(if $(JOBS),--jobs $(JOBS))

test: setup ## is the harness right? (pytest tests)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -n 2 --dist loadfile $(ARGS)

test-full: setup ## the long checks at full size (simulations, fuzzing); writes tests/full/results
	@MEDPIPE_FULL=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/full -n 2 $(ARGS)

audit: setup ## are the claims right? (pytest specs); ARGS='--bundle DIR' judges a stored bundle
	@$(BIN)/python -m pytest specs $(if $(ARGS),$(ARGS),--bundle reports/medical-ai-pipeline-reduced)

lint: setup ## ruff: format and rules
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .

types: setup ## mypy --strict
	@$(BIN)/mypy

bench: setup ## time the command line and the hot paths (pytest-benchmark)
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-only $(ARGS)

lock: setup ## write requirements/*.txt again from pyproject.toml; UPGRADE=1 takes the newest versions
	@$(COMPILE) --all-extras -o $(LOCK)
	@$(COMPILE) --group bare --constraints $(LOCK) -o requirements/bare.txt

clean: ## remove .venv and everything that tools have cached; reports stay
	@rm -rf $(VENV) .tox .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.packages: $(LOCK)
	@python=""; for candidate in $(PYTHON); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "medpipe needs Python 3.11 or newer; none of these is: $(PYTHON). Install it, or name it: make setup PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	if [ -e $@ ]; then \
		rm $@; \
		echo "setup 1/3: $(VENV) is there"; \
		echo "setup 2/3: bringing its packages to $(LOCK)"; \
	else \
		echo "setup 1/3: creating $(VENV) with $$($$python --version)"; \
		if ! "$$python" -m venv --clear $(VENV) >/dev/null; then \
			echo "$$python cannot create virtual environments; on Debian or Ubuntu run: apt-get install python3-venv" >&2; exit 1; \
		fi; \
		echo "setup 2/3: installing $$(grep -c '^[a-zA-Z]' $(LOCK)) locked packages (7 GB on Linux, 10 GB while they are installed; 2 to 4 minutes on a fast line)"; \
	fi
	@# Wheels are kept beside what they become: /tmp is small on some machines, and .venv has to have the room anyway.
	@mkdir -p $(VENV)/tmp
	@if ! TMPDIR=$(CURDIR)/$(VENV)/tmp $(PIP) install --quiet --require-hashes -r $(LOCK); then \
		echo "setup: the packages were not installed, pip says why above; on Linux they need 10 GB free here, and $$(df -Ph . | awk 'END {print $$4}') are; make starts again from an empty $(VENV)" >&2; \
		rm -rf $(VENV); exit 1; \
	fi
	@rm -rf $(VENV)/tmp
	@touch $@

# pango may be there without the part of HarfBuzz that embeds fonts; both are asked for.
RENDERS := import weasyprint, weasyprint.text.ffi as f; assert f.harfbuzz_subset is not None

$(VENV)/.pango: $(VENV)/.packages
	@if ! $(BIN)/python -c '$(RENDERS)' >/dev/null 2>&1; then \
		install="apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"; \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "setup: installing pango, which renders the report"; \
			{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$install -qq; } >/dev/null; \
		elif command -v apt-get >/dev/null; then \
			echo "the report needs pango 1.44 or newer and HarfBuzz's subsetter; run: sudo $$install    and then make again" >&2; exit 1; \
		else \
			echo "the report needs pango 1.44 or newer and HarfBuzz's subsetter; install them (macOS: brew install pango harfbuzz) and then make again" >&2; exit 1; \
		fi; \
		$(BIN)/python -c '$(RENDERS)'; \
	fi
	@touch $@

$(VENV)/.medpipe: pyproject.toml $(VENV)/.packages $(VENV)/.pango
	@echo "setup 3/3: installing medpipe itself (editable)"
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@
