#!/usr/bin/env bash
# Gives a wheel for Linux the platform tag that its symbols allow, and fails where it needs more than that or is too large:
#
#   packaging/repair_wheel.sh WHEEL FOLDER
#
# Both cibuildwheel and `make wheels` call it. The tag is manylinux_2_28 in the image of that name, and a later one
# on a system with a later C library.
set -euo pipefail
wheel=$1 folder=$2

auditwheel repair --wheel-dir "$folder" "$wheel"
for repaired in "$folder/$(basename "${wheel%%-linux_*}")"-*.whl; do
  auditwheel show "$repaired"
  # A package index takes no larger files without asking for it.
  bytes=$(stat -c %s "$repaired")
  if [ "$bytes" -ge 100000000 ]; then
    echo "$repaired has $bytes bytes; less than 100,000,000 is what a package index takes" >&2
    exit 1
  fi
done
