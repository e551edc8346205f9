#include <rcnn/boxes/matcher.h>

#include "tests/support/goldens.h"
#include "tests/support/tensors.h"

namespace rcnn::boxes {
namespace {

using namespace rcnn::test;

constexpr MatcherOptions kRpn{.positive_iou = 0.7, .negative_iou = 0.3};
constexpr MatcherOptions kRpnLowQuality{.positive_iou = 0.7, .negative_iou = 0.3, .low_quality = true};

/// A box 10 x height at the origin, whose IoU with 10 x 10 there is height / 10.
at::Tensor part(float height) {
  return torch::tensor({{0.f, 0.f, 10.f, height}});
}

/// Truths of classes 7, 8, ... .
Target target(const at::Tensor& boxes, const at::Tensor& ignore = torch::zeros({0, 4})) {
  return {boxes, torch::arange(7, 7 + boxes.size(0)), ignore};
}

at::Tensor labels(std::initializer_list<int64_t> values) {
  return torch::tensor(std::vector<int64_t>(values), at::kLong);
}

const Target kNoTruth = target(torch::zeros({0, 4}));

TEST(Matcher, AgreesWithTorchvision) {
  const auto all = golden("boxes.json");
  for (const auto& want : all.at("matcher")) {
    const MatcherOptions options{.positive_iou = want.at("positive_iou"),
                                 .negative_iou = want.at("negative_iou"),
                                 .low_quality = want.at("low_quality")};
    SCOPED_TRACE(testing::Message() << options.positive_iou << " " << options.low_quality);
    // torchvision says -1 below the thresholds, -2 between them, else which truth.
    const auto matches = golden_tensor(want.at("matches"), at::kLong);
    const auto positive = matches >= 0;
    const auto expected = at::where(positive, matches + 7, matches + 1);
    const auto got =
        match(golden_tensor(want.at("candidates")), target(golden_tensor(want.at("truths"))), options);
    EXPECT_TRUE(identical(got.labels, expected));
    EXPECT_TRUE(identical(got.truth.masked_select(positive), matches.masked_select(positive)));
    EXPECT_GT(positive.sum().item<int64_t>(), 5);
  }
}

TEST(Matcher, ThePositiveThresholdIsInclusive) {
  const auto candidates = at::cat({part(7), part(6.99f), part(10)});
  EXPECT_TRUE(identical(match(candidates, target(part(10)), kRpn).labels, labels({7, -1, 7})));
}

TEST(Matcher, TheNegativeThresholdIsExclusive) {
  const auto candidates = at::cat({part(3), part(2.99f), part(0)});
  EXPECT_TRUE(identical(match(candidates, target(part(10)), kRpn).labels, labels({-1, 0, 0})));
}

TEST(Matcher, EqualThresholdsLeaveNothingOut) {
  const auto candidates = at::cat({part(5), part(4.99f)});
  EXPECT_TRUE(identical(match(candidates, target(part(10)), {}).labels, labels({7, 0})));
}

TEST(Matcher, BelowNegativeLowIsLeftOut) {
  const auto candidates = at::cat({part(1), part(0.99f), part(6)});
  const MatcherOptions options{.negative_low = 0.1};
  EXPECT_TRUE(identical(match(candidates, target(part(10)), options).labels, labels({0, -1, 7})));
}

TEST(Matcher, LowQualityAddsAllBestCandidatesOfATruth) {
  const auto candidates = at::cat({part(2), part(1), part(2)});
  EXPECT_TRUE(identical(match(candidates, target(part(10)), kRpn).labels, labels({0, 0, 0})));
  EXPECT_TRUE(identical(match(candidates, target(part(10)), kRpnLowQuality).labels, labels({7, 0, 7})));
}

TEST(Matcher, ALowQualityCandidateLearnsItsOwnBestTruth) {
  // The candidate is the only one near truth 1, but overlaps truth 0 more.
  const auto truths = torch::tensor({{0.f, 0.f, 10.f, 10.f}, {8.f, 0.f, 28.f, 10.f}});
  const auto candidates = torch::tensor({{0.f, 0.f, 10.f, 10.f}, {4.f, 0.f, 12.f, 10.f}});
  const auto got = match(candidates, target(truths), kRpnLowQuality);
  EXPECT_TRUE(identical(got.labels, labels({7, 7})));
  EXPECT_TRUE(identical(got.truth, labels({0, 0})));
}

constexpr MatcherOptions kReached{.positive_iou = 0.7,
                                  .negative_iou = 0.3,
                                  .low_quality = true,
                                  .low_quality_iou = 0.2,
                                  .low_quality_target = MatcherOptions::LowQualityTarget::reached};

TEST(Matcher, OrTheTruthWhoseBestItIs) {
  // The second candidate overlaps truth 0 by a half and truth 1 by a sixth, too little, then by a quarter.
  const auto truths = torch::tensor({{0.f, 0.f, 10.f, 10.f}, {8.f, 0.f, 28.f, 10.f}});
  const auto candidates = torch::tensor({{0.f, 0.f, 10.f, 10.f}, {4.f, 0.f, 12.f, 10.f}});
  EXPECT_TRUE(identical(match(candidates, target(truths), kReached).labels, labels({7, -1})));
  truths.select(1, 2).select(0, 1).fill_(20);
  const auto got = match(candidates, target(truths), kReached);
  EXPECT_TRUE(identical(got.labels, labels({7, 8})));
  EXPECT_TRUE(identical(got.truth, labels({0, 1})));
  // Of truths that share their best candidate the last has it, though another overlaps it by more.
  const auto shared = torch::tensor({{0.f, 0.f, 10.f, 10.f}, {0.f, 0.f, 10.f, 8.f}});
  EXPECT_TRUE(identical(match(part(10), target(shared), kReached).labels, labels({8})));
  EXPECT_TRUE(identical(match(part(10), target(shared), kRpnLowQuality).labels, labels({7})));
  auto own = kReached;
  own.low_quality_target = MatcherOptions::LowQualityTarget::own;
  EXPECT_TRUE(identical(match(candidates, target(truths), own).truth, labels({0, 0})));
  for (const auto& boxes : {torch::zeros({0, 4}), torch::tensor({{90.f, 90.f, 95.f, 95.f}})})
    EXPECT_TRUE(identical(match(candidates, target(boxes), kReached).labels, labels({0, 0})));
  EXPECT_EQ(match(torch::zeros({0, 4}), target(truths), kReached).labels.size(0), 0);
}

TEST(Matcher, ATruthThatNothingOverlapsMakesNothingPositive) {
  const auto far = torch::tensor({{50.f, 50.f, 60.f, 60.f}});
  EXPECT_TRUE(
      identical(match(at::cat({part(10), part(5)}), target(far), kRpnLowQuality).labels, labels({0, 0})));
}

TEST(Matcher, IgnoreRegionsTakeAwayNegativesOnly) {
  const auto candidates = torch::tensor({{0.f, 0.f, 10.f, 10.f},      // on the truth
                                         {40.f, 0.f, 50.f, 10.f},     // free
                                         {20.f, 20.f, 30.f, 30.f},    // inside the region
                                         {25.f, 50.f, 35.f, 60.f},    // half inside
                                         {26.f, 50.f, 36.f, 60.f}});  // two fifths inside
  const auto everywhere = torch::tensor({{0.f, 0.f, 30.f, 100.f}});
  EXPECT_TRUE(
      identical(match(candidates, target(part(10), everywhere), {}).labels, labels({7, 0, -1, -1, 0})));
  EXPECT_TRUE(identical(match(part(2), target(part(10), part(10)), kRpnLowQuality).labels, labels({7})));
}

TEST(Matcher, SharesOfSeveralIgnoreRegionsDoNotAddUp) {
  const auto regions = torch::tensor({{0.f, 0.f, 10.f, 4.f}, {0.f, 6.f, 10.f, 10.f}});
  EXPECT_TRUE(identical(match(part(10), target(torch::zeros({0, 4}), regions), {}).labels, labels({0})));
}

TEST(Matcher, WithoutTruthAllIsBackground) {
  for (const auto& options : {MatcherOptions{}, kRpn, kRpnLowQuality}) {
    const auto got = match(at::cat({part(10), part(5)}), kNoTruth, options);
    EXPECT_TRUE(identical(got.labels, labels({0, 0})));
    EXPECT_EQ(got.truth.sizes(), got.labels.sizes());
  }
  EXPECT_TRUE(identical(match(part(10), target(torch::zeros({0, 4}), part(10)), kRpn).labels, labels({-1})));
}

TEST(Matcher, ErrorsNameTheArgument) {
  const auto boxes = torch::zeros({3, 4}), none = torch::zeros({0, 4});
  const auto message = [&](const at::Tensor& labels) {
    return error_of([&] { match(boxes, {boxes, labels, none}, {}); });
  };
  EXPECT_EQ(message(torch::ones({2}, at::kLong)),
            "match: target.labels: expected [M] for boxes [M, 4], got [2] and [3, 4]");
  EXPECT_EQ(message(torch::ones({3})), "match: target.labels: expected int64, got Float");
  EXPECT_EQ(error_of([&] {
              match(torch::zeros({3, 5}), {none, torch::zeros({0}, at::kLong), none}, {});
            }),
            "match_boxes: candidates: expected [N, 4], got [3, 5]");
}

TEST(Matcher, WithoutCandidatesThereIsNothingToLearn) {
  const auto got = match(torch::zeros({0, 4}), target(part(10)), kRpnLowQuality);
  EXPECT_EQ(got.labels.size(0), 0);
  EXPECT_EQ(got.truth.size(0), 0);
}

}  // namespace
}  // namespace rcnn::boxes
