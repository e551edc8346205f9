#!/usr/bin/env bash
# Builds the fuzzers: build.sh BUILD TORCH. Exits with 77 where there is no clang with libFuzzer.
set -euo pipefail
build="$1" torch="$2"
targets="$(dirname "$0")/targets"

mkdir -p "$build"
clang=""
for candidate in clang++-14 clang++; do
  command -v "$candidate" >/dev/null || continue
  # Whether the runtime is there, only linking tells.
  if echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
      "$candidate" -x c++ -fsanitize=fuzzer,address,undefined -o "$build/probe" - 2>/dev/null; then
    clang="$candidate"
    break
  fi
done
[[ -n $clang ]] || { echo "fuzz: skipped: no clang++ with libFuzzer (Debian: clang-14 libclang-rt-14-dev)" >&2; exit 77; }

launcher="$(command -v ccache || true)"
cmake -S "$targets" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$clang" -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" \
  -DRCNN_TORCH="$torch"
cmake --build "$build"
