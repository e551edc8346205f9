#include "ops/parallel.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace rcnn::ops {
namespace {

struct Range {
  int64_t begin, end;
};

std::vector<Range> ranges_of(int threads, int64_t count, int64_t grain) {
  at::set_num_threads(threads);
  std::mutex adding;
  std::vector<Range> ranges;
  parallel(count, grain, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(adding);
    ranges.push_back({begin, end});
  });
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  return ranges;
}

// Compiled without OpenMP, at::parallel_for is a plain loop whatever the number of threads.
TEST(Parallel, GivesEachThreadItsShare) {
  const std::vector<Range> ranges = ranges_of(2, 100, 1);
  ASSERT_EQ(ranges.size(), 2);
  EXPECT_EQ(ranges[0].begin, 0);
  EXPECT_EQ(ranges[0].end, ranges[1].begin);
  EXPECT_EQ(ranges[1].end, 100);
}

TEST(Parallel, LeavesToOneThreadWhatIsNotWorthTwo) {
  EXPECT_EQ(ranges_of(2, 100, 100).size(), 1);
  EXPECT_EQ(ranges_of(1, 100, 1).size(), 1);
  EXPECT_EQ(ranges_of(2, 0, 1).size(), 0);
}

}  // namespace
}  // namespace rcnn::ops
