#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/necks/neck.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/nn/models/oracle.h"
#include "tests/support/goldens.h"
#include "tests/support/tensors.h"

/// What tests/oracle/formulas.py gives to mmdetection's and effdet's necks, and to others; and what holds for
/// every neck.
namespace rcnn::nn {

/// Maps "c5" and those before it, of strides that double.
inline std::vector<FeatureSpec> backbone_maps(const std::vector<int64_t>& channels) {
  std::vector<FeatureSpec> features;
  const auto finest = 6 - static_cast<int64_t>(channels.size());
  for (size_t i = 0; i < channels.size(); ++i) {
    const auto level = finest + static_cast<int64_t>(i);
    features.push_back({fmt::format("c{}", level), channels[i], int64_t{1} << level});
  }
  return features;
}

inline std::shared_ptr<NeckImpl> make_neck(const std::string& json,
                                           const std::vector<FeatureSpec>& features) {
  return necks().make(config::Config::parse(json, "f.json").root(), {.features = features});
}

inline at::Tensor noise_tensor(at::IntArrayRef sizes, uint32_t stream) {
  const auto values = at::empty(sizes, at::kDouble);
  for (int64_t i = 0; i < values.numel(); ++i) {
    values.data_ptr<double>()[i] = noise(static_cast<uint32_t>(i), stream);
  }
  return values;
}

/// The oracle's weights of a neck, or another module.
inline void fill_neck(torch::nn::Module& neck) {
  const torch::NoGradGuard no_grad;
  uint32_t stream = 0;
  for (const auto& [name, tensor] : state_of(neck)) {
    if (name.ends_with("num_batches_tracked")) continue;
    double scale = 0.1, offset = 0;
    if (name.ends_with("weight_gamma")) {
      scale = 0.02, offset = 0.1;  // a weight's deviation
    } else if (name.ends_with("weight_beta")) {
      scale = 0.02;
    } else if (tensor.dim() > 1) {
      scale = std::sqrt(3.0 * static_cast<double>(tensor.size(0)) / static_cast<double>(tensor.numel()));
    } else if (name.ends_with("_w1") || name.ends_with("_w2")) {
      scale = 1, offset = 0.7;
    } else if (name.ends_with("running_var") || name.ends_with("weight")) {
      scale = 0.2, offset = 1;
    }
    at::Tensor(tensor).copy_(noise_tensor(tensor.sizes(), stream) * scale + offset);
    ++stream;
  }
}

/// One factor for each number of a tensor, in their order.
inline at::Tensor cosines(int64_t count) {
  return (at::arange(count, at::kDouble) * 0.3).cos();
}

/// The oracle's inputs: of two images, numbered from the finest.
inline std::vector<at::Tensor> oracle_maps(const std::vector<int64_t>& channels,
                                           const std::vector<std::vector<int64_t>>& sizes) {
  std::vector<at::Tensor> maps;
  for (size_t i = 0; i < channels.size(); ++i) {
    maps.push_back(noise_tensor({2, channels[i], sizes[i][0], sizes[i][1]}, 1000 + static_cast<uint32_t>(i))
                       .requires_grad_());
  }
  return maps;
}

/// Compares the oracle's norm of a tensor and its product with the cosines.
inline void expect_summary(const at::Tensor& tensor, const nlohmann::json& want, const std::string& what,
                           double relative = 1e-10) {
  ASSERT_TRUE(tensor.defined()) << what;
  const auto flat = tensor.detach().flatten();
  const double got[] = {flat.norm().item<double>(), flat.dot(cosines(flat.numel())).item<double>()};
  for (size_t i = 0; i < 2; ++i) {
    const auto value = want.at(i).get<double>();
    // Beside 1, because the gradient of a bias in front of a norm is nothing but roundings.
    EXPECT_NEAR(got[i], value, relative * std::max(1.0, std::abs(value))) << what << ", number " << i;
  }
}

/// In float64: parameters, outputs and gradients of a training batch, and outputs afterwards are the
/// oracle's.
inline void expect_golden(const std::string& key, const std::string& fixture = "necks.json") {
  SCOPED_TRACE(key);
  const auto want = test::golden(fixture).at("cases").at(key);
  const auto channels = want.at("channels").get<std::vector<int64_t>>();
  const auto neck = make_neck(want.at("config").dump(), backbone_maps(channels));
  neck->to(at::kDouble);
  fill_neck(*neck);
  int64_t count = 0;
  for (const auto& parameter : neck->parameters()) count += parameter.numel();
  EXPECT_EQ(count, want.at("parameters").get<int64_t>());

  const auto maps = oracle_maps(channels, want.at("sizes").get<std::vector<std::vector<int64_t>>>());
  neck->train();
  const auto outputs = neck->forward(maps);
  ASSERT_EQ(outputs.size(), want.at("outputs").size());
  ASSERT_EQ(outputs.size(), neck->features().size());
  at::Tensor sum = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < outputs.size(); ++i) {
    EXPECT_EQ(outputs[i].sizes().vec(), want.at("shapes").at(i).get<std::vector<int64_t>>());
    expect_summary(outputs[i], want.at("outputs").at(i), fmt::format("output {}", i));
    sum = sum + outputs[i].flatten().dot(cosines(outputs[i].numel()));
  }
  sum.backward();
  for (size_t i = 0; i < maps.size(); ++i) {
    expect_summary(maps[i].grad(), want.at("input_gradients").at(i), fmt::format("gradient of map {}", i));
  }
  EXPECT_EQ(neck->named_parameters().size(), want.at("gradients").size());
  for (const auto& parameter : neck->named_parameters()) {
    ASSERT_TRUE(want.at("gradients").contains(parameter.key())) << parameter.key();
    expect_summary(parameter.value().grad(), want.at("gradients").at(parameter.key()), parameter.key());
  }
  neck->eval();
  const torch::NoGradGuard no_grad;
  const auto later = neck->forward(maps);
  for (size_t i = 0; i < later.size(); ++i) {
    expect_summary(later[i], want.at("later").at(i), fmt::format("later output {}", i));
  }
}

/// Maps of one image of `height` x `width` pixels, channels_last as a backbone gives them.
inline std::vector<at::Tensor> maps_of(const std::vector<FeatureSpec>& features, int64_t height,
                                       int64_t width) {
  std::vector<at::Tensor> maps;
  for (const auto& feature : features) {
    const auto rounded_up = [&](int64_t side) { return (side + feature.stride - 1) / feature.stride; };
    maps.push_back(noise_tensor({1, feature.channels, rounded_up(height), rounded_up(width)},
                                static_cast<uint32_t>(feature.stride))
                       .contiguous(at::MemoryFormat::ChannelsLast));
  }
  return maps;
}

/// What a neck says it gives it gives, of images of any size, channels_last; and fused for inference the same
/// up to roundings, in bfloat16 up to its.
inline void expect_of_every_neck(const std::string& json, const std::vector<FeatureSpec>& features) {
  SCOPED_TRACE(json);
  const torch::NoGradGuard no_grad;
  const auto exact = make_neck(json, features), rounded = make_neck(json, features);
  for (const auto& neck : {exact, rounded}) {
    neck->to(at::kDouble);
    fill_neck(*neck);
    neck->eval();
  }
  std::vector<at::Tensor> divisible;
  for (const auto& [height, width] : {std::pair{256, 128}, {150, 201}}) {
    const auto outputs = exact->forward(maps_of(features, height, width));
    const auto levels = exact->features();
    ASSERT_EQ(outputs.size(), levels.size());
    for (size_t i = 0; i < levels.size(); ++i) {
      const auto rounded_up = [&](int64_t side) { return (side + levels[i].stride - 1) / levels[i].stride; };
      EXPECT_EQ(outputs[i].sizes(),
                (std::vector<int64_t>{1, levels[i].channels, rounded_up(height), rounded_up(width)}));
      EXPECT_TRUE(outputs[i].is_contiguous(at::MemoryFormat::ChannelsLast)) << levels[i].name;
    }
    if (divisible.empty()) divisible = outputs;
  }
  const auto maps = maps_of(features, 256, 128);
  dynamic_cast<Fusible&>(*exact).fuse(Precision::fp32);
  const auto fused = exact->forward(maps);
  for (size_t i = 0; i < fused.size(); ++i) {
    EXPECT_LT((fused[i] - divisible[i]).norm().item<double>(), 1e-10 * divisible[i].norm().item<double>());
  }
  rounded->to(at::kFloat);
  dynamic_cast<Fusible&>(*rounded).fuse(Precision::bf16);
  std::vector<at::Tensor> small;
  for (const auto& map : maps) small.push_back(map.to(at::kBFloat16));
  const Autocast autocast(at::kCPU, Precision::bf16);
  const auto in_bfloat16 = rounded->forward(small);
  for (size_t i = 0; i < fused.size(); ++i) {
    EXPECT_EQ(in_bfloat16[i].scalar_type(), at::kBFloat16) << i;
    // 8 bits, through the layers of a pyramid in a row.
    EXPECT_LT((in_bfloat16[i] - divisible[i]).norm().item<double>(),
              0.1 * divisible[i].norm().item<double>());
  }
}

}  // namespace rcnn::nn
