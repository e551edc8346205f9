#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/train/solver.h>

namespace rcnn::train {
namespace {

/// One parameter that learns and one that is frozen.
struct Pair : torch::nn::Module {
  Pair() {
    learning = register_parameter("learning", torch::ones({1}));
    frozen = register_parameter("frozen", torch::ones({1}), /*requires_grad=*/false);
  }
  /// One step along this gradient.
  double step(torch::optim::Optimizer& solver, float gradient) const {
    learning.mutable_grad() = torch::full({1}, gradient);
    frozen.mutable_grad() = torch::full({1}, gradient);
    solver.step();
    return learning.item<double>();
  }
  at::Tensor learning, frozen;
};

TEST(Solver, LeavesFrozenParametersOut) {
  const Pair pair;
  auto solver = make_solver(pair, {.momentum = 0, .weight_decay = 0.5});
  set_learning_rate(solver, 0.25);
  ASSERT_EQ(solver.param_groups().at(0).params().size(), 1u);
  EXPECT_EQ(pair.step(solver, 1), 0.625);
  EXPECT_EQ(pair.frozen.item<double>(), 1);
}

TEST(Solver, DoesNothingBeforeARateIsSet) {
  const Pair pair;
  auto solver = make_solver(pair, {});
  EXPECT_EQ(pair.step(solver, 1), 1);
}

TEST(Solver, WeightDecayPullsTowardsZero) {
  const Pair pair;
  auto solver = make_solver(pair, {.momentum = 0, .weight_decay = 0.5});
  set_learning_rate(solver, 0.5);
  EXPECT_EQ(pair.step(solver, 0), 0.75);
}

TEST(Solver, MomentumCarriesOnUnderARateThatChanges) {
  const Pair pair;
  auto solver = make_solver(pair, {.momentum = 0.5, .weight_decay = 0});
  set_learning_rate(solver, 0.25);
  EXPECT_EQ(pair.step(solver, 1), 0.75);
  set_learning_rate(solver, 0.125);
  EXPECT_EQ(pair.step(solver, 1), 0.75 - 0.125 * 1.5);
}

}  // namespace
}  // namespace rcnn::train
