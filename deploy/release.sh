#!/bin/sh
# Makes what a release consists of, below dist/release: a binary for each architecture with the native engine in it, lists of
# what is in them (CycloneDX), and checksums of all.
#
#     deploy/release.sh [ARCHITECTURE...]     x64 and arm64 by default
#
# It builds what is committed, not what is changed in the folder. It needs git, Node with npm, Rust by rustup, and for another
# architecture than the machine's a linker for it (Debian: gcc-aarch64-linux-gnu or gcc-x86-64-linux-gnu, and libc6-dev-…-cross).
# A binary of another architecture is started with QEMU's user emulation if that is here; if not, that it starts was not seen.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
OUT=$ROOT/dist/release
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT

say() { echo "release: $*"; }
fail() {
	say "$*" >&2
	exit 1
}

rust_target() {
	case $1 in
	x64) echo x86_64-unknown-linux-gnu ;;
	arm64) echo aarch64-unknown-linux-gnu ;;
	*) fail "there is no architecture $1: x64 or arm64" ;;
	esac
}

# The version in package.json of what is released.
VERSION=$(git -C "$ROOT" show HEAD:package.json | sed -n 's/.*"version": "\(.*\)".*/\1/p')
COMMIT=$(git -C "$ROOT" rev-parse --short HEAD)

prepare() {
	git -C "$ROOT" archive HEAD | tar -x -C "$STAGE"
	(cd "$STAGE" && npm install --no-save --no-audit --no-fund --loglevel=error)
	rm -rf "$OUT"
	mkdir -p "$OUT"
}

# The native engine for an architecture, where the build of the binary looks for it.
build_engine() {
	target=$(rust_target "$1")
	if command -v rustup >/dev/null; then rustup target add "$target" >/dev/null 2>&1 || true; fi
	linker=$(echo "$target" | sed 's/-unknown//')-gcc
	command -v "$linker" >/dev/null || fail "$1: there is no $linker"
	variable=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_LINKER
	(cd "$STAGE/native" && env "$variable=$linker" cargo build --release --locked --quiet --target "$target")
	cp "$STAGE/native/target/$target/release/libstandpipe_native.so" "$STAGE/native/standpipe.node"
}

build_binary() {
	name=standpipe-$VERSION-linux-$1
	command=$(sed -n 's/.*"build": "\(bun build .*\) --outfile .*/\1/p' "$STAGE/package.json")
	(cd "$STAGE" && PATH="$STAGE/node_modules/.bin:$PATH" sh -c "$command --target=bun-linux-$1 --outfile $OUT/$name")
}

# Starts the binary, as far as this machine can: its version, and a start that must load the native engine.
try_binary() {
	binary=$OUT/standpipe-$VERSION-linux-$1
	run=
	if ! "$binary" --version >/dev/null 2>&1; then
		run=$(command -v "qemu-$(rust_target "$1" | cut -d - -f 1)-static") || {
			say "$1: NOT STARTED here: there is no emulator"
			return
		}
		# The loader and libc of that architecture, which Debian's packages for cross building bring.
		run="$run -L /usr/$(rust_target "$1" | sed 's/-unknown//')"
	fi
	folder=$STAGE/run-$1
	mkdir "$folder"
	# shellcheck disable=SC2086 # The emulator's words.
	(cd "$folder" && RELAY_VERIFY_ENGINE=native timeout --signal=TERM 60 $run "$binary" serve \
		--api-bind 127.0.0.1:0 --metrics-listen 127.0.0.1:0 >log 2>&1) || true
	grep -q "native verifier, self-test passed" "$folder/log" || {
		cat "$folder/log" >&2
		fail "$1: the binary does not start with the native engine"
	}
	say "$1: starts with the native engine${run:+, under emulation}"
}

list_contents() {
	(cd "$STAGE" && npm sbom --sbom-format cyclonedx --omit dev >"$OUT/standpipe-$VERSION-npm.cdx.json")
	if ! command -v cargo-cyclonedx >/dev/null; then cargo install cargo-cyclonedx --locked --quiet --root "$STAGE/tools"; fi
	(cd "$STAGE/native" && PATH="$STAGE/tools/bin:$PATH" cargo cyclonedx --format json --quiet)
	cp "$STAGE/native/addon/standpipe-native.cdx.json" "$OUT/standpipe-$VERSION-rust.cdx.json"
}

[ $# -gt 0 ] || set -- x64 arm64
for architecture in "$@"; do rust_target "$architecture" >/dev/null; done
prepare
for architecture in "$@"; do
	build_engine "$architecture"
	build_binary "$architecture"
	try_binary "$architecture"
done
list_contents
(cd "$OUT" && sha256sum -- * >SHA256SUMS)
say "standpipe $VERSION of commit $COMMIT is in $OUT"
ls -l "$OUT"
