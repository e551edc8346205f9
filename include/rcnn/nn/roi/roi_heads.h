#pragma once

#include <memory>
#include <vector>

#include <rcnn/boxes/matcher.h>
#include <rcnn/boxes/sampler.h>
#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/loss.h>
#include <rcnn/nn/models/suppression.h>
#include <rcnn/nn/roi/box_branch.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// Which RoIs the second stage learns from, and which of its detections it reports.
struct RCNN_EXPORT RoiHeadsOptions {
  boxes::MatcherOptions matcher{.positive_iou = 0.5, .negative_iou = 0.5};
  boxes::SamplerOptions sampler{.count = 512, .positive_fraction = 0.25};
  SuppressionOptions suppression = {};

  /// Keys: positive_iou, negative_iou, negative_low, ignore_share, batch_per_image, positive_fraction, and
  /// SuppressionOptions'.
  void read(const config::Node& node);
};

/// The second stage (Fast R-CNN, sections 2.1 to 2.3): pooling, box head, class scores and class-wise boxes.
/// Parameters: those of the pooler as box_roi_pool.*, which the built-in ones have none of, box_head.*,
/// box_predictor.*
class RCNN_EXPORT RoiHeadsImpl : public torch::nn::Module {
 public:
  /// The branch's parts become its own, under their names.
  RoiHeadsImpl(std::shared_ptr<RoiPoolerImpl> pooler, BoxBranch branch, const RoiHeadsOptions& options);

  /// Samples RoIs, see sample_rois(), and compares what the branch says of them with what they are, see
  /// BoxBranchImpl::losses(). `proposals` are float32 [P, 4] for each image; zero proposals and zero ground
  /// truth are fine.
  std::vector<Loss> losses(const std::vector<at::Tensor>& maps, const std::vector<at::Tensor>& proposals,
                           const std::vector<Target>& targets);

  /// Detections of each image, best first, in network pixels, clipped to `sizes`.
  std::vector<Detections> detect(const std::vector<at::Tensor>& maps,
                                 const std::vector<at::Tensor>& proposals,
                                 const std::vector<ImageSize>& sizes);

  const RoiHeadsOptions& options() const { return options_; }

 private:
  Detections select(const at::Tensor& scores, const at::Tensor& boxes, ImageSize size) const;

  RoiHeadsOptions options_;
  std::shared_ptr<RoiPoolerImpl> pooler_;
  BoxBranch branch_;
};
TORCH_MODULE(RoiHeads);

/// "roi" of a config's model: pooler {type = align, ...}, head {type = mlp, ...}, and the keys of
/// BoxBranchOptions and RoiHeadsOptions. `features` are the maps that RoIs are pooled from.
RCNN_EXPORT RoiHeads make_roi_heads(const config::Node& node, const std::vector<FeatureSpec>& features,
                                    int64_t num_classes);

}  // namespace rcnn::nn
