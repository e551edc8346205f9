#include "eval/precision_curve.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace rcnn::eval {
namespace {

TEST(PrecisionCurve, KeepsTheHighestPrecisionAtEachObjectFound) {
  PrecisionCurve curve;
  for (const bool right : {true, false, true, true, false}) curve.add({.matched = right});
  EXPECT_EQ(curve.counted(), 5);
  EXPECT_EQ(curve.found(), 3);
  EXPECT_EQ(curve.envelope(), (std::vector<double>{1, 0.75, 0.75}));
}

TEST(PrecisionCurve, WhatIsIgnoredDoesNotCountWhereItIs) {
  PrecisionCurve curve(2);
  curve.add({.matched = 0b11, .ignored = 0b11}, 0b11);
  curve.add({.ignored = 0b01}, 0b11);
  curve.add({.matched = 0b11}, 0b11);
  EXPECT_EQ(curve.counted(0), 1);
  EXPECT_EQ(curve.counted(1), 2);
  EXPECT_EQ(curve.envelope(0), std::vector<double>{1});
  EXPECT_EQ(curve.envelope(1), std::vector<double>{0.5});
  curve.clear();
  EXPECT_EQ(curve.counted(1), 0);
  EXPECT_TRUE(curve.envelope(1).empty());
}

TEST(PrecisionCurve, TheEpsilonIsPycocotools) {
  PrecisionCurve curve(1, std::numeric_limits<double>::epsilon());
  curve.add({.matched = 1});
  EXPECT_EQ(curve.envelope()[0], 1 / (1 + std::numeric_limits<double>::epsilon()));
  EXPECT_LT(curve.envelope()[0], 1);
}

TEST(PrecisionCurve, ALevelIsReachedByTheFirstRecallThatIsNotBelowIt) {
  const std::vector<double> levels{0, 0.5, 0.51, 1};
  EXPECT_EQ(needed_for(levels, 2), (std::vector<size_t>{1, 1, 2, 2}));
  EXPECT_EQ(needed_for(levels, 100), (std::vector<size_t>{1, 50, 51, 100}));
  const std::vector<double> envelope{1, 0.5};
  EXPECT_EQ(precision_at(envelope, 1), 1);
  EXPECT_EQ(precision_at(envelope, 2), 0.5);
  EXPECT_EQ(precision_at(envelope, 3), 0);
}

TEST(PrecisionCurve, TheAreaIsThatOfItsSteps) {
  EXPECT_EQ(area_under({1, 0.5}, 4), 0.25 * 0.5 + 0.25);
  EXPECT_EQ(area_under({1, 1}, 2), 1);
  EXPECT_EQ(area_under({}, 2), 0);
}

}  // namespace
}  // namespace rcnn::eval
