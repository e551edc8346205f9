#pragma once

#include <cstdint>
#include <type_traits>

#include <cuda_runtime.h>

namespace rcnn::ops::kernels::cuda {

constexpr int kThreads = 256;
constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffff;

/// 64 bits as CUDA's atomics and shuffles name them.
using Word = unsigned long long;
static_assert(sizeof(Word) == sizeof(uint64_t));

/// Blocks for a loop over `work` items, `threads` at a time; the loop takes what the limit cuts off.
inline unsigned blocks_for(int64_t work, int threads = kThreads, int64_t most = 1 << 16) {
  const int64_t blocks = (work + threads - 1) / threads;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}

/// Starts a kernel. The result is a cudaError_t.
template <class... Parameters>
int launch(void (*kernel)(Parameters...), dim3 blocks, int threads, CUstream_st* stream,
           std::type_identity_t<Parameters>... arguments) {
  kernel<<<blocks, threads, 0, stream>>>(arguments...);
  return cudaGetLastError();
}

/// Sets `count` elements to zero bits. The result is a cudaError_t.
template <class T>
int clear(T* values, int64_t count, CUstream_st* stream) {
  return count > 0 ? cudaMemsetAsync(values, 0, static_cast<size_t>(count) * sizeof(T), stream) : cudaSuccess;
}

__device__ inline int64_t first_item() {
  return int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ inline int64_t item_stride() {
  return int64_t{gridDim.x} * blockDim.x;
}

}  // namespace rcnn::ops::kernels::cuda
