# Needs Node with npm, or Bun. Everything else is installed below this folder.

BUN_VERSION := 1.4.5
# The machine's Bun where it is the pinned one, else the one that npm installs.
BUN := $(shell [ "$$(bun --version 2>/dev/null)" = "$(BUN_VERSION)" ] && command -v bun || echo node_modules/.bin/bun)
SOURCES := $(shell find src -name '*.ts')
RUST_SOURCES := $(shell find native -name target -prune -o -name fuzz -prune -o -name '*.rs' -print) native/build.sh \
	native/Cargo.toml native/Cargo.lock native/addon/Cargo.toml native/verifier/Cargo.toml \
	src/protocol/reasons.ts
# A decoder of others, which a test holds the relay's frames against.
RUST_DECODER := test/protocol/decoders/rust
WORKERS := src/ingest/worker.ts src/log/worker.ts src/index/worker.ts src/reads/worker.ts src/fanout/worker.ts

.PHONY: demo test run build native check format docs bench crash fuzz fuzz-edge fuzz-native mutants network clean

# A small synthetic network, the relay and a consumer, offline, until Ctrl-C.
demo: dist/standpipe
	@exec $(BUN) test/sim/demo.ts --relay "dist/standpipe serve" $(DEMO_FLAGS)

# The relay itself, with its state in ./data.
run: dist/standpipe
	@exec dist/standpipe serve

build: dist/standpipe

# The addon is embedded where there is one, and so is the bytecode: with it a start takes half the CPU time.
dist/standpipe: node_modules/.installed package.json Makefile $(SOURCES) native/.built
	$(BUN) build --compile --bytecode --format=esm --minify --sourcemap=none \
		--no-compile-autoload-dotenv --no-compile-autoload-bunfig \
		src/main.ts $(WORKERS) --outfile dist/standpipe
	@touch dist/standpipe

# The verification engine in Rust, where the machine can build it. It is not needed for anything else to work.
native: native/.built

native/.built: $(RUST_SOURCES)
	@sh native/build.sh
	@touch $@

test: dist/standpipe network
	$(BUN) test --timeout 300000

check: node_modules/.installed
	node_modules/.bin/tsc --noEmit
	node_modules/.bin/biome check
	@if command -v cargo >/dev/null; then \
		(cd native && cargo fmt --check && cargo clippy --release --locked --quiet) && \
		cd $(RUST_DECODER) && cargo fmt --check && \
		CARGO_TARGET_DIR=$(CURDIR)/native/target/rust-decoder cargo clippy --release --locked --quiet; \
	fi

# Formats TypeScript and Rust, and mends what the linter can.
format: node_modules/.installed
	node_modules/.bin/biome check --write
	@if command -v cargo >/dev/null; then (cd native && cargo fmt) && cd $(RUST_DECODER) && cargo fmt; fi

# Brings the tables of settings, metrics and reasons in docs/ up to the code.
docs: node_modules/.installed
	@$(BUN) test/docs/write.ts

bench: dist/standpipe
	@for bench in bench/*.ts; do echo "== $$bench"; $(BUN) $$bench || exit 1; done

# Relays killed at seeded moments, and an oracle that compares what their hosts sent with what their consumers got.
ROUNDS ?= 1000
SEED ?= kill -9
RIG ?= 0
crash: dist/standpipe
	@$(BUN) test/crash/run.ts --rounds $(ROUNDS) --seed "$(SEED)" --rig $(RIG)

# Faults put into the data path one at a time, in a copy of the tree: the tests have to find each.
mutants: node_modules/.installed
	@$(BUN) test/mutants/run.ts

# Both verification engines against each other on mutated commits, for as long as FUZZ_FLAGS say: `--cases N`, `--minutes M`,
# `--seed S`. What they disagree on becomes a case of the tests.
FUZZ_FLAGS ?= --minutes 10
fuzz: node_modules/.installed native/.built
	$(BUN) test/verify/fuzz.ts $(FUZZ_FLAGS)

# Generated messages of every kind through the whole admission path of the compiled relay: `--messages N`, `--seed S`.
FUZZ_EDGE_FLAGS ?= --messages 1000000
fuzz-edge: dist/standpipe
	$(BUN) test/edge/fuzz.ts $(FUZZ_EDGE_FLAGS)

# Coverage-guided fuzzing of the native engine, each target for FUZZ_SECONDS. It needs a nightly Rust.
FUZZ_SECONDS ?= 1200
fuzz-native: node_modules/.installed
	cargo install cargo-fuzz --root .tools --locked
	$(BUN) test/verify/fuzz-seeds.ts native/fuzz/corpus
	@cd native && for target in frame car commit inversion; do \
		PATH="$(CURDIR)/.tools/bin:$$PATH" cargo +nightly fuzz run $$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=5 || exit 1; \
	done

# The reference PLC, PDS and consumers for the network test. Where they can't be installed that test says so and is skipped.
network: node_modules/.installed
	@sh test/network/install.sh

# `npm ci` refuses a lock file that lacks packages of other platforms, which some registries do not serve.
node_modules/.installed: package.json package-lock.json
	@if command -v npm >/dev/null 2>&1; then npm install --no-save --no-audit --no-fund --loglevel=error; else bun install; fi
	@touch $@

clean:
	rm -rf dist node_modules test/network/node_modules native/target native/standpipe.node native/.built
