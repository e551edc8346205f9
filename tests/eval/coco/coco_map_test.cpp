#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/eval/coco/coco_summary.h>

#include "tests/eval/coco_sets.h"

namespace rcnn::eval {
namespace {

const std::vector<int64_t> kOneCategory = {1};
constexpr std::array<double, 4> kMediumBox = {10, 10, 50, 50};  // of medium area

CocoTruth truth_in(int64_t image, std::array<double, 4> box, bool crowd = false) {
  return {.image_id = image, .category_id = 1, .box = box, .area = box[2] * box[3], .crowd = crowd};
}

CocoDetection detection_in(int64_t image, std::array<double, 4> box, double score) {
  return {.image_id = image, .category_id = 1, .box = box, .score = score};
}

CocoSummary score(const std::vector<CocoTruth>& truths, const std::vector<CocoDetection>& detections) {
  return coco_summary(coco_map(truths, detections, kOneCategory));
}

TEST(CocoMap, ThresholdsAreNumpys) {
  const auto thresholds = CocoMapOptions::coco_iou_thresholds();
  EXPECT_EQ(thresholds,
            (std::vector<double>{0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95}));
}

TEST(CocoMap, AllFoundIsOneAndNothingFoundIsZero) {
  const auto all = score({truth_in(1, kMediumBox)}, {detection_in(1, kMediumBox, 0.9)});
  EXPECT_DOUBLE_EQ(all.ap, 1);
  EXPECT_DOUBLE_EQ(all.ap_medium, 1);
  EXPECT_EQ(all.ap_small, -1);
  EXPECT_EQ(all.ar1, 1);
  const auto none = score({truth_in(1, kMediumBox)}, {});
  EXPECT_EQ(none.ap, 0);
  EXPECT_EQ(none.ar100, 0);
  const auto nothing_there = score({}, {detection_in(1, kMediumBox, 0.9)});
  EXPECT_EQ(nothing_there.ap, -1);
}

TEST(CocoMap, ASecondTakeIsAFalsePositiveAndACrowdIsNot) {
  const auto twice = score(
      {truth_in(1, kMediumBox), truth_in(2, kMediumBox)},
      {detection_in(1, kMediumBox, 0.9), detection_in(1, kMediumBox, 0.8), detection_in(2, kMediumBox, 0.7)});
  // One of one, then two of three: precision 1 up to recall 0.5, 2/3 after it.
  EXPECT_NEAR(twice.ap, (51 + 50 * 2.0 / 3) / 101, 1e-12);
  const auto crowd = score({truth_in(1, kMediumBox), truth_in(1, {200, 200, 100, 100}, /*crowd=*/true)},
                           {detection_in(1, {210, 210, 20, 20}, 0.95),
                            detection_in(1, {230, 230, 20, 20}, 0.95), detection_in(1, kMediumBox, 0.9)});
  EXPECT_DOUBLE_EQ(crowd.ap, 1);
}

TEST(CocoMap, WhatIsOutOfTheAreaIsIgnored) {
  const std::array<double, 4> small = {100, 100, 10, 10};
  const auto both = score({truth_in(1, kMediumBox), truth_in(1, small)},
                          {detection_in(1, small, 0.9), detection_in(1, kMediumBox, 0.8)});
  EXPECT_DOUBLE_EQ(both.ap_medium, 1);
  EXPECT_DOUBLE_EQ(both.ap_small, 1);
  EXPECT_EQ(both.ap_large, -1);
}

TEST(CocoMap, LimitsCountTheBestOfAnImage) {
  const auto summary = score({truth_in(1, kMediumBox), truth_in(1, {100, 100, 50, 50})},
                             {detection_in(1, kMediumBox, 0.5), detection_in(1, {100, 100, 50, 50}, 0.9)});
  EXPECT_EQ(summary.ar1, 0.5);
  EXPECT_EQ(summary.ar10, 1);
}

TEST(CocoMap, OtherCategoriesAreLeftOut) {
  auto other = detection_in(1, kMediumBox, 0.99);
  other.category_id = 2;
  EXPECT_DOUBLE_EQ(score({truth_in(1, kMediumBox)}, {other, detection_in(1, kMediumBox, 0.9)}).ap, 1);
}

TEST(CocoMap, WrongOptionsAndScoresAreErrors) {
  const auto run = [](const CocoMapOptions& options, double score = 0.5) {
    coco_map({}, std::vector{detection_in(1, kMediumBox, score)}, kOneCategory, options);
  };
  EXPECT_THROW(run({}, std::numeric_limits<double>::quiet_NaN()), std::invalid_argument);
  EXPECT_THROW(run({.iou_thresholds = {}}), std::invalid_argument);
  EXPECT_THROW(run({.iou_thresholds = std::vector<double>(65, 0.5)}), std::invalid_argument);
  EXPECT_THROW(run({.max_detections = {}}), std::invalid_argument);
  EXPECT_THROW(run({.max_detections = {10, 1}}), std::invalid_argument);
  EXPECT_THROW(coco_map({}, {}, std::vector<int64_t>{2, 1}), std::invalid_argument);
  EXPECT_THROW(coco_summary(coco_map({}, {}, kOneCategory, {.max_detections = {5}})), std::invalid_argument);
}

TEST(CocoSummary, PrintsPycocotoolsLinesAndWhyThereIsNone) {
  const auto text = to_text(score({truth_in(1, kMediumBox)}, {detection_in(1, kMediumBox, 0.9)}));
  EXPECT_TRUE(
      text.starts_with(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000\n"
                       " Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 1.000\n"
                       " Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = 1.000\n"
                       " Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = -1.000  "
                       "(there is no object of this "
                       "size)\n"))
      << text;
}

CocoMap map_of(const CocoSets& sets, int64_t number) {
  return coco_map(sets.truths(number), sets.detections(number), sets.categories(number));
}

/// To the last bit.
void expect_numbers(const CocoSummary& summary, const at::Tensor& numbers) {
  const double own[] = {summary.ap,        summary.ap50,     summary.ap75,      summary.ap_small,
                        summary.ap_medium, summary.ap_large, summary.ar1,       summary.ar10,
                        summary.ar100,     summary.ar_small, summary.ar_medium, summary.ar_large};
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(own[i], numbers[i].item<double>()) << "number " << i;
  }
}

void expect_summaries(const CocoMap& map, const at::Tensor& numbers) {
  expect_numbers(coco_summary(map), numbers[0]);
  for (int64_t k = 0; k < map.categories; ++k) expect_numbers(coco_summary(map, {}, k), numbers[k + 1]);
}

TEST(CocoMap, NumbersArePycocotools) {
  const CocoSets sets(RCNN_FIXTURES "/coco_map.safetensors");
  int64_t number = 0;
  for (; sets.has(number); ++number) {
    SCOPED_TRACE(number);
    expect_summaries(map_of(sets, number), sets.get(number, "numbers"));
  }
  EXPECT_EQ(number, 12);
}

void expect_arrays_and_numbers(const std::filesystem::path& file, int64_t count) {
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "pycocotools has not made " << file;
  const CocoSets sets(file);
  int64_t number = 0;
  for (; sets.has(number); ++number) {
    const auto map = map_of(sets, number);
    const auto precision = sets.get(number, "precision"), recall = sets.get(number, "recall");
    ASSERT_EQ(precision.numel(), std::ssize(map.precision)) << "set " << number;
    ASSERT_TRUE(at::from_blob(const_cast<double*>(map.precision.data()), precision.sizes(), at::kDouble)
                    .equal(precision))
        << "set " << number;
    ASSERT_TRUE(
        at::from_blob(const_cast<double*>(map.recall.data()), recall.sizes(), at::kDouble).equal(recall))
        << "set " << number;
    SCOPED_TRACE(number);
    expect_summaries(map, sets.get(number, "numbers"));
  }
  EXPECT_EQ(number, count);
}

TEST(CocoMap, ArraysAndNumbersArePycocotoolsToTheLastBit) {
  expect_arrays_and_numbers(RCNN_COCO_SETS, 100);
}

TEST(CocoMap, ArraysAndNumbersArePycocotoolsToTheLastBitNightly) {
  expect_arrays_and_numbers(RCNN_COCO_SETS_NIGHTLY, 1000);
}

}  // namespace
}  // namespace rcnn::eval
