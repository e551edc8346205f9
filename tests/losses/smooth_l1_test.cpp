#include <rcnn/losses/smooth_l1.h>

#include "tests/support/tensors.h"

namespace rcnn::losses {
namespace {

using namespace rcnn::test;

float loss_of(float x, double beta) {
  return smooth_l1(torch::tensor({x + 3}), torch::tensor({3.f}), beta).item<float>();
}

at::Tensor gradient_of(const at::Tensor& x, double beta) {
  const auto input = x.clone().requires_grad_();
  smooth_l1(input, at::zeros_like(x), beta).backward();
  return input.grad();
}

TEST(SmoothL1, IsHandComputed) {
  EXPECT_FLOAT_EQ(loss_of(0.5f, 1), 0.125f);
  EXPECT_FLOAT_EQ(loss_of(-0.5f, 1), 0.125f);
  EXPECT_FLOAT_EQ(loss_of(2, 1), 1.5f);
  EXPECT_FLOAT_EQ(loss_of(-2, 1), 1.5f);
  EXPECT_NEAR(loss_of(0.0625f, 1. / 9), 0.017578125, 1e-6);  // 9 x^2 / 2
  EXPECT_NEAR(loss_of(1, 1. / 9), 17. / 18, 1e-6);
  EXPECT_EQ(loss_of(0, 1), 0);
}

TEST(SmoothL1, SumsOverAllElements) {
  const auto input = torch::tensor({{0.5f, 2.f}, {-2.f, 0.f}});
  EXPECT_FLOAT_EQ(smooth_l1(input, torch::zeros({2, 2}), 1).item<float>(), 3.125f);
}

TEST(SmoothL1, GivesTheElementsThemselvesWhereTheyAreAskedFor) {
  const auto input = torch::tensor({{0.5f, 2.f}, {-2.f, 0.f}});
  EXPECT_TRUE(close(smooth_l1(input, torch::zeros({2, 2}), 1, at::Reduction::None),
                    torch::tensor({{0.125f, 1.5f}, {1.5f, 0.f}})));
  EXPECT_TRUE(identical(smooth_l1(input, torch::zeros({2, 2}), 0, at::Reduction::None), input.abs()));
}

TEST(SmoothL1, BetaZeroIsTheL1Distance) {
  EXPECT_EQ(loss_of(0.25f, 0), 0.25f);
  EXPECT_EQ(loss_of(-2, 0), 2);
  EXPECT_EQ(loss_of(0, 0), 0);
  EXPECT_TRUE(identical(gradient_of(torch::tensor({-2.f, 0.f, 1e-9f}), 0), torch::tensor({-1.f, 0.f, 1.f})));
}

TEST(SmoothL1, ValueAndSlopeAreContinuousAtBeta) {
  for (const float beta : {0.125f, 1.f, 4.f}) {
    const float step = beta * 1e-6f;
    for (const float x : {beta - step, beta, beta + step}) {
      EXPECT_NEAR(smooth_l1(torch::tensor({x}), torch::zeros({1}), beta).item<float>(), beta / 2, 2 * step);
      EXPECT_NEAR(gradient_of(torch::tensor({x}), beta).item<float>(), 1, 2e-6);
      EXPECT_NEAR(gradient_of(torch::tensor({-x}), beta).item<float>(), -1, 2e-6);
    }
  }
}

TEST(SmoothL1, NoGradientExceedsOne) {
  const auto x = at::cat({at::linspace(-3, 3, 601), torch::tensor({-1e30f, 1e30f})});
  for (const double beta : {0., 1. / 9, 1.}) {
    EXPECT_LE(gradient_of(x, beta).abs().max().item<float>(), 1) << beta;
  }
}

TEST(SmoothL1, ErrorsNameTheArgument) {
  // LibTorch would repeat the target, and give the loss of another problem.
  EXPECT_EQ(error_of([] {
              smooth_l1(at::ones({3, 4}), at::ones({4}), 1);
            }),
            "smooth_l1: target: expected the input's shape [3, 4], got [4]");
  EXPECT_EQ(error_of([] { smooth_l1(at::ones({4}), at::ones({4}), -1); }),
            "smooth_l1: beta: expected 0 or more, got -1");
  EXPECT_EQ(error_of([] { smooth_l1(at::ones({4}), at::ones({4}), std::nan("")); }),
            "smooth_l1: beta: expected 0 or more, got nan");
}

TEST(SmoothL1, NothingGivesZeroThatCanBeDifferentiated) {
  for (const double beta : {0., 1.}) {
    const auto input = torch::zeros({0, 4}).requires_grad_();
    const auto loss = smooth_l1(input, torch::zeros({0, 4}), beta);
    EXPECT_EQ(loss.item<float>(), 0);
    loss.backward();
    EXPECT_EQ(input.grad().numel(), 0);
  }
}

}  // namespace
}  // namespace rcnn::losses
