#!/bin/sh
# Install Debian/Ubuntu packages when this user may; otherwise say which are missing.
set -eu
as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && as_root="sudo -n"
fi
if ! command -v apt-get >/dev/null 2>&1 || { [ "$(id -u)" != 0 ] && [ -z "$as_root" ]; }; then
    echo "please install: $*" >&2
    exit 1
fi
# `make -j` may ask for several packages at once, and apt refuses to run twice.
exec 9>"${TMPDIR:-/tmp}/tailrace-apt-$(id -u).lock"
flock 9
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >/dev/null
