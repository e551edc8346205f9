#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <rcnn/boxes/anchors.h>
#include <rcnn/boxes/matcher.h>
#include <rcnn/boxes/sampler.h>
#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/convention.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/loss.h>
#include <rcnn/nn/rpn/proposals.h>

namespace rcnn::nn {

/// The first stage: "rpn" of a config's model.
struct RCNN_EXPORT RpnOptions {
  boxes::AnchorOptions anchors = {};
  int64_t convs = 1;                               ///< 3x3 convolutions of the head
  std::optional<int64_t> channels = std::nullopt;  ///< of their outputs; none: as many as the maps have
  boxes::MatcherOptions matcher{.positive_iou = 0.7, .negative_iou = 0.3, .low_quality = true};
  boxes::SamplerOptions sampler{.count = 256, .positive_fraction = 0.5};
  /// Which anchors take part in training:
  /// keep          all (torchvision, detectron2)
  /// drop          those inside the image (the paper, section 3.3)
  /// drop_padding  those around cells of the image, padded to a multiple of size_divisor by itself, where a
  ///               batch of larger ones has more (mmdetection: allowed_border -1, valid_flags)
  enum class CrossBoundary { keep, drop, drop_padding } cross_boundary = CrossBoundary::keep;
  int64_t size_divisor = 32;  ///< of the model
  double beta = 1.0 / 9;      ///< of the Smooth L1 loss
  boxes::BoxCoderOptions::Limit delta_limit = boxes::BoxCoderOptions::Limit::above;
  ProposalOptions train{.pre_nms = 2000, .post_nms = 2000};
  ProposalOptions test{.pre_nms = 1000, .post_nms = 1000};

  /// Keys: anchors {sizes, ratios, rounded, spacing}, convs, channels, positive_iou, negative_iou,
  /// low_quality_iou, low_quality_target (own, reached), ignore_share, batch_per_image, positive_fraction,
  /// cross_boundary, beta, delta_limit (above, both), nms_threshold, min_size, train {pre_nms, post_nms},
  /// test {pre_nms, post_nms}. The anchors' convention, which all of the RPN follows, is the model's: by
  /// Convention::pixels anchors are a stride apart, and rounded and spacing have no meaning.
  static RpnOptions from(const config::Node& node, boxes::Convention convention = boxes::Convention::edges);
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
  /// (train(true)) the proposals are made by the options' `train`, otherwise by `test`. `frames`: see
  /// propose(). `with_anchors`: the proposals say of which anchors they were made.
  Output forward(const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                 const std::vector<Target>* targets, const std::vector<Frame>& frames = {},
                 bool with_anchors = false);

  /// Joins proposals to the graph of what predicted them: offsets, decoding, clipping. Nothing flows through
  /// scores and suppression.
  ///
  /// maps, sizes  as forward() had them
  /// boxes        float32 [B, S, 4]
  /// anchors      int64 [B, S]: of which anchors forward() made them; -1 for none: that box stays constant
  /// gradient     exact or inside
  /// clip         above 0: bounds what flows into each predicted offset to -clip..clip, as in MNC's code
  /// returns      the same values as `boxes`
  at::Tensor with_gradient(const at::Tensor& boxes, const at::Tensor& anchors,
                           const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                           ProposalGradient gradient, double clip = 0);

  /// The losses alone, for those who need no proposals.
  std::vector<Loss> losses(const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                           const std::vector<Target>& targets);

  const RpnOptions& options() const { return options_; }

 private:
  std::vector<at::Tensor> anchors(const std::vector<at::Tensor>& maps) const;
  std::vector<Loss> losses(const std::vector<at::Tensor>& maps, const at::Tensor& anchors,
                           const std::vector<ImageSize>& sizes, const std::vector<Target>& targets);
  boxes::Assignment assign(const at::Tensor& anchors, ImageSize size, const Target& target) const;

  RpnOptions options_;
  boxes::BoxCoder coder_;
  std::unique_ptr<boxes::AnchorGenerator> generator_;
  RpnHead head_ = nullptr;
};
TORCH_MODULE(Rpn);

/// Of "rpn" of a config's "model", for the `levels` that an extractor gives and inputs that are padded to
/// multiples of `size_divisor`. Throws ConfigError, and MemoryError with what to lower.
RCNN_EXPORT Rpn make_rpn(const config::Node& model, const std::vector<FeatureSpec>& levels,
                         int64_t size_divisor);

}  // namespace rcnn::nn
