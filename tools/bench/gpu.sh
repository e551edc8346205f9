#!/usr/bin/env bash
# Every check that needs a GPU, in one command: tools/bench/gpu.sh [BUILD [CHECK...]]
#
# Builds into build/gpu what needs no OpenCV (wants LibTorch, which may be python3's torch, and the headers of
# nlohmann_json, spdlog, xxhash, libdeflate, protobuf and GoogleTest); or runs the programs of the build folder named, which may
# have been made on another machine: `tools/build.sh` makes them all, `rcnn` too. Checks, all or those named, each with
# its output in build/gpu/logs:
#   kernels            against references, by themselves
#   ops, nn            the operators and the network on the device
#   parity             the network there against the one on the CPU    torchvision, and photographs in RCNN_DATA
#   training           a recipe there, its scores there and on the CPU, SIGTERM and --resume    `rcnn` in the build, RCNN_DATA
#   detect, train_step, operators    times beside torchvision's
#   memcheck, racecheck, synccheck, memcheck_ops   compute-sanitizer, on a machine that lets it at the device
# What cannot run says so and is listed at the end, as is what failed; the exit code is 1 then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
checks=(kernels ops nn parity training train_step detect operators memcheck racecheck synccheck memcheck_ops)
for name in "${@:2}"; do
  [[ " ${checks[*]} " == *" $name "* ]] || { echo "gpu.sh: no check $name; there are: ${checks[*]}" >&2; exit 2; }
done
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
logs=build/gpu/logs
mkdir -p "$logs"

if (( $# )); then
  build=$1
  (( $# == 1 )) || checks=("${@:2}")
else
  build=build/gpu
  if [[ -z ${CMAKE_PREFIX_PATH:-} ]]; then
    CMAKE_PREFIX_PATH="$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')"
    export CMAKE_PREFIX_PATH
  fi
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRCNN_WITH_CUDA=ON -DRCNN_WITH_OPENCV=OFF
  cmake --build "$build" --target rcnn_kernels_cuda_test rcnn_ops_test rcnn_nn_test rcnn_parity_test bench_train
  grep -q '^benchmark_DIR:.*-NOTFOUND$' "$build/CMakeCache.txt" || cmake --build "$build" --target bench_ops
fi

failed=() missing=()
wanted() { [[ " ${checks[*]} " == *" $1 "* ]]; }

# check NAME COMMAND...
check() {
  local name=$1 start=$SECONDS
  shift
  wanted "$name" || return 0
  echo "gpu.sh: $name"
  "$@" >"$logs/$name.txt" 2>&1 &  # in the background, for in a condition nothing inside would end it
  if wait $!; then
    tail -n 20 "$logs/$name.txt"
  else
    failed+=("$name")
    tail -n 60 "$logs/$name.txt"
  fi
  echo "gpu.sh: $name took $((SECONDS - start)) s"
}
# has NAME TEST...: whether what the check needs is there.
has() {
  local name=$1
  shift
  wanted "$name" || return
  "$@" &>/dev/null || { missing+=("$name"); return 1; }
}

# gpu_tests PROGRAM FILTER: a test that is skipped, as all are where LibTorch sees no GPU, has failed here.
gpu_tests() {
  local said
  said="$("$1" --gtest_filter="$2" --gtest_brief=1)" || { echo "$said"; return 1; }
  echo "$said"
  ! grep -qE 'SKIPPED|^\[==========\] 0 tests' <<<"$said"
}

# Looked for and not imported, which takes seconds.
peer() { python3 -c 'import importlib.util as u; assert all(map(u.find_spec, ("PIL", "safetensors", "torchvision")))'; }
photographs() { [[ -d ${RCNN_DATA:-/nowhere}/$1 ]]; }

same_as_the_cpu() {
  python3 tests/oracle/make_parity.py fasterrcnn_resnet18_fpn.float32 "$build/tests/parity/goldens"
  gpu_tests "$build/tests/parity/rcnn_parity_test" 'Precision*'
}

# On blood cells: the recipe, cut short; its scores on both devices; an interruption.
training() {
  local config=configs/faster_rcnn/resnet18_c4_bccd.json run=build/gpu/run program=$build/bin/rcnn state=0
  rm -rf "$run" "$run-stopped"
  "$program" train "$config" --device cuda --output "$run" train.epochs=3 train.steps=null
  for device in cuda cpu; do
    "$program" eval --weights "$run/last.safetensors" eval.metric=coco --device "$device"
  done
  "$program" train "$config" --device cuda --output "$run-stopped" train.iterations=600 &
  until grep -sq '"iteration": *100' "$run-stopped/metrics.jsonl"; do sleep 0.1; kill -0 $!; done
  kill -TERM $!
  wait $! || state=$?
  (( state == 143 )) || { echo "SIGTERM: exit code $state"; return 1; }
  "$program" train --resume --device cuda --output "$run-stopped"
}

check kernels "$build/tests/ops/kernels/rcnn_kernels_cuda_test"
check ops gpu_tests "$build/tests/ops/rcnn_ops_test" '*/cuda*'
check nn gpu_tests "$build/tests/nn/rcnn_nn_test" '*/cuda*'
if has parity peer && has parity photographs voc2012_slice; then
  check parity same_as_the_cpu
fi
if has training test -x "$build/bin/rcnn" && has training photographs bccd; then
  check training training
fi
if has train_step peer; then
  check train_step python3 tools/bench/train_step.py --bench "$build/bin/bench_train" --device cuda --batch 8 --steps 20 --rounds 2
fi
if has detect test -x "$build/bin/bench_detect" && has detect peer && has detect photographs voc2012_slice; then
  photographs=("$RCNN_DATA"/voc2012_slice/JPEGImages/*.jpg)
  check detect python3 tools/bench/detect.py "${photographs[0]}" --build "$build" --device cuda --steps 30 --rounds 2
fi
if has operators peer && has operators test -x "$build/bin/bench_ops"; then
  check operators python3 tests/oracle/bench_torchvision.py --bench "$build/bin/bench_ops" --device cuda --repetitions 1 \
    --filter '^nms/(2000|12000)/|batched|^roi_align/1000/levels:./float32/.*/(forward|backward)/|^roi_pool/300/float32/.*/(forward|backward)/|268569x(1|10|100)/|^deform_conv/.*:1/float32/channels_last/'
fi
for tool in memcheck racecheck synccheck; do
  if has "$tool" command -v compute-sanitizer; then
    check "$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/tests/ops/kernels/rcnn_kernels_cuda_test" 20
  fi
done
if has memcheck_ops command -v compute-sanitizer; then
  check memcheck_ops compute-sanitizer --error-exitcode 1 "$build/tests/ops/rcnn_ops_test" --gtest_filter='*/cuda*'
fi

echo "gpu.sh: could not run: ${missing[*]:-nothing}; failed: ${failed[*]:-nothing}"
(( ${#missing[@]} + ${#failed[@]} == 0 ))
