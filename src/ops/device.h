#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>

#include "ops/kernels/real.h"

struct CUstream_st;

/// How an op reaches its kernels: the device and the element type become a choice at compile time.
namespace rcnn::ops {

#ifdef RCNN_HAS_CUDA
constexpr bool kHasCuda = true;
#else
constexpr bool kHasCuda = false;
#endif

/// LibTorch's current stream on a CUDA device.
CUstream_st* current_stream(at::Device device);

/// What a CUDA backward pass sums in when torch's deterministic algorithms are asked for: int64 [size] of any
/// content. Undefined when they are not.
at::Tensor deterministic_scratch(int64_t size, at::Device device);

/// Throws when a CUDA launcher returned something else than success.
void check_launch(const char* op, int error);

/// Throws "op: no implementation for device X".
void check_device(const char* op, at::Device device);

/// Runs on_cpu() or on_cuda(stream), which returns a cudaError_t. on_cuda takes the stream as `auto`: a build
/// without CUDA then leaves out its body, and the launchers that it names.
template <class OnCpu, class OnCuda>
void on_device(const char* op, at::Device device, OnCpu on_cpu, OnCuda on_cuda) {
  check_device(op, device);
  if constexpr (kHasCuda) {
    if (device.is_cuda()) {
      const c10::DeviceGuard guard(device);
      return check_launch(op, on_cuda(current_stream(device)));
    }
  }
  on_cpu();
}

/// Calls f with a value of the kernels' type for `type`, which the op has checked with is_supported.
template <class F>
void with_element_type(at::ScalarType type, F f) {
  if (type == at::kFloat) return f(float{});
  if (type == at::kDouble) return f(double{});
  return f(kernels::BFloat16{});
}

inline bool is_supported(at::ScalarType type) {
  return type == at::kFloat || type == at::kDouble || type == at::kBFloat16;
}

/// The type of coordinates and gradients beside features of `type`.
inline at::ScalarType real_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

template <class T>
const T* const_data(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <class T>
T* mutable_data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

/// For a tensor that may be undefined.
template <class T>
T* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? mutable_data<T>(tensor) : nullptr;
}

}  // namespace rcnn::ops
