# make demo    set up, compile the bundled network, prove it, time it
# make test    set up, run the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# PyTorch's own index holds the CPU build; the wheel on PyPI brings gigabytes of CUDA along.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH_LINKS ?= $(TORCH_INDEX)/torch/
RUNTIME := --extra cross --extra emu --extra cuda --extra nir --extra rpc --extra cluster --extra plots
# A machine without a C compiler gets one from pip.
COMPILER := $(shell command -v cc || command -v gcc || command -v clang)
CROSS := $(if $(COMPILER),,$(BIN)/.cross)
MODEL ?= conv_delay_256
TARGET ?= x86_64

.PHONY: trust coverage demo test long lint types docs docs-run check rooms bench clean lock lowest newest audit sbom

demo: $(BIN)/.installed $(CROSS)
	$(BIN)/delrec-compile build $(MODEL) --target $(TARGET) --force -o demo/$(MODEL)-$(TARGET)

test: $(BIN)/.developer $(CROSS)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# what makes sense in length only: random networks of every kind in every engine, some ten minutes
long: $(BIN)/.developer
	$(BIN)/python -m benchmarks.random_networks --count 100 --numeric int8
	$(BIN)/python -m benchmarks.random_networks --count 100 --numeric int8 --graphs

# every row of docs/reliability.md in full, some hours
trust: $(BIN)/.developer
	$(BIN)/python -m benchmarks.trust --full --write

# branches of each room that tests reach, an hour; room by room: python -m benchmarks.coverage tests/ops
coverage: $(BIN)/.developer
	$(BIN)/python -m benchmarks.coverage --fresh --write tests

lint: $(BIN)/.developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(BIN)/.developer
	$(BIN)/mypy

# the guide as a site, build/site/index.html; 0 warnings, links checked
docs: $(BIN)/.developer
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# every command and snippet of the guide, half an hour; `make test` runs those that take seconds
docs-run: $(BIN)/.developer
	$(BIN)/python tests/docs/run.py

check: lint types docs test

rooms: $(BIN)/.developer
	$(BIN)/python tests/fixtures/tree.py

bench: $(BIN)/.installed $(CROSS)
	$(BIN)/delrec-compile bench --rounds 50
	mkdir -p out
	$(BIN)/delrec-compile bench --rounds 50 --json > out/bench.json

# every dependency of the command and its extras, with hashes; torch is installed before, from its own index
lock: $(BIN)/.supply
	echo torch==2.13.0+cpu | UV_FIND_LINKS=$(TORCH_LINKS) $(BIN)/uv pip compile pyproject.toml -q --universal --upgrade \
		--overrides - --no-emit-package torch --generate-hashes $(RUNTIME) -o requirements.lock \
		--custom-compile-command "make lock"

# the oldest and the newest packages that pyproject.toml allows, really installed, and a part of the tests
lowest newest: $(BIN)/.supply
	UV_FIND_LINKS=$(TORCH_LINKS) $(BIN)/python -m benchmarks.versions $@

# known vulnerabilities of what the lock holds; asks pypi.org, and fails where that does not answer
audit: $(BIN)/.supply
	$(BIN)/zizmor --offline .github action.yml
	$(BIN)/python -m benchmarks.audit

# what a release is made of, as CycloneDX: from the lock, and so the same everywhere
sbom: $(BIN)/.supply
	mkdir -p out
	(cat requirements.lock; echo torch==2.13.0) | $(BIN)/cyclonedx-py requirements - --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file out/sbom.cdx.json

clean:
	rm -rf $(VENV) demo out build *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(BIN)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --retries 1 --extra-index-url $(TORCH_INDEX) --no-deps torch==2.13.0
	$(BIN)/python -m pip install -q -e .
	touch $@

$(BIN)/.developer: $(BIN)/.installed
	$(BIN)/python -m pip install -q --retries 1 --extra-index-url $(TORCH_INDEX) -e '.[dev]'
	touch $@

$(BIN)/.cross: $(BIN)/.installed
	$(BIN)/python -m pip install -q -e '.[cross]'
	touch $@

$(BIN)/.supply: $(BIN)/.installed
	$(BIN)/python -m pip install -q -e '.[supply]'
	touch $@
