#pragma once

#include <cstdint>

#include <cuda_runtime.h>

namespace rcnn::ops::kernels::cuda {

constexpr int kThreads = 256;

/// Blocks for a grid-stride loop over `work` items; the loop takes what the limit cuts off.
inline unsigned blocks_for(int64_t work) {
  constexpr int64_t kMost = 1 << 16;
  const int64_t blocks = (work + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMost ? blocks : kMost);
}

__device__ inline int64_t first_item() {
  return int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ inline int64_t item_stride() {
  return int64_t{gridDim.x} * blockDim.x;
}

}  // namespace rcnn::ops::kernels::cuda
