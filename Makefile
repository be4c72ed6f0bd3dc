# Each target does its own set-up; Python 3.10 ... 3.13, git and make are enough.
#   make demo    the whole chain on the embedded specimen, results in demo/
#   make test    the test suite; JOBS=2 uses two processes, ARGS="-k specimen" selects,
#                ARGS="-m slow" runs the slow tests alone, ARGS="-m 'not integration'" leaves out other programs
#   make lint types wheel docs    the other parts of bash .ci/run

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
WHEEL_VENV := .wheel-venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
PIP := -m pip install --disable-pip-version-check --quiet
SITE_PACKAGES := -c 'import sysconfig; print(*dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib"))), sep="\n")'
JOBS ?= 1
PARALLEL = $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist worksteal)
ARGS ?=

.PHONY: demo test lint format types wheel docs bench clean

demo: $(INSTALLED)
	$(BIN)/polyrve demo --output demo --force $(ARGS)

# In two parts, since a process keeps every program that TensorFlow compiles in it; ARGS may leave one part empty (5).
test: $(INSTALLED_DEV)
	@first=0; second=0; \
	$(BIN)/python -m pytest $(PARALLEL) --rooms compiling $(ARGS) || first=$$?; \
	$(BIN)/python -m pytest $(PARALLEL) --rooms other $(ARGS) || second=$$?; \
	case $$first$$second in 00|05|50) ;; *) exit 1;; esac

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports --no-cache --no-logo

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED_DEV)
	$(BIN)/python .ci/readme_code.py
	$(BIN)/mypy polyrve examples build/readme.py
	$(BIN)/pyright --pythonpath $(BIN)/python

# The wheel is installed beside the dependencies of $(VENV), of which it sees all but the polyrve of this checkout.
wheel: $(INSTALLED_DEV)
	rm -rf build dist $(WHEEL_VENV)
	$(BIN)/python -m build --wheel --outdir dist .
	$(BIN)/python -m venv --without-pip $(WHEEL_VENV)
	$(BIN)/python $(SITE_PACKAGES) > "$$($(WHEEL_VENV)/bin/python $(SITE_PACKAGES) | head -n 1)/dependencies.pth"
	$(BIN)/python -m pip --python $(WHEEL_VENV)/bin/python install --disable-pip-version-check --quiet --no-deps dist/*.whl
	$(WHEEL_VENV)/bin/python .ci/smoke.py

docs: export POLYRVE_NOTEBOOKS ?= force
docs: $(INSTALLED_DEV)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs site

bench: $(INSTALLED_DEV)
	$(BIN)/python benchmarks/run.py $(ARGS)

clean:
	rm -rf $(VENV) $(WHEEL_VENV) build dist site demo jupyter_execute docs/gallery docs/reference/api

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "polyrve needs Python 3.10 ... 3.13; none found, set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version); the first time takes some minutes (TensorFlow, VTK)"
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP) -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP) -e ".[dev,docs]"
	@touch $(INSTALLED) $@
