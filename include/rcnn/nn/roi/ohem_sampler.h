#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/boxes/sampler.h>
#include <rcnn/export.h>
#include <rcnn/nn/roi/roi_batch.h>

namespace rcnn::nn {

/// What mmdetection calls OHEMSampler, which is another method than hardest_rois(): as many RoIs of objects
/// and of background as sample_rois() would draw, but those that are classified worst instead of random ones.
/// The loss of boxes does not count, and RoIs that overlap do not suppress each other.
///
/// rois     all candidates of B images
/// scores   [K, C + 1], logits of the RoIs that are no padding, image by image, without a graph
/// returns  int64 [B, R], rows for RoiBatch::select(), of each image the worst of objects, then the worst of
///          background, -1 for none; of equal losses the first
/// throws   c10::Error for another number of scores
///
/// A loss that is not a number counts as the greatest of all.
RCNN_EXPORT at::Tensor worst_classified_rois(const RoiBatch& rois, const at::Tensor& scores,
                                             const boxes::SamplerOptions& options);

}  // namespace rcnn::nn
