#include "eval/matching.h"

#include <limits>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace rcnn::eval {
namespace {

template <Choice choice>
Matching<choice> matching_of(size_t objects) {
  Matching<choice> matching({0.5});
  for (size_t i = 0; i < objects; ++i) matching.add();
  return matching;
}

/// Object i is offered with the IoU at place i.
template <Choice choice>
std::optional<size_t> take(Matching<choice>& matching, const std::vector<double>& ious) {
  matching.clear_offers();
  for (size_t i = 0; i < ious.size(); ++i) matching.offer(i, ious[i]);
  return matching.take();
}

template <Choice choice>
void expect_the_highest_then_the_next() {
  auto matching = matching_of<choice>(3);
  EXPECT_EQ(take(matching, {0.6, 0.9, 0.7}), 1u);
  EXPECT_FALSE(matching.is_free(1));
  EXPECT_EQ(take(matching, {0.6, 0.9, 0.7}), 2u);
  EXPECT_EQ(take(matching, {0.49, 0.9, 0.7}), std::nullopt);
  EXPECT_TRUE(matching.is_free(0));
  EXPECT_EQ(take(matching, {0.5, 0.9, 0.7}), 0u) << "what reaches the threshold";
}

TEST(Matching, TheHighestIouIsTakenThenTheNextFreeOne) {
  expect_the_highest_then_the_next<Choice::last_best>();
  expect_the_highest_then_the_next<Choice::first_best>();
}

TEST(Matching, AmongEqualIousTheLastOrTheFirst) {
  auto cocos = matching_of<Choice::last_best>(3);
  auto others = matching_of<Choice::first_best>(3);
  auto vocs = matching_of<Choice::best_alone>(3);
  EXPECT_EQ(take(cocos, {0.8, 0.8, 0.6}), 1u);
  EXPECT_EQ(take(others, {0.8, 0.8, 0.6}), 0u);
  EXPECT_EQ(take(vocs, {0.8, 0.8, 0.6}), 0u);
}

TEST(Matching, BestAloneDoesNotFallBackToAFreeObject) {
  auto matching = matching_of<Choice::best_alone>(2);
  EXPECT_EQ(take(matching, {0.6, 0.9}), 1u);
  EXPECT_EQ(take(matching, {0.6, 0.9}), std::nullopt);
  EXPECT_EQ(take(matching, {0.6, 0.55}), 0u);
}

TEST(Matching, RegionsGoLastAndCanBeTakenAgain) {
  Matching<Choice::last_best> matching({0.5});
  matching.add(/*region=*/true);
  matching.add();
  EXPECT_EQ(take(matching, {0.9, 0.6}), 1u);
  EXPECT_EQ(take(matching, {0.9, 0.6}), 0u);
  EXPECT_TRUE(matching.is_free(0));
  EXPECT_EQ(take(matching, {0.9, 0.6}), 0u);
}

TEST(Matching, BestAloneTakesARegionBeforeALesserObject) {
  Matching<Choice::best_alone> matching({0.5});
  matching.add(/*region=*/true);
  matching.add();
  EXPECT_EQ(take(matching, {0.9, 0.6}), 0u);
  EXPECT_EQ(take(matching, {0.9, 0.6}), 0u);
}

TEST(Matching, ThresholdsAndAreasAreMatchedByThemselves) {
  struct Taken {
    size_t object;
    Thresholds at;
    bool ignored;
    bool operator==(const Taken&) const = default;
  };
  Matching<Choice::last_best> matching({0.5, 0.7, 0.9}, 2);
  EXPECT_EQ(matching.all(), 0b111u);
  matching.add(false, [](size_t area) { return area == 0; });
  matching.add();
  const auto take_in = [&](size_t area) {
    std::vector<Taken> taken;
    matching.take(area, [&](size_t object, Thresholds at, bool ignored) {
      taken.push_back({object, at, ignored});
    });
    return taken;
  };
  const auto offer = [&](double first, double second) {
    matching.clear_offers();
    matching.offer(0, first);
    matching.offer(1, second);
  };
  offer(0.8, 0.6);
  EXPECT_EQ(take_in(0), (std::vector<Taken>{{0, 0b011, false}}));
  EXPECT_EQ(take_in(1), (std::vector<Taken>{{1, 0b001, false}, {0, 0b010, true}}));
  offer(0.95, 0.75);
  EXPECT_EQ(take_in(0), (std::vector<Taken>{{0, 0b100, false}, {1, 0b011, false}}));
  EXPECT_EQ(take_in(1), (std::vector<Taken>{{1, 0b010, false}, {0, 0b101, true}}));
}

TEST(Matching, WhatIsNoNumberReachesCocosThresholdsAlone) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  auto cocos = matching_of<Choice::last_best>(1);
  auto others = matching_of<Choice::first_best>(1);
  auto vocs = matching_of<Choice::best_alone>(1);
  EXPECT_EQ(take(cocos, {kNan}), 0u);
  EXPECT_EQ(take(others, {kNan}), std::nullopt);
  EXPECT_EQ(take(vocs, {kNan}), std::nullopt);
}

TEST(Matching, StartsAnew) {
  auto matching = matching_of<Choice::last_best>(1);
  EXPECT_EQ(take(matching, {1}), 0u);
  matching.clear();
  matching.add();
  EXPECT_TRUE(matching.is_free(0));
  EXPECT_EQ(take(matching, {1}), 0u);
  EXPECT_EQ(take(matching, {}), std::nullopt);
}

}  // namespace
}  // namespace rcnn::eval
