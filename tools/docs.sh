#!/usr/bin/env bash
# Makes the documentation from the headers and tools/docs: build/docs/html/index.html. Fails on every warning of doxygen
# but those about members of documented classes whose names say everything.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v doxygen >/dev/null || { source tools/setup.sh; apt_install "${documentation[@]}"; }

mkdir -p build/docs
# What the README says of each room is the documentation of its namespace.
sed -nE 's#^\| `([a-z]+)` \| (.+) \|$#/// \\namespace rcnn::\1\n/// \2\n#p' README.md > build/docs/rooms.dox
doxygen tools/docs/Doxyfile
if grep -vE 'Member .* of (class|struct) .* is not documented' build/docs/warnings.txt >&2; then
  echo "docs: doxygen has something to say, see above" >&2
  exit 1
fi
echo "docs: look at $PWD/build/docs/html/index.html" >&2
