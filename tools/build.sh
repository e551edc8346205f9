#!/usr/bin/env bash
# Builds rcnn into build/<preset>: tools/build.sh [release|dev|asan] [options of cmake...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/setup.sh

preset=release
if [[ ${1:-} == [!-]* ]]; then
  preset=$1
  shift
fi

# ccache takes the precompiled header and what includes it only with this sloppiness. The other three let a second
# checkout use what the first one compiled, and keep ccache from hashing the header (700 MB) for every source.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_INODECACHE=1

# A source that includes torch/torch.h takes up to 1.4 GB to compile.
jobs="$(awk -v cores="$(nproc)" '/^MemAvailable/ { n = int($2 / 1.6e6); print n < 1 ? 1 : n < cores ? n : cores }' \
  /proc/meminfo)"

cmake --preset "$preset" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache "$@"
cmake --build --preset "$preset" -j "$jobs"
