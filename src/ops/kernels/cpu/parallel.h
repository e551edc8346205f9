#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace rcnn::ops::kernels::cpu {

/// Work on items begin..end-1.
using RangeBody = std::function<void(int64_t begin, int64_t end)>;

/// How the CPU kernels reach threads: calls the body on disjoint ranges that cover 0..count-1, of `grain` or
/// more items each if there are so many, in any order and on any threads. The ops pass at::parallel_for. No
/// result depends on how it divides the work.
using Parallel = std::function<void(int64_t count, int64_t grain, const RangeBody& body)>;

/// Calls work(next) on each thread; next() is the number of an item that nobody has taken yet, count or more
/// when all are. For items that differ in work, and threads that differ in speed.
template <class Work>
void share_items(const Parallel& parallel, int64_t count, Work work) {
  std::atomic<int64_t> first_free = 0;
  parallel(count, 1, [&](int64_t, int64_t) { work([&] { return first_free++; }); });
}

}  // namespace rcnn::ops::kernels::cpu
