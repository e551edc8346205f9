#!/usr/bin/env bash
# instruction_sets_test.sh ISA OBJECT...: an object compiled for an instruction set defines nothing that one for another
# set could share with it. The linker would keep a single copy, maybe of instructions that a processor does not have.
set -euo pipefail
isa=$1
shift
symbols="$(nm -C --defined-only "$@" | awk '$2 ~ /^[A-Zuvw]$/')"
[[ -n $symbols ]] || { echo "no symbols in $*"; exit 1; }
if grep -v "simd::$isa" <<<"$symbols"; then
  echo "of no single instruction set: make it a template over Isa, or [[gnu::always_inline]]"
  exit 1
fi
