#include "eval/radix_sort.h"

#include <algorithm>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace rcnn::eval {
namespace {

TEST(RadixSort, IsAStableSortByFallingScore) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::mt19937_64 random(17);
  for (const size_t count : {0, 1, 2, 10, 1000}) {
    std::vector<double> scores;
    std::vector<Keyed> items, spare;
    for (size_t i = 0; i < count; ++i) {
      const double some[] = {0.0,     -0.0,      0.5,        1e-320,
                             -1e-320, kInfinity, -kInfinity, std::normal_distribution()(random)};
      scores.push_back(some[random() % std::size(some)]);
      items.push_back({falling_key(scores.back()), i});
    }
    auto expected = items;
    std::stable_sort(expected.begin(), expected.end(),
                     [&](const Keyed& a, const Keyed& b) { return scores[a.place] > scores[b.place]; });
    radix_sort(items, spare);
    EXPECT_TRUE(std::ranges::equal(items, expected, {}, &Keyed::place, &Keyed::place)) << count;
  }
}

}  // namespace
}  // namespace rcnn::eval
