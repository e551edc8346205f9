#pragma once

#include <cstdint>

#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu::simd {

/// Boxes that were kept, coordinate by coordinate. All arrays are padded with NaN, which overlaps nothing, to
/// kKeptPadding more than they hold.
template <class T>
struct KeptCoordinates {
  const T *x1, *y1, *x2, *y2, *areas;
};

constexpr int64_t kKeptPadding = 64;

/// Whether one of the kept boxes begin..end-1 overlaps `box` by an IoU above the threshold.
template <class Isa, class T>
bool is_suppressed(const KeptCoordinates<T>& kept, int64_t begin, int64_t end, const Corners<T>& box,
                   T iou_threshold);

}  // namespace rcnn::ops::kernels::cpu::simd
