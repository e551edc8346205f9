#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/voc/voc.h>
#include <rcnn/train/lr_range.h>

#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/train/training_of.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::train {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;
using testing::Optional;

/// Points of a made-up loss from 1e-6 to 1, with normal noise.
std::vector<LrPoint> points_of(const std::function<double(double)>& loss, double noise = 0, uint32_t seed = 0,
                               int count = 100) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 1);
  std::vector<LrPoint> points;
  for (int i = 0; i < count; ++i) {
    const double lr = std::pow(10, -6 + 6.0 * i / count);
    points.push_back({lr, loss(lr) + noise * normal(random)});
  }
  return points;
}

/// Over log(lr) it falls steepest at 1e-3, and is lowest near 0.03.
double typical(double lr) {
  return 1 + 1.5 / (1 + lr / 1e-3) + std::pow(lr / 0.3, 2);
}

TEST(SuggestLr, FindsTheSteepestFallAndTheLowestLoss) {
  const auto found = suggest_lr(points_of(typical));
  EXPECT_THAT(found.steepest, Optional(testing::DoubleNear(1e-3, 1e-5)));
  EXPECT_THAT(found.lowest, Optional(AllOf(Ge(0.02), Le(0.05))));
  EXPECT_EQ(found.remark, "");
  EXPECT_EQ(found.smoothed.size(), 100);
  EXPECT_NEAR(found.smoothed[50], typical(1e-3), 1e-3);
}

TEST(SuggestLr, FindsThemInNoise) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const auto found = suggest_lr(points_of(typical, 0.1, seed));
  // 99 of 100 are within a factor of 2.3, of 20,000 none was beyond 10 (a simulation of this very test).
  EXPECT_THAT(found.steepest, Optional(AllOf(Ge(1e-4), Le(1e-2))));
  EXPECT_THAT(found.lowest, Optional(AllOf(Ge(0.005), Le(0.12))));
  EXPECT_EQ(found.remark, "");
}

TEST(SuggestLr, AnExplosionAtTheEndChangesNothing) {
  auto points = points_of(typical);
  points.push_back({1, 60});
  points.push_back({1.15, 1e9});
  const auto found = suggest_lr(points), without = suggest_lr(points_of(typical));
  EXPECT_THAT(found.steepest, Optional(AllOf(Ge(8e-4), Le(1.3e-3))));
  EXPECT_THAT(found.lowest,
              Optional(testing::DoubleNear(without.lowest.value(), 0.5 * without.lowest.value())));
  EXPECT_LT(found.ceiling, 10);
}

TEST(SuggestLr, ALossThatFallsToTheEndHasARemark) {
  const auto found = suggest_lr(points_of([](double lr) { return 1 + 1.5 / (1 + lr / 1e-3); }));
  EXPECT_THAT(found.steepest, Optional(testing::DoubleNear(1e-3, 1e-5)));
  EXPECT_THAT(found.remark, HasSubstr("still falling at the end"));
}

TEST(SuggestLr, WithoutAFallThereIsNoSuggestion) {
  const auto expect_none = [](const std::vector<LrPoint>& points, const std::string& remark) {
    const auto found = suggest_lr(points);
    EXPECT_FALSE(found.steepest);
    EXPECT_FALSE(found.lowest);
    EXPECT_THAT(found.remark, HasSubstr(remark));
    EXPECT_EQ(found.smoothed.size(), points.size());
  };
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const auto constant = [](double) { return 2.0; };
  expect_none(points_of(constant), "does not fall clearly");
  expect_none(points_of(constant, 0.3, seed), "does not fall clearly");
  expect_none(points_of([](double lr) { return 2 - 0.002 * std::log10(lr); }), "does not fall clearly");
  expect_none(points_of([](double lr) { return 2 + 1e4 * lr; }), "begin at a lower rate");
  expect_none(points_of(typical, 0, 0, 9), "9 points are too few");
  expect_none({}, "0 points are too few");
}

class LrRangeTest : public testing::Test {
 protected:
  /// A test of a detector on drawn scenes.
  std::vector<LrPoint> run(const LrRangeOptions& range) const {
    const auto dataset = data::read_voc({.root = folder_.path() / "scenes"});
    TrainOptions options;
    options.schedule = {.lr = 5, .warmup_iterations = 1000, .steps = {0.5}};
    options.base_batch = 16;
    Trainer trainer(training_of(bare(tiny_model(std::ssize(dataset->categories()))), dataset,
                                {.min_size = 64, .max_size = 96}, {.workers = 0},
                                lr_range_options(options, range)));
    size_t reports = 0;
    const auto points = run_lr_range(trainer, [&](const Progress&) { ++reports; });
    EXPECT_EQ(reports, points.size());
    return points;
  }

  void SetUp() override {
    tools::draw_scenes(folder_.path() / "scenes", {.train = 5, .test = 1, .size = {64, 96}, .seed = 3});
  }
  const TempFolder folder_;
};

TEST_F(LrRangeTest, GoesThroughTheRatesAtEqualFactors) {
  const auto points = run({.from = 1e-5, .to = 1e-1, .iterations = 8});
  ASSERT_EQ(points.size(), 8);
  for (int i = 0; i < 8; ++i) {
    EXPECT_NEAR(points[i].lr / (1e-5 * std::pow(10, 0.5 * i)), 1, 1e-12) << i;
    EXPECT_TRUE(std::isfinite(points[i].loss));
  }
}

TEST_F(LrRangeTest, StopsWhereTheLossDiverges) {
  const auto points = run({.from = 1e-3, .to = 1e12, .iterations = 60});
  EXPECT_GT(points.size(), 6);
  EXPECT_LT(points.size(), 50);
  for (const auto& point : points) EXPECT_TRUE(std::isfinite(point.loss));
}

TEST(LrRangeOptions, WrongRangesAreRefused) {
  for (const LrRangeOptions range : {LrRangeOptions{.from = 0}, LrRangeOptions{.from = 1, .to = 1},
                                     LrRangeOptions{.from = std::nan("")}, LrRangeOptions{.iterations = 0}}) {
    EXPECT_THROW(lr_range_options({}, range), c10::Error);
  }
}

}  // namespace
}  // namespace rcnn::train
