#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/boxes/matcher.h>
#include <rcnn/boxes/sampler.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// The RoIs that a step learns from, of B images together, padded to the S of the image with most. Of each
/// image those of objects stand first, then background, then padding.
struct RCNN_EXPORT RoiBatch {
  at::Tensor boxes;        ///< float32 [B, S, 4], network pixels; zeros in the padding
  at::Tensor labels;       ///< int64 [B, S]: 1..C, 0 for background, -1 in the padding
  at::Tensor truth;        ///< int64 [B, S]: which of the image's objects; -1 for none
  at::Tensor truth_boxes;  ///< float32 [B, S, 4], that object's box; zeros for none
  at::Tensor proposal;     ///< int64 [B, S]: which of the image's proposals; -1 for ground truth and padding

  std::vector<int64_t> counts;     ///< of each image, how many are no padding
  std::vector<int64_t> positives;  ///< and of these, how many are of objects

  /// bool [B, S]: what is no padding.
  at::Tensor mask() const { return labels >= 0; }

  /// The first counts[i] rows of each image's part of `rows`, which is [B, S, ...].
  std::vector<at::Tensor> unpadded(const at::Tensor& rows) const;

  /// Some of them as a batch of its own: those of objects first, then background, otherwise in their order.
  /// `rows` is int64 [B, R], each below S or -1 for none; padding that is chosen is padding again. What was
  /// predicted of this batch does not fit that one: its boxes are pooled and predicted anew. Waits for the
  /// device, which has to tell the counts. Throws c10::Error for other rows.
  RoiBatch select(const at::Tensor& rows) const;
};

/// Adds each image's ground truth to its proposals, float32 [P, 4], matches them and draws RoIs (Fast R-CNN,
/// section 2.3). S is 0 where there is nothing to draw from.
RCNN_EXPORT RoiBatch sample_rois(const std::vector<at::Tensor>& proposals, const std::vector<Target>& targets,
                                 const boxes::MatcherOptions& matcher, const boxes::SamplerOptions& sampler);

}  // namespace rcnn::nn
