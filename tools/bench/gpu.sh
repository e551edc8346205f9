#!/usr/bin/env bash
# Every check that needs a GPU, in one command, and then the operators' times:
#   the kernels by themselves against references   nvcc and CMake
#   the operators and the network on the device    LibTorch (python3's torch or CMAKE_PREFIX_PATH) and the headers of
#                                                  nlohmann_json, spdlog, xxhash, libdeflate and GoogleTest; no OpenCV
#   the network there against the one on the CPU   torchvision, and photographs in RCNN_DATA
#   times, to build/gpu/bench_ops.json             Google Benchmark
#   a training step of R50-FPN                     torchvision beside it where there is one
#   both tests once more under compute-sanitizer   a machine that lets it at the device
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader

cmake -S src/ops/kernels -B build/kernels -DCMAKE_BUILD_TYPE=Release -DRCNN_WITH_CUDA=ON
cmake --build build/kernels --parallel
ctest --test-dir build/kernels --output-on-failure --exclude-regex kernels_cuda
build/kernels/tests/rcnn_kernels_cuda_test  # not by ctest, which takes a missing device for no failure

if [[ -z ${CMAKE_PREFIX_PATH:-} ]]; then
  CMAKE_PREFIX_PATH="$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')"
  export CMAKE_PREFIX_PATH
fi
cmake -S . -B build/gpu -G Ninja -DCMAKE_BUILD_TYPE=Release -DRCNN_WITH_CUDA=ON -DRCNN_WITH_OPENCV=OFF
cmake --build build/gpu --target rcnn_ops_test rcnn_nn_test rcnn_parity_test
build/gpu/tests/ops/rcnn_ops_test | tee build/gpu/ops.txt
if grep -q 'SKIPPED' build/gpu/ops.txt; then
  echo 'gpu.sh: tests of the operators were skipped: LibTorch did not see the GPU' >&2
  exit 1
fi
build/gpu/tests/nn/rcnn_nn_test
python3 tests/oracle/make_parity.py fasterrcnn_resnet18_fpn.float32 build/gpu/tests/parity/goldens ||
  echo 'gpu.sh: no photographs or no torchvision, so the GPU is not compared with the CPU' >&2
build/gpu/tests/parity/rcnn_parity_test --gtest_filter='Precision*'

if grep -q '^benchmark_DIR:.*-NOTFOUND$' build/gpu/CMakeCache.txt; then
  echo 'gpu.sh: no Google Benchmark (Debian: libbenchmark-dev), so nothing is timed' >&2
else
  cmake --build build/gpu --target bench_ops
  build/gpu/bin/bench_ops --device cuda --benchmark_out=build/gpu/bench_ops.json --benchmark_out_format=json
fi

cmake --build build/gpu --target bench_train
if python3 -c 'import safetensors, torchvision'; then
  python3 tools/bench/train_step.py --bench build/gpu/bin/bench_train --device cuda --batch 8 --steps 20
else
  for precision in fp32 bf16; do
    build/gpu/bin/bench_train configs/torchvision/fasterrcnn_resnet50_fpn.json --device cuda --precision "$precision" --batch 8 --steps 20
  done
fi

for tool in memcheck racecheck synccheck; do
  compute-sanitizer --tool "$tool" --error-exitcode 1 build/kernels/tests/rcnn_kernels_cuda_test 50
done
compute-sanitizer --error-exitcode 1 build/gpu/tests/ops/rcnn_ops_test --gtest_filter='*cuda*'
