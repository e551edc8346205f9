#include <stdexcept>

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/layers/precision.h>
#include <rcnn/nn/models/detection_model.h>

#include "tests/support/devices.h"

namespace rcnn::nn {
namespace {

using test::device_name;
using test::devices;

class AutocastTest : public test::OnDevice {
 protected:
  static at::ScalarType product_type() {
    const auto matrix = at::ones({2, 2}, device());
    return at::mm(matrix, matrix).scalar_type();
  }
};

TEST_P(AutocastTest, ProductsAreBfloat16InItsScopeAlone) {
  {
    const Autocast autocast(device().type(), Precision::bf16);
    EXPECT_EQ(product_type(), at::kBFloat16);
    {
      const Autocast inner(device().type(), Precision::bf16);
      EXPECT_EQ(product_type(), at::kBFloat16);
    }
    EXPECT_EQ(product_type(), at::kBFloat16);
  }
  EXPECT_EQ(product_type(), at::kFloat);
}

TEST_P(AutocastTest, Float32ChangesNothing) {
  const Autocast autocast(device().type(), Precision::fp32);
  EXPECT_EQ(product_type(), at::kFloat);
}

TEST_P(AutocastTest, WhatWasIsThereAgainAfterAThrow) {
  const auto type = device().type();
  const auto old_type = at::autocast::get_autocast_dtype(type);
  at::autocast::set_autocast_dtype(type, at::kHalf);
  EXPECT_THROW(
      {
        const Autocast autocast(type, Precision::bf16);
        throw std::runtime_error("on the way");
      },
      std::runtime_error);
  EXPECT_EQ(at::autocast::get_autocast_dtype(type), at::kHalf);
  EXPECT_FALSE(at::autocast::is_autocast_enabled(type));
  EXPECT_TRUE(at::autocast::is_autocast_cache_enabled());
  at::autocast::set_autocast_dtype(type, old_type);
}

TEST_P(AutocastTest, ACastWithoutGradientsIsNotTakenWhereTheyAreNeeded) {
  const auto weight = at::ones({2, 2}, device()).set_requires_grad(true);
  at::Tensor product;
  {
    const Autocast autocast(device().type(), Precision::bf16);
    {
      const torch::NoGradGuard no_grad;
      at::mm(weight, weight);
    }
    product = at::mm(weight, at::ones({2, 2}, device()));
  }
  ASSERT_TRUE(product.requires_grad());
  product.sum().backward();
  EXPECT_TRUE(weight.grad().defined());
}

INSTANTIATE_TEST_SUITE_P(, AutocastTest, devices(), device_name);

constexpr const char* kSmallC4 = R"({
  "type": "faster_rcnn",
  "backbone": {"type": "resnet18", "width": 16, "levels": ["c4"]},
  "rpn": {"anchors": {"sizes": [16, 32, 48]}, "batch_per_image": 1048576,
          "train": {"pre_nms": 150, "post_nms": 60}},
  "roi": {"head": {"type": "mlp", "hidden": 64}, "batch_per_image": 1048576}
})";
constexpr const char* kSmallFpn = R"({
  "type": "faster_rcnn",
  "backbone": {"type": "resnet50", "width": 16, "levels": ["c2", "c3", "c4", "c5"], "norm": "batch"},
  "neck": {"type": "fpn", "channels": 32},
  "rpn": {"anchors": {"sizes": [8, 16, 32, 64, 96]}, "convs": 2, "batch_per_image": 1048576,
          "train": {"pre_nms": 150, "post_nms": 60}},
  "roi": {"head": {"type": "conv", "convs": 1, "channels": 16, "hidden": 64}, "batch_per_image": 1048576}
})";

/// The losses of a model with fresh weights; all anchors and RoIs count, so nothing is drawn.
std::vector<Loss> losses_of(DetectionModelImpl& model, const at::Device& device, Precision precision) {
  torch::manual_seed(11);
  ImageBatch images;
  std::vector<Target> targets;
  for (const int64_t width : {96, 80}) {
    images.images.push_back(at::randint(0, 256, {64, width, 3}, at::kByte));
    images.sizes.push_back({.height = 64, .width = width});
    targets.push_back({.boxes = torch::tensor({{4.f, 6.f, 40.f, 44.f}, {30.f, 20.f, 70.f, 60.f}}).to(device),
                       .labels = torch::tensor({1, 2}, at::kLong).to(device),
                       .ignore = at::empty({0, 4}, device)});
  }
  const Autocast autocast(device.type(), precision);
  return model.losses(images, targets);
}

struct Case {
  at::DeviceType device;
  const char* name;
  const char* model;
};

class LossesInBfloat16 : public testing::TestWithParam<Case> {};

TEST_P(LossesInBfloat16, AreNearThoseInFloat32AndLeadToFiniteFloat32Gradients) {
  const at::Device device(GetParam().device);
  if (device.is_cuda() && !torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  torch::manual_seed(10);
  const auto model = make_detection_model(config::Config::parse(GetParam().model, "test").root(), 2);
  model->to(device);
  model->train();
  const auto exact = losses_of(*model, device, Precision::fp32);
  const auto rounded = losses_of(*model, device, Precision::bf16);
  ASSERT_EQ(rounded.size(), exact.size());
  at::Tensor sum = at::zeros({}, device);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rounded[i].value.scalar_type(), at::kFloat) << exact[i].name;
    const auto value = exact[i].value.item<double>();
    // A bfloat16 has 8 bits: 0.4 % a rounding, of which dozens of layers make some per cent.
    EXPECT_NEAR(rounded[i].value.item<double>(), value, 0.05 * std::abs(value) + 0.005) << exact[i].name;
    sum = sum + rounded[i].value;
  }
  sum.backward();
  for (const auto& item : model->named_parameters()) {
    const auto& gradient = item.value().grad();
    EXPECT_EQ(gradient.defined(), item.value().requires_grad()) << item.key();
    if (!gradient.defined()) continue;
    EXPECT_EQ(gradient.scalar_type(), at::kFloat) << item.key();
    EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << item.key();
    EXPECT_GT(gradient.abs().max().item<double>(), 0) << item.key();
  }
}

INSTANTIATE_TEST_SUITE_P(, LossesInBfloat16,
                         testing::Values(Case{at::kCPU, "cpu_c4", kSmallC4},
                                         Case{at::kCPU, "cpu_fpn", kSmallFpn},
                                         Case{at::kCUDA, "cuda_c4", kSmallC4},
                                         Case{at::kCUDA, "cuda_fpn", kSmallFpn}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace rcnn::nn
