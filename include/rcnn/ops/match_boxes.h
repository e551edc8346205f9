#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::ops {

/// How candidates (anchors, proposals) and ground truth overlap. All on the candidates' device.
struct BoxMatches {
  /// int64 [N], the ground truth with the highest IoU (lowest index on a tie), -1 if M = 0
  at::Tensor truth;
  /// float32 [N], that IoU; 0 if M = 0
  at::Tensor iou;
  /// bool [N], whether some ground truth with IoU > 0 has no better candidate than this one
  at::Tensor best_of_truth;
  /// float32 [N], the largest share of the candidate's area inside one ignore region
  at::Tensor ignored;
};

/// Best ground truth of every candidate and best candidates (all ties) of every ground truth, without a
/// matrix [N, M] (Ren et al. 2015, Faster R-CNN, section 3.1.2).
///
/// candidates     float32 [N, 4]
/// truths         float32 [M, 4]
/// ignore         float32 [I, 4], regions in which nothing counts as background; [0, 4] for none
/// throws         c10::Error when a shape, dtype or device disagrees
///
/// Boxes of zero or negative area have IoU 0 with everything. Not differentiable.
RCNN_EXPORT BoxMatches match_boxes(const at::Tensor& candidates, const at::Tensor& truths,
                                   const at::Tensor& ignore);

}  // namespace rcnn::ops
