#!/bin/sh
# Builds the native engine as native/standpipe.node. If that is not possible, it says why in one line and removes the file; the
# relay then verifies with the portable engine.
set -u
cd "$(dirname "$0")" || exit 1

give_up() {
	rm -f standpipe.node
	echo "native: $1; the relay will verify with the portable engine, some ten times slower"
	exit 0
}

command -v cargo >/dev/null || give_up "there is no Rust here"
echo "native: building with $(cargo --version)"
cargo fetch --locked --quiet 2>fetch.log || give_up "its crates can't be fetched ($(head -n 1 fetch.log))"
rm -f fetch.log
cargo build --release --locked --quiet || give_up "it does not build, as said above"
# The file is replaced by a rename, since a relay that runs from the sources may have the old one mapped.
cp target/release/libstandpipe_native.so standpipe.node.new
mv standpipe.node.new standpipe.node
