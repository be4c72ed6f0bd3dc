# Each target does its own set-up; Python 3.10 ... 3.13, git and make are enough.
#   make demo    the whole chain on the embedded specimen, results in demo/
#   make test    the test suite; ARGS="-k specimen" selects, JOBS=2 uses two processes

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
WHEEL_VENV := .wheel-venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
PIP := -m pip install --disable-pip-version-check --quiet
JOBS ?= 1
PARALLEL = $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist worksteal)
ARGS ?=

.PHONY: demo test lint format types wheel docs bench clean

demo: $(INSTALLED)
	$(BIN)/polyrve demo --output demo --force $(ARGS)

test: $(INSTALLED_DEV)
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED_DEV)
	$(BIN)/mypy

wheel: $(INSTALLED_DEV)
	rm -rf build dist $(WHEEL_VENV)
	$(BIN)/python -m build --wheel --outdir dist .
	$(BIN)/python -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python $(PIP) "$$(echo dist/polyrve-*.whl)[dev]"
	root="$$PWD" && outside="$$(mktemp -d)" && cd "$$outside" && \
	"$$root/$(WHEEL_VENV)/bin/python" -c "import polyrve; assert 'site-packages' in polyrve.__file__, polyrve.__file__" && \
	"$$root/$(WHEEL_VENV)/bin/python" -m pytest -c "$$root/pyproject.toml" --rootdir "$$root" -p no:cacheprovider \
		$(PARALLEL) $(ARGS) "$$root/tests"

docs: $(INSTALLED_DEV)
	$(BIN)/python $(PIP) -e ".[docs]"
	$(BIN)/python -m sphinx --keep-going -q -b html docs site

bench: $(INSTALLED_DEV)
	$(BIN)/python benchmarks/run.py $(ARGS)

clean:
	rm -rf $(VENV) $(WHEEL_VENV) build dist site demo

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "polyrve needs Python 3.10 ... 3.13; none found, set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version); the first time takes some minutes (TensorFlow, VTK)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) -e .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(BIN)/python $(PIP) -e ".[dev]"
	@touch $@
