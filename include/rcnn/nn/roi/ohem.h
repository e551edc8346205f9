#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/roi/roi_batch.h>

namespace rcnn::nn {

/// Online hard example mining (Shrivastava et al. 2016, section 4).
struct RCNN_EXPORT OhemOptions {
  double nms_threshold = 0.7;  ///< IoU above which the harder of two RoIs stands for both
  /// RoIs suppress those of their own label alone, as in the authors' code; the paper says all of the image.
  bool per_label = false;

  /// Keys: nms_threshold, per_label.
  void read(const config::Node& node);
};

/// The hardest RoIs of each image, by falling loss: non-maximum suppression with the loss as the score, for
/// RoIs that overlap pool nearly the same features and would count twice, then the first `count`.
///
/// rois     all candidates of B images
/// loss     float32 [B, S] of each, without a graph; what it is in the padding does not matter
/// count    of each image
/// returns  int64 [B, count], rows for RoiBatch::select(), -1 where an image has no more
/// throws   c10::Error for losses of another shape
///
/// A loss that is not a number counts as the greatest of all, so that the step's own loss shows it. The host
/// does not wait for the device.
RCNN_EXPORT at::Tensor hardest_rois(const RoiBatch& rois, const at::Tensor& loss, int64_t count,
                                    const OhemOptions& options);

}  // namespace rcnn::nn
