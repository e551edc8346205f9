#include <limits>

#include <rcnn/nn/weights/weight_diff.h>

#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

const double kInfinity = std::numeric_limits<double>::infinity(),
             kNan = std::numeric_limits<double>::quiet_NaN();

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  const auto diff =
      diff_weights({{"t", torch::tensor(a, at::kDouble)}}, {{"t", torch::tensor(b, at::kDouble)}});
  return diff.changed.empty() ? 0 : diff.changed[0].absolute;
}

TEST(WeightDiff, SortsNamesByWhoHasThem) {
  const auto one = torch::ones({2});
  const auto diff = diff_weights({{"a", one}, {"both", one}, {"shape", one}},
                                 {{"b", one}, {"both", one}, {"shape", one.view({2, 1})}});
  EXPECT_EQ(diff.only_a, std::vector<std::string>{"a"});
  EXPECT_EQ(diff.only_b, std::vector<std::string>{"b"});
  ASSERT_EQ(diff.changed.size(), 1u);
  EXPECT_EQ(diff.changed[0].name, "shape");
  EXPECT_TRUE(diff.changed[0].other_shape());
  EXPECT_EQ(diff.equal, 1);
  EXPECT_FALSE(diff.same());
}

TEST(WeightDiff, TheSameIsTheSame) {
  const TensorMap map = {
      {"a", torch::rand({3})}, {"empty", torch::zeros({0, 4})}, {"flag", torch::tensor(true)}};
  const auto diff = diff_weights(map, map);
  EXPECT_TRUE(diff.same());
  EXPECT_EQ(diff.equal, 3);
}

TEST(WeightDiff, MeasuresTheLargestDifference) {
  const auto diff =
      diff_weights({{"t", torch::tensor({1.f, -4.f, 2.f})}}, {{"t", torch::tensor({1.f, -4.5f, 1.75f})}});
  ASSERT_EQ(diff.changed.size(), 1u);
  EXPECT_EQ(diff.changed[0].absolute, 0.5);
  EXPECT_EQ(diff.changed[0].relative, 0.125);
  EXPECT_EQ(difference({kNan, kInfinity}, {kNan, kInfinity}), 0);
  EXPECT_EQ(difference({kNan}, {1}), kInfinity);
  EXPECT_EQ(difference({kInfinity}, {-kInfinity}), kInfinity);
  EXPECT_EQ(difference({0}, {3}), 3);
}

TEST(WeightDiff, AnotherTypeOfTheSameValuesIsAChange) {
  const auto diff = diff_weights({{"t", torch::ones({2})}}, {{"t", torch::ones({2}, at::kBFloat16)}});
  ASSERT_EQ(diff.changed.size(), 1u);
  EXPECT_TRUE(diff.changed[0].other_type());
  EXPECT_EQ(diff.changed[0].absolute, 0);
}

}  // namespace
}  // namespace rcnn::nn
