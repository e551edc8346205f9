#pragma once

#include <string>

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

namespace rcnn::test {

/// A test that runs once on each device; where LibTorch finds no GPU the CUDA run is shown as skipped.
/// Float32 is float32 there: by default cuDNN multiplies in TF32, which has ten bits.
class OnDevice : public testing::TestWithParam<at::DeviceType> {
 protected:
  void SetUp() override {
    if (device().is_cuda() && !torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
    at::globalContext().setAllowTF32CuDNN(false);
  }

  static at::Device device() { return GetParam(); }
  static at::Tensor on_device(const at::Tensor& tensor) { return tensor.to(device()); }
};

/// For INSTANTIATE_TEST_SUITE_P(, XTest, devices(), device_name).
inline auto devices() {
  return testing::Values(at::kCPU, at::kCUDA);
}

inline std::string device_name(const testing::TestParamInfo<at::DeviceType>& info) {
  return info.param == at::kCPU ? "cpu" : "cuda";
}

}  // namespace rcnn::test
