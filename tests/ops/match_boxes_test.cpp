#include <limits>

#include <rcnn/ops/match_boxes.h>

#include "tests/support/devices.h"
#include "tests/support/naive_ops.h"
#include "tests/support/tensors.h"

namespace rcnn::ops {
namespace {

using namespace rcnn::test;

constexpr float kMatchNan = std::numeric_limits<float>::quiet_NaN();

class MatchBoxesTest : public OnDevice {
 protected:
  static BoxMatches matches(const at::Tensor& candidates, const at::Tensor& truths,
                            const at::Tensor& ignore = at::empty({0, 4})) {
    BoxMatches m = match_boxes(on_device(candidates), on_device(truths), on_device(ignore));
    EXPECT_EQ(m.truth.device().type(), device().type());
    return {m.truth.cpu(), m.iou.cpu(), m.best_of_truth.cpu(), m.ignored.cpu()};
  }
};
INSTANTIATE_TEST_SUITE_P(, MatchBoxesTest, devices(), device_name);

/// Corners on whole pixels, so that double and float find the same ties.
at::Tensor whole_boxes(int64_t count) {
  const at::Tensor corner = at::randint(0, 30, {count, 2}).to(at::kFloat);
  return at::cat({corner, corner + at::randint(1, 16, {count, 2})}, 1);
}

TEST_P(MatchBoxesTest, AgreesWithTheDefinition) {
  for (const int seed : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    torch::manual_seed(seed);
    const at::Tensor candidates = whole_boxes(700), truths = whole_boxes(9), ignore = whole_boxes(3);
    const auto box = naive_boxes(candidates), truth = naive_boxes(truths), crowd = naive_boxes(ignore);
    at::Tensor table = at::zeros({700, 9}, at::kDouble), ignored = at::zeros({700}, at::kDouble);
    auto cell = table.accessor<double, 2>();
    auto most = ignored.accessor<double, 1>();
    for (int64_t i = 0; i < 700; ++i) {
      for (int64_t t = 0; t < 9; ++t) cell[i][t] = naive_iou(box[i], truth[t]);
      for (const auto& other : crowd) {
        const double part = naive_intersection(box[i], other) / (box[i].width() * box[i].height());
        most[i] = std::max(most[i], part);
      }
    }
    const BoxMatches m = matches(candidates, truths, ignore);
    const auto [best, index] = table.max(1);
    EXPECT_TRUE(close(m.iou, best.to(at::kFloat), 1e-6));
    EXPECT_TRUE(close(m.ignored, ignored.to(at::kFloat), 1e-6));
    const at::Tensor reached = table.gather(1, m.truth.unsqueeze(1)).squeeze(1);
    EXPECT_TRUE(close(reached, best));
    const at::Tensor best_of_truth = ((table == std::get<0>(table.max(0))) & (table > 0)).any(1);
    EXPECT_TRUE(identical(m.best_of_truth, best_of_truth));
  }
}

TEST_P(MatchBoxesTest, LowestTruthWinsATieAndAllTiedCandidatesAreBest) {
  const at::Tensor truths =
      torch::tensor({{90.f, 90.f, 99.f, 99.f}, {0.f, 0.f, 4.f, 4.f}, {0.f, 0.f, 4.f, 4.f}});
  const at::Tensor candidates = torch::tensor(
      {{0.f, 0.f, 4.f, 2.f}, {0.f, 2.f, 4.f, 4.f}, {0.f, 0.f, 1.f, 1.f}, {50.f, 50.f, 60.f, 60.f}});
  const BoxMatches m = matches(candidates, truths);
  EXPECT_TRUE(identical(m.truth, torch::tensor({1, 1, 1, 0}, at::kLong)));
  EXPECT_TRUE(identical(m.iou, torch::tensor({0.5f, 0.5f, 1.f / 16, 0.f})));
  EXPECT_TRUE(identical(m.best_of_truth, torch::tensor({true, true, false, false})));
}

// The candidate that is best for a truth need not have it as its own best.
TEST_P(MatchBoxesTest, ACandidateCanBeBestForATruthThatIsNotItsBest) {
  const at::Tensor truths = torch::tensor({{0.f, 0.f, 10.f, 10.f}, {8.f, 0.f, 20.f, 10.f}});
  const at::Tensor candidates = torch::tensor({{0.f, 0.f, 9.f, 10.f}, {0.f, 0.f, 10.f, 10.f}});
  const BoxMatches m = matches(candidates, truths);
  EXPECT_TRUE(identical(m.truth, torch::tensor({0, 0}, at::kLong)));
  EXPECT_TRUE(identical(m.best_of_truth, torch::tensor({false, true})));
}

TEST_P(MatchBoxesTest, WithoutTruths) {
  const BoxMatches m = matches(whole_boxes(5), at::empty({0, 4}));
  EXPECT_TRUE(identical(m.truth, at::full({5}, -1, at::kLong)));
  EXPECT_TRUE(identical(m.iou, at::zeros({5})));
  EXPECT_TRUE(identical(m.best_of_truth, at::zeros({5}, at::kBool)));
  EXPECT_TRUE(identical(m.ignored, at::zeros({5})));
}

TEST_P(MatchBoxesTest, WithoutCandidates) {
  const BoxMatches m = matches(at::empty({0, 4}), whole_boxes(3), whole_boxes(2));
  EXPECT_EQ(m.truth.sizes(), at::IntArrayRef({0}));
  EXPECT_EQ(m.iou.sizes(), at::IntArrayRef({0}));
  EXPECT_EQ(m.best_of_truth.sizes(), at::IntArrayRef({0}));
  EXPECT_EQ(m.ignored.sizes(), at::IntArrayRef({0}));
}

TEST_P(MatchBoxesTest, BoxesWithoutAreaMatchNothing) {
  const at::Tensor bad = torch::tensor(
      {{5.f, 5.f, 5.f, 9.f}, {9.f, 9.f, 1.f, 1.f}, {0.f, kMatchNan, 10.f, 10.f}, {9.f, 0.f, 1.f, 10.f}});
  const at::Tensor good = torch::tensor({{0.f, 0.f, 10.f, 10.f}});
  const BoxMatches forward = matches(bad, good, good);
  EXPECT_TRUE(identical(forward.iou, at::zeros({4})));
  EXPECT_TRUE(identical(forward.ignored, at::zeros({4})));
  EXPECT_FALSE(forward.best_of_truth.any().item<bool>());
  const BoxMatches backward = matches(good, bad, bad);
  EXPECT_TRUE(identical(backward.truth, at::zeros({1}, at::kLong)));
  EXPECT_TRUE(identical(backward.iou, at::zeros({1})));
  EXPECT_TRUE(identical(backward.ignored, at::zeros({1})));
  EXPECT_FALSE(backward.best_of_truth.any().item<bool>());
}

TEST_P(MatchBoxesTest, IgnoredIsTheLargestShareInsideOneRegion) {
  const at::Tensor candidate = torch::tensor({{0.f, 0.f, 10.f, 10.f}});
  const at::Tensor ignore = torch::tensor({{0.f, 0.f, 3.f, 10.f}, {5.f, 0.f, 100.f, 100.f}});
  EXPECT_TRUE(identical(matches(candidate, at::empty({0, 4}), ignore).ignored, torch::tensor({0.5f})));
}

TEST(MatchBoxesThreads, DoNotChangeTheResult) {
  torch::manual_seed(7);
  const at::Tensor candidates = at::rand({5000, 4}) * 50, truths = at::rand({20, 4}) * 50;
  candidates.slice(1, 2) += candidates.slice(1, 0, 2);
  truths.slice(1, 2) += truths.slice(1, 0, 2);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    return match_boxes(candidates, truths, truths.slice(0, 0, 2));
  };
  const BoxMatches one = run(1), two = run(2);
  EXPECT_TRUE(identical(two.truth, one.truth));
  EXPECT_TRUE(identical(two.iou, one.iou));
  EXPECT_TRUE(identical(two.best_of_truth, one.best_of_truth));
  EXPECT_TRUE(identical(two.ignored, one.ignored));
}

TEST(MatchBoxesErrors, NameTheArgument) {
  const at::Tensor good = at::zeros({2, 4});
  const auto message = [](const at::Tensor& candidates, const at::Tensor& truths, const at::Tensor& ignore) {
    return error_of([&] { match_boxes(candidates, truths, ignore); });
  };
  EXPECT_EQ(message(at::zeros({2, 5}), good, good), "match_boxes: candidates: expected [N, 4], got [2, 5]");
  EXPECT_EQ(message(good, at::zeros({4}), good), "match_boxes: truths: expected [N, 4], got [4]");
  EXPECT_EQ(message(good, good, good.to(at::kDouble)), "match_boxes: ignore: expected float32, got Double");
  EXPECT_EQ(message(good, good.to(at::kMeta), good),
            "match_boxes: truths: expected the candidates' device cpu, got meta");
}

}  // namespace
}  // namespace rcnn::ops
