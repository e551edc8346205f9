#!/usr/bin/env bash
# Builds the program into build/<preset>, and with --tests the tests and the benchmarks too:
# tools/build.sh [release|dev|asan|tsan] [--tests] [options of cmake...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/setup.sh

preset=release
target=(--target rcnn_program)
if [[ ${1:-} == [!-]* ]]; then
  preset=$1
  shift
fi
if [[ ${1:-} == --tests ]]; then
  target=()
  shift
fi

source tools/ccache.sh "$PWD"

# Sources compiled together take up to 2.1 GB.
jobs="$(awk -v cores="$(nproc)" '/^MemAvailable/ { n = int($2 / 2.2e6); print n < 1 ? 1 : n < cores ? n : cores }' \
  /proc/meminfo)"

# Configured alike for all: what is built without the tests is not built again with them.
cmake --preset "$preset" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache "$@"
cmake --build --preset "$preset" -j "$jobs" "${target[@]}"
