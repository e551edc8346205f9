#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu {

/// `count` up to the next multiple of `lanes`.
inline int64_t round_up(int64_t count, int64_t lanes) {
  return (count + lanes - 1) / lanes * lanes;
}

/// The range in whole vectors, with some cells more than asked for, where the axis is long enough; else as it
/// is.
inline CellRange in_whole_vectors(CellRange range, int64_t lanes, int64_t length) {
  const int64_t whole = round_up(range.end - range.begin, lanes);
  if (whole > length) return range;
  const int64_t begin = std::min(range.begin, length - whole);
  return {begin, begin + whole};
}

}  // namespace rcnn::ops::kernels::cpu
