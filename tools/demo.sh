#!/usr/bin/env bash
# From a fresh checkout to a trained detector and its report in runs/demo, in one command.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/build.sh release
build/release/bin/rcnn demo --output runs/demo
