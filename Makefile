# Each target makes .venv and installs what it needs, once; after that only changed pins or metadata
# install again.  PYTHON chooses the interpreter (3.11 or newer), JOBS the test processes, WHEELS a
# folder with binary builds of torch-scatter and torch-sparse, which nothing needs.

PYTHON ?= python3
JOBS ?= 2
WHEELS ?= ../shared/wheels

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
TORCH := $(shell grep '^torch==' constraints.txt)
DOCS_OUT := docs/_build/html
METADATA := setup.py pyproject.toml constraints.txt
comma := ,

# Prints a command, runs it, and names it when it fails.  No single quotes inside a command.
define step
@printf '\n== %s\n' '$(1)'
@$(1) || { status=$$?; printf '\nmake: this step failed with status %s: %s\n' "$$status" '$(1)' >&2; \
	exit "$$status"; }
endef

.PHONY: bench test types docs clean
.DELETE_ON_ERROR:

bench: $(VENV)/.run
	$(call step,$(BIN)/mrdib-graph run --backbone lattice)

# One thread a process: small tensors gain nothing from two, and results stay the same bits.
test: export OMP_NUM_THREADS := 1
test: $(VENV)/.dev
	$(call step,$(BIN)/ruff check .)
	$(call step,$(BIN)/ruff format --check .)
	@$(MAKE) --no-print-directory -j 2 types docs
	$(call step,$(BIN)/python -m pytest -n $(JOBS) --dist worksteal)

types: $(VENV)/.dev
	$(call step,$(BIN)/mypy)

docs: $(VENV)/.dev
	$(call step,$(BIN)/sphinx-build -W --keep-going -q docs $(DOCS_OUT))
	@printf 'open %s\n' "$(CURDIR)/$(DOCS_OUT)/index.html"

clean:
	rm -rf $(VENV) docs/_build build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { printf \
		'make: needs Python 3.11 or newer, "%s" is not: make PYTHON=python3.11\n' '$(PYTHON)' >&2; \
		exit 1; }
	$(call step,$(PYTHON) -m venv $(VENV))
	@touch $@

# torch comes first and exactly, so that no other package's range picks another build of it.
$(VENV)/.torch: $(VENV)/.made constraints.txt
	$(call step,$(PIP) install $(TORCH) -c constraints.txt)
	@touch $@

$(VENV)/.run: $(VENV)/.torch $(METADATA)
	$(call step,$(PIP) install -c constraints.txt -e .)
	@touch $@

$(VENV)/.dev: $(VENV)/.run $(METADATA)
	$(call step,$(PIP) install -c constraints.txt -e ".[test$(comma)docs]")
	@if [ ! -d "$(WHEELS)" ]; then \
		printf '\nleft out, as there is no folder %s: torch-scatter, torch-sparse\n' "$(WHEELS)"; \
	elif ! $(PIP) install --no-deps --no-index --find-links "$(WHEELS)" torch-scatter torch-sparse \
		|| ! $(BIN)/python -c "import torch_scatter, torch_sparse"; then \
		$(PIP) uninstall --yes torch-scatter torch-sparse; \
		printf '\nleft out, as no build in %s fits: torch-scatter, torch-sparse\n' "$(WHEELS)"; \
	fi
	@touch $@
