# All of it runs in .venv, which is made on first use and updated when pyproject.toml changes. The machine needs
# Python >= 3.10 with venv, a Rust toolchain and a C compiler.

PYTHON ?= python3
BIN := .venv/bin
IN_VENV := env -u CONDA_PREFIX VIRTUAL_ENV="$(CURDIR)/.venv" PATH="$(CURDIR)/$(BIN):$$PATH"
INSTALLED := .venv/installed-$(shell cksum < pyproject.toml | cut -d ' ' -f 1)
FRAMEWORKS := $(subst installed,frameworks,$(INSTALLED))

.PHONY: help demo test test-frameworks test-rust bench bench-peers bench-kernels bench-jpeg bench-check wheel check-wheel lint fmt build clean

help:
	@echo "make demo [DATA=DIR]   train the reference network, then time the same epoch with torchvision"
	@echo "make test [ARGS=...]   the Python tests; make test-rust: the core's own"
	@echo "make test-frameworks   the loader inside Lightning, Accelerate, timm and others, which it installs"
	@echo "make bench [DATA=DIR]  time every stage beside torchvision, into bench-results/"
	@echo "make bench-peers DATA=DIR  time whole epochs beside all loaders that are installed: torchfeed bench --task all"
	@echo "make bench-kernels     time the Rust kernels; make bench-check: run each benchmark once"
	@echo "make bench-jpeg DATA=DIR  time the JPEG decoder beside libjpeg-turbo (needs cmake and nasm)"
	@echo "make wheel             a wheel in dist/; make check-wheel: install and use it in clean environments"
	@echo "make lint, make fmt    what CI checks, and what can be put right automatically"
	@echo "make clean             all but .venv and demo-data"

demo: build
	$(BIN)/python -m torchfeed.train.demo $(if $(DATA),--data "$(DATA)") $(ARGS)

test: build
	$(BIN)/python -m pytest $(ARGS)

test-frameworks: build $(FRAMEWORKS)
	$(BIN)/python -m pytest tests/frameworks $(ARGS)

test-rust: $(INSTALLED)
	$(IN_VENV) cargo test --release

bench: build
	mkdir -p bench-results
	$(BIN)/python -m pytest benches --benchmark-json=bench-results/torchfeed.json --build-profile=release \
		$(if $(DATA),--data "$(DATA)") $(ARGS)

bench-peers: build
	@test -n "$(DATA)" || { echo "of which images? make bench-peers DATA=DIR" >&2; exit 2; }
	$(BIN)/python -m torchfeed bench "$(DATA)" --task all --json bench-results/peers.json \
		--markdown bench-results/peers.md --plots bench-results $(ARGS)

bench-kernels: $(INSTALLED)
	$(IN_VENV) cargo bench --package torchfeed-core --bench kernels
	$(IN_VENV) cargo bench --package torchfeed-jpeg --bench decode

bench-jpeg:
	cargo run --release --package side-by-side -- "$(DATA)"

bench-check: build
	$(BIN)/python -m pytest benches --benchmark-disable $(if $(DATA),--data "$(DATA)")
	$(IN_VENV) cargo test --release --package torchfeed-core --bench kernels
	$(IN_VENV) cargo test --release --package torchfeed-jpeg --bench decode

wheel: $(INSTALLED)
	rm -rf dist
	$(IN_VENV) maturin build --release --locked --out dist

check-wheel: $(INSTALLED)
	$(BIN)/python tools/check_wheel.py dist/*.whl

lint: build
	$(IN_VENV) cargo fmt --check
	$(IN_VENV) cargo clippy --release --locked --all-targets -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy.stubtest torchfeed._native

fmt: $(INSTALLED)
	cargo fmt
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

build: $(INSTALLED)
	$(IN_VENV) PIP_QUIET=1 maturin develop --release

$(INSTALLED):
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.version_info >= (3, 10) or sys.exit("torchfeed needs Python >= 3.10, and $(PYTHON) is %s: name another, as in make PYTHON=python3.12" % v)'
	@cargo --version || { echo "torchfeed needs a Rust toolchain, see https://rustup.rs" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --upgrade "pip>=25.1"
	@echo "Now torch, torchvision and the tools, into .venv. On Linux that is 5 GB with the CUDA libraries, once."
	$(BIN)/python -m pip install --progress-bar on --group dev
	rm -f .venv/installed-* && touch $@

$(FRAMEWORKS): $(INSTALLED)
	$(BIN)/python -m pip install --group frameworks
	rm -f .venv/frameworks-* && touch $@

clean:
	rm -rf target dist bench-results runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -f python/torchfeed/_native*.so
