#include <limits>
#include <vector>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <rcnn/eval/errors/error_breakdown.h>

#include "tests/eval/coco_sets.h"
#include "tests/eval/objects.h"

namespace rcnn::eval {
namespace {

constexpr std::array<double, 4> kPart = {0, 0, 50, 15};  // IoU with kBox: 0.3

/// AP50, then counts and gains of localisation, classification, duplicate, background, both, missed.
struct Expected {
  double ap50 = 0;
  std::array<int64_t, 6> counts = {};
  std::array<double, 6> gains = {};
};

void expect(const std::vector<CocoTruth>& truths, const std::vector<CocoDetection>& detections,
            const Expected& expected) {
  const auto found = error_breakdown(truths, detections, kDogCat);
  EXPECT_NEAR(found.ap50, expected.ap50, 1e-12);  // here and below: sums in another order
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(found.errors[i].count, expected.counts[i]) << found.errors[i].name;
    EXPECT_NEAR(found.errors[i].gain, expected.gains[i], 1e-12) << found.errors[i].name;
  }
}

TEST(ErrorBreakdown, WithoutErrorsThereIsNothingToGain) {
  expect({truth(3, kBox), truth(90, kFar)}, {detection(3, kBox, 0.9), detection(90, kFar, 0.8)}, {.ap50 = 1});
}

TEST(ErrorBreakdown, Localisation) {
  expect({truth(3, kBox)}, {detection(3, kPart, 0.9)}, {.counts = {1}, .gains = {1}});
}

TEST(ErrorBreakdown, ALocalisationOfWhatIsFoundIsOnlyRemoved) {
  expect({truth(3, kBox)}, {detection(3, kPart, 0.9), detection(3, kBox, 0.8)},
         {.ap50 = 0.5, .counts = {1}, .gains = {0.5}});
}

TEST(ErrorBreakdown, OfTwoClaimsOnAnObjectTheBetterScoredIsMended) {
  // Mended, the first is right and the second gone. Mending classification alone removes the cat, whose class
  // has no object: its AP of 0 leaves the mean, but the claim is lost.
  expect({truth(3, kBox)}, {detection(3, kPart, 0.9), detection(90, kBox, 0.8)},
         {.counts = {1, 1}, .gains = {0.5, 0}});
}

TEST(ErrorBreakdown, Classification) {
  // The dog found as a cat: of two classes in the mean one is left when it is mended, and that is perfect.
  expect({truth(3, kBox)}, {detection(90, kBox, 0.9)}, {.counts = {0, 1}, .gains = {0, 1}});
}

TEST(ErrorBreakdown, Duplicate) {
  expect({truth(3, kBox), truth(3, kFar)},
         {detection(3, kBox, 0.9), detection(3, kBox, 0.8), detection(3, kFar, 0.7)},
         {.ap50 = (51 + 50 * 2.0 / 3) / 101, .counts = {0, 0, 1}, .gains = {0, 0, 50.0 / 3 / 101}});
}

TEST(ErrorBreakdown, Background) {
  expect({truth(3, kBox)}, {detection(3, kFar, 0.9), detection(3, kBox, 0.8)},
         {.ap50 = 0.5, .counts = {0, 0, 0, 1}, .gains = {0, 0, 0, 0.5}});
}

TEST(ErrorBreakdown, Both) {
  // On the dog by 0.3, and a cat. Without it the cats are no class with detections any more.
  expect({truth(3, kBox)}, {detection(3, kBox, 0.9), detection(90, kPart, 0.8)},
         {.ap50 = 0.5, .counts = {0, 0, 0, 0, 1}, .gains = {0, 0, 0, 0, 0.5}});
}

TEST(ErrorBreakdown, Missed) {
  expect({truth(3, kBox), truth(3, kFar)}, {detection(3, kBox, 0.9)},
         {.ap50 = 51.0 / 101, .counts = {0, 0, 0, 0, 0, 1}, .gains = {0, 0, 0, 0, 0, 50.0 / 101}});
}

TEST(ErrorBreakdown, WhatLiesInACrowdOfItsCategoryIsLeftOut) {
  const auto crowd = truth(3, {0, 0, 150, 150}, /*crowd=*/true);
  expect({crowd, truth(3, kFar)}, {detection(3, kBox, 0.9), detection(3, kFar, 0.8)}, {.ap50 = 1});
  // A cat in a crowd of dogs is background.
  expect({crowd, truth(3, kFar)}, {detection(90, kBox, 0.9), detection(3, kFar, 0.8)},
         {.ap50 = 0.5, .counts = {0, 0, 0, 1}, .gains = {0, 0, 0, 0.5}});
}

TEST(ErrorBreakdown, TheBestOfAnImageCount) {
  const std::vector<CocoTruth> truths = {truth(3, kBox)};
  const std::vector<CocoDetection> detections = {detection(3, kBox, 0.8), detection(90, kFar, 0.9)};
  EXPECT_EQ(error_breakdown(truths, detections, kDogCat, {.max_detections = 1}).errors[5].count, 1);
  EXPECT_EQ(error_breakdown(truths, detections, kDogCat, {.max_detections = 2}).errors[5].count, 0);
}

TEST(ErrorBreakdown, EmptyInputsAndWrongOnes) {
  expect({}, {}, {});
  expect({truth(3, kBox)}, {}, {.counts = {0, 0, 0, 0, 0, 1}});
  expect({}, {detection(3, kBox, 0.9)}, {.counts = {0, 0, 0, 1}});
  expect({truth(7, kBox)}, {detection(7, kBox, 0.9)}, {});
  const auto run = [](const ErrorBreakdownOptions& options, double score = 0.5) {
    error_breakdown({}, std::vector{detection(3, kBox, score)}, kDogCat, options);
  };
  EXPECT_THROW(run({}, std::numeric_limits<double>::quiet_NaN()), std::invalid_argument);
  EXPECT_THROW(run({.background_iou = 0}), std::invalid_argument);
  EXPECT_THROW(run({.foreground_iou = 0.05}), std::invalid_argument);
  EXPECT_THROW(run({.max_detections = 0}), std::invalid_argument);
}

TEST(ErrorBreakdown, IsTides) {
  const CocoSets sets(RCNN_FIXTURES "/error_breakdown.safetensors");
  int64_t number = 0;
  for (; sets.has(number); ++number) {
    SCOPED_TRACE(number);
    const auto found = error_breakdown(sets.truths(number), sets.detections(number), sets.categories(number));
    const auto expected = sets.get(number, "errors");
    const auto* values = expected.data_ptr<double>();
    EXPECT_NEAR(found.ap50, values[0], 1e-12);  // here and below: sums in another order
    for (size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(found.errors[i].count, static_cast<int64_t>(values[1 + i])) << found.errors[i].name;
      EXPECT_NEAR(found.errors[i].gain, values[7 + i], 1e-12) << found.errors[i].name;
    }
  }
  EXPECT_EQ(number, 20);
}

TEST(ErrorBreakdown, TheTableHasALineAnError) {
  const auto text =
      to_text(error_breakdown(std::vector{truth(3, kBox)}, std::vector{detection(3, kPart, 0.9)}, kDogCat));
  EXPECT_TRUE(
      text.starts_with("error             count  gain in TIDE's AP50 (0.000) when mended\n"
                       "localisation          1  1.000\n"
                       "classification        0  0.000\n"))
      << text;
}

}  // namespace
}  // namespace rcnn::eval
