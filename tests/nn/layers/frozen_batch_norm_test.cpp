#include <rcnn/nn/layers/frozen_batch_norm.h>

#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

FrozenBatchNorm random_norm(int64_t channels) {
  FrozenBatchNorm norm(channels);
  norm->weight.copy_(at::randn({channels}));
  norm->bias.copy_(at::randn({channels}));
  norm->running_mean.copy_(at::randn({channels}));
  norm->running_var.copy_(at::rand({channels}) + 0.1);
  return norm;
}

TEST(FrozenBatchNorm, IsBatchNormWithItsStatistics) {
  torch::manual_seed(1);
  auto norm = random_norm(5);
  const auto x = at::randn({2, 5, 3, 4});
  const auto expected = at::batch_norm(x, norm->weight, norm->bias, norm->running_mean, norm->running_var,
                                       /*training=*/false, 0.1, 1e-5, false);
  EXPECT_TRUE(close(norm->forward(x), expected, 1e-5));
  EXPECT_TRUE(close(norm->forward(x.flatten(2)), expected.flatten(2), 1e-5));
}

TEST(FrozenBatchNorm, ANewOneIsTheIdentity) {
  torch::manual_seed(2);
  const auto x = at::randn({2, 5, 3, 4});
  EXPECT_TRUE(close(FrozenBatchNorm(5)->forward(x), x, 0, 1e-5));
}

TEST(FrozenBatchNorm, NothingIsTrainedOrMoved) {
  auto norm = random_norm(5);
  const auto mean = norm->running_mean.clone();
  norm->train();
  norm->forward(at::randn({4, 5, 3, 3}));
  EXPECT_TRUE(norm->parameters().empty());
  EXPECT_EQ(norm->buffers().size(), 4u);
  EXPECT_TRUE(identical(norm->running_mean, mean));
}

TEST(FrozenBatchNorm, ConvNormIsTheNormOfTheConvolution) {
  torch::manual_seed(3);
  for (const auto& options :
       {torch::nn::Conv2dOptions(4, 6, 3).bias(false), torch::nn::Conv2dOptions(4, 6, 1).stride(2),
        torch::nn::Conv2dOptions(4, 6, 3).stride(2).padding(1).bias(false),
        torch::nn::Conv2dOptions(4, 6, 3).padding(2).dilation(2).bias(false),
        torch::nn::Conv2dOptions(4, 6, 3).groups(2)}) {
    torch::nn::Conv2d conv(options);
    auto norm = random_norm(6);
    const auto x = at::randn({2, 4, 9, 8}).requires_grad_();
    const auto fused = conv_norm(conv, norm, x, conv->weight), plain = norm->forward(conv->forward(x));
    EXPECT_TRUE(close(fused, plain, 1e-5));
    const auto weight = at::randn_like(plain);
    const auto gradients = [&](const at::Tensor& y) {
      return torch::autograd::grad({(y * weight).sum()}, {x, conv->weight});
    };
    const auto got = gradients(fused), want = gradients(plain);
    EXPECT_TRUE(close(got[0], want[0], 1e-5));
    // The weight's gradient sums over some hundred places.
    EXPECT_TRUE(close(got[1] / 10, want[1] / 10, 1e-5));
  }
}

}  // namespace
}  // namespace rcnn::nn
