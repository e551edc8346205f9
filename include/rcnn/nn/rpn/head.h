#pragma once

#include <optional>
#include <vector>

#include <torch/nn/modules/conv.h>

#include <rcnn/export.h>
#include <rcnn/nn/layers/conv_norm.h>

namespace rcnn::nn {

/// What the RPN says of every anchor of every level.
struct RpnPrediction {
  std::vector<at::Tensor>
      objectness;                  ///< [N, A_level] logits, a level each; anchors in the generator's order
  std::vector<at::Tensor> deltas;  ///< [N, A_level, 4]
};

/// The same of some anchors.
struct AnchorPrediction {
  at::Tensor objectness;  ///< [P]
  at::Tensor deltas;      ///< [P, 4]
};

/// One or more 3x3 convolutions, each with its ReLU, and two sibling 1x1 convolutions, shared by all levels
/// (Faster R-CNN, section 3.1). torchvision's names: conv.0.0, conv.1.0, ..., cls_logits, bbox_pred. Weights
/// start as N(0, 0.01), biases as 0.
///
/// The paper's score of an anchor is a softmax over two rows, which is the sigmoid of their difference: this
/// one logit. It starts like the difference of two rows of N(0, 0.01) with `logit_std` sqrt(2) * 0.01; and it
/// moves as theirs does at twice the rate with half the weight decay, since each of the two takes half of the
/// way.
class RCNN_EXPORT RpnHeadImpl : public torch::nn::Module, public Fusible {
 public:
  /// The convolutions read maps of `channels`, and give as many, or `hidden`.
  RpnHeadImpl(int64_t channels, int64_t anchors_per_cell, int64_t convs = 1,
              std::optional<int64_t> hidden = std::nullopt, double logit_std = 0.01);
  RpnPrediction forward(const std::vector<at::Tensor>& maps);

  /// What forward() says of `anchors`, int64 [P] counted through the images and, in each, through its levels;
  /// up to rounding. Computed at their places alone: a loss on the few hundred anchors that are sampled then
  /// needs no backward pass over the maps, most of which would have a gradient of 0.
  AnchorPrediction forward_at(const std::vector<at::Tensor>& maps, const at::Tensor& anchors);

  void fuse(Precision precision) override;

 private:
  int64_t anchors_per_cell() const { return cls_logits_->options.out_channels(); }

  std::vector<ConvNorm> convs_;  // without a norm
  torch::nn::Conv2d cls_logits_, bbox_pred_;
};
TORCH_MODULE(RpnHead);

}  // namespace rcnn::nn
