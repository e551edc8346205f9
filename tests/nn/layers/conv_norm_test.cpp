#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

torch::nn::Conv2d conv() {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 5, 3).stride(2).padding(1).bias(false));
}

TEST(ConvNorm, AFrozenNormHasNoParametersAndALearningOneHas) {
  EXPECT_TRUE(ConvNorm(conv(), {Norm::frozen}).norm()->parameters().empty());
  EXPECT_EQ(ConvNorm(conv(), {Norm::batch}).norm()->parameters().size(), 2u);
}

TEST(ConvNorm, BatchNormUsesTheBatchWhileTrainingAndItsMemoryAfterwards) {
  torch::manual_seed(0);
  ConvNorm layer(conv(), {Norm::batch});
  const auto x = torch::randn({4, 3, 8, 8});
  layer.norm()->train();
  const auto y = layer(x);
  EXPECT_LT(y.mean({0, 2, 3}).abs().max().item<float>(), 1e-5);
  EXPECT_LT((y.var({0, 2, 3}, false) - 1).abs().max().item<float>(), 1e-3);
  layer.norm()->eval();
  EXPECT_GT((layer(x) - y).abs().max().item<float>(), 1e-2);
}

TEST(ConvNorm, AFreshFrozenNormIsTheConvolutionItself) {
  torch::manual_seed(0);
  auto plain_conv = conv();
  ConvNorm layer(plain_conv, {Norm::frozen});
  const auto x = torch::randn({2, 3, 8, 8});
  EXPECT_LT((layer(x) - plain_conv->forward(x)).abs().max().item<float>(), 1e-4);  // eps 1e-5 in the scale
}

TEST(ConvNorm, WithoutANormItIsTheConvolution) {
  torch::manual_seed(0);
  auto plain_conv = conv();
  ConvNorm layer(plain_conv, {Norm::none});
  EXPECT_EQ(layer.norm(), nullptr);
  EXPECT_EQ(layer.block()->named_children().size(), 1u);
  const auto x = torch::randn({2, 3, 8, 8});
  EXPECT_TRUE(test::identical(layer(x), plain_conv->forward(x)));
}

TEST(ConvNorm, EpsIsAddedToTheVarianceOfBothKinds) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  for (const double eps : {0.0, 1e-5, 0.5}) {
    for (const auto type : {Norm::frozen, Norm::batch}) {
      auto plain_conv = torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 5, 3));  // with a bias, as in vgg16_bn
      ConvNorm layer(plain_conv, {type, eps});
      layer.norm()->eval();
      auto state = state_of(*layer.block());
      for (const auto* name : {"1.weight", "1.bias", "1.running_mean", "1.running_var"}) {
        state.at(name).uniform_(0.2, 1);
      }
      const auto x = torch::randn({2, 3, 8, 8});
      const auto by_channel = [&](const at::Tensor& t) { return t.view({-1, 1, 1}); };
      const auto want = (plain_conv->forward(x) - by_channel(state.at("1.running_mean"))) /
                            by_channel(at::sqrt(state.at("1.running_var") + eps)) *
                            by_channel(state.at("1.weight")) +
                        by_channel(state.at("1.bias"));
      EXPECT_TRUE(test::close(layer(x), want, 1e-5)) << eps;
    }
  }
}

TEST(ConvNorm, AFrozenLearningNormStillLearnsItsStatistics) {
  torch::manual_seed(2);
  ConvNorm layer(conv(), {Norm::batch});
  layer.freeze();
  for (const auto& parameter : layer.block()->parameters()) EXPECT_FALSE(parameter.requires_grad());
  layer.norm()->train();
  layer(torch::randn({2, 3, 8, 8}) + 3);
  const auto state = state_of(*layer.norm());
  EXPECT_GT(state.at("running_mean").abs().max().item<float>(), 1e-2);
  EXPECT_EQ(state.at("num_batches_tracked").item<int64_t>(), 1);
}

TEST(NormOptions, EpsBelongsToANorm) {
  const auto read = [](const std::string& json, Norm type) {
    const auto node = config::Config::parse(json, "f.json").root();
    NormOptions options{.type = type};
    options.read(node, 64);
    node.finish();
    return options;
  };
  EXPECT_EQ(read(R"({"norm": "batch", "norm_eps": 0})", Norm::none).type, Norm::batch);
  EXPECT_EQ(read(R"({"norm_eps": 0})", Norm::frozen).eps, 0);
  EXPECT_EQ(read("{}", Norm::none).type, Norm::none);
  EXPECT_THROW(read(R"({"norm_eps": 0})", Norm::none), ConfigError);
  EXPECT_THROW(read(R"({"norm": "none"})", Norm::frozen), ConfigError);
  EXPECT_EQ(read(R"({"norm": "none"})", Norm::batch).type, Norm::none);
  EXPECT_THROW(read(R"({"norm_eps": -1})", Norm::frozen), ConfigError);
  EXPECT_EQ(read(R"({"norm": "group"})", Norm::none).groups, 32);
  EXPECT_EQ(read(R"({"norm": "group", "norm_groups": 16, "norm_eps": 0})", Norm::frozen).groups, 16);
  EXPECT_THROW(read(R"({"norm": "batch", "norm_groups": 16})", Norm::none), ConfigError);
  EXPECT_THROW(read(R"({"norm": "group", "norm_groups": 48})", Norm::none), ConfigError) << "of 64 channels";
  EXPECT_THROW(read(R"({"norm": "group", "norm_groups": 0})", Norm::none), ConfigError);
}

/// A convolution of 6 channels in 3 groups whose factors do something.
ConvNorm grouped(torch::nn::Conv2d plain_conv, double eps = 1e-5) {
  const torch::NoGradGuard no_grad;
  ConvNorm layer(std::move(plain_conv), {.type = Norm::group, .eps = eps, .groups = 3});
  for (const auto& parameter : layer.norm()->parameters()) parameter.uniform_(0.2, 1);
  return layer;
}

TEST(ConvNorm, GroupNormTakesTheStatisticsOfAnImagesGroups) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  auto plain_conv = torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 6, 3));
  auto layer = grouped(plain_conv, 0.5);
  const auto x = torch::randn({2, 3, 8, 8});
  auto want = plain_conv->forward(x).view({2, 3, 2, 6, 6});
  want = (want - want.mean({2, 3, 4}, true)) / at::sqrt(want.var({2, 3, 4}, false, true) + 0.5);
  const auto state = state_of(*layer.block());
  want =
      want.view({2, 6, 6, 6}) * state.at("1.weight").view({-1, 1, 1}) + state.at("1.bias").view({-1, 1, 1});
  EXPECT_TRUE(test::close(layer(x), want, 1e-5));
  layer.norm()->eval();
  EXPECT_TRUE(test::close(layer(x), want, 1e-5)) << "the same in training and afterwards";
  EXPECT_TRUE(test::close(layer(x.narrow(0, 1, 1)), want.narrow(0, 1, 1), 1e-5)) << "alone as in a batch";
}

TEST(ConvNorm, GroupNormFollowsTheFusedConvolution) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_grad;
  for (const bool biased : {false, true}) {
    auto layer = grouped(torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 6, 3).padding(1).bias(biased)));
    const auto x = torch::randn({2, 3, 8, 8}), sum = torch::randn({2, 6, 8, 8});
    const auto y = layer(x), rectified = layer.relu(x), joined = layer.add_relu(x, sum);
    EXPECT_TRUE(test::identical(rectified, y.relu()));
    layer.fuse(Precision::fp32);
    EXPECT_TRUE(test::close(layer(x), y, 1e-5));
    EXPECT_TRUE(test::close(layer.relu(x), rectified, 1e-5));
    EXPECT_TRUE(test::close(layer.add_relu(x, sum), joined, 1e-5));
  }
}

TEST(ConvNorm, AFusedGroupNormIsFloat32BetweenConvolutionsInBfloat16) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_grad;
  auto layer = grouped(torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 6, 3)));
  const auto x = torch::randn({2, 3, 8, 8});
  const auto y = layer(x);
  layer.fuse(Precision::bf16);
  const auto rounded = layer(x);
  EXPECT_EQ(rounded.scalar_type(), at::kBFloat16);
  EXPECT_LT((rounded - y).norm().item<double>(), 0.01 * y.norm().item<double>());  // 8 bits
  EXPECT_EQ(state_of(*layer.norm()).at("weight").scalar_type(), at::kFloat);
}

TEST(ConvNorm, ABatchNormOfOneValueAChannelSaysWhatToDo) {
  ConvNorm layer(conv(), {Norm::batch});
  const auto one_cell = torch::randn({1, 3, 2, 2});
  const auto message = message_of<ConfigError>([&] { layer(one_cell); });
  for (const char* way_out : {"norm group", "data.min_size", "train.batch_size"}) {
    EXPECT_NE(message.find(way_out), std::string::npos) << message;
  }
  EXPECT_EQ(layer(torch::randn({2, 3, 2, 2})).numel(), 10) << "two images are enough";
  layer.norm()->eval();
  EXPECT_EQ(layer(one_cell).numel(), 5);
}

TEST(ConvNorm, AFrozenGroupNormLearnsNothing) {
  const auto layer = grouped(torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 6, 3)));
  EXPECT_EQ(layer.norm()->parameters().size(), 2u);
  layer.freeze();
  for (const auto& parameter : layer.block()->parameters()) EXPECT_FALSE(parameter.requires_grad());
}

}  // namespace
}  // namespace rcnn::nn
