#!/bin/sh
# Installs kubernetes-validate, which has the schemas of Kubernetes' objects, from PyPI below .tools. Does nothing if it is there.
# On a machine that can't, it says so and ends with 0: the test that needs it is skipped then.
set -u
FOLDER=$(cd "$(dirname "$0")/../.." && pwd)/.tools/kubernetes-validate
VERSION=1.37.0

say() { echo "kubernetes-validate: $*"; }
unavailable() {
	rm -rf "$FOLDER"
	say "can't be installed here: $*"
	exit 0
}

if [ -x "$FOLDER/bin/kubernetes-validate" ]; then exit 0; fi
command -v python3 >/dev/null || unavailable "there is no python3"
mkdir -p "$FOLDER"
python3 -m venv "$FOLDER" >"$FOLDER/install.log" 2>&1 || unavailable "python3 can make no environment; on Debian: python3-venv"
"$FOLDER/bin/pip" install --quiet "kubernetes-validate==$VERSION" >"$FOLDER/install.log" 2>&1 ||
	unavailable "$(tail -n 1 "$FOLDER/install.log")"
say "installed"
