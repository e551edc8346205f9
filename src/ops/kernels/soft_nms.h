#pragma once

#include <cstdint>

#include "ops/kernels/cpu/parallel.h"

namespace rcnn::ops::kernels {

/// Boxes [count, 4] = (x1, y1, x2, y2) of one image with their scores, in any order.
template <class T>
struct ScoredBoxes {
  const T* boxes;
  const T* scores;
  const int64_t* groups;  ///< [count]; null: all in one group
  int64_t count;
};

/// score * (1 - iou) from iou_threshold on, or score * exp(-iou^2 / sigma).
template <class T>
struct SoftNmsDecay {
  bool gaussian;
  T iou_threshold, sigma;
};

/// The kept boxes by falling score.
template <class T>
struct SoftlyKept {
  int64_t* indices;  ///< [max_kept]
  T* scores;         ///< [max_kept]
  int64_t max_kept;
};

namespace cpu {

/// Keeps boxes whose score is above min_score, which is not negative. Returns how many.
template <class T>
int64_t soft_nms(const ScoredBoxes<T>& boxes, const SoftNmsDecay<T>& decay, T min_score,
                 const SoftlyKept<T>& kept, const Parallel& parallel);

}  // namespace cpu
}  // namespace rcnn::ops::kernels
