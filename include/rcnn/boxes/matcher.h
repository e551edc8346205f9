#pragma once

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::boxes {

/// Which candidates count as objects, and which as background.
struct MatcherOptions {
  double positive_iou = 0.5;  ///< at least this IoU with its best ground truth makes a candidate positive
  double negative_iou = 0.5;  ///< below this, and ...
  double negative_low = 0.0;  ///< ... at least this, makes it negative; what remains is left out
  /// Also makes positive each ground truth's best candidates, however low their IoU, provided it is above 0.
  bool low_quality = false;
  double low_quality_iou = 0;  ///< ... and at least this (mmdetection's min_pos_iou)
  /// What such a candidate learns: its own best truth, as in py-faster-rcnn, torchvision and detectron2, or
  /// the truth whose best it is, the last of several (mmdetection's MaxIoUAssigner).
  enum class LowQualityTarget { own, reached } low_quality_target = LowQualityTarget::own;
  /// A candidate with at least this share of its area inside one ignore region is never negative.
  double ignore_share = 0.5;
};

/// What each candidate is to learn.
struct Assignment {
  at::Tensor labels;  ///< int64 [N]: the ground truth's label (1..C), 0 for background, -1 for left out
  at::Tensor truth;   ///< int64 [N]: the index of the truth it learns; meaningful where the label is positive
};

/// Assigns ground truth to candidates (anchors or proposals, float32 [N, 4]) by IoU (Faster R-CNN,
/// section 3.1.2; Fast R-CNN, section 2.3). Without truth all is background. Throws c10::Error.
RCNN_EXPORT Assignment match(const at::Tensor& candidates, const Target& target,
                             const MatcherOptions& options);

}  // namespace rcnn::boxes
