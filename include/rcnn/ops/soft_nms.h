#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::ops {

/// How far a kept box lowers the scores s of those that it overlaps by an IoU of o.
struct SoftNmsOptions {
  enum class Decay {
    linear,    ///< s * (1 - o) from `iou_threshold` on
    gaussian,  ///< s * exp(-o^2 / sigma)
  } decay = Decay::linear;
  double iou_threshold = 0.3;  ///< linear: 0..1
  double sigma = 0.5;          ///< gaussian: above 0
  double min_score = 0.001;    ///< boxes are kept while their score is above it; 0 or more
  int64_t max_kept = -1;       ///< stop after so many; -1 for all
};

/// What soft_nms() leaves.
struct SoftNms {
  at::Tensor indices;  ///< int64 [K], of the kept boxes by falling score
  at::Tensor scores;   ///< [K], what their scores have become, the scores' dtype
};

/// Soft non-maximum suppression (Bodla et al. 2017, "Soft-NMS", section 3): takes the box of the highest
/// score, lowers the scores of the others by how far they overlap it, and again, until no score is above
/// min_score. Equal scores go by index. A box with a NaN coordinate lowers nobody's score, one with a NaN
/// score is never kept.
///
/// boxes    float32 or float64 [N, 4], any strides
/// scores   [N], same dtype and device
/// groups   int64 [N]: boxes of different groups leave each other alone, as in batched_nms; undefined ({}):
///          all in one
/// returns  both [0] when N is 0
/// throws   c10::Error when a shape, dtype, device or option is not as above
///
/// No gradient. The same bits whatever the number of threads. Takes time in proportion to K * N; computed on
/// the CPU wherever the boxes are, with the result where they are.
RCNN_EXPORT SoftNms soft_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                             const SoftNmsOptions& options);

}  // namespace rcnn::ops
