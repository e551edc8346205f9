#pragma once

#include <memory>
#include <vector>

#include <rcnn/boxes/anchors.h>
#include <rcnn/boxes/matcher.h>
#include <rcnn/boxes/sampler.h>
#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/loss.h>
#include <rcnn/nn/rpn/proposals.h>

namespace rcnn::nn {

/// The first stage: "rpn" of a config's model.
struct RCNN_EXPORT RpnOptions {
  boxes::AnchorOptions anchors = {};
  int64_t convs = 1;  ///< 3x3 convolutions of the head
  boxes::MatcherOptions matcher{.positive_iou = 0.7, .negative_iou = 0.3, .low_quality = true};
  boxes::SamplerOptions sampler{.count = 256, .positive_fraction = 0.5};
  /// Whether anchors that cross the image's border take part in training: the paper drops them (section 3.3),
  /// later codes keep them.
  enum class CrossBoundary { keep, drop } cross_boundary = CrossBoundary::keep;
  double beta = 1.0 / 9;  ///< of the Smooth L1 loss
  ProposalOptions train{.pre_nms = 2000, .post_nms = 2000};
  ProposalOptions test{.pre_nms = 1000, .post_nms = 1000};

  /// Keys: anchors {sizes, ratios, rounded, spacing}, convs, positive_iou, negative_iou, ignore_share,
  /// batch_per_image, positive_fraction, cross_boundary, beta, nms_threshold, min_size, train {pre_nms,
  /// post_nms}, test {pre_nms, post_nms}.
  static RpnOptions from(const config::Node& node);
};

/// Throws the ConfigError about "rpn" of a config's "model" when a pyramid of these levels has not one anchor
/// size for each.
RCNN_EXPORT void check_anchors(const config::Node& model, const boxes::AnchorOptions& anchors,
                               const std::vector<FeatureSpec>& levels);

/// Region proposal network (Faster R-CNN, section 3). Parameters: head.*
class RCNN_EXPORT RpnImpl : public torch::nn::Module {
 public:
  /// `features` are the maps it will see, all with the same channels.
  RpnImpl(const std::vector<FeatureSpec>& features, const RpnOptions& options);

  /// What it makes of a batch.
  struct Output {
    Proposals proposals;
    std::vector<Loss> losses;  ///< loss_objectness and loss_rpn_box_reg; none without targets
  };

  /// `targets` is one for each image, or null when there is nothing to learn from; in training mode
  /// (train(true)) the proposals are made by the options' `train`, otherwise by `test`.
  Output forward(const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                 const std::vector<Target>* targets);

 private:
  std::vector<Loss> losses(const std::vector<at::Tensor>& maps, const at::Tensor& anchors,
                           const std::vector<ImageSize>& sizes, const std::vector<Target>& targets);
  boxes::Assignment assign(const at::Tensor& anchors, ImageSize size, const Target& target) const;

  RpnOptions options_;
  boxes::BoxCoder coder_;
  std::unique_ptr<boxes::AnchorGenerator> generator_;
  RpnHead head_ = nullptr;
};
TORCH_MODULE(Rpn);

}  // namespace rcnn::nn
