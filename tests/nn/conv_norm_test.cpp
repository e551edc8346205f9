#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/nn/conv_norm.h>

namespace rcnn::nn {
namespace {

torch::nn::Conv2d conv() {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 5, 3).stride(2).padding(1).bias(false));
}

TEST(ConvNorm, AFrozenNormHasNoParametersAndALearningOneHas) {
  EXPECT_TRUE(ConvNorm(conv(), Norm::frozen).norm()->parameters().empty());
  EXPECT_EQ(ConvNorm(conv(), Norm::batch).norm()->parameters().size(), 2u);
}

TEST(ConvNorm, BatchNormUsesTheBatchWhileTrainingAndItsMemoryAfterwards) {
  torch::manual_seed(0);
  ConvNorm layer(conv(), Norm::batch);
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
  ConvNorm layer(plain_conv, Norm::frozen);
  const auto x = torch::randn({2, 3, 8, 8});
  EXPECT_LT((layer(x) - plain_conv->forward(x)).abs().max().item<float>(), 1e-4);  // eps 1e-5 in the scale
}

}  // namespace
}  // namespace rcnn::nn
