# Each target does its own set-up; Python 3.10 ... 3.13, git and make are enough.
#   make demo    the whole chain on the embedded specimen, results in demo/
#   make test    the test suite; JOBS=2 uses two processes, ARGS="-k specimen" selects,
#                ARGS="-m slow" runs the slow tests alone, ARGS="-m 'not integration'" leaves out other programs
#   make lint types wheel docs    the other parts of bash .ci/run
#   make studies    the commands of the documentation again, and which numbers moved
#   make dist    the sdist and the wheel built from it

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
WHEEL_VENV := .wheel-venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
PIP := -m pip install --no-compile --disable-pip-version-check --quiet
SITE_PACKAGES := -c 'import sysconfig; print(*dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib"))), sep="\n")'
JOBS ?= 1
PARALLEL = $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist worksteal)
ARGS ?=

.PHONY: demo test lint format types mypy pyright dist wheel smoke docs bench studies clean

demo: $(INSTALLED)
	$(BIN)/polyrve demo --output demo --force $(ARGS)

# In parts, since a process keeps every program that TensorFlow compiles in it; ARGS may leave parts empty (5), not all.
test: $(INSTALLED_DEV)
	@failed=0; ran=0; \
	for part in compiled reconstruction runs other; do \
	  code=0; $(BIN)/python -m pytest $(PARALLEL) --part $$part $(ARGS) || code=$$?; \
	  case $$code in 0) ran=1;; 5) ;; *) failed=1;; esac; \
	done; [ $$ran = 1 ] && [ $$failed = 0 ]

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports --no-cache --no-logo

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: mypy pyright

build/readme.py: README.md .ci/readme_code.py $(INSTALLED_DEV)
	$(BIN)/python .ci/readme_code.py

mypy: build/readme.py
	$(BIN)/mypy polyrve examples build/readme.py

pyright: build/readme.py
	$(BIN)/pyright --pythonpath $(BIN)/python

# The wheel is installed beside the dependencies of $(VENV), of which it sees all but the polyrve of this checkout.
wheel: dist
	$(MAKE) smoke

smoke: $(INSTALLED_DEV)
	rm -rf $(WHEEL_VENV)
	$(BIN)/python -m venv --without-pip $(WHEEL_VENV)
	$(BIN)/python $(SITE_PACKAGES) > "$$($(WHEEL_VENV)/bin/python $(SITE_PACKAGES) | head -n 1)/dependencies.pth"
	$(BIN)/python -m pip --python $(WHEEL_VENV)/bin/python install --disable-pip-version-check --quiet --no-deps dist/*.whl
	$(WHEEL_VENV)/bin/python .ci/smoke.py

dist: $(INSTALLED_DEV)
	rm -rf build dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python .ci/sdist.py

docs: export POLYRVE_NOTEBOOKS ?= force
docs: $(INSTALLED_DEV)
	$(BIN)/python -m sphinx -W --keep-going -q -j $(JOBS) -b html docs site

bench: $(INSTALLED_DEV)
	$(BIN)/python benchmarks/run.py $(ARGS)

studies: $(INSTALLED_DEV)
	$(BIN)/python benchmarks/studies.py $(ARGS)

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
