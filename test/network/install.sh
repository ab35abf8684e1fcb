#!/bin/sh
# Installs what the network test runs: the reference PDS and PLC directory, three consumers, and a Node 22 to run them,
# since the machine's own Node may be older. Does nothing if they are installed already.
#
# On a machine that can't (no npm, no compiler, no Node for its architecture) it writes the reason to
# node_modules/.unavailable, which the test shows as it skips, and ends with 0. A failure on a machine that can ends with 1.
set -eu
cd "$(dirname "$0")"

READY=node_modules/.ready
UNAVAILABLE=node_modules/.unavailable

say() { echo "network test: $*"; }

unavailable() {
	say "can't be installed here: $*"
	mkdir -p node_modules
	echo "$*" >"$UNAVAILABLE"
	exit 0
}

# The packaged Node has the headers that the PDS's native module is compiled against. If there is no package for this machine,
# its own Node is used, from version 22 on.
find_node() {
	for folder in "$PWD"/node_modules/node-linux-*; do
		if "$folder/bin/node" --version >/dev/null 2>&1; then
			NODE="$folder/bin/node"
			HEADERS="--nodedir=$folder"
			return
		fi
	done
	NODE=$(command -v node) || unavailable "there is no node"
	HEADERS=
	MAJOR=$("$NODE" -p 'parseInt(process.versions.node)')
	[ "$MAJOR" -ge 22 ] || unavailable "the reference PDS needs Node 22, and there is none for $(uname -sm)"
}

if [ -f "$READY" ] && [ "$READY" -nt package-lock.json ] && [ -x "$(cat "$READY")" ]; then
	say "is installed"
	exit 0
fi
command -v npm >/dev/null || unavailable "there is no npm"

say "installing the reference PDS and consumers from npm (about 550 MB)"
# The only install script that is needed is better-sqlite3's. It must run with the Node that is installed here.
npm ci --ignore-scripts --loglevel=error

find_node
say "building better-sqlite3 for Node $("$NODE" --version) (a minute, if no prebuilt one exists)"
# shellcheck disable=SC2086
if ! PATH="$(dirname "$NODE"):$PATH" npm rebuild $HEADERS --loglevel=error better-sqlite3; then
	for tool in c++ make python3; do
		command -v "$tool" >/dev/null || unavailable "better-sqlite3 must be compiled, and there is no $tool"
	done
	say "better-sqlite3 does not build"
	exit 1
fi

echo "$NODE" >"$READY"
say "installed"
