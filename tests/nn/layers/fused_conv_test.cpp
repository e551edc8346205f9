#include "nn/layers/fused_conv.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/devices.h"

namespace rcnn::nn {
namespace {

/// A convolution of each shape that networks have.
std::vector<torch::nn::Conv2d> convs() {
  using Options = torch::nn::Conv2dOptions;
  return {torch::nn::Conv2d(Options(3, 8, 7).stride(2).padding(3)),
          torch::nn::Conv2d(Options(3, 16, 1)),
          torch::nn::Conv2d(Options(3, 5, 1).stride(2)),
          torch::nn::Conv2d(Options(3, 300, 1)),
          torch::nn::Conv2d(Options(3, 8, 3).padding(2).dilation(2)),
          torch::nn::Conv2d(Options(3, 9, 3).padding(1).groups(3))};
}

class FusedConvTest : public test::OnDevice {};

TEST_P(FusedConvTest, IsTheConvolutionWithWhatFollows) {
  torch::manual_seed(0);
  const torch::NoGradGuard no_grad;
  for (auto& conv : convs()) {
    conv->to(device());
    const FusedConv fused(conv->weight, conv->bias, conv->options);
    for (const auto format : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
      const auto x = torch::randn({2, 3, 17, 22}, device()).contiguous(format);
      const auto plain = conv->forward(x);
      const auto sum = torch::randn_like(plain), sum_before = sum.clone(), x_before = x.clone();
      EXPECT_LT((fused(x) - plain).abs().max().item<double>(), 1e-4);
      EXPECT_LT((fused.relu(x) - plain.relu()).abs().max().item<double>(), 1e-4);
      EXPECT_LT((fused.add_relu(x, sum) - (plain + sum).relu()).abs().max().item<double>(), 1e-4);
      EXPECT_TRUE(at::equal(sum, sum_before));
      EXPECT_TRUE(at::equal(x, x_before));
    }
  }
}

// cudnn_convolution_relu reads the memory that its result is put into.
TEST_P(FusedConvTest, DoesNotReadWhatLiesInRecycledMemory) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  for (auto& conv : convs()) {
    conv->to(device());
    const FusedConv fused(conv->weight, conv->bias, conv->options);
    const auto x = torch::randn({2, 3, 17, 22}, device());
    const auto plain = conv->forward(x).relu();
    // Blocks of NaN, given back: the next ones of this size are among them.
    const auto poison = [&] {
      std::vector<at::Tensor> blocks;
      for (int i = 0; i < 8; ++i) blocks.push_back(torch::full_like(plain, std::nan("")));
    };
    poison();
    EXPECT_LT((fused(x).relu() - plain).abs().max().item<double>(), 1e-4);
    poison();
    EXPECT_LT((fused.relu(x) - plain).abs().max().item<double>(), 1e-4);  // of NaN, this is false
    poison();
    EXPECT_LT((fused.add_relu(x, torch::zeros_like(plain)) - plain).abs().max().item<double>(), 1e-4);
  }
}

TEST_P(FusedConvTest, TakesABatchOfNothing) {
  const torch::NoGradGuard no_grad;
  auto conv = convs().front();
  conv->to(device());
  const FusedConv fused(conv->weight, conv->bias, conv->options);
  const auto x = torch::zeros({0, 3, 16, 16}, device());
  EXPECT_EQ(fused(x).sizes(), (std::vector<int64_t>{0, 8, 8, 8}));
  EXPECT_EQ(fused.relu(x).sizes(), (std::vector<int64_t>{0, 8, 8, 8}));
  EXPECT_EQ(fused.add_relu(x, torch::zeros({0, 8, 8, 8}, device())).sizes(),
            (std::vector<int64_t>{0, 8, 8, 8}));
}

INSTANTIATE_TEST_SUITE_P(, FusedConvTest, test::devices(), test::device_name);

}  // namespace
}  // namespace rcnn::nn
