#!/usr/bin/env bash
# What has to pass before a change goes in: the format, a build without warnings, every test. Without --nightly the long
# tests are left out that have a shorter sibling: tools/test.sh [--nightly]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
left_out=(-LE nightly)
if [[ $* == --nightly ]]; then
  left_out=()
elif (( $# )); then
  echo "test: unknown argument $*; there is --nightly alone" >&2
  exit 2
fi
source tools/setup.sh

# Tests beside torchvision and detectron2 need them in the Python that LibTorch came with; with a LibTorch of your own they
# are skipped and say so.
if [[ $config == "$venv"/* ]]; then
  pip_install "${oracle[@]}" "${detectron2_imports[@]}"
  unpack_archive "$detectron2" detectron2
fi
apt_install "${testing[@]}" "${browser[@]}" "${decimal_comma[@]}" "${documentation[@]}"

git ls-files -z '*.h' '*.cpp' '*.cu' | xargs -0 clang-format-14 --dry-run -Werror
tools/build.sh release --tests

# Tests on real photographs need a data folder; without one they are skipped and say so.
if [[ -z ${RCNN_DATA:-} && -d ../shared/data ]]; then
  export RCNN_DATA=$PWD/../shared/data
fi
# Several tests at once share the cores; threads of OpenMP that spin while they wait make them ten times slower.
export OMP_WAIT_POLICY=passive
ctest --preset release --no-tests=error -j 2 "${left_out[@]}" && passed=0 || passed=$?

# ctest names what it skipped itself; a room's tests say why they were in what they print.
awk '/: Skipped$/ { getline; ++times[$0] } END { for (why in times) print "skipped within rooms: " times[why] " x " why }' \
  build/release/Testing/Temporary/LastTest.log
exit "$passed"
