#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/nn/modules/container/sequential.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/layers/conv_norm.h>

namespace rcnn::nn {

/// The numbers that tell one ResNet from another.
struct RCNN_EXPORT ResNetShape {
  int64_t depth = 50;  ///< 18, 34, 50, 101 or 152
  int64_t width = 64;  ///< channels after the stem; the published nets have 64
  NormOptions norm = {};
  /// Whether a bottleneck that halves the map does so in its first convolution, as published and in
  /// detectron2's weights from MSRA, or in its 3x3 one, as in torchvision's.
  bool stride_in_1x1 = false;
  /// What its convolutions are (DetectoRS, Qiao et al. 2021, section 4):
  /// aws             those with standardised weights, see ConvAwsImpl
  /// sac             in stages 2 to 4 the 3x3 ones are switchable, see SwitchableAtrousConvImpl, all others
  ///                 aws. The paper has bottlenecks, with one such convolution each; of the other blocks both
  ///                 are, which is ours
  /// deformable_sac  the same with deformable sampling, as published
  enum class Conv { plain, aws, sac, deformable_sac } conv = Conv::plain;

  /// Keys: width, those of NormOptions, stride_in_1x1 (depth 50 and up). Depth and conv are there already.
  void read(const config::Node& node);

  static bool has_depth(int64_t depth);
  bool bottleneck() const { return depth >= 50; }
  bool is_switchable() const { return conv == Conv::sac || conv == Conv::deformable_sac; }
  int64_t channels(int stage) const;  ///< after stage 1..4, or after the stem for 0
};

/// A residual block (He et al. 2016, figure 5): two 3x3 convolutions, or 1x1, 3x3 and 1x1, each with its
/// norm. torchvision's names: conv1, bn1, ..., downsample.0, downsample.1.
class RCNN_EXPORT ResidualBlockImpl : public torch::nn::Module, public Fusible {
 public:
  /// `width` is the 3x3 convolutions' channels, `dilation` theirs too.
  ResidualBlockImpl(const ResNetShape& shape, int64_t in_channels, int64_t width, int64_t stride,
                    int64_t dilation = 1);
  at::Tensor forward(const at::Tensor& x);

  /// What a 1x1 convolution, rfp_conv, makes of `feedback` [N, channels, H, W] is added before the last ReLU.
  at::Tensor forward_with(const at::Tensor& x, const at::Tensor& feedback);

  /// Gets that convolution, all 0.
  void take_feedback(int64_t channels);

  void fuse(Precision precision) override;

 private:
  std::vector<ConvNorm> path_;
  std::optional<ConvNorm> shortcut_, feedback_;
};
TORCH_MODULE(ResidualBlock);

/// Stage 1..4 (torchvision's layer1..layer4) of a ResNet. Its first block halves the map, except in stage 1
/// and where the stage is dilated.
RCNN_EXPORT torch::nn::Sequential make_resnet_stage(const ResNetShape& shape, int stage,
                                                    int64_t dilation = 1);

/// Which ResNet, and which of its maps.
struct ResNetOptions {
  ResNetShape shape;
  std::vector<std::string> levels = {"c4"};  ///< maps to give: c2..c5, strides 4..32, finest first
  int64_t frozen_stages = 2;                 ///< not trained: 1 the stem, 2 layer1 too, ...; 0 trains all
  /// 2: c5 keeps c4's stride, and every 3x3 convolution of its stage has dilation 2 (detectron2's DC5;
  /// torchvision's replace_stride_with_dilation leaves the stage's first block undilated).
  int64_t c5_dilation = 1;
};

/// ResNet (He et al. 2016, table 1), as far as its last level needs. Parameter names are torchvision's.
class RCNN_EXPORT ResNetImpl : public BackboneImpl, public Fusible {
 public:
  explicit ResNetImpl(const ResNetOptions& options);
  std::vector<at::Tensor> forward(const at::Tensor& images) override { return forward_with(images, {}); }

  /// c3, c4 and c5 (DetectoRS, section 3.2). It joins in the first block of the level's stage, before the
  /// last ReLU, in basic blocks too, which the paper does not have. What takes it learns in frozen stages
  /// too.
  std::vector<size_t> feedback_levels() const override;
  void take_feedback(int64_t channels) override;
  /// The list may be shorter than features().
  std::vector<at::Tensor> forward_with(const at::Tensor& images,
                                       const std::vector<at::Tensor>& feedback) override;
  /// Until every map of a switchable convolution has its least side.
  int64_t least_side() const override { return least_side_; }

  std::vector<FeatureSpec> features() const override { return features_; }
  void fuse(Precision precision) override { stem_->fuse(precision); }

 private:
  std::optional<ConvNorm> stem_;
  std::vector<torch::nn::Sequential> stages_;
  std::vector<FeatureSpec> features_;
  int64_t least_side_ = 1;
};

/// Keys: those of ResNetShape, conv (plain, aws, sac, deformable_sac), levels, frozen_stages, c5_dilation (1,
/// 2; depth 50 and up). With norm batch a frozen stage's parameters stay as they are and its statistics go on
/// being learnt, as in torchvision.
RCNN_EXPORT std::shared_ptr<BackboneImpl> make_resnet(int64_t depth, const config::Node& node);

}  // namespace rcnn::nn
