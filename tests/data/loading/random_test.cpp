#include "data/loading/random.h"

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace rcnn::data {
namespace {

// The published first outputs of splitmix64 from state 0: what is drawn must never change under a data set's
// users.
TEST(Random, MixIsSplitmix64) {
  EXPECT_EQ(mix(0), 0xe220a8397b1dcdaf);
  EXPECT_EQ(mix(0x9e3779b97f4a7c15), 0x6e789e6aa1b965f4);
}

TEST(Random, HashDependsOnEachPartAndOnTheirOrder) {
  std::set<uint64_t> seen;
  for (int seed = 0; seed < 10; ++seed) {
    for (int epoch = 0; epoch < 10; ++epoch) {
      seen.insert(hash(seed, epoch));
      for (int sample = 0; sample < 10; ++sample) seen.insert(hash(seed, epoch, sample));
    }
  }
  EXPECT_EQ(seen.size(), 100u + 1000u);
}

TEST(Random, UniformCoversItsRangeEvenly) {
  Random random(1);
  std::array<int, 10> counts{};
  for (int i = 0; i < 10000; ++i) {
    const double value = random.uniform();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    ++counts[static_cast<size_t>(value * 10)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);  // five standard deviations of 30
}

TEST(Random, BelowReachesEachValue) {
  Random random(2);
  std::set<int64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(random.below(6));
  EXPECT_EQ(seen, (std::set<int64_t>{0, 1, 2, 3, 4, 5}));
}

TEST(Random, ChanceOfZeroAndOneAreCertain) {
  Random random(3);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(random.chance(0));
    EXPECT_TRUE(random.chance(1));
  }
}

TEST(Random, ShufflingMakesEveryOrderAsLikely) {
  std::map<std::vector<int>, int> orders;
  constexpr int kRounds = 6000;
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    std::vector<int> items = {1, 2, 3};
    Random(seed).shuffle(items);
    ++orders[items];
  }
  EXPECT_EQ(orders.size(), 6u);
  double chi_square = 0;
  for (const auto& [order, count] : orders) chi_square += std::pow(count - kRounds / 6, 2) / (kRounds / 6);
  EXPECT_LT(chi_square, 20.5) << "5 degrees of freedom: the 0.1 % point, for fixed seeds";
}

}  // namespace
}  // namespace rcnn::data
