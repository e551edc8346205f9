#include <cmath>

#include <rcnn/losses/multi_task.h>

#include "tests/support/tensors.h"

namespace rcnn::losses {
namespace {

using namespace rcnn::test;

at::Tensor labels(std::initializer_list<int64_t> values) {
  return torch::tensor(std::vector<int64_t>(values), at::kLong);
}

const at::Tensor kNoBoxes = torch::zeros({0, 4});

TEST(MultiTask, ZeroLogitsCostTheLogarithmOfTheNumberOfAnswers) {
  for (const int64_t samples : {1, 7, 256}) {
    const auto label = at::arange(samples) % 3;
    EXPECT_NEAR(rpn_loss(torch::zeros({samples}), label, kNoBoxes, kNoBoxes, 1).classification.item<double>(),
                std::log(2), 1e-6);
    for (const int64_t classes : {3, 20}) {
      const auto loss = fast_rcnn_loss(torch::zeros({samples, classes + 1}), label, kNoBoxes, kNoBoxes, 1);
      EXPECT_NEAR(loss.classification.item<double>(), std::log(classes + 1), 1e-6);
    }
  }
}

TEST(MultiTask, RpnIsHandComputed) {
  // p = 3/4 for the object of any class and 1/4 against it; the third is told 1/2.
  const auto logit = std::log(3.f);
  const auto loss =
      rpn_loss(torch::tensor({logit, logit, 0.f}), labels({5, 0, 0}), torch::tensor({{1.f, 0.f, 0.f, 3.f}}),
               torch::tensor({{0.f, 0.f, 0.5f, 0.f}}), 1);
  EXPECT_NEAR(loss.classification.item<double>(), -(std::log(0.75) + std::log(0.25) + std::log(0.5)) / 3,
              1e-6);
  EXPECT_NEAR(loss.box.item<double>(), (0.5 + 0.125 + 2.5) / 3, 1e-6);
}

TEST(MultiTask, FastRcnnIsHandComputed) {
  // Probabilities 1/2, 1/4, 1/4.
  const auto scores = torch::tensor({{std::log(2.f), 0.f, 0.f}, {std::log(2.f), 0.f, 0.f}});
  const auto loss = fast_rcnn_loss(scores, labels({2, 0}), torch::tensor({{1.f, 0.f, 0.f, 0.f}}),
                                   torch::zeros({1, 4}), 1. / 9);
  EXPECT_NEAR(loss.classification.item<double>(), -(std::log(0.25) + std::log(0.5)) / 2, 1e-6);
  EXPECT_NEAR(loss.box.item<double>(), (1 - 1. / 18) / 2, 1e-6);
}

TEST(MultiTask, FastRcnnOfEachRoiIsHandComputed) {
  const auto scores = torch::tensor({{std::log(2.f), 0.f, 0.f}, {std::log(2.f), 0.f, 0.f}});
  const auto deltas = torch::tensor({{1.f, 0.f, 0.f, 0.f}}).requires_grad_();
  const auto each =
      fast_rcnn_loss_of_each(scores, labels({0, 2}), labels({1}), deltas, torch::zeros({1, 4}), 1. / 9);
  EXPECT_TRUE(close(each, torch::tensor({-std::log(0.5f), -std::log(0.25f) + 17.f / 18})));
  each[0].backward();
  EXPECT_TRUE(identical(deltas.grad(), torch::zeros({1, 4}))) << "the other RoI's";
  const auto none =
      fast_rcnn_loss_of_each(torch::zeros({0, 3}), labels({}), labels({}), kNoBoxes, kNoBoxes, 1);
  EXPECT_EQ(none.sizes(), (std::vector<int64_t>{0}));
}

TEST(MultiTask, BoxLossIsDividedByTheSamplesNotByThePositives) {
  const auto deltas = torch::ones({2, 4}), targets = torch::zeros({2, 4});  // costs 8 at beta 0
  EXPECT_FLOAT_EQ(
      rpn_loss(torch::zeros({16}), labels({1, 1}).repeat(8), deltas, targets, 0).box.item<float>(), 0.5f);
  EXPECT_FLOAT_EQ(
      fast_rcnn_loss(torch::zeros({4, 3}), labels({1, 2, 0, 0}), deltas, targets, 0).box.item<float>(), 2);
}

TEST(MultiTask, LowPrecisionIsSummedInFloat) {
  const auto half = torch::zeros({4}, at::kBFloat16), deltas = torch::ones({1, 4}, at::kBFloat16);
  const auto rpn = rpn_loss(half, labels({1, 0, 0, 0}), deltas, torch::zeros({1, 4}), 1);
  EXPECT_EQ(rpn.classification.scalar_type(), at::kFloat);
  EXPECT_NEAR(rpn.classification.item<double>(), std::log(2), 1e-6);
  const auto head = fast_rcnn_loss(half.view({2, 2}), labels({1, 0}), deltas, torch::zeros({1, 4}), 1);
  EXPECT_EQ(head.classification.scalar_type(), at::kFloat);
  EXPECT_EQ(head.box.scalar_type(), at::kFloat);
}

TEST(MultiTask, ErrorsNameTheArgument) {
  const auto labels = at::zeros({3}, at::kLong);
  const auto none = at::zeros({0, 4});
  EXPECT_EQ(error_of([&] {
              rpn_loss(at::zeros({3, 1}), labels, none, none, 1);
            }),
            "rpn_loss: objectness: expected [S] for labels [S], got [3, 1] and [3]");
  EXPECT_EQ(error_of([&] { rpn_loss(at::zeros({3}), at::zeros({3}), none, none, 1); }),
            "rpn_loss: labels: expected int64 [S], got Float [3]");
  EXPECT_EQ(error_of([&] {
              fast_rcnn_loss(at::zeros({2, 5}), labels, none, none, 1);
            }),
            "fast_rcnn_loss: scores: expected [S, C + 1] for labels [S], got [2, 5] and [3]");
  EXPECT_NE(error_of([&] {
              fast_rcnn_loss(at::zeros({3, 5}), labels, none, at::zeros({1, 4}), 1);
            }).find("smooth_l1: target"),
            std::string::npos);
}

TEST(MultiTask, NoSamplesCostNothingAndStayInTheGraph) {
  const auto none = torch::zeros({0}, at::kLong);
  for (const double beta : {0., 1. / 9}) {
    for (const bool rpn : {false, true}) {
      const auto logits = torch::ones({5, 3}).requires_grad_(), boxes = torch::ones({5, 4}).requires_grad_();
      const auto scores = logits.index_select(0, none), deltas = boxes.index_select(0, none);
      const auto loss = rpn ? rpn_loss(scores.flatten(), none, deltas, kNoBoxes, beta)
                            : fast_rcnn_loss(scores, none, deltas, kNoBoxes, beta);
      EXPECT_EQ(loss.classification.item<float>(), 0);
      EXPECT_EQ(loss.box.item<float>(), 0);
      (loss.classification + loss.box).backward();
      EXPECT_TRUE(identical(logits.grad(), torch::zeros({5, 3})));
      EXPECT_TRUE(identical(boxes.grad(), torch::zeros({5, 4})));
    }
  }
}

TEST(MultiTask, WithoutPositivesOnlyTheBoxLossIsZero) {
  const auto boxes = torch::ones({5, 4}).requires_grad_();
  const auto loss = rpn_loss(torch::zeros({3}), labels({0, 0, 0}), boxes.slice(0, 0, 0), kNoBoxes, 1. / 9);
  EXPECT_EQ(loss.box.item<float>(), 0);
  EXPECT_NEAR(loss.classification.item<double>(), std::log(2), 1e-6);
  loss.box.backward();
  EXPECT_TRUE(identical(boxes.grad(), torch::zeros({5, 4})));
}

}  // namespace
}  // namespace rcnn::losses
