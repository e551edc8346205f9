#include <rcnn/nn/layers/conv_aws.h>
#include <rcnn/nn/layers/conv_norm.h>

#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::shared_ptr<ConvAwsImpl> aws_conv() {
  torch::manual_seed(4);
  const auto conv = std::make_shared<ConvAwsImpl>(torch::nn::Conv2dOptions(3, 5, 3).padding(1).bias(false));
  conv->to(at::kDouble);
  return conv;
}

TEST(ConvAws, StandardisesTheWeightsOfEachOutputChannel) {
  const torch::NoGradGuard no_grad;
  const auto conv = aws_conv();
  conv->weight_gamma.copy_(at::arange(1, 6).view({5, 1, 1, 1}));
  conv->weight_beta.fill_(0.25);
  for (int64_t channel = 0; channel < 5; ++channel) {
    const auto own = conv->weight[channel].flatten();
    const auto mean = own.sum() / 27, variance = (own - mean).square().sum() / 26;
    const auto want = static_cast<double>(channel + 1) * (own - mean) / (variance + 1e-5).sqrt() + 0.25;
    EXPECT_TRUE(close(conv->standardised()[channel].flatten(), want, 1e-12, 0));
  }
}

TEST(ConvAws, AFreshOneComputesWithItsWeight) {
  const torch::NoGradGuard no_grad;
  const auto conv = aws_conv();
  EXPECT_LT((conv->standardised() - conv->weight).abs().max().item<double>(), 1e-6);
  conv->weight.mul_(3).add_(1);
  EXPECT_GT((conv->standardised() - conv->weight).abs().max().item<double>(), 0.5);
  conv->take_factors();
  EXPECT_LT((conv->standardised() - conv->weight).abs().max().item<double>(), 1e-12);
  const auto x = at::randn({2, 3, 6, 7}, at::kDouble);
  EXPECT_TRUE(close(conv->forward(x), at::conv2d(x, conv->weight, {}, 1, 1), 1e-10));
}

TEST(ConvAws, TheFactorsDoNotLearn) {
  const auto conv = aws_conv();
  EXPECT_EQ(conv->parameters().size(), 1u);
  EXPECT_EQ(conv->buffers().size(), 2u);
}

TEST(ConvAws, WeightsWithoutFactorsGetTheirOwn) {
  const torch::NoGradGuard no_grad;
  const auto conv = aws_conv();
  const auto weight = at::randn({5, 3, 3, 3}) * 0.3 + 0.1;
  auto report = load_initial(*conv, {{"weight", weight}}, "plain");
  EXPECT_EQ(report.derived, (std::vector<std::string>{"weight_beta", "weight_gamma"}));
  EXPECT_TRUE(report.fresh.empty());
  EXPECT_LT((conv->standardised() - weight).abs().max().item<double>(), 1e-6);
  // A file that has them is believed.
  const auto two = at::full({5, 1, 1, 1}, 2.0), one = at::ones({5, 1, 1, 1});
  report =
      load_initial(*conv, {{"weight", weight}, {"weight_gamma", two}, {"weight_beta", one}}, "standardised");
  EXPECT_TRUE(report.derived.empty());
  EXPECT_EQ(conv->weight_gamma.max().item<double>(), 2);
  // A weight that is taken always brings them.
  const std::vector<std::string> only = {"weight"};
  report = load_initial(*conv, {{"weight", weight}}, "plain", only);
  EXPECT_EQ(report.derived.size(), 2u);
  EXPECT_LT((conv->standardised() - weight).abs().max().item<double>(), 1e-6);
  const std::vector<std::string> none = {"bias"};
  EXPECT_TRUE(load_initial(*conv, {{"weight", weight + 1}}, "plain", none).derived.empty());
  EXPECT_LT((conv->standardised() - weight).abs().max().item<double>(), 1e-6);
}

TEST(ConvAws, ANormIsFoldedIntoWhatItComputesWith) {
  const torch::NoGradGuard no_grad;
  for (const auto type : {Norm::none, Norm::frozen, Norm::batch, Norm::group}) {
    const auto conv = aws_conv();
    conv->weight_gamma.mul_(2);
    ConvNorm layer(torch::nn::Conv2d(std::static_pointer_cast<torch::nn::Conv2dImpl>(conv)),
                   {.type = type, .groups = 5});
    if (layer.norm()) {
      layer.norm()->to(at::kDouble);
      layer.norm()->eval();
    }
    const auto x = at::randn({2, 3, 6, 7}, at::kDouble).contiguous(at::MemoryFormat::ChannelsLast);
    const auto y = layer(x);
    const auto plain = at::conv2d(x, conv->standardised(), {}, 1, 1);
    if (type == Norm::none || type == Norm::frozen) {
      EXPECT_TRUE(close(y, type == Norm::none ? plain : plain / std::sqrt(1 + 1e-5), 1e-12));
    }
    layer.fuse(Precision::fp32);
    EXPECT_TRUE(close(layer(x), y, 1e-10));
    EXPECT_EQ(conv->weight.numel(), 0);
  }
}

TEST(ConvAws, RefusesAWeightAChannel) {
  EXPECT_NE(error_of([] { ConvAwsImpl(torch::nn::Conv2dOptions(1, 5, 1)); }).find("ConvAws: options"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
