#include <limits>
#include <vector>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <rcnn/eval/errors/score_histogram.h>

namespace rcnn::eval {
namespace {

std::vector<CocoDetection> with_scores(const std::vector<double>& scores) {
  std::vector<CocoDetection> detections;
  for (const double score : scores) detections.push_back({.image_id = 1, .category_id = 1, .score = score});
  return detections;
}

TEST(ScoreHistogram, CountsRightAndWrongOnesByScore) {
  const CocoMatches matches{
      .of_detections = {0, CocoMatches::kNone, 1, CocoMatches::kIgnored, CocoMatches::kNone},
      .of_truths = {}};
  const auto histogram = score_histogram(with_scores({0, 0.25, 1, 0.5, 0.24}), matches, 4);
  EXPECT_EQ(histogram.low, 0);
  EXPECT_EQ(histogram.high, 1);
  EXPECT_EQ(histogram.width(), 0.25);
  EXPECT_EQ(histogram.right, (std::vector<int64_t>{1, 0, 0, 1})) << "1 lies in the last bin";
  EXPECT_EQ(histogram.wrong, (std::vector<int64_t>{1, 1, 0, 0}));
}

TEST(ScoreHistogram, HoldsScoresBeyond) {
  const auto histogram = score_histogram(with_scores({-3, 5}), {.of_detections = {0, 1}, .of_truths = {}}, 2);
  EXPECT_EQ(histogram.low, -3);
  EXPECT_EQ(histogram.high, 5);
  EXPECT_EQ(histogram.right, (std::vector<int64_t>{1, 1}));
}

TEST(ScoreHistogram, OfNothingHasEmptyBins) {
  const auto histogram = score_histogram({}, {});
  EXPECT_EQ(histogram.right, std::vector<int64_t>(20));
  EXPECT_EQ(histogram.wrong, std::vector<int64_t>(20));
}

TEST(ScoreHistogram, RefusesWhatItCannotCount) {
  EXPECT_THROW(score_histogram({}, {}, 0), std::invalid_argument);
  EXPECT_THROW(score_histogram(with_scores({0.5}), {}), std::invalid_argument) << "no match of it";
  const CocoMatches one{.of_detections = {0}, .of_truths = {}};
  EXPECT_THROW(score_histogram(with_scores({std::numeric_limits<double>::infinity()}), one),
               std::invalid_argument);
}

}  // namespace
}  // namespace rcnn::eval
