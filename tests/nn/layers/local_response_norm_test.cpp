#include <torch/torch.h>

#include <rcnn/nn/layers/local_response_norm.h>

#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using Region = LocalResponseNormOptions::Region;

TEST(LocalResponseNorm, AcrossChannelsByHand) {
  const auto x = torch::arange(1, 8).to(at::kFloat).view({1, 7, 1, 1});
  const auto y = local_response_norm(x, {.size = 5, .alpha = 5e-4, .k = 2}).flatten();
  const auto wanted = torch::tensor({0.5943, 1.1879, 1.7801, 2.3704, 2.9581, 3.5509, 4.1451});
  EXPECT_TRUE(at::allclose(y, wanted.to(at::kFloat), 0, 5e-5)) << y;  // four digits are given
}

TEST(LocalResponseNorm, WithinAChannelByHand) {
  const auto x = torch::arange(1, 10).to(at::kFloat).view({1, 1, 3, 3});
  const auto y =
      local_response_norm(x, {.region = Region::within_channel, .size = 3, .alpha = 5e-5}).flatten();
  const auto wanted = torch::tensor({0.9998, 1.9992, 2.9991, 3.9974, 4.9941, 5.9945, 6.9955, 7.9910, 8.9923});
  EXPECT_TRUE(at::allclose(y, wanted.to(at::kFloat), 0, 5e-5)) << y;  // four digits are given
}

TEST(LocalResponseNorm, AcrossChannelsIsTorchs) {
  torch::manual_seed(1);
  for (const int64_t channels : {1, 3, 9}) {
    const auto x = at::randn({2, channels, 4, 5}, at::kDouble);
    const auto wanted = torch::nn::functional::local_response_norm(
        x, torch::nn::functional::LocalResponseNormFuncOptions(5).alpha(0.3).beta(0.75).k(2));
    EXPECT_TRUE(at::allclose(local_response_norm(x, {.size = 5, .alpha = 0.3, .k = 2}), wanted, 1e-12));
  }
}

TEST(LocalResponseNorm, WithinAChannelDividesByTheWholeWindowAtBorders) {
  const auto x = torch::full({1, 2, 1, 1}, 3.0);
  const auto y = local_response_norm(x, {.region = Region::within_channel, .size = 3, .alpha = 1});
  EXPECT_TRUE(at::allclose(y, torch::full({1, 2, 1, 1}, 3 / std::pow(1 + 9. / 9, 0.75)), 1e-6));
}

TEST(LocalResponseNorm, GradientsAreRight) {
  torch::manual_seed(2);
  for (const auto region : {Region::across_channels, Region::within_channel}) {
    const auto x = at::randn({1, 4, 3, 3}, at::kDouble).requires_grad_();
    const auto direction = at::randn_like(x), weights = at::randn_like(x);
    const auto f = [&](const at::Tensor& at) {
      return (local_response_norm(at, {.region = region, .size = 3, .alpha = 0.5}) * weights).sum();
    };
    f(x).backward();
    const torch::NoGradGuard no_grad;
    const auto slope = (f(x + 1e-5 * direction) - f(x - 1e-5 * direction)) / 2e-5;
    EXPECT_NEAR((x.grad() * direction).sum().item<double>(), slope.item<double>(), 1e-7);
  }
}

TEST(LocalResponseNorm, LayoutAndTypeStay) {
  torch::manual_seed(3);
  const auto x = at::randn({2, 6, 5, 4});
  for (const auto region : {Region::across_channels, Region::within_channel}) {
    const LocalResponseNormOptions options{.region = region, .size = 3, .alpha = 0.5};
    const auto plain = local_response_norm(x, options);
    const auto last = local_response_norm(x.contiguous(at::MemoryFormat::ChannelsLast), options);
    EXPECT_TRUE(last.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(close(plain, last));
    const auto narrow = local_response_norm(x.to(at::kBFloat16), options);
    EXPECT_EQ(narrow.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(identical(
        narrow, local_response_norm(x.to(at::kBFloat16).to(at::kFloat), options).to(at::kBFloat16)));
    EXPECT_EQ(local_response_norm(torch::zeros({0, 6, 5, 4}), options).numel(), 0);
  }
}

TEST(LocalResponseNorm, AnEvenSizeIsRefused) {
  EXPECT_THROW(local_response_norm(torch::zeros({1, 3, 2, 2}), {.size = 4}), c10::Error);
  EXPECT_THROW(local_response_norm(torch::zeros({3, 2, 2}), {.size = 3}), c10::Error);
}

}  // namespace
}  // namespace rcnn::nn
