#include <gtest/gtest.h>

#include <rcnn/train/schedule.h>

namespace rcnn::train {
namespace {

TEST(LearningRate, StaysWhenNothingIsAskedFor) {
  for (const int64_t iteration : {0, 1, 99}) EXPECT_EQ(learning_rate({.lr = 0.3}, iteration, 100), 0.3);
}

TEST(LearningRate, GrowsLinearlyToTheWholeRateInTheLastIterationOfTheWarmup) {
  const ScheduleOptions options{.lr = 0.8, .warmup_iterations = 4};
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 10), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 1, 10), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate(options, 2, 10), 0.6);
  EXPECT_DOUBLE_EQ(learning_rate(options, 3, 10), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, 10), 0.8);
}

TEST(LearningRate, FallsAtExactlyTheIterationsNamed) {
  const ScheduleOptions options{.lr = 1, .steps = {5, 8}, .gamma = 0.5};
  EXPECT_EQ(learning_rate(options, 4, 10), 1);
  EXPECT_EQ(learning_rate(options, 5, 10), 0.5);
  EXPECT_EQ(learning_rate(options, 7, 10), 0.5);
  EXPECT_EQ(learning_rate(options, 8, 10), 0.25);
}

TEST(LearningRate, AStepBelowOneIsAShareOfTheRun) {
  const ScheduleOptions options{.lr = 1, .steps = {0.75}, .gamma = 0.5};
  EXPECT_EQ(learning_rate(options, 74, 100), 1);
  EXPECT_EQ(learning_rate(options, 75, 100), 0.5);
  EXPECT_EQ(learning_rate(options, 299, 400), 1);
  EXPECT_EQ(learning_rate(options, 300, 400), 0.5);
}

TEST(LearningRate, AShareMeansTheSameIterationAsItsNumber) {
  for (int64_t percent = 1; percent < 100; ++percent) {  // 0.07 * 100 > 7 in binary
    const ScheduleOptions options{.lr = 1, .steps = {static_cast<double>(percent) / 100}, .gamma = 0.5};
    EXPECT_EQ(learning_rate(options, percent - 1, 100), 1) << percent;
    EXPECT_EQ(learning_rate(options, percent, 100), 0.5) << percent;
  }
}

TEST(LearningRate, TheStepOneIsTheSecondIteration) {
  const ScheduleOptions options{.lr = 1, .steps = {1}, .gamma = 0.5};
  EXPECT_EQ(learning_rate(options, 0, 10), 1);
  EXPECT_EQ(learning_rate(options, 1, 10), 0.5);
}

TEST(LearningRate, AStepInsideTheWarmupActsOnTheGrowingRate) {
  const ScheduleOptions options{.lr = 1, .warmup_iterations = 4, .steps = {2}, .gamma = 0.5};
  EXPECT_DOUBLE_EQ(learning_rate(options, 1, 10), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 2, 10), 0.375);
}

}  // namespace
}  // namespace rcnn::train
