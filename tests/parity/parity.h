#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/io/weight_file.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::test {

inline constexpr int64_t kCocoClasses = 90;

/// A test of numbers that tests/oracle/make_parity.py wrote; skipped where it could not.
template <class Base = testing::Test>
class Parity : public Base {
 protected:
  /// Call in SetUp.
  void read(const std::string& name) {
    const auto file = std::filesystem::path(RCNN_PARITY) / (name + ".golden.safetensors");
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file << ": see the tests parity_make.*";
    golden_ = io::read_safetensors(file);
  }

  const at::Tensor& want(const std::string& name) const { return golden_.tensors.at(name); }
  std::string metadata(const std::string& name) const { return golden_.metadata.at(name); }

  /// name.0, name.1, ...
  std::vector<at::Tensor> list(const std::string& name) const {
    std::vector<at::Tensor> tensors;
    for (int i = 0; golden_.tensors.contains(fmt::format("{}.{}", name, i)); ++i) {
      tensors.push_back(want(fmt::format("{}.{}", name, i)));
    }
    return tensors;
  }

  io::SafeTensors golden_;
};

/// The weights of a case, in whichever format they were written.
inline nn::TensorMap parity_weights(const std::string& name) {
  auto file = std::filesystem::path(RCNN_PARITY) / (name + ".weights.safetensors");
  if (!std::filesystem::exists(file)) file.replace_extension(".pth");
  return io::read_weight_file(file).tensors;
}

/// configs/<name>.json
inline config::Config shipped_config(const std::string& name,
                                     const std::vector<std::string>& overrides = {}) {
  return config::Config::load(std::filesystem::path(RCNN_CONFIGS) / (name + ".json"), overrides);
}

/// The config's detector for COCO's classes with the weights of a case.
inline std::shared_ptr<nn::DetectionModelImpl> parity_model(const config::Config& config,
                                                            const std::string& weights) {
  const auto model = nn::make_detection_model(config.root().child("model"), kCocoClasses);
  nn::load_state(*model, parity_weights(weights), weights);
  return model;
}

/// |got - want| as a share of |want|, both as vectors.
inline double relative_error(const at::Tensor& got, const at::Tensor& want) {
  const auto g = got.detach().to(at::kDouble), w = want.to(at::kDouble);
  return ((g - w).norm() / w.norm().clamp_min(1e-30)).item<double>();
}

}  // namespace rcnn::test
