#pragma once

#include <memory>

#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/trunk.h>
#include <rcnn/nn/roi/auxiliary_heads.h>
#include <rcnn/nn/roi/roi_heads.h>
#include <rcnn/nn/rpn/rpn.h>

namespace rcnn::nn {

/// Faster R-CNN (Ren et al. 2015), trained jointly (section 3.2): the losses of both stages are summed.
/// Proposals count as constants in the backward pass (approximate joint training), or the second stage's
/// losses flow through the boxes of those that were sampled into the RPN's offsets, never through scores,
/// suppression, sampling, labels and targets (non-approximate joint training). The losses are the same.
///
/// Parameters: backbone.body.*, backbone.<neck>.*, rpn.head.*, roi_heads.box_head.*,
/// roi_heads.box_predictor.*, and of its auxiliary heads, for its losses alone, auxiliary_heads.*
class RCNN_EXPORT FasterRcnnImpl : public DetectionModelImpl {
 public:
  /// The RPN is made for the extractor's levels(), the RoI heads for those of them that RoIs are pooled from.
  /// The input's height and width are padded to multiples of `size_divisor`. Auxiliary heads, where there are
  /// any, are made for the extractor's laterals(). Throws c10::Error for a gradient of proposals whose pooler
  /// has none.
  FasterRcnnImpl(std::shared_ptr<FeatureExtractorImpl> extractor, Rpn rpn, RoiHeads roi_heads,
                 const PixelOptions& pixels = {}, int64_t size_divisor = 32,
                 ProposalGradient proposal_gradient = ProposalGradient::none,
                 double proposal_gradient_clip = 0, AuxiliaryHeads auxiliary_heads = nullptr);

  std::vector<Loss> losses(const ImageBatch& images, const std::vector<Target>& targets) override;
  std::vector<Detections> detect(const ImageBatch& images) override;
  std::vector<Detections> candidates(const ImageBatch& images) override;
  std::vector<Detections> proposals(const ImageBatch& images) override;
  const PixelOptions& pixels() const override { return trunk_.pixels; }
  const SuppressionOptions& suppression() const override { return roi_heads_->options().suppression; }
  bool depends_on_classes(std::string_view name) const override;
  int64_t classes_in(const TensorMap& weights) const override;
  bool only_trains(std::string_view name) const override;
  void drop_training_parts() override;

  /// The maps that the RPN sees.
  std::vector<at::Tensor> feature_maps(const ImageBatch& images);

 private:
  using Find = decltype(&RoiHeadsImpl::detect);
  std::vector<Detections> find(Find find, const ImageBatch& images);

  Trunk trunk_;
  std::vector<FeatureSpec> levels_;
  Rpn rpn_;
  RoiHeads roi_heads_;
  ProposalGradient proposal_gradient_;
  double proposal_gradient_clip_;
  AuxiliaryHeads auxiliary_heads_;  // null: none
  at::Tensor parameter_;            // see Trunk::maps
};

/// The factory for models(). Keys of `model`: those of make_trunk(), rpn {...}, roi {...}, proposal_gradient
/// (none, exact or inside) and proposal_gradient_clip (0: off), see RpnImpl::with_gradient().
RCNN_EXPORT std::shared_ptr<DetectionModelImpl> make_faster_rcnn(const config::Node& model,
                                                                 int64_t num_classes);

}  // namespace rcnn::nn
