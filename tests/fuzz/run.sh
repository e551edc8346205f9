#!/usr/bin/env bash
# Runs one fuzzer: run.sh BUILD TARGET SECONDS. It begins with the files of tests/fixtures/*/TARGET, puts in the words of
# dictionaries/TARGET where there are some, and keeps what it finds in BUILD/corpus/TARGET; an input that fails is
# written to BUILD/TARGET-crash-*. Exits with 77 where it was not built.
set -euo pipefail
build="$1" target="$2" seconds="$3"
seeds=("$(dirname "$0")"/../fixtures/*/"$target")
[[ -x $build/$target ]] || { echo "fuzz: skipped: $target was not built" >&2; exit 77; }

mkdir -p "$build/corpus/$target"
dictionary="$(dirname "$0")/dictionaries/$target"
words=()
[[ ! -f $dictionary ]] || words=("-dict=$dictionary")
# LibTorch is not instrumented: what it does to a vector's end is not seen, and would look like an overflow.
export ASAN_OPTIONS=detect_container_overflow=0 UBSAN_OPTIONS=print_stacktrace=1
# No file of 16 KB may ask for 64 MB at once, or for much in all: LibTorch alone takes some 500 MB.
exec "$build/$target" -max_total_time="$seconds" -max_len=16384 -timeout=60 -malloc_limit_mb=64 -rss_limit_mb=2048 \
  -print_final_stats=1 "${words[@]}" -artifact_prefix="$build/$target-" "$build/corpus/$target" "${seeds[@]}"
