#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/nn/modules/container/sequential.h>

#include <rcnn/config/node.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/conv_norm.h>

namespace rcnn::nn {

/// A residual block (He et al. 2016, figure 5): two 3x3 convolutions, or 1x1, 3x3 (which strides) and 1x1,
/// each with its norm. torchvision's names: conv1, bn1, ..., downsample.0, downsample.1.
class ResidualBlockImpl : public torch::nn::Module {
 public:
  ResidualBlockImpl(int64_t in_channels, int64_t width, int64_t stride, bool bottleneck, Norm norm);
  at::Tensor forward(const at::Tensor& x);

 private:
  std::vector<ConvNorm> path_;
  std::optional<ConvNorm> shortcut_;
};
TORCH_MODULE(ResidualBlock);

/// The numbers that tell one ResNet from another.
struct ResNetShape {
  int64_t depth = 50;  ///< 18, 34, 50, 101 or 152
  int64_t width = 64;  ///< channels after the stem; the published nets have 64
  Norm norm = Norm::frozen;

  static bool has_depth(int64_t depth);
  bool bottleneck() const { return depth >= 50; }
  int64_t channels(int stage) const;  ///< after stage 1..4, or after the stem for 0
};

/// Stage 1..4 (torchvision's layer1..layer4) of a ResNet. Its first block halves the map, except in stage 1.
torch::nn::Sequential make_resnet_stage(const ResNetShape& shape, int stage);

struct ResNetOptions {
  ResNetShape shape;
  std::vector<std::string> levels = {"c4"};  ///< maps to give: c2..c5, strides 4..32, finest first
  int64_t frozen_stages = 2;                 ///< not trained: 1 the stem, 2 layer1 too, ...; 0 trains all
};

/// ResNet (He et al. 2016, table 1) with frozen batch norm, as far as its last level needs. Parameter names
/// are torchvision's.
class ResNetImpl : public BackboneImpl {
 public:
  explicit ResNetImpl(const ResNetOptions& options);
  std::vector<at::Tensor> forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> features() const override { return features_; }

 private:
  std::optional<ConvNorm> stem_;
  std::vector<torch::nn::Sequential> stages_;
  std::vector<FeatureSpec> features_;
};

/// Keys: width, norm (frozen, batch), levels, frozen_stages; a frozen stage has frozen norm.
std::shared_ptr<BackboneImpl> make_resnet(int64_t depth, const config::Node& node);

}  // namespace rcnn::nn
