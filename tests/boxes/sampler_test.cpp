#include <cmath>

#include <rcnn/boxes/sampler.h>

#include "tests/support/tensors.h"

namespace rcnn::boxes {
namespace {

using namespace rcnn::test;

/// Shuffled labels: `positives` of classes 1..3, `negatives` zeros, `left_out` -1s.
at::Tensor shuffled_labels(int64_t positives, int64_t negatives, int64_t left_out = 17) {
  const auto ordered = at::cat(
      {at::arange(positives) % 3 + 1, at::zeros({negatives}, at::kLong), -at::ones({left_out}, at::kLong)});
  return ordered.index_select(0, at::randperm(ordered.size(0)));
}

struct Case {
  int64_t positives, negatives;  // there are
  SamplerOptions options;
  int64_t want_positive, want_negative;
};

TEST(Sampler, DrawsAsManyAsItMayWithoutReplacementFromTheRightLabels) {
  const int seed = 5;
  torch::manual_seed(seed);
  for (const auto& c :
       {Case{100, 1000, {256, 0.5}, 100, 156},                                      // negatives fill up
        Case{300, 1000, {256, 0.5}, 128, 128}, Case{300, 10, {256, 0.5}, 128, 10},  // positives do not
        Case{300, 1000, {512, 0.25}, 128, 384},
        Case{300, 1000, {7, 0.25}, 1, 6},  // a fraction of a candidate is none
        Case{0, 1000, {256, 0.5}, 0, 256}, Case{300, 0, {256, 0.5}, 128, 0}, Case{0, 0, {256, 0.5}, 0, 0},
        Case{20, 30, {1000, 1}, 20, 30},  // all
        Case{20, 30, {10, 1}, 10, 0}, Case{20, 30, {10, 0}, 0, 10}}) {
    SCOPED_TRACE(testing::Message() << c.positives << " positive, " << c.negatives << " negative, count "
                                    << c.options.count << ", seed " << seed);
    const auto label = shuffled_labels(c.positives, c.negatives);
    const auto [positive, negative] = sample(label, c.options);
    EXPECT_EQ(positive.size(0), c.want_positive);
    EXPECT_EQ(negative.size(0), c.want_negative);
    EXPECT_TRUE((label.index_select(0, positive) > 0).all().item<bool>());
    EXPECT_TRUE((label.index_select(0, negative) == 0).all().item<bool>());
    EXPECT_EQ(std::get<0>(at::_unique(positive)).size(0), positive.size(0));
    EXPECT_EQ(std::get<0>(at::_unique(negative)).size(0), negative.size(0));
  }
}

TEST(Sampler, NoCandidatesGiveNone) {
  const auto [positive, negative] = sample(torch::zeros({0}, at::kLong), {});
  EXPECT_TRUE(identical(positive, torch::zeros({0}, at::kLong)));
  EXPECT_TRUE(identical(negative, torch::zeros({0}, at::kLong)));
}

TEST(Sampler, EveryCandidateIsDrawnEquallyOften) {
  const int seed = 6, draws = 2000;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  torch::manual_seed(seed);
  const auto label = shuffled_labels(20, 50, 0);
  auto counts = at::zeros({70}, at::kLong);
  for (int i = 0; i < draws; ++i) {
    const auto [positive, negative] = sample(label, {.count = 20, .positive_fraction = 0.5});
    counts.index_add_(0, at::cat({positive, negative}), at::ones({20}, at::kLong));
  }
  // Pearson's chi-square, in the form for draws without replacement: n - 1 degrees of freedom, so that its
  // mean is n - 1 and its variance 2 (n - 1). Too even a spread would be as wrong as too uneven a one.
  const auto bounded = [&](const at::Tensor& mask, double probability) {
    const auto deviation = counts.masked_select(mask).to(at::kDouble) - draws * probability;
    const double variance = draws * probability * (1 - probability);
    EXPECT_LT(deviation.abs().max().item<double>(), 5 * std::sqrt(variance));
    const auto n = static_cast<double>(deviation.size(0));
    const double chi_square = deviation.square().sum().item<double>() / variance * (n - 1) / n;
    EXPECT_NEAR(chi_square, n - 1, 4 * std::sqrt(2 * (n - 1)));
  };
  bounded(label > 0, 10. / 20);
  bounded(label == 0, 10. / 50);
}

TEST(Sampler, ErrorsNameTheArgument) {
  EXPECT_EQ(error_of([] {
              sample(torch::zeros({2, 3}, at::kLong), {});
            }),
            "sample: labels: expected [N], got [2, 3]");
  EXPECT_EQ(error_of([] { sample(torch::zeros({2}), {}); }), "sample: labels: expected int64, got Float");
}

TEST(Sampler, TheSeedDecides) {
  torch::manual_seed(7);
  const auto label = shuffled_labels(300, 1000);
  const auto draw = [&](uint64_t seed) {
    torch::manual_seed(seed);
    const auto [positive, negative] = sample(label, {});
    return at::cat({positive, negative});
  };
  EXPECT_TRUE(identical(draw(8), draw(8)));
  EXPECT_FALSE(identical(draw(8), draw(9)));
}

}  // namespace
}  // namespace rcnn::boxes
