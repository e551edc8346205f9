#include "ops/device.h"

#ifdef RCNN_HAS_CUDA
#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#endif

namespace rcnn::ops {

void check_device(const char* op, at::Device device) {
  TORCH_CHECK(device.is_cpu() || (kHasCuda && device.is_cuda()), op, ": no implementation for device ",
              device);
}

#ifdef RCNN_HAS_CUDA

CUstream_st* current_stream(at::Device device) {
  return c10::cuda::getCurrentCUDAStream(device.index()).stream();
}

at::Tensor deterministic_scratch(int64_t size, at::Device device) {
  if (!at::globalContext().deterministicAlgorithms()) return {};
  return at::empty({size}, at::device(device).dtype(at::kLong));
}

void check_launch(const char* op, int error) {
  TORCH_CHECK(error == cudaSuccess, op, ": ", cudaGetErrorString(static_cast<cudaError_t>(error)));
}

#endif

}  // namespace rcnn::ops
