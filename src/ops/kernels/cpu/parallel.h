#pragma once

#include <cstdint>
#include <functional>

namespace rcnn::ops::kernels::cpu {

/// Work on items begin..end-1.
using RangeBody = std::function<void(int64_t begin, int64_t end)>;

/// How the CPU kernels reach threads: calls the body on disjoint ranges that cover 0..count-1, of `grain` or
/// more items each if there are so many, in any order and on any threads. The ops pass at::parallel_for. No
/// result depends on how it divides the work.
using Parallel = std::function<void(int64_t count, int64_t grain, const RangeBody& body)>;

}  // namespace rcnn::ops::kernels::cpu
