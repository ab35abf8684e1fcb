#!/bin/sh
# Installs the Debian packages that tests run beside the relay, if this machine is a Debian on which we are root and one of
# them is missing. Else it says what is missing and ends with 0: the tests that need it are skipped then, and say so.
#
#     test/debian-packages.sh PACKAGE...
set -u

missing=
for package in "$@"; do
	status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)
	[ "$status" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then exit 0; fi

say() { echo "Debian packages: $*"; }
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	say "not installed here, so their tests are skipped:$missing"
	exit 0
fi
LOG=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # The names are words.
if { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing; } >"$LOG" 2>&1; then
	say "installed:$missing"
else
	say "can't be installed here, so their tests are skipped:$missing: $(tail -n 1 "$LOG")"
fi
rm -f "$LOG"
