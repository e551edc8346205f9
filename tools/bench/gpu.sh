#!/usr/bin/env bash
# Every check that needs a GPU, in one command: the operators and the network against their references on the device,
# and the operators under compute-sanitizer. Needs LibTorch (python3's torch or CMAKE_PREFIX_PATH), nvcc, and the
# headers of nlohmann_json, spdlog and GoogleTest, but no OpenCV.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ -z ${CMAKE_PREFIX_PATH:-} ]]; then
  CMAKE_PREFIX_PATH="$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')"
  export CMAKE_PREFIX_PATH
fi
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader

cmake -S . -B build/gpu -G Ninja -DCMAKE_BUILD_TYPE=Release -DRCNN_WITH_CUDA=ON -DRCNN_WITH_OPENCV=OFF \
  -DRCNN_BUILD_TOOLS=OFF
cmake --build build/gpu --target rcnn_ops_test rcnn_nn_test

# A skipped device test means that LibTorch did not see the GPU: then nothing was checked.
build/gpu/tests/ops/rcnn_ops_test | tee build/gpu/ops.txt
! grep -q 'SKIPPED' build/gpu/ops.txt
build/gpu/tests/nn/rcnn_nn_test
compute-sanitizer --error-exitcode 1 build/gpu/tests/ops/rcnn_ops_test --gtest_filter='*cuda*'
