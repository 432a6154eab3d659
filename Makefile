# All of it runs in .venv, which is made on first use and updated when pyproject.toml changes. The machine needs
# Python >= 3.10 with venv, a Rust toolchain and a C compiler.

PYTHON ?= python3
BIN := .venv/bin
IN_VENV := env -u CONDA_PREFIX VIRTUAL_ENV="$(CURDIR)/.venv" PATH="$(CURDIR)/$(BIN):$$PATH"
INSTALLED := .venv/installed-$(shell cksum < pyproject.toml | cut -d ' ' -f 1)
FRAMEWORKS := $(subst installed,frameworks,$(INSTALLED))

.PHONY: help demo test test-frameworks test-free-threaded test-rust test-rust-simd test-simd soak bad-photos shuttle \
	test-asan test-rust-asan test-tsan test-msan test-memcheck miri fuzz deny need-std-sources \
	bench bench-peers bench-recipes replay bench-kernels bench-device bench-arrival bench-jpeg bench-check wheel check-wheel lint fmt build clean

help:
	@echo "make demo [DATA=DIR]   train the reference network, then time the same epoch with torchvision"
	@echo "make test [ARGS=...]   the Python tests; make test-rust: the core's own"
	@echo "make test-frameworks   the loader inside Lightning, Accelerate, timm and others, which it installs"
	@echo "make test-simd         the tests of pixels with each instruction set of this machine; make test-rust-simd: the core's"
	@echo "make soak              200 epochs of every kind, and nothing left behind (ARGS=--epochs=N)"
	@echo "make bad-photos        two ranks over DATA=DIR with one photo in twenty damaged: exact lengths, equal batches"
	@echo "make test-free-threaded [PYTHON=python3.14t]  the Python tests without the GIL, in .venv-free-threaded"
	@echo "make shuttle           the engine and the buffer pool, in many orders of what their threads do"
	@echo "make test-asan, make test-rust-asan, make test-tsan, make test-msan, make test-memcheck, make miri"
	@echo "                       the tests under sanitizers, valgrind, Miri (Linux; test-tsan, test-msan and miri need nightly)"
	@echo "make fuzz TARGET=plan|png|header|decode|differential [SECONDS=600]"
	@echo "make deny              the crates' advisories and licences (needs cargo-deny; CHECKS=licenses goes offline)"
	@echo "make bench [DATA=DIR]  time every stage beside torchvision, into bench-results/"
	@echo "make bench-peers DATA=DIR  time whole epochs beside all loaders that are installed: torchfeed bench --task all"
	@echo "make bench-recipes DATA=DIR  time what people train with beside torch's loader: torchfeed bench --recipe all"
	@echo "make replay DATA=DIR   replay every native transform over a folder of photos by torchvision and timm, and count differences"
	@echo "make bench-kernels     time the Rust kernels; make bench-check: run each benchmark once"
	@echo "make bench-device [DATA=DIR]  check and time the way to a CUDA device, beside torch's loader"
	@echo "make bench-arrival DATA=DIR  count the images per second that arrive in GPU memory"
	@echo "make sanitize-device   the same batches under NVIDIA's compute-sanitizer"
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

# The stable ABI is for Pythons with a GIL: here the extension is built for this one. With PYTHON_GIL=0 no other package turns
# it on, and a test that ours does not asks without.
test-free-threaded:
	test -x .venv-free-threaded/bin/python || $(PYTHON) -m venv .venv-free-threaded
	.venv-free-threaded/bin/python -m pip install --upgrade "pip>=25.1"
	.venv-free-threaded/bin/python -m pip install --group test-free-threaded .
	PYTHON_GIL=0 .venv-free-threaded/bin/python -m pytest $(ARGS)

test-rust: $(INSTALLED)
	$(IN_VENV) cargo test --release

# The instruction sets that this machine has, the portable build first: see rust/core/src/kernel/instruction_set.rs. The JPEG
# decoder's own tests run each build by themselves.
INSTRUCTION_SETS = $(shell $(BIN)/python -c "from torchfeed import _native; print(*_native.instruction_sets()[1])")

test-rust-simd: build
	@test -n "$(INSTRUCTION_SETS)"
	for set in $(INSTRUCTION_SETS); do TORCHFEED_CPU=$$set $(IN_VENV) cargo test --release --package torchfeed-core || exit; done

test-simd: test-rust-simd
	@test -n "$(INSTRUCTION_SETS)"
	for set in $(INSTRUCTION_SETS); do TORCHFEED_CPU=$$set $(BIN)/python -m pytest -m pixels $(ARGS) || exit; done

soak: build
	$(BIN)/python tools/soak.py $(ARGS)

bad-photos: build
	@test -n "$(DATA)" || { echo "which photos? make bad-photos DATA=DIR" >&2; exit 2; }
	$(BIN)/python tools/bad_photos.py "$(DATA)" $(ARGS)

# Many orders of what the threads do. A build of its own: the locks of this one work in these tests only.
shuttle:
	RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle cargo test --release --package torchfeed-core --lib orders
	RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle cargo test --release --package torchfeed-core --test shuttle

# For what a machine may not have: a command that says so and fails.
needs = { echo "this needs $(1)" >&2; exit 1; }

# Sanitizers belong to nightly; RUSTC_BOOTSTRAP lets a stable compiler take them too. The standard library is not
# instrumented, but the address sanitizer still sees its allocations and copies.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
LIBRARIES = $(shell rustc --print target-libdir)
CHECKED = -Cdebug-assertions -Coverflow-checks -Ccodegen-units=4
# Optimizing across crates takes minutes and would find no more.
WITHOUT_LTO = CARGO_PROFILE_RELEASE_LTO=off
RUST_TESTS = --release --target $(HOST) --package torchfeed-core --package torchfeed-jpeg --lib --tests

test-rust-asan:
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address $(CHECKED)" CARGO_TARGET_DIR=target/asan $(WITHOUT_LTO) \
		ASAN_OPTIONS="allocator_may_return_null=1" cargo test $(RUST_TESTS)

# rustc has its sanitizer as an archive for programs. Python is none of rustc's, so it is preloaded with a library of it; all
# but the part that starts before a program's own code, which a library cannot have. It looks for C++'s exceptions, which torch
# throws, when it is loaded: so libstdc++ comes with it.
ASAN = target/asan/libasan.so
ASAN_NATIVE = target/asan/$(HOST)/release/libtorchfeed_native.so

$(ASAN):
	mkdir -p $(@D)
	cp $(LIBRARIES)/librustc-*_rt.asan.a $(@D)/asan.a
	ar d $(@D)/asan.a asan_preinit.cpp.o
	cc -shared -o $@ -Wl,--whole-archive $(@D)/asan.a -Wl,--no-whole-archive,--no-as-needed -lstdc++ -lpthread -ldl -lm -lrt

# The package beside an extension of its own: what is installed stays as it is.
# Left out is what measures seconds and bytes, of which the sanitizer takes more.
MEASURED = tests/loader/test_lifecycle.py::test_ctrl_c_returns_within_half_a_second \
	tests/source/test_datasets.py::test_memory_of_a_listed_file

test-asan: $(INSTALLED) $(ASAN)
	$(IN_VENV) RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address $(CHECKED)" CARGO_TARGET_DIR=target/asan $(WITHOUT_LTO) \
		cargo build --release --target $(HOST) --package torchfeed-py
	rm -rf target/asan/python && cp -r python target/asan/python && rm -f target/asan/python/torchfeed/_native*.so
	cp $(ASAN_NATIVE) target/asan/python/torchfeed/_native.abi3.so
	ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1 LD_PRELOAD="$(CURDIR)/$(ASAN)" PYTHONPATH=target/asan/python \
		PYTHONMALLOC=malloc $(BIN)/python -m pytest -p no:cacheprovider $(MEASURED:%=--deselect %) $(ARGS)

# The locks of a standard library that is not instrumented make every correct program look racy, and what it writes looks
# unwritten: for these two it is built as well, from its sources. Left out is what measures memory, of which they take more.
STD_SOURCES = $(shell rustc +nightly --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/Cargo.lock
WITH_STD = $(WITHOUT_LTO) cargo +nightly test -Zbuild-std
TAKES_MEMORY = --skip a_fresh_block_takes_no_memory_before_it_is_filled

need-std-sources:
	@test -e "$(STD_SOURCES)" || $(call needs,a nightly toolchain with std's sources: rustup toolchain install nightly --component rust-src)

# Data races. Numbers that proptest varies change what is computed, not who waits for whom: few are enough. Left out is the
# longest, which has one thread.
test-tsan: need-std-sources
	PROPTEST_CASES=16 RUSTFLAGS="-Zsanitizer=thread $(CHECKED)" CARGO_TARGET_DIR=target/tsan TSAN_OPTIONS="allocator_may_return_null=1" \
		$(WITH_STD) --release --target $(HOST) --package torchfeed-core --lib --test batch -- $(TAKES_MEMORY) \
		--skip a_sample_that_is_given_up_is_made_again

# Reads of what nobody wrote.
test-msan: need-std-sources
	PROPTEST_CASES=32 RUSTFLAGS="-Zsanitizer=memory -Zsanitizer-memory-track-origins $(CHECKED)" CARGO_TARGET_DIR=target/msan \
		MSAN_OPTIONS="allocator_may_return_null=1" $(WITH_STD) $(RUST_TESTS) -- $(TAKES_MEMORY)

# valgrind does not know AVX-512: it tells the program so, which then runs its AVX2 kernels.
test-memcheck:
	@command -v valgrind > /dev/null || $(call needs,valgrind: https://valgrind.org or the package of that name)
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --error-exitcode=9" \
		PROPTEST_CASES=4 CARGO_TARGET_DIR=target/memcheck \
		cargo test --release --target $(HOST) --package torchfeed-core --lib --test batch

# The kernels' portable builds: Miri knows few vector instructions.
miri: need-std-sources
	@cargo +nightly miri --version > /dev/null 2>&1 || $(call needs,Miri: rustup toolchain install nightly --component miri)
	PROPTEST_CASES=4 MIRIFLAGS="-Zmiri-disable-isolation" \
		cargo +nightly miri test --package torchfeed-core --lib -- batch:: image:: kernel:: rng:: transform:: decode::

# cargo-fuzz's targets, run as it runs them, but with any toolchain.
SECONDS ?= 600
FUZZED = $(if $(filter decode differential,$(TARGET)),rust/jpeg/fuzz,rust/core/fuzz)
COVERAGE = -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-trace-compares \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table

fuzz: $(INSTALLED)
	@test -n "$(TARGET)" || { echo "name one: make fuzz TARGET=plan" >&2; exit 1; }
	@test "$(TARGET)" != differential || { command -v cmake && command -v nasm; } > /dev/null || $(call needs,cmake and nasm for libjpeg-turbo)
	$(BIN)/python rust/core/fuzz/make_seeds.py
	mkdir -p $(FUZZED)/corpus/$(TARGET) $(FUZZED)/artifacts/$(TARGET)
	cd $(FUZZED) && RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address $(COVERAGE) $(CHECKED)" CARGO_TARGET_DIR=target \
		cargo build --release --locked --target $(HOST) --bin $(TARGET) $(if $(filter differential,$(TARGET)),--features differential)
	cd $(FUZZED) && target/$(HOST)/release/$(TARGET) corpus/$(TARGET) $(if $(findstring jpeg,$(FUZZED)),../tests/data) \
		-artifact_prefix=artifacts/$(TARGET)/ -max_len=4096 -len_control=0 -max_total_time=$(SECONDS) $(ARGS)

CHECKS = advisories bans licenses sources
DENY = cargo deny --locked --config $(CURDIR)/deny.toml

# What fuzzes is given to nobody, so its licences are nobody's condition.
deny:
	@cargo deny --version > /dev/null 2>&1 || $(call needs,cargo-deny: cargo install cargo-deny --locked)
	$(DENY) check $(CHECKS)
ifneq ($(filter-out licenses,$(CHECKS)),)
	$(DENY) --manifest-path rust/core/fuzz/Cargo.toml check $(filter-out licenses,$(CHECKS))
	$(DENY) --manifest-path rust/jpeg/fuzz/Cargo.toml check $(filter-out licenses,$(CHECKS))
endif

bench: build
	mkdir -p bench-results
	$(BIN)/python -m pytest benches --benchmark-json=bench-results/torchfeed.json --build-profile=release \
		$(if $(DATA),--data "$(DATA)") $(ARGS)

bench-peers: build
	@test -n "$(DATA)" || { echo "of which images? make bench-peers DATA=DIR" >&2; exit 2; }
	$(BIN)/python -m torchfeed bench "$(DATA)" --task all --json bench-results/peers.json \
		--markdown bench-results/peers.md --plots bench-results $(ARGS)

bench-recipes: build
	@test -n "$(DATA)" || { echo "of which photos? make bench-recipes DATA=DIR" >&2; exit 2; }
	$(BIN)/python -m torchfeed bench "$(DATA)" --recipe all --cores 2 --workers 2 --json bench-results/recipes.json \
		--markdown bench-results/recipes.md $(ARGS)

replay: build
	@test -n "$(DATA)" || { echo "over which photos? make replay DATA=DIR" >&2; exit 2; }
	$(BIN)/python tools/replay_folder.py "$(DATA)" $(ARGS)

bench-kernels: $(INSTALLED)
	$(IN_VENV) cargo bench --package torchfeed-core --bench kernels
	$(IN_VENV) cargo bench --package torchfeed-jpeg --bench decode

bench-device: build
	$(BIN)/python -m benches.device $(if $(DATA),--data "$(DATA)") $(ARGS)

bench-arrival: build
	@test -n "$(DATA)" || { echo "of which photos? make bench-arrival DATA=DIR" >&2; exit 2; }
	$(BIN)/python -m benches.arrival --data "$(DATA)" $(ARGS)

# torch looks at what CUDA's calls return, and some of them may fail: what kernels do to memory is what is asked about here.
.PHONY: sanitize-device
sanitize-device: build
	PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --report-api-errors no --error-exitcode 1 \
		$(BIN)/python -m benches.device --quick $(if $(DATA),--data "$(DATA)")

bench-jpeg:
	cargo run --release --package side-by-side -- "$(DATA)"

bench-check: build
	$(BIN)/python -m pytest benches --benchmark-disable $(if $(DATA),--data "$(DATA)")
	$(BIN)/python -m benches.device --device cpu --quick $(if $(DATA),--data "$(DATA)")
	$(IN_VENV) cargo test --release --package torchfeed-core --bench kernels
	$(IN_VENV) cargo test --release --package torchfeed-jpeg --bench decode

wheel: $(INSTALLED)
	rm -rf dist
	$(IN_VENV) maturin build --release --locked --out dist

check-wheel: $(INSTALLED)
	$(BIN)/python tools/check_wheel.py dist/*.whl

lint: build
	$(BIN)/python tools/licences.py --check
	$(IN_VENV) cargo fmt --check
	$(IN_VENV) cargo clippy --release --locked --all-targets -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy.stubtest torchfeed._native
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python tools/rust_modules.py

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
