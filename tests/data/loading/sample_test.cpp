#include <algorithm>
#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include <rcnn/data/loading/sample.h>

namespace rcnn::data {
namespace {

TEST(Sample, IsAscendingWithoutRepetition) {
  for (const uint64_t seed : {0, 1, 2}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto chosen = sample(1000, 24, seed);
    ASSERT_EQ(chosen.size(), 24u);
    EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.end(), std::less_equal<>()));
    EXPECT_GE(chosen.front(), 0);
    EXPECT_LT(chosen.back(), 1000);
    EXPECT_EQ(sample(1000, 24, seed), chosen);
    EXPECT_NE(sample(1000, 24, seed + 3), chosen);
  }
}

TEST(Sample, AllWhenThereAreNoMore) {
  std::vector<int64_t> all(5);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sample(5, 5, 0), all);
  EXPECT_EQ(sample(5, 50, 0), all);
  EXPECT_TRUE(sample(0, 3, 0).empty());
}

TEST(Sample, EveryChoiceIsAsLikely) {
  std::map<std::vector<int64_t>, int> seen;
  constexpr int kDraws = 10000;
  for (uint64_t seed = 0; seed < kDraws; ++seed) ++seen[sample(5, 2, seed)];
  ASSERT_EQ(seen.size(), 10u);
  for (const auto& [choice, count] : seen) EXPECT_NEAR(count, kDraws / 10, 150);  // 5 standard deviations
}

}  // namespace
}  // namespace rcnn::data
