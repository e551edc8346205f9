#pragma once

#include <memory>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/layers/conv_norm.h>

namespace rcnn::nn {

/// Which VGG16.
struct VggOptions {
  int64_t width = 64;         ///< channels of conv1; the published net has 64
  int64_t frozen_stages = 2;  ///< not trained: 1 conv1_*, 2 conv2_* too, ...; 0 trains all
  NormOptions norm{.type = Norm::none};
};

/// VGG16 (Simonyan and Zisserman 2015, configuration D) from conv1_1 to conv5_3: one map "conv5" of
/// stride 16. torchvision's names: features.0 .. features.28, or features.0 .. features.41 with a norm after
/// each convolution (vgg16_bn). fc6 and fc7 belong to the RoI head.
class RCNN_EXPORT VggImpl : public BackboneImpl, public Fusible {
 public:
  explicit VggImpl(const VggOptions& options);
  std::vector<at::Tensor> forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> features() const override { return {{"conv5", channels_, 16}}; }
  void pool_like_caffe() override { rounds_up_ = true; }
  void fuse(Precision precision) override;

 private:
  int64_t channels_ = 0;
  bool rounds_up_ = false;
  std::vector<std::vector<ConvNorm>> stages_;
};

/// Keys: width, frozen_stages.
RCNN_EXPORT std::shared_ptr<BackboneImpl> make_vgg16(const config::Node& node);

/// Keys: width, frozen_stages, those of NormOptions. With norm batch a frozen stage's statistics go on being
/// learnt.
RCNN_EXPORT std::shared_ptr<BackboneImpl> make_vgg16_bn(const config::Node& node);

}  // namespace rcnn::nn
