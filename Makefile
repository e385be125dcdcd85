# Every target works on a fresh machine with Python >= 3.11 and make: it first creates .venv and installs into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := train,envs,viz,pusht,robots,export,test,docs
# Tests and benchmarks set their own thread counts; one thread is the reproducible default on a shared machine.
export OMP_NUM_THREADS ?= 1

# What is compiled at the install, and what compiles it: a change builds anew.
C := hatch_build.py $(wildcard leworld/kernels/*.c leworld/kernels/*/*.c)

.PHONY: demo test lint docs bench wheel install browser sanitize

install: $(STAMP)

# torch comes first and pinned: on a machine that offers a CPU build, a later package would else pull in CUDA's.
$(STAMP): pyproject.toml constraints.txt $(C)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "leworld needs Python >= 3.11, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $(STAMP)

demo: install
	$(BIN)/leworld demo --overwrite

test: install lint browser
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# The report is tested in a real browser. Debian's is installed where that needs nobody's leave; elsewhere the test
# says what to install, or where $LEWORLD_CHROMIUM may point.
browser:
	@for name in "$$LEWORLD_CHROMIUM" chromium chromium-browser google-chrome; do \
	  if [ -n "$$name" ] && command -v "$$name" >/dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends chromium; fi

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

docs: install
	$(BIN)/mkdocs build --strict

wheel: install
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m pytest tests/kernels/test_build.py tests/hub/test_wheel.py

# All C under gcc's AddressSanitizer and UndefinedBehaviorSanitizer, in a copy; the tests run the core of it.
sanitize: install
	$(BIN)/python -m tests.kernels.sanitize

bench: install
	$(BIN)/python benchmarks/run.py
