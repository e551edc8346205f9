#!/usr/bin/env bash
# Builds rcnn into build/<preset>: tools/build.sh [release|dev|asan|tsan] [options of cmake...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/setup.sh

preset=release
if [[ ${1:-} == [!-]* ]]; then
  preset=$1
  shift
fi

source tools/ccache.sh "$PWD"

# A source that includes torch/torch.h takes up to 1.4 GB to compile.
jobs="$(awk -v cores="$(nproc)" '/^MemAvailable/ { n = int($2 / 1.6e6); print n < 1 ? 1 : n < cores ? n : cores }' \
  /proc/meminfo)"

cmake --preset "$preset" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache "$@"
cmake --build --preset "$preset" -j "$jobs"
