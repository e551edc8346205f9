#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/weights/weights.h>

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
    options.read(node);
    node.finish();
    return options;
  };
  EXPECT_EQ(read(R"({"norm": "batch", "norm_eps": 0})", Norm::none).type, Norm::batch);
  EXPECT_EQ(read(R"({"norm_eps": 0})", Norm::frozen).eps, 0);
  EXPECT_EQ(read("{}", Norm::none).type, Norm::none);
  EXPECT_THROW(read(R"({"norm_eps": 0})", Norm::none), ConfigError);
  EXPECT_THROW(read(R"({"norm": "none"})", Norm::frozen), ConfigError);
  EXPECT_THROW(read(R"({"norm_eps": -1})", Norm::frozen), ConfigError);
}

}  // namespace
}  // namespace rcnn::nn
