# Needs Node with npm, or Bun. Everything else is installed below this folder.

BUN_VERSION := 1.4.5
# The machine's Bun if it is the pinned version, else the one that npm installs.
BUN := $(shell [ "$$(bun --version 2>/dev/null)" = "$(BUN_VERSION)" ] && command -v bun || echo node_modules/.bin/bun)
SOURCES := $(shell find src -name '*.ts')
RUST_SOURCES := $(shell find native -name target -prune -o -name fuzz -prune -o -name '*.rs' -print) native/build.sh \
	native/Cargo.toml native/Cargo.lock native/addon/Cargo.toml native/verifier/Cargo.toml \
	src/protocol/reasons.ts
# A decoder that others wrote, with which a test checks the relay's frames.
RUST_DECODER := test/protocol/decoders/rust

.PHONY: demo test run build native check format docs monitoring bench soak crash fuzz fuzz-edge fuzz-native mutants network kubernetes-schemas debian-packages image-test clean

# A small synthetic network, the relay and a consumer, offline, until Ctrl-C.
demo: dist/standpipe
	@exec dist/standpipe demo $(DEMO_FLAGS)

# Runs the relay, with its state in ./data.
run: dist/standpipe
	@exec dist/standpipe serve

build: dist/standpipe

# The addon is embedded if it was built. So is the bytecode, with which a start takes half the CPU time.
dist/standpipe: node_modules/.installed package.json Makefile $(SOURCES) native/.built
	$(BUN) run build
	@touch dist/standpipe

# The verification engine in Rust, if the machine can build it. Everything else works without it.
native: native/.built

native/.built: $(RUST_SOURCES)
	@sh native/build.sh
	@touch $@

# Two processes share the test files: many files wait for relays and databases that they start.
TEST_PROCESSES := 2
test: dist/standpipe network kubernetes-schemas debian-packages
	$(BUN) test --timeout 300000 --parallel=$(TEST_PROCESSES)
	@$(MAKE) --no-print-directory image-test

check: node_modules/.installed
	node_modules/.bin/tsc --noEmit
	node_modules/.bin/biome check
	@if command -v cargo >/dev/null; then \
		(cd native && cargo fmt --check && cargo clippy --release --locked --quiet) && \
		cd $(RUST_DECODER) && cargo fmt --check && \
		CARGO_TARGET_DIR=$(CURDIR)/native/target/rust-decoder cargo clippy --release --locked --quiet; \
	fi

# Formats TypeScript and Rust, and fixes what the linter can fix.
format: node_modules/.installed
	node_modules/.bin/biome check --write
	@if command -v cargo >/dev/null; then (cd native && cargo fmt) && cd $(RUST_DECODER) && cargo fmt; fi

# Updates the tables of settings, metrics and reasons in docs/ from the code.
docs: node_modules/.installed
	@$(BUN) test/docs/write.ts

# Writes what is made from others below k8s/monitoring: the PrometheusRule from rules.yaml, the dashboard from its code.
monitoring: node_modules/.installed
	@$(BUN) k8s/monitoring/write.ts

bench: dist/standpipe
	@for bench in $(filter-out bench/soak.ts,$(wildcard bench/*.ts)); do echo "== $$bench"; $(BUN) $$bench || exit 1; done

# An hour of changing hosts, accounts and consumers, after which memory has to be as it was. SOAK_FLAGS: `--minutes M`, `--rate N`.
soak: dist/standpipe
	@$(BUN) bench/soak.ts $(SOAK_FLAGS)

# Kills relays at seeded moments. An oracle compares what their hosts sent with what their consumers got. With STORE=postgres the
# relays' index is on real PostgreSQL servers, which are killed too.
ROUNDS ?= 1000
SEED ?= kill -9
STORE ?= sqlite
RIG ?= 0
crash: dist/standpipe
	@$(BUN) test/crash/run.ts --rounds $(ROUNDS) --seed "$(SEED)" --store $(STORE) --rig $(RIG)

# Puts faults into the data path, one at a time, in a copy of the tree. The tests must find each of them.
mutants: node_modules/.installed
	@$(BUN) test/mutants/run.ts

# Compares both verification engines on mutated commits. FUZZ_FLAGS: `--cases N`, `--minutes M`, `--seed S`. A commit on which
# they disagree becomes a case of the tests.
FUZZ_FLAGS ?= --minutes 10
fuzz: node_modules/.installed native/.built
	$(BUN) test/verify/fuzz.ts $(FUZZ_FLAGS)

# Sends generated messages of every kind through the compiled relay's admission path. FUZZ_EDGE_FLAGS: `--messages N`, `--seed
# S`.
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

# Installs the reference PLC, PDS and consumers for the network test. If they can't be installed, that test says so and is
# skipped.
network: node_modules/.installed
	@sh test/network/install.sh

# Installs the schemas that the manifests below k8s/ are checked against.
kubernetes-schemas:
	@sh test/k8s/install.sh

# Programs that tests run beside the relay. Tests of a program that can't be installed are skipped, and say so.
TEST_PACKAGES := chromium prometheus libfaketime caddy nginx systemd buildah debootstrap crun
debian-packages:
	@sh test/debian-packages.sh $(TEST_PACKAGES)

# Builds the image of the Dockerfile, without a registry of images, and runs it as Kubernetes does. It takes root, Debian's
# buildah, debootstrap and crun, and some minutes; on a machine that can't, it says so and is skipped.
image-test: node_modules/.installed
	@sh test/image/build.sh
	$(BUN) test --timeout 300000 ./test/image/image.checks.ts

# Not `npm ci`, which refuses a lock file without the packages of other platforms. Some registries do not serve these.
node_modules/.installed: package.json package-lock.json
	@if command -v npm >/dev/null 2>&1; then npm install --no-save --no-audit --no-fund --loglevel=error; else bun install; fi
	@touch $@

clean:
	rm -rf dist node_modules test/network/node_modules native/target native/standpipe.node native/.built
