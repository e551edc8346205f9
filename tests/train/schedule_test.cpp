#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/config/config.h>
#include <rcnn/train/schedule.h>

#include "tests/support/message_of.h"

namespace rcnn::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

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

TEST(LearningRate, CosineFallsFromTheWholeRateToNearItsEnd) {
  const ScheduleOptions options{.lr = 2, .type = Schedule::cosine};
  const double root = std::sqrt(2) / 2;
  EXPECT_EQ(learning_rate(options, 0, 4), 2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 1, 4), 1 + root);
  EXPECT_DOUBLE_EQ(learning_rate(options, 2, 4), 1);
  EXPECT_DOUBLE_EQ(learning_rate(options, 3, 4), 1 - root);
}

TEST(LearningRate, PolynomialIsAPowerOfWhatIsLeft) {
  const ScheduleOptions options{.lr = 2, .type = Schedule::polynomial, .power = 2};
  EXPECT_EQ(learning_rate(options, 0, 4), 2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 1, 4), 2 * 0.5625);
  EXPECT_DOUBLE_EQ(learning_rate(options, 2, 4), 2 * 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(options, 3, 4), 2 * 0.0625);
}

TEST(LearningRate, ExponentialFallsByTheSameFactorInEveryIteration) {
  const ScheduleOptions options{.lr = 2, .type = Schedule::exponential, .final_lr = 1.0 / 16};
  EXPECT_EQ(learning_rate(options, 0, 4), 2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 1, 4), 1);
  EXPECT_DOUBLE_EQ(learning_rate(options, 2, 4), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 3, 4), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, 4), 0.125);
  const ScheduleOptions after{
      .lr = 2, .warmup_iterations = 2, .type = Schedule::exponential, .final_lr = 1.0 / 16};
  EXPECT_EQ(learning_rate(after, 0, 6), 1);
  EXPECT_EQ(learning_rate(after, 2, 6), 2);
  EXPECT_DOUBLE_EQ(learning_rate(after, 4, 6), 0.5);
  const ScheduleOptions growing{.lr = 1e-4, .type = Schedule::exponential, .final_lr = 1e4};
  EXPECT_DOUBLE_EQ(learning_rate(growing, 2, 4), 1e-2);
}

TEST(LearningRate, FinalLrIsWhereTheFallWouldEnd) {
  ScheduleOptions options{.lr = 2, .type = Schedule::cosine, .final_lr = 0.25, .power = 1};
  EXPECT_EQ(learning_rate(options, 0, 4), 2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 2, 4), 2 * (0.25 + 0.75 / 2));
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, 4), 0.5);
  options.type = Schedule::polynomial;
  EXPECT_DOUBLE_EQ(learning_rate(options, 3, 4), 2 * (0.25 + 0.75 / 4));
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, 4), 0.5);
}

TEST(LearningRate, TheFallBeginsWhereTheWarmupEnds) {
  for (const auto type : {Schedule::cosine, Schedule::polynomial}) {
    const ScheduleOptions options{.lr = 0.8, .warmup_iterations = 4, .type = type, .power = 1};
    EXPECT_DOUBLE_EQ(learning_rate(options, 0, 8), 0.2);
    EXPECT_DOUBLE_EQ(learning_rate(options, 2, 8), 0.6);
    EXPECT_DOUBLE_EQ(learning_rate(options, 3, 8), 0.8);
    EXPECT_DOUBLE_EQ(learning_rate(options, 4, 8), 0.8);
    EXPECT_DOUBLE_EQ(learning_rate(options, 6, 8), 0.4);  // half of the 4 iterations after the warm-up
    EXPECT_GT(learning_rate(options, 7, 8), 0);
  }
}

TEST(LearningRate, AWarmupAsLongAsTheRunNeverFalls) {
  for (const auto type : {Schedule::cosine, Schedule::polynomial, Schedule::exponential}) {
    for (const int64_t total : {2, 4}) {
      const ScheduleOptions options{.lr = 1, .warmup_iterations = 4, .type = type};
      EXPECT_EQ(learning_rate(options, total - 1, total), static_cast<double>(total) / 4);
    }
  }
}

ScheduleOptions schedule_options(const std::string& text) {
  ScheduleOptions options;
  const auto config = config::Config::parse(text, "here");
  options.read(config.root());
  config.root().finish();
  return options;
}

TEST(ScheduleOptions, EveryScheduleHasItsKeys) {
  EXPECT_EQ(schedule_options(R"({"schedule": "steps", "steps": [3], "gamma": 0.5})").type, Schedule::steps);
  const auto cosine = schedule_options(R"({"schedule": "cosine", "final_lr": 0.5})");
  EXPECT_EQ(cosine.type, Schedule::cosine);
  EXPECT_EQ(cosine.final_lr, 0.5);
  const auto polynomial = schedule_options(R"({"schedule": "polynomial", "final_lr": 0.25, "power": 2})");
  EXPECT_EQ(polynomial.type, Schedule::polynomial);
  EXPECT_EQ(polynomial.final_lr, 0.25);
  EXPECT_EQ(polynomial.power, 2);
  const auto exponential = schedule_options(R"({"schedule": "exponential", "final_lr": 0.125})");
  EXPECT_EQ(exponential.type, Schedule::exponential);
  EXPECT_EQ(exponential.final_lr, 0.125);
}

TEST(ScheduleOptions, AKeyOfAnotherScheduleIsRefused) {
  for (const char* text :
       {R"({"final_lr": 0.5})", R"({"power": 1})", R"({"schedule": "cosine", "power": 1})",
        R"({"schedule": "cosine", "steps": [3]})", R"({"schedule": "cosine", "gamma": 0.5})",
        R"({"schedule": "polynomial", "steps": []})", R"({"schedule": "polynomial", "gamma": 0.5})",
        R"({"schedule": "exponential", "final_lr": 0.5, "power": 1})",
        R"({"schedule": "exponential", "final_lr": 0.5, "gamma": 0.5})"}) {
    EXPECT_THAT(message_of<ConfigError>([&] { schedule_options(text); }),
                HasSubstr("has no meaning with schedule"))
        << text;
  }
}

TEST(ScheduleOptions, WrongValuesAreNamed) {
  EXPECT_THAT(message_of<ConfigError>([] { schedule_options(R"({"schedule": "cosin"})"); }),
              AllOf(HasSubstr("schedule"), HasSubstr("did you mean cosine?")));
  EXPECT_THAT(message_of<ConfigError>([] { schedule_options(R"({"schedule": "cosine", "final_lr": 2})"); }),
              HasSubstr("final_lr"));
  EXPECT_THAT(message_of<ConfigError>([] { schedule_options(R"({"schedule": "exponential"})"); }),
              HasSubstr("final_lr: must be above 0 with schedule exponential"));
  EXPECT_THAT(message_of<ConfigError>([] { schedule_options(R"({"schedule": "polynomial", "power": -1})"); }),
              HasSubstr("power"));
}

}  // namespace
}  // namespace rcnn::train
